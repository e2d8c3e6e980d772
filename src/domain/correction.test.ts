import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Correction,
  corrected,
  correctedMost,
  correctionIn,
  learned,
  nothingLearned,
} from "./correction.ts";

const counts = fc.integer({ min: 0, max: 2_000_000 });
const replies = fc.array(fc.tuple(counts, counts), { maxLength: 80 });
const after = (seen: readonly (readonly [number, number])[]): Correction =>
  seen.reduce((known, [counted, actual]) => learned(known, counted, actual), nothingLearned);

test("whatever servers report, a correction stays within its bounds, and a reservation is never below what is likely", () => {
  const law = fc.property(replies, counts, (seen, counted) => {
    const known = after(seen);
    expect(known.factor).toBeGreaterThanOrEqual(0.25);
    expect(known.factor).toBeLessThanOrEqual(4);
    expect(known.margin).toBeGreaterThanOrEqual(1);
    expect(known.margin).toBeLessThanOrEqual(2);
    expect(correctedMost(known, counted)).toBeGreaterThanOrEqual(corrected(known, counted));
    expect(correctionIn(JSON.parse(JSON.stringify(known)))).toEqual(known);
  });
  fc.assert(law);
});

test("a steady factor is found within a few replies, and followed when it changes", () => {
  const steady = (ratio: number, count: number) =>
    Array.from({ length: count }, () => [1_000, 1_000 * ratio] as const);
  expect(after(steady(1.3, 3)).factor).toBeCloseTo(1.3, 5);
  expect(after([...steady(1.3, 30), ...steady(0.9, 90)]).factor).toBeCloseTo(0.9, 1);
});

test("about 95 of 100 prompts lie below what is reserved for them", () => {
  const law = fc.property(
    fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 600, maxLength: 600 }),
    (noise) => {
      let known = nothingLearned;
      let above = 0;
      for (const [index, each] of noise.entries()) {
        const actual = 10_000 * 1.2 * (1 + each / 100);
        if (index >= 200 && actual > correctedMost(known, 10_000)) above += 1;
        known = learned(known, 10_000, actual);
      }
      expect(above / 400).toBeLessThan(0.1);
    },
  );
  fc.assert(law, { numRuns: 20 });
});

test("what is no reply and no correction changes nothing", () => {
  expect(learned(nothingLearned, 10, 4_000), "the frame of a tiny prompt").toBe(nothingLearned);
  expect(learned(nothingLearned, 1_000, 0)).toBe(nothingLearned);
  for (const junk of [
    undefined,
    null,
    3,
    "x",
    {},
    { count: 1, factor: Number.NaN, margin: 1 },
    { count: -1 },
  ])
    expect(correctionIn(junk)).toEqual(nothingLearned);
});
