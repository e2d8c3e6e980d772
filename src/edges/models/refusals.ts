/**
 * What the body of an error says of limits: one reader a dialect, each silent about the others' bodies. The bounds of
 * `readings.ts` hold here too. Nothing here throws.
 */
import type { Reading } from "../../domain/reading.ts";
import { type Answer, type Facts, factsOf, type Quota } from "./facts.ts";
import {
  aheadOf,
  type Clock,
  dayMs,
  nameOfLength,
  plain,
  rateReading,
  readingsOf,
  usedUp,
} from "./readings.ts";
import { dayEndAt, serverNow, waitMsOf } from "./waits.ts";

/** The body's own; the headers of the answer are read by `readingsOf`. `now`: ms since the epoch, by our clock. */
export function readingsOfRefusal(answer: Answer, now: number): readonly Reading[] {
  const clock: Clock = { now, server: serverNow(answer.headers, now) };
  const facts = factsOf(answer, clock.server);
  const wait = waitMsOf(answer, facts, clock.server);
  const end = wait === undefined ? undefined : aheadOf(wait, clock);
  return [
    ...facts.quotas.flatMap((quota) => google(quota, clock)),
    ...openai(facts, end, clock),
    ...codex(answer, facts, end, clock),
    ...plain(facts.inner, facts.message, clock),
  ];
}

/**
 * A quota of Google's by its id: requests or input tokens, by the minute or the day (which ends at midnight on the Pacific
 * coast), of a model or of all. A value of 0 is no limit but a plan without the model.
 */
function google({ id, value }: Quota, clock: Clock): readonly Reading[] {
  if (value === undefined || value === 0) return [];
  const isTokens = /token/i.test(id);
  if (!isTokens && !/request/i.test(id)) return [];
  // Of tokens it only says that this call did not fit.
  if (/perminute/i.test(id))
    return [rateReading(isTokens ? ["input"] : ["requests"], value, isTokens ? undefined : 0)];
  if (!/perday|daily/i.test(id)) return [];
  const scope = /permodel/i.test(id) ? "model" : "account";
  const end = dayEndAt("America/Los_Angeles", clock.server) - clock.server;
  return [
    usedUp({ ...dayOf(isTokens ? "input" : "requests"), scope, limit: value }, aheadOf(end, clock), clock),
  ];
}

function dayOf(measure: "requests" | "input" | "greater") {
  const name = measure === "requests" ? "day" : "day of tokens";
  return { name, measure, periodMs: dayMs } as const;
}

/** "… on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000." Of the model, in the organisation or project. */
const openaiWords = /\b(tokens|requests) per (min|day)[^:]{0,20}: Limit:? (\d{1,15}), Used:? (\d{1,15})/i;

function openai({ message }: Facts, end: number | undefined, clock: Clock): readonly Reading[] {
  const [, what = "", each = "", most = "", taken = ""] = openaiWords.exec(message.slice(0, 4000)) ?? [];
  const [limit, used] = [Number(most), Number(taken)];
  if (most === "" || limit === 0) return [];
  const isTokens = /^tokens$/i.test(what);
  if (/^min$/i.test(each))
    return [rateReading(isTokens ? ["sum", "greater"] : ["requests"], limit, limit - used)];
  const day = { ...dayOf(isTokens ? "greater" : "requests"), scope: "model", limit } as const;
  return [usedUp(day, end, clock)];
}

const fiveHoursMs = 5 * 3_600_000;

/** Says that a window is used up, not which: its headers do, where they come; else the time that is left tells. */
function codex(answer: Answer, { codes }: Facts, end: number | undefined, clock: Clock): readonly Reading[] {
  if (!codes.has("usage_limit_reached") || end === undefined) return [];
  const isTold = readingsOf(answer.headers, clock.now).some(
    (each) => each.kind === "window" && each.measure === "share" && each.used === 1,
  );
  if (isTold) return [];
  const periodMs = end - clock.now > fiveHoursMs ? 7 * dayMs : fiveHoursMs;
  const name = nameOfLength(periodMs / 60_000);
  return [usedUp({ name, periodMs, scope: "account", measure: "share", limit: 1 }, end, clock)];
}
