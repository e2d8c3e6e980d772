/**
 * What of a window (a day, five hours, a week) a call has to leave to others. Rates by the minute refill by themselves and
 * are shared by rank; a window that is empty stays empty for long, so some of it is kept for what matters more.
 *
 * | a bead is | aggressive | balanced | conservative |
 * |---|---|---|---|
 * | urgent (priority 4) | all | all | all |
 * | high (priority 3) | down to red | down to red | down to red |
 * | usual | down to red | down to yellow, on to red as fast as the window passes | down to yellow, of a week no faster than it passes |
 *
 * `yellow` and `red` are shares that remain, red the smaller.
 */
import type { Priority } from "./bead.ts";
import type { Strategy } from "./goal.ts";

/** Whose call it is, and how its provider is to be used. */
export interface Stance {
  readonly strategy: Strategy;
  /** Shares remaining, 0 to 1; a red above yellow counts as yellow. */
  readonly yellow: number;
  readonly red: number;
  readonly priority: Priority;
}

/** What a call leaves of a window: a share of 0 to 1, or what its stance says of each window. */
export type Floor = number | Stance;

/** Where in a window a call is. `elapsed`: 0 to 1; undefined where nobody knows when it ends. */
export interface Reach {
  readonly elapsed: number | undefined;
  readonly periodMs: number;
}

const urgent: Priority = 4;
const high: Priority = 3;
/** So far work may run ahead of the clock: a tenth of the window. */
const slack = 0.1;
/** Windows this long are a week, or last longer. */
const weekMs = 6 * 86_400_000;

/** The share of the window that the call leaves untouched, 0 to 1. */
export function floorOf(stance: Stance, reach: Reach): number {
  const { yellow, red } = ordered(stance);
  if (stance.priority >= urgent) return 0;
  if (stance.priority >= high || stance.strategy === "aggressive") return red;
  const pace = paceOf(stance, reach.periodMs);
  const free = pace === undefined || reach.elapsed === undefined ? 0 : pace * reach.elapsed + slack;
  if (stance.strategy === "balanced") return Math.min(yellow, Math.max(red, 1 - free));
  return pace === undefined || reach.elapsed === undefined ? yellow : Math.max(yellow, 1 - free);
}

/**
 * How much of the window has to be over before so much of it (`share`, what the call takes included) may be used; undefined:
 * never in this window. At 0 it may be at once.
 */
export function elapsedFor(stance: Stance, periodMs: number, share: number): number | undefined {
  const at = (elapsed: number) => share <= 1 - floorOf(stance, { elapsed, periodMs }) + rounding;
  if (at(0)) return 0;
  if (!at(1)) return undefined;
  const pace = paceOf(stance, periodMs) ?? 1;
  return Math.min(1, Math.max(0, (share - slack) / pace));
}

const rounding = 1e-9;

function ordered({ yellow, red }: Stance) {
  const within = (value: number) => Math.min(1, Math.max(0, value));
  return { yellow: within(yellow), red: Math.min(within(red), within(yellow)) };
}

/** The share that may be used by the end, which passes with the clock; undefined: this window is not paced. */
function paceOf(stance: Stance, periodMs: number): number | undefined {
  if (stance.strategy === "balanced") return 1;
  return stance.strategy === "conservative" && periodMs >= weekMs ? 1 - ordered(stance).yellow : undefined;
}
