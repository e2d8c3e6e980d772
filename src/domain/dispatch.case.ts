/** The laws of a dispatch, whoever decides: run by the default and by every variant. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type dispatch, lookAheadLast, noneHeld, passedMax } from "./dispatch.ts";
import type { Job, Route } from "./job.ts";
import type { Draft, LeaseId } from "./meter.ts";
import { type MeteringKind, tankFor } from "./profile.ts";
import { giveBack, type Refinery, refineryOf } from "./refinery.ts";
import { mayBegin, reserved, tankAt } from "./tank.ts";
import { noWorths } from "./worths.ts";

export const now = 1_000_000_000;
export const times = {
  ...{ now, leaseMs: 600_000, worths: noWorths, count: 0, held: noneHeld, isViewNew: true },
};
const none = {
  ...{ rpm: undefined, rpd: undefined, tpm: undefined, itpm: undefined, otpm: undefined },
  burstSeconds: undefined,
};

export function tank(name: string, kind: MeteringKind, limits: object = {}) {
  const all = { ...none, concurrency: 100, ...limits };
  const made = tankFor(name, kind, all, { now, dayEndsAt: undefined });
  return { ...made, slots: { ...made.slots, limit: made.slots.max } };
}

export const route = (provider: string, ...tanks: readonly string[]): Route => ({
  ...{ provider, tanks: tanks.length === 0 ? [provider] : tanks, perMs: 0.05 },
});

export function job(
  name: string,
  input: number,
  providers: readonly string[],
  facts: Partial<Job> = {},
): Job {
  const draft = { input, cachedInput: 0, output: 500, outputMax: 1_000 };
  return {
    ...{
      id: name as LeaseId,
      ahead: 0,
      drafts: new Map(providers.map((each) => [each, draft])),
      outputLikely: 300,
    },
    ...{ floors: new Map(), warm: undefined, passedBy: 0, ...facts },
  };
}

export const namesOf = (starts: ReturnType<typeof dispatch>["starts"]) =>
  starts.map(({ job: { id }, route: { provider } }) => `${id}@${provider}`);

/** `fresh`: a decider that decides like every other one of it. */
export function dispatchCases(fresh: () => typeof dispatch): void {
  test("a call draws from every tank of its route or from none: the account's day ends for all its models", () => {
    const refinery = refineryOf([
      tank("account", "openai", { rpd: 2 }),
      tank("small", "openai", { rpm: 600 }),
      tank("large", "openai", { rpm: 600 }),
    ]);
    const routes = [route("small", "account", "small"), route("large", "account", "large")];
    const waiting = [1, 2, 3].map((each) => job(`c${each}`, 10, ["small", "large"]));
    const first = fresh()(waiting, routes, refinery, times);
    expect(first.starts.length).toBe(2);
    const leases = [...first.refinery.values()].map(({ leases: open }) => open.length);
    expect(leases[0]).toBe(2);
    expect((leases[1] ?? 0) + (leases[2] ?? 0)).toBe(2);
    let after: Refinery = first.refinery;
    for (const each of first.starts) {
      const ending = { used: undefined, how: "well" } as const;
      const end = { id: each.job.id, ending, readings: [], closure: undefined };
      after = giveBack(after, each.route.tanks, end, now);
    }
    expect([...after.values()].flatMap(({ leases: open }) => open)).toEqual([]);
  });

  test("who was passed by often enough is waited for", () => {
    const decide = fresh();
    const full = refineryOf([tank("a", "gemini", { itpm: 60_000 })]);
    const taken = decide([job("first", 600, ["a"])], [route("a")], full, times).refinery;
    const small = job("small", 100, ["a"]);
    const large = (passedBy: number) => job("large", 900, ["a"], { passedBy });
    const begun = (passedBy: number) =>
      namesOf(decide([large(passedBy), small], [route("a")], taken, times).starts);
    expect(begun(0)).toEqual(["small@a"]);
    expect(begun(passedMax)).toEqual([]);
  });

  test("waiting is one moment, and at it something begins", () => {
    const size = fc.integer({ min: 1, max: 5_000 });
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 30 }), (inputs) => {
        const decide = fresh();
        let refinery: Refinery = refineryOf([tank("a", "gemini", { itpm: 12_000, rpm: 30 })]);
        let waiting = inputs.map((input, index) => job(`c${index}`, input, ["a"]));
        let [at, held] = [now, noneHeld];
        for (let turn = 0; waiting.length > 0; turn++) {
          const made = decide(waiting, [route("a")], refinery, { ...times, now: at, held, isViewNew: false });
          const begun = new Set(made.starts.map(({ job: each }) => each));
          if (turn > 0) expect(begun.size, "the moment was not in vain").toBeGreaterThan(0);
          ({ refinery, held } = made);
          waiting = waiting.filter((each) => !begun.has(each));
          if (waiting.length === 0) return;
          expect(made.wakeAt).toBeGreaterThan(at);
          at = made.wakeAt ?? Number.POSITIVE_INFINITY;
        }
      }),
      { numRuns: 60 },
    );
  });

  test("only what every tank lets begin begins, once, of those it may look at; its reservations are all that changes", () => {
    const wish = fc.record({
      input: fc.integer({ min: 1, max: 9_000 }),
      who: fc.constantFrom(["a"], ["b"], ["a", "b"], ["a", "b", "c"]),
      passedBy: fc.constantFrom(0, 0, passedMax),
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 20 }), fc.nat(9_000), (wishes, taken) => {
        const tanks = [
          tank("account", "openai", { rpm: 120 }),
          tank("a", "openai", { tpm: 60_000 }),
          tank("b", "anthropic", { itpm: 90_000, otpm: 90_000, rpm: 600 }),
          tank("c", "slots", { concurrency: 2 }),
        ];
        const routes = [route("a", "account", "a"), route("b"), route("c")];
        const drawn: Draft = { input: taken, cachedInput: 0, output: 1, outputMax: 1 };
        const call = { draft: drawn, perMs: 1, floor: 0 };
        const before = refineryOf(
          tanks.map((each) => reserved(each, "out" as LeaseId, call, { now, leaseMs: 600_000 })),
        );
        const waiting = wishes.map(({ input, who, passedBy }, at) => job(`c${at}`, input, who, { passedBy }));
        const made = fresh()(waiting, routes, before, { ...times, now: now + 500 });
        const replayed = new Map(before);
        for (const { job: each, route: to } of made.starts) {
          const draft = each.drafts.get(to.provider);
          if (draft === undefined) throw new Error("it went where it may not");
          const asked = { draft, perMs: to.perMs, floor: 0 };
          for (const name of to.tanks) {
            const known = tankAt(replayed.get(name) ?? tank(name, "plain"), now + 500);
            expect(mayBegin(known, asked, now + 500), `${each.id}@${to.provider}`).toBe(true);
            replayed.set(name, reserved(known, each.id, asked, { now: now + 500, leaseMs: 600_000 }));
          }
        }
        const ids = made.starts.map(({ job: { id } }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        const leasesOf = (refinery: Refinery) =>
          [...refinery.values()].map(({ name, leases }) => [name, leases.map(({ id }) => id).sort()]);
        expect(leasesOf(made.refinery)).toEqual(leasesOf(replayed));
      }),
      { numRuns: 60 },
    );
  });

  test("the same values give the same decision, only of those it may look at", () => {
    const refinery = refineryOf([
      tank("a", "openai", { tpm: 600_000 }),
      tank("b", "slots", { concurrency: 3 }),
    ]);
    const routes = [route("a"), route("b")];
    const waiting = Array.from({ length: 250 }, (_, index) =>
      job(`c${index}`, 100 + 37 * index, index % 3 === 0 ? ["a"] : ["a", "b"]),
    );
    const made = fresh()(waiting, routes, refinery, times);
    expect(namesOf(fresh()(waiting, routes, refinery, times).starts)).toEqual(namesOf(made.starts));
    const ids = made.starts.map(({ job: { id } }) => id);
    expect(ids.length).toBeGreaterThan(0);
    const seen = new Set(waiting.slice(0, lookAheadLast).map(({ id }) => id));
    expect(ids.every((id) => seen.has(id))).toBe(true);
  });
}
