import { expect, test } from "vitest";
import { seeded } from "../kit/random.ts";
import { annealing } from "./annealing.ts";
import { dispatchCases, job, namesOf, route, tank, times } from "./dispatch.case.ts";
import { refineryOf } from "./refinery.ts";

dispatchCases(() => annealing(seeded(1)));

test("long inputs go where input is plenty, as many as fit side by side", () => {
  const refinery = refineryOf([
    tank("rich", "gemini", { rpm: 12, itpm: 1_200_000 }),
    tank("quick", "anthropic", { rpm: 600, itpm: 60_000, otpm: 60_000 }),
  ]);
  const both = ["quick", "rich"];
  const waiting = [job("short", 500, both), job("long", 9_000, both)];
  const { starts } = annealing(seeded(1))(waiting, [route("quick"), route("rich")], refinery, times);
  expect(namesOf(starts).sort()).toEqual(["long@rich", "short@quick"]);
});

test("a place is not left free for a call that would cost less elsewhere", () => {
  const decide = annealing(seeded(1));
  const refinery = refineryOf([
    tank("cheap", "gemini", { itpm: 60_000 }),
    tank("dear", "gemini", { itpm: 60_000 }),
  ]);
  const worths = {
    ...times.worths,
    byProvider: new Map([
      ["cheap", 0.05],
      ["dear", 0.95],
    ] as const),
  };
  const full = decide([job("first", 1_000, ["cheap"])], [route("cheap")], refinery, times).refinery;
  const waiting = [job("second", 900, ["cheap", "dear"])];
  const { starts } = decide(waiting, [route("cheap"), route("dear")], full, { ...times, worths });
  expect(namesOf(starts)).toEqual(["second@dear"]);
});
