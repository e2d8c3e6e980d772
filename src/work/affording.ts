/** What a bead's next call may take, looked at anew: its goal's budget, and those of beads down to its own. */
import { overtime, type Stood, timeIsOver } from "../domain/budget.ts";
import type { Goal } from "../domain/goal.ts";
import type { BeadId, GoalId } from "../domain/id.ts";
import { type Level, type Levels, levelsAbove, overReason } from "../domain/level.ts";
import { present } from "../kit/assert.ts";
import type { Tools } from "./tools.ts";

/** A goal as it stood, and every bound above a bead of it. */
export interface Means {
  readonly goal: Goal;
  readonly levels: Levels;
}

/** Beads of one goal at most. */
const beadsMax = 10_000;

/**
 * The goal is looked at before its beads: whoever reserves while this goal's spend is still what it was here (the guard
 * "spending") reserves in levels that are still what they were here, or was refused.
 */
export async function meansOf(bead: BeadId, id: GoalId, { store, clock }: Needed): Promise<Means> {
  const goal = present(await store.view.goal(id), "the goal of a claim exists");
  const beads = await store.view.beads({ goal: id, countMax: beadsMax });
  return { goal, levels: levelsAbove({ id: bead }, goal, beads, clock.now()) };
}

type Needed = Pick<Tools, "store" | "clock">;

/** The reason of a bead whose minutes ran out while something of it was going on, or its goal's. `stood`: its call stood in line then. */
export function timeReason({ goal, levels }: Means, stood?: Stood): string {
  const level = levels.find(isOver) ?? levels[0];
  return overReason(goal, level, timeIsOver(level.budget, stood));
}

function isOver({ budget: { wallMsMax }, elapsedMs }: Level): boolean {
  return wallMsMax !== undefined && elapsedMs >= wallMsMax;
}

/** The reason of a bead that cannot wait so long: the wait would pass a bound on minutes. Undefined: it can. */
export function tooLateReason(
  { goal, levels }: Means,
  wait: { readonly until: number; readonly why: string },
  now: number,
): string | undefined {
  for (const level of levels) {
    const { wallMsMax, wallFrom = now } = level.budget;
    if (wallMsMax === undefined || wait.until - wallFrom < wallMsMax) continue;
    // New minutes count anew: the wait takes its part of them, and the work needs the others.
    const neededMs = wait.until - now + Math.max(wallMsMax, 60_000);
    const over = overtime(`${wait.why}, and waiting for it would pass the time budget`, neededMs);
    return overReason(goal, level, over);
  }
  return undefined;
}
