import { expect, test } from "vitest";
import type { Bead } from "../domain/bead.ts";
import type { BaseResult, Check, GateRun } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import { checksInLoop, holdsInLoop } from "./survey.ts";

function check(name: string, role: Check["role"]): Check {
  return { name, command: "x", cwd: ".", role, timeoutMs: 600_000, report: { kind: "recognise" } };
}

function base(name: string, passed: number, failed: number, wallMs = 10): BaseResult {
  const kind = failed === 0 && passed > 0 ? "green" : "red";
  return { check: name, kind, runner: "pytest", passed, failed, wallMs, why: "" };
}

function goal(checks: readonly Check[], results: readonly BaseResult[]): Goal {
  return { order: { checks }, checks, base: results } as unknown as Goal;
}

const whole = { contract: { checks: ["a", "g", "r"] } } as unknown as Bead;

function run(name: string, passed: number, failed: number): GateRun {
  const tests = [...Array(passed + failed).keys()].map((index) => ({
    id: `t${index}`,
    file: undefined,
    status: index < passed ? ("passed" as const) : ("failed" as const),
    message: "",
  }));
  const output = { stdout: "", stderr: "" };
  return {
    kind: "counted",
    check: name,
    runner: "pytest",
    tests,
    exitCode: failed > 0 ? 1 : 0,
    limit: undefined,
    wallMs: 1,
    output,
  };
}

test("the loop tries acceptance, else the guards that were green, else what there is", () => {
  const names = (...args: Parameters<typeof goal>) =>
    checksInLoop(goal(...args), whole).map((each) => each.name);
  const [a, g, r] = [check("a", "acceptance"), check("g", "guard"), check("r", "guard")];
  expect(names([a, g], [base("a", 0, 1), base("g", 3, 0)])).toEqual(["a"]);
  expect(names([g, r], [base("g", 3, 0), base("r", 1, 2)])).toEqual(["g"]);
  expect(names([r], [base("r", 1, 2)])).toEqual(["r"]);
});

test("waits ten times the longest run on base, a minute at least, the check's own bound at most", () => {
  const bound = (wallMs: number) =>
    checksInLoop(goal([check("a", "acceptance")], [base("a", 0, 1, wallMs)]), whole)[0]?.timeoutMs;
  expect([bound(10), bound(20_000), bound(100_000)]).toEqual([60_000, 200_000, 600_000]);
  // The verifier takes no other; a base that took longer than six seconds ended every goal.
  expect(bound(7_716.935597999996)).toBe(77_170);
});

test("a guard that was red on base holds while it gets no worse; acceptance must be green", () => {
  const red = goal([check("r", "guard"), check("a", "acceptance")], [base("r", 2, 1), base("a", 0, 3)]);
  expect(holdsInLoop(red, run("r", 2, 1))).toBe(true);
  expect(holdsInLoop(red, run("r", 3, 0))).toBe(true);
  expect(holdsInLoop(red, run("r", 1, 2))).toBe(false);
  expect(holdsInLoop(red, run("r", 2, 2))).toBe(false);
  expect(holdsInLoop(red, run("a", 2, 1))).toBe(false);
  expect(holdsInLoop(red, run("a", 3, 0))).toBe(true);
});
