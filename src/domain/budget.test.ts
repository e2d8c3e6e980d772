import fc from "fast-check";
import { expect, test } from "vitest";
import { type Budget, nothingSpent, overrun, reserve, type Spend, settle, unbounded } from "./budget.ts";

const estimates = fc.record({
  tokens: fc.integer({ min: 0, max: 200_000 }),
  usd: fc.double({ min: 0, max: 20, noNaN: true }),
});
const used = fc.record({
  input: fc.integer({ min: 0, max: 200_000 }),
  cachedInput: fc.integer({ min: 0, max: 100 }),
  output: fc.integer({ min: 0, max: 9_000 }),
  usd: fc.double({ min: 0, max: 20, noNaN: true }),
});

test("what is reserved and settled, in any order, leaves exactly nothing reserved", () => {
  const law = fc.property(fc.array(fc.tuple(estimates, used, fc.nat()), { maxLength: 60 }), (calls) => {
    let spend: Spend = calls.reduce((sum, [estimate]) => reserve(sum, estimate), nothingSpent);
    for (const [estimate, usage] of calls.toSorted((left, right) => left[2] - right[2]))
      spend = settle(spend, estimate, usage);
    expect([spend.reservedTokens, spend.reservedUsd]).toEqual([0, 0]);
    expect(spend.requests).toBe(calls.length);
    expect(spend.inputTokens).toBe(calls.reduce((sum, [, usage]) => sum + usage.input, 0));
    expect(spend.outputTokens).toBe(calls.reduce((sum, [, usage]) => sum + usage.output, 0));
    expect(spend.usd).toBeCloseTo(
      calls.reduce((sum, [, usage]) => sum + usage.usd, 0),
      6,
    );
  });
  fc.assert(law);
});

test("sums of USD are exact to the billionth", () => {
  const twice = reserve(reserve(nothingSpent, { tokens: 1, usd: 0.1 }), { tokens: 1, usd: 0.2 });
  expect(twice.reservedUsd).toBe(0.3);
  expect(
    overrun({ ...unbounded, usdMax: 0.6 }, twice, { estimate: { tokens: 0, usd: 0.3 }, elapsedMs: 0 }),
  ).toBe(undefined);
});

test("calls that were let through never pass the budget, whatever is out at once", () => {
  const budget: Budget = { usdMax: 5, tokensMax: 100_000, wallMsMax: undefined };
  const law = fc.property(fc.array(fc.tuple(estimates, fc.boolean()), { maxLength: 80 }), (asks) => {
    let spend = nothingSpent;
    const out: { tokens: number; usd: number }[] = [];
    for (const [estimate, settles] of asks) {
      if (overrun(budget, spend, { estimate, elapsedMs: 0 }) === undefined) {
        spend = reserve(spend, estimate);
        out.push(estimate);
      }
      const oldest = settles ? out.shift() : undefined;
      // At worst a call uses all of its estimate.
      if (oldest !== undefined)
        spend = settle(spend, oldest, { input: oldest.tokens, cachedInput: 0, output: 0, usd: oldest.usd });
      expect(spend.inputTokens + spend.outputTokens + spend.reservedTokens).toBeLessThanOrEqual(100_000);
      expect(spend.usd + spend.reservedUsd).toBeLessThanOrEqual(5 + 1e-9);
    }
  });
  fc.assert(law);
});

test("says why a call may not start", () => {
  const spend: Spend = { ...nothingSpent, inputTokens: 80, outputTokens: 10, usd: 0.5, reservedTokens: 5 };
  const check = (budget: Partial<Budget>, elapsedMs: number, why: string | undefined) =>
    expect(
      overrun({ ...unbounded, ...budget }, spend, { estimate: { tokens: 5, usd: 0.25 }, elapsedMs }),
    ).toBe(why);
  check({}, 1e12, undefined);
  check({ tokensMax: 100 }, 0, undefined);
  check({ tokensMax: 99 }, 0, "the next call could bring it to 100 tokens, the budget is 99");
  check({ usdMax: 0.75 }, 0, undefined);
  check({ usdMax: 0.74 }, 0, "the next call could bring it to 0.7500 USD, the budget is 0.74");
  check({ wallMsMax: 60_000 }, 59_999, undefined);
  check({ wallMsMax: 60_000 }, 60_000, "1 minutes have passed, the budget is 1");
});
