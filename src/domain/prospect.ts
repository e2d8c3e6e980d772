/** When a call may join those that write already: what a stream is expected to hold at each moment until all have ended. Pure. */
import { type Flowing, flowed, type Stream } from "./stream.ts";

const minuteMs = 60_000;

/** Of the bucket, what is never counted on: speeds are known roughly. */
const keptPart = 0.1;
/**
 * So far ahead of the refill calls that are out may be expected to write. Refused is who comes when the bucket is dry, nobody who
 * writes already; so it may run dry for a while, as long as nobody begins then. What this is worth the next one waits at most.
 */
const aheadMsMax = 5_000;

/** Whether there is something now, and what is out with this call is not expected to run too far ahead. */
export function streamHolds(stream: Stream, call: Flowing, now: number): boolean {
  const current = flowed(stream, now);
  return holdsFrom(current, call, current.level, current.at) || isFullAndQuiet(current);
}

/** As it would be at a later moment: those that are open are expected to end when they are expected to. */
function holdsAt(stream: Stream, call: Flowing, at: number): boolean {
  return holdsFrom(stream, call, levelAt(stream, at), at);
}

/** Looks at the level at `at` and at the end of each flow with the call in it, in the order of time. */
function holdsFrom({ flows, burst, perMinute }: Stream, call: Flowing, first: number, at: number): boolean {
  if (first < burst * keptPart - roundingMax) return false;
  const perMs = perMinute / minuteMs;
  const endsAt = at + Math.max(0, call.output) / call.perMs;
  const least = -perMs * aheadMsMax - roundingMax;
  let drain = endsAt > at ? call.perMs : 0;
  for (const flow of flows) if (flow.endsAt > at) drain += flow.perMs;
  let level = first;
  let from = at;
  let isPending = endsAt > at;
  for (let index = 0; index <= flows.length; index++) {
    const flow = flows[index];
    if (flow !== undefined && flow.endsAt <= at) continue;
    if (isPending && (flow === undefined || flow.endsAt > endsAt)) {
      isPending = false;
      level = Math.min(burst, level + (perMs - drain) * (endsAt - from));
      if (level < least) return false;
      from = endsAt;
      drain -= call.perMs;
    }
    if (flow === undefined) break;
    level = Math.min(burst, level + (perMs - drain) * (flow.endsAt - from));
    if (level < least) return false;
    from = flow.endsAt;
    drain -= flow.perMs;
  }
  return true;
}

/** Tokens. */
const roundingMax = 1e-6;
/** Halvings of the interval in which the earliest moment lies: finer than 1 ms in 12 days. */
const halvings = 30;

/** The earliest moment at which this call may begin. One that no bucket of this size holds begins when it is full and nobody else writes. */
export function streamReadyAt(stream: Stream, call: Flowing, now: number): number {
  if (streamHolds(stream, call, now)) return now;
  const current = flowed(stream, now);
  const last = fullAndQuietAt(current);
  if (!holdsAt(current, call, last)) return last;
  let [early, late] = [now, last];
  for (let turn = 0; turn < halvings && late - early > 1; turn++) {
    const middle = (early + late) / 2;
    if (holdsAt(current, call, middle)) late = middle;
    else early = middle;
  }
  return Math.ceil(late);
}

function isFullAndQuiet(stream: Stream): boolean {
  const { flows, at } = stream;
  return (flows.at(-1)?.endsAt ?? at) <= at && fullAndQuietAt(stream) <= at;
}

/** When it is full and nobody writes, if nobody else begins. */
function fullAndQuietAt(stream: Stream): number {
  const quietAt = Math.max(stream.at, stream.flows.at(-1)?.endsAt ?? stream.at);
  const missing = stream.burst - levelAt(stream, quietAt);
  return quietAt + (Math.max(0, missing) * minuteMs) / stream.perMinute;
}

/** The level at `to`, if calls write as fast as they usually do. */
function levelAt({ flows, at, level: first, burst, perMinute }: Stream, to: number): number {
  const perMs = perMinute / minuteMs;
  let drain = 0;
  for (const flow of flows) if (flow.endsAt > at) drain += flow.perMs;
  let level = first;
  let from = at;
  for (const flow of flows) {
    if (flow.endsAt <= at) continue;
    if (flow.endsAt > to) break;
    level = Math.min(burst, level + (perMs - drain) * (flow.endsAt - from));
    from = flow.endsAt;
    drain -= flow.perMs;
  }
  return Math.min(burst, level + (perMs - drain) * (to - from));
}
