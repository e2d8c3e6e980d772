/** What replies say of limits, and what that makes of a tank. Pure. */
import { unreachable } from "../kit/assert.ts";
import { type Bucket, bucketOf, lowered, reshaped } from "./bucket.ts";
import { burstOf, type Measure, usualTransitMs } from "./meter.ts";
import { drained, resized, type Stream, streamOf } from "./stream.ts";
import { entered, type Meter, type Scope, type Tank, tankAt, type Untold } from "./tank.ts";
import { read, type Window, type WindowReading, windowOf } from "./window.ts";

/** What a reply says of a limit that refills by the minute. */
export interface RateReading {
  readonly kind: "rate";
  /** Which meters it is about: those of this measure, `output` also a stream. */
  readonly measures: readonly Measure[];
  /** A minute's worth; undefined: it does not say. 0 closes. */
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
}

export type Reading =
  | RateReading
  /** A window nobody knew of becomes a meter of the tank. */
  | ({
      readonly kind: "window";
      readonly name: string;
      readonly measure: Window["measure"];
      readonly periodMs: number;
      /** A subscription's hours are the account's; some vendors' days are one model's. */
      readonly scope: Exclude<Scope, "whole">;
    } & WindowReading)
  | { readonly kind: "slots"; readonly max: number };

/** What a reply said, which a call that began at `asOf` was told. */
export function informed(tank: Tank, readings: readonly Reading[], asOf: number, now: number): Tank {
  const current = tankAt(tank, now);
  return readings
    .filter((reading) => concerns(current.scope, reading))
    .reduce((next, reading) => informedOnce(next, reading, Math.min(asOf, next.at)), current);
}

function concerns(scope: Scope, reading: Reading): boolean {
  return scope === "whole" || scope === (reading.kind === "window" ? reading.scope : "model");
}

/** Windows of one tank: a provider that names ever new ones is not followed. */
const windowsMax = 8;

function informedOnce(tank: Tank, reading: Reading, asOf: number): Tank {
  switch (reading.kind) {
    case "slots": {
      const max = Math.max(1, reading.max);
      return { ...tank, slots: { ...tank.slots, max, limit: Math.min(tank.slots.limit, max) } };
    }
    case "window": {
      const isMeant = (meter: Meter) => meter.kind === "window" && meter.name === reading.name;
      const windows = tank.meters.filter(({ kind }) => kind === "window");
      const { name, measure, periodMs, limit = 1 } = reading;
      const added =
        windows.some(isMeant) || windows.length >= windowsMax
          ? []
          : [entered(windowOf(name, measure, { limit, periodMs }), tank)];
      // Nobody knew of an earlier one that this could be about.
      const since = added.length > 0 ? tank.at : asOf;
      const meters = [...tank.meters, ...added].map((meter) =>
        meter.kind === "window" && isMeant(meter) ? read(meter, reading, since, tank.at) : meter,
      );
      return { ...tank, meters };
    }
    case "rate": {
      const next = told(tank, reading);
      return { ...next, meters: next.meters.map((meter) => metered(meter, reading, asOf, tank.at)) };
    }
    default:
      return unreachable(reading);
  }
}

/** A limit that is told for the first time becomes a meter; what is out already counts in it. */
function told(tank: Tank, reading: RateReading): Tank {
  const { limit = 0 } = reading;
  if (limit <= 0) return tank;
  const isMeant = (each: Untold) =>
    reading.measures.includes(each.kind === "stream" ? "output" : each.measure);
  const added = tank.untold.filter(isMeant).map((each): Meter => {
    const rate = { perMinute: limit, burst: burstOf(limit, each.burstSeconds) };
    const full: Meter =
      each.kind === "stream"
        ? streamOf(rate, tank.at)
        : bucketOf(
            each.measure,
            each.charging,
            { ...rate, transitMs: usualTransitMs(each.measure, limit) },
            tank.at,
          );
    return entered(full, tank);
  });
  if (added.length === 0) return tank;
  return {
    ...tank,
    meters: [...tank.meters, ...added],
    untold: tank.untold.filter((each) => !isMeant(each)),
  };
}

function metered(meter: Meter, reading: RateReading, asOf: number, now: number): Meter {
  if (meter.kind === "window") return meter;
  const isMeant = reading.measures.includes(meter.kind === "stream" ? "output" : meter.measure);
  if (!isMeant) return meter;
  const perMinute = reading.limit !== undefined && reading.limit > 0 ? reading.limit : meter.perMinute;
  // As much of a minute's worth at once as of the limit before, there and back.
  const burst = Math.min(perMinute, (meter.burst * perMinute) / meter.perMinute);
  if (meter.kind === "bucket") {
    const shaped = paced(reshaped(meter, { perMinute, burst }, now), meter.perMinute);
    return reading.remaining === undefined
      ? shaped
      : lowered(shaped, heldOf(reading.remaining, shaped), asOf);
  }
  const shaped = resized(meter, { perMinute, burst }, now);
  if (reading.remaining === undefined) return shaped;
  // What was written since then is counted here already; what flowed in since then has to be added to what was told.
  const flowedIn = (Math.max(0, now - asOf) * perMinute) / 60_000;
  return drained(shaped, heldOf(reading.remaining, shaped) + flowedIn, now);
}

/** Under another limit than before calls follow each other more or less closely, and so much is for those on their way. */
function paced(bucket: Bucket, before: number): Bucket {
  const { measure, perMinute, transitMs } = bucket;
  if (perMinute === before || transitMs === 0) return bucket;
  return { ...bucket, transitMs: usualTransitMs(measure, perMinute) };
}

/**
 * What a bucket holds of which a provider says that so much of a minute's worth is left. More than fits into the bucket is
 * told of a minute, whatever may come at once: then what is missing there is missing here.
 */
function heldOf(remaining: number, { perMinute, burst }: Bucket | Stream): number {
  return remaining > burst ? burst - Math.max(0, perMinute - remaining) : remaining;
}
