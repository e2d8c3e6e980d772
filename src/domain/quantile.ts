/**
 * How much calls usually take, learned one call at a time: a quantile and a mean that follow what happens, in a few
 * numbers. Stochastic approximation: a step up where a value lies above, a smaller one down where it lies below.
 */

export interface Usual {
  readonly count: number;
  readonly mean: number;
  /** The value that `part` of all calls stay below. */
  readonly high: number;
}

/** Which part of the calls stays below `high`. */
export const highPart = 0.9;
/** Newest values count at least this much. */
const leastStep = 0.05;

export const nothingKnown: Usual = { count: 0, mean: 0, high: 0 };

export function noted({ count, mean, high }: Usual, value: number): Usual {
  if (count === 0) return { count: 1, mean: value, high: value * 1.5 };
  const step = Math.max(leastStep, 1 / (count + 1));
  const scale = Math.max(1, mean);
  const drift = value > high ? highPart : highPart - 1;
  return {
    count: count + 1,
    mean: mean + step * (value - mean),
    // Values far above pull harder than the step: what was seen once may come again.
    high: Math.max(mean, high + step * scale * 2 * drift),
  };
}

/** Output tokens to reserve for a call: what is usual, never more than its bound; the bound itself while little is known. */
export function reservedOutput(usual: Usual, outputMax: number): number {
  return usual.count < 5 ? outputMax : Math.min(outputMax, Math.ceil(usual.high));
}

export function likelyOutput(usual: Usual, outputMax: number): number {
  return usual.count === 0 ? outputMax / 4 : Math.min(outputMax, usual.mean);
}
