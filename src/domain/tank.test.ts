import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bucket, bucketOf, charged, fullAtOf, levelOf, settledIn } from "./bucket.ts";
import { costOf, type Draft, type LeaseId } from "./meter.ts";
import { informed, type Reading } from "./reading.ts";
import { slotsOf } from "./slots.ts";
import { haste, streamOf } from "./stream.ts";
import {
  type Call,
  levelShare,
  type Meter,
  readyAt,
  reserved,
  settled,
  shut,
  type Tank,
  tankAt,
  tankOf,
} from "./tank.ts";
import { elapsedOf, shareOf, windowCost, windowOf } from "./window.ts";

const minuteMs = 60_000;
const start = 1_000_000_000;
const wide = { ...slotsOf(1_000), limit: 1_000 };
const fiveHours = {
  kind: "window",
  name: "5-hour",
  measure: "share",
  periodMs: 18_000_000,
  scope: "account",
} as const;
const leaseMs = 10 * minuteMs;

function draftOf(input: number, output: number, outputMax = output): Draft {
  return { input, cachedInput: 0, output, outputMax };
}

function callOf(draft: Draft, facts: Partial<Call> = {}): Call {
  return { draft, perMs: 0.1, floor: 0, ...facts };
}

function openTank(meters: readonly Meter[], slots = wide): Tank {
  return tankOf("an account", { meters, slots }, start);
}

/** A provider that is exact: a bucket for each resource, charged with the truth, refusing what it has not got. */
function providerOf(rate: { perMinute: number; burst: number }, now: number) {
  let level = rate.burst;
  let at = now;
  const refill = (to: number) => {
    level = Math.min(rate.burst, level + ((to - at) * rate.perMinute) / minuteMs);
    at = to;
  };
  return {
    /** Grains of rounding are forgiven, nothing else. */
    takes(cost: number, to: number): boolean {
      refill(to);
      if (level + 1e-6 < Math.min(cost, rate.burst)) return false;
      level -= cost;
      return true;
    },
    /** What it would say is left. */
    left(to: number): number {
      refill(to);
      return level;
    },
    drains(amount: number, to: number): void {
      refill(to);
      level -= amount;
    },
  };
}

const job = fc.record({
  pauseMs: fc.integer({ min: 0, max: 20_000 }),
  input: fc.integer({ min: 1, max: 4_000 }),
  output: fc.integer({ min: 1, max: 2_000 }),
  /** Of what was expected, what is really taken. */
  taken: fc.double({ min: 0, max: 1, noNaN: true }),
  lastsMs: fc.integer({ min: 1, max: 60_000 }),
  isRead: fc.boolean(),
});
type Job = typeof job extends fc.Arbitrary<infer Value> ? Value : never;
const jobs = fc.array(job, { minLength: 1, maxLength: 40 });
const rate = fc
  .record({ perMinute: fc.integer({ min: 1_000, max: 60_000 }), part: fc.constantFrom(1, 6, 60) })
  .map(({ perMinute, part }) => ({ perMinute, burst: Math.max(1, Math.ceil(perMinute / part)) }));

/** Plays jobs against a tank, each as early as it may begin, ends in the order of time. */
function play(
  from: Tank,
  script: readonly Job[],
  hands: {
    call(job: Job): Call;
    begins?(job: Job, now: number): void;
    ends?(job: Job, now: number, began: number): { used: Draft; tank?: (tank: Tank) => Tank };
  },
): { tank: Tank; starts: number[]; now: number } {
  let tank = from;
  let now = start;
  const starts: number[] = [];
  const out: { id: LeaseId; job: Job; endsAt: number; began: number }[] = [];
  const endFirst = () => {
    out.sort((left, right) => left.endsAt - right.endsAt);
    const first = out.shift();
    if (first === undefined) return;
    now = Math.max(now, first.endsAt);
    const end = hands.ends?.(first.job, now, first.began);
    tank = settled(tank, first.id, { used: end?.used, how: "well" }, now);
    if (end?.tank !== undefined) tank = end.tank(tank);
  };
  for (const [index, each] of script.entries()) {
    now += each.pauseMs;
    const call = hands.call(each);
    for (;;) {
      const at = readyAt(tank, call, now).at;
      const next = Math.min(...out.map(({ endsAt }) => endsAt));
      if (next <= at && out.length > 0) endFirst();
      else if (at <= now) break;
      else if (at === Number.POSITIVE_INFINITY) throw new Error("nothing to wait for");
      else now = at;
    }
    const id = `c${index}` as LeaseId;
    tank = reserved(tank, id, call, { now, leaseMs });
    expect(tank.leases.length, "leases are the calls in flight").toBe(out.length + 1);
    hands.begins?.(each, now);
    starts.push(now);
    out.push({ id, job: each, endsAt: now + each.lastsMs, began: now });
  }
  while (out.length > 0) endFirst();
  expect(tank.leases).toEqual([]);
  return { tank, starts, now };
}

describe("a bucket", () => {
  test("an exact provider that charges the truth at the start never refuses, at any burst", () => {
    fc.assert(
      fc.property(rate, jobs, (shape, script) => {
        const provider = providerOf(shape, start);
        const tank = openTank([bucketOf("input", "start", shape, start)]);
        play(tank, script, {
          call: ({ input }) => callOf(draftOf(input, 0)),
          begins: ({ input, taken }, now) =>
            expect(provider.takes(Math.ceil(input * taken), now), "not refused").toBe(true),
          ends: ({ input, taken }) => ({ used: draftOf(Math.ceil(input * taken), 0) }),
        });
      }),
    );
  });

  test("a provider that charges the answer's bound and gives nothing back never refuses", () => {
    fc.assert(
      fc.property(rate, jobs, (shape, script) => {
        const provider = providerOf(shape, start);
        const tank = openTank([bucketOf("greater", "fixed", shape, start)]);
        play(tank, script, {
          call: ({ input, output }) => callOf(draftOf(input, output, 2 * output)),
          begins: ({ input, output }, now) =>
            expect(provider.takes(Math.max(input, 2 * output), now)).toBe(true),
          ends: ({ input, output, taken }) => ({ used: draftOf(input, output * taken, 2 * output) }),
        });
      }),
    );
  });

  test("nothing waits longer than the exact provider would make it wait, once all before it is settled", () => {
    fc.assert(
      fc.property(rate, jobs, (shape, script) => {
        const provider = providerOf(shape, start);
        const tank = openTank([bucketOf("input", "start", shape, start)]);
        const { tank: after, now } = play(tank, script, {
          call: ({ input }) => callOf(draftOf(input, 0)),
          begins: ({ input, taken }, at) => provider.drains(Math.ceil(input * taken), at),
          ends: ({ input, taken }) => ({ used: draftOf(Math.ceil(input * taken), 0) }),
        });
        const [meter] = after.meters;
        if (meter?.kind !== "bucket") throw new Error("a bucket");
        expect(levelOf(meter, now)).toBeCloseTo(provider.left(now), 3);
        expect(meter.entries, "what is settled is forgotten").toEqual([]);
      }),
    );
  });

  test("never overfull, and a refund never exceeds its reservation", () => {
    fc.assert(
      fc.property(rate, jobs, fc.array(fc.nat(100_000), { maxLength: 5 }), (shape, script, readings) => {
        let tank = openTank([bucketOf("sum", "start", shape, start)]);
        const meterIn = (each: Tank) => {
          const [meter] = each.meters;
          if (meter?.kind !== "bucket") throw new Error("a bucket");
          return meter;
        };
        for (const [index, { input, taken, lastsMs }] of script.entries()) {
          const id = `c${index}` as LeaseId;
          const { at } = readyAt(tank, callOf(draftOf(input, 0)), tank.at);
          tank = reserved(tank, id, callOf(draftOf(input, 0)), { now: at, leaseMs });
          const before = levelOf(meterIn(tank), at + lastsMs);
          const end = settled(tank, id, { used: draftOf(input * taken, 0), how: "well" }, at + lastsMs);
          const level = levelOf(meterIn(end), at + lastsMs);
          expect(level).toBeLessThanOrEqual(meterIn(end).burst);
          expect(level - before).toBeLessThanOrEqual(input + 1e-6);
          const remaining = readings[index % Math.max(1, readings.length)] ?? 0;
          const told = { kind: "rate", measures: ["sum"], limit: undefined, remaining } as const;
          const after = informed(end, [told], at, at + lastsMs);
          expect(levelOf(meterIn(after), at + lastsMs), "a reading only lowers").toBeLessThanOrEqual(
            Math.max(level, 0) + 1e-6,
          );
          tank = after;
        }
      }),
    );
  });

  test("what is larger than the bucket is let in when it is full, and leaves its debt", () => {
    const shape = { perMinute: 600, burst: 100 };
    let tank = openTank([bucketOf("input", "start", shape, start)]);
    const large = callOf(draftOf(1_000, 0));
    expect(readyAt(tank, large, start).at).toBe(start);
    tank = reserved(tank, "a" as LeaseId, callOf(draftOf(1, 0)), { now: start, leaseMs });
    expect(readyAt(tank, large, start).at).toBe(start + 100);
    tank = reserved(tank, "b" as LeaseId, large, { now: start + 100, leaseMs });
    const [meter] = tank.meters;
    expect(meter?.kind === "bucket" && fullAtOf(meter)).toBe(start + 100 + 100_000);
    expect(readyAt(tank, callOf(draftOf(1, 0)), start + 100).at).toBe(start + 100 + 90_100);
  });

  test("what a provider says of the past is replayed where it belongs", () => {
    const shape = { perMinute: 6_000, burst: 1_000 };
    let tank = openTank([bucketOf("input", "start", shape, start)]);
    for (const id of ["a", "b"])
      tank = reserved(tank, id as LeaseId, callOf(draftOf(100, 0)), { now: start, leaseMs });
    tank = reserved(tank, "c" as LeaseId, callOf(draftOf(200, 0)), { now: start + 500, leaseMs });
    const told = { kind: "rate", measures: ["input"], limit: 6_000, remaining: 300 } as const;
    // Of what "a" was told at `start` the provider had not seen "c" yet.
    tank = informed(tank, [told], start, start + 1_000);
    const [meter] = tank.meters;
    expect(meter?.kind === "bucket" && levelOf(meter, start + 1_000)).toBeCloseTo(300 - 200 + 100, 6);
  });
});

describe("a stream of output", () => {
  test("a provider that counts tokens as they are written never runs dry", () => {
    fc.assert(
      fc.property(rate, jobs, (shape, script) => {
        const perMs = 0.05;
        const tank = openTank([streamOf(shape, start)]);
        const written: { from: number; to: number }[] = [];
        const { starts } = play(tank, script, {
          call: ({ output }) => callOf(draftOf(0, Math.min(output, shape.burst)), { perMs }),
          begins: ({ output, taken }, now) => {
            const tokens = Math.min(output, shape.burst) * taken;
            written.push({ from: now, to: now + tokens / perMs });
          },
          ends: ({ output, taken, lastsMs }) => ({
            // What is not written by its end never was.
            used: draftOf(0, Math.min(Math.min(output, shape.burst) * taken, lastsMs * perMs)),
          }),
        });
        for (const [index, each] of written.entries()) {
          const ended = (starts[index] ?? 0) + (script[index]?.lastsMs ?? 0);
          each.to = Math.min(each.to, ended);
        }
        // The same fluid, by small steps: the least the provider ever had.
        const moments = [...new Set(written.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
        let level = shape.burst;
        let at = start;
        for (const moment of moments) {
          const drain = written.filter(({ from, to }) => from <= at && at < to).length * perMs;
          level = Math.min(shape.burst, level + (shape.perMinute / minuteMs - drain) * (moment - at));
          at = moment;
          expect(level).toBeGreaterThanOrEqual(-1);
        }
      }),
    );
  });

  test("whatever calls write and when, none of them faster than is stated, nobody begins at a dry provider", () => {
    const perMs = 0.05;
    const rhythm = fc.array(
      fc.record({ part: fc.nat(9), speed: fc.double({ min: 0, max: 1, noNaN: true }) }),
      {
        ...{ minLength: 1, maxLength: 3 },
      },
    );
    const written = fc.array(fc.tuple(job, rhythm), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(rate, written, (shape, script) => {
        const rhythms = new Map(script);
        const totals = new Map<Job, number>();
        const pieces: { from: number; to: number; perMs: number }[] = [];
        const levelAt = (now: number) => {
          const moments = pieces.flatMap(({ from, to }) => [from, to]).filter((at) => at < now);
          let [level, at] = [shape.burst, start];
          for (const to of [...moments.sort((a, b) => a - b), now]) {
            const drain = pieces.reduce(
              (sum, each) => (each.from <= at && at < each.to ? sum + each.perMs : sum),
              0,
            );
            level = Math.min(shape.burst, level + (shape.perMinute / minuteMs - drain) * (to - at));
            at = to;
          }
          return level;
        };
        play(
          openTank([streamOf(shape, start)]),
          script.map(([each]) => each),
          {
            call: ({ output }) => callOf(draftOf(0, output, 4_000), { perMs }),
            begins: (each, now) => {
              expect(levelAt(now)).toBeGreaterThan(-1e-3);
              const parts = rhythms.get(each) ?? [];
              const sum = parts.reduce((total, { part }) => total + part + 1, 0);
              let [from, total] = [now, 0];
              for (const { part, speed } of parts) {
                const to = from + (each.lastsMs * (part + 1)) / sum;
                pieces.push({ from, to, perMs: speed * perMs * haste });
                total += speed * perMs * haste * (to - from);
                from = to;
              }
              totals.set(each, total);
            },
            ends: (each) => ({ used: draftOf(0, totals.get(each) ?? 0) }),
          },
        );
      }),
    );
  });

  test("while a late long answer is out, nobody begins at a provider that it has written dry", () => {
    const shape = { perMinute: 3_600, burst: 400 };
    // 0.06 tokens a ms are the mean with the wait before the first; while it writes, it writes faster.
    const call = callOf(draftOf(0, 400, 4_096), { perMs: 0.06 });
    const tank = reserved(openTank([streamOf(shape, start)]), "long" as LeaseId, call, {
      now: start,
      leaseMs,
    });
    let begun = 0;
    for (let passed = 1_000; passed < 54_000; passed += 1_000) {
      const level = shape.burst + passed * (shape.perMinute / minuteMs - 0.06 * haste);
      const isFree = readyAt(tank, call, start + passed).at <= start + passed;
      if (isFree) expect(level, `after ${passed} ms there is something`).toBeGreaterThan(0);
      if (isFree) begun += 1;
    }
    expect(begun, "before that, others begin beside it").toBeGreaterThan(5);
  });

  test("slow writers do not keep each other out: the refill carries as many as it can", () => {
    // 60 tokens a second, a second's worth of burst, calls of 600 tokens that take 60 s each.
    let tank = openTank([streamOf({ perMinute: 3_600, burst: 60 }, start)]);
    const call = callOf(draftOf(0, 600), { perMs: 0.01 });
    let count = 0;
    while (readyAt(tank, call, start).at === start) {
      tank = reserved(tank, `c${count}` as LeaseId, call, { now: start, leaseMs });
      count += 1;
    }
    expect(count).toBe(6);
  });
});

describe("a window", () => {
  const day = 24 * 60 * minuteMs;

  test("counts to its limit, waits for its reset, begins anew", () => {
    let tank = openTank([windowOf("day", "requests", { limit: 2, periodMs: day, resetAt: start + 1_000 })]);
    for (const id of ["a", "b"])
      tank = reserved(tank, id as LeaseId, callOf(draftOf(1, 1)), { now: start, leaseMs });
    const waiting = readyAt(tank, callOf(draftOf(1, 1)), start);
    expect(waiting).toEqual({ at: start + 1_000, waitsFor: "day window used up" });
    // What is still out belongs to the new window too: nobody knows when it is counted.
    expect(readyAt(tank, callOf(draftOf(1, 1)), start + 1_000).at).toBe(start + 1_000 + day);
    tank = settled(tank, "a" as LeaseId, { used: undefined, how: "well" }, start + 1_000);
    expect(readyAt(tank, callOf(draftOf(1, 1)), start + 1_000).at).toBe(start + 1_000 + day);
    tank = settled(tank, "b" as LeaseId, { used: undefined, how: "well" }, start + 2_000 + day);
    expect(readyAt(tank, callOf(draftOf(1, 1)), start + 2_000 + day).at).toBe(start + 2_000 + day);
  });

  test("a floor is left untouched by those it is for, and a limit of 0 lets nobody in", () => {
    const tank = openTank([windowOf("day", "requests", { limit: 10, periodMs: day, resetAt: start + day })]);
    let next = tank;
    for (let index = 0; index < 8; index++)
      next = reserved(next, `c${index}` as LeaseId, callOf(draftOf(1, 1), { floor: 0.2 }), {
        now: start,
        leaseMs,
      });
    expect(readyAt(next, callOf(draftOf(1, 1), { floor: 0.2 }), start).at).toBe(start + day);
    expect(readyAt(next, callOf(draftOf(1, 1)), start).at).toBe(start);
    const shutOut = openTank([
      windowOf("day", "requests", { limit: 0, periodMs: day, resetAt: start + day }),
    ]);
    expect(readyAt(shutOut, callOf(draftOf(1, 1)), start).at).toBe(start + day);
  });

  test("a reply tells of its beginning: what was settled since comes on top, and one call alone finds out the rest", () => {
    const share = windowOf("5-hour", "share", { limit: 1, periodMs: 5 * 60 * minuteMs });
    const told = (used: number): Reading => ({
      ...fiveHours,
      scope: "account",
      ...{ used, limit: 1, resetAt: start + 10_000_000 },
    });
    const call = callOf(draftOf(100_000, 0), { floor: 0.1 });
    const take = (tank: Tank, id: string, now: number) =>
      reserved(tank, id as LeaseId, call, { now, leaseMs });
    const end = (tank: Tank, id: string, now: number) =>
      settled(tank, id as LeaseId, { used: call.draft, how: "well" }, now);
    // One call takes a tenth, as two readings show.
    let tank = informed(take(openTank([share]), "a", start), [told(0)], start, start + 1);
    tank = take(end(tank, "a", start + 2), "b", start + 3);
    tank = end(informed(tank, [told(0.1)], start + 3, start + 4), "b", start + 5);
    for (const [index, id] of ["c", "d", "e", "f", "g"].entries()) tank = take(tank, id, start + 10 + index);
    for (const id of ["d", "e", "f"]) tank = end(tank, id, start + 20);
    // The call that began first is told what was so before the three.
    tank = informed(tank, [told(0.2)], start + 10, start + 30);
    const [meter] = tank.meters;
    expect(meter?.kind === "window" && shareOf(meter, start + 30)).toBeGreaterThanOrEqual(0.7 - 1e-9);
    const lost = (from: Tank, id: string) =>
      settled(from, id as LeaseId, { used: undefined, how: "else" }, start + 32);
    tank = lost(lost(tank, "c"), "g");
    // Nobody knows whether two of seven tenths were taken: with a fifth to be kept one may go, and no second beside it.
    const careful = callOf(draftOf(100_000, 0), { floor: 0.2 });
    expect(readyAt(tank, careful, start + 41).at).toBe(start + 41);
    tank = take(tank, "scout", start + 41);
    expect(readyAt(tank, careful, start + 42).at).toBeGreaterThan(start + 42);
  });

  test("a window that is told for the first time has what is out in it, and the second reading is believed at once", () => {
    const told = (used: number): Reading => ({
      ...fiveHours,
      scope: "account",
      ...{ used, limit: 1, resetAt: start + 10_000_000 },
    });
    const call = callOf(draftOf(1_000, 0), { floor: 0.5 });
    let tank = openTank([]);
    for (const [index, used] of [0, 0.6].entries()) {
      const at = start + index * 1_000;
      tank = informed(
        reserved(tank, `c${index}` as LeaseId, call, { now: at, leaseMs }),
        [told(used)],
        at,
        at + 10,
      );
      tank = settled(tank, `c${index}` as LeaseId, { used: call.draft, how: "well" }, at + 10);
    }
    expect(readyAt(tank, call, start + 5_000).at).toBe(start + 10_000_000);
  });

  test("the first reading of a window is believed, however long its call took and whatever end it names", () => {
    const moments = fc.record({
      lastsMs: fc.integer({ min: 0, max: 600_000 }),
      otherMs: fc.integer({ min: 0, max: 600_000 }),
      used: fc.double({ min: 0.01, max: 1, noNaN: true }),
      endsInMs: fc.option(fc.integer({ min: -60_000, max: fiveHours.periodMs }), { nil: undefined }),
    });
    fc.assert(
      fc.property(moments, ({ lastsMs, otherMs, used, endsInMs }) => {
        const call = callOf(draftOf(1_000, 100));
        const before = reserved(openTank([]), "first" as LeaseId, call, { now: start, leaseMs });
        // Another began meanwhile, or not; the reply to either may come first.
        const both = reserved(before, "second" as LeaseId, call, { now: start + otherMs, leaseMs });
        const now = start + Math.max(lastsMs, otherMs);
        const resetAt = endsInMs === undefined ? undefined : now + endsInMs;
        const told: Reading = { ...fiveHours, used, limit: 1, resetAt };
        for (const asOf of [start, start + otherMs]) {
          const [meter] = informed(both, [told], asOf, now).meters;
          if (meter?.kind !== "window") throw new Error("the window is known");
          expect(shareOf(meter, now)).toBeGreaterThanOrEqual(used - 1e-9);
          const end = meter.resetAt ?? 0;
          expect(end).toBeGreaterThan(now);
          if (endsInMs !== undefined && endsInMs > 0) expect(end).toBe(resetAt);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("what a provider says only raises what is used, a reset in the past is none, a later one begins a new window", () => {
    let window = windowOf("5-hour", "share", { limit: 1, periodMs: 5 * 60 * minuteMs });
    const readings = (used: number, resetAt: number) =>
      ({ ...fiveHours, used, limit: undefined, resetAt }) as const;
    let tank = openTank([window]);
    const told = (used: number, resetAt: number, now: number) => {
      tank = informed(tank, [readings(used, resetAt)], now, now);
      const [meter] = tank.meters;
      if (meter?.kind !== "window") throw new Error("a window");
      window = meter;
      return shareOf(window, now);
    };
    expect(told(0.4, start + 1_000_000, start)).toBeCloseTo(0.4);
    expect(told(0.3, start + 1_000_000, start + 1)).toBeCloseTo(0.4);
    expect(told(0.5, start - 5_000, start + 2)).toBeCloseTo(0.5);
    expect(window.resetAt).toBe(start + 1_000_000);
    expect(told(0.1, start + 9_000_000, start + 3)).toBeCloseTo(0.1);
    expect(elapsedOf(window, start + 3)).toBeGreaterThan(0);
  });

  test("learns what a token takes of an allowance that nobody publishes", () => {
    let tank = openTank([
      windowOf("5-hour", "share", { limit: 1, periodMs: 5 * 60 * minuteMs, resetAt: start + 10_000_000 }),
    ]);
    const perToken = 1e-6;
    let used = 0;
    for (let index = 0; index < 30; index++) {
      const id = `c${index}` as LeaseId;
      const now = start + index * 1_000;
      const draft = draftOf(1_000 + 100 * index, 200);
      tank = reserved(tank, id, callOf(draft), { now, leaseMs });
      used += perToken * (draft.input + 5 * draft.output);
      tank = settled(tank, id, { used: draft, how: "well" }, now);
      // Rounded to a tenth of a point, as shares are told.
      const told = { used: Math.floor(used * 1_000) / 1_000, limit: undefined, resetAt: undefined };
      tank = informed(tank, [{ ...fiveHours, ...told }], now, now);
    }
    const [meter] = tank.meters;
    if (meter?.kind !== "window") throw new Error("a window");
    expect(windowCost(meter, draftOf(10_000, 0))).toBeCloseTo(1e4 * perToken, 3);
    expect(shareOf(meter, start + 30_000)).toBeCloseTo(used, 1.5);
  });
});

test("a raised limit is used within two minutes, whatever was out; there and back changes nothing", () => {
  const rate = (perMinute: number) => ({ perMinute, burst: perMinute / 60 });
  let tank = openTank([bucketOf("input", "start", { ...rate(60_000), transitMs: 250 }, start)]);
  const told = (limit: number, now: number) => {
    const reading = { kind: "rate", measures: ["input"], limit, remaining: undefined } as const;
    tank = informed(tank, [reading], now, now);
  };
  const took = (from: number, to: number) => {
    let sum = 0;
    for (let now = from, count = 0; now < to; count++) {
      const draft = draftOf(5_000 + ((count * 3_700) % 20_000), 0);
      const { at } = readyAt(tank, callOf(draft), now);
      if (at > now) now = Math.min(at, to);
      else {
        const id = `${now} ${count}` as LeaseId;
        tank = reserved(tank, id, callOf(draft), { now, leaseMs });
        tank = settled(tank, id, { used: draft, how: "well" }, now);
        sum += draft.input;
      }
    }
    return sum;
  };
  took(start, start + minuteMs);
  told(600_000, start + minuteMs);
  took(start + minuteMs, start + 3 * minuteMs);
  expect(took(start + 3 * minuteMs, start + 4 * minuteMs)).toBeGreaterThan(0.9 * 600_000);
  for (const limit of [60_000, 600_000, 60_000, 600_000]) told(limit, start + 4 * minuteMs);
  expect(tank.meters).toMatchObject([{ ...rate(600_000), transitMs: 25 }]);
});

describe("a tank", () => {
  test("reserves from every meter and a slot, or from none", () => {
    const shape = { perMinute: 60_000, burst: 10_000 };
    const meters = [
      bucketOf("requests", "start", { perMinute: 60, burst: 1 }, start),
      streamOf(shape, start),
    ];
    let tank = openTank(meters);
    tank = reserved(tank, "a" as LeaseId, callOf(draftOf(1, 1)), { now: start, leaseMs });
    expect(readyAt(tank, callOf(draftOf(1, 1)), start)).toEqual({ at: start + 1_000, waitsFor: "requests" });
    expect(() => reserved(tank, "b" as LeaseId, callOf(draftOf(1, 1)), { now: start, leaseMs })).toThrow(
      /when it may begin/,
    );
  });

  test("a lease whose holder is gone comes back by itself, once", () => {
    let tank = openTank([bucketOf("input", "start", { perMinute: 60, burst: 60 }, start)], slotsOf(1));
    tank = reserved(tank, "a" as LeaseId, callOf(draftOf(10, 0)), { now: start, leaseMs });
    expect(readyAt(tank, callOf(draftOf(1, 0)), start)).toEqual({
      at: Number.POSITIVE_INFINITY,
      waitsFor: "a free slot",
    });
    const later = start + leaseMs;
    expect(tankAt(tank, later).leases).toEqual([]);
    const twice = settled(
      settled(tank, "a" as LeaseId, { used: draftOf(5, 0), how: "well" }, later),
      "a" as LeaseId,
      { used: draftOf(5, 0), how: "well" },
      later,
    );
    expect(twice.leases).toEqual([]);
    expect(twice.slots.limit, "the end came too late to count as a success").toBe(1);
  });

  test("slots: doubled while all goes well, cut once for one cause, never below one", () => {
    let tank = openTank([], slotsOf(undefined));
    const round = (how: "well" | "busy", now: number) => {
      const ids: LeaseId[] = [];
      while (readyAt(tank, callOf(draftOf(1, 1)), now).at <= now) {
        const id = `c${now}-${ids.length}` as LeaseId;
        tank = reserved(tank, id, callOf(draftOf(1, 1)), { now, leaseMs });
        ids.push(id);
      }
      for (const id of ids) tank = settled(tank, id, { used: draftOf(1, 1), how }, now);
      return ids.length;
    };
    expect([1, 2, 3].map((each) => round("well", start + each))).toEqual([32, 43, 58]);
    const before = Math.floor(tank.slots.limit);
    expect(round("busy", start + 4)).toBe(before);
    expect(tank.slots.limit, "one cause, one cut").toBeCloseTo(before * 0.7, 0);
    for (let each = 0; each < 20; each++) round("busy", start + 10_000 + each * 5_000);
    expect(round("busy", start + 1_000_000)).toBe(1);
  });

  test("a closure holds until its end, a longer one stands, and a clock that is set back takes all along", () => {
    let tank = openTank([bucketOf("input", "start", { perMinute: 60, burst: 60 }, start)]);
    tank = shut(tank, { until: start + 60_000, why: "told to wait" }, start);
    tank = shut(tank, { until: start + 1_000, why: "shorter" }, start);
    expect(readyAt(tank, callOf(draftOf(1, 0)), start)).toEqual({
      at: start + 60_000,
      waitsFor: "told to wait",
    });
    tank = tankAt(tank, start + 60_000);
    tank = reserved(tank, "a" as LeaseId, callOf(draftOf(60, 0)), { now: start + 60_000, leaseMs });
    const back = tankAt(tank, start - 3_600_000);
    expect(readyAt(back, callOf(draftOf(30, 0)), start - 3_600_000).at).toBe(start - 3_600_000 + 30_000);
    const [meter] = back.meters;
    expect(meter?.kind === "bucket" && levelShare(meter, start - 3_600_000)).toBe(0);
    expect(back.leases[0]?.until).toBe(start - 3_600_000 + leaseMs);
  });

  test("costs count what a limit counts", () => {
    const draft = { input: 1_000, cachedInput: 900, output: 50, outputMax: 4_000 };
    expect(
      (["requests", "input", "fresh-input", "output", "sum", "greater"] as const).map((each) =>
        costOf(each, draft),
      ),
    ).toEqual([1, 1_000, 100, 50, 1_050, 4_000]);
  });
});

test("one call that lasts makes the others no slower: what is remembered has a bound, and nothing comes back too often", () => {
  const bucket = (count: number) =>
    Array.from({ length: count }).reduce<Bucket>(
      (next, _, index) => {
        const id = `c${index}` as LeaseId;
        const taken = charged(next, id, 1, start + index);
        return settledIn(taken, id, 1);
      },
      charged(
        bucketOf("input", "start", { perMinute: 60_000, burst: 60_000 }, start),
        "long" as LeaseId,
        5_000,
        start,
      ),
    );
  const full = bucket(5_000);
  expect(full.entries.length).toBeLessThanOrEqual(512);
  expect(levelOf(settledIn(full, "long" as LeaseId, 0), start + 5_000)).toBeLessThanOrEqual(
    levelOf(bucketOf("input", "start", { perMinute: 60_000, burst: 60_000 }, start), start + 5_000),
  );
});
