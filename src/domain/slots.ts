/**
 * How many calls may be out at once: a known number, or one that is found by trying (additive increase, multiplicative
 * decrease). A fresh account is not stormed: the number doubles with each round that went well, until the first that did
 * not. Nor is one that was overloaded: one call finds out whether it is over, then it doubles up to what it was.
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
  /** On the way back from a closure whose end nobody knew. */
  readonly recovery: Recovery | undefined;
}

export interface Recovery {
  /** The `limit` before. */
  readonly to: number;
  /** Calls that began later tell how it is now, and only they count in `limit`. ms since the epoch. */
  readonly since: number;
  /** What closed it. */
  readonly why: string;
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
  return { max: bound, limit, isFresh: true, cutAt: Number.NEGATIVE_INFINITY, recovery: undefined };
}

/** One call alone, whose answer tells the limits that nobody knows yet. */
export function scout(slots: Slots): Slots {
  return { ...slots, limit: Math.min(slots.limit, 1) };
}

/** Whether the first answer is still awaited. */
export function isScouting({ limit, isFresh, max, recovery }: Slots): boolean {
  return isFresh && recovery === undefined && limit < Math.min(max, firstTry);
}

/** As many as there are calls: what a tank without a bound of its own has. */
export const boundless: Slots = {
  max: Number.POSITIVE_INFINITY,
  limit: Number.POSITIVE_INFINITY,
  isFresh: false,
  cutAt: Number.NEGATIVE_INFINITY,
  recovery: undefined,
};

/** Calls that are out, by when each began. */
type Open = readonly { readonly startedAt: number }[];

function countOf({ recovery }: Slots, open: Open): number {
  return recovery === undefined ? open.length : open.filter((each) => each.startedAt > recovery.since).length;
}

export function hasRoom(slots: Slots, open: Open): boolean {
  return open.length < slots.max && countOf(slots, open) < Math.floor(slots.limit);
}

/** Closed for so long as was only assumed: whoever comes then comes alone until it is answered. */
export function probed(slots: Slots, why: string, now: number): Slots {
  if (isScouting(slots)) return slots;
  return { ...slots, limit: 1, recovery: { to: slots.recovery?.to ?? slots.limit, since: now, why } };
}

/** Whether one call alone is out to find something out: that it fails says nothing of how many are taken at once. */
export function isAlone(slots: Slots): boolean {
  return isScouting(slots) || isProbing(slots);
}

/** Whether nothing was heard yet since it was closed. */
export function isProbing({ limit, recovery }: Slots): boolean {
  return recovery !== undefined && limit <= 1;
}

/** One of those that are `open` went well. Unused room proves nothing. */
export function wentWell(slots: Slots, call: Open[number], { length: open }: Open): Slots {
  const { recovery } = slots;
  if (recovery !== undefined) {
    // What began before says nothing of how it is now.
    if (call.startedAt <= recovery.since) return slots;
    const limit = slots.limit + 1;
    return limit >= Math.min(recovery.to, firstTry)
      ? { ...slots, limit: Math.min(slots.max, recovery.to), recovery: undefined }
      : { ...slots, limit };
  }
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
