/** What a tank shows, as values: one gauge for each of its limits, each with where its figures come from. Pure. */

import { levelOf } from "../../domain/bucket.ts";
import { burstPart, leastBurst } from "../../domain/meter.ts";
import { isScouting } from "../../domain/slots.ts";
import { flowed } from "../../domain/stream.ts";
import { levelShare, type Meter, nameOfMeter, type Tank } from "../../domain/tank.ts";
import { elapsedOf, perTokenOf, rolled, shareOf, type Window } from "../../domain/window.ts";
import type { ProviderTanks, TankSeen } from "../house.ts";

/**
 * configured: config.toml says it. told: the provider said it. learned: found out from what replies did. assumed: nobody
 * said it, so the cautious guess holds until somebody does.
 */
export type Source = "configured" | "told" | "learned" | "assumed";

export interface RateGauge {
  readonly kind: "rate";
  readonly name: string;
  readonly perMinute: number;
  /** What there is at once when it is full, and what there is now; below 0 where more was taken than was expected. */
  readonly burst: number;
  readonly level: number;
  /** Of `burst`, 0 to 1. */
  readonly left: number;
  readonly source: Source;
  /** Of `burst`. learned: it refused although it should have had so much. */
  readonly burstSource: Source;
}

export interface WindowGauge {
  readonly kind: "window";
  readonly name: string;
  /** Units a window holds; undefined: only shares are told. */
  readonly limit: number | undefined;
  /** 0 to 1; above it where more was taken than it holds. */
  readonly used: number;
  /** How much of it is over, 0 to 1. */
  readonly elapsed: number | undefined;
  readonly resetAt: number | undefined;
  /** Share that 100,000 fresh input tokens take, as learned; an output token counts as five. */
  readonly perTokens: number | undefined;
  readonly source: Source;
  /** Of `used`. */
  readonly usedSource: Source;
  /** Share that was gone in this window beyond what calls from here took; undefined: no sign of any. */
  readonly drift: number | undefined;
}

export interface SlotsGauge {
  readonly kind: "slots";
  readonly out: number;
  /** Calls at once that are tried now, and at most; Infinity where nobody set a bound. */
  readonly limit: number;
  readonly max: number;
  readonly source: Source;
  /** One call alone goes first: its answer tells the limits. */
  readonly isFirst: boolean;
  /** After an overload: one call first, then more with each answer. */
  readonly isRecovering: boolean;
}

export type Gauge = RateGauge | WindowGauge | SlotsGauge;

/** Nobody ever waits for so many. */
const slotsMax = 100_000;

/** The gauges of one tank: windows first, since they last longest. */
export function gaugesOf(seen: TankSeen, now: number): readonly Gauge[] {
  const { tank, configured } = seen;
  const windows = tank.meters.flatMap((meter) =>
    meter.kind === "window" ? [windowGauge(meter, seen, now)] : [],
  );
  const rates = tank.meters.flatMap((meter) =>
    meter.kind === "window" ? [] : [rateGauge(meter, configured, now)],
  );
  const slots = tank.slots.limit < slotsMax ? [slotsGauge(tank, configured)] : [];
  return [...windows, ...slots, ...rates];
}

function windowGauge(window: Window, { configured, isKept, drift }: TankSeen, now: number): WindowGauge {
  const { name, measure, limit, resetAt, periodMs, weight } = rolled(window, now);
  const isHere = drift?.window === name && (resetAt === undefined || drift.at >= resetAt - periodMs);
  const set = configured.meters.find((each) => each.kind === "window" && each.name === name);
  const isSet = set?.kind === "window" && set.limit === limit;
  const perToken = perTokenOf(rolled(window, now));
  return {
    ...{ kind: "window", name: `${name} window`, limit: measure === "share" ? undefined : limit },
    ...{ used: shareOf(window, now), elapsed: elapsedOf(window, now), resetAt },
    perTokens: perToken === undefined ? undefined : perToken * 100_000,
    source: isSet ? "configured" : "told",
    drift: isHere ? drift.share : undefined,
    usedSource: weight.reading === undefined ? (isKept ? "learned" : "assumed") : "told",
  };
}

function rateGauge(meter: Exclude<Meter, Window>, configured: Tank, now: number): RateGauge {
  const { perMinute, burst } = meter;
  const set = configured.meters.find(
    (each) => each.kind !== "window" && nameOfMeter(each) === nameOfMeter(meter),
  );
  const isSet = set !== undefined && set.kind !== "window" && set.perMinute === perMinute;
  // A bucket that holds less than one lets one in when it is full.
  const lift = Math.max(0, 1 - burst);
  const level = meter.kind === "bucket" ? levelOf(meter, now) : flowed(meter, now).level;
  return {
    ...{ kind: "rate", name: nameOfMeter(meter), perMinute, burst: burst + lift },
    level: level + lift,
    left: levelShare(meter, now),
    source: isSet ? "configured" : "told",
    burstSource: burstSourceOf(meter, set === undefined || set.kind === "window" ? undefined : set),
  };
}

/** Under another limit as large a part of a minute's worth may come at once as before: less of it was found by a refusal. */
function burstSourceOf(
  { perMinute, burst }: Exclude<Meter, Window>,
  set: Exclude<Meter, Window> | undefined,
): Source {
  const usual = set === undefined ? burstPart : set.burst / set.perMinute;
  if (burst / perMinute < usual - 1e-9) return "learned";
  const guessed = set ?? { perMinute, burst };
  return guessed.burst <= leastBurst(guessed.perMinute) + 1e-9 ? "assumed" : "configured";
}

function slotsGauge({ slots, leases }: Tank, configured: Tank): SlotsGauge {
  const limit = Math.floor(slots.limit);
  const { length: out } = leases;
  const isRecovering = slots.recovery !== undefined;
  return {
    kind: "slots",
    out,
    limit,
    max: slots.max,
    source: sourceOf(),
    isFirst: isScouting(slots),
    isRecovering,
  };

  function sourceOf(): Source {
    if (limit >= slots.max) return configured.slots.max === slots.max ? "configured" : "told";
    return slots.isFresh && limit <= configured.slots.limit ? "assumed" : "learned";
  }
}

/** Why nobody is let in, whichever of a provider's tanks says so; the longest counts. */
export function closureOf({ tanks }: ProviderTanks) {
  return tanks
    .flatMap(({ tank }) => (tank.closure === undefined ? [] : [{ ...tank.closure, scope: tank.scope }]))
    .toSorted((left, right) => right.until - left.until)[0];
}

/** How low a window is: red and yellow are shares that remain. */
export function warningOf(
  { used }: WindowGauge,
  { yellow, red }: ProviderTanks["thresholds"],
): "red" | "yellow" | undefined {
  const left = 1 - used;
  return left < red ? "red" : left < yellow ? "yellow" : undefined;
}

/** Limits that its replies are going to tell. */
export function untoldOf({ tank }: TankSeen): readonly string[] {
  const names = tank.untold.map((each) =>
    each.kind === "stream"
      ? "output tokens"
      : each.measure === "requests"
        ? "requests"
        : each.measure === "fresh-input" || each.measure === "input"
          ? "input tokens"
          : each.measure === "output"
            ? "output tokens"
            : "tokens",
  );
  return [...new Set(names)];
}
