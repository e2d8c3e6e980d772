import type { Recorded } from "../domain/event.ts";
import type { Stance } from "../domain/floor.ts";
import type { BeadId, GoalId, PolecatId } from "../domain/id.ts";
import type { Policy } from "../domain/move.ts";
import type { PlanReader } from "../domain/planning.ts";
import type { SuiteSeen } from "../domain/provenance.ts";
import type { Clock } from "../kit/clock.ts";
import type { Environments } from "../ports/environment.ts";
import type { Model } from "../ports/model.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Signer } from "../ports/signer.ts";
import type { Store } from "../ports/store.ts";
import type { Verifier } from "../ports/verifier.ts";
import type { Capacity } from "./capacity.ts";

/** Something to look at while work goes on. Never kept, never decided upon. */
export type Sight =
  | { readonly kind: "recorded"; readonly recorded: Recorded }
  | { readonly kind: "answering"; readonly bead: BeadId; readonly characters: number }
  /** Its call waits for a place with a provider. */
  | { readonly kind: "queued"; readonly bead: BeadId; readonly why: string }
  | { readonly kind: "running"; readonly bead: BeadId; readonly what: "checks" | "proof" }
  | { readonly kind: "note"; readonly goal: GoalId; readonly text: string };

/** A model to ask, or why it cannot be asked, in one line that says what to do. */
export type Offer =
  | {
      readonly kind: "model";
      readonly model: Model;
      /** What the tanks call it: the provider's name, for one key of it. */
      readonly source: string;
      readonly contextTokensMax: number;
      readonly outputTokensMax: number;
      /** What its windows are kept for; undefined: for nobody else. */
      readonly stance: Pick<Stance, "yellow" | "red"> | undefined;
    }
  | { readonly kind: "unusable"; readonly why: string };

export type EnclosureKind = "jail" | "unsafe";

export interface Enclosure {
  readonly environments: Environments;
  readonly verifier: Verifier;
}

/** Where evidence is written for people. Atomic: a file is whole or absent. */
export interface Evidence {
  /** Writes `text` as `name` ("statements/1.2.json" lies in a folder of its own) beside the goal's other evidence and returns the absolute path. */
  write(goal: GoalId, name: string, text: string): Promise<string>;
}

/** Everything the story is told with. Wired once, in main. */
export interface Tools {
  readonly store: Store;
  readonly clock: Clock;
  readonly repositories: Repositories;
  /** Where code is installed and run: in a jail, or loudly without one for goals ordered with `--unsafe-no-sandbox`. */
  enclosure(kind: EnclosureKind): Promise<Enclosure>;
  /** The goal matters to scripted models only: each goal hears its script from the start. */
  offer(provider: string, goal: GoalId): Promise<Offer>;
  /** Whether and where a call may be made now. */
  readonly capacity: Capacity;
  /** Every secret this process holds, to be looked for in what leaves it. */
  readonly secrets: readonly string[];
  readonly signer: Signer;
  readonly evidence: Evidence;
  readonly policy: Policy;
  /** Tokens a prompt may hold, whatever more the model would take. */
  readonly contextTokensMax: number;
  /** Tokens of a text. */
  size(text: string): number;
  /** Reads the planner's json, with the line of everything in it. */
  readonly readPlan: PlanReader;
  /** Where the values of a model's test file come from. */
  readSuite(path: string, text: string): Promise<SuiteSeen>;
  readonly polecat: PolecatId;
  /** How long a claim holds without a sign of life, ms. */
  readonly leaseMs: number;
  watch(sight: Sight): void;
}
