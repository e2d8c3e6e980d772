/**
 * What an exit code is worth: it counts as one test, and says neither whose test passed nor which. So what decides it must
 * be base's, and it may not contradict what is counted.
 */
import { isGreen, type TestResult, testsOf } from "./gate.ts";
import { isTestFile } from "./protected.ts";
import { type Line, ownOf, runsOf } from "./reach.ts";
import { names, type Remark, refutes, says, some, withholds } from "./remark.ts";
import { isCollection, isExitCode, keyOf } from "./tally.ts";
import type { GateFacts } from "./verdict.ts";

/** An exit code cannot tell whose word it is: what the command runs must be base's. */
export function ownWord(gate: GateFacts, touched: readonly string[]): readonly Remark[] {
  const { check, head, controlKind } = gate;
  if (check.role !== "acceptance" || !isExitCode(head)) return [];
  const decided = [...new Set(deciding(gate).flatMap((line) => ownOf(line, touched)))];
  const sentence = `${check.name}: runs ${names(decided)}, which the change brought or altered, so its exit code is the change's own word: commit what judges before the goal starts, or let something else compare what the program prints (… | grep -qx 5)`;
  if (decided.length > 0) return [withholds(sentence)];
  const tests = touched.filter(isTestFile);
  const own = tests.filter((path) => deciding(gate).some((line) => runsOf(line, path) !== "no"));
  if (own.length > 0)
    return [
      withholds(
        `${check.name}: runs ${names(own)}, which the change brought or altered, and an exit code does not tell whose test passed: give it as --check, which counts test by test`,
      ),
    ];
  if (tests.length > 0 && controlKind === "none")
    return [
      withholds(
        `${check.name}: ${names(tests)} came with the change and no code did, so its own tests may be all that turned the exit code`,
      ),
    ];
  return [];
}

/** The command lines that decide how a check without a report ends: the probe where a program is probed. */
function deciding({ check, written }: GateFacts): readonly Line[] {
  const { command, cwd, report } = check;
  if (report.kind === "run" && report.probe !== undefined) return [{ command: report.probe, cwd }];
  return [command, written].map((each) => ({ command: each, cwd }));
}

/** What acceptance calls green and a guard calls red, though both read the same tests: one of them is deceived. */
export function contradictions(gates: readonly GateFacts[]): readonly Remark[] {
  const promises = gates.filter((gate) => gate.check.role === "acceptance" && isGreen(gate.head));
  const guards = gates.filter((gate) => gate.check.role === "guard");
  return promises.flatMap((promise) => {
    const passed = new Set(
      testsOf(promise.head)
        .filter((test) => test.status === "passed")
        .map((test) => keyOf(promise, promise.head, test)),
    );
    return guards.flatMap((guard) => {
      const denied = testsOf(guard.head).filter(
        (test) =>
          test.status === "failed" &&
          !isCollection(test.id) &&
          (passed.has(keyOf(guard, guard.head, test)) || isVouchedFor(promise, test)),
      );
      const pair = `${promise.check.name} and ${guard.check.name} run the same tests and disagree, so neither is believed`;
      return some(denied, (tests) => refutes(`${pair}: green for the one, failing for the other: ${tests}`));
    });
  });
}

/** Whether an exit code of 0 says that this test passed. */
function isVouchedFor({ check, head, written }: GateFacts, { file }: TestResult): boolean {
  if (!isExitCode(head) || file === undefined) return false;
  return runsOf({ command: written, cwd: check.cwd }, file) === "whole";
}

/** Where exit codes and counted tests stand side by side, a sum of both is a sum of unlike things. */
export function uncounted(gates: readonly GateFacts[]): readonly Remark[] {
  const counted = gates.filter(({ head }) => head.kind === "counted" && !isExitCode(head));
  if (counted.length === 0) return [];
  return gates
    .filter(({ head }) => isExitCode(head))
    .map(({ check }) =>
      says(
        `${check.name}: its exit code counts as one test, whatever it runs; ${names(counted.map((gate) => gate.check.name))} may count the same tests`,
      ),
    );
}
