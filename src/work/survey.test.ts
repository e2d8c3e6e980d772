import { expect, test } from "vitest";
import type { Attempt } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import type { BaseResult, Check, GateRun } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import { checksInForce, checksInLoop, holdsInLoop } from "./survey.ts";

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

test("the turn of the whole runs what its parts that are in promised, once each and in the loop too", () => {
  const named = (name: string, role: Check["role"], command: string) => ({ ...check(name, role), command });
  const checks = [
    named("a", "acceptance", "all"),
    named("g", "guard", "guards"),
    ...["1.1-1", "1.2-1", "1.3-1", "1.4-1"].map((name, index) =>
      named(name, "acceptance", ["one", "all", "three", "one"][index] ?? ""),
    ),
  ];
  const known = goal(checks, [base("a", 0, 1), base("g", 3, 0)]);
  // The third did not land; the second asks just what the whole is asked, the fourth what the first is.
  const landed = { ...known, landed: ["1.1-1", "1.2-1", "1.4-1"] } as Goal;
  const parent = { contract: { checks: ["a", "g"] }, isParent: true } as unknown as Bead;
  const rolesOf = (found: readonly Check[]) => found.map(({ name, role }) => `${name} ${role}`);
  expect(rolesOf(checksInForce(landed, parent))).toEqual([
    ...["a acceptance", "g guard", "1.1-1 part", "1.3-1 guard"],
  ]);
  const attempt = { start: "c", keeps: [] } as unknown as Attempt;
  expect(rolesOf(checksInLoop(landed, parent, attempt))).toEqual(["a acceptance", "1.1-1 part"]);
  const unasked = { ...parent, contract: { checks: ["g"] } } as unknown as Bead;
  expect(rolesOf(checksInLoop(landed, unasked, attempt))).toEqual(["g guard", "1.1-1 part", "1.2-1 part"]);
  expect(holdsInLoop(landed, run("1.1-1", 1, 1)), "a part's check is not a guard").toBe(false);
  // Any other bead has them as guards of what it stands on.
  expect(rolesOf(checksInForce(landed, whole, { keeps: ["1.1-1"] })).at(-1)).toBe("1.1-1 guard");
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
