/**
 * The program itself as a gate: does it start and go on without an uncaught error. It counts as one test, and what it
 * shows is only that: nobody looks at what the program does.
 */
import type { GateRun, TestResult } from "../../domain/gate.ts";
import type { JailRun } from "../../ports/jail.ts";

/**
 * The command with the probe beside it: ends with 0 as soon as the probe does. A program that ended is probed once more,
 * for what it may have left behind; one that ended with 0 and answered nothing has not passed.
 */
export function withProbe(command: string, probe: string): string {
  return [
    `( ${command}\n) &`,
    "program=$!",
    `until ( ${probe}\n) >/dev/null 2>&1; do`,
    '  kill -0 "$program" 2>/dev/null && { sleep 0.1; continue; }',
    '  wait "$program"',
    "  code=$?",
    `  ( ${probe}\n) >/dev/null 2>&1 && exit 0`,
    '  echo "the program ended with exit code $code and did not answer the probe" >&2',
    "  [ $code -eq 0 ] && exit 1",
    "  exit $code",
    "done",
    "exit 0",
  ].join("\n");
}

type Ended = Extract<JailRun, { kind: "ended" }>;
type About = Omit<Extract<GateRun, { kind: "counted" }>, "kind" | "tests">;

/** What a run of a program is worth. The jail's end at the wall clock is the best a server without a probe can do. */
export function concludeProgram(run: Ended, about: About, probe: string | undefined): GateRun {
  const { exitCode, limit, output } = run;
  const isUp = limit === "wall" && probe === undefined;
  const uncaught = uncaughtIn(output.stderr);
  if (!isUp && uncaught === undefined && wantsArguments(exitCode, output.stderr))
    return {
      kind: "could-not-run",
      check: about.check,
      why: "the program wants arguments that nobody gave; it guards nothing",
      output,
    };
  const why = isUp || (exitCode === 0 && limit === undefined) ? uncaught : (uncaught ?? endOf(run));
  const test: TestResult = {
    id: about.check,
    file: undefined,
    status: why === undefined ? "passed" : "failed",
    message: why ?? "",
  };
  // Ended by us while it was up is as good as an end of its own.
  const end = isUp ? { exitCode: why === undefined ? 0 : undefined, limit: undefined } : { exitCode, limit };
  return { kind: "counted", ...about, ...end, tests: [test] };
}

function endOf({ exitCode, limit }: Ended): string {
  if (limit === "wall") return "did not answer the probe in time";
  if (limit !== undefined) return `stopped at the ${limit} limit`;
  return exitCode === undefined ? "ended by a signal" : `exit code ${exitCode}`;
}

/** A command line tool that was started bare says how to use it. */
function wantsArguments(exitCode: number | undefined, stderr: string): boolean {
  return exitCode !== 0 && exitCode !== undefined && /^\s*usage\b/im.test(stderr);
}

const marks: readonly RegExp[] = [
  /^Exception in thread /,
  /^Exception ignored in/,
  /\bexception was never retrieved\b/,
  /^Unhandled exception\b/,
  /^Uncaught /,
  /\bUnhandledPromiseRejection/,
  /^Node\.js v\d/,
];

/**
 * The line that tells of an error nobody caught, for programs that go on or end with 0 all the same; undefined when there
 * is none. A traceback right behind a log record was caught, and logged.
 */
export function uncaughtIn(stderr: string): string | undefined {
  const lines = stderr.split("\n");
  const found = lines.findIndex((line, index) => {
    if (marks.some((mark) => mark.test(line))) return true;
    const isLogged = /\b(?:ERROR|CRITICAL|WARNING|INFO|DEBUG)\b/.test(lines[index - 1] ?? "");
    return line.startsWith("Traceback (most recent call last)") && !isLogged;
  });
  return found === -1
    ? undefined
    : `an uncaught error on standard error: ${(lines[found] ?? "").slice(0, 300)}`;
}
