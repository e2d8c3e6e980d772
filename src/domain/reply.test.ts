import fc from "fast-check";
import { expect, test } from "vitest";
import { atLeastSeen, noUsage } from "./reply.ts";

const tokens = fc.integer({ min: 0, max: 1_000_000 });
const sizes = fc.record({ input: tokens, output: tokens });

test("usage is never counted below what was reported, nor below a third of what was seen", () => {
  fc.assert(
    fc.property(sizes, sizes, (reported, seen) => {
      const counted = atLeastSeen({ ...reported, cachedInput: 0 }, seen);
      for (const side of ["input", "output"] as const) {
        expect(counted[side]).toBeGreaterThanOrEqual(reported[side]);
        expect(counted[side] * 3).toBeGreaterThanOrEqual(seen[side]);
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
