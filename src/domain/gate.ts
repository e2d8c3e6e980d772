/**
 * Checks and what running them showed. A *check* is what the user or the repository asks for; a *gate run* is one
 * execution of it, counted test by test from a structured report.
 */

/**
 * acceptance: red on base is expected, green is the promise. guard: what is green on base may not turn red or vanish.
 * part: what a part of the goal promised and was proven for, in the proof of the whole: green, and counted for nothing.
 */
export type CheckRole = "acceptance" | "guard" | "part";

/**
 * Where the counts come from. `recognise`: the runner is found in the command and its reporter added. `run`: the command
 * is the program itself; it passes as one test when it ends with 0 or is still up at the check's timeout; with a `probe` (a shell
 * command beside it, tried until then), only when that ends with 0. Standard error may show no uncaught error.
 */
export type ReportSource =
  | { readonly kind: "recognise" }
  | { readonly kind: "junit"; readonly path: string }
  | { readonly kind: "exit-code" }
  | { readonly kind: "run"; readonly probe: string | undefined };

export interface Check {
  /** Unique within a goal: "acceptance-1", "guard-npm-test". */
  readonly name: string;
  /** A POSIX shell command line. */
  readonly command: string;
  /** Relative to the top of the repository, "." for the top. */
  readonly cwd: string;
  readonly role: CheckRole;
  /** Wall clock of one run, 1,000 to 3,600,000. */
  readonly timeoutMs: number;
  readonly report: ReportSource;
}

export type TestStatus = "passed" | "failed" | "skipped";

export interface TestResult {
  /** Stable between runs of the same test: suite path and name as the runner gives them. */
  readonly id: string;
  /** The file that defines it, relative to the top of the repository with "/" between parts; undefined when the report does not say. */
  readonly file: string | undefined;
  readonly status: TestStatus;
  /** What the runner said of a failure, at most 4,000 characters; empty for a pass. */
  readonly message: string;
}

/** Which bound ended a run; a class of failure of its own. */
export type LimitHit = "wall" | "cpu" | "memory" | "output" | "processes" | "disk";

/** Standard output and error as kept: head and tail, control characters made visible, at most 16,000 characters each. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * counted: the command ran and its report was read; an empty `tests` proves nothing.
 * no-report: the command ran but left no readable report (it crashed, was killed, or wrote nonsense): red, with no counts.
 * could-not-run: the check itself cannot run here (command not found, runner not installed, jail refused). Not a result of the code.
 */
export type GateRun =
  | {
      readonly kind: "counted";
      readonly check: string;
      /** "pytest", "node:test", "vitest", "jest", "unittest", "junit", "exit-code", "run". */
      readonly runner: string;
      readonly tests: readonly TestResult[];
      readonly exitCode: number | undefined;
      readonly limit: LimitHit | undefined;
      readonly wallMs: number;
      readonly output: Output;
    }
  | {
      readonly kind: "no-report";
      readonly check: string;
      readonly runner: string;
      readonly why: string;
      readonly exitCode: number | undefined;
      readonly limit: LimitHit | undefined;
      readonly wallMs: number;
      readonly output: Output;
    }
  | { readonly kind: "could-not-run"; readonly check: string; readonly why: string; readonly output: Output };

/** The tests of a run; a run without counts has none. */
export function testsOf(run: GateRun): readonly TestResult[] {
  return run.kind === "counted" ? run.tests : [];
}

export function passedOf(run: GateRun): number {
  return testsOf(run).filter((test) => test.status === "passed").length;
}

export function failedOf(run: GateRun): number {
  return testsOf(run).filter((test) => test.status === "failed").length;
}

/**
 * Green: at least one test passed, none failed, no limit was hit, and the command itself agreed by exiting 0.
 * The exit code matters because a runner also fails for reasons no test carries (coverage threshold, unhandled error).
 */
export function isGreen(run: GateRun): boolean {
  return (
    run.kind === "counted" &&
    run.limit === undefined &&
    run.exitCode === 0 &&
    passedOf(run) > 0 &&
    failedOf(run) === 0
  );
}

/** What a check did on the base commit, for the record and for people. */
export interface BaseResult {
  readonly check: string;
  readonly kind: "green" | "red" | "could-not-run";
  readonly runner: string;
  readonly passed: number;
  readonly failed: number;
  readonly wallMs: number;
  readonly why: string;
}
