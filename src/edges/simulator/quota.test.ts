import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CallId, Quota, type QuotaSettings, type Verdict } from "./quota.ts";

const start = Date.UTC(2026, 0, 2, 3, 4, 5);
const call = { input: 1_000, cachedInput: 0, outputMax: 500 };

function quotaOf(settings: QuotaSettings): Quota {
  return new Quota(settings, start);
}

function idOf(verdict: Verdict): CallId {
  if (verdict.kind === "refused") throw new Error(`refused: ${verdict.resource}`);
  return verdict.id;
}

/** Refused by this, to be tried again after so many ms; undefined: let in. */
function waitOf(verdict: Verdict): readonly [string, number | undefined] | undefined {
  return verdict.kind === "refused" ? [verdict.name, verdict.retryAfterMs] : undefined;
}

const arrival = fc.record({
  pauseMs: fc.integer({ min: 0, max: 5_000 }),
  input: fc.integer({ min: 1, max: 900 }),
  cached: fc.double({ min: 0, max: 1, noNaN: true }),
  outputMax: fc.integer({ min: 1, max: 900 }),
  /** Of the bound. */
  wrote: fc.double({ min: 0, max: 1, noNaN: true }),
  isFailed: fc.boolean(),
  /** Of the input, what the provider guesses at first. */
  guess: fc.double({ min: 0.5, max: 2, noNaN: true }),
});
const arrivals = fc.array(arrival, { minLength: 1, maxLength: 60 });
const rate = fc.record({
  perMinute: fc.integer({ min: 900, max: 20_000 }),
  burstPart: fc.constantFrom(1 / 60, 1 / 6, 1),
  isShared: fc.boolean(),
});

/** Whatever was let in between two moments fits into a full bucket, its refill, and one call that was larger than it. */
function withinRate(
  settings: (rate: { perMinute: number; burstPart: number }) => QuotaSettings,
  costOf: (one: { input: number; cachedInput: number; outputMax: number; output: number }) => number,
) {
  fc.assert(
    fc.property(rate, arrivals, (shape, script) => {
      const foreign = shape.isShared ? { share: 0.3, everyMs: 1_000 } : undefined;
      const counted = settings(shape);
      const quota = quotaOf({ ...counted, foreign });
      const seated: { at: number; cost: number }[] = [];
      let now = start;
      for (const { pauseMs, input, cached, outputMax, wrote, isFailed, guess } of script) {
        now += pauseMs;
        const sizes = { input, cachedInput: Math.floor(input * cached), outputMax };
        const fresh = counted.counting === "anthropic" ? input - sizes.cachedInput : input;
        const one = counted.counting === "openai" ? sizes : { ...sizes, estimate: fresh * guess };
        const verdict = quota.arrive(now, one);
        if (verdict.kind === "refused") {
          const again = verdict.retryAfterMs ?? 0;
          expect(again).toBeGreaterThan(0);
          if (shape.isShared) continue;
          now += Math.ceil(again);
        }
        const id = verdict.kind === "refused" ? idOf(quota.arrive(now, one)) : verdict.id;
        const output = Math.floor(outputMax * wrote);
        quota.end(id, { outputTokens: output, isFailed: isFailed && output > 0 }, now);
        seated.push({ at: now, cost: costOf({ ...sizes, output }) });
      }
      const { perMinute, burstPart } = shape;
      const largest = Math.max(0, ...seated.map(({ cost }) => cost));
      for (const [index, { at }] of seated.entries()) {
        let taken = 0;
        for (const later of seated.slice(index)) {
          taken += later.cost;
          const most = Math.max(1, perMinute * burstPart) + largest + (perMinute * (later.at - at)) / 60_000;
          expect(taken).toBeLessThanOrEqual(most + 1e-3);
        }
      }
    }),
  );
}

describe("a provider that counts", () => {
  test("requests lets in no more than a bucket and its refill, and its hint is true", () => {
    for (const counting of ["anthropic", "gemini", "concurrency", "subscription"] as const)
      withinRate(
        ({ perMinute, burstPart }) => ({ counting, rpm: perMinute / 100, burstPart }),
        () => 100,
      );
  });

  test("as Anthropic lets in no more fresh input and writes no more output than that", () => {
    withinRate(
      ({ perMinute, burstPart }) => ({ counting: "anthropic", itpm: perMinute, burstPart }),
      ({ input, cachedInput }) => input - cachedInput,
    );
    withinRate(
      ({ perMinute, burstPart }) => ({ counting: "anthropic", otpm: perMinute, burstPart }),
      ({ output }) => output,
    );
  });

  test("as OpenAI charges the larger of prompt and bound", () => {
    withinRate(
      ({ perMinute, burstPart }) => ({ counting: "openai", tpm: perMinute, burstPart }),
      ({ input, outputMax }) => Math.max(input, outputMax),
    );
  });

  test("as Gemini counts input alone", () => {
    withinRate(
      ({ perMinute, burstPart }) => ({ counting: "gemini", itpm: perMinute, burstPart }),
      ({ input }) => input,
    );
  });
});

describe("Anthropic's way", () => {
  test("what the cache had is free, and `max_tokens` counts for nothing", () => {
    const quota = quotaOf({ counting: "anthropic", itpm: 60_000, otpm: 6_000, burstPart: 1 / 60 });
    const cached = { input: 50_000, cachedInput: 49_500, outputMax: 64_000 };
    expect(quota.arrive(start, cached).kind).toBe("admitted");
    expect(quota.arrive(start, cached).kind).toBe("admitted");
    expect(waitOf(quota.arrive(start, cached))).toEqual(["input", 500]);
  });

  test("input is guessed at the start and put right at the end", () => {
    const quota = quotaOf({ counting: "anthropic", itpm: 60_000, burstPart: 1 / 60 });
    const id = idOf(quota.arrive(start, { ...call, input: 400, estimate: 900 }));
    expect(waitOf(quota.arrive(start, { ...call, input: 600 }))).toEqual(["input", 500]);
    quota.end(id, { outputTokens: 10, isFailed: false }, start);
    expect(quota.arrive(start, { ...call, input: 600 }).kind).toBe("admitted");
  });

  test("what was guessed too high comes back, but no bucket is fuller than full", () => {
    for (const [name, limit] of [
      ["input", "itpm"],
      ["tokens", "tpm"],
    ] as const) {
      const quota = quotaOf({ counting: "anthropic", [limit]: 60_000, burstPart: 1 / 60 });
      const id = idOf(quota.arrive(start, { ...call, input: 400, estimate: 900 }));
      quota.end(id, { outputTokens: 10, isFailed: false }, start + 60_000);
      idOf(quota.arrive(start + 60_000, call));
      expect(waitOf(quota.arrive(start + 60_000, { ...call, input: 10 }))).toEqual([name, 10]);
    }
  });

  test("output counts when it is written: who comes after it ran dry is refused", () => {
    const quota = quotaOf({ counting: "anthropic", otpm: 6_000, burstPart: 1 / 60 });
    const id = idOf(quota.arrive(start, call));
    expect(quota.arrive(start, call).kind).toBe("admitted");
    quota.wrote(id, 300, start);
    expect(waitOf(quota.arrive(start, call))).toEqual(["output", 2_000]);
    expect(quota.arrive(start + 2_000, call).kind).toBe("admitted");
    quota.end(id, { outputTokens: 300, isFailed: false }, start + 2_000);
    expect(quota.arrive(start + 2_000, call).kind, "what was written is not counted twice").toBe("admitted");
  });

  test("a call larger than the bucket goes when it is full, and an error before the first token costs no input", () => {
    const quota = quotaOf({ counting: "anthropic", itpm: 60_000, burstPart: 1 / 60 });
    const id = idOf(quota.arrive(start, { ...call, input: 5_000 }));
    expect(waitOf(quota.arrive(start, { ...call, input: 1 }))).toEqual(["input", 4_001]);
    quota.end(id, { outputTokens: 0, isFailed: true }, start);
    expect(quota.arrive(start, { ...call, input: 1 }).kind).toBe("admitted");
  });
});

test("OpenAI's way: refused requests count, and nothing is given back", () => {
  const quota = quotaOf({ counting: "openai", rpm: 60, tpm: 60_000, burstPart: 1 / 60 });
  const id = idOf(quota.arrive(start, { ...call, outputMax: 2_000 }));
  quota.end(id, { outputTokens: 1, isFailed: true }, start);
  expect(waitOf(quota.arrive(start, call))).toEqual(["tokens", 2_000]);
  // This takes the request that had come back.
  expect(waitOf(quota.arrive(start + 1_900, call))).toEqual(["tokens", 100]);
  for (const at of [2_500, 2_500]) expect(waitOf(quota.arrive(start + at, call))?.[0]).toBe("requests");
  expect(waitOf(quota.arrive(start + 2_500, call))).toEqual(["requests", 1_000]);
  expect(quota.arrive(start + 3_500, call).kind).toBe("admitted");
});

test("Gemini's way: a day ends at midnight, eight hours after UTC's", () => {
  const quota = quotaOf({ counting: "gemini", rpd: 2 });
  for (const _ of [1, 2]) quota.arrive(start, call);
  const midnight = Date.UTC(2026, 0, 2, 8);
  expect(waitOf(quota.arrive(start, call))).toEqual(["day", midnight - start]);
  expect(quota.arrive(midnight, call).kind).toBe("admitted");
});

test("slots: so many run, so many wait in line, the rest is refused; who ends lets the next begin", () => {
  const quota = quotaOf({ counting: "concurrency", concurrency: 1, queueMax: 3 });
  const [first, second, third] = [1, 2, 3, 4].map(() => idOf(quota.arrive(start, call)));
  expect(waitOf(quota.arrive(start, call))).toEqual(["slots", undefined]);
  const end = (id: CallId | undefined) =>
    quota.end(id as CallId, { outputTokens: 1, isFailed: false }, start);
  expect(end(second), "it gave up waiting").toEqual([]);
  expect(end(first)).toEqual([third]);
  expect(end(first), "twice").toEqual([]);
  expect([quota.running, quota.queued]).toEqual([1, 1]);
});

test("a subscription's windows: weights by model, shares rounded, shut until the end, then fresh", () => {
  const quota = quotaOf({
    counting: "subscription",
    windows: [{ name: "5h", allowance: 100_000, periodMs: 18_000_000 }],
    weights: { dear: { input: 5, cachedInput: 0, output: 25 } },
  });
  const work = (model: string, at: number) => {
    const id = idOf(quota.arrive(at, { ...call, model }));
    quota.end(id, { outputTokens: 1_000, isFailed: false }, at);
    return quota.levels(at).windows[0];
  };
  const [periodMs, resetAt] = [18_000_000, start + 18_000_000];
  const name = "5h";
  expect(work("cheap", start)).toEqual({ name, utilization: 0.06, status: "allowed", resetAt, periodMs });
  expect(work("dear", start + 1)?.utilization).toBe(0.36);
  work("dear", start + 2);
  expect(work("cheap", start + 2)?.status).toBe("allowed");
  expect(work("dear", start + 3)).toMatchObject({ utilization: 1, status: "rejected", resetAt });
  expect(waitOf(quota.arrive(start + 1_000, call))).toEqual(["5h", 17_999_000]);
  expect(work("cheap", resetAt)).toMatchObject({ utilization: 0.06, resetAt: resetAt + periodMs });
});

test("a limit of 0 lets nothing in and no wait helps; one that is lowered on the way holds at once", () => {
  const none = quotaOf({ counting: "anthropic", rpm: 0 });
  expect(waitOf(none.arrive(start, call))).toEqual(["requests", Number.POSITIVE_INFINITY]);
  const quota = quotaOf({ counting: "anthropic", rpm: 600, burstPart: 1 });
  for (let each = 0; each < 10; each++) idOf(quota.arrive(start, call));
  quota.reshape({ counting: "anthropic", rpm: 60, burstPart: 1 / 60 }, start);
  expect(quota.arrive(start, call).kind).toBe("admitted");
  expect(waitOf(quota.arrive(start, call))).toEqual(["requests", 1_000]);
});

test("a second client leaves the rest", () => {
  const foreign = { share: 0.3, everyMs: 1_000 };
  const quota = quotaOf({ counting: "anthropic", rpm: 600, burstPart: 1 / 60, foreign });
  let letIn = 0;
  for (let at = 0; at < 60_000; at += 10) if (quota.arrive(start + at, call).kind === "admitted") letIn += 1;
  expect(letIn).toBeGreaterThan(600 * 0.7 - 5);
  expect(letIn).toBeLessThan(600 * 0.7 + 15);
  const slots = quotaOf({ counting: "concurrency", concurrency: 10, foreign });
  const running = Array.from({ length: 10 }, () => slots.arrive(start, call).kind);
  expect(running.filter((kind) => kind === "admitted")).toHaveLength(7);
});

test("levels: what a full account says, and what is rounded", () => {
  const quota = quotaOf({ counting: "anthropic", rpm: 60, itpm: 80_000, roundTo: 1_000 });
  expect(quota.levels(start).rates).toEqual([
    { resource: "requests", limit: 60, remaining: 60, resetMs: 0 },
    { resource: "input", limit: 80_000, remaining: 80_000, resetMs: 0 },
  ]);
  idOf(quota.arrive(start, { ...call, input: 1_400 }));
  expect(quota.levels(start).rates).toEqual([
    { resource: "requests", limit: 60, remaining: 59, resetMs: 1_000 },
    { resource: "input", limit: 80_000, remaining: 79_000, resetMs: 1_050 },
  ]);
});
