/**
 * What the headers of a reply say of limits, whatever the dialect: one table a family. Total: unknown or broken values say
 * nothing. Units are settled here (fractions, percents, epoch seconds, RFC 3339, Go durations); domain sees ms and shares.
 */
import type { Reading } from "../../domain/tank.ts";
import { resetMs } from "./waits.ts";

type Headers = Readonly<Record<string, string>>;

/** `now` in ms, by the server's clock where it tells it. */
export function readingsOf(headers: Headers, now: number): readonly Reading[] {
  return [...rates(headers), ...unified(headers, now), ...codex(headers, now)];
}

type RateRow = readonly [limit: string, remaining: string, measures: readonly Measure[]];
type Measure = Extract<Reading, { readonly kind: "rate" }>["measures"][number];

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

/** Limits that refill by the minute. Several rows may speak of one meter: each only lowers it. */
const rateRows: readonly RateRow[] = [
  anthropicRow("requests", ["requests"]),
  anthropicRow("input-tokens", ["fresh-input", "input"]),
  anthropicRow("output-tokens", ["output"]),
  anthropicRow("tokens", ["sum", "greater"]),
  openaiRow("requests", ["requests"]),
  openaiRow("tokens", ["sum", "greater"]),
  openaiRow("project-tokens", ["sum", "greater"]),
];

function rates(headers: Headers): readonly Reading[] {
  return rateRows.flatMap(([limitName, remainingName, measures]): readonly Reading[] => {
    const limit = numberOf(headers[limitName]);
    const remaining = numberOf(headers[remainingName]);
    // Azure sends -1 and 0 where it has nothing to say.
    if (limit === undefined || limit <= 0) return [];
    return [{ kind: "rate", measures, limit, remaining }];
  });
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Windows of a Claude subscription: shares of 0 to 1, ends in epoch seconds (observed in the client, 2.1.329). */
const unifiedWindows: readonly (readonly [claim: string, name: string, periodMs: number])[] = [
  ["5h", "5-hour", 5 * hourMs],
  ["7d", "weekly", 7 * dayMs],
  ["7d_oi", "weekly with overage", 7 * dayMs],
];

function unified(headers: Headers, now: number): readonly Reading[] {
  const at = (claim: string, what: string) => headers[`anthropic-ratelimit-unified-${claim}-${what}`];
  return unifiedWindows.flatMap(([claim, name, periodMs]): readonly Reading[] => {
    const told = numberOf(at(claim, "utilization"));
    const isOver = at(claim, "status") === "rejected";
    if (told === undefined && !isOver) return [];
    const used = isOver ? 1 : told;
    return [window(name, periodMs, used, epochMs(at(claim, "reset"), now))];
  });
}

/** Percents of a Codex subscription, windows told apart by their length: their slots are not fixed. */
function codex(headers: Headers, now: number): readonly Reading[] {
  return Object.keys(headers).flatMap((header): readonly Reading[] => {
    const [, family, slot] = /^x-([a-z0-9-]{1,60})-(primary|secondary)-used-percent$/.exec(header) ?? [];
    if (family === undefined || slot === undefined) return [];
    const at = (what: string) => headers[`x-${family}-${slot}-${what}`];
    const percent = numberOf(headers[header]);
    const minutes = numberOf(at("window-minutes")) ?? 0;
    const seconds = numberOf(at("reset-after-seconds"));
    const resetAt =
      epochMs(at("reset-at"), now) ?? (seconds === undefined ? undefined : now + seconds * 1000);
    // No use, no length and no end is no data.
    if (percent === undefined || minutes <= 0) return [];
    const name = family === "codex" ? nameOfLength(minutes) : `${family} ${nameOfLength(minutes)}`;
    return [window(name, minutes * 60_000, percent / 100, resetAt)];
  });
}

function nameOfLength(minutes: number): string {
  if (minutes === 10_080) return "weekly";
  if (minutes === 1_440) return "day";
  return minutes % 60 === 0 ? `${minutes / 60}-hour` : `${minutes}-minute`;
}

function window(
  name: string,
  periodMs: number,
  used: number | undefined,
  resetAt: number | undefined,
): Reading {
  const share = used === undefined ? undefined : Math.min(1, used);
  return { kind: "window", name, measure: "share", periodMs, limit: 1, used: share, resetAt };
}

function numberOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\s*\d{1,15}(\.\d{1,15})?\s*$/.test(value) ? Number(value) : undefined;
}

/** The longest a window may still last: 31 days. What is further off, or past, is a mistake. */
const aheadMsMax = 31 * dayMs;

function epochMs(value: string | undefined, now: number): number | undefined {
  const wait = value === undefined ? undefined : resetMs(value, now);
  return wait === undefined || wait <= 0 || wait > aheadMsMax ? undefined : now + wait;
}
