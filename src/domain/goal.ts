import type { Bead, BeadStateKind, Priority } from "./bead.ts";
import type { Budget, Spend } from "./budget.ts";
import type { BaseResult, Check } from "./gate.ts";
import { type BlobHash, type Commit, type GoalId, parseGoalId } from "./id.ts";
import type { Plan } from "./plan.ts";
import type { Proof } from "./verdict.ts";

export type Strategy = "conservative" | "balanced" | "aggressive";

/** How a goal ended. Section 13 of the command line maps each to an exit code. */
export type Outcome = "delivered" | "partial" | "failed" | "needs-answer" | "out-of-budget" | "cancelled";

/** Everything the user decided, fixed when the goal is accepted; only `budget-changed` gives it other bounds. */
export interface Order {
  /** What the user wants, in the user's words; 1 to 100,000 characters. */
  readonly text: string;
  /** Absolute path of the user's repository. */
  readonly repository: string;
  /** The commit work starts from: HEAD, or the snapshot that `--include-dirty` made. */
  readonly base: Commit;
  readonly checks: readonly Check[];
  /** Globs of files no change may touch, beside the built-in ones. */
  readonly protect: readonly string[];
  /** Globs of protected files the user allows to change; "!" before one takes it back (see `isAllowed`), as tests by a model do. */
  readonly allowChange: readonly string[];
  /** True only for `--allow-deps`: the change may alter dependency manifests and lockfiles. */
  readonly allowDependencies: boolean;
  /** The user's own setup command, run once in the build jail; undefined: found from lockfiles. */
  readonly setup: string | undefined;
  /** Names of providers in the order they are tried; at least one. */
  readonly providers: readonly string[];
  readonly budget: Budget;
  readonly strategy: Strategy;
  /** Beside other goals: who goes first, and who may draw a window below its thresholds. */
  readonly priority: Priority;
  /** Commit author for delivery, "Name <mail>". */
  readonly author: string;
  /** True only for `--unsafe-no-sandbox`: nothing this goal shows can be proven. */
  readonly unsafeNoSandbox: boolean;
  /** What stands behind acceptance: checks the user gave; tests that a test-writer is asked for first; or none. */
  readonly acceptance: "user" | "model" | "none";
  /** One bead or a tree of them, and why: decided by code when the goal is accepted. */
  readonly mode: Mode;
  /** Beads worked on side by side, 1 or more. */
  readonly workersMax: number;
  /** when-run: only recorded; nothing is worked on or spent before a person runs it. */
  readonly begins: "at-once" | "when-run";
  /** True only for `--keep-revisions`: the branch has every revision as a commit below the one that was proven. */
  readonly keepRevisions: boolean;
}

/** fleet: `plan` is the user's, or undefined where a planner is asked. */
export type Mode =
  | { readonly kind: "solo"; readonly why: string }
  | {
      readonly kind: "fleet";
      readonly why: string;
      readonly plan: Plan | undefined;
      /** Where the plan's checks stand in the file they came from ("plan.yaml:12"), by `placeName`. */
      readonly lines: Readonly<Record<string, string>> | undefined;
    };

export interface GoalEnd {
  readonly outcome: Outcome;
  readonly reason: string | undefined;
  /** True when what the user gave cannot work (a check that cannot run here): exit code 2, not 1. */
  readonly isInputFault: boolean;
  readonly branch: string | undefined;
  /** What was delivered; of `needs-answer` the parts that are asked about, undefined where a bead asks. */
  readonly commit: Commit | undefined;
  readonly proof: Proof | undefined;
  readonly statement: BlobHash | undefined;
}

/** The goal as the events tell it. Derived, never set by hand. */
export interface Goal {
  readonly id: GoalId;
  readonly order: Order;
  readonly createdAt: number;
  /** Events applied to this goal so far; a compare-and-swap on it says "nothing happened meanwhile". */
  readonly version: number;
  readonly spend: Spend;
  /** How many beads are in each state; kinds with none are absent. */
  readonly beads: Readonly<Partial<Record<BeadStateKind, number>>>;
  readonly cancelAsked: boolean;
  /** It waits for a person to run it; nobody has yet. */
  readonly isUnbegun: boolean;
  /** The order's checks, and those that plans brought. */
  readonly checks: readonly Check[];
  /** Base with the test-writer's tests on it, which all work is measured on from then on; undefined: there are none. */
  readonly tests: Commit | undefined;
  /** What finished beads stand on: the newest integrated commit, before that the skeleton; undefined is the base (see `groundOf`). */
  readonly head: Commit | undefined;
  /** Names of the acceptance checks of the beads that are integrated: who lands after them may not break them. */
  readonly landed: readonly string[];
  /** What the checks did on the base commit; undefined until they ran there. */
  readonly base: readonly BaseResult[] | undefined;
  /** The user's newest word on handing over parts without their whole, and the commit it is about; undefined: none yet. */
  readonly partsWord: PartsWord | undefined;
  /** Undefined while work goes on; a resumed goal has no end again. */
  readonly end: GoalEnd | undefined;
}

export interface PartsWord {
  readonly commit: Commit;
  readonly question: string;
  readonly word: "yes" | "no";
  /** ms since the epoch. */
  readonly at: number;
}

const refusal = "you said no to: ";

/** Why work stopped that the user was asked about. */
export function refusalOf(question: string): string {
  return `${refusal}${question}`;
}

/** Whether such a reason is about this finding; false for every other reason. */
export function isRefusedIn(reason: string, finding: string): boolean {
  return reason.startsWith(refusal) && reason.includes(finding);
}

const landing = "it lands with convoy ";

/** Why a task of its own ended that a person joined with others. */
export function landsWith(convoy: GoalId): string {
  return `${landing}${convoy}`;
}

/** The convoy that took a task over; undefined for every other end. */
export function convoyOf(end: GoalEnd | undefined): GoalId | undefined {
  return end?.outcome === "cancelled" ? convoyIn(end.reason ?? "") : undefined;
}

/** The convoy that such a reason names; undefined for every other reason. */
export function convoyIn(why: string): GoalId | undefined {
  return why.startsWith(landing) ? parseGoalId(why.slice(landing.length)) : undefined;
}

/** What the whole goal is measured on: the order's base, with the tests that were written for it where there are any. */
export function groundOf({ order, tests }: Pick<Goal, "order" | "tests">): Commit {
  return tests ?? order.base;
}

/** What stands behind the acceptance of one bead: of the whole what is behind the goal's, of a part whoever made the plan. */
export function acceptanceBehind(
  goal: Pick<Goal, "order" | "tests">,
  { parent }: { readonly parent: string | undefined },
): Proof["acceptance"] {
  const { mode } = goal.order;
  if (parent === undefined) return acceptanceOf(goal);
  return mode.kind === "fleet" && mode.plan !== undefined ? "user" : "model";
}

/** What stands behind acceptance by now: a test-writer that came to nothing leaves none. */
export function acceptanceOf({ order, tests }: Pick<Goal, "order" | "tests">): Proof["acceptance"] {
  return order.acceptance === "model" && tests === undefined ? "none" : order.acceptance;
}

/** A part whose own tries came to nothing, and whose checks are green where the whole was delivered: nothing of it is missing. */
export function isDoneByWhole({ parent, state }: Pick<Bead, "parent" | "state">, end: Goal["end"]): boolean {
  return parent !== undefined && state.kind === "parked" && end?.outcome === "delivered";
}
