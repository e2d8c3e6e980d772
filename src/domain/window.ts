/**
 * A limit that is counted and given back at one moment: a day, five hours, a week. Some providers say how much, some only
 * which share of it is used; then what a token weighs is learned from one reading to the next.
 */
import { assert } from "../kit/assert.ts";
import { elapsedFor, type Floor, floorOf } from "./floor.ts";
import type { Draft, LeaseId, Measure } from "./meter.ts";
import { costOf } from "./meter.ts";

export interface Window {
  readonly kind: "window";
  /** "day", "5-hour", "weekly": as people say it. */
  readonly name: string;
  /** `share`: of an allowance nobody publishes; then `limit` is 1. */
  readonly measure: Measure | "share";
  readonly limit: number;
  /** Since the window began, without what is open. */
  readonly used: number;
  /** ms since the epoch; undefined: it begins with the next call, or nobody knows. */
  readonly resetAt: number | undefined;
  readonly periodMs: number;
  readonly open: readonly Drawn[];
  readonly weight: Weight;
}

/** A call that is out, with what stood settled when it began: its reply tells of that moment. */
interface Drawn {
  readonly lease: LeaseId;
  readonly cost: number;
  readonly at: number;
  readonly usedThen: number;
  readonly tokensThen: number;
}

/** What is known of the share that a weighted token takes. */
interface Weight {
  /** Undefined until two readings of one window differ. */
  readonly perToken: number | undefined;
  /** Weighted tokens settled since the window began. */
  readonly tokens: number;
  /** The newest share that was told, and what `tokens` was at the moment it spoke of. */
  readonly reading: number | undefined;
  readonly tokensAtReading: number;
}

/** A share that a call is taken for before any was measured: one point. */
const unknownShare = 0.01;
/** What an output token weighs beside one of input, as list prices have it; only the sum matters once it is learned. */
const outputWeight = 5;
/** Providers round shares to a point or finer. */
const roundedBy = 0.01;
/** How much a new measurement counts. */
const learning = 0.3;

export function windowOf(
  name: string,
  measure: Window["measure"],
  bounds: { readonly limit: number; readonly periodMs: number; readonly resetAt?: number },
): Window {
  assert(bounds.limit >= 0 && bounds.periodMs > 0, "a window has a size and a length");
  const weight = { perToken: undefined, tokens: 0, reading: undefined, tokensAtReading: 0 };
  const { limit, periodMs, resetAt } = bounds;
  return { kind: "window", name, measure, limit, used: 0, resetAt, periodMs, open: [], weight };
}

/** Weighted tokens of a call. */
function weightOf({ input, cachedInput, output }: Draft): number {
  return Math.max(0, input - cachedInput) + outputWeight * output;
}

export function windowCost({ measure, weight }: Window, draft: Draft): number {
  if (measure !== "share") return costOf(measure, draft);
  return weight.perToken === undefined ? unknownShare : weight.perToken * weightOf(draft);
}

/** The window that `now` lies in: what a past one held is gone, what is open stays. */
export function rolled(window: Window, now: number): Window {
  const { resetAt, periodMs, weight } = window;
  if (resetAt === undefined || now < resetAt) return window;
  const passed = Math.floor((now - resetAt) / periodMs) + 1;
  return {
    ...window,
    used: 0,
    resetAt: resetAt + passed * periodMs,
    open: window.open.map((each) => ({ ...each, usedThen: 0, tokensThen: 0 })),
    weight: { ...weight, tokens: 0, reading: undefined, tokensAtReading: 0 },
  };
}

/** What is taken and reserved of it, 0 to 1; above 1 where it was overdrawn. */
export function shareOf(window: Window, now: number): number {
  const { used, open, limit } = rolled(window, now);
  const held = open.reduce((sum, { cost }) => sum + cost, 0);
  return limit === 0 ? 1 : (used + held) / limit;
}

/** How far the window has gone, 0 to 1; undefined where nobody knows when it ends. */
export function elapsedOf(window: Window, now: number): number | undefined {
  const { resetAt, periodMs } = rolled(window, now);
  return resetAt === undefined ? undefined : Math.min(1, Math.max(0, 1 - (resetAt - now) / periodMs));
}

/** A window of 0 whose end nobody named is looked at again after this. */
const lookAgainMs = 300_000;

/** The earliest moment at which a call may begin that leaves its floor of the window untouched. */
export function windowReadyAt(window: Window, draft: Draft, bound: Floor, now: number): number {
  const current = rolled(window, now);
  const share = current.limit === 0 ? 1 : windowCost(current, draft) / current.limit;
  const reach = { elapsed: elapsedOf(current, now), periodMs: current.periodMs };
  const floor = typeof bound === "number" ? bound : floorOf(bound, reach);
  // What no window of this size could hold is let into an untouched one.
  const need = Math.min(share, 1 - floor);
  if (current.limit > 0 && shareOf(current, now) + need <= 1 - floor + 1e-9) return now;
  if (mayScout(current) && (current.weight.reading ?? 1) + need <= 1 - floor + 1e-9) return now;
  if (current.resetAt === undefined) return now + Math.min(current.periodMs, lookAgainMs);
  if (typeof bound === "number" || current.limit === 0) return current.resetAt;
  // As the window passes, more of it may be used.
  const elapsed = elapsedFor(bound, current.periodMs, shareOf(current, now) + share);
  if (elapsed === undefined) return current.resetAt;
  const at = current.resetAt - (1 - elapsed) * current.periodMs;
  return at > now ? Math.min(at, current.resetAt) : current.resetAt;
}

/** Where all that is known lies below what is only reckoned, one call alone finds out how it stands. */
function mayScout({ measure, open, weight }: Window): boolean {
  return measure === "share" && open.length === 0 && weight.reading !== undefined;
}

export function drawn(window: Window, lease: LeaseId, draft: Draft, now: number): Window {
  const current = rolled(window, now);
  const cost = windowCost(current, draft);
  const then = { at: now, usedThen: current.used, tokensThen: current.weight.tokens };
  const open = [...current.open, { lease, cost, ...then }];
  return { ...current, open, resetAt: current.resetAt ?? now + current.periodMs };
}

/** `used`: what the call took; undefined counts what was reserved. */
export function closed(window: Window, lease: LeaseId, used: Draft | undefined, now: number): Window {
  const current = rolled(window, now);
  const entry = current.open.find((each) => each.lease === lease);
  if (entry === undefined) return current;
  const cost = used === undefined ? entry.cost : windowCost(current, used);
  const tokens = current.weight.tokens + (used === undefined ? 0 : weightOf(used));
  return {
    ...current,
    used: current.used + cost,
    open: current.open.filter((each) => each.lease !== lease),
    weight: { ...current.weight, tokens },
  };
}

/** Without the reservation of a call that was never made. */
export function withdrawnOf(window: Window, lease: LeaseId): Window {
  return { ...window, open: window.open.filter((each) => each.lease !== lease) };
}

/** What a provider says; what it leaves out is undefined. */
export interface WindowReading {
  /** Units, or a share of 0 to 1 where the measure is one. */
  readonly used: number | undefined;
  readonly limit: number | undefined;
  readonly resetAt: number | undefined;
}

/** Readings of one window may name its end this much apart. */
const sameEndMs = 120_000;

/**
 * Toward caution: within one window what is used only grows; a reset in the past is no reset. `asOf`: when the call began
 * whose reply says it; what was settled since is not in it.
 */
export function read(window: Window, reading: WindowReading, asOf: number, now: number): Window {
  const current = rolled(window, now);
  const limit = current.measure === "share" ? 1 : (reading.limit ?? current.limit);
  const named = reading.resetAt !== undefined && reading.resetAt > now ? reading.resetAt : current.resetAt;
  // One that is used has begun, so it ends within a period, whoever names no end: or a full one would never open.
  const isBegun = reading.used !== undefined && reading.used > 0;
  const resetAt = named ?? (isBegun ? now + current.periodMs : undefined);
  if (reading.used === undefined) return { ...current, limit, resetAt };
  const isNext =
    current.resetAt !== undefined && resetAt !== undefined && resetAt > current.resetAt + sameEndMs;
  const then = current.open.find(({ at }) => at === asOf);
  const told = Math.max(reading.used, current.weight.reading ?? 0);
  const used = isNext ? reading.used : countedHere(current, told, then);
  const tokens = then?.tokensThen ?? current.weight.tokens;
  return { ...current, limit, resetAt, used, weight: learned(current, reading.used, { isNext, tokens }) };
}

/**
 * What was settled since the moment that is spoken of comes on top. What was counted here is believed above that, of shares
 * only as far as these are rounded: their costs are guesses.
 */
function countedHere({ measure, used }: Window, told: number, then: Drawn | undefined): number {
  if (measure !== "share") return Math.max(told, used);
  const since = told + Math.max(0, used - (then?.usedThen ?? used));
  return Math.max(since, Math.min(used, since + roundedBy));
}

function learned(
  { measure, weight }: Window,
  used: number,
  { isNext, tokens }: { readonly isNext: boolean; readonly tokens: number },
): Weight {
  if (measure !== "share") return weight;
  const begun = { ...weight, reading: used, tokensAtReading: tokens };
  if (isNext) return { ...begun, tokens: weight.tokens - tokens, tokensAtReading: 0 };
  if (weight.reading === undefined) return begun;
  const grown = used - weight.reading;
  const between = tokens - weight.tokensAtReading;
  // Shares are rounded: what does not show yet is measured over more calls.
  if (grown <= 0) return weight;
  if (between <= 0) return begun;
  const measured = grown / between;
  const perToken =
    weight.perToken === undefined ? measured : (1 - learning) * weight.perToken + learning * measured;
  return { ...begun, perToken };
}
