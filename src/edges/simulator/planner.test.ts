import { describe, expect, test } from "vitest";
import { groundOver } from "../../domain/plan.ts";
import { plannerPrompt, readPlannerAnswer } from "../../domain/planning.ts";
import { orderOf } from "../../domain/sample.case.ts";
import type { Tracked } from "../../domain/selection.ts";
import { readPlan } from "../plan/file.ts";
import { roughSize } from "../tokens.ts";
import { exampleTasks, pathOf, stubOf, testOf } from "./examples.case.ts";
import { answer } from "./noise.ts";
import { profileOf } from "./profile.ts";
import type { Task, TaskSet } from "./taskset.ts";

/** What a planner is told to do about a repository with these tasks, and what Rigs makes of it. */
async function consult(profile: string, seed: number, tasks: readonly Task[], taskSet: TaskSet) {
  const files = new Map<string, Tracked>(
    tasks.flatMap((task): [string, Tracked][] => [
      [pathOf(task), { kind: "text", text: stubOf(task) }],
      [`tests/test_${task.entryPoint}.py`, { kind: "text", text: testOf(task) }],
    ]),
  );
  const readOnly = new Set([...files.keys()].filter((path) => path.startsWith("tests/")));
  const ground = groundOver([...files.keys()], orderOf("t"));
  const refused: { answer: string; faults: string }[] = [];
  const about = { goal: "Write what is missing.", checks: [], protect: [], readOnly, files, size: roughSize };
  for (let round = 0; round < 3; round++) {
    const prompt = plannerPrompt({ ...about, refused, contextTokensMax: 12_000 });
    const temperature = round === 0 ? 0.2 : 0.7;
    const request = { ...prompt, temperature, outputTokensMax: 8_000, sample: 0 };
    const said = answer(request, taskSet, profileOf(profile) ?? raise(), seed);
    const taken = readPlannerAnswer(said.text, said.finish, { ground, read: readPlan });
    if (taken.kind === "plan") return { rounds: round + 1, plan: taken.plan, refused };
    refused.push({ answer: said.text, faults: taken.faults.join("\n") });
  }
  return { rounds: 3, plan: undefined, refused };
}

function raise(): never {
  throw new Error("the profile is known");
}

describe("a simulated planner", async () => {
  const taskSet = await exampleTasks();
  const three = taskSet.tasks.slice(0, 3);

  test("that is perfect gives a bead a file, each with its own test", async () => {
    const { plan, rounds } = await consult("perfect", 1, three, taskSet);
    expect(rounds).toBe(1);
    expect(plan?.beads.map(({ owns, checks, reads }) => ({ owns, checks, reads }))).toEqual(
      three.map((task) => ({
        owns: [pathOf(task)],
        checks: [`python3 -m pytest -q tests/test_${task.entryPoint}.py`],
        reads: [`tests/test_${task.entryPoint}.py`],
      })),
    );
  });

  test("that is middling is sometimes wrong, in each way, and mends most of it when told", async () => {
    const runs = await Promise.all(
      Array.from({ length: 160 }, (_, seed) => consult("median", seed, three, taskSet)),
    );
    const faults = runs.flatMap(({ refused }) => refused.map((each) => each.faults)).join("\n");
    for (const why of [/wait for each other/, /both own/, /is not in the repository/, /no fenced json block/])
      expect(faults).toMatch(why);
    const wrong = runs.filter(({ refused }) => refused.length > 0);
    const mended = wrong.filter(({ rounds, plan }) => rounds === 2 && plan !== undefined);
    expect(wrong.length / runs.length).toBeGreaterThan(0.12);
    expect(wrong.length / runs.length).toBeLessThan(0.45);
    expect(mended.length / wrong.length).toBeGreaterThan(0.85);
  });

  test("the same seed gives the same plan", async () => {
    const [one, other] = await Promise.all([7, 7].map((seed) => consult("weak", seed, three, taskSet)));
    expect(one).toEqual(other);
  });

  test.each(["always-malformed", "garbage"])("%s never gives a plan", async (profile) => {
    expect((await consult(profile, 1, three, taskSet)).plan).toBeUndefined();
  });

  test("what is nobody's task is no plan", async () => {
    expect((await consult("perfect", 1, [], taskSet)).plan).toBeUndefined();
  });
});
