import fc from "fast-check";
import { expect, test } from "vitest";
import type { LeaseId } from "./meter.ts";
import { giveBack, type Refinery, refineryOf, type ScopedClosure } from "./refinery.ts";
import { slotsOf } from "./slots.ts";
import { type Call, type Ending, opened, readyAt, reserved, settled, type Tank, tankOf } from "./tank.ts";

const start = 1_000_000;
const leaseMs = 600_000;
const call: Call = {
  draft: { input: 1, cachedInput: 0, output: 1, outputMax: 1 },
  perMs: 1,
  floor: 0,
};

function tankIn(refinery: Refinery): Tank {
  return refinery.get("a") as Tank;
}

const end = (tank: Tank, id: LeaseId, how: Ending["how"], closure: ScopedClosure | undefined, now: number) =>
  tankIn(
    giveBack(refineryOf([tank]), ["a"], { id, ending: { used: undefined, how }, readings: [], closure }, now),
  );

const overload = (until: number): ScopedClosure => ({
  ...{ scope: "model", opens: "with one", until, why: "HTTP 529: Overloaded" },
});

/** What happens next, and how much time passes before. */
const step = fc.record({
  afterMs: fc.integer({ min: 0, max: 3_000 }),
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant("begin" as const) },
    { weight: 1, arbitrary: fc.constant("hurry" as const) },
    { weight: 4, arbitrary: fc.constantFrom("well", "busy", "refused", "else", "unmade") },
  ),
  which: fc.nat(20),
});

test("law: from a closure whose end was assumed until the first good answer at most one call that began since is out", () => {
  let probes = 0;
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      fc.array(step, { minLength: 20, maxLength: 80 }),
      (max, steps) => {
        let tank = tankOf("a", { meters: [], slots: slotsOf(max) }, start);
        let now = start;
        let count = 0;
        let closedAt: number | undefined;
        for (const { afterMs, what, which } of steps) {
          now += afterMs;
          const lease = tank.leases[which % Math.max(1, tank.leases.length)];
          if (what === "begin") {
            if (readyAt(tank, call, now).at <= now)
              tank = reserved(tank, `c${count++}` as LeaseId, call, { now, leaseMs });
          } else if (what === "hurry") tank = opened(tank);
          else if (lease !== undefined) {
            const closure = what === "busy" ? overload(now + 1_000) : undefined;
            tank = end(tank, lease.id, what, closure, now);
            if (what === "busy") closedAt = now;
            if (what === "well" && closedAt !== undefined && lease.startedAt > closedAt) closedAt = undefined;
          }
          const since = closedAt;
          if (since === undefined) continue;
          const out = tank.leases.filter(({ startedAt }) => startedAt > since).length;
          expect(out).toBeLessThanOrEqual(1);
          probes += out;
        }
      },
    ),
  );
  expect(probes).toBeGreaterThan(50);
});

test("after the first good answer it doubles, up to what it was, and whoever waits hears what for", () => {
  let tank = tankOf("a", { meters: [], slots: slotsOf(12) }, start);
  const begin = (now: number) => {
    let count = 0;
    for (; readyAt(tank, call, now).at <= now; count++)
      tank = reserved(tank, `${now} ${count}` as LeaseId, call, { now, leaseMs });
    return count;
  };
  const answered = (now: number) => {
    for (const { id } of tank.leases) tank = settled(tank, id, { used: undefined, how: "well" }, now);
  };
  expect(begin(start)).toBe(12);
  const [first, second, ...others] = tank.leases.map(({ id }) => id);
  // Two fail of one cause; the others began before it and say nothing of how it is now, and the last takes its time.
  for (const id of [first, second])
    tank = end(tank, id as LeaseId, "busy", overload(start + 5_000), start + 10);
  for (const id of others.slice(1)) tank = settled(tank, id, { used: undefined, how: "well" }, start + 20);
  expect(readyAt(tank, call, start + 30)).toEqual({ at: start + 5_000, waitsFor: "HTTP 529: Overloaded" });
  const rounds: number[] = [];
  for (let round = 0; round < 5; round++) {
    const now = start + 5_000 + round * 100;
    rounds.push(begin(now));
    if (round === 0)
      expect(readyAt(tank, call, now)).toEqual({
        at: Number.POSITIVE_INFINITY,
        waitsFor: "its first answer after HTTP 529: Overloaded",
      });
    answered(now + 50);
  }
  // Cut once, to 8.
  expect(rounds).toEqual([1, 2, 4, 8, 8]);
});
