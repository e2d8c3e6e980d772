/**
 * What somebody else takes of a limit: what is gone from one reading to the next beyond all that calls from here took.
 * A bucket is counted on to fill by the rest (`meter`). Pure.
 *
 * 1. Where nobody else takes anything, nothing is kept back.
 * 2. Without evidence nothing is kept back any more after two minutes, whatever it was.
 */

export interface Others {
  /** Of the refill, what they take, as it showed by `at`, 0 to 1. */
  readonly part: number;
  readonly at: number;
  /** What was told last; undefined: nothing of this limit. */
  readonly told: Told | undefined;
}

/** What was missing of a full bucket at that moment, requests or tokens. */
export interface Told {
  readonly at: number;
  readonly missing: number;
}

export const nobodyElse: Others = { part: 0, at: 0, told: undefined };

/** Evidence is worth a third after this. */
const memoryMs = 30_000;
const partMax = 0.7;
/** Figures are rounded, and calls overtake each other on their way: less is no sign. */
const leastPart = 0.05;

/** `beyondMs`: how long the refill takes for what went beyond our own calls since what was told before. */
export function heardOf(others: Others, told: Told, beyondMs: number): Others {
  const part = faded(others, told.at) + beyondMs / memoryMs;
  return { part: Math.min(partMax, part), at: told.at, told };
}

/** Of the refill, what is not counted on at `at`. */
export function keptBackOf(others: Others, at: number): number {
  const left = faded(others, at);
  return left < leastPart ? 0 : left;
}

function faded({ part, at: from }: Others, at: number): number {
  return part * Math.exp(-Math.max(0, at - from) / memoryMs);
}
