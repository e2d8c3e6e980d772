import fc from "fast-check";
import { expect, test } from "vitest";
import { dispatchCases, job, namesOf, now, route, tank, times } from "./dispatch.case.ts";
import { dispatch } from "./dispatch.ts";
import { highPart, likelyOutput, noted, nothingKnown, reservedOutput } from "./quantile.ts";
import { informed, type Reading } from "./reading.ts";
import { giveBack, type Refinery, refineryOf } from "./refinery.ts";
import { levelShare } from "./tank.ts";
import { worthsOf } from "./worths.ts";

dispatchCases(() => dispatch);

test("long inputs go where input is plenty, whoever stands first in line", () => {
  const refinery = refineryOf([
    tank("rich", "gemini", { rpm: 12, itpm: 1_200_000 }),
    tank("quick", "anthropic", { rpm: 600, itpm: 60_000, otpm: 60_000 }),
  ]);
  const both = ["quick", "rich"];
  const waiting = [job("short", 500, both), job("long", 9_000, both)];
  const { starts } = dispatch(waiting, [route("quick"), route("rich")], refinery, times);
  expect(namesOf(starts).sort()).toEqual(["long@rich", "short@quick"]);
});

test("a step of priority goes before what suits alike, not before what suits far better", () => {
  const refinery = refineryOf([
    tank("a", "openai", { tpm: 60_000, concurrency: 1 }),
    tank("b", "slots", { concurrency: 1 }),
  ]);
  // So near to what the first in line takes that only priority tells them apart.
  const usual = Array.from({ length: 20 }, (_, at) => job(`c${at}`, 5_000 - at, ["a", "b"]));
  const ahead = (input: number, steps: number) => job("ahead", input, ["a", "b"], { ahead: steps });
  const begun = (one: ReturnType<typeof job>) =>
    dispatch([...usual, one], [route("a"), route("b")], refinery, times).starts.some(
      ({ job: each }) => each === one,
    );
  expect(begun(ahead(5_010, 1))).toBe(true);
  expect(begun(ahead(5_010, -1))).toBe(false);
  // On "a" it takes twenty times as much as they do.
  expect(begun(ahead(100_000, 0))).toBe(true);
  expect(begun(ahead(100_000, -1))).toBe(true);
});

test("worths are shares of one whole", () => {
  const refinery = refineryOf([
    tank("a", "openai", { tpm: 600_000 }),
    tank("b", "slots", { concurrency: 3 }),
  ]);
  const waiting = Array.from({ length: 150 }, (_, index) =>
    job(`c${index}`, 100 + 37 * index, index % 3 === 0 ? ["a"] : ["a", "b"]),
  );
  const worths = worthsOf(waiting, [route("a"), route("b")], refinery);
  const sum = [...worths.byProvider.values()].reduce((left, right) => left + right, 0);
  expect(sum).toBeCloseTo(1, 6);
});

test("what is remembered of buckets changes no decision: values that nobody has seen before give the same", () => {
  const size = fc.integer({ min: 1, max: 20_000 });
  fc.assert(
    fc.property(fc.array(size, { minLength: 2, maxLength: 40 }), (inputs) => {
      const tanks = [
        tank("a", "anthropic", { rpm: 100, itpm: 60_000, otpm: 60_000 }),
        tank("b", "openai", { tpm: 120_000 }),
      ];
      const routes = [route("a"), route("b")];
      let seen: Refinery = refineryOf(tanks);
      let waiting = inputs.map((input, index) => job(`c${index}`, input, ["a", "b"]));
      let at = now;
      for (let turn = 0; turn < 5 && waiting.length > 0; turn++) {
        // Long known to the memory, and never before.
        const [warm, fresh] = [seen, structuredClone(seen) as Refinery].map((refinery) =>
          dispatch(waiting, routes, refinery, { ...times, now: at }),
        );
        if (warm === undefined || fresh === undefined) throw new Error("two decisions");
        expect(namesOf(fresh.starts)).toEqual(namesOf(warm.starts));
        expect([fresh.wakeAt, fresh.refinery]).toEqual([warm.wakeAt, warm.refinery]);
        const [first] = warm.starts;
        seen = warm.refinery;
        at += 700;
        if (first !== undefined) {
          const ending = { used: undefined, how: "well" } as const;
          const end = { id: first.job.id, ending, readings: [], closure: undefined };
          seen = giveBack(seen, first.route.tanks, end, at);
        }
        waiting = waiting.filter((each) => !warm.starts.some(({ job: one }) => one === each));
      }
    }),
    { numRuns: 40 },
  );
});

test("a limit that nobody configured is learned from the first reply, with what is out in it", () => {
  const fresh = tank("a", "anthropic");
  expect(fresh.meters).toEqual([]);
  const begun = dispatch([job("c", 1_000, ["a"])], [route("a")], refineryOf([fresh]), times).refinery.get(
    "a",
  );
  if (begun === undefined) throw new Error("the tank is known");
  const told: Reading = { kind: "rate", measures: ["fresh-input"], limit: 600_000, remaining: 9_000 };
  const next = informed(begun, [told], now, now);
  const [meter] = next.meters;
  expect(meter?.kind === "bucket" && meter.measure).toBe("fresh-input");
  expect(meter?.kind === "bucket" && levelShare(meter, now)).toBeCloseTo(0.875, 6);
  expect(next.untold.length).toBe(2);
});

test("what calls usually take is learned: most stay below the high mark, the mean is near", () => {
  const value = fc.integer({ min: 1, max: 4_000 });
  fc.assert(
    fc.property(fc.array(value, { minLength: 400, maxLength: 400 }), (values) => {
      const learned = values.reduce(noted, nothingKnown);
      const later = values.filter((each) => each <= learned.high).length / values.length;
      expect(later).toBeGreaterThan(highPart - 0.25);
      expect(reservedOutput(learned, 1_000)).toBeLessThanOrEqual(1_000);
      expect(likelyOutput(learned, 4_000)).toBeLessThanOrEqual(learned.high);
    }),
    { numRuns: 30 },
  );
  expect(reservedOutput(noted(nothingKnown, 10), 1_000), "one call teaches nothing").toBe(1_000);
});
