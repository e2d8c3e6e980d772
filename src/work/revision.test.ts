import { expect, test } from "vitest";
import type { Bead } from "../domain/bead.ts";
import { wholeContract } from "../domain/bead.ts";
import type { Check } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import { commitOf, orderOf } from "../domain/sample.case.ts";
import { isOffLimits } from "./revision.ts";
import { keptAt } from "./scene.ts";

const check: Check = {
  ...{ name: "c1", command: "sh ci/check.sh", cwd: ".", role: "acceptance", timeoutMs: 1 },
  report: { kind: "exit-code" },
};

function goalThat(
  more: { readonly protect?: readonly string[]; readonly allowChange?: readonly string[] } = {},
): Goal {
  return { order: { ...orderOf("t"), ...more }, checks: [check] } as unknown as Goal;
}

const whole = { contract: wholeContract("t", ["c1"]), isParent: true } as Bead;
const kept = new Set(["src/a.py", "tests/test_part.py", "ci/check.sh"]);

test.each([
  ["code", "src/a.py", {}, false],
  ["a new test", "tests/test_new.py", {}, false],
  ["a test that a part brought", "tests/test_part.py", {}, true],
  ["what a runner loads by itself, also where there is none yet", "tests/conftest.py", {}, true],
  ["a script that a check starts, which is run as base has it", "ci/check.sh", {}, true],
  ["that script, allowed", "ci/check.sh", { allowChange: ["ci/**"] }, false],
  ["what the user protects, new tests too", "tests/test_new.py", { protect: ["tests/**"] }, true],
] as const)("off limits or not: %s", (_, path, more, isOff) => {
  expect(isOffLimits({ goal: goalThat(more), bead: whole }, path, kept)).toBe(isOff);
});

test("a parent may not change the tests that its parts brought: they are kept as it found them, not as base has them", () => {
  const [base, ground] = [commitOf(1), commitOf(2)];
  expect(keptAt({ bead: whole, base, ground })).toBe(ground);
  expect(keptAt({ bead: { ...whole, isParent: false }, base, ground })).toBe(base);
});
