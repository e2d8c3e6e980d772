import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, bucketOf, bucketReadyAt, charged, lowered, settledIn } from "./bucket.ts";
import type { LeaseId } from "./meter.ts";

const start = 1_000_000_000;
const minuteMs = 60_000;
const rate = { perMinute: 60_000, burst: 10_000 };
const fresh = bucketOf("input", "fixed", { ...rate, transitMs: 0 }, start);

/** A provider that is exact, and somebody else who takes `share` of it, so often, in lumps. */
function accountOf(share: number, everyMs: number) {
  let level: number = rate.burst;
  let at = start;
  let next = start;
  const refill = (to: number) => {
    level = Math.min(rate.burst, level + ((to - at) * rate.perMinute) / minuteMs);
    at = to;
  };
  const lump = (share * rate.perMinute * everyMs) / minuteMs;
  const to = (now: number, until: number) => {
    for (; next <= now; next += everyMs) {
      refill(next);
      // It insists until it has its part, but owes no more than one lump.
      if (next < until) level = Math.max(Math.min(level, -lump), level - lump);
    }
    refill(now);
  };
  return {
    /** How long it wants to be left alone before it takes it, ms, and what it says is left. */
    takes(cost: number, now: number, until = Number.POSITIVE_INFINITY) {
      to(now, until);
      const missing = Math.min(cost, rate.burst) - level;
      const waitMs = missing <= 1e-6 ? 0 : (missing * minuteMs) / rate.perMinute;
      if (waitMs === 0) level -= cost;
      return { waitMs, left: level };
    },
  };
}

interface Told {
  readonly at: number;
  readonly left: number;
  readonly lease: LeaseId;
  readonly endsAt: number;
}

/** Calls as early as they may begin, whose replies come `lastsMs` later and tell how it stood when they began. */
function play(
  costs: readonly number[],
  account: ReturnType<typeof accountOf>,
  hands: { readonly lastsMs: (call: number) => number; readonly goneAt?: number; readonly isTold: boolean },
) {
  let bucket: Bucket = fresh;
  let now = start;
  let out: Told[] = [];
  const starts: number[] = [];
  /** Calls, as often as each was refused. */
  const refusals: number[] = [];
  for (const [call, cost] of costs.entries()) {
    for (;;) {
      const at = bucketReadyAt(bucket, cost, now);
      const over = out.filter(({ endsAt }) => endsAt <= at).sort((left, right) => left.endsAt - right.endsAt);
      const [first] = over;
      if (first === undefined) {
        now = at;
        break;
      }
      now = Math.max(now, first.endsAt);
      out = out.filter((each) => each !== first);
      if (hands.isTold) bucket = lowered(bucket, first.left, first.at);
      bucket = settledIn(bucket, first.lease, undefined);
    }
    let place = account.takes(cost, now, hands.goneAt);
    while (place.waitMs > 0) {
      refusals.push(call);
      bucket = lowered(bucket, Math.floor(place.left), now);
      now += place.waitMs;
      place = account.takes(cost, now, hands.goneAt);
    }
    const lease = `c${call}` as LeaseId;
    bucket = charged(bucket, lease, cost, now);
    starts.push(now);
    out.push({ at: now, left: Math.floor(place.left), lease, endsAt: now + hands.lastsMs(call) });
  }
  return { bucket, starts, refusals };
}

const costs = (most: number) => fc.array(fc.integer({ min: 1, max: most }), { minLength: 20, maxLength: 60 });
const lasting = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 7 });

test("law: where nobody else takes anything, readings change nothing, in whatever order they come", () => {
  fc.assert(
    fc.property(costs(12_000), lasting, (sizes, lasts) => {
      const lastsMs = (call: number) => lasts[call % lasts.length] ?? 1;
      const told = play(sizes, accountOf(0, 1_000), { lastsMs, isTold: true });
      const untold = play(sizes, accountOf(0, 1_000), { lastsMs, isTold: false });
      expect(told.refusals).toEqual([]);
      expect(told.bucket.others.part).toBeLessThan(0.01);
      expect(told.bucket.others.part).toBeGreaterThanOrEqual(0);
      // Figures are told in whole tokens.
      for (const [index, at] of told.starts.entries())
        expect(at - (untold.starts[index] ?? 0)).toBeLessThan(2);
    }),
    { numRuns: 40 },
  );
});

const steady = (count: number) =>
  Array.from({ length: count }, (_, index) => 500 + ((index * 3_700) % 2_000));

test("what somebody else takes is learned and kept back, and their going is noticed within two minutes", () => {
  const check = (share: number, everyMs: number) => {
    const lastsMs = (call: number) => 3_000 + ((call * 1_700) % 8_000);
    const during = play(steady(150), accountOf(share, everyMs), { lastsMs, isTold: true });
    expect(during.bucket.others.part).toBeGreaterThan(share * 0.6);
    expect(during.bucket.others.part).toBeLessThan(share * 1.6);
    const goneAt = start + 2 * minuteMs;
    const { starts } = play(steady(500), accountOf(share, everyMs), { lastsMs, isTold: true, goneAt });
    const from = goneAt + 2 * minuteMs;
    const taken = steady(500).filter((_, at) => {
      const began = starts[at] ?? 0;
      return began >= from && began < from + minuteMs;
    });
    expect(taken.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(0.9 * rate.perMinute);
  };
  check(0.3, 2_000);
  check(0.5, 1_000);
});

test("once it is known what somebody else takes, none is refused", () => {
  const lastsMs = (call: number) => 3_000 + ((call * 1_700) % 8_000);
  const check = (share: number, everyMs: number) => {
    const { refusals } = play(steady(300), accountOf(share, everyMs), { lastsMs, isTold: true });
    expect(refusals.filter((call) => call >= 150)).toEqual([]);
  };
  check(0.3, 2_000);
  check(0.5, 1_000);
  check(0.4, 500);
});

test("law: nothing is kept back two minutes after the last word, and never more than was told is counted on", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { minLength: 2, maxLength: 8 }), (lefts) => {
      let bucket: Bucket = fresh;
      lefts.forEach((left, index) => {
        const at = start + index * 1_000;
        bucket = charged(bucket, `c${index}` as LeaseId, 100, at);
        const before = bucketReadyAt(bucket, rate.burst, at);
        bucket = lowered(bucket, left, at);
        expect(bucketReadyAt(bucket, rate.burst, at)).toBeGreaterThanOrEqual(before);
        expect(bucketReadyAt(bucket, rate.burst, at)).toBeGreaterThanOrEqual(at + (10_000 - left) - 1e-3);
      });
      const later = start + lefts.length * 1_000 + 2 * minuteMs;
      bucket = charged(bucket, "last" as LeaseId, 5_000, later);
      expect(bucketReadyAt(bucket, rate.burst, later)).toBeCloseTo(later + 5_000, 0);
    }),
    { numRuns: 100 },
  );
});
