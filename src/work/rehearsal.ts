/**
 * Every check of a plan, run once where its beads begin, before a model is paid: what can never run is a fault of the plan.
 * The results are base's, kept by the verifier: the first beads' proofs find them there.
 */
import { type Check, isGreen } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import { areasOf, type Place, type Placed, type PlanFault, standsOn } from "../domain/plan.ts";
import { ownOf } from "../domain/reach.ts";
import { present } from "../kit/assert.ts";
import type { NewEvent } from "../ports/store.ts";
import { despiteLosses } from "./losses.ts";
import { enclosureOf, type Site, trialOf } from "./survey.ts";
import type { Tools } from "./tools.ts";

/** A check of the plan as it will be run, with its place and its bead. */
export interface Planned {
  readonly check: Check;
  readonly at: Place;
  readonly placed: Placed;
  /** Every bead of the plan. */
  readonly all: readonly Placed[];
}

/** `notes`: one line each, what people should know of a plan that can be worked on. */
export interface Rehearsal {
  readonly faults: readonly PlanFault[];
  readonly notes: readonly string[];
  readonly losses: readonly NewEvent[];
}

/** Rejects with `signal.reason`, or like the verifier. */
export async function rehearse(
  goal: Goal,
  planned: readonly Planned[],
  start: Commit,
  { site, tools, signal }: { readonly site: Site; readonly tools: Tools; readonly signal: AbortSignal },
): Promise<Rehearsal> {
  // A command that several beads are judged by is run once.
  const once = new Map(planned.map((each) => [keyOf(each.check), each.check]));
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  const trial = trialOf(goal, site, { commit: start, base: start, checks: [...once.values()] });
  const { result: runs, losses } = await despiteLosses(goal.id, () => verifier.run(trial, signal));
  const faults: PlanFault[] = [];
  const notes: string[] = [];
  for (const each of planned) {
    const { name } = present(once.get(keyOf(each.check)), "every check was run");
    const run = present(
      runs.find(({ check }) => check === name),
      "a check that is asked for is run",
    );
    const whose = `the check of ${each.placed.bead.name}`;
    if (run.kind === "could-not-run" && !isBrought(each))
      faults.push({ at: each.at, why: `${whose} cannot run: ${run.why}` });
    if (isGreen(run))
      notes.push(
        `${whose} is green already before the work (${each.check.command}): it cannot show what that brings`,
      );
  }
  return { faults, notes, losses };
}

function keyOf({ command, cwd, report, timeoutMs }: Check): string {
  return JSON.stringify([command, cwd, report, timeoutMs]);
}

/** Whether what the command starts, or is told what to run by, may come with the bead or with what it waits for. */
function isBrought({ check, placed, all }: Planned): boolean {
  const areas = standsOn(placed.bead, all).flatMap(areasOf);
  const words = check.command.split(/[\s'"=;&|()<>`]+/).map((word) => word.replace(/^\.\//, ""));
  return areas.some((area) => {
    if (area === "**") return true;
    const folder = area.endsWith("/**") ? area.slice(0, -2) : undefined;
    return folder === undefined
      ? ownOf(check, [area]).length > 0
      : words.some((word) => word.startsWith(folder));
  });
}
