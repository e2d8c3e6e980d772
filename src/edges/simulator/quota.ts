/**
 * How a provider really counts one account: what the tanks guess at from outside. Deterministic; the clock is an argument
 * and nothing waits by itself, so that it serves a virtual clock and the HTTP server alike. The rules are those of the
 * reference on rate limits, sections 1 and 6.
 *
 * 1. Never more than burst + rate * time is let in; what is larger than a bucket goes when it is full, and leaves a debt.
 * 2. A call is let in by all limits or by none.
 * 3. What is out holds a slot until it has ended; ending it twice changes nothing.
 */
import { present, unreachable } from "../../kit/assert.ts";
import { type BucketShape, type Foreign, ServerBucket } from "./bucket.ts";

/**
 * - anthropic: requests; input as estimated at the start, corrected at the end, without what the cache had; output as it
 *   is written, whatever `max_tokens` says.
 * - openai: at admission the larger of prompt and `max_tokens`, never given back; refused requests count.
 * - gemini: requests a minute and a day, input tokens.
 * - concurrency: so many at once, further ones wait or are refused (DeepSeek, Ollama, Triton).
 * - subscription: windows whose size nobody tells, weighted by model.
 *
 * Any of them may also have any other limit; a kind says how the limit is counted.
 */
export type Counting = "anthropic" | "openai" | "gemini" | "concurrency" | "subscription";

/** What a model's tokens weigh in a window. */
export interface Weights {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
}

export interface WindowSettings {
  /** As headers name it: "5h", "7d". */
  readonly name: string;
  /** Weighted tokens in a window. */
  readonly allowance: number;
  readonly periodMs: number;
}

/** Absent limits do not exist; a limit of 0 lets nothing in. */
export interface QuotaSettings {
  readonly counting: Counting;
  readonly rpm?: number | undefined;
  readonly tpm?: number | undefined;
  readonly itpm?: number | undefined;
  readonly otpm?: number | undefined;
  /** A day ends at midnight, eight hours after UTC's. */
  readonly rpd?: number | undefined;
  readonly concurrency?: number | undefined;
  /** Above `concurrency` so many wait, the connection open; 0 when absent: refused at once. */
  readonly queueMax?: number | undefined;
  /** The bucket's size as a part of a minute's worth, 1/60 to 1; 1/6 when absent. */
  readonly burstPart?: number | undefined;
  readonly windows?: readonly WindowSettings[] | undefined;
  /** By model; 1, 0.1 and 5 for those that are not named. */
  readonly weights?: Readonly<Record<string, Weights>> | undefined;
  /** What is told of tokens left is rounded to the nearest multiple; 1 when absent. */
  readonly roundTo?: number | undefined;
  /** What is told of a window's use is rounded to this; 0.01 when absent. */
  readonly shareStep?: number | undefined;
  readonly foreign?: Foreign | undefined;
}

export interface Arrival {
  readonly model?: string | undefined;
  readonly input: number;
  /** Of `input`, read from the cache. */
  readonly cachedInput: number;
  /** The `max_tokens` of the request; 0: none was sent. */
  readonly outputMax: number;
  /** The input as the provider guesses it before it has counted; absent: it guesses right. */
  readonly estimate?: number | undefined;
}

export type CallId = number & { readonly callId: unique symbol };
export type QuotaResource = "requests" | "tokens" | "input" | "output" | "day" | "slots" | "window";

export type Verdict =
  | { readonly kind: "admitted"; readonly id: CallId }
  /** Its place in the line is kept until `end` of another names it, or its own `end` gives it up. */
  | { readonly kind: "queued"; readonly id: CallId }
  | QuotaRefusal;

export interface QuotaRefusal {
  readonly kind: "refused";
  readonly resource: QuotaResource;
  /** "5h" where it is a window. */
  readonly name: string;
  readonly limit: number;
  /** Taken of what the limit holds. */
  readonly used: number;
  readonly requested: number;
  /** Infinity: waiting does not help; undefined: nobody can say, as with slots. */
  readonly retryAfterMs: number | undefined;
}

export interface RateLevel {
  readonly resource: Exclude<QuotaResource, "window">;
  readonly limit: number;
  /** Rounded as the provider rounds it, from 0 to the limit. */
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
}

export interface WindowLevel {
  readonly name: string;
  /** Used, 0 to 1, rounded. */
  readonly utilization: number;
  readonly status: "allowed" | "allowed_warning" | "rejected";
  /** ms since the epoch. */
  readonly resetAt: number;
  readonly periodMs: number;
}

export interface QuotaLevels {
  readonly rates: readonly RateLevel[];
  readonly windows: readonly WindowLevel[];
}

interface Open {
  readonly arrival: Arrival;
  wrote: number;
  /** Input charged at the start. */
  charged: number;
}

type Rated = "requests" | "tokens" | "input" | "output";
interface Period {
  used: number;
  /** Undefined: it begins with the next call. */
  resetAt: number | undefined;
}

const dayMs = 86_400_000;
/** Midnight where Gemini's days end, without summer time. */
const dayShiftMs = 8 * 3_600_000;
const burstPartUsual = 1 / 6;
const weightsUsual: Weights = { input: 1, cachedInput: 0.1, output: 5 };
const warningAt = 0.8;

export class Quota {
  #settings: QuotaSettings;
  readonly #buckets = new Map<Rated, ServerBucket>();
  readonly #open = new Map<CallId, Open>();
  readonly #line: CallId[] = [];
  readonly #windows = new Map<string, Period>();
  #day: Period = { used: 0, resetAt: undefined };
  #foreignAt: number;
  #calls = 0;

  constructor(settings: QuotaSettings, now: number) {
    this.#settings = settings;
    this.#foreignAt = now;
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
    this.#roll(now);
    const costs = costsOf(this.#settings.counting, arrival);
    const refusal = this.#windowRefusal(now) ?? this.#dayRefusal(now) ?? this.#rateRefusal(costs, now);
    const { concurrency, queueMax = 0 } = this.#settings;
    const isFull = concurrency !== undefined && this.running >= this.#slots(concurrency);
    if (refusal !== undefined || (isFull && this.#line.length >= queueMax)) {
      this.#countRefused(now);
      return refusal ?? slotsRefusal(concurrency ?? 0, this.running);
    }
    for (const [resource, bucket] of this.#buckets) bucket.take(costs[resource], now);
    this.#day.used += 1;
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
      this.#buckets.get("tokens")?.take(tokensAtEnd(this.#settings.counting, call, isWasted), now);
    }
    if (!isWasted) this.#countInWindows(call, now);
    return this.#admitLine();
  }

  levels(now: number): QuotaLevels {
    this.#roll(now);
    const { roundTo = 1, rpd, concurrency, windows = [] } = this.#settings;
    const rates: RateLevel[] = [...this.#buckets].map(([resource, bucket]) => {
      const step = resource === "requests" ? 1 : roundTo;
      const full = Math.min(
        bucket.limit,
        bucket.level(now) + bucket.limit - burstOf(this.#settings, bucket.limit),
      );
      const remaining = Math.max(0, Math.min(bucket.limit, rounded(Math.floor(full), step)));
      return { resource, limit: bucket.limit, remaining, resetMs: Math.ceil(bucket.fullInMs(now)) };
    });
    if (rpd !== undefined) {
      const resetMs = (this.#day.resetAt ?? dayEnd(now)) - now;
      rates.push({
        resource: "day",
        limit: rpd,
        remaining: Math.max(0, Math.floor(rpd - this.#day.used)),
        resetMs,
      });
    }
    if (concurrency !== undefined) {
      const remaining = Math.max(0, this.#slots(concurrency) - this.running);
      rates.push({ resource: "slots", limit: concurrency, remaining, resetMs: 0 });
    }
    return { rates, windows: windows.map((window) => this.#windowLevel(window, now)) };
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
    for (const { name } of settings.windows ?? [])
      if (!this.#windows.has(name)) this.#windows.set(name, { used: 0, resetAt: undefined });
    return this.#admitLine();
  }

  #slots(concurrency: number): number {
    const { foreign } = this.#settings;
    return foreign === undefined ? concurrency : concurrency - Math.floor(concurrency * foreign.share);
  }

  #writesCount(): boolean {
    return this.#settings.counting === "anthropic" || this.#settings.counting === "subscription";
  }

  /** Ends days and windows that are over, and takes the second client's part of those that are not. */
  #roll(now: number): void {
    const { windows = [], foreign, rpd = 0 } = this.#settings;
    const span = Math.max(0, now - this.#foreignAt);
    this.#foreignAt = Math.max(this.#foreignAt, now);
    const share = foreign?.share ?? 0;
    if (this.#day.resetAt !== undefined && now >= this.#day.resetAt)
      this.#day = { used: 0, resetAt: undefined };
    this.#day.resetAt ??= dayEnd(now);
    this.#day.used += (share * rpd * Math.min(span, dayMs)) / dayMs;
    for (const { name, allowance, periodMs } of windows) {
      const window = present(this.#windows.get(name), "the window is known");
      if (window.resetAt !== undefined && now >= window.resetAt) {
        window.used = 0;
        window.resetAt = undefined;
      } else if (window.resetAt !== undefined)
        window.used += (share * allowance * Math.min(span, periodMs)) / periodMs;
    }
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

  #dayRefusal(now: number): QuotaRefusal | undefined {
    const { rpd } = this.#settings;
    const { used, resetAt } = this.#day;
    if (rpd === undefined || used + 1 <= rpd) return undefined;
    return {
      ...{ kind: "refused", resource: "day", name: "day", limit: rpd, used: Math.floor(used), requested: 1 },
      retryAfterMs: rpd === 0 ? Number.POSITIVE_INFINITY : (resetAt ?? dayEnd(now)) - now,
    };
  }

  #windowRefusal(now: number): QuotaRefusal | undefined {
    const over = (this.#settings.windows ?? []).flatMap((window): readonly QuotaRefusal[] => {
      const { used, resetAt } = present(this.#windows.get(window.name), "the window is known");
      if (used < window.allowance) return [];
      const retryAfterMs = window.allowance === 0 ? Number.POSITIVE_INFINITY : (resetAt ?? now) - now;
      const { name, allowance: limit } = window;
      return [{ kind: "refused", resource: "window", name, limit, used, requested: 0, retryAfterMs }];
    });
    return over.sort((left, right) => (right.retryAfterMs ?? 0) - (left.retryAfterMs ?? 0))[0];
  }

  #windowLevel({ name, allowance, periodMs }: WindowSettings, now: number): WindowLevel {
    const { used, resetAt } = present(this.#windows.get(name), "the window is known");
    const share = allowance === 0 ? 1 : used / allowance;
    const isOver = share >= 1;
    const told = Math.min(1, rounded(share, this.#settings.shareStep ?? 0.01));
    const status = isOver ? "rejected" : told >= warningAt ? "allowed_warning" : "allowed";
    return { name, utilization: isOver ? 1 : told, status, resetAt: resetAt ?? now + periodMs, periodMs };
  }

  /** Sending again and again keeps an OpenAI account shut. */
  #countRefused(now: number): void {
    if (this.#settings.counting !== "openai") return;
    const bucket = this.#buckets.get("requests");
    bucket?.take(Math.min(1, Math.max(0, bucket.level(now))), now);
  }

  #countInWindows({ arrival, wrote }: Open, now: number): void {
    const own = this.#settings.weights?.[arrival.model ?? ""] ?? weightsUsual;
    const fresh = arrival.input - arrival.cachedInput;
    const weight = fresh * own.input + arrival.cachedInput * own.cachedInput + wrote * own.output;
    this.#roll(now);
    for (const { name, periodMs } of this.#settings.windows ?? []) {
      const window = present(this.#windows.get(name), "the window is known");
      window.used += weight;
      window.resetAt ??= now + periodMs;
    }
  }

  #admitLine(): readonly CallId[] {
    const { concurrency = Number.POSITIVE_INFINITY } = this.#settings;
    const free = Math.max(0, this.#slots(concurrency) - this.running);
    return this.#line.splice(0, free);
  }
}

function burstOf({ burstPart = burstPartUsual }: QuotaSettings, perMinute: number): number {
  return perMinute === 0 ? 0 : Math.max(1, perMinute * burstPart);
}

/** What a call takes of each bucket when it is let in. */
function costsOf(counting: Counting, arrival: Arrival): Readonly<Record<Rated, number>> {
  const { input, outputMax, estimate } = arrival;
  const guessed = estimate ?? inputOf(counting, arrival);
  switch (counting) {
    case "openai":
      return {
        requests: 1,
        tokens: Math.max(estimate ?? input, outputMax),
        input: guessed,
        output: outputMax,
      };
    case "anthropic":
    case "subscription":
    case "concurrency":
      return { requests: 1, tokens: guessed, input: guessed, output: 0 };
    case "gemini":
      return { requests: 1, tokens: guessed, input: guessed, output: 0 };
    default:
      return unreachable(counting);
  }
}

/** The input that counts in the end. */
function inputOf(counting: Counting, { input, cachedInput }: Arrival): number {
  return counting === "anthropic" || counting === "subscription" ? Math.max(0, input - cachedInput) : input;
}

/** What is still to be taken of a limit on all tokens; below 0: given back. Gemini's counts input alone. */
function tokensAtEnd(counting: Counting, { arrival, charged, wrote }: Open, isWasted: boolean): number {
  const input = isWasted ? 0 : inputOf(counting, arrival);
  return input - charged + (counting === "gemini" ? 0 : wrote);
}

function slotsRefusal(limit: number, used: number): QuotaRefusal {
  const retryAfterMs = limit === 0 ? Number.POSITIVE_INFINITY : undefined;
  return { kind: "refused", resource: "slots", name: "slots", limit, used, requested: 1, retryAfterMs };
}

function rounded(value: number, step: number): number {
  // Multiplied back, a step like 0.01 would leave dust.
  return Number((Math.round(value / step) * step).toPrecision(12));
}

function dayEnd(now: number): number {
  return (Math.floor((now - dayShiftMs) / dayMs) + 1) * dayMs + dayShiftMs;
}
