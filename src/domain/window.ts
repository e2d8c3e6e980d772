/**
 * A limit that is counted and given back at one moment: a day, five hours, a week. Some providers say how much, some only
 * which share of it is used; then what a token weighs is learned from one reading to the next.
 */
import { assert } from "../kit/assert.ts";
import { elapsedFor, type Floor, floorOf } from "./floor.ts";
import type { Draft, LeaseId, Measure } from "./meter.ts";
import { costOf } from "./meter.ts";
import { deviationOf, moved, sumOf, type Three } from "./regression.ts";
import {
  begun,
  caution,
  levelWhen,
  minus,
  mostOf,
  mostOfTokens,
  nothing,
  plus,
  roundedBy,
  shareOfTokens,
  taughtBy,
  thousand,
  unweighed,
  type Weighed,
  type Weight,
  weighed,
} from "./weight.ts";

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
  /** The most it can take, weighed. */
  readonly most: Weighed;
  readonly before: Weighed;
}

/** A share that a call is taken for at least while what it takes is not known. */
const unknownShare = 0.01;
export function windowOf(
  name: string,
  measure: Window["measure"],
  bounds: { readonly limit: number; readonly periodMs: number; readonly resetAt?: number },
): Window {
  assert(bounds.limit >= 0 && bounds.periodMs > 0, "a window has a size and a length");
  const { limit, periodMs, resetAt } = bounds;
  return { kind: "window", name, measure, limit, used: 0, resetAt, periodMs, open: [], weight: unweighed };
}

/** Whether what a token takes is known within half of it. */
export function isLearned({ weight: { learned } }: Window): boolean {
  const usual: Three = [0, 5, 1];
  return caution * deviationOf(learned, usual) <= sumOf(learned, usual) / 2;
}

/** So far what is taken of a share may be other than `used`, 0 to 1; undefined where no call from here was counted yet. */
export function doubtOf({ weight: { learned, settled }, open }: Window): number | undefined {
  if (settled.input + settled.output === 0) return undefined;
  const { input, output } = open.reduce((sum, { most }) => plus(sum, most), settled);
  return caution * deviationOf(learned, [1, input, output]);
}

/** Share that a token takes, input and output as calls here had them; undefined: not known within half of it yet. */
export function perTokenOf({ measure, weight }: Window): number | undefined {
  const { input, output } = weight.settled;
  const share = shareOfTokens(weight, weight.settled);
  if (measure !== "share" || input + output === 0) return undefined;
  if (share < 2 * (mostOfTokens(weight, weight.settled, caution) - share)) return undefined;
  return share / (thousand * (input + output));
}

export function windowCost({ measure, weight }: Window, draft: Draft): number {
  return measure === "share" ? shareOfTokens(weight, weighed(draft)) : costOf(measure, draft);
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
    open: window.open.map((each) => ({ ...each, before: nothing })),
    weight: begun(weight),
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
  const reach = { elapsed: elapsedOf(current, now), periodMs: current.periodMs };
  const line = 1 - (typeof bound === "number" ? bound : floorOf(bound, reach)) + rounding;
  const most = mostWith(current, draft, now);
  if (current.limit > 0 && most <= line) return now;
  if (isUntouched(current) && windowCost(current, draft) >= line * current.limit) return now;
  if (mayScout(current, draft, line)) return now;
  if (current.resetAt === undefined) return now + Math.min(current.periodMs, lookAgainMs);
  if (typeof bound === "number" || current.limit === 0) return current.resetAt;
  // As the window passes, more of it may be used.
  const elapsed = elapsedFor(bound, current.periodMs, most);
  if (elapsed === undefined) return current.resetAt;
  const at = current.resetAt - (1 - elapsed) * current.periodMs;
  return at > now ? Math.min(at, current.resetAt) : current.resetAt;
}

const rounding = 1e-9;

/** The most of it that may be gone once this call and all that is out have ended. */
function mostWith(window: Window, draft: Draft, now: number): number {
  const { measure, limit, open, weight } = window;
  if (limit === 0) return 1;
  if (measure !== "share") return shareOf(window, now) + costOf(measure, draft) / limit;
  const { input, output } = open.reduce(
    (sum, { most }) => plus(sum, most),
    plus(weight.settled, mostOf(draft)),
  );
  const times: Three = [1, input, output];
  return sumOf(weight.learned, times) + caution * deviationOf(weight.learned, times);
}

/** What no window of this size could hold is let into one that nothing was taken of. */
function isUntouched({ limit, open, used, weight }: Window): boolean {
  return limit > 0 && open.length === 0 && used < rounding && (weight.reading ?? 0) < rounding;
}

/**
 * Where all that is known lies below what is only reckoned, or nobody knows yet what a token takes, one call alone finds out
 * how it stands.
 */
function mayScout(window: Window, draft: Draft, line: number): boolean {
  const { measure, open, weight } = window;
  if (measure !== "share" || open.length > 0) return false;
  const since = plus(minus(weight.settled, weight.settledAtReading), mostOf(draft));
  const cost = isLearned(window)
    ? roundedBy / 2 + mostOfTokens(weight, since, caution)
    : Math.max(unknownShare, mostOfTokens(weight, since, 1));
  return (weight.reading ?? 0) + cost <= line;
}

export function drawn(window: Window, lease: LeaseId, draft: Draft, now: number): Window {
  const current = rolled(window, now);
  const cost = windowCost(current, draft);
  const entry = { lease, cost, at: now, most: mostOf(draft), before: current.weight.settled };
  const open = [...current.open, entry];
  return { ...current, open, resetAt: current.resetAt ?? now + current.periodMs };
}

/** `used`: what the call took; undefined counts what was reserved. */
export function closed(window: Window, lease: LeaseId, used: Draft | undefined, now: number): Window {
  const current = rolled(window, now);
  const entry = current.open.find((each) => each.lease === lease);
  if (entry === undefined) return current;
  const next = { ...current, open: current.open.filter((each) => each !== entry) };
  if (current.measure !== "share")
    return { ...next, used: current.used + (used === undefined ? entry.cost : windowCost(current, used)) };
  const { weight } = current;
  if (used === undefined) {
    // Half of it, give or take that half: the next reading tells.
    const half = entry.cost / 2;
    return levelledTo(next, { ...weight, learned: moved(weight.learned, half, half) });
  }
  const resetAt = firstEnd(current, entry, now);
  return levelledTo({ ...next, resetAt }, { ...weight, settled: plus(weight.settled, weighed(used)) });
}

/** One that begins with its first call may begin with the end of that: it is not over before a period has passed since then. */
function firstEnd({ resetAt, periodMs, weight }: Window, { at }: Drawn, now: number): number | undefined {
  const { settled, reading = 0 } = weight;
  const isFirst = reading === 0 && settled.input + settled.output === 0;
  const isBegunWith = resetAt !== undefined && resetAt >= at + periodMs - sameEndMs;
  return isFirst && isBegunWith ? Math.max(resetAt, now + periodMs) : resetAt;
}

function levelledTo(window: Window, weight: Weight): Window {
  return { ...window, weight, used: levelWhen(weight, weight.settled) };
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
  const resetAt = endOf(current, reading, asOf, now);
  const next = { ...current, limit, resetAt };
  if (reading.used === undefined || isOfAnother(current, reading, asOf)) return { ...current, limit };
  const isNext =
    current.resetAt !== undefined && resetAt !== undefined && resetAt > current.resetAt + sameEndMs;
  const then = current.open.find(({ at }) => at === asOf)?.before ?? current.weight.settled;
  if (current.measure !== "share")
    return { ...next, used: isNext ? reading.used : Math.max(reading.used, current.used) };
  const { weight } = current;
  if (!isNext) return levelledTo(next, taughtBy(weight, reading.used, then));
  const fresh = { ...begun(weight), settled: minus(weight.settled, then) };
  const open = current.open.map((each) => ({ ...each, before: minus(each.before, then) }));
  return levelledTo({ ...next, open }, taughtBy(fresh, reading.used, nothing));
}

/** When it ends, as far as it is known now. */
function endOf(window: Window, { used, resetAt: told }: WindowReading, asOf: number, now: number) {
  const { resetAt: known, periodMs } = window;
  // One that is used has begun, so it ends within a period, whoever names no end: or a full one would never open.
  if (told === undefined || told <= now)
    return known ?? (used !== undefined && used > 0 ? now + periodMs : undefined);
  if (known === undefined || told >= known) return told;
  // Of one that had not begun nobody knew the end.
  return used === 0 && told >= asOf + periodMs - sameEndMs ? known : told;
}

/** A reply to a call of the window before tells of that one. */
function isOfAnother({ resetAt, periodMs }: Window, reading: WindowReading, asOf: number): boolean {
  if (resetAt === undefined || asOf >= resetAt - periodMs) return false;
  return reading.resetAt === undefined || reading.resetAt < resetAt - sameEndMs;
}
