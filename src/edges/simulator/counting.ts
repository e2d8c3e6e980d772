/** The words of counting: what is set, what arrives, what is answered and told. See `quota.ts`. */
import { unreachable } from "../../kit/assert.ts";
import type { Foreign } from "./bucket.ts";

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

export type Rated = "requests" | "tokens" | "input" | "output";

/** A call as it was counted so far. */
export interface Counted {
  readonly arrival: Arrival;
  wrote: number;
  /** Input charged at the start. */
  charged: number;
}

const burstPartUsual = 1 / 6;

/** What a full bucket of this limit holds. */
export function burstOf({ burstPart = burstPartUsual }: QuotaSettings, perMinute: number): number {
  return perMinute === 0 ? 0 : Math.max(1, perMinute * burstPart);
}

/** What a call takes of each bucket when it is let in. */
export function costsOf(counting: Counting, arrival: Arrival): Readonly<Record<Rated, number>> {
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
export function inputOf(counting: Counting, { input, cachedInput }: Arrival): number {
  return counting === "anthropic" || counting === "subscription" ? Math.max(0, input - cachedInput) : input;
}

/** What is still to be taken of a limit on all tokens; below 0: given back. Gemini's counts input alone. */
export function tokensAtEnd(
  counting: Counting,
  { arrival, charged, wrote }: Counted,
  isWasted: boolean,
): number {
  const input = isWasted ? 0 : inputOf(counting, arrival);
  return input - charged + (counting === "gemini" ? 0 : wrote);
}

/** To the nearest multiple of `step`. */
export function rounded(value: number, step: number): number {
  // Multiplied back, a step like 0.01 would leave dust.
  return Number((Math.round(value / step) * step).toPrecision(12));
}
