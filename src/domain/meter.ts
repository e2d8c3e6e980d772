/**
 * What limits count of a call, and what comes at once or is on its way. Pure; times are ms, amounts are requests or tokens.
 */

/** Names a reservation, unique in its tank. */
export type LeaseId = string & { readonly leaseId: unique symbol };

/** What a call will take before it is made, or took; `outputMax` is the bound that was sent with it. */
export interface Draft {
  readonly input: number;
  /** Of `input`, known or expected to be read from a cache. */
  readonly cachedInput: number;
  readonly output: number;
  readonly outputMax: number;
}

/**
 * What of a call a limit counts. `fresh-input`: without what is read from a cache (Anthropic). `sum`: input and output.
 * `greater`: the larger of input and the answer's bound (OpenAI's admission rule).
 */
export type Measure = "requests" | "input" | "fresh-input" | "output" | "sum" | "greater";

export function costOf(measure: Measure, { input, cachedInput, output, outputMax }: Draft): number {
  switch (measure) {
    case "requests":
      return 1;
    case "input":
      return input;
    case "fresh-input":
      return Math.max(0, input - cachedInput);
    case "output":
      return output;
    case "sum":
      return input + output;
    case "greater":
      return Math.max(input, outputMax);
  }
}

/** When a call is charged: `start` corrected at its end, or `fixed` at its start whatever it then takes. */
export type Charging = "start" | "fixed";

/**
 * Of a minute's worth, what may come at once where nobody told: 60 a minute may be meant as one a second. No known provider
 * counts by less than a second.
 */
export const burstPart = 1 / 60;

/** What a bucket of that size holds: at least one request, or a token. */
export function leastBurst(perMinute: number): number {
  return burstOf(perMinute, undefined);
}

/**
 * Of what somebody said may come at once, so much is used: many calls at once are counted a little otherwise here and there, and
 * arrive closer together than they left. Seen over loopback: 10 of 200 calls refused without it.
 */
const usedPart = 0.9;

/** The same where somebody said how many seconds' worth it is; never less than where nobody did. */
export function burstOf(perMinute: number, seconds: number | undefined): number {
  const part = seconds === undefined ? burstPart : Math.max(burstPart, (seconds * usedPart) / 60);
  return Math.max(1, perMinute * part);
}

/**
 * So long a call may be on its way: the provider counts it when it arrives, and one that follows at the last moment may be
 * faster. Seen over loopback: up to 120 ms, when both sides were busy.
 */
const transitMsMax = 250;

/**
 * How long a charge of this limit may be on its way, ms. Where calls follow each other within less than that, as at high
 * rates, so much of each would be waited for nothing: there a part of it has to do.
 */
export function usualTransitMs(measure: Measure, perMinute: number): number {
  const low = measure === "requests" ? 120 : 60_000;
  return transitMsMax * Math.min(1, low / perMinute);
}
