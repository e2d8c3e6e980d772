/**
 * Whose turn it is among those who share the providers: virtual token counters (Sheng et al., OSDI 2024). A tenant is a goal,
 * or a caller of the gateway; its counter is what it was given, and the least counter goes next.
 *
 * 1. While two of one level wait all the time, neither is given more than two largest calls more than the other.
 * 2. Nobody gains by staying away: who comes back goes on from the least counter of those that wait, or from its own.
 * 3. A step of rank is a minute of service ahead, so it decides between levels and starves nobody.
 * 4. It only orders: no place is left free for it.
 */

/** Tokens as they weigh: one that is written takes about as long as two that are read. */
export function serviceOf({ input, output }: { readonly input: number; readonly output: number }): number {
  return input + 2 * output;
}

/** The counter of a tenant that comes back. `least`: of those that wait, or of who left last where nobody does. */
export function lifted(counter: number, least: number): number {
  return Math.max(counter, least);
}

/** One step of priority is worth this much waiting for a place. */
export const rankStepMs = 60_000;
/** Whoever is further ahead than this, or behind, is so by no more. */
const stepsMax = 10;

/** How many whole steps a call is ahead of a usual one that comes at the same moment; below 0: behind. `rank` in ms. */
export function stepsAhead(rank: number, now: number): number {
  return Math.min(stepsMax, Math.max(-stepsMax, Math.floor((now - rank) / rankStepMs)));
}

/** Where in the order of all tenants a call stands that would begin at this counter; the smaller goes first. */
export function keyOf(counter: number, steps: number, step: number): number {
  return counter - steps * step;
}

/** What all were given lately: it fades, so that it comes to the service of about one `rankStepMs`. */
export interface Lately {
  readonly service: number;
  readonly at: number;
}

export const nothingLately: Lately = { service: 0, at: Number.NEGATIVE_INFINITY };

export function givenLately({ service, at }: Lately, given: number, now: number): Lately {
  // A clock that was set back lets nothing grow.
  const passed = Math.max(0, now - at);
  return { service: service * Math.exp(-passed / rankStepMs) + given, at: now };
}

/** Before anybody knows how much is given in a minute. */
const stepLeast = 100_000;

/** What a step of rank is worth, in service. */
export function stepOf({ service }: Lately): number {
  return Math.max(stepLeast, service);
}
