import fc from "fast-check";
import { expect, test } from "vitest";
import { type Fault, noUsage, type Reply } from "../domain/reply.ts";
import { askableAt, openLimits } from "./limits.ts";

const failed = (fault: Fault): Reply => ({
  kind: "failed",
  fault,
  usage: noUsage,
  headers: {},
  readings: [],
  wallMs: 1,
});
const said: Reply = { kind: "said", text: "", finish: "stop", usage: noUsage, headers: {}, wallMs: 1 };
const overloaded = failed({ kind: "capacity", why: "overloaded" });

const open = (chance = 1) =>
  openLimits(
    () => 10_000,
    () => chance,
    () => ({ baseMs: 1_000, maxMs: 8_000 }),
  );

test("holds a provider back until the moment its reply named", () => {
  const limits = open();
  limits.heard("a", failed({ kind: "throttle", retryAt: 12_000, why: "429" }), 10_000);
  expect(limits.limitOf("a")).toEqual({ until: 12_000, soonest: 12_000, since: 10_000, why: "429" });
  expect(limits.limitOf("b")).toBeUndefined();
  limits.heard("a", failed({ kind: "window", resetAt: 90_000, why: "5 hours" }), 10_000);
  expect(limits.limitOf("a")?.until).toBe(90_000);
  limits.heard("b", failed({ kind: "window", resetAt: undefined, why: "day" }), 10_000);
  expect(limits.limitOf("b")?.until).toBe(310_000);
});

test("an overload doubles the wait each time, up to the bound; an answer starts over", () => {
  const limits = open();
  const waits = [1, 2, 3, 4, 5, 6].map(() => {
    limits.heard("a", overloaded, 10_000);
    return (limits.limitOf("a")?.until ?? 0) - 10_000;
  });
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  limits.heard("a", said, 10_000);
  limits.heard("b", overloaded, 10_000);
  expect((limits.limitOf("b")?.until ?? 0) - 10_000).toBe(1_000);
});

test("a throttle without a hint waits fifteen seconds first", () => {
  const limits = openLimits(
    () => 10_000,
    () => 1,
    () => ({ baseMs: 1_000, maxMs: 60_000 }),
  );
  const waits = [1, 2, 3, 4].map(() => {
    limits.heard("a", failed({ kind: "throttle", retryAt: undefined, why: "429" }), 10_000);
    return (limits.limitOf("a")?.until ?? 0) - 10_000;
  });
  expect(waits).toEqual([15_000, 30_000, 60_000, 60_000]);
  expect(limits.limitOf("a")?.soonest).toBe(17_500);
});

test("an assumed wait is shortened to what a goal has left; one that was named is not", () => {
  const assumed = { until: 70_000, soonest: 17_500, since: 10_000, why: "" };
  expect(askableAt(assumed, undefined)).toBe(70_000);
  expect(askableAt(assumed, 70_001)).toBe(70_000);
  expect(askableAt(assumed, 70_000)).toBe(40_000);
  expect(askableAt(assumed, 20_000)).toBe(17_500);
  expect(askableAt(assumed, 17_500)).toBeUndefined();
  expect(askableAt({ ...assumed, soonest: 70_000 }, 60_000)).toBeUndefined();
});

test("law: whoever can wait the shortest sensible time asks again before the end", () => {
  const moments = fc.record({ since: fc.nat(99_999), soonMs: fc.nat(30_000), moreMs: fc.nat(60_000) });
  fc.assert(
    fc.property(moments, fc.nat(200_000), ({ since, soonMs, moreMs }, leftMs) => {
      const soonest = since + soonMs;
      const at = askableAt({ since, soonest, until: soonest + moreMs, why: "" }, since + leftMs);
      expect(at !== undefined).toBe(soonMs < leftMs);
      if (at === undefined) return;
      expect(at).toBeGreaterThanOrEqual(soonest);
      expect(at).toBeLessThan(since + leftMs);
      expect(at).toBeLessThanOrEqual(soonest + moreMs);
    }),
  );
});

test("what another try cannot mend sets no limit", () => {
  const limits = open();
  for (const kind of ["auth", "billing", "request", "too-large"] as const)
    limits.heard("a", failed({ kind, why: "no" }), 10_000);
  expect(limits.limitOf("a")).toBeUndefined();
});

test("law: a reply never brings a known limit forward, and no wait is longer than the bound", () => {
  const fault = fc.oneof(
    fc.record({
      kind: fc.constant("throttle" as const),
      retryAt: fc.integer({ min: 0, max: 99_999 }),
      why: fc.constant(""),
    }),
    fc.record({ kind: fc.constant("capacity" as const), why: fc.constant("") }),
  );
  fc.assert(
    fc.property(
      fc.array(fault, { maxLength: 40 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (faults, chance) => {
        const limits = open(chance);
        let before = 0;
        for (const each of faults) {
          limits.heard("a", failed(each), 10_000);
          const until = limits.limitOf("a")?.until ?? 0;
          expect(until).toBeGreaterThanOrEqual(before);
          if (each.kind === "capacity") expect(until).toBeLessThanOrEqual(Math.max(before, 18_000));
          before = until;
        }
      },
    ),
  );
});
