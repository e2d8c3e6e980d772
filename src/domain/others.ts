/**
 * What somebody else takes of a limit, as far as it shows: at each reading, what is gone beyond all that calls from here
 * took. A bucket then fills by the rest, between that reading and the next (`meter`).
 *
 * 1. Nobody shows: nothing is kept back.
 * 2. Without evidence nothing is kept back any more after two minutes, whatever it was.
 */

export interface Others {
  /** Of the refill, 0 to 1: what they take, as far as it showed. */
  readonly part: number;
  /** Of which moment somebody told last, ms since the epoch; undefined: nobody has. */
  readonly toldAt: number | undefined;
}

export const nobodyElse: Others = { part: 0, toldAt: undefined };

/** Evidence is worth a third after this. */
const memoryMs = 45_000;
/** What is kept back already does not show, so what shows is a fifth of what they take. */
const gain = 4;
const partMax = 0.7;
/** Figures are rounded, and calls overtake each other on their way: less is no sign. */
const leastPart = 0.05;

/** `beyondMs`: how long the refill takes for what is missing beyond our own calls, at `asOf`, 0 where nothing is. */
export function heardOf({ part, toldAt }: Others, beyondMs: number, asOf: number): Others {
  // The first tells what was taken before we came.
  if (toldAt === undefined) return { part, toldAt: asOf };
  const sinceMs = Math.max(0, asOf - toldAt);
  const kept = faded(part, sinceMs) + (gain * beyondMs) / (memoryMs + sinceMs);
  return { part: Math.min(partMax, kept), toldAt: Math.max(asOf, toldAt) };
}

/** Of the refill, what is not counted on at `at`. */
export function keptBackOf({ part, toldAt }: Others, at: number): number {
  const left = toldAt === undefined ? 0 : faded(part, Math.max(0, at - toldAt));
  return left < leastPart ? 0 : left;
}

function faded(part: number, ms: number): number {
  return part * Math.exp(-ms / memoryMs);
}
