/**
 * How a model's own count of a prompt relates to ours, learned one reply at a time. No local tokenizer is right for every
 * model, but each is wrong in its own steady way: a factor that follows, and how far single prompts lie above it.
 */

export interface Correction {
  /** Replies it was learned from. */
  readonly count: number;
  /** Actual by counted, as it usually is. */
  readonly factor: number;
  /** What 95 % of actual counts stay below, by the corrected one; 1 or more. */
  readonly margin: number;
}

/** Rough counts of code lie within a tenth; more room, as long as nobody knows better. */
export const nothingLearned: Correction = { count: 0, factor: 1, margin: 1.25 };

/** A count beyond these is no count: a server that reports nonsense, or what no prompt of ours is. */
const [factorMin, factorMax] = [0.25, 4];
const [marginMin, marginMax] = [1, 2];
/** Newest replies count at least this much. */
const leastStep = 0.05;
const marginPart = 0.95;
/** Below it the frame that every wire puts around a prompt says more than the prompt. */
const countedMin = 50;

/** After a reply to a prompt that was counted as `counted` and is reported as `actual` tokens. */
export function learned(correction: Correction, counted: number, actual: number): Correction {
  if (counted < countedMin || actual <= 0) return correction;
  const { count, factor, margin } = correction;
  const ratio = within(actual / counted, factorMin, factorMax);
  const step = Math.max(leastStep, 1 / (count + 1));
  const next = factor + step * (ratio - factor);
  // Measured against what was known before: a prompt does not vouch for itself.
  const isAbove = count > 0 && ratio > factor * margin;
  const drift = isAbove ? marginPart : marginPart - 1;
  const moved = count === 0 ? margin : margin + 0.5 * leastStep * drift;
  return { count: count + 1, factor: next, margin: within(moved, marginMin, marginMax) };
}

/** What a prompt of so many counted tokens usually is for this model, whole tokens. */
export function corrected({ factor }: Correction, counted: number): number {
  return Math.ceil(counted * factor);
}

/** What 95 % of such prompts stay below: for reservations. */
export function correctedMost({ factor, margin }: Correction, counted: number): number {
  return Math.ceil(counted * factor * margin);
}

/** What was kept, as far as it can be one; otherwise nothing is known. */
export function correctionIn(value: unknown): Correction {
  const { count, factor, margin } = (value ?? {}) as Partial<Record<keyof Correction, unknown>>;
  const isNumber = (each: unknown): each is number => typeof each === "number" && Number.isFinite(each);
  if (!isNumber(count) || !isNumber(factor) || !isNumber(margin) || count < 0) return nothingLearned;
  return {
    count: Math.floor(count),
    factor: within(factor, factorMin, factorMax),
    margin: within(margin, marginMin, marginMax),
  };
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
