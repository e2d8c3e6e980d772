import fc from "fast-check";
import { expect, test } from "vitest";
import type { Priority } from "./bead.ts";
import { elapsedFor, floorOf, type Reach, type Stance } from "./floor.ts";

const hourMs = 3_600_000;
const weekMs = 168 * hourMs;
const strategies = ["aggressive", "balanced", "conservative"] as const;
/** Whole points. */
const share = fc.integer({ min: 0, max: 100 }).map((points) => points / 100);
const priority = fc.integer({ min: 0, max: 4 }).map((value) => value as Priority);
const anyStance = fc.record({
  strategy: fc.constantFrom(...strategies),
  yellow: share,
  red: share,
  priority,
});
const anyReach = fc.record({
  elapsed: fc.option(share, { nil: undefined }),
  periodMs: fc.constantFrom(5 * hourMs, 24 * hourMs, weekMs),
});

test.each<[string, Partial<Stance>, Partial<Reach>, number]>([
  ["aggressive: usual work drains to red", { strategy: "aggressive" }, {}, 0.2],
  ["aggressive: urgent work to nothing", { strategy: "aggressive", priority: 4 }, {}, 0],
  ["balanced: early in the window it stops at yellow", {}, { elapsed: 0.1 }, 0.5],
  ["balanced: as the window passes it goes on", {}, { elapsed: 0.6 }, 0.3],
  ["balanced: toward its end down to red, not below", {}, { elapsed: 1 }, 0.2],
  ["balanced: where nobody knows the end, yellow", {}, { elapsed: undefined }, 0.5],
  ["balanced: high work goes to red at once", { priority: 3 }, { elapsed: 0 }, 0.2],
  ["conservative: yellow, whatever the time", { strategy: "conservative" }, { elapsed: 0.9 }, 0.5],
  [
    "conservative: the week is paced: half of it is for all seven days",
    { strategy: "conservative" },
    { elapsed: 0.2, periodMs: weekMs },
    0.8,
  ],
  [
    "conservative: at the end of the week, yellow",
    { strategy: "conservative" },
    { elapsed: 1, periodMs: weekMs },
    0.5,
  ],
  ["conservative: high work to red", { strategy: "conservative", priority: 3 }, { elapsed: 0.1 }, 0.2],
])("%s", (_name, stance, reach, floor) => {
  const usual: Stance = { strategy: "balanced", yellow: 0.5, red: 0.2, priority: 2 };
  const early: Reach = { elapsed: 0.5, periodMs: 5 * hourMs };
  expect(floorOf({ ...usual, ...stance }, { ...early, ...reach })).toBeCloseTo(floor, 9);
});

test("law: nothing is ever drawn beyond the window, nor asked to leave more than all of it", () => {
  fc.assert(
    fc.property(anyStance, anyReach, (stance, reach) => {
      const floor = floorOf(stance, reach);
      expect(floor).toBeGreaterThanOrEqual(0);
      expect(floor).toBeLessThanOrEqual(1);
    }),
  );
});

test("law: what matters more leaves no more; urgent work leaves nothing", () => {
  fc.assert(
    fc.property(anyStance, anyReach, priority, (stance, reach, other) => {
      const [low, high] = [Math.min(stance.priority, other), Math.max(stance.priority, other)] as Priority[];
      const of = (each = low) => floorOf({ ...stance, priority: each as Priority }, reach);
      expect(of(high)).toBeLessThanOrEqual(of(low));
      expect(of(4)).toBe(0);
    }),
  );
});

test("law: aggressive leaves no more than balanced, balanced no more than conservative", () => {
  fc.assert(
    fc.property(anyStance, anyReach, (stance, reach) => {
      const [first = 0, second = 0, third = 0] = strategies.map((strategy) =>
        floorOf({ ...stance, strategy }, reach),
      );
      expect(first).toBeLessThanOrEqual(second);
      expect(second).toBeLessThanOrEqual(third);
    }),
  );
});

test("law: as a window passes it only opens, and elapsedFor names the moment it opens far enough", () => {
  fc.assert(
    fc.property(anyStance, anyReach, share, share, (stance, { periodMs }, used, elapsed) => {
      const holds = (at: number, room = 0) => used <= 1 - floorOf(stance, { elapsed: at, periodMs }) + room;
      const moment = elapsedFor(stance, periodMs, used);
      if (moment === undefined) {
        expect(holds(1, -1e-6)).toBe(false);
        return;
      }
      expect(holds(moment, 1e-6)).toBe(true);
      expect(holds(elapsed, elapsed < moment - 1e-3 ? -1e-6 : 1e-6)).toBe(elapsed >= moment - 1e-3);
    }),
  );
});
