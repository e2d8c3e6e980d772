import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Budget,
  cutOff,
  fitting,
  isWish,
  nothingSpent,
  outOfBudget,
  overrun,
  partsOf,
  rebudgeted,
  reserve,
  type Spend,
  settle,
  surplusAfter,
  unbounded,
} from "./budget.ts";
import type { GoalId } from "./id.ts";

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

const wanted = fc.record({
  inputTokens: fc.integer({ min: 1, max: 20_000 }),
  outputTokensMax: fc.integer({ min: 256, max: 16_000 }),
  surplusTokens: fc.integer({ min: 0, max: 3_000 }),
});
const usdOf = (output: number) => output * 0.000_015;

test("a call that fits keeps within the budget; what waits has room once all is given back; what is over never has", () => {
  const budgets = fc.record({
    tokensMax: fc.integer({ min: 1, max: 60_000 }),
    usdMax: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const law = fc.property(
    budgets,
    fc.array(estimates, { maxLength: 4 }),
    used,
    wanted,
    (bounds, out, usage, ask) => {
      const budget: Budget = { ...unbounded, ...bounds };
      const spent = { ...usage, input: usage.input % 20_000, usd: usage.usd % 0.4 };
      const settled = settle(reserve(nothingSpent, { tokens: 1, usd: 0 }), { tokens: 1, usd: 0 }, spent);
      const small = out.map(({ tokens, usd }) => ({ tokens: tokens % 20_000, usd: usd / 60 }));
      const spend = small.reduce(reserve, settled);
      const call = { ...ask, usdOf, elapsedMs: 0 };
      const fit = fitting(budget, spend, call);
      const alone = fitting(budget, settled, call);
      expect(alone.kind, "nobody waits for nothing").not.toBe("later");
      expect(fit.kind === "over", "what others reserved stops nobody").toBe(alone.kind === "over");
      if (fit.kind === "fits") {
        expect(overrun(budget, spend, { estimate: fit.estimate, elapsedMs: 0 })).toBe(undefined);
        if (alone.kind === "fits")
          expect(2 * fit.outputTokensMax).toBeGreaterThanOrEqual(alone.outputTokensMax);
      }
      if (fit.kind !== "later") return;
      // With the room that it waits for, or more, it fits.
      const room = overrun(budget, settled, { estimate: fit.needs, elapsedMs: 0 }) === undefined;
      const left = (bound: number, spent: number, needed: number) => Math.max(0, bound - spent - needed);
      const others = {
        tokens: left(bounds.tokensMax, settled.inputTokens + settled.outputTokens, fit.needs.tokens),
        usd: Math.max(0, Math.floor(left(bounds.usdMax, settled.usd, fit.needs.usd) * 1e9 - 1)) / 1e9,
      };
      const there = [others, { ...others, tokens: 0 }, { ...others, usd: 0 }];
      if (room)
        for (const each of there) expect(fitting(budget, reserve(settled, each), call).kind).toBe("fits");
    },
  );
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
  const budget: Budget = { usdMax: 5, tokensMax: 100_000, wallMsMax: undefined, wallFrom: undefined };
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

test("says why a call may not start, and what a larger bound would be", () => {
  const spend: Spend = { ...nothingSpent, inputTokens: 80, outputTokens: 10, usd: 0.5, reservedTokens: 5 };
  const check = (budget: Partial<Budget>, elapsedMs: number, why?: string, raise?: string) =>
    expect(
      overrun({ ...unbounded, ...budget }, spend, { estimate: { tokens: 5, usd: 0.25 }, elapsedMs }),
    ).toEqual(why === undefined ? undefined : { why, raise });
  check({}, 1e12);
  check({ tokensMax: 100 }, 0);
  check(
    { tokensMax: 99 },
    0,
    "the next call could bring it to 100 tokens, the budget is 99",
    "--budget-tokens 200",
  );
  check(
    { tokensMax: 7 },
    0,
    "the next call could bring it to 100 tokens, the budget is 7",
    "--budget-tokens 150",
  );
  check({ usdMax: 0.75 }, 0);
  check(
    { usdMax: 0.74 },
    0,
    "the next call could bring it to 0.7500 USD, the budget is 0.74",
    "--budget-usd 1.5",
  );
  check({ wallMsMax: 60_000 }, 59_999);
  check({ wallMsMax: 600 }, 750, "0.8 seconds have passed, the budget is 0.6 seconds", "--max-minutes 1");
  check({ wallMsMax: 60_000 }, 90_000, "1.5 minutes have passed, the budget is 1 minute", "--max-minutes 1");
});

test("the larger bound that is named lets the same call through", () => {
  const bound = fc.option(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { nil: undefined });
  const law = fc.property(bound, bound, bound, estimates, used, (usdMax, tokens, wall, estimate, spent) => {
    const tokensMax = tokens && Math.ceil(tokens);
    const wallMsMax = wall && wall * 60_000;
    let budget: Budget = { usdMax, tokensMax, wallMsMax, wallFrom: undefined };
    const spend = settle(nothingSpent, { tokens: 0, usd: 0 }, spent);
    const now = 1e9;
    // One bound after the other stands in the way, each once.
    for (let round = 0; round < 4; round++) {
      const over = overrun(budget, spend, { estimate, elapsedMs: now - (budget.wallFrom ?? 0) });
      if (over === undefined) return;
      const [, option, text] = /^--(budget-tokens|budget-usd|max-minutes) ([\d.]+)$/.exec(over.raise) ?? [];
      const value = Number(text);
      const wish = {
        usdMax: option === "budget-usd" ? value : undefined,
        tokensMax: option === "budget-tokens" ? value : undefined,
        wallMsMax: option === "max-minutes" ? value * 60_000 : undefined,
      };
      expect(isWish(wish)).toBe(true);
      budget = rebudgeted(budget, wish, now);
    }
    expect.unreachable(`three bounds were raised: ${JSON.stringify(budget)}`);
  });
  fc.assert(law);
});

test("a reason and its command part again, and other reasons have none", () => {
  const over = { why: "the budget is 7", raise: "--budget-tokens 20" };
  expect(partsOf(outOfBudget(over, "k7m2q9xd" as GoalId))).toEqual({
    why: "the budget is 7",
    command: "rigs goal resume k7m2q9xd --budget-tokens 20",
  });
  expect(partsOf("the tries are spent; really")).toEqual({
    why: "the tries are spent; really",
    command: undefined,
  });
});

test("what a server takes beyond its bound surprises once, and only that call passes the budget", () => {
  const tokensMax = 100_000;
  const call = fc.record({
    asked: fc.integer({ min: 1, max: 9_000 }),
    beyond: fc.integer({ min: -9_000, max: 9_000 }),
  });
  const law = fc.property(fc.array(call, { maxLength: 80 }), (calls) => {
    let [spend, surplus, most] = [nothingSpent, 0, 0];
    for (const { asked, beyond } of calls) {
      const estimate = { tokens: asked + surplus, usd: 0 };
      if (overrun({ ...unbounded, tokensMax }, spend, { estimate, elapsedMs: 0 }) !== undefined) continue;
      const usage = { input: Math.max(0, asked + beyond), cachedInput: 0, output: 0 };
      spend = settle(reserve(spend, estimate), estimate, { ...usage, usd: 0 });
      const isSurprise = usage.input > estimate.tokens;
      expect(isSurprise).toBe(usage.input - asked > most);
      if (!isSurprise) expect(spend.inputTokens).toBeLessThanOrEqual(tokensMax);
      surplus = surplusAfter(surplus, estimate.tokens, usage);
      most = Math.max(most, usage.input - asked);
      expect(surplus).toBe(most);
    }
  });
  fc.assert(law);
});

test("a call that is cut counts as when it is settled at its estimate", () => {
  fc.assert(
    fc.property(estimates, (estimate) => {
      const open = reserve(nothingSpent, estimate);
      const used = { input: estimate.tokens, cachedInput: 0, output: 0, usd: estimate.usd };
      expect(cutOff(open, 1)).toEqual(settle(open, estimate, used));
    }),
  );
});
