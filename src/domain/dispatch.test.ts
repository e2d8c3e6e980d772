import fc from "fast-check";
import { expect, test } from "vitest";
import {
  dispatch,
  type Job,
  lookAhead,
  noneHeld,
  noWorths,
  passedMax,
  type Route,
  worthsOf,
} from "./dispatch.ts";
import type { LeaseId } from "./meter.ts";
import { type MeteringKind, tankFor } from "./profile.ts";
import { highPart, likelyOutput, noted, nothingKnown, reservedOutput } from "./quantile.ts";
import { giveBack, type Refinery, refineryOf } from "./refinery.ts";
import { informed, levelShare, type Reading } from "./tank.ts";

const now = 1_000_000_000;
const times = { now, leaseMs: 600_000, worths: noWorths, count: 0, held: noneHeld, isViewNew: true };
const none = { rpm: undefined, rpd: undefined, tpm: undefined, itpm: undefined, otpm: undefined };

function tank(name: string, kind: MeteringKind, limits: object = {}) {
  const all = { ...none, concurrency: 100, ...limits };
  const made = tankFor(name, kind, all, { now, dayEndsAt: undefined });
  return { ...made, slots: { ...made.slots, limit: made.slots.max } };
}

const route = (provider: string, ...tanks: readonly string[]): Route => ({
  ...{ provider, tanks: tanks.length === 0 ? [provider] : tanks, perMs: 0.05 },
});

function job(name: string, input: number, providers: readonly string[], facts: Partial<Job> = {}): Job {
  const draft = { input, cachedInput: 0, output: 500, outputMax: 1_000 };
  return {
    ...{ id: name as LeaseId, drafts: new Map(providers.map((each) => [each, draft])), outputLikely: 300 },
    ...{ floors: new Map(), warm: undefined, passedBy: 0, ...facts },
  };
}

const namesOf = (starts: ReturnType<typeof dispatch>["starts"]) =>
  starts.map(({ job: { id }, route: { provider } }) => `${id}@${provider}`);

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

test("a call draws from every tank of its route or from none: the account's day ends for all its models", () => {
  const refinery = refineryOf([
    tank("account", "openai", { rpd: 2 }),
    tank("small", "openai", { rpm: 600 }),
    tank("large", "openai", { rpm: 600 }),
  ]);
  const routes = [route("small", "account", "small"), route("large", "account", "large")];
  const waiting = [1, 2, 3].map((each) => job(`c${each}`, 10, ["small", "large"]));
  const first = dispatch(waiting, routes, refinery, times);
  expect(first.starts.length).toBe(2);
  const leases = [...first.refinery.values()].map(({ leases: open }) => open.length);
  expect(leases[0]).toBe(2);
  expect((leases[1] ?? 0) + (leases[2] ?? 0)).toBe(2);
  let after: Refinery = first.refinery;
  for (const {
    job: { id },
    route: { tanks },
  } of first.starts)
    after = giveBack(
      after,
      tanks,
      { id, ending: { used: undefined, how: "well" }, readings: [], closure: undefined },
      now,
    );
  expect([...after.values()].flatMap(({ leases: open }) => open)).toEqual([]);
});

test("who was passed by often enough is waited for", () => {
  const full = refineryOf([tank("a", "gemini", { itpm: 60_000 })]);
  const taken = dispatch([job("first", 600, ["a"])], [route("a")], full, times).refinery;
  const small = job("small", 100, ["a"]);
  const large = (passedBy: number) => job("large", 900, ["a"], { passedBy });
  const begun = (passedBy: number) =>
    namesOf(dispatch([large(passedBy), small], [route("a")], taken, times).starts);
  expect(begun(0)).toEqual(["small@a"]);
  expect(begun(passedMax)).toEqual([]);
});

test("waiting is one moment, and at it something begins", () => {
  const size = fc.integer({ min: 1, max: 5_000 });
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 30 }), (inputs) => {
      let refinery: Refinery = refineryOf([tank("a", "gemini", { itpm: 12_000, rpm: 30 })]);
      let waiting = inputs.map((input, index) => job(`c${index}`, input, ["a"]));
      let at = now;
      for (let turn = 0; waiting.length > 0; turn++) {
        const made = dispatch(waiting, [route("a")], refinery, { ...times, now: at });
        const begun = new Set(made.starts.map(({ job: each }) => each));
        if (turn > 0) expect(begun.size, "the moment was not in vain").toBeGreaterThan(0);
        refinery = made.refinery;
        waiting = waiting.filter((each) => !begun.has(each));
        if (waiting.length === 0) return;
        expect(made.wakeAt).toBeGreaterThan(at);
        at = made.wakeAt ?? Number.POSITIVE_INFINITY;
      }
    }),
  );
});

test("the same values give the same decision, at most once for each job, only of those it may look at", () => {
  const refinery = refineryOf([
    tank("a", "openai", { tpm: 600_000 }),
    tank("b", "slots", { concurrency: 3 }),
  ]);
  const routes = [route("a"), route("b")];
  const waiting = Array.from({ length: 150 }, (_, index) =>
    job(`c${index}`, 100 + 37 * index, index % 3 === 0 ? ["a"] : ["a", "b"]),
  );
  const worths = worthsOf(waiting, routes, refinery);
  const made = dispatch(waiting, routes, refinery, { ...times, worths });
  expect(namesOf(dispatch(waiting, routes, refinery, { ...times, worths }).starts)).toEqual(
    namesOf(made.starts),
  );
  const ids = made.starts.map(({ job: { id } }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const seen = new Set(waiting.slice(0, lookAhead).map(({ id }) => id));
  expect(ids.every((id) => seen.has(id))).toBe(true);
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
