/**
 * What a set of gate runs says about the code: the first thing to mend, a score, and a hash that is equal when the same
 * thing failed again.
 *
 * 1. classify(runs) is undefined exactly when something ran and all of it is green.
 * 2. Causes come before effects: a file that does not parse outranks the tests that fail because of it.
 * 3. The hash holds no address, duration, line number or temporary path, so running twice gives it twice.
 */
import { seedOf } from "../kit/random.ts";
import type { Evaluation, FailureClass, Score } from "./attempt.ts";
import {
  type Complaint,
  classOf,
  findingsIn,
  noException,
  readComplaint,
  withoutColours,
} from "./complaint.ts";
import { oneLine } from "./fence.ts";
import { type Frame, framesIn } from "./frame.ts";
import { failedOf, type GateRun, isGreen, passedOf, type TestResult, testsOf } from "./gate.ts";
import type { BlobHash } from "./id.ts";
import { collectionMark } from "./tally.ts";

export interface Failure {
  readonly failureClass: FailureClass;
  readonly check: string;
  /** The first failing test; undefined when the run failed as a whole. */
  readonly test: string | undefined;
  readonly file: string | undefined;
  /** The one line that says what is wrong. */
  readonly essence: string;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  /** The runner's own words, colours removed, at most 4,000 characters. */
  readonly message: string;
  /** The project's own frames, the innermost last. */
  readonly frames: readonly Frame[];
  /** One line for people: "test: test_add: assert 3 == 4", at most 240 characters. */
  readonly headline: string;
  readonly failureHash: string;
}

/** Order of causes: what stands earlier is mended first. */
const gravity: readonly FailureClass[] = [
  "parse",
  "import",
  "type",
  "limit",
  "timeout",
  "crash",
  "test",
  "lint",
];
const messageKeptMax = 4_000;

/** One thing that is not as it should be in a run: a failing test, or the run itself (`test` undefined). */
export interface Fault {
  readonly failureClass: FailureClass;
  readonly run: GateRun;
  readonly test: TestResult | undefined;
  readonly complaint: Complaint;
  /** The runner's own words. */
  readonly text: string;
}

/** Undefined means green (law 1). `files` are the tracked paths, to tell own frames from a library's. */
export function classify(runs: readonly GateRun[], files: readonly string[] = []): Failure | undefined {
  if (runs.length > 0 && runs.every(isGreen)) return undefined;
  const faults = runs.filter((run) => !isGreen(run)).flatMap(faultsOf);
  let first: Fault | undefined;
  for (const fault of faults)
    if (first === undefined || gravity.indexOf(fault.failureClass) < gravity.indexOf(first.failureClass))
      first = fault;
  if (first === undefined) return nothingRan;
  return describe(first, { faults, files: new Set(files) });
}

const nothingRan: Failure = {
  failureClass: "crash",
  check: "",
  test: undefined,
  file: undefined,
  essence: "no check was run",
  expected: undefined,
  got: undefined,
  message: "",
  frames: [],
  headline: "crash: no check was run",
  failureHash: hashOf(["no check was run"]),
};

function describe(
  fault: Fault,
  { faults, files }: { readonly faults: readonly Fault[]; readonly files: ReadonlySet<string> },
): Failure {
  const { complaint, run, test, failureClass } = fault;
  const frames = framesIn(withoutColours(fault.text), files);
  const name = test === undefined || test.id === run.check ? run.check : shortName(test.id);
  const essence = oneLine(complaint.essence, 300);
  return {
    failureClass,
    check: run.check,
    test: test?.id,
    file: test?.file ?? (test === undefined && failureClass !== "parse" ? undefined : frames.at(-1)?.path),
    essence,
    expected: complaint.expected,
    got: complaint.got,
    message: withoutColours(fault.text).trim().slice(0, messageKeptMax),
    frames,
    headline: oneLine(`${failureClass}: ${name}: ${withValues(essence, complaint)}`, 240),
    failureHash: hashOf(
      faults.map(
        (each) => `${each.failureClass}|${each.test?.id ?? each.run.check}|${each.complaint.essence}`,
      ),
    ),
  };
}

/** Characters of each of two values in a headline. */
const valueMax = 70;

/** node:test and jest say below their first line what came and what should have come. */
function withValues(essence: string, { expected, got }: Complaint): string {
  if (expected === undefined || got === undefined || got === noException || essence.includes(got))
    return essence;
  return `${oneLine(essence, 90)}${essence.endsWith(":") ? "" : ":"} got ${oneLine(got, valueMax)}, expected ${oneLine(expected, valueMax)}`;
}

/** "tests/test_a.py::T::test_add" and unittest's "tests.test_a.T.test_add" are "test_add"; "a.test.ts > cart > adds" is "adds". */
export function shortName(id: string): string {
  if (id.endsWith(collectionMark)) return id.slice(0, -collectionMark.length);
  if (/^\w+(?:\.\w+){2,12}$/.test(id)) return id.slice(id.lastIndexOf(".") + 1);
  const parts = id.split(id.includes(" > ") ? " > " : "::");
  return parts.at(-1) || id;
}

/** At most this many faults of one run are looked at. */
const faultsMax = 2_000;

/** Every fault of a run that is not green; at most 2,000. */
export function faultsOf(run: GateRun): readonly Fault[] {
  if (run.kind === "could-not-run") return [whole(run, "crash", `could not run: ${run.why}`)];
  if (run.limit === "wall") return [whole(run, "timeout", "did not end in time"), ...failing(run)];
  if (run.limit !== undefined) return [whole(run, "limit", `hit the bound of ${run.limit}`), ...failing(run)];
  const tests = failing(run);
  if (tests.length > 0) return tests;
  const said = withoutHeading(readComplaint(lastWords(run)), run);
  if (run.kind === "no-report") {
    const failureClass = said.failureClass ?? "crash";
    return [
      {
        failureClass,
        run,
        test: undefined,
        complaint: said.essence === "" ? { ...said, essence: run.why } : said,
        text: lastWords(run),
      },
    ];
  }
  const what =
    testsOf(run).length === 0 ? "no test was found" : "no test passed or the command failed beside its tests";
  const end = run.exitCode === undefined ? "ended by a signal" : `exit code ${run.exitCode}`;
  return [
    {
      failureClass: said.failureClass ?? "crash",
      run,
      test: undefined,
      complaint: { ...said, essence: `${what} (${end})${said.essence === "" ? "" : `: ${said.essence}`}` },
      text: lastWords(run),
    },
  ];
}

/** A runner's first heading says nothing: its last line does, without the rules around it. */
function withoutHeading(said: Complaint, run: GateRun): Complaint {
  if (!/^[=_*#~-]{3}/.test(said.essence)) return said;
  const lines = withoutColours(lastWords(run)).split("\n");
  const last = lines.findLast((line) => /\w/.test(line.replace(/_{3,}/g, ""))) ?? "";
  return { ...said, essence: last.replace(/^[\s=_*#~-]+|[\s=_*#~-]+$/g, "") };
}

function whole(run: GateRun, failureClass: FailureClass, essence: string): Fault {
  const text = lastWords(run);
  return {
    failureClass,
    run,
    test: undefined,
    complaint: { failureClass, essence, expected: undefined, got: undefined },
    text,
  };
}

function failing(run: GateRun): readonly Fault[] {
  const tests = testsOf(run).filter((test) => test.status === "failed");
  return tests.slice(0, faultsMax).map((test) => faultOf(run, test));
}

function faultOf(run: GateRun, test: TestResult): Fault {
  const isLoading = test.id.endsWith(collectionMark);
  const isWhole = run.kind === "counted" && (run.runner === "exit-code" || run.runner === "run");
  // A runner that only says "failed" leaves the reason in its output.
  const said = readComplaint(test.message);
  const isTerse = isWhole || (isLoading && said.failureClass === undefined);
  const heard = isTerse ? readComplaint(lastWords(run)) : said;
  const complaint = heard.essence === "" ? said : heard;
  const text = isTerse ? `${test.message}\n${lastWords(run)}` : test.message;
  const failureClass =
    complaint.failureClass ?? (isLoading || (isWhole && isUncaught(text)) ? "crash" : "test");
  return { failureClass, run, test, complaint, text };
}

/** Whether a program died of an error of its own rather than of an assertion. */
function isUncaught(text: string): boolean {
  const { essence } = readComplaint(text);
  return /(?:Error|Exception)\b/.test(essence) && !/^assert|AssertionError|Expected values/.test(essence);
}

/** Standard error first: that is where runtimes say why they died. */
function lastWords(run: GateRun): string {
  return [run.output.stderr, run.output.stdout].filter((text) => text.trim() !== "").join("\n");
}

/** Best so far is compared by this. `runs` is false when a run left no report, or the program itself did not run; `collects` is false when a file could not be loaded or nothing was counted. */
export function scoreOf(runs: readonly GateRun[]): Score {
  const ran = runs.filter((run) => run.kind !== "could-not-run");
  const isRunning = (run: GateRun) => run.kind === "counted" && (run.runner !== "run" || isGreen(run));
  const runsAtAll = ran.length > 0 && ran.every(isRunning);
  const isLoaded = (run: GateRun) => testsOf(run).length > 0 && !testsOf(run).some(isUnloaded);
  return {
    runs: runsAtAll,
    collects: runsAtAll && ran.every(isLoaded),
    testsPassed: runs.reduce((sum, run) => sum + passedOf(run), 0),
    testsFailed: runs.reduce((sum, run) => sum + failedOf(run), 0),
    lintFindings: ran.reduce((sum, run) => sum + findingsOf(run), 0),
  };
}

function isUnloaded(test: TestResult): boolean {
  return (
    test.status === "failed" &&
    (test.id.endsWith(collectionMark) || classOf(readComplaint(test.message).essence) === "parse")
  );
}

/** Only a check that is judged by its exit code can be a linter. */
function findingsOf(run: GateRun): number {
  if (run.kind !== "counted" || run.runner !== "exit-code" || isGreen(run)) return 0;
  return lastWords(run)
    .split("\n")
    .reduce((sum, line) => sum + findingsIn(line), 0);
}

/** Everything an event says of a revision's runs; `blob` is where the runs themselves are kept. */
export function evaluate(
  runs: readonly GateRun[],
  blob: BlobHash,
  files: readonly string[] = [],
): Evaluation {
  const failure = classify(runs, files);
  const score = scoreOf(runs);
  return {
    isGreen: failure === undefined,
    score,
    failureClass: failure?.failureClass,
    headline: failure?.headline ?? `green: ${score.testsPassed} passed`,
    failureHash: failure?.failureHash ?? hashOf(["green"]),
    couldNotRun: runs.flatMap((run) => (run.kind === "could-not-run" ? [`${run.check}: ${run.why}`] : [])),
    runs: blob,
  };
}

/** 64 bits over the facts in sorted order; enough to tell failures of one attempt apart, not a cryptographic hash. */
function hashOf(facts: readonly string[]): string {
  const text = [...new Set(facts.map(steady))].sort().join("\n");
  const half = (seed: string) => seedOf(`${seed}${text}`).toString(16).padStart(8, "0");
  return half("") + half("second half\n");
}

/** The text without what differs between two runs of the same failure. */
export function steady(text: string): string {
  return text
    .slice(0, 2_000)
    .replace(/(\.\w{1,6}):\d{1,7}(?::\d{1,7})?\b/g, "$1")
    .replace(/(\.\w{1,6})\(\d{1,7},\d{1,7}\)/g, "$1")
    .replace(/0x[0-9a-fA-F]{4,16}/g, "0x")
    .replace(/(?:\/private)?\/(?:tmp|var\/folders|var\/tmp)\/[^\s'":)]{1,300}/g, "/tmp")
    .replace(/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,Z+:-]{0,16}/g, "(time)")
    .replace(/\b\d{1,9}(?:\.\d{1,9})? ?(?:ms|µs|ns|s|sec|secs|seconds?|milliseconds?|minutes?)\b/g, "(span)")
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "(uuid)")
    .replace(/\bline \d{1,7}\b/g, "line");
}
