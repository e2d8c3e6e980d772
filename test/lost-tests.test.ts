/** Tests by a model whose commit is gone with the private clone: the same ones again, or a line that says why not. */
import { expect, test } from "vitest";
import { attemptId, beadId, type Commit, callId, type GoalId, type PolecatId } from "../src/domain/id.ts";
import { createBead, createGoal, settledBy } from "../src/domain/sample.case.ts";
import { memoryStore } from "../src/edges/store/memory.ts";
import type { Clock } from "../src/kit/clock.ts";
import { resumption, sameBounds } from "../src/work/resume.ts";
import { memoryRepositories } from "./support/memory-repository.ts";

const goal = "aaaaaaaa" as GoalId;
const bead = beadId(goal, 1);
const attempt = attemptId(bead, 1);
const about = { goal, bead, attempt, call: callId(attempt, 1) } as const;
const clock: Clock = { now: () => 1_800_000_000_000, sleep: async () => undefined };

/** A goal that was stopped after a model had answered this with its tests. */
async function stoppedGoal(answer: string) {
  const store = memoryStore({ now: () => clock.now() });
  const repositories = memoryRepositories();
  const base = repositories.create("/top", { "calc.py": "" });
  const blob = await store.blobs.put(new TextEncoder().encode(answer));
  const created = createGoal(goal);
  const lost = "f".repeat(40) as Commit;
  const said = { ...settledBy(2), settled: { kind: "said", finish: "stop", answer: blob } } as const;
  await store.log.append(
    [
      { ...created, order: { ...created.order, repository: "/top", base, acceptance: "model" } },
      createBead(bead, goal),
      { type: "bead-claimed", goal, bead, attempt, by: "p" as PolecatId, token: 1 },
      {
        ...{ ...about, type: "call-reserved", step: "tests", provider: "p", model: "m" },
        ...{ estimate: { tokens: 1, usd: 0 }, prompt: blob, insteadOf: undefined },
      },
      { ...about, type: "call-settled", ...said },
      {
        ...{ ...about, type: "tests-written", commit: lost, files: ["tests/test_a.py"], checks: [] },
        ...{ red: 1, green: 0 },
      },
      { type: "bead-released", goal, bead, token: 1, why: "stopped" },
    ],
    { kind: "none" },
  );
  const resume = async () => {
    const known = await store.view.goal(goal);
    if (known === undefined) throw new Error("the goal exists");
    return resumption(known, sameBounds, { store, repositories, clock });
  };
  return { store, repositories, blob, base, resume };
}

const tests = "I test it:\n\ntests/test_a.py\n```python\ndef test_a():\n    assert 0\n```\n";

test("are written again from the answer that held them, and the work on them begins anew", async () => {
  const { repositories, base, resume, store } = await stoppedGoal(tests);
  const { events, notes } = await resume();
  const again = events.find((event) => event.type === "tests-rewritten");
  expect(repositories.parentOf(again?.commit as Commit)).toBe(base);
  expect(repositories.filesOf(again?.commit as Commit).get("tests/test_a.py")).toContain("assert 0");
  expect(events).toContainEqual(expect.objectContaining({ type: "bead-resumed", goesOnWith: undefined }));
  expect(notes[0]).toContain("the same ones are written again");
  await store.log.append(events, { kind: "none" });
  expect((await store.view.goal(goal))?.tests).toBe(again?.commit);
  expect((await resume()).events, "once is enough").toEqual([]);
});

test("that nobody has any more are said to be gone", async () => {
  const { store, blob, resume } = await stoppedGoal(tests);
  await store.blobs.forget(blob);
  await expect(resume()).rejects.toThrow(/gone with Rigs' clone, and so is the answer.*begin anew/);
});
