import type { AttemptId, BeadId, BlobHash, Commit, GoalId, PolecatId, RevisionId } from "./id.ts";
import type { Verdict } from "./verdict.ts";

/** A bead's interface to the rest of the goal. Solo: one bead that owns every unprotected file. */
export interface Contract {
  readonly intent: string;
  /** Globs the bead may write. */
  readonly owns: readonly string[];
  /** Globs it may read. */
  readonly reads: readonly string[];
  /** Names of the goal's checks that decide about it. */
  readonly checks: readonly string[];
}

/**
 * Why work on a bead stopped without success. work: the tries are spent. budget: the user's bound. capacity: no provider
 * would answer. input: something the user gave cannot work here.
 */
export type ParkCause = "work" | "budget" | "capacity" | "input";

/** Where a bead stands; `verdict` says what "proven" is worth (a no-regression bead is integrated too, and called so). The table of who may enter what is in ARCHITECTURE.md. */
export type BeadState =
  | { readonly kind: "blocked" }
  | { readonly kind: "ready" }
  | { readonly kind: "claimed"; readonly by: PolecatId; readonly attempt: AttemptId; readonly token: number }
  | { readonly kind: "waiting"; readonly until: number; readonly why: string }
  | { readonly kind: "needs-answer"; readonly question: string }
  | {
      readonly kind: "proving";
      readonly by: PolecatId;
      readonly attempt: AttemptId;
      readonly commit: Commit;
      readonly token: number;
    }
  | {
      readonly kind: "proven";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: "integrating";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: "integrated";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | { readonly kind: "split" }
  | {
      readonly kind: "parked";
      readonly cause: ParkCause;
      readonly reason: string;
      readonly best: RevisionId | undefined;
    }
  | { readonly kind: "cancelled" };

export type BeadStateKind = BeadState["kind"];

export const beadStateKinds: readonly BeadStateKind[] = [
  "blocked",
  "ready",
  "claimed",
  "waiting",
  "needs-answer",
  "proving",
  "proven",
  "integrating",
  "integrated",
  "split",
  "parked",
  "cancelled",
];

/** 0 is the least urgent, 4 the most; 2 is usual. */
export type Priority = 0 | 1 | 2 | 3 | 4;

export interface Bead {
  readonly id: BeadId;
  readonly goal: GoalId;
  readonly parent: BeadId | undefined;
  readonly dependsOn: readonly BeadId[];
  readonly contract: Contract;
  readonly priority: Priority;
  readonly state: BeadState;
  /** When it last became ready; ageing counts from here. */
  readonly readyAt: number;
  readonly attempts: number;
  /** The newest fencing token ever given out for it; 0 before the first claim. */
  readonly token: number;
  /** The attempt to go on with when a claim was cut short; undefined when the next claim starts a new one. */
  readonly unfinished: AttemptId | undefined;
}

/** A polecat has it: exactly these beads can have a lease. */
export function isHeld(state: BeadState): boolean {
  return state.kind === "claimed" || state.kind === "proving";
}

/** Nothing more will happen to a bead in such a state by itself. */
export function isSettledKind(kind: BeadStateKind): boolean {
  return (
    kind === "integrated" ||
    kind === "parked" ||
    kind === "cancelled" ||
    kind === "split" ||
    kind === "needs-answer"
  );
}
