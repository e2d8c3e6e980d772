import type { Estimate, Spend } from "./budget.ts";
import type { AttemptId, BeadId, BlobHash, CallId, Commit, GoalId, RevisionId } from "./id.ts";
import type { Fault, Finish } from "./reply.ts";
import type { Proof } from "./verdict.ts";

/** Why a model is asked. `tests`: for acceptance tests, before anything else; `plan`: for a tree of beads; `join`: nobody is asked, what is there is tried. `reask`: the last answer could not be used; `read`: it asked for files and now has them. */
export type Step =
  | "tests"
  | "plan"
  | "join"
  | "draft"
  | "reask"
  | "repair"
  | "fresh"
  | "read"
  | "widen"
  | "escalate";

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
  | "unchanged"
  | "faulty-plan"
  | "faulty-tests";

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
  "faulty-plan": "was no plan that can be worked on",
  "faulty-tests": "held no tests that could decide anything",
};

export function rejectionWords(reason: Rejection): string {
  return `the answer ${rejections[reason]}`;
}

/** With the detail, where that says more than the reason itself. */
export function rejectedWords(reason: Rejection, detail: string): string {
  const isSame = reason === "empty" || reason === "unchanged" || detail === "";
  return isSame ? rejectionWords(reason) : `${rejectionWords(reason)}: ${detail}`;
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
  /** Acceptance tests that passed the suite gate, as one commit on the goal's base. */
  | {
      readonly kind: "tests-written";
      readonly call: CallId;
      readonly commit: Commit;
      readonly files: readonly string[];
      /** Tests that failed on it and tests that passed. */
      readonly red: number;
      readonly green: number;
    }
  /** Another bead at work changes the same lines: both will have to stand. */
  | { readonly kind: "clash"; readonly with: BeadId; readonly paths: readonly string[] }
  /** Edits of protected files in the answer of which the next revision is made. */
  | { readonly kind: "left-out"; readonly call: CallId; readonly paths: readonly string[] }
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
    }
  /** The user said yes to the question that the proof before raised. */
  | { readonly kind: "consented"; readonly commit: Commit; readonly question: string; readonly at: number };

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
  /** What its work stands on: the goal's head when the bead was claimed; undefined is the goal's base. */
  readonly base: Commit | undefined;
  /** Names of other beads' checks that held on `base` and have to go on holding. */
  readonly keeps: readonly string[];
  /** A commit that is tried before anybody is asked; undefined where the work begins with a question. */
  readonly start: Commit | undefined;
  /** Calls ever reserved; the number of the newest. */
  readonly calls: number;
  readonly spend: Spend;
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

/** A revision, and what a verifier that refuted it gave as its first reason; undefined where none did. */
export interface Best {
  readonly revised: Extract<TrailEntry, { readonly kind: "revised" }>;
  readonly refutation: string | undefined;
}

/**
 * The revision that scores highest over all attempts; of equals one that was not refuted, then the earliest. A refuted
 * one bears the newest refutation: nothing better came after it. Undefined when none was run.
 */
export function bestRevision(attempts: readonly Attempt[]): Best | undefined {
  const found = attempts.flatMap(({ trail }) => judged(trail));
  const best = found.reduce<Best | undefined>(
    (before, each) => (before === undefined || isBetter(each, before) ? each : before),
    undefined,
  );
  if (best?.refutation === undefined) return best;
  return { ...best, refutation: found.findLast((each) => each.refutation !== undefined)?.refutation };
}

/** A proof is of the revision before it. */
function judged(trail: readonly TrailEntry[]): readonly Best[] {
  const found: Best[] = [];
  for (const entry of trail) {
    if (entry.kind === "revised") found.push({ revised: entry, refutation: undefined });
    const last = found.at(-1);
    if (entry.kind === "proved" && entry.proof.verdict === "refuted" && last !== undefined)
      found.splice(-1, 1, { ...last, refutation: entry.proof.reasons[0] ?? "no reason given" });
  }
  return found;
}

function isBetter(left: Best, right: Best): boolean {
  const order = compareScores(left.revised.evaluation.score, right.revised.evaluation.score);
  return order > 0 || (order === 0 && left.refutation === undefined && right.refutation !== undefined);
}

/**
 * Why a goal that delivered nothing did not: what its best revision lacks, then what stopped the work (`why`). Only `why`
 * where nothing was run, where the best one lacks nothing that is known, or where `why` says the same.
 */
export function whyNotDelivered(why: string, attempts: readonly Attempt[]): string {
  const best = bestRevision(attempts);
  if (best === undefined) return why;
  const { revision, evaluation } = best.revised;
  if (best.refutation !== undefined)
    return why.includes(best.refutation)
      ? why
      : `the verifier refuted the best revision, ${revision}: ${best.refutation}; then ${why}`;
  if (evaluation.isGreen) return why;
  const { testsPassed, testsFailed } = evaluation.score;
  const counts = `best revision ${revision}: ${testsPassed} of ${testsPassed + testsFailed} tests pass`;
  const headline = plainHeadline(evaluation);
  return why.includes(headline) ? `${counts}; ${why}` : `${counts}; ${headline}; then ${why}`;
}

/** Of a failing test the class goes without saying. */
export function plainHeadline({ headline }: Evaluation): string {
  return headline.replace(/^test: /, "");
}

/** Calls that were cut: each counts at its estimate, because it may have been paid. */
export function countCut(attempts: readonly Attempt[]): number {
  return attempts.flatMap(({ trail }) => trail).filter(isCut).length;
}

function isCut(entry: TrailEntry): boolean {
  return entry.kind === "unanswered" && entry.fault === "lost";
}

/** "2 calls were cut and count at their estimates". */
export function cutWords(cut: number): string {
  return cut === 1
    ? "1 call was cut and counts at its estimate"
    : `${cut} calls were cut and count at their estimates`;
}

/** What became of edits of protected files. */
export function leftOutWords(paths: readonly string[]): string {
  return `left out, because it may not be changed: ${paths.join(", ")}`;
}

/** "changes the same lines as bead k7m2q9xd.1.2: src/a.py". */
export function clashWords(clash: { readonly with: BeadId; readonly paths: readonly string[] }): string {
  return `changes the same lines as bead ${clash.with}: ${clash.paths.join(", ")}`;
}

/** "tests written by a model: tests/test_a.py; 3 red, 1 green before the change". */
export function testsWords(tests: {
  readonly files: readonly string[];
  readonly red: number;
  readonly green: number;
}): string {
  const { files, red, green } = tests;
  return `tests written by a model: ${files.join(", ")}; ${red} red, ${green} green before the change`;
}
