/**
 * A limit that counts tokens as they are written (Anthropic's output tokens): a bucket that calls drain while they run.
 *
 * Charged at the start, a call would give its tokens back to the bucket before the provider has counted them; held in
 * full until the end, calls that write slowly would keep each other out. So each open call is a flow of expected tokens
 * at an expected speed, and a call is let in only where the bucket never runs dry with it.
 *
 * 1. `level` is there for sure, as long as no call writes faster than `haste` says: one that is out has written as fast as
 *    that since it began; of one that has ended, whose total is known, all was written as late as it can have been.
 * 2. So what a call wrote less than that is given back where it belongs, by replaying all that came since: a bucket that was
 *    full then could not have taken it, nor is it worth anything after a provider said how little was left.
 */
import { assert, unreachable } from "../kit/assert.ts";
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
 * No call is taken to write faster than this beside a provider's mean, which is that of all tokens by all the time they took,
 * the wait for the first ones too. Seen where a tenth of the time is waited: 1.11.
 */
export const haste = 1.1;

export interface Stream {
  readonly kind: "stream";
  readonly perMinute: number;
  readonly burst: number;
  /** What it held at `at`; below 0 where calls wrote more than was expected. */
  readonly level: number;
  readonly at: number;
  /** Open calls, those that end first before the others. */
  readonly flows: readonly Flow[];
  /** From where `level` was found. */
  readonly past: Past;
}

/** What came before `at` is counted for good. */
interface Past {
  readonly at: number;
  readonly level: number;
  /** What came after, in the order of time: everything since the oldest call that is still out. */
  readonly changes: readonly Change[];
}

type Change =
  /** From then on so much more is written, below 0 less. */
  | { readonly kind: "writing"; readonly at: number; readonly perMs: number }
  | { readonly kind: "taken"; readonly at: number; readonly tokens: number }
  /** A provider said that it held no more. */
  | { readonly kind: "told"; readonly at: number; readonly level: number };

const minuteMs = 60_000;

export function streamOf(rate: { readonly perMinute: number; readonly burst: number }, now: number): Stream {
  assert(rate.perMinute > 0 && rate.burst > 0, "a stream has a rate and a size");
  const { perMinute, burst } = rate;
  return rooted({ kind: "stream", perMinute, burst, level: burst, at: now, flows: [] });
}

/** As if it had come to its level by itself: nothing of what calls wrote before is given back any more. */
export function rooted(stream: Omit<Stream, "past">): Stream {
  const { at, level, flows } = stream;
  const perMs = flows.reduce((sum, flow) => (flow.lastAt > at ? sum + flow.perMs * haste : sum), 0);
  const changes: readonly Change[] = flows.length === 0 ? [] : [{ kind: "writing", at, perMs }];
  return { ...stream, past: { at, level, changes } };
}

/** Where it stands at `now`. A call that is still open when it should have ended writes on. */
export function flowed(stream: Stream, now: number): Stream {
  if (now <= stream.at) return stream;
  let current = stream;
  while (current.at < now) current = writtenTo(current, now);
  return prolonged(current, now);
}

/** At `now`, or at the moment before that at which a call has written all it may. */
function writtenTo(stream: Stream, now: number): Stream {
  const { flows, at, past } = stream;
  let drain = 0;
  let to = now;
  for (const { lastAt, perMs } of flows) {
    if (lastAt <= at) continue;
    drain += perMs * haste;
    if (lastAt < to) to = lastAt;
  }
  const level = Math.min(stream.burst, stream.level + (stream.perMinute / minuteMs - drain) * (to - at));
  const next = { ...stream, level, at: to };
  const over = flows.filter(({ lastAt }) => lastAt === to);
  if (over.length === 0) return next;
  const stops = over.map((flow): Change => ({ kind: "writing", at: to, perMs: -flow.perMs * haste }));
  return { ...next, past: { ...past, changes: [...past.changes, ...stops] } };
}

/** Who should have ended and has not writes half as long again as it has, and so on to its bound: few write all they may. */
function prolonged(stream: Stream, now: number): Stream {
  let next = stream;
  for (;;) {
    const late = next.flows.find(({ endsAt, lastAt }) => endsAt <= now && endsAt < lastAt);
    if (late === undefined) return next;
    const others = next.flows.filter((each) => each !== late);
    next = { ...next, flows: inserted(others, { ...late, endsAt: laterEnd(late) }) };
  }
}

function laterEnd({ startsAt, endsAt, lastAt }: Flow): number {
  return endsAt > startsAt ? Math.min(lastAt, endsAt + (endsAt - startsAt) / 2) : lastAt;
}

function inserted(flows: readonly Flow[], flow: Flow): readonly Flow[] {
  const after = flows.findIndex(({ endsAt }) => endsAt > flow.endsAt);
  return flows.toSpliced(after < 0 ? flows.length : after, 0, flow);
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
  const { at: startsAt, past } = next;
  const endsAt = startsAt + Math.max(0, output) / perMs;
  const lastAt = Math.max(endsAt, startsAt + outputMax / (perMs * haste));
  const flows = inserted(next.flows, { lease, startsAt, endsAt, lastAt, perMs });
  if (lastAt === startsAt) return { ...next, flows };
  const begins: Change = { kind: "writing", at: startsAt, perMs: perMs * haste };
  return { ...next, flows, past: { ...past, changes: [...past.changes, begins] } };
}

/** As if nobody wrote any more. */
export function withoutFlows(stream: Stream): Stream {
  return stream.flows.length === 0 ? stream : rooted({ ...stream, flows: [] });
}

/** What the call wrote in the end; undefined counts all that was expected. */
export function ended(stream: Stream, lease: LeaseId, used: number | undefined, now: number): Stream {
  const next = flowed(stream, now);
  const flow = next.flows.find((each) => each.lease === lease);
  if (flow === undefined) return next;
  const flows = next.flows.filter((each) => each !== flow);
  const { at, past } = next;
  const perMs = flow.perMs * haste;
  // What it wrote before `past` is counted for good.
  const from = Math.max(flow.startsAt, past.at);
  const written = perMs * (Math.min(at, flow.lastAt) - flow.startsAt);
  const expected = flow.perMs * (flow.endsAt - flow.startsAt);
  const total = used ?? Math.max(expected, written);
  let { changes } = past;
  if (total < written) {
    changes = withChange(changes, { kind: "writing", at: from, perMs: -perMs });
    if (flow.lastAt <= at)
      changes = withChange(changes, { kind: "writing", at: Math.max(from, flow.lastAt), perMs });
    const latest = Math.max(from, at - total / perMs);
    changes = withChange(changes, { kind: "writing", at: latest, perMs });
    changes = withChange(changes, { kind: "writing", at, perMs: -perMs });
  } else {
    if (flow.lastAt > at) changes = withChange(changes, { kind: "writing", at, perMs: -perMs });
    if (total > written) changes = withChange(changes, { kind: "taken", at, tokens: total - written });
  }
  return replayed({ ...next, flows, past: { ...past, changes } });
}

/** In the order of time; what comes to nothing is left out. */
function withChange(changes: readonly Change[], change: Change): readonly Change[] {
  let after = changes.length;
  while (after > 0 && (changes[after - 1] as Change).at > change.at) after -= 1;
  if (change.kind === "writing")
    for (let index = after - 1; index >= 0; index--) {
      const before = changes[index] as Change;
      if (before.at < change.at) break;
      if (before.kind === "writing" && before.perMs === -change.perMs) return changes.toSpliced(index, 1);
    }
  return changes.toSpliced(after, 0, change);
}

/** Behind one call that lasts there may be very many others, each of which would be looked at for every one. */
const changesMax = 512;

/** With the level that follows from what is known of the past, as much of which is forgotten as no open call comes before. */
function replayed(stream: Stream): Stream {
  const { at: now, burst, past } = stream;
  const perMs = stream.perMinute / minuteMs;
  const { changes } = past;
  // Later than the oldest call began where too much came since: of what that one wrote before nothing is given back.
  let oldest = changes.length > changesMax ? (changes[changes.length >> 1]?.at ?? now) : past.at;
  let begun = now;
  for (const { startsAt } of stream.flows) begun = Math.min(begun, startsAt);
  oldest = Math.max(oldest, begun);
  let { at, level } = past;
  let drain = 0;
  let root: Past | undefined;
  const advance = (to: number) => {
    level = Math.min(burst, level + (perMs - drain) * (to - at));
    at = to;
  };
  for (const [index, change] of changes.entries()) {
    if (root === undefined && change.at >= oldest) {
      advance(oldest);
      const rest = changes.slice(index);
      const before: Change = { kind: "writing", at, perMs: drain };
      root = { at, level, changes: drain === 0 ? rest : [before, ...rest] };
    }
    advance(change.at);
    switch (change.kind) {
      case "writing":
        drain += change.perMs;
        break;
      case "taken":
        level -= change.tokens;
        break;
      case "told":
        level = Math.min(level, change.level);
        break;
      default:
        unreachable(change);
    }
  }
  advance(now);
  if (stream.flows.length === 0 || root === undefined) return rooted({ ...stream, level });
  return { ...stream, level, past: root };
}

/** What the provider says it holds: only ever lowers it. */
export function drained(stream: Stream, remaining: number, now: number): Stream {
  const next = flowed(stream, now);
  const { at, past } = next;
  if (next.level <= remaining) return next;
  if (next.flows.length === 0) return rooted({ ...next, level: remaining });
  const told: Change = { kind: "told", at, level: remaining };
  return { ...next, level: remaining, past: { ...past, changes: [...past.changes, told] } };
}

/** Another rate or size from now on; what it holds stays what it was, or less. */
export function resized(
  stream: Stream,
  rate: { readonly perMinute: number; readonly burst: number },
  now: number,
): Stream {
  const next = flowed(stream, now);
  const { perMinute, burst } = rate;
  if (perMinute === next.perMinute && burst === next.burst) return next;
  return rooted({ ...next, perMinute, burst, level: Math.min(next.level, burst) });
}

/** All moments moved by `byMs`: the clock was set. */
export function flowsShifted(stream: Stream, byMs: number): Stream {
  const flows = stream.flows.map((flow) => ({
    ...flow,
    startsAt: flow.startsAt + byMs,
    endsAt: flow.endsAt + byMs,
    lastAt: flow.lastAt + byMs,
  }));
  const changes = stream.past.changes.map((change) => ({ ...change, at: change.at + byMs }));
  const past = { ...stream.past, at: stream.past.at + byMs, changes };
  return { ...stream, at: stream.at + byMs, flows, past };
}
