import { expect, test } from "vitest";
import { type BudgetWish, partsOf, unbounded } from "../domain/budget.ts";
import { partOf, planted, worked } from "../domain/forest.case.ts";
import type { GoalId } from "../domain/id.ts";
import { levelsAbove } from "../domain/level.ts";
import { emptyWorld, fold } from "../domain/state.ts";
import { present } from "../kit/assert.ts";
import { type Means, timeReason, tooLateReason } from "./affording.ts";
import { endOf } from "./keepalive.ts";

const goal = "k7m2q9xd" as GoalId;
const minute = 60_000;

/** Part 2 was claimed at 1,000 and has minutes of its own, as its goal may have, which began then too. */
function known(wishes: { readonly goal?: number; readonly bead?: number }) {
  const budget = (wallMsMax: number | undefined): BudgetWish => ({ ...unbounded, wallMsMax });
  const world = emptyWorld();
  for (const event of [...planted(), ...worked(2, false).slice(0, -1)])
    fold(
      world,
      event.type === "goal-created"
        ? { ...event, order: { ...event.order, budget: { ...unbounded, ...budget(wishes.goal) } } }
        : event.type === "bead-created" && event.bead === partOf(2)
          ? { ...event, contract: { ...event.contract, budget: { ...budget(wishes.bead), below: [] } } }
          : event,
    );
  const whole = present(world.goals.get(goal), "there is a goal");
  const bead = present(world.beads.get(partOf(2)), "there is a part");
  const meansAt = (now: number): Means => ({
    goal: whole,
    levels: levelsAbove(bead, whole, [...world.beads.values()], now),
  });
  return { goal: whole, bead, meansAt };
}

test("a bead's minutes count from its first claim, and end its work before its goal's where they are fewer", () => {
  const check = (wishes: Parameters<typeof known>[0], end: number | undefined) => {
    const { goal: whole, bead } = known(wishes);
    expect(endOf(whole, bead)).toBe(end);
  };
  check({}, undefined);
  check({ bead: minute }, 1_000 + minute);
  check({ goal: 2 * minute, bead: minute }, 1_000 + minute);
  check({ goal: minute, bead: 2 * minute }, 1_000 + minute);
  const { goal: whole, bead } = known({ bead: minute });
  expect(endOf(whole, { ...bead, minutesFrom: undefined }), "not claimed yet").toBeUndefined();
});

test("whose minutes ran out is said, with the command that gives more of them", () => {
  const reason = (wishes: Parameters<typeof known>[0], now: number) =>
    partsOf(timeReason(known(wishes).meansAt(now))).command;
  expect(reason({ goal: 5 * minute, bead: minute }, 1_000 + minute)).toBe(
    `rigs bead retry ${partOf(2)} --max-minutes 1`,
  );
  expect(reason({ goal: minute, bead: minute }, 1_000 + minute)).toBe(
    `rigs goal resume ${goal} --max-minutes 1`,
  );
});

test("minutes that ran out in line say so, and as many again are not offered", () => {
  const now = 1_000 + minute;
  const stood = { ms: 17_000, why: "p1: input tokens" };
  expect(timeReason(known({ goal: 18_000 }).meansAt(now), stood)).toBe(
    `the budget of 18 seconds ran out, the last 17 seconds of it in line for p1: input tokens; with more of it: rigs goal resume ${goal} --max-minutes 2`,
  );
  const late = tooLateReason(
    known({ goal: 18_000 }).meansAt(now),
    { until: now + 40_000, why: "p1: 429" },
    now,
  );
  expect(partsOf(late ?? "").command).toBe(`rigs goal resume ${goal} --max-minutes 2`);
});

test("a wait that would pass a bound on minutes is not begun", () => {
  const now = 1_000 + minute / 2;
  const late = (wishes: Parameters<typeof known>[0], until: number) =>
    tooLateReason(known(wishes).meansAt(now), { until, why: "a limit holds" }, now);
  expect(late({ goal: 5 * minute, bead: minute }, 999 + minute)).toBeUndefined();
  expect(late({}, Number.MAX_SAFE_INTEGER)).toBeUndefined();
  expect(late({ goal: 5 * minute, bead: minute }, 1_000 + minute)).toBe(
    `bead ${partOf(2)}: a limit holds, and waiting for it would pass the time budget; with more of it: rigs bead retry ${partOf(2)} --max-minutes 2`,
  );
});
