import type { TestStatus } from "./gate.ts";

/**
 * proven: acceptance red before and green now, on a clean checkout in a jail, by gates that were seen to go red on a control.
 * no-regression: guards hold, but nobody's acceptance stands behind the change (or none of it was red before).
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

/** One test before, after and on the control; `absent` = not in that run's report. */
export interface TestStory {
  readonly check: string;
  readonly id: string;
  readonly base: TestStatus | "absent";
  readonly head: TestStatus | "absent";
  readonly control: TestStatus | "absent" | "not-run";
}
