import fc from "fast-check";
import { expect, test } from "vitest";
import { levelOf, reshaped } from "./bucket.ts";
import { handedOver, quiet } from "./handover.ts";
import type { Draft, LeaseId } from "./meter.ts";
import { type Limits, type MeteringKind, tankFor } from "./profile.ts";
import { informed } from "./reading.ts";
import { levelShare, readyAt, reserved, shut, type Tank } from "./tank.ts";
import { shareOf } from "./window.ts";

const start = 1_000_000_000;
const none: Limits = {
  ...{ rpm: undefined, rpd: undefined, tpm: undefined, itpm: undefined, otpm: undefined },
  concurrency: undefined,
  burstSeconds: undefined,
};
const limits: Limits = { ...none, rpm: 600, rpd: 1_000, itpm: 600_000, otpm: 60_000, concurrency: 4 };
const tank = (each: Limits = limits, now = start, kind: MeteringKind = "anthropic"): Tank =>
  tankFor("a m", kind, each, { now, dayEndsAt: start + 3_600_000 });
const draft = (input: number, output: number): Draft => ({
  input,
  cachedInput: 0,
  output,
  outputMax: output,
});
const called = (before: Tank, count: number, input = 1_000, output = 100): Tank =>
  Array.from({ length: count }).reduce<Tank>(
    (next, _, index) =>
      reserved(
        next,
        `${next.leases.length} ${index}` as LeaseId,
        { draft: draft(input, output), perMs: 0.1, floor: 0 },
        { now: start, leaseMs: 600_000 },
      ),
    before,
  );

test("calls of a process that is gone count as taken, and hold no place", () => {
  const next = handedOver(called(tank(), 3), tank(), start);
  expect(next.leases).toEqual([]);
  const [requests] = next.meters;
  expect(requests?.kind === "bucket" && levelOf(requests, start)).toBe(6.5);
  const day = next.meters.find((meter) => meter.kind === "window");
  expect(day?.kind === "window" && shareOf(day, start) * 1_000).toBeCloseTo(3, 9);
});

test("a key that was refused is tried again, a window that is used up is not", () => {
  const person = shut(tank(), { until: Number.POSITIVE_INFINITY, why: "check the key" }, start);
  expect(handedOver(person, tank(), start).closure).toBeUndefined();
  const window = { until: start + 60_000, why: "5-hour window" };
  expect(handedOver(shut(tank(), window, start), tank(), start).closure).toEqual(window);
  expect(handedOver(shut(tank(), window, start), tank(), start + 60_000).closure).toBeUndefined();
});

test("another configuration has the say at once, and gives back nothing that was used", () => {
  const used = called(tank(), 4);
  const next = handedOver(used, tank({ ...limits, rpm: 6_000, rpd: 2_000, concurrency: 9 }), start);
  const [requests] = next.meters;
  expect(requests).toMatchObject({ perMinute: 6_000, burst: 100 });
  expect(requests?.kind === "bucket" && levelOf(requests, start)).toBe(6);
  expect(next.meters.find(({ kind }) => kind === "window")).toMatchObject({ limit: 2_000, used: 4 });
  expect(next.slots).toMatchObject({ max: 9, limit: 4 });
  // Anthropic tells its rates, so these may have been told; nobody but the configuration ever said how much a day holds.
  const without = handedOver(used, tank(none), start);
  expect(without.meters.map(({ kind }) => kind)).toEqual(["bucket", "bucket", "stream"]);
  expect(handedOver(used, tank(none, start, "slots"), start).meters).toEqual([]);
  expect(without.slots.max).toBe(Number.POSITIVE_INFINITY);
});

test("how many seconds' worth may come at once is what the configuration says, of limits it names and of limits that are told", () => {
  const ofRequests = ({ meters }: Tank) => meters.find((meter) => meter.kind === "bucket");
  const tenSeconds = { ...limits, burstSeconds: 10 };
  expect(ofRequests(tank(tenSeconds))).toMatchObject({ perMinute: 600, burst: 90 });
  // What may come at once grows empty, and shrinks at once; of what a refusal taught, nothing is forgotten.
  const grown = ofRequests(handedOver(tank(), tank(tenSeconds), start));
  expect(grown?.burst).toBe(90);
  expect(grown && levelOf(grown, start)).toBe(10);
  expect(ofRequests(handedOver(tank(tenSeconds), tank(), start))?.burst).toBe(10);
  const half = reshapedIn(tank(), 5);
  expect(ofRequests(handedOver(half, tank(), start))?.burst).toBe(5);
  const told = (seconds: number | undefined, before = tank({ ...none, burstSeconds: seconds })) =>
    informed(before, [{ kind: "rate", measures: ["requests"], limit: 60, remaining: 60 }], start, start);
  expect(ofRequests(told(undefined))?.burst).toBe(1);
  expect(ofRequests(told(30))?.burst).toBe(27);
  expect(ofRequests(handedOver(told(undefined), tank({ ...none, burstSeconds: 30 }), start))?.burst).toBe(27);
  expect(ofRequests(handedOver(told(30), tank(none), start))?.burst).toBe(1);
});

/** As after a refusal. */
function reshapedIn(before: Tank, burst: number): Tank {
  const meters = before.meters.map((meter) =>
    meter.kind === "bucket" && meter.measure === "requests"
      ? reshaped(meter, { perMinute: meter.perMinute, burst }, start)
      : meter,
  );
  return { ...before, meters };
}

test("what a provider told stays known, what it told of a configured limit gives way to that until it is told again", () => {
  const told = informed(
    tank(none),
    [
      { kind: "rate", measures: ["requests"], limit: 50, remaining: 20 },
      {
        ...{ kind: "window", name: "5-hour", measure: "share", periodMs: 18_000_000, scope: "model" },
        ...{ used: 0.4, limit: 1, resetAt: start + 1_000_000 },
      },
    ],
    start,
    start,
  );
  const next = handedOver(told, tank(none), start);
  expect(next).toEqual(told);
  expect(next.untold).toHaveLength(2);
});

test("what a provider allowed more of than is configured leaves no debt behind", () => {
  const told = informed(
    called(tank(), 2),
    [{ kind: "rate", measures: ["requests"], limit: 60_000, remaining: 59_998 }],
    start,
    start,
  );
  const [requests] = handedOver(told, tank(), start).meters;
  expect(requests).toMatchObject({ perMinute: 600, burst: 10 });
  expect(requests?.kind === "bucket" && levelOf(requests, start)).toBeGreaterThanOrEqual(8);
});

test("law: handing over never lets a call begin sooner, unless the configuration allows more", () => {
  const count = fc.integer({ min: 0, max: 4 });
  fc.assert(
    fc.property(
      count,
      fc.integer({ min: 1, max: 8_000 }),
      fc.nat({ max: 90_000 }),
      (calls, input, laterMs) => {
        const now = start + laterMs;
        const before = quiet(called(tank(), calls), start);
        const call = { draft: draft(input, 200), perMs: 0.1, floor: 0 };
        const after = handedOver(before, tank(limits, now), now);
        expect(readyAt(after, call, now).at).toBeGreaterThanOrEqual(readyAt(before, call, now).at - 1);
        for (const [index, meter] of after.meters.entries()) {
          const was = before.meters[index];
          if (meter.kind === "window" || was === undefined || was.kind === "window") continue;
          expect(levelShare(meter, now)).toBeLessThanOrEqual(levelShare(was, now) + 1e-9);
        }
      },
    ),
  );
});

test("law: handed over twice is handed over once", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 }), fc.nat({ max: 90_000 }), (calls, laterMs) => {
      const once = handedOver(called(tank(), calls), tank(), start + laterMs);
      expect(handedOver(once, tank(), start + laterMs)).toEqual(once);
    }),
  );
});
