/**
 * One limit of a provider, as exactly as it can be known from outside. All functions are pure; times are ms since the
 * epoch, amounts are requests or tokens.
 *
 * 1. Never overdrawn: a bucket's level never falls below 0 by an admission; only what is larger than the whole bucket
 *    is let in when it is full, and leaves a debt.
 * 2. Never overfull: no refund, reading or change of a limit lifts a level above the burst, or above what was charged.
 * 3. A correction is replayed at the moment it belongs to: once all is settled, a bucket stands where it would stand if
 *    every call had been charged its true cost from the start.
 * 4. What a provider says only ever makes a level lower, never higher.
 * 5. Where more is gone than was taken here, it fills by what somebody else leaves (`others`); where nobody takes anything,
 *    as if that were not looked at.
 */
import { assert } from "../kit/assert.ts";
import type { Charging, LeaseId, Measure } from "./meter.ts";
import { heardOf, keptBackOf, nobodyElse, type Others, type Told } from "./others.ts";

/** A continuous bucket: GCRA, whose one number is the moment at which it is full again. */
export interface Bucket {
  readonly kind: "bucket";
  readonly measure: Measure;
  readonly charging: Charging;
  /** Refill, above 0. */
  readonly perMinute: number;
  /** What the full bucket holds, above 0. */
  readonly burst: number;
  /** A charge counts so much later than it was made: on its way to the provider, ms. */
  readonly transitMs: number;
  /** The moment at which it would be full, were it not for `entries`. */
  readonly fullAt: number;
  /** Of the refill, what somebody else takes up to the first of `entries` that says otherwise, 0 to 1. */
  readonly keptBack: number;
  /** What came after, in the order of time: everything since the oldest call that is still out. */
  readonly entries: readonly Entry[];
  readonly others: Others;
}

type Entry =
  | {
      readonly kind: "charge";
      readonly lease: LeaseId;
      readonly at: number;
      readonly cost: number;
      readonly isOpen: boolean;
    }
  /** At `at` it was known to be full no earlier than `fullAt`, and to be filled by so much less from then on. */
  | { readonly kind: "floor"; readonly at: number; readonly fullAt: number; readonly keptBack: number };

const minuteMs = 60_000;

/** A full bucket. */
export function bucketOf(
  measure: Measure,
  charging: Charging,
  rate: { readonly perMinute: number; readonly burst: number; readonly transitMs?: number },
  now: number,
): Bucket {
  const { perMinute, burst, transitMs = 0 } = rate;
  assert(perMinute > 0 && burst > 0, "a bucket has a rate and a size");
  return {
    ...{ kind: "bucket", measure, charging, perMinute, burst, transitMs },
    ...{ fullAt: now, keptBack: 0, entries: [], others: nobodyElse },
  };
}

function msFor({ perMinute }: Pick<Bucket, "perMinute">, amount: number): number {
  return (amount * minuteMs) / perMinute;
}

/** When it is full, filled by so much less than its rate. */
interface Filling {
  readonly fullAt: number;
  readonly keptBack: number;
}

function advanced(bucket: Bucket, before: Filling, entry: Entry): Filling {
  const { fullAt, keptBack } = before;
  if (entry.kind === "charge") {
    const from = Math.max(fullAt, entry.at + bucket.transitMs);
    return { fullAt: from + msFor(bucket, entry.cost) / (1 - keptBack), keptBack };
  }
  const known = entry.keptBack === keptBack ? fullAt : refilledAt(before, entry);
  return { fullAt: Math.max(known, entry.fullAt), keptBack: entry.keptBack };
}

/** The same is missing at that moment, and flows in faster or slower from then on. */
function refilledAt(before: Filling, { at, keptBack }: { readonly at: number; readonly keptBack: number }) {
  return before.fullAt <= at ? before.fullAt : at + missingMs(before, at) / (1 - keptBack);
}

/** What is missing at that moment, by how long the whole refill takes for it. */
function missingMs({ fullAt, keptBack }: Filling, at: number): number {
  return Math.max(0, fullAt - at) * (1 - keptBack);
}

/** What `fillingOf` found: a bucket never changes, and it is asked for often. */
const found = new WeakMap<Bucket, Filling>();

function fillingOf(bucket: Bucket): Filling {
  const known = found.get(bucket);
  if (known !== undefined) return known;
  const filling = fillingAfter(bucket, bucket.entries);
  found.set(bucket, filling);
  return filling;
}

function fillingAfter(bucket: Bucket, entries: readonly Entry[]): Filling {
  let filling: Filling = { fullAt: bucket.fullAt, keptBack: bucket.keptBack };
  for (const entry of entries) filling = advanced(bucket, filling, entry);
  return filling;
}

/** The moment at which it is full again, if nothing more is taken. */
export function fullAtOf(bucket: Bucket): number {
  return fillingOf(bucket).fullAt;
}

/** What it holds now: at most its burst, below 0 after what was larger than it. */
export function levelOf(bucket: Bucket, now: number): number {
  return bucket.burst - (missingMs(fillingOf(bucket), now) * bucket.perMinute) / minuteMs;
}

/** The earliest moment at which this much may be taken; what is larger than the bucket waits until it is full. */
export function bucketReadyAt(bucket: Bucket, cost: number, now: number): number {
  const spare = bucket.burst - Math.min(cost, bucket.burst);
  const { fullAt, keptBack } = fillingOf(bucket);
  return Math.max(now, fullAt - msFor(bucket, spare) / (1 - keptBack));
}

/** Takes it, whether or not there is enough: whoever asks looks at `bucketReadyAt` first. */
export function charged(bucket: Bucket, lease: LeaseId, cost: number, now: number): Bucket {
  assert(cost >= 0, "a charge is not below 0");
  const entry: Entry = { kind: "charge", lease, at: now, cost, isOpen: true };
  const known = eased(bucket, now);
  const next: Bucket = { ...known, entries: [...known.entries, entry] };
  found.set(next, advanced(next, fillingOf(known), entry));
  return next.entries.length > entriesMax ? shortened(next) : next;
}

/** Behind one call that lasts there may be very many others, each of which would be looked at for every one. */
const entriesMax = 512;

/** With the oldest open charge as it was reserved, for good: when that call ends nothing is given back. */
function shortened(bucket: Bucket): Bucket {
  const first = bucket.entries.findIndex((entry) => entry.kind === "charge" && entry.isOpen);
  const entries = bucket.entries.map((entry, index) =>
    index === first && entry.kind === "charge" ? { ...entry, isOpen: false } : entry,
  );
  const next = pruned({ ...bucket, entries });
  if (next.entries.length <= entriesMax) return next;
  return pruned({ ...next, others: { ...next.others, told: undefined } });
}

/** What a call took in the end; undefined leaves what was reserved, as if it was all taken. */
export function settledIn(bucket: Bucket, lease: LeaseId, used: number | undefined): Bucket {
  const isFixed = bucket.charging === "fixed" || used === undefined;
  const entries = bucket.entries.map((entry) =>
    entry.kind === "charge" && entry.lease === lease
      ? { ...entry, isOpen: false, cost: isFixed ? entry.cost : Math.max(0, used) }
      : entry,
  );
  return pruned({ ...bucket, entries });
}

/** Without the charge of a call that was never made. */
export function withdrawnFrom(bucket: Bucket, lease: LeaseId): Bucket {
  const entries = bucket.entries.filter((entry) => entry.kind === "floor" || entry.lease !== lease);
  return pruned({ ...bucket, entries });
}

/** What `withoutCharges` found: whoever enters a long line asks. */
const uncharged = new WeakMap<Bucket, Bucket>();

/** As if no call were out of those whose charge is corrected at their end, and none of them had taken anything. */
export function withoutCharges(bucket: Bucket): Bucket {
  if (bucket.charging === "fixed" || bucket.entries.length === 0) return bucket;
  const known = uncharged.get(bucket);
  if (known !== undefined) return known;
  const entries = bucket.entries.filter((each) => each.kind === "floor" || !each.isOpen);
  const next = pruned({ ...bucket, entries });
  uncharged.set(bucket, next);
  return next;
}

/** What no open call comes before cannot change any more; what was taken since the last reading is compared with the next. */
function pruned(whole: Bucket): Bucket {
  const bucket = compared(whole);
  const { told } = bucket.others;
  const first = bucket.entries.findIndex(
    (entry) => entry.kind === "charge" && (entry.isOpen || (told !== undefined && entry.at > told.at)),
  );
  const done = first < 0 ? bucket.entries : bucket.entries.slice(0, first);
  if (done.length === 0) return bucket;
  return {
    ...bucket,
    ...fillingAfter(bucket, done),
    entries: first < 0 ? [] : bucket.entries.slice(first),
  };
}

/** Where nobody told anything for long, nothing waits for being compared. */
function compared(bucket: Bucket): Bucket {
  const { others, entries } = bucket;
  const newest = entries.at(-1);
  if (others.told === undefined || newest === undefined || newest.at <= others.told.at + comparedMsMax)
    return bucket;
  return { ...bucket, others: { ...others, told: undefined } };
}

/** What a provider says it held at `asOf`, below 0 a debt, which a call that began then was told: only ever lowers it. */
export function lowered(bucket: Bucket, remaining: number, asOf: number): Bucket {
  const missing = bucket.burst - Math.min(remaining, bucket.burst);
  const before = fillingAfter(bucket, until(bucket.entries, asOf));
  const others = othersOf(bucket, { at: asOf, missing }, before);
  const isNews = others !== bucket.others;
  const shown = isNews ? keptBackOf(others, asOf) : 0;
  const keptBack = Math.max(before.keptBack, shown);
  // What shows now holds from then on; what was eased since stays as it is.
  const entries = bucket.entries.map((entry) =>
    entry.kind === "floor" && entry.at > asOf && entry.keptBack < shown
      ? { ...entry, keptBack: shown }
      : entry,
  );
  const fullAt = asOf + msFor(bucket, missing) / (1 - keptBack);
  return withFloor({ ...bucket, entries, others }, { at: asOf, fullAt, keptBack });
}

/**
 * What that tells of others: what is missing beyond what our own calls took since the reading before. `before`: as it stood
 * then for all that is known.
 */
function othersOf(bucket: Bucket, told: Told, before: Filling): Others {
  const { others, entries } = bucket;
  const { told: last } = others;
  if (last === undefined) {
    // The first tells what was taken before we came; and of calls that left at once it may not tell the last.
    const known = (missingMs(before, told.at) * bucket.perMinute) / minuteMs;
    return { ...others, told: { ...told, missing: Math.max(told.missing, known) } };
  }
  let fullAt = last.at + msFor(bucket, last.missing);
  for (const entry of entries)
    if (entry.kind === "charge" && entry.at > last.at && entry.at <= told.at)
      fullAt = Math.max(fullAt, entry.at) + msFor(bucket, entry.cost);
  const beyondMs = msFor(bucket, told.missing) - Math.max(0, fullAt - told.at);
  // One of a moment before, or where not all of ours has arrived, tells nothing.
  return told.at < last.at || beyondMs < 0 ? others : heardOf(others, told, beyondMs);
}

/** What is further apart is not compared. */
const comparedMsMax = 60_000;

function withFloor(bucket: Bucket, floor: Omit<Extract<Entry, { readonly kind: "floor" }>, "kind">): Bucket {
  const before = until(bucket.entries, floor.at);
  const after = bucket.entries.slice(before.length);
  return pruned({ ...bucket, entries: [...before, { kind: "floor", ...floor }, ...after] });
}

/** What came up to that moment. */
function until(entries: readonly Entry[], at: number): readonly Entry[] {
  const after = entries.findIndex((entry) => entry.at > at);
  return after < 0 ? entries : entries.slice(0, after);
}

/** From now on no more is kept back than there is still evidence for. */
function eased(bucket: Bucket, now: number): Bucket {
  const { keptBack } = fillingOf(bucket);
  if (keptBack === 0) return bucket;
  const left = keptBackOf(bucket.others, now);
  // In steps: each is remembered as long as a call is out that came before.
  if (left > 0 && left > keptBack - easeStep) return bucket;
  return withFloor(bucket, { at: now, fullAt: now, keptBack: left });
}

const easeStep = 0.05;

/** Another rate or size from now on; what it holds stays what it was, or less. */
export function reshaped(
  bucket: Bucket,
  rate: { readonly perMinute: number; readonly burst: number },
  now: number,
): Bucket {
  const { perMinute, burst } = rate;
  assert(perMinute > 0 && burst > 0, "a bucket has a rate and a size");
  if (perMinute === bucket.perMinute && burst === bucket.burst) return bucket;
  const level = Math.min(levelOf(bucket, now), burst);
  const { keptBack } = fillingOf(bucket);
  const others = perMinute === bucket.perMinute ? bucket.others : { ...bucket.others, told: undefined };
  const next: Bucket = { ...bucket, perMinute, burst, others };
  const fullAt = now + msFor(next, burst - level) / (1 - keptBack);
  return { ...next, entries: [...next.entries, { kind: "floor", at: now, fullAt, keptBack }] };
}

/** All moments moved by `byMs`: the clock was set. */
export function shifted(bucket: Bucket, byMs: number): Bucket {
  const entries = bucket.entries.map((entry) =>
    entry.kind === "floor"
      ? { ...entry, at: entry.at + byMs, fullAt: entry.fullAt + byMs }
      : { ...entry, at: entry.at + byMs },
  );
  const { told, at } = bucket.others;
  const others = { ...bucket.others, at: at + byMs, told: told && { ...told, at: told.at + byMs } };
  return { ...bucket, fullAt: bucket.fullAt + byMs, entries, others };
}
