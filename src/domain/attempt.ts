import type { Estimate } from "./budget.ts";
import type { AttemptId, BeadId, BlobHash, CallId, Commit, GoalId, RevisionId } from "./id.ts";
import type { Fault, Finish } from "./reply.ts";
import type { Proof } from "./verdict.ts";

/** Why a model is asked. `reask`: the last answer could not be used; `read`: it asked for files and now has them. */
export type Step = "draft" | "reask" | "repair" | "fresh" | "read" | "widen" | "escalate";

/** What went wrong in a run, from the outside in. `limit`: a bound of the jail was hit (other than the clock). */
export type FailureClass = "parse" | "import" | "type" | "test" | "timeout" | "limit" | "crash" | "lint";

/** Why an answer could not become a revision. Malformed answers get one terse re-ask and do not count as a repair. */
export type Rejection =
  | "empty"
  | "refused"
  | "truncated"
  | "no-files"
  | "lazy"
  | "inapplicable"
  | "forbidden-path"
  | "unchanged";

/** "the answer … ": a rejection as people read it. */
const rejections: Readonly<Record<Rejection, string>> = {
  empty: "was empty",
  refused: "was a refusal",
  truncated: "broke off before its end",
  "no-files": "named no file to change",
  lazy: "left code out",
  inapplicable: "did not fit the files",
  "forbidden-path": "changed files that it may not",
  unchanged: "changed nothing",
};

export function rejectionWords(reason: Rejection): string {
  return `the answer ${rejections[reason]}`;
}

/** Best so far is compared in this order: runs, collects, tests passed (less failed), lint findings (fewer is better). */
export interface Score {
  readonly runs: boolean;
  readonly collects: boolean;
  readonly testsPassed: number;
  readonly testsFailed: number;
  readonly lintFindings: number;
}

/** What running a revision's checks showed, small enough for an event; the full runs are a blob. */
export interface Evaluation {
  readonly isGreen: boolean;
  readonly score: Score;
  readonly failureClass: FailureClass | undefined;
  /** One line for people: "test: test_add: assert 3 == 4". */
  readonly headline: string;
  /** Same hash twice = same failure: class, failing test names and messages without numbers that vary. */
  readonly failureHash: string;
  /** Checks that could not run at all, with the reason; empty is normal. */
  readonly couldNotRun: readonly string[];
  /** A `GateRun[]` as JSON. */
  readonly runs: BlobHash;
}

/** The durable story of an attempt, one entry an event. The polecat's next move is a function of it alone, so a killed worker goes on where it was. */
export type TrailEntry =
  | {
      readonly kind: "answered";
      readonly call: CallId;
      readonly step: Step;
      readonly answer: BlobHash;
      readonly finish: Finish;
    }
  | {
      readonly kind: "unanswered";
      readonly call: CallId;
      readonly step: Step;
      readonly provider: string;
      readonly fault: Fault["kind"] | "lost";
      readonly why: string;
    }
  | { readonly kind: "rejected"; readonly call: CallId; readonly reason: Rejection; readonly detail: string }
  | { readonly kind: "asked-for-files"; readonly call: CallId; readonly paths: readonly string[] }
  | {
      readonly kind: "revised";
      readonly revision: RevisionId;
      readonly commit: Commit;
      readonly parent: Commit;
      readonly step: Step;
      /** The tree of the commit: the same tree twice is the same code. */
      readonly tree: string;
      readonly files: readonly string[];
      readonly evaluation: Evaluation;
    }
  | { readonly kind: "reverted"; readonly from: RevisionId; readonly to: Commit; readonly why: string }
  | {
      readonly kind: "proved";
      readonly commit: Commit;
      readonly proof: Proof;
      readonly statement: BlobHash;
      /** `ProofFacts` as JSON. */
      readonly evidence: BlobHash;
    };

/** A call that was reserved and has not come back: if its process died, it may have been paid. */
export interface OpenCall {
  readonly call: CallId;
  readonly step: Step;
  readonly provider: string;
  readonly estimate: Estimate;
}

export interface Attempt {
  readonly id: AttemptId;
  readonly bead: BeadId;
  readonly goal: GoalId;
  readonly startedAt: number;
  /** Calls ever reserved; the number of the newest. */
  readonly calls: number;
  /** Revisions ever recorded; the number of the newest. */
  readonly revisions: number;
  readonly open: OpenCall | undefined;
  readonly trail: readonly TrailEntry[];
}

/** Negative when `left` is worse, positive when better, 0 when neither. A total preorder: a law in the test beside. */
export function compareScores(left: Score, right: Score): number {
  if (left.runs !== right.runs) return left.runs ? 1 : -1;
  if (left.collects !== right.collects) return left.collects ? 1 : -1;
  if (left.testsPassed !== right.testsPassed) return left.testsPassed - right.testsPassed;
  if (left.testsFailed !== right.testsFailed) return right.testsFailed - left.testsFailed;
  return right.lintFindings - left.lintFindings;
}

/** The revision that scores highest over all attempts, the earliest of equals; undefined when none was run. */
export function bestRevision(
  attempts: readonly Attempt[],
): Extract<TrailEntry, { readonly kind: "revised" }> | undefined {
  const revised = attempts.flatMap(({ trail }) => trail).filter((entry) => entry.kind === "revised");
  return revised.reduce<(typeof revised)[number] | undefined>(
    (best, entry) =>
      best === undefined || compareScores(entry.evaluation.score, best.evaluation.score) > 0 ? entry : best,
    undefined,
  );
}
