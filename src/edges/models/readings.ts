/**
 * What the headers of a reply say of limits, whatever the dialect: one table a family. Total: unknown or broken values say
 * nothing. Units are settled here (fractions, percents, epoch seconds, RFC 3339, Go durations); domain sees ms and shares.
 *
 * 1. Every limit is a whole number above 0, every amount is from 0 to its limit, every share from 0 to 1, every end ahead and at most 31 days off.
 * 2. Moments are measured by the server's clock where it tells it, and given by ours.
 *
 * Left alone on purpose: Anthropic's priority and fast lanes (pools of their own, which no call of ours asks for), and
 * Gemini, DeepSeek and Ollama, which say nothing on a success. What bodies of errors say is in `refusals.ts`.
 */
import type { Reading } from "../../domain/reading.ts";
import { printable } from "../../kit/bounded.ts";
import { resetMs, serverNow } from "./waits.ts";

export type Headers = Readonly<Record<string, string>>;
type RateReading = Extract<Reading, { readonly kind: "rate" }>;
type Measure = RateReading["measures"][number];
type WindowReading = Extract<Reading, { readonly kind: "window" }>;

/** `now`: ms since the epoch, by our clock. */
export function readingsOf(headers: Headers, now: number): readonly Reading[] {
  const clock: Clock = { now, server: serverNow(headers, now) };
  return [
    ...rates(headers),
    ...unified(headers, clock),
    ...codex(headers, clock),
    ...plain(headers, "", clock),
  ];
}

/** Ours, and the server's where it tells it. */
export interface Clock {
  readonly now: number;
  readonly server: number;
}

type RateRow = readonly [limit: string, remaining: string, measures: readonly Measure[]];

const anthropicRow = (resource: string, measures: readonly Measure[]): RateRow => [
  `anthropic-ratelimit-${resource}-limit`,
  `anthropic-ratelimit-${resource}-remaining`,
  measures,
];
const openaiRow = (resource: string, measures: readonly Measure[]): RateRow => [
  `x-ratelimit-limit-${resource}`,
  `x-ratelimit-remaining-${resource}`,
  measures,
];

const inputTokens: readonly Measure[] = ["fresh-input", "input"];
const anyTokens: readonly Measure[] = ["sum", "greater"];

/** Limits that refill by the minute. Rows that measure the same bind together: the least of them counts. */
const rateRows: readonly RateRow[] = [
  anthropicRow("requests", ["requests"]),
  anthropicRow("input-tokens", inputTokens),
  anthropicRow("output-tokens", ["output"]),
  anthropicRow("tokens", anyTokens),
  openaiRow("requests", ["requests"]),
  openaiRow("tokens", anyTokens),
  openaiRow("project-tokens", anyTokens),
];

function rates(headers: Headers): readonly Reading[] {
  const least = new Map<string, RateReading>();
  for (const [limitName, remainingName, measures] of rateRows) {
    const limit = limitOf(headers[limitName]);
    const remaining = numberOf(headers[remainingName]);
    if (limit === undefined) continue;
    const known = least.get(measures.join());
    const lower = lesser(limit, known?.limit) ?? limit;
    least.set(measures.join(), rateReading(measures, lower, lesser(remaining, known?.remaining)));
  }
  return [...least.values()];
}

/** A whole number above 0; Azure sends -1 and 0 where it has nothing to say, and a part of a request is nobody's limit. */
function limitOf(value: string | undefined): number | undefined {
  const limit = numberOf(value);
  return limit !== undefined && limit >= 1 && Number.isInteger(limit) ? limit : undefined;
}

/** "requests" or "tokens" of each row's limit, for people. */
const limitWords = rateRows.map(([limitName]): readonly [string, string] => [
  limitName,
  (/(requests|(?:project-|input-|output-)?tokens)/.exec(limitName)?.[0] ?? "").replace("-", " "),
]);

/** Limits of a minute of 0, by what they are of: "requests". Of an answer they are no limit. */
export function zeroLimitsOf(headers: Headers): readonly string[] {
  return limitWords.flatMap(([name, words]) => (numberOf(headers[name]) === 0 ? [words] : []));
}

/** What the headers of an answer say of limits that no limit can be: "a limit of 0.5 requests a minute". Nothing of a negative one. */
export function doubtsOf(headers: Headers): readonly string[] {
  return limitWords.flatMap(([name, words]) => {
    const told = printable((headers[name] ?? "").slice(0, 200)).trim();
    if (told === "" || /^-\d/.test(told) || limitOf(told) !== undefined) return [];
    return [`a limit of ${told.length > 24 ? `${told.slice(0, 23)}…` : told} ${words} a minute`];
  });
}

function lesser(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

/** Of a minute; `limit` above 0. */
export function rateReading(
  measures: readonly Measure[],
  limit: number | undefined,
  remaining: number | undefined,
): RateReading {
  const held = remaining === undefined ? undefined : Math.max(0, Math.min(limit ?? remaining, remaining));
  return { kind: "rate", measures, limit, remaining: held };
}

const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** Windows of a Claude subscription: shares of 0 to 1, ends in epoch seconds (observed in the client, 2.1.329). */
interface Claim {
  /** In `representative-claim`. */
  readonly claim: string;
  /** In the names of its own headers; undefined: it has none. */
  readonly part: string | undefined;
  readonly name: string;
  readonly periodMs: number;
  readonly scope: WindowReading["scope"];
}

const weekMs = 7 * dayMs;
const claims: readonly Claim[] = [
  { claim: "five_hour", part: "5h", name: "5-hour", periodMs: 5 * hourMs, scope: "account" },
  { claim: "seven_day", part: "7d", name: "weekly", periodMs: weekMs, scope: "account" },
  {
    claim: "seven_day_overage_included",
    part: "7d_oi",
    name: "weekly with overage",
    periodMs: weekMs,
    scope: "account",
  },
  { claim: "seven_day_opus", part: undefined, name: "weekly opus", periodMs: weekMs, scope: "model" },
  { claim: "seven_day_sonnet", part: undefined, name: "weekly sonnet", periodMs: weekMs, scope: "model" },
];

/**
 * A window holds work up when it is rejected itself, or when the whole is and names it. One that is only full holds
 * nothing up, so it says nothing. Paid overage is no reason to go on: it was never asked for.
 */
function unified(headers: Headers, clock: Clock): readonly Reading[] {
  const of = (what: string) => headers[`anthropic-ratelimit-unified-${what}`];
  const isRejected = of("status") === "rejected";
  return claims.flatMap(({ claim, part, name, periodMs, scope }): readonly Reading[] => {
    const at = (what: string) => (part === undefined ? undefined : of(`${part}-${what}`));
    const isNamed = of("representative-claim") === claim;
    const isOver = at("status") === "rejected" || (isRejected && isNamed);
    const told = numberOf(at("utilization"));
    const end = epochSeconds(at("reset"), clock) ?? (isNamed ? epochSeconds(of("reset"), clock) : undefined);
    if (isOver) return [usedUp({ name, periodMs, scope, measure: "share", limit: 1 }, end, clock)];
    if (told === undefined || told >= 1) return [];
    return [{ kind: "window", name, scope, measure: "share", periodMs, limit: 1, used: told, resetAt: end }];
  });
}

/** A window that is full and does not say until when is looked at again after this. */
const lookAgainMs = 300_000;

/** `resetAt`: undefined where nobody says. */
export function usedUp(
  window: Pick<WindowReading, "name" | "periodMs" | "scope" | "measure"> & { readonly limit: number },
  resetAt: number | undefined,
  { now }: Clock,
): Reading {
  const { limit, periodMs } = window;
  return {
    kind: "window",
    ...window,
    used: limit,
    resetAt: resetAt ?? now + Math.min(periodMs, lookAgainMs),
  };
}

/**
 * Percents of a Codex subscription, windows told apart by their length: their slots are not fixed. Each name between `x-`
 * and the slot is a limit of its own; all but the plan's concern some models only.
 */
function codex(headers: Headers, clock: Clock): readonly Reading[] {
  return Object.keys(headers).flatMap((header): readonly Reading[] => {
    const [, family, slot] = /^x-([a-z0-9-]{1,60})-(primary|secondary)-used-percent$/.exec(header) ?? [];
    if (family === undefined || slot === undefined) return [];
    const at = (what: string) => headers[`x-${family}-${slot}-${what}`];
    const percent = numberOf(headers[header]);
    const minutes = numberOf(at("window-minutes")) ?? 0;
    const seconds = numberOf(at("reset-after-seconds"));
    const after = seconds === undefined ? undefined : aheadOf(seconds * 1000, clock);
    const resetAt = epochSeconds(at("reset-at"), clock) ?? after;
    // No use, no length and no end is no data; and no window is longer than a year.
    const isLength = Number.isInteger(minutes) && minutes > 0 && minutes <= 525_600;
    if (percent === undefined || !isLength) return [];
    const isPlans = family === "codex";
    const length = nameOfLength(minutes);
    const window = {
      name: isPlans ? length : `${family.replaceAll("-", "_")} ${length}`,
      periodMs: minutes * 60_000,
      scope: isPlans ? "account" : "model",
      measure: "share",
      limit: 1,
    } as const;
    if (percent >= 100) return [usedUp(window, resetAt, clock)];
    return [{ kind: "window", ...window, used: percent / 100, resetAt }];
  });
}

export function nameOfLength(minutes: number): string {
  if (minutes === 10_080) return "weekly";
  if (minutes === 1_440) return "day";
  return minutes % 60 === 0 ? `${minutes / 60}-hour` : `${minutes}-minute`;
}

/** A limit that is given back within this is one of the minute. */
const minuteEndsWithinMs = 120_000;

/**
 * `X-RateLimit-Limit/Remaining/Reset` as OpenRouter's own refusals carry them (requests; epoch ms). Other servers mean
 * other things by these names, so only what is used up is believed, and a minute's limit only from `message`.
 */
export function plain(headers: Headers, message: string, clock: Clock): readonly Reading[] {
  const limit = limitOf(headers["x-ratelimit-limit"]);
  const remaining = numberOf(headers["x-ratelimit-remaining"]);
  const wait = resetMs(headers["x-ratelimit-reset"] ?? "", clock.server);
  const resetAt = wait === undefined ? undefined : aheadOf(wait, clock);
  if (limit === undefined || remaining !== 0 || resetAt === undefined) return [];
  const isMinutes = /per-min/.test(message) || resetAt - clock.now <= minuteEndsWithinMs;
  if (isMinutes) return [rateReading(["requests"], /per-min/.test(message) ? limit : undefined, 0)];
  const day = { name: "day", measure: "requests", periodMs: dayMs, scope: "account" } as const;
  return [usedUp({ ...day, limit }, resetAt, clock)];
}

export function numberOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\s*\d{1,15}(\.\d{1,15})?\s*$/.test(value) ? Number(value) : undefined;
}

/** The longest a window may still last: 31 days. What is further off, or past, is a mistake. */
const aheadMsMax = 31 * dayMs;

/** The moment so many ms ahead, by our clock; undefined where that is past or too far. */
export function aheadOf(wait: number, { now }: Clock): number | undefined {
  return wait > 0 && wait <= aheadMsMax ? now + wait : undefined;
}

/** Epoch seconds, and nothing else: a small number is no span. */
function epochSeconds(value: string | undefined, clock: Clock): number | undefined {
  const seconds = numberOf(value);
  return seconds === undefined ? undefined : aheadOf(seconds * 1000 - clock.server, clock);
}
