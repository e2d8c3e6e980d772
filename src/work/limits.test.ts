import fc from "fast-check";
import { expect, test } from "vitest";
import { type Fault, noUsage, type Reply } from "../domain/reply.ts";
import { openLimits } from "./limits.ts";

const failed = (fault: Fault): Reply => ({ kind: "failed", fault, usage: noUsage, headers: {}, wallMs: 1 });
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
  limits.heard("a", failed({ kind: "throttle", retryAt: 12_000, why: "429" }));
  expect(limits.limitOf("a")).toEqual({ until: 12_000, why: "429" });
  expect(limits.limitOf("b")).toBeUndefined();
  limits.heard("a", failed({ kind: "window", resetAt: 90_000, why: "5 hours" }));
  expect(limits.limitOf("a")?.until).toBe(90_000);
  limits.heard("b", failed({ kind: "window", resetAt: undefined, why: "day" }));
  expect(limits.limitOf("b")?.until).toBe(310_000);
});

test("an overload doubles the wait each time, up to the bound; an answer starts over", () => {
  const limits = open();
  const waits = [1, 2, 3, 4, 5, 6].map(() => {
    limits.heard("a", overloaded);
    return (limits.limitOf("a")?.until ?? 0) - 10_000;
  });
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  limits.heard("a", said);
  limits.heard("b", overloaded);
  expect((limits.limitOf("b")?.until ?? 0) - 10_000).toBe(1_000);
});

test("what another try cannot mend sets no limit", () => {
  const limits = open();
  for (const kind of ["auth", "billing", "request", "too-large"] as const)
    limits.heard("a", failed({ kind, why: "no" }));
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
          limits.heard("a", failed(each));
          const until = limits.limitOf("a")?.until ?? 0;
          expect(until).toBeGreaterThanOrEqual(before);
          if (each.kind === "capacity") expect(until).toBeLessThanOrEqual(Math.max(before, 18_000));
          before = until;
        }
      },
    ),
  );
});
