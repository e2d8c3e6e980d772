import fc from "fast-check";
import { expect, test } from "vitest";
import { compareScores, type Score } from "./attempt.ts";

const scores: fc.Arbitrary<Score> = fc.record({
  runs: fc.boolean(),
  collects: fc.boolean(),
  testsPassed: fc.integer({ min: 0, max: 3 }),
  testsFailed: fc.integer({ min: 0, max: 3 }),
  lintFindings: fc.integer({ min: 0, max: 3 }),
});

test("scores are a total preorder, and equal means equal in every part", () => {
  const law = fc.property(scores, scores, scores, (one, two, three) => {
    const forth = Math.sign(compareScores(one, two));
    expect(forth).toBe(-Math.sign(compareScores(two, one)) + 0);
    if (compareScores(one, two) >= 0 && compareScores(two, three) >= 0)
      expect(compareScores(one, three)).toBeGreaterThanOrEqual(0);
    if (forth === 0) expect(one).toEqual(two);
  });
  fc.assert(law, { numRuns: 2_000 });
});

test("what runs beats what does not, then what collects, then tests, then lint", () => {
  const none: Score = { runs: false, collects: false, testsPassed: 0, testsFailed: 0, lintFindings: 0 };
  const rising: readonly Partial<Score>[] = [
    { testsPassed: 9 },
    { collects: true },
    { runs: true, testsPassed: 9 },
    { runs: true, collects: true, lintFindings: 5 },
    { runs: true, collects: true, testsPassed: 1, testsFailed: 2 },
    { runs: true, collects: true, testsPassed: 1, testsFailed: 1, lintFindings: 9 },
    { runs: true, collects: true, testsPassed: 1, testsFailed: 1, lintFindings: 8 },
    { runs: true, collects: true, testsPassed: 2, testsFailed: 7 },
  ];
  for (let index = 1; index < rising.length; index++)
    expect(compareScores({ ...none, ...rising[index] }, { ...none, ...rising[index - 1] })).toBeGreaterThan(
      0,
    );
});
