import type { Attempt } from "../domain/attempt.ts";
import type { Bead, ParkCause } from "../domain/bead.ts";
import type { Goal } from "../domain/goal.ts";
import type { BlobHash, Commit, GoalId, RevisionId } from "../domain/id.ts";
import type { Lease, NewEvent } from "../ports/store.ts";
import type { Speculation } from "./speculation.ts";
import type { Site } from "./survey.ts";
import type { Tools } from "./tools.ts";

/** What every step of one polecat shares. */
export interface Scene {
  readonly goal: Goal;
  readonly bead: Bead;
  readonly attempt: Attempt;
  /** What the bead's work is measured against: the head it was claimed at; for a parent the goal's own base. */
  readonly base: Commit;
  /** What a new start begins with: the base, or what was there before anybody was asked (see `Attempt.start`). */
  readonly ground: Commit;
  /** Test files where its own tests met others': it may change them, and keeps the lines of both. */
  readonly shared: readonly string[];
  readonly site: Site;
  readonly lease: Lease;
  readonly tools: Tools;
  /** The proof that the last revision's run began. */
  readonly speculation: Speculation;
  readonly signal: AbortSignal;
  /** Appends under the lease. Rejects with LeaseLost when it is not ours any more. */
  append(...events: NewEvent[]): Promise<void>;
}

/** The commit whose tests and gates it may not change: a parent keeps those that its parts brought, too. */
export function keptAt({ bead, base, ground }: Pick<Scene, "bead" | "base" | "ground">): Commit {
  return bead.isParent ? ground : base;
}

/** The event that ends work on a bead without success. */
export function parked(
  lease: Lease,
  goal: GoalId,
  why: { readonly cause: ParkCause; readonly reason: string; readonly best: RevisionId | undefined },
): NewEvent {
  return { type: "bead-parked", goal, bead: lease.bead, ...why };
}

/** Keeps a text as a blob. */
export function keep(tools: Tools, text: string): Promise<BlobHash> {
  return tools.store.blobs.put(new TextEncoder().encode(text));
}
