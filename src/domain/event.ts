import type { Evaluation, Rejection, Step } from "./attempt.ts";
import type { Contract, ParkCause, Priority, Start } from "./bead.ts";
import type { Budget, BudgetWish, Estimate } from "./budget.ts";
import type { BaseResult, Check } from "./gate.ts";
import type { GoalEnd, Order } from "./goal.ts";
import type { AttemptId, BeadId, BlobHash, CallId, Commit, GoalId, PolecatId, RevisionId } from "./id.ts";
import type { Fault, Finish, Usage } from "./reply.ts";
import type { Proof } from "./verdict.ts";

/** `lost`: the process died while the call was out; the estimate is counted as used, because it may have been paid. */
export type Settled =
  | { readonly kind: "said"; readonly finish: Finish; readonly answer: BlobHash }
  | { readonly kind: "failed"; readonly fault: Fault }
  | { readonly kind: "lost" };

/**
 * Everything that ever happens, as a closed union: noun, then what happened. Each event is enough by itself; `at` is
 * the store's clock in ms. A change of shape gets a new `eventVersion` and an upcast, never a silent edit.
 */
export type Event = { readonly at: number; readonly goal: GoalId } & (
  | { readonly type: "goal-created"; readonly order: Order }
  | { readonly type: "goal-cancel-asked" }
  | { readonly type: "goal-resumed" }
  /** The user gave new bounds, as totals; they take the place of the order's. Undefined: as many workers as before. */
  | {
      readonly type: "budget-changed";
      readonly budget: Budget;
      readonly workersMax: number | undefined;
    }
  | { readonly type: "goal-ended"; readonly end: GoalEnd }
  /** The user's own word on handing over this very commit, which holds parts without their whole. */
  | {
      readonly type: "parts-answered";
      readonly commit: Commit;
      readonly question: string;
      readonly word: "yes" | "no";
    }
  | { readonly type: "base-surveyed"; readonly results: readonly BaseResult[]; readonly runs: BlobHash }
  /** The verifier was killed over a run, which was asked for again of a new process. */
  | { readonly type: "verifier-lost"; readonly why: string }
  | {
      readonly type: "environment-prepared";
      readonly key: string;
      readonly installed: boolean;
      readonly wallMs: number;
      readonly notes: readonly string[];
    }
  | {
      readonly type: "bead-created";
      readonly bead: BeadId;
      readonly parent: BeadId | undefined;
      readonly dependsOn: readonly BeadId[];
      readonly contract: Contract;
      readonly priority: Priority;
    }
  /** The bead became a tree: its skeleton is the goal's new head, its children are created in the same append. */
  | {
      readonly type: "bead-split";
      readonly bead: BeadId;
      /** A `Plan` as JSON. */
      readonly plan: BlobHash;
      readonly head: Commit | undefined;
      readonly checks: readonly Check[];
    }
  /** A bead that a person added to a tree brought them. */
  | { readonly type: "checks-added"; readonly checks: readonly Check[] }
  | { readonly type: "bead-ready"; readonly bead: BeadId; readonly why: string }
  /** Ready again by the user's word. `goesOnWith`: the attempt that the next claim takes up; undefined: it begins anew. */
  | {
      readonly type: "bead-resumed";
      readonly bead: BeadId;
      readonly goesOnWith: AttemptId | undefined;
      readonly why: string;
    }
  /** The user gave one bead other bounds, as totals; undefined leaves one as it was, and minutes that are given begin anew. */
  | { readonly type: "bead-budget-changed"; readonly bead: BeadId; readonly budget: BudgetWish }
  | {
      readonly type: "bead-claimed";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly by: PolecatId;
      readonly token: number;
    }
  | { readonly type: "bead-released"; readonly bead: BeadId; readonly token: number; readonly why: string }
  | {
      readonly type: "bead-waiting";
      readonly bead: BeadId;
      readonly token: number;
      readonly until: number;
      readonly why: string;
    }
  /** Only what other calls have reserved of the budget is in its way: it goes on when there is room, or none of them is out. */
  | {
      readonly type: "bead-held-back";
      readonly bead: BeadId;
      readonly token: number;
      /** What its next call takes at least. */
      readonly needs: Estimate;
      /** When it looks again by itself. */
      readonly until: number;
      readonly why: string;
    }
  | {
      readonly type: "call-reserved";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly step: Step;
      readonly provider: string;
      readonly model: string;
      readonly estimate: Estimate;
      readonly prompt: BlobHash;
      /** The provider that was preferred and could not take it, and why; undefined: this one was. */
      readonly insteadOf: { readonly provider: string; readonly why: string } | undefined;
    }
  | {
      readonly type: "call-settled";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly settled: Settled;
      readonly usage: Usage;
      readonly usd: number;
      readonly wallMs: number;
    }
  | {
      readonly type: "answer-rejected";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly reason: Rejection;
      readonly detail: string;
    }
  | {
      readonly type: "files-asked";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly paths: readonly string[];
    }
  /** A test-writer's tests, frozen: from here on the goal is measured on `commit`. They were seen to collect, to fail there for the right reason, twice alike. */
  | {
      readonly type: "tests-written";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly commit: Commit;
      readonly files: readonly string[];
      /** How they are run: acceptance of the goal, and of this bead. */
      readonly checks: readonly Check[];
      /** Tests that were red on `commit`, 1 or more, and those that passed there. */
      readonly red: number;
      readonly green: number;
    }
  /** The private clone lost them: the same tests from the same answer, as a new commit on the order's base. */
  | { readonly type: "tests-rewritten"; readonly commit: Commit }
  /** The newest revisions of two beads at work do not merge (`git merge-tree`): told before either ends. */
  | {
      readonly type: "conflict-seen";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly with: BeadId;
      readonly paths: readonly string[];
    }
  /** The answer changes files that it may not; the revision that comes with this event is made without them. */
  | {
      readonly type: "edits-left-out";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly call: CallId;
      readonly paths: readonly string[];
    }
  | {
      readonly type: "revision-recorded";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly revision: RevisionId;
      readonly commit: Commit;
      readonly parent: Commit;
      readonly tree: string;
      readonly step: Step;
      readonly files: readonly string[];
      readonly evaluation: Evaluation;
    }
  | {
      readonly type: "revision-reverted";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly from: RevisionId;
      readonly to: Commit;
      readonly why: string;
    }
  | {
      readonly type: "proof-started";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly commit: Commit;
    }
  | {
      readonly type: "proof-ended";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly commit: Commit;
      readonly proof: Proof;
      /** True when the bead may now be integrated; decided by the foreman from the proof and the user's consent. */
      readonly isAccepted: boolean;
      readonly statement: BlobHash;
      readonly evidence: BlobHash;
    }
  | { readonly type: "bead-integrating"; readonly bead: BeadId }
  | {
      readonly type: "bead-integrated";
      readonly bead: BeadId;
      readonly commit: Commit;
      /** Over that commit, or over the newest of the batch it landed with. Undefined, as in shape 1: that of its own proof. */
      readonly statement: BlobHash | undefined;
    }
  /** The merge queue gives it back: it does not fit what was integrated meanwhile. */
  | {
      readonly type: "bead-returned";
      readonly bead: BeadId;
      readonly why: string;
      /** Its work merged with the head, red; undefined where it could not be merged. */
      readonly start: Start | undefined;
    }
  /** It waits again: a parent for its parts, any other for what it needs. What it had is left. */
  | { readonly type: "bead-blocked"; readonly bead: BeadId; readonly why: string }
  /** What finished beads stood on is gone with the private clone; `head` is what the tree begins anew from. */
  | { readonly type: "head-lost"; readonly head: Commit | undefined; readonly why: string }
  | {
      readonly type: "bead-parked";
      readonly bead: BeadId;
      readonly cause: ParkCause;
      readonly reason: string;
      readonly best: RevisionId | undefined;
    }
  | { readonly type: "bead-needs-answer"; readonly bead: BeadId; readonly question: string }
  /** The user's yes to this very question about this very commit; never a model's, never a default. */
  | {
      readonly type: "bead-consented";
      readonly bead: BeadId;
      readonly attempt: AttemptId;
      readonly commit: Commit;
      readonly question: string;
    }
  | {
      readonly type: "bead-cancelled";
      readonly bead: BeadId;
      /** A person took this very bead off, until it is tried again; or it was given up with the whole goal. */
      readonly by: "person" | "goal";
      readonly why: string;
    }
);

export type EventType = Event["type"];

/** The shape version written today; older ones are upcast on read (`upcast.ts`). */
export const eventVersion = 4;

/** An event as the log keeps it. `hash` covers previousHash and everything else here, so any edit breaks the chain. */
export interface Recorded {
  /** 1, 2, 3 … without a gap over the whole store. */
  readonly sequence: number;
  readonly version: number;
  readonly previousHash: string;
  readonly hash: string;
  readonly event: Event;
}

/** The previous hash of the first event. */
export const firstHash = "0".repeat(64);
