/**
 * How many calls may be out at once: a known number, or one that is found by trying (additive increase, multiplicative
 * decrease). A fresh account is not stormed: the number doubles with each round that went well, until the first that did
 * not.
 */

export interface Slots {
  /** Never more; Infinity where nobody said. */
  readonly max: number;
  /** What is tried now; whole calls only. */
  readonly limit: number;
  /** Still doubling. */
  readonly isFresh: boolean;
  /** Of the newest cut. */
  readonly cutAt: number;
}

/** Calls at once on an account that nothing is known of: what any hosted one takes; who takes less says so, or is configured. */
const firstTry = 32;
const cut = 0.7;
/** Failures this close together come of one cause and cut once. */
const oneCauseMs = 2_000;

export function slotsOf(max: number | undefined): Slots {
  const bound = max ?? Number.POSITIVE_INFINITY;
  // What somebody said is not found by trying.
  const limit = max ?? firstTry;
  return { max: bound, limit, isFresh: true, cutAt: Number.NEGATIVE_INFINITY };
}

/** One call alone, whose answer tells the limits that nobody knows yet. */
export function scout(slots: Slots): Slots {
  return { ...slots, limit: Math.min(slots.limit, 1) };
}

/** Whether the first answer is still awaited. */
export function isScouting({ limit, isFresh, max }: Slots): boolean {
  return isFresh && limit < Math.min(max, firstTry);
}

/** As many as there are calls: what a tank without a bound of its own has. */
export const boundless: Slots = {
  max: Number.POSITIVE_INFINITY,
  limit: Number.POSITIVE_INFINITY,
  isFresh: false,
  cutAt: Number.NEGATIVE_INFINITY,
};

export function hasRoom({ limit }: Slots, open: number): boolean {
  return open < Math.floor(limit);
}

/** A call went well while `open` were out, itself included. Unused room proves nothing. */
export function wentWell(slots: Slots, open: number): Slots {
  if (isScouting(slots)) return { ...slots, limit: Number.isFinite(slots.max) ? slots.max : firstTry };
  if (open < slots.limit / 2) return slots;
  const more = slots.isFresh ? 1 : 1 / slots.limit;
  return { ...slots, limit: Math.min(slots.max, slots.limit + more) };
}

/** The provider could not take more: overloaded, throttled without a word, too slow. */
export function wentWrong(slots: Slots, now: number): Slots {
  if (now - slots.cutAt < oneCauseMs) return slots;
  return { ...slots, limit: Math.max(1, slots.limit * cut), isFresh: false, cutAt: now };
}
