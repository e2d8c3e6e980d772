/** Where what a provider says and what was counted here drift apart: something else draws from the account, or it is not to be believed. */

import type { Reading } from "./reading.ts";
import type { Tank } from "./tank.ts";
import { doubtOf, rolled, shareOf } from "./window.ts";

export interface Drift {
  /** When it was told, ms. */
  readonly at: number;
  /** The window's name: "5-hour". */
  readonly window: string;
  /** Of the whole window, what was gone beyond all that calls from here took, 0 to 1. */
  readonly share: number;
}

/** Shares are rounded, and what a token takes is learned: less than this is no sign. */
const leastShare = 0.05;
/** Readings of one window may name its end this much apart, ms. */
const sameEndMs = 120_000;

/** What these readings give away of a tank as it stood before them. */
export function driftsOf(tank: Tank, readings: readonly Reading[], now: number): readonly Drift[] {
  return readings.flatMap((reading): readonly Drift[] => {
    if (reading.kind !== "window" || reading.used === undefined) return [];
    const known = tank.meters.find((meter) => meter.kind === "window" && meter.name === reading.name);
    if (known?.kind !== "window") return [];
    const window = rolled(known, now);
    const { weight, measure, resetAt, limit } = window;
    // Without an earlier reading, or a call from here, nothing was counted that could be compared.
    const doubt = measure === "share" ? doubtOf(window) : 0;
    if (doubt === undefined || (measure === "share" && weight.reading === undefined)) return [];
    // Before a reading taught what calls from here take, a small account looks as if others used it.
    const { input, output } = weight.settledAtReading;
    if (measure === "share" && input + output === 0) return [];
    const isNext =
      resetAt !== undefined && reading.resetAt !== undefined && reading.resetAt > resetAt + sameEndMs;
    const whole = measure === "share" ? 1 : (reading.limit ?? limit);
    const share = whole <= 0 || isNext ? 0 : reading.used / whole - shareOf(window, now);
    return share < Math.max(leastShare, doubt)
      ? []
      : [{ at: now, window: window.name, share: Math.min(1, share) }];
  });
}
