/**
 * How each kind of provider counts, as data: which limits there are, what they count and when. Figures come from the
 * configuration and from replies; nothing here is a number of somebody's plan (reference on rate limits, section 1).
 */

import { bucketOf } from "./bucket.ts";
import { burstOf, type Charging, type Measure, usualTransitMs } from "./meter.ts";
import type { Reading } from "./reading.ts";
import { boundless, scout, slotsOf } from "./slots.ts";
import { streamOf } from "./stream.ts";
import { type Meter, type Tank, tankOf, type Untold } from "./tank.ts";
import { windowOf } from "./window.ts";

/** The way a provider meters: kinds of providers that count alike share one. */
export type MeteringKind = "anthropic" | "openai" | "gemini" | "slots" | "plain";

/** What the configuration says; undefined where it does not. */
export interface Limits {
  readonly rpm: number | undefined;
  readonly rpd: number | undefined;
  readonly tpm: number | undefined;
  readonly itpm: number | undefined;
  readonly otpm: number | undefined;
  readonly concurrency: number | undefined;
  /** Seconds' worth of what is counted by the minute that may come at once, 1 to 60; 1 where nobody says. */
  readonly burstSeconds: number | undefined;
}

type Named = "rpm" | "tpm" | "itpm" | "otpm";
type Rule =
  | { readonly kind: "bucket"; readonly measure: Measure; readonly charging: Charging }
  | { readonly kind: "stream" };
type Rules = Readonly<Record<Named, Rule>>;

const bucket = (measure: Measure, charging: Charging): Rule => ({ kind: "bucket", measure, charging });

/** A request is charged whatever comes of it. */
const requests = bucket("requests", "fixed");

const rules: Readonly<Record<MeteringKind, Rules>> = {
  // Cache reads are free of the input limit; output counts as it is written, `max_tokens` does not.
  anthropic: {
    ...{ rpm: requests, itpm: bucket("fresh-input", "start"), otpm: { kind: "stream" } },
    tpm: bucket("sum", "start"),
  },
  // Charged at admission with the larger of prompt and bound, given back never.
  openai: {
    ...{ rpm: requests, tpm: bucket("greater", "fixed") },
    ...{ itpm: bucket("input", "fixed"), otpm: bucket("output", "fixed") },
  },
  // Tokens a minute are input tokens.
  gemini: {
    ...{ rpm: requests, tpm: bucket("input", "start"), itpm: bucket("input", "start") },
    otpm: bucket("output", "start"),
  },
  slots: {
    ...{ rpm: requests, tpm: bucket("sum", "start"), itpm: bucket("input", "start") },
    otpm: bucket("output", "start"),
  },
  plain: {
    ...{ rpm: requests, tpm: bucket("sum", "start"), itpm: bucket("input", "start") },
    otpm: bucket("output", "start"),
  },
};

/** Which of them a kind tells in its replies. */
const toldIn: Readonly<Record<MeteringKind, readonly Named[]>> = {
  anthropic: ["rpm", "itpm", "otpm"],
  openai: ["rpm", "tpm"],
  // In its refusals only.
  gemini: ["rpm", "tpm"],
  slots: [],
  plain: ["rpm", "tpm"],
};

const dayMs = 86_400_000;

/** A reading with no more in it than the configuration allows: whoever set a limit wants less than there is. */
export function withinLimits(reading: Reading, kind: MeteringKind, limits: Limits): Reading {
  if (reading.kind !== "rate") return reading;
  const names = ["rpm", "tpm", "itpm", "otpm"] as const;
  const bounds = names.flatMap((name) => {
    const rule = rules[kind][name];
    const isMeant = reading.measures.includes(rule.kind === "stream" ? "output" : rule.measure);
    return isMeant ? (limits[name] ?? []) : [];
  });
  const least = Math.min(...bounds);
  if (bounds.length === 0 || reading.limit === undefined || reading.limit <= least) return reading;
  return { ...reading, limit: least, remaining: reading.remaining && Math.min(reading.remaining, least) };
}

/** The lower of two limits, each. */
export function lowerOf(left: Limits, right: Limits): Limits {
  const least = (name: keyof Limits) => {
    const given = [left[name], right[name]].filter((each) => each !== undefined);
    return given.length === 0 ? undefined : Math.min(...given);
  };
  return {
    ...{ rpm: least("rpm"), rpd: least("rpd"), tpm: least("tpm") },
    ...{ itpm: least("itpm"), otpm: least("otpm"), concurrency: least("concurrency") },
    // Who does not say it means a second.
    burstSeconds: left.burstSeconds === undefined ? undefined : right.burstSeconds && least("burstSeconds"),
  };
}

/** What a provider in the configuration draws from. */
export interface Account {
  /** Kind, server and key, without the key itself: "anthropic api.anthropic.com ANTHROPIC_API_KEY". */
  readonly account: string;
  /** Model class or limit id. */
  readonly model: string;
}

/** The tanks of a provider: the account's, which starts without a limit, and that of the model on it. */
export function tanksFor(
  { account, model }: Account,
  kind: MeteringKind,
  limits: Limits,
  times: { readonly now: number; readonly dayEndsAt: number | undefined },
): readonly Tank[] {
  const shared = tankOf(account, { meters: [], slots: boundless, scope: "account" }, times.now);
  return [shared, { ...tankFor(`${account} ${model}`, kind, limits, times), scope: "model" }];
}

/** One tank of a provider's account and model. `dayEndsAt`: when its days end, where anybody knows. */
export function tankFor(
  name: string,
  kind: MeteringKind,
  limits: Limits,
  times: { readonly now: number; readonly dayEndsAt: number | undefined },
): Tank {
  const { now, dayEndsAt } = times;
  const { burstSeconds } = limits;
  const names = ["rpm", "tpm", "itpm", "otpm"] as const;
  const meters = names.flatMap((each): readonly Meter[] => {
    const perMinute = limits[each];
    if (perMinute === undefined) return [];
    const rate = { perMinute, burst: burstOf(perMinute, burstSeconds) };
    const rule = rules[kind][each];
    if (rule.kind === "stream") return [streamOf(rate, now)];
    const transitMs = usualTransitMs(rule.measure, perMinute);
    return [bucketOf(rule.measure, rule.charging, { ...rate, transitMs }, now)];
  });
  const ends = dayEndsAt === undefined ? {} : { resetAt: dayEndsAt };
  const days =
    limits.rpd === undefined
      ? []
      : [windowOf("day", "requests", { limit: limits.rpd, periodMs: dayMs, ...ends })];
  const untold: readonly Untold[] = toldIn[kind]
    .filter((each) => limits[each] === undefined)
    .map((each) => ({ ...rules[kind][each], burstSeconds }));
  const usual = slotsOf(limits.concurrency);
  // Several calls at once into the unknown could be several too many.
  const slots = untold.length > 0 ? scout(usual) : usual;
  return tankOf(name, { meters: [...meters, ...days], slots, untold }, now);
}
