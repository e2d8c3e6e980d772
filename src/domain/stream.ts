/**
 * A limit that counts tokens as they are written (Anthropic's output tokens): a bucket that calls drain while they run.
 *
 * Charged at the start, a call would give its tokens back to the bucket before the provider has counted them; held in
 * full until the end, calls that write slowly would keep each other out. So each open call is a flow of expected tokens
 * at an expected speed, and a call is let in only where the bucket never runs dry with it.
 */
import { assert } from "../kit/assert.ts";
import type { LeaseId } from "./meter.ts";

interface Flow {
  readonly lease: LeaseId;
  readonly startsAt: number;
  /** When it will have written what is expected; once that has passed, half as long again. */
  readonly endsAt: number;
  /** When it will have written all that its bound lets it. */
  readonly lastAt: number;
  readonly perMs: number;
}

/**
 * A call that is still out is taken to have written faster than calls do on the average of their whole time: before its first
 * token it waited, and the longest of all wait least for their length. What was too much is given back at its end.
 */
const haste = 1.25;

export interface Stream {
  readonly kind: "stream";
  readonly perMinute: number;
  readonly burst: number;
  /** What it held at `at`; below 0 where calls wrote more than was expected. */
  readonly level: number;
  readonly at: number;
  /** Open calls, those that end first before the others. */
  readonly flows: readonly Flow[];
}

const minuteMs = 60_000;

export function streamOf(rate: { readonly perMinute: number; readonly burst: number }, now: number): Stream {
  assert(rate.perMinute > 0 && rate.burst > 0, "a stream has a rate and a size");
  const { perMinute, burst } = rate;
  return { kind: "stream", perMinute, burst, level: burst, at: now, flows: [] };
}

/** Where it stands at `now`. A call that is still open when it should have ended writes on. */
export function flowed(stream: Stream, now: number): Stream {
  let current = stream;
  for (;;) {
    if (now <= current.at) return current;
    const late = current.flows.find(({ endsAt, lastAt }) => endsAt <= now && endsAt < lastAt);
    if (late === undefined) return { ...current, level: levelAt(current, now, haste), at: now };
    const at = Math.max(current.at, late.endsAt);
    const level = at === current.at ? current.level : levelAt(current, at, haste);
    const others = current.flows.filter((each) => each !== late);
    current = inserted({ ...current, level, at, flows: others }, { ...late, endsAt: laterEnd(late) });
  }
}

/** A call that is late writes half as long again as it has, and so on to its bound: few write all they may. */
function laterEnd({ startsAt, endsAt, lastAt }: Flow): number {
  return endsAt > startsAt ? Math.min(lastAt, endsAt + (endsAt - startsAt) / 2) : lastAt;
}

function inserted(stream: Stream, flow: Flow): Stream {
  const after = stream.flows.findIndex(({ endsAt }) => endsAt > flow.endsAt);
  const at = after < 0 ? stream.flows.length : after;
  return { ...stream, flows: [...stream.flows.slice(0, at), flow, ...stream.flows.slice(at)] };
}

/** The level at `to`, if calls write `times` as fast as they usually do. */
function levelAt({ flows, at, level: first, burst, perMinute }: Stream, to: number, times: number): number {
  const perMs = perMinute / minuteMs;
  let drain = 0;
  for (const flow of flows) if (flow.endsAt > at) drain += flow.perMs * times;
  let level = first;
  let from = at;
  for (const flow of flows) {
    if (flow.endsAt <= at) continue;
    if (flow.endsAt > to) break;
    level = Math.min(burst, level + (perMs - drain) * (flow.endsAt - from));
    from = flow.endsAt;
    drain -= flow.perMs * times;
  }
  return Math.min(burst, level + (perMs - drain) * (to - from));
}

export interface Flowing {
  /** Tokens expected. */
  readonly output: number;
  /** Tokens it may write at most. */
  readonly outputMax: number;
  /** At which speed, above 0. */
  readonly perMs: number;
}

/** With the call in it from now on, whether or not that leaves enough. */
export function streaming(stream: Stream, lease: LeaseId, call: Flowing, now: number): Stream {
  assert(call.perMs > 0, "a call writes at some speed");
  const next = flowed(stream, now);
  const { perMs, output, outputMax } = call;
  const endsAt = now + Math.max(0, output) / perMs;
  const lastAt = Math.max(endsAt, now + outputMax / (perMs * haste));
  return inserted(next, { lease, startsAt: now, endsAt, lastAt, perMs });
}

/** Of the bucket, what is never counted on: speeds are known roughly. */
const keptPart = 0.4;
/**
 * So far ahead of the refill calls that are out may be expected to write. Refused is who comes when the bucket is dry, nobody who
 * writes already; so it may run dry for a while, as long as nobody begins then. What this is worth the next one waits at most.
 */
const aheadMsMax = 5_000;

/** Whether there is something now, and what is out with this call is not expected to run too far ahead. */
export function streamHolds(stream: Stream, call: Flowing, now: number): boolean {
  return holdsFrom(flowed(stream, now), call);
}

/** As it would be at a later moment: those that are open are expected to end when they are expected to. */
function holdsAt(stream: Stream, call: Flowing, at: number): boolean {
  return holdsFrom({ ...stream, level: levelAt(stream, at, 1), at }, call);
}

/** Looks at the level now and at the end of each flow with the call in it, in the order of time. */
function holdsFrom({ flows, at, level: first, burst, perMinute }: Stream, call: Flowing): boolean {
  const perMs = perMinute / minuteMs;
  const endsAt = at + Math.max(0, call.output) / call.perMs;
  const least = -perMs * aheadMsMax - roundingMax;
  let drain = endsAt > at ? call.perMs : 0;
  for (const flow of flows) if (flow.endsAt > at) drain += flow.perMs;
  let level = first;
  if (level < burst * keptPart - roundingMax) return false;
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
  const quietAt = Math.max(now, current.flows.at(-1)?.endsAt ?? now);
  const missing = current.burst - levelAt(current, quietAt, 1);
  const last = quietAt + (Math.max(0, missing) * minuteMs) / current.perMinute;
  if (!holdsAt(current, call, last)) return last;
  let [early, late] = [now, last];
  for (let turn = 0; turn < halvings && late - early > 1; turn++) {
    const middle = (early + late) / 2;
    if (holdsAt(current, call, middle)) late = middle;
    else early = middle;
  }
  return Math.ceil(late);
}

/** As if nobody wrote any more. */
export function withoutFlows(stream: Stream): Stream {
  return { ...stream, flows: [] };
}

/** What the call wrote in the end; undefined counts all that was expected. */
export function ended(stream: Stream, lease: LeaseId, used: number | undefined, now: number): Stream {
  const next = flowed(stream, now);
  const flow = next.flows.find((each) => each.lease === lease);
  if (flow === undefined) return next;
  const written = haste * flow.perMs * (Math.min(next.at, flow.endsAt) - flow.startsAt);
  const expected = flow.perMs * (flow.endsAt - flow.startsAt);
  const uncounted = used === undefined ? Math.max(0, expected - written) : used - written;
  return {
    ...next,
    level: Math.min(next.burst, next.level - uncounted),
    flows: next.flows.filter((each) => each !== flow),
  };
}

/** What the provider says it holds: only ever lowers it. */
export function drained(stream: Stream, remaining: number, now: number): Stream {
  const next = flowed(stream, now);
  return { ...next, level: Math.min(next.level, remaining) };
}

/** All moments moved by `byMs`: the clock was set. */
export function flowsShifted(stream: Stream, byMs: number): Stream {
  const flows = stream.flows.map((flow) => ({
    ...flow,
    startsAt: flow.startsAt + byMs,
    endsAt: flow.endsAt + byMs,
    lastAt: flow.lastAt + byMs,
  }));
  return { ...stream, at: stream.at + byMs, flows };
}
