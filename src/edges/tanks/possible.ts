/** Whether a saved tank is one that could have come about. A file that was edited or damaged may hold any number. Pure. */
import { fullAtOf } from "../../domain/bucket.ts";
import type { Slots } from "../../domain/slots.ts";
import type { Meter, Tank } from "../../domain/tank.ts";

const dayMs = 86_400_000;
/** No wait of more than 31 days is believed of a provider; a clock may have been set meanwhile. */
const closedMsMax = 32 * dayMs;
/** What drains or ends later than this, ms, was never taken. */
const aheadMsMax = 366 * dayMs;
/** More than that many tokens nobody has. */
const amountMax = 1e15;

/** Of a tank that has the right shape: nothing in it lies further ahead of its newest moment than anything lasts. */
export function isPossible({ at, closure, slots, meters }: Tank): boolean {
  const latest = at + aheadMsMax;
  const until = closure?.until ?? at;
  return (
    (until === Number.POSITIVE_INFINITY || until <= at + closedMsMax) &&
    areSlots(slots, latest) &&
    meters.every((meter) => isMeter(meter, latest))
  );
}

function areSlots({ max, limit, cutAt, recovery }: Slots, latest: number): boolean {
  if (recovery !== undefined && !(recovery.to >= 1 && recovery.since <= latest)) return false;
  return max >= 1 && limit >= 1 && cutAt <= latest;
}

function isMeter(meter: Meter, latest: number): boolean {
  const { kind } = meter;
  if (kind === "window")
    return (
      meter.periodMs <= aheadMsMax && Math.max(meter.limit, meter.used) <= amountMax && isBy(meter.resetAt)
    );
  // The least limit that is believed is one a minute.
  const { perMinute, burst } = meter;
  if (perMinute < 1 || Math.max(perMinute, burst) > amountMax) return false;
  if (kind === "bucket") {
    const { others, transitMs } = meter;
    return transitMs <= aheadMsMax && isBy(fullAtOf(meter)) && isBy(others.at) && isBy(others.told?.at);
  }
  const { at, level, past } = meter;
  return isBy(at) && isBy(past.at) && isLevel(level) && isLevel(past.level);

  function isBy(moment: number | undefined): boolean {
    return moment === undefined || moment <= latest;
  }
  /** At most full, by what sums of parts may differ; at least such that it is full in time. */
  function isLevel(tokens: number): boolean {
    return tokens <= burst * (1 + 1e-6) && tokens >= burst - (perMinute * aheadMsMax) / 60_000;
  }
}
