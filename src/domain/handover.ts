/**
 * A tank as the next process goes on with it: what was used stays used, what was out is counted as taken, and the
 * configuration as it is now has the say about limits that nobody tells.
 */

import { levelOf, reshaped } from "./bucket.ts";
import { burstOf, leastBurst } from "./meter.ts";
import { flowed, resized } from "./stream.ts";
import { entered, type Lease, type Meter, settled, type Tank, tankAt, type Untold } from "./tank.ts";

/**
 * `saved`: as an earlier process left it. `fresh`: the same tank as the configuration alone has it. A closure that waits
 * for a person is tried again: whoever begins may have mended it, and one call tells.
 */
export function handedOver(saved: Tank, fresh: Tank, now: number): Tank {
  const current = quiet(tankAt(saved, now), now);
  const { closure, at } = current;
  const kept = toldIn(current, fresh);
  const meters = fresh.meters.map((meter) => {
    const known = current.meters.find((each) => isSame(each, meter));
    return known === undefined ? meter : configured(known, meter, at);
  });
  const { max } = fresh.slots;
  return {
    ...current,
    meters: [...meters, ...kept],
    slots: { ...current.slots, max, limit: Math.min(current.slots.limit, max) },
    closure: closure?.until === Number.POSITIVE_INFINITY ? undefined : closure,
    untold: fresh.untold.filter((untold) => !kept.some((meter) => isOf(meter, untold))),
  };
}

/** The tank of a process that goes on, under another configuration: calls that are out stay out, nothing that was used comes back. */
export function reconfigured(current: Tank, fresh: Tank, now: number): Tank {
  const tank = tankAt(current, now);
  const kept = toldIn(tank, fresh);
  const meters = fresh.meters.map((meter) => {
    const known = tank.meters.find((each) => isSame(each, meter));
    return known === undefined ? entered(meter, tank) : configured(known, meter, tank.at);
  });
  const { max } = fresh.slots;
  const least = tank.slots.recovery === undefined ? Math.min(max, fresh.slots.limit) : 1;
  const limit = Math.min(Math.max(tank.slots.limit, least), max);
  return {
    ...tank,
    meters: [...meters, ...kept],
    slots: { ...tank.slots, max, limit },
    untold: fresh.untold.filter((untold) => !kept.some((meter) => isOf(meter, untold))),
  };
}

/** Without the calls of a process that is gone: they may have been counted, so they are. */
export function quiet(tank: Tank, now: number): Tank {
  return tank.leases.reduce((next, { id }) => settled(next, id, { used: undefined, how: "else" }, now), tank);
}

/** A saved tank with a call that began after it was saved, as reserved; one that is in it already changes nothing. */
export function begunIn(tank: Tank, lease: Lease): Tank {
  if (tank.leases.some(({ id }) => id === lease.id)) return tank;
  const current = tankAt(tank, lease.startedAt);
  const meters = current.meters.map((meter) => entered(meter, { leases: [lease], at: current.at }));
  return { ...current, meters, leases: [...current.leases, lease] };
}

function isSame(left: Meter, right: Meter): boolean {
  if (left.kind === "window") return right.kind === "window" && left.name === right.name;
  if (left.kind === "stream") return right.kind === "stream";
  return right.kind === "bucket" && left.measure === right.measure;
}

function isIn(meter: Meter, meters: readonly Meter[]): boolean {
  return meters.some((each) => isSame(each, meter));
}

/** Whether a provider may have told it; what only an older configuration said is gone with that. */
function isTold(meter: Meter, { untold }: Tank): boolean {
  if (meter.kind === "window") return !(meter.name === "day" && meter.measure === "requests");
  return untold.some((each) => isOf(meter, each));
}

/** What a provider told, where the configuration is silent but for how much may come at once. */
function toldIn({ meters, at }: Tank, fresh: Tank): readonly Meter[] {
  return meters
    .filter((meter) => isTold(meter, fresh) && !isIn(meter, fresh.meters))
    .map((meter) => {
      if (meter.kind === "window") return meter;
      const { perMinute } = meter;
      const seconds = fresh.untold.find((each) => isOf(meter, each))?.burstSeconds;
      const usual = burstOf(perMinute, seconds);
      const burst = seconds === undefined ? Math.min(meter.burst, usual) : usual;
      if (burst === meter.burst) return meter;
      return meter.kind === "bucket"
        ? reshaped(meter, { perMinute, burst }, at)
        : resized(meter, { perMinute, burst }, at);
    });
}

function isOf(meter: Meter, untold: Untold): boolean {
  if (untold.kind === "stream") return meter.kind === "stream";
  return meter.kind === "bucket" && meter.measure === untold.measure;
}

const minuteMs = 60_000;

/** What is in it stays what it was, or less; how much fits is what the configuration says, or what was seen to fit of the same rate. */
function configured(known: Meter, fresh: Meter, now: number): Meter {
  if (known.kind === "window" && fresh.kind === "window")
    return { ...known, limit: fresh.limit, periodMs: fresh.periodMs, measure: fresh.measure };
  if (known.kind === "window" || fresh.kind === "window") return fresh;
  const { perMinute } = fresh;
  // Less than a second's worth was found by a refusal; more only ever comes from the configuration.
  const isLearned = known.perMinute === perMinute && fresh.burst <= leastBurst(perMinute);
  const burst = isLearned ? Math.min(known.burst, fresh.burst) : fresh.burst;
  if (known.kind === "bucket" && fresh.kind === "bucket") {
    // What is out stays counted in full: its end gives nothing back.
    // Under another rate nothing is on its way any more.
    const at = known.perMinute === perMinute ? now : now + known.transitMs;
    const missing = burst - Math.min(levelOf(known, at), burst);
    return { ...fresh, burst, fullAt: now + (missing * minuteMs) / perMinute, entries: [] };
  }
  if (known.kind === "bucket" || fresh.kind === "bucket") return fresh;
  const next = flowed(known, now);
  return { ...next, perMinute, burst, level: Math.min(next.level, burst) };
}
