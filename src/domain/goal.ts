import type { BeadStateKind } from "./bead.ts";
import type { Budget, Spend } from "./budget.ts";
import type { BaseResult, Check } from "./gate.ts";
import type { BlobHash, Commit, GoalId } from "./id.ts";
import type { Proof } from "./verdict.ts";

export type Strategy = "conservative" | "balanced" | "aggressive";

/** How a goal ended. Section 13 of the command line maps each to an exit code. */
export type Outcome = "delivered" | "partial" | "failed" | "needs-answer" | "out-of-budget" | "cancelled";

/** Everything the user decided, fixed when the goal is accepted; only `budget-changed` gives it another budget. */
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
  /** Globs of protected files the user allows to change. */
  readonly allowChange: readonly string[];
  /** True only for `--allow-deps`: the change may alter dependency manifests and lockfiles. */
  readonly allowDependencies: boolean;
  /** The user's own setup command, run once in the build jail; undefined: found from lockfiles. */
  readonly setup: string | undefined;
  /** Names of providers in the order they are tried; at least one. */
  readonly providers: readonly string[];
  readonly budget: Budget;
  readonly strategy: Strategy;
  /** Commit author for delivery, "Name <mail>". */
  readonly author: string;
  /** True only for `--unsafe-no-sandbox`: nothing this goal shows can be proven. */
  readonly unsafeNoSandbox: boolean;
  /** What stands behind acceptance: checks the user gave, or none. */
  readonly acceptance: "user" | "none";
}

export interface GoalEnd {
  readonly outcome: Outcome;
  readonly reason: string | undefined;
  /** True when what the user gave cannot work (a check that cannot run here): exit code 2, not 1. */
  readonly isInputFault: boolean;
  readonly branch: string | undefined;
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
  /** What the checks did on the base commit; undefined until they ran there. */
  readonly base: readonly BaseResult[] | undefined;
  /** Undefined while work goes on; a resumed goal has no end again. */
  readonly end: GoalEnd | undefined;
}
