import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Booking,
  book,
  type Caller,
  closeOpen,
  emptyAccounts,
  overBudget,
  spendOf,
  type TokenHash,
} from "./caller.ts";

const hashes = ["a", "b"].map((letter) => letter.repeat(64) as TokenHash);
const usageOf = (input: number, output: number) => ({ input, cachedInput: 0, output });

/** Calls that begin and end in any order, some never. */
const stories = fc.array(
  fc.record({
    call: fc.integer({ min: 0, max: 12 }),
    who: fc.constantFrom(...hashes),
    kind: fc.constantFrom("reserved", "settled", "withdrawn"),
    tokens: fc.integer({ min: 0, max: 1_000 }),
  }),
  { maxLength: 60 },
);

function bookingOf({
  call,
  who,
  kind,
  tokens,
}: {
  call: number;
  who: TokenHash;
  kind: string;
  tokens: number;
}): Booking {
  const id = `c${call}`;
  if (kind === "reserved") return { kind, call: id, hash: who, estimate: { tokens, usd: tokens / 1e6 } };
  if (kind === "settled") return { kind, call: id, usage: usageOf(tokens, 1), usd: tokens / 1e6 };
  return { kind: "withdrawn", call: id };
}

test("what is reserved is the sum of the calls that are out, and nothing once all have ended", () => {
  fc.assert(
    fc.property(stories, (story) => {
      const accounts = emptyAccounts();
      for (const each of story) {
        book(accounts, bookingOf(each));
        for (const hash of hashes) {
          const out = [...accounts.open.values()].filter((open) => open.hash === hash);
          const sum = out.reduce((total, { estimate }) => total + estimate.tokens, 0);
          expect(spendOf(accounts, hash).reservedTokens).toBe(sum);
        }
      }
      const before = hashes.map((hash) => spendOf(accounts, hash));
      closeOpen(accounts);
      for (const [index, hash] of hashes.entries()) {
        const spend = spendOf(accounts, hash);
        expect([spend.reservedTokens, spend.reservedUsd]).toEqual([0, 0]);
        const all = (before[index]?.inputTokens ?? 0) + (before[index]?.reservedTokens ?? 0);
        expect(spend.inputTokens).toBe(all);
      }
    }),
  );
});

test("whoever asks before every call never spends beyond the budget, however many are out", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), { maxLength: 80 }),
      (calls) => {
        const [hash = "" as TokenHash] = hashes;
        const none = { usdMax: undefined, rpm: undefined, createdAt: 0, revokedAt: undefined };
        const caller: Caller = { name: "one", hash, tokensMax: 200, ...none };
        const accounts = emptyAccounts();
        for (const [index, [tokens, isEnding]] of calls.entries()) {
          const estimate = { tokens, usd: 0 };
          if (overBudget(caller, accounts, estimate) === undefined)
            book(accounts, { kind: "reserved", call: `c${index}`, hash, estimate });
          const [oldest] = accounts.open;
          if (isEnding && oldest !== undefined)
            book(accounts, {
              kind: "settled",
              call: oldest[0],
              usage: usageOf(oldest[1].estimate.tokens, 0),
              usd: 0,
            });
          const { inputTokens, outputTokens, reservedTokens } = spendOf(accounts, hash);
          expect(inputTokens + outputTokens + reservedTokens).toBeLessThanOrEqual(200);
        }
      },
    ),
  );
});
