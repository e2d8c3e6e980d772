import { expect, test } from "vitest";
import { present } from "../kit/assert.ts";
import { partsOf, reserve, type Spend, unbounded } from "./budget.ts";
import { partOf, planted, worked } from "./forest.case.ts";
import type { BeadId, GoalId } from "./id.ts";
import { affordable, levelsAbove, mustWait } from "./level.ts";
import { emptyWorld, fold } from "./state.ts";

const goal = "k7m2q9xd" as GoalId;
const [first, second] = [partOf(1), partOf(2)];

/** Part 1 has taken 1,100 tokens; part 2 lies below it in the plan and has taken 2,100. */
function grown(budgets: Readonly<Record<BeadId, object>>) {
  const world = emptyWorld();
  for (const event of [...planted(), ...worked(1, true), ...worked(2, true)])
    fold(
      world,
      event.type === "bead-created" && event.bead in budgets
        ? {
            ...event,
            contract: { ...event.contract, budget: { ...unbounded, below: [], ...budgets[event.bead] } },
          }
        : event,
    );
  const known = present(world.goals.get(goal), "there is a goal");
  return { goal: known, beads: [...world.beads.values()] };
}

const wanted = { inputTokens: 500, outputTokensMax: 4_000, surplusTokens: 0, usdOf: () => 0 };

function fitOf(bead: BeadId, budgets: Readonly<Record<BeadId, object>>) {
  const known = grown(budgets);
  return affordable(known.goal, levelsAbove({ id: bead }, known.goal, known.beads, 2_000), wanted);
}

test("a call has what the tightest level has left: its goal, a bead that it lies below, or its own", () => {
  expect(fitOf(second, {})).toMatchObject({ kind: "fits", outputTokensMax: 4_000 });
  expect(fitOf(second, { [second]: { tokensMax: 4_000 } })).toMatchObject({ outputTokensMax: 1_400 });
  const folder = { [first]: { tokensMax: 5_000, below: [second] } };
  expect(fitOf(second, folder)).toMatchObject({ outputTokensMax: 1_300 });
  expect(fitOf(first, folder)).toMatchObject({ outputTokensMax: 1_300 });
  expect(fitOf(partOf(3), folder), "another part is not bounded by it").toMatchObject({
    outputTokensMax: 4_000,
  });
  const both = { ...folder, [second]: { tokensMax: 3_000 } };
  expect(fitOf(second, both)).toMatchObject({ outputTokensMax: 400, estimate: { tokens: 900 } });
});

test("what is over names its level, and the command that gives that level more", () => {
  const check = (budgets: Readonly<Record<BeadId, object>>, why: string, command: string) => {
    const fit = fitOf(second, budgets);
    expect(fit.kind === "over" ? partsOf(fit.reason) : fit).toEqual({ why, command });
  };
  check(
    { [second]: { tokensMax: 2_200 } },
    `bead ${second}: the next call could bring it to 2856 tokens, the budget is 2200`,
    `rigs bead retry ${second} --budget-tokens 4400`,
  );
  check(
    { [first]: { tokensMax: 3_200, below: [second] } },
    `bead ${first}: the next call could bring it to 3956 tokens, the budget is 3200`,
    `rigs bead retry ${first} --budget-tokens 6400`,
  );
  // Its minutes are its own, from its first claim.
  check(
    { [second]: { wallMsMax: 1_000 } },
    `bead ${second}: 1 second have passed, the budget is 1 second`,
    `rigs bead retry ${second} --max-minutes 1`,
  );
  expect(fitOf(second, { [first]: { wallMsMax: 1, below: [second] } })).toMatchObject({ kind: "fits" });
});

test("a call waits for what is out at the level that is full, and for no other's", () => {
  const needs = { tokens: 1_500, usd: 0 };
  const held = (reserved: BeadId) => {
    const known = grown({ [first]: { tokensMax: 4_000, below: [second] } });
    const out = (spend: Spend) => reserve(spend, { tokens: 600, usd: 0 });
    const beads = known.beads.map((each) =>
      each.id === reserved ? { ...each, spend: out(each.spend) } : each,
    );
    const levels = levelsAbove({ id: second }, { ...known.goal, spend: out(known.goal.spend) }, beads, 2_000);
    return [mustWait(levels, needs, []), mustWait(levels, { tokens: 1, usd: 0 }, [{ bead: first, needs }])];
  };
  expect(held(first)).toEqual([true, true]);
  expect(held(partOf(3)), "nothing is out below part 1 that could come back").toEqual([false, false]);
});
