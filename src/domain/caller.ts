/** Who may call the gateway, and how much: a token's hash, its bounds, and what it has spent. Pure. */
import {
  type Budget,
  cutOff,
  type Estimate,
  nothingSpent,
  overrun,
  reserve,
  type Spend,
  settle,
} from "./budget.ts";
import type { Usage } from "./reply.ts";

/** A token's hash, SHA-256 in hexadecimal. The token itself is shown once and kept nowhere. */
export type TokenHash = string & { readonly tokenHash: unique symbol };

export interface Caller {
  /** 1 to 64 letters, digits, "-" and "_"; one living caller of a name. */
  readonly name: string;
  readonly hash: TokenHash;
  /** Whole, over the token's life; undefined: no bound. */
  readonly usdMax: number | undefined;
  readonly tokensMax: number | undefined;
  /** Requests a minute. */
  readonly rpm: number | undefined;
  /** Milliseconds since the epoch; `revokedAt` undefined: it is good. */
  readonly createdAt: number;
  readonly revokedAt: number | undefined;
}

/** What happened to a caller's money, in order; `call` is unique as long as it is open. */
export type Booking =
  | {
      readonly kind: "reserved";
      readonly call: string;
      readonly hash: TokenHash;
      readonly estimate: Estimate;
    }
  | { readonly kind: "settled"; readonly call: string; readonly usage: Usage; readonly usd: number }
  /** It never left. */
  | { readonly kind: "withdrawn"; readonly call: string }
  /** What was spent before the lines that follow. */
  | { readonly kind: "stood"; readonly hash: TokenHash; readonly spend: Spend }
  /** What it spent cannot be known any more. */
  | { readonly kind: "unknown"; readonly hash: TokenHash };

export interface Accounts {
  readonly spends: Map<TokenHash, Spend>;
  readonly open: Map<string, { readonly hash: TokenHash; readonly estimate: Estimate }>;
  /** Those of whom nobody knows what they spent: every bound of theirs counts as used up. */
  readonly unknown: Set<TokenHash>;
}

export function emptyAccounts(): Accounts {
  return { spends: new Map(), open: new Map(), unknown: new Set() };
}

export function spendOf({ spends }: Accounts, hash: TokenHash): Spend {
  return spends.get(hash) ?? nothingSpent;
}

/** Beyond it no amount is one: what a provider reports may be nonsense, and sums have to stay numbers. */
const amountMax = 1e12;

function amountIn(amount: number): number {
  return amount > amountMax || Number.isNaN(amount) ? amountMax : amount;
}

/** With amounts that sums can hold; it can be written and read again as it is. */
export function bounded(booking: Booking): Booking {
  if (booking.kind === "reserved") {
    const { tokens, usd } = booking.estimate;
    return { ...booking, estimate: { tokens: amountIn(tokens), usd: amountIn(usd) } };
  }
  if (booking.kind !== "settled") return booking;
  const { input, cachedInput, output } = booking.usage;
  return {
    ...booking,
    usage: { input: amountIn(input), cachedInput: amountIn(cachedInput), output: amountIn(output) },
    usd: amountIn(booking.usd),
  };
}

/** Books in place: there may be hundreds a second. What speaks of a call that is not open changes nothing. */
export function book(accounts: Accounts, booking: Booking): void {
  const { spends, open } = accounts;
  if (booking.kind === "stood") {
    spends.set(booking.hash, booking.spend);
    return;
  }
  if (booking.kind === "unknown") {
    accounts.unknown.add(booking.hash);
    return;
  }
  if (booking.kind === "reserved") {
    const { call, hash, estimate } = booking;
    if (open.has(call)) return;
    open.set(call, { hash, estimate });
    spends.set(hash, reserve(spendOf(accounts, hash), estimate));
    return;
  }
  const reserved = open.get(booking.call);
  if (reserved === undefined) return;
  open.delete(booking.call);
  const { hash, estimate } = reserved;
  const before = spendOf(accounts, hash);
  if (booking.kind === "withdrawn") {
    spends.set(hash, reserve(before, { tokens: -estimate.tokens, usd: -estimate.usd }));
    return;
  }
  spends.set(hash, settle(before, estimate, { ...booking.usage, usd: booking.usd }));
}

/** After a kill: calls that were out may have been paid, so each counts with all that was reserved for it. */
export function closeOpen(accounts: Accounts): void {
  for (const { hash } of accounts.open.values()) {
    const out = [...accounts.open.values()].filter((each) => each.hash === hash).length;
    const before = spendOf(accounts, hash);
    if (before.reservedTokens > 0 || before.reservedUsd > 0) accounts.spends.set(hash, cutOff(before, out));
  }
  accounts.open.clear();
}

/** Why this call may not start, or undefined. What is reserved counts. */
export function overBudget(caller: Caller, accounts: Accounts, estimate: Estimate): string | undefined {
  const { usdMax, tokensMax, hash } = caller;
  if (accounts.unknown.has(hash) && (usdMax !== undefined || tokensMax !== undefined))
    return "what it spent cannot be read any more, so it counts as used up; a new token starts anew";
  const spend = spendOf(accounts, hash);
  const budget: Budget = { usdMax, tokensMax, wallMsMax: undefined, wallFrom: undefined };
  return overrun(budget, spend, { estimate, elapsedMs: 0 })?.why;
}
