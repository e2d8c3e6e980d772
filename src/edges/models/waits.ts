import { type Answer, durationMs, type Facts } from "./facts.ts";

/** The longest wait believed: 31 days. A larger number on the wire is a mistake or a lie. */
export const waitMsMax = 31 * 86_400_000;

/** Providers mark what is used up by `remaining: 0`; both resets are always sent, so only that one explains a 429. */
const families = ["x-ratelimit", "anthropic-ratelimit"] as const;
const resources = ["requests", "tokens", "project-tokens", "input-tokens", "output-tokens"] as const;

/**
 * How long the provider asks to wait, ms, 0 to `waitMsMax`; undefined when it does not say. Order of trust:
 * `retry-after-ms`, `retry-after` (seconds or HTTP date), the body, the sentence, the reset of what is used up.
 */
export function waitMsOf(answer: Answer, facts: Facts, now: number): number | undefined {
  const { headers } = answer;
  return firstWait([
    () => namedWaitMs(headers, now),
    () => facts.waitMs,
    () => sentenceMs(facts.message),
    () => exhaustedMs({ ...facts.inner, ...headers }, now),
  ]);
}

/** What `retry-after-ms` or `retry-after` asks for alone, ms, bounded alike. */
export function namedWaitMs(headers: Answer["headers"], now: number): number | undefined {
  return firstWait([
    () => numberOf(headers["retry-after-ms"]),
    () => retryAfterMs(headers["retry-after"], now),
  ]);
}

function firstWait(candidates: readonly (() => number | undefined)[]): number | undefined {
  for (const candidate of candidates) {
    const wait = candidate();
    // A moment that is past is no hint: to ask at once is what brought the limit about.
    if (wait !== undefined && Number.isFinite(wait) && wait > 0) return bounded(wait);
  }
  return undefined;
}

/** When a rejected subscription window ends, as a wait in ms; undefined when no window is rejected or no end is given. */
export function unifiedWaitMs(headers: Answer["headers"], now: number): number | undefined {
  const seconds = numberOf(headers["anthropic-ratelimit-unified-reset"]);
  const wait = seconds === undefined ? 0 : seconds * 1000 - now;
  return wait > 0 ? bounded(wait) : undefined;
}

/** The server's own time where it tells it, so that absolute resets survive a wrong local clock. */
export function serverNow(headers: Answer["headers"], now: number): number {
  const at = Date.parse(headers.date ?? "");
  return Number.isNaN(at) ? now : at;
}

function bounded(wait: number): number {
  return Math.min(waitMsMax, Math.max(0, Math.ceil(wait)));
}

function numberOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
}

function retryAfterMs(value: string | undefined, now: number): number | undefined {
  const seconds = numberOf(value);
  if (seconds !== undefined) return seconds * 1000;
  // A date holds letters (RFC 9110, 5.6.7); "-5" would be read as one of the year 2001.
  const at = /[a-z]{3}/i.test(value ?? "") ? Date.parse(value ?? "") : Number.NaN;
  return Number.isNaN(at) ? undefined : at - now;
}

/** "Please try again in 634ms", "Please retry in 34.07s", "try again in 20 seconds". */
function sentenceMs(message: string): number | undefined {
  const found =
    /(?:try again|retry) (?:in|after) (\d[\d.]{0,15}) ?(ms|milliseconds|seconds?|minutes?|hours?|[a-z0-9.]{1,20})/i;
  const [, count = "", unit = ""] = found.exec(message.slice(0, 4000)) ?? [];
  if (count === "") return undefined;
  const short = /^milli/i.test(unit) ? "ms" : /^(second|minute|hour)/i.test(unit) ? unit.charAt(0) : unit;
  return durationMs((count + short).toLowerCase().replace(/\.$/, ""));
}

function exhaustedMs(headers: Answer["headers"], now: number): number | undefined {
  const waits = families.flatMap((family) =>
    resources.map((resource) => {
      const remaining = numberOf(
        headers[`${family}-remaining-${resource}`] ?? headers[`${family}-${resource}-remaining`],
      );
      const reset = headers[`${family}-reset-${resource}`] ?? headers[`${family}-${resource}-reset`];
      return remaining === 0 && reset !== undefined ? resetMs(reset, now) : undefined;
    }),
  );
  const plain = headers["x-ratelimit-reset"];
  if (plain !== undefined && numberOf(headers["x-ratelimit-remaining"]) === 0)
    waits.push(resetMs(plain, now));
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** A Go duration, an RFC 3339 moment, epoch milliseconds or seconds, or plain seconds: told apart by form and size. */
export function resetMs(reset: string, now: number): number | undefined {
  const number = numberOf(reset);
  if (number !== undefined && number > 1e12) return number - now;
  if (number !== undefined && number > 1e9) return number * 1000 - now;
  const duration = durationMs(reset);
  if (duration !== undefined) return duration;
  const at = Date.parse(reset);
  return Number.isNaN(at) ? undefined : at - now;
}

const dayMs = 86_400_000;

/** The next midnight of a time zone after `now`, ms since the epoch, also on days of 23 and 25 hours. */
export function dayEndAt(zone: "UTC" | "America/Los_Angeles", now: number): number {
  const guess = now + dayMs - sinceMidnight(zone, now);
  const off = sinceMidnight(zone, guess);
  return off < dayMs / 2 ? guess - off : guess + dayMs - off;
}

function sinceMidnight(timeZone: string, at: number): number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, timeStyle: "medium", hourCycle: "h23" });
  const [hours = 0, minutes = 0, seconds = 0] = format.format(at).split(":").map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + (((at % 1000) + 1000) % 1000);
}
