/**
 * How a provider really counts one account: what the tanks guess at from outside. Deterministic; the clock is an argument
 * and nothing waits by itself, so that it serves a virtual clock and the HTTP server alike. The rules are those of the
 * reference on rate limits, sections 1 and 6.
 *
 * 1. Never more than burst + rate * time is let in; what is larger than a bucket goes when it is full, and leaves a debt.
 * 2. A call is let in by all limits or by none.
 * 3. What is out holds a slot until it has ended; ending it twice changes nothing.
 */
import { type BucketShape, ServerBucket } from "./bucket.ts";
import {
  type Arrival,
  burstOf,
  type CallId,
  type Counted,
  costsOf,
  inputOf,
  type QuotaLevels,
  type QuotaRefusal,
  type QuotaSettings,
  type Rated,
  type RateLevel,
  rounded,
  tokensAtEnd,
  type Verdict,
} from "./counting.ts";
import { Periods } from "./periods.ts";

export type {
  Arrival,
  CallId,
  Counting,
  QuotaLevels,
  QuotaRefusal,
  QuotaResource,
  QuotaSettings,
  RateLevel,
  Verdict,
  WindowLevel,
} from "./counting.ts";

export class Quota {
  #settings: QuotaSettings;
  readonly #buckets = new Map<Rated, ServerBucket>();
  readonly #open = new Map<CallId, Counted>();
  readonly #line: CallId[] = [];
  readonly #periods: Periods;
  #calls = 0;

  constructor(settings: QuotaSettings, now: number) {
    this.#settings = settings;
    this.#periods = new Periods(now);
    this.reshape(settings, now);
  }

  /** Calls that run; without those in line. */
  get running(): number {
    return this.#open.size - this.#line.length;
  }

  get queued(): number {
    return this.#line.length;
  }

  arrive(now: number, arrival: Arrival): Verdict {
    this.#periods.roll(this.#settings, now);
    const costs = costsOf(this.#settings.counting, arrival);
    const refusal = this.#periods.refusal(this.#settings, now) ?? this.#rateRefusal(costs, now);
    const { concurrency, queueMax = 0 } = this.#settings;
    const isFull = concurrency !== undefined && this.running >= this.#slots(concurrency);
    if (refusal !== undefined || (isFull && this.#line.length >= queueMax)) {
      this.#countRefused(now);
      return refusal ?? slotsRefusal(concurrency ?? 0, this.running);
    }
    for (const [resource, bucket] of this.#buckets) bucket.take(costs[resource], now);
    this.#periods.arrived();
    this.#calls += 1;
    const id = this.#calls as CallId;
    this.#open.set(id, { arrival, wrote: 0, charged: costs.input });
    if (isFull) this.#line.push(id);
    return { kind: isFull ? "queued" : "admitted", id };
  }

  /** So many more tokens were written just now. */
  wrote(id: CallId, tokens: number, now: number): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    call.wrote += tokens;
    if (this.#writesCount()) this.#buckets.get("output")?.take(tokens, now);
  }

  /**
   * The call is over, `outputTokens` in all; `isFailed`: with an error. Gives the calls that leave the line and begin now.
   * An error before the first token gives the input back where input is corrected at all.
   */
  end(
    id: CallId,
    { outputTokens, isFailed }: { readonly outputTokens: number; readonly isFailed: boolean },
    now: number,
  ): readonly CallId[] {
    const call = this.#open.get(id);
    if (call === undefined) return [];
    this.wrote(id, Math.max(0, outputTokens - call.wrote), now);
    this.#open.delete(id);
    const at = this.#line.indexOf(id);
    if (at >= 0) this.#line.splice(at, 1);
    const isWasted = isFailed && call.wrote === 0;
    if (this.#settings.counting !== "openai") {
      const used = isWasted ? 0 : inputOf(this.#settings.counting, call.arrival);
      this.#buckets.get("input")?.give(call.charged - used, now);
      const output = this.#writesCount() ? 0 : call.wrote;
      if (output > 0) this.#buckets.get("output")?.take(output, now);
      this.#buckets.get("tokens")?.give(-tokensAtEnd(this.#settings.counting, call, isWasted), now);
    }
    if (!isWasted) this.#periods.took(this.#settings, call, now);
    return this.#admitLine();
  }

  levels(now: number): QuotaLevels {
    const { roundTo = 1, concurrency } = this.#settings;
    const { rates: days, windows } = this.#periods.levels(this.#settings, now);
    const rates: RateLevel[] = [...this.#buckets].map(([resource, bucket]) => {
      const step = resource === "requests" ? 1 : roundTo;
      const full = Math.min(
        bucket.limit,
        bucket.level(now) + bucket.limit - burstOf(this.#settings, bucket.limit),
      );
      const remaining = Math.max(0, Math.min(bucket.limit, rounded(Math.floor(full), step)));
      return { resource, limit: bucket.limit, remaining, resetMs: Math.ceil(bucket.fullInMs(now)) };
    });
    rates.push(...days);
    if (concurrency !== undefined) {
      const remaining = Math.max(0, this.#slots(concurrency) - this.running);
      rates.push({ resource: "slots", limit: concurrency, remaining, resetMs: 0 });
    }
    return { rates, windows };
  }

  /** Other limits from now on; what is out stays out, what was taken stays taken. Gives the calls that leave the line. */
  reshape(settings: QuotaSettings, now: number): readonly CallId[] {
    this.#settings = settings;
    const limits: Readonly<Record<Rated, number | undefined>> = {
      requests: settings.rpm,
      tokens: settings.tpm,
      input: settings.itpm,
      output: settings.otpm,
    };
    for (const resource of ["requests", "tokens", "input", "output"] as const) {
      const perMinute = limits[resource];
      const bucket = this.#buckets.get(resource);
      if (perMinute === undefined) this.#buckets.delete(resource);
      else {
        const shape: BucketShape = {
          perMinute,
          burst: burstOf(settings, perMinute),
          foreign: settings.foreign,
        };
        if (bucket === undefined) this.#buckets.set(resource, new ServerBucket(shape, now));
        else bucket.reshape(shape, now);
      }
    }
    return this.#admitLine();
  }

  #slots(concurrency: number): number {
    const { foreign } = this.#settings;
    return foreign === undefined ? concurrency : concurrency - Math.floor(concurrency * foreign.share);
  }

  #writesCount(): boolean {
    return this.#settings.counting === "anthropic" || this.#settings.counting === "subscription";
  }

  #rateRefusal(costs: Readonly<Record<Rated, number>>, now: number): QuotaRefusal | undefined {
    let worst: QuotaRefusal | undefined;
    for (const [resource, bucket] of this.#buckets) {
      // Output is refused only to those who come after it ran dry.
      const requested = resource === "output" && this.#writesCount() ? 0 : costs[resource];
      const waitMs = bucket.waitMs(requested, now);
      if (waitMs === 0 || waitMs <= (worst?.retryAfterMs ?? 0)) continue;
      const used = Math.max(0, burstOf(this.#settings, bucket.limit) - bucket.level(now));
      worst = {
        ...{ kind: "refused", resource, name: resource, limit: bucket.limit },
        ...{ used: Math.ceil(used), requested, retryAfterMs: waitMs },
      };
    }
    return worst;
  }

  /** Sending again and again keeps an OpenAI account shut. */
  #countRefused(now: number): void {
    if (this.#settings.counting !== "openai") return;
    const bucket = this.#buckets.get("requests");
    bucket?.take(Math.min(1, Math.max(0, bucket.level(now))), now);
  }

  #admitLine(): readonly CallId[] {
    const { concurrency = Number.POSITIVE_INFINITY } = this.#settings;
    const free = Math.max(0, this.#slots(concurrency) - this.running);
    return this.#line.splice(0, free);
  }
}

function slotsRefusal(limit: number, used: number): QuotaRefusal {
  const retryAfterMs = limit === 0 ? Number.POSITIVE_INFINITY : undefined;
  return { kind: "refused", resource: "slots", name: "slots", limit, used, requested: 1, retryAfterMs };
}
