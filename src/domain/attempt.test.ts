import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Attempt,
  bestRevision,
  compareScores,
  rejectedWords,
  type Score,
  whyNotDelivered,
} from "./attempt.ts";

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

type Steps = readonly (number | "refuted")[];

/** Attempts of one trail: revisions by passed tests of five, "refuted" a proof of the one before. */
function attemptsOf(...steps: Steps): readonly Attempt[] {
  let count = 0;
  const trail = steps.map((step) => {
    if (step === "refuted")
      return { kind: "proved", proof: { verdict: "refuted", reasons: [`forged ${count}`] } };
    count += 1;
    const score = { runs: true, collects: true, testsPassed: step, testsFailed: 5 - step, lintFindings: 0 };
    const evaluation = { isGreen: step === 5, score, headline: `test: t${count}: assert None == 2` };
    return { kind: "revised", revision: `r${count}`, evaluation };
  });
  return [{ trail } as unknown as Attempt];
}

test("the best revision is never shown without its refutation, and an equal one that was not refuted is better", () => {
  const best = (...steps: Steps) => {
    const found = bestRevision(attemptsOf(...steps));
    return found && [found.revised.revision, found.refutation];
  };
  expect(best()).toBeUndefined();
  expect(best(1, 2, 0)).toEqual(["r2", undefined]);
  expect(best(1, 5, "refuted", 0)).toEqual(["r2", "forged 2"]);
  expect(best(5, "refuted", 5)).toEqual(["r2", undefined]);
  expect(best(5, "refuted", 5, "refuted")).toEqual(["r1", "forged 2"]);
});

test("why nothing was delivered: what the best revision lacks comes before what stopped the work", () => {
  const why = (text: string, ...steps: Steps) => whyNotDelivered(text, attemptsOf(...steps));
  const stop = "the answer changed nothing";
  expect(why(stop)).toBe(stop);
  expect(why(stop, 1, 2)).toBe(`best revision r2: 2 of 5 tests pass; t2: assert None == 2; then ${stop}`);
  expect(why("2 repairs did not mend it: test: t1: assert None == 2", 1)).toBe(
    "best revision r1: 1 of 5 tests pass; 2 repairs did not mend it: test: t1: assert None == 2",
  );
  expect(why(stop, 1, 5, "refuted", 2)).toBe(
    `the verifier refuted the best revision, r2: forged 2; then ${stop}`,
  );
  expect(why("the verifier refuted it: forged 1", 5, "refuted")).toBe("the verifier refuted it: forged 1");
  expect(why("you said no", 5)).toBe("you said no");
});

test("a rejection is said once", () => {
  expect(rejectedWords("unchanged", "the answer changes nothing")).toBe("the answer changed nothing");
  expect(rejectedWords("empty", "the answer is empty")).toBe("the answer was empty");
  expect(rejectedWords("lazy", "a.py: an ellipsis")).toBe("the answer left code out: a.py: an ellipsis");
});
