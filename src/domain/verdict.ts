import type { Check, GateRun, TestStatus } from "./gate.ts";
import type { Commit } from "./id.ts";

/**
 * proven: acceptance red before and green now, on a clean checkout in a jail, by gates that were seen to go red on a control;
 * where a model wrote the tests, also on most of the small faults that were put into the change.
 * no-regression: guards hold, but nobody's acceptance stands behind the change (none of it was red before, or tests by a model notice too little).
 * refuted: something that must hold does not.
 * could-not-run: a gate could not run, so nothing is known.
 * unisolated-pass: all of it held, but outside a jail.
 */
export type Verdict = "proven" | "no-regression" | "refuted" | "could-not-run" | "unisolated-pass";

export type Isolation = "bubblewrap" | "none";

/** The short form that travels in events and in `goal-end`. */
export interface Proof {
  readonly verdict: Verdict;
  readonly acceptance: "user" | "model" | "none";
  readonly isolation: Isolation;
  readonly testsRun: number;
  readonly testsPassed: number;
  readonly failToPass: number;
  readonly passToPass: number;
  /** One sentence a fact, the gravest first; empty only when proven without a remark. */
  readonly reasons: readonly string[];
}

/** Whether what was proved may be handed over, in full or in part. */
export function isWorthDelivering({ verdict }: Proof): boolean {
  return verdict === "proven" || verdict === "no-regression" || verdict === "unisolated-pass";
}

/** One test before, after and on the control; `absent` = not in that run's report. */
export interface TestStory {
  readonly check: string;
  readonly id: string;
  readonly base: TestStatus | "absent";
  readonly head: TestStatus | "absent";
  readonly control: TestStatus | "absent" | "not-run";
}

/** How the control was made. `bodies`: owned function bodies replaced by a raise; `base-only`: the language is not known, only base and head were compared; `none`: a guard, or the change holds no code that could be replaced. */
export type ControlKind = "bodies" | "base-only" | "none";

/** One check on base, head and control. Control is undefined for guards and where there was nothing to replace. */
export interface GateFacts {
  readonly check: Check;
  /** The check's command with its package scripts written out; the command itself where there are none. */
  readonly written: string;
  readonly base: GateRun;
  readonly head: GateRun;
  readonly control: GateRun | undefined;
  readonly controlKind: ControlKind;
  /** Head once more with a failure built into every test that Rigs could rewrite: an honest report of it cannot be green. Undefined where none could be. */
  readonly witness: GateRun | undefined;
  /** Tests whose assertions let a wrong value through on the witness, and did not on base, by id; at most 100. */
  readonly letThrough: readonly string[];
}

/**
 * What became of a small fault that was put into the change. `killed`: an acceptance check was not green on it; `survived`:
 * all were; `not-run`: time was out, or a check could not run there, in one line of at most 300 characters. `name` is one
 * such line, too: "src/a.py:12: < becomes <=".
 */
export type MutantFate =
  | { readonly name: string; readonly fate: "killed" | "survived" }
  | { readonly name: string; readonly fate: "not-run"; readonly why: string };

/** What the verifier saw; it judges nothing. */
export interface ProofFacts {
  readonly commit: Commit;
  readonly tree: string;
  readonly base: Commit;
  readonly isolation: Isolation;
  readonly gates: readonly GateFacts[];
  /** Protected files that the commit changes and that were restored from base before every run. */
  readonly restored: readonly string[];
  /** Paths that were judged otherwise than base has them: added, modified, deleted; without the restored ones. */
  readonly touched: readonly string[];
  /** Functions whose bodies the control replaced, "path:name", at most 200. */
  readonly replaced: readonly string[];
  /** Test files that the witness rewrote so that their tests fail. */
  readonly rewritten: readonly string[];
  /** Small faults that the acceptance checks were asked about, at most 100; none where a person stands behind them, or one of them was red. */
  readonly mutants: readonly MutantFate[];
  readonly startedAt: number;
  readonly endedAt: number;
}
