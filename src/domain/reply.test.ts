import fc from "fast-check";
import { expect, test } from "vitest";
import { atLeastSeen, noUsage } from "./reply.ts";

const tokens = fc.integer({ min: 0, max: 1_000_000 });
const sizes = fc.record({ input: tokens, output: tokens });

test("usage is never counted below what was reported, nor far below a third of what was seen", () => {
  fc.assert(
    fc.property(sizes, sizes, (reported, seen) => {
      const counted = atLeastSeen({ ...reported, cachedInput: 0 }, seen);
      for (const side of ["input", "output"] as const) {
        expect(counted[side]).toBeGreaterThanOrEqual(reported[side]);
        if (seen[side] - counted[side] > 256) expect(counted[side] * 3).toBeGreaterThanOrEqual(seen[side]);
        if (reported[side] === 0) expect(counted[side]).toBe(seen[side]);
        expect([reported[side], seen[side]]).toContain(counted[side]);
      }
    }),
  );
});

test("no usage at all counts as what was seen; a plausible one stands", () => {
  expect(atLeastSeen(noUsage, { input: 900, output: 300 })).toEqual({
    input: 900,
    cachedInput: 0,
    output: 300,
  });
  const usage = { input: 500, cachedInput: 400, output: 180 };
  expect(atLeastSeen(usage, { input: 900, output: 300 })).toEqual(usage);
});

test("a report on a short text stands, whatever the frame around it comes to; none at all does not", () => {
  const seen = { input: 45, output: 3 };
  expect(atLeastSeen({ input: 11, cachedInput: 0, output: 20 }, seen).input).toBe(11);
  expect(atLeastSeen(noUsage, seen)).toEqual({ ...seen, cachedInput: 0 });
});
