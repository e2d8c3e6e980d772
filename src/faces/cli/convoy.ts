/** A convoy: the beads that land together, which is one goal's tree, or tasks that a person joined. */
import type { Priority } from "../../domain/bead.ts";
import { unbounded } from "../../domain/budget.ts";
import { clashesIn } from "../../domain/conflict.ts";
import type { Goal } from "../../domain/goal.ts";
import { beadId } from "../../domain/id.ts";
import { type PlannedBead, placedBeads } from "../../domain/plan.ts";
import { present } from "../../kit/assert.ts";
import type { Reader } from "../../ports/store.ts";
import { joined, type Task } from "../../work/joining.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { findBead } from "./bead.ts";
import { exits } from "./exit.ts";
import { beginCommand, findGoal, workOf } from "./goal.ts";
import { type BudgetOptions, budgetOf, takenIn } from "./order.ts";
import { say } from "./paint.ts";
import { firstLine, oneLine } from "./sentences.ts";
import { doneByWhole, linesOf, nowOf, standingNow } from "./standing.ts";
import { lay } from "./tend.ts";
import { rowOf, treeLines, wordsOf } from "./tree.ts";
import { cut } from "./width.ts";

interface Format {
  readonly json?: boolean;
}

export interface ConvoyOptions extends Format, BudgetOptions {
  readonly bead: readonly string[];
  readonly check: readonly string[];
  readonly checkExit: readonly string[];
  readonly provider: readonly string[];
  readonly workers: number;
  readonly includeDirty?: boolean;
  readonly keepRevisions?: boolean;
}

/** Records a goal in place of the tasks; nothing is worked on. */
export async function createConvoy(
  text: string,
  options: ConvoyOptions,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const tasks = await tasksNamed(options.bead, house);
  const all = tasks.flatMap(({ goal }) => goal.order.providers);
  const named = options.provider.length > 0 ? options.provider : [...new Set(all)];
  const joining = joined(tasks, {
    ...{ text, providers: named, checks: options.check, checksByExit: options.checkExit },
    ...{ budget: { ...unbounded, ...budgetOf(options) }, strategy: strategyOf(tasks) },
    priority: Math.max(...tasks.map(({ goal }) => goal.order.priority)) as Priority,
    ...{ workersMax: options.workers, includeDirty: options.includeDirty === true },
    keepRevisions: options.keepRevisions === true || tasks.some(({ goal }) => goal.order.keepRevisions),
  });
  if (joining.kind === "refused") throw new UsageError(joining.why);
  const { order, notes, course } = await takenIn(named, house, (providers) => ({
    ...{ ...joining.wish, providers },
  }));
  const beads = tasks.map(({ bead }) => bead.id);
  const convoy = await lay({ ...order, begins: "when-run" }, { kind: "convoy", beads }, house);
  if (options.json) {
    terminal.out(JSON.stringify({ convoy, tasks: beads, base: order.base, begun: false }));
    return exits.done;
  }
  for (const note of [...joining.notes, ...notes, ...course])
    say(terminal, "err", { tone: "dim", text: oneLine(note) });
  const from = order.base.slice(0, 12);
  terminal.out(`convoy ${convoy}: ${beads.length} tasks land together, from ${from}; nothing is begun`);
  terminal.out(`run it:  rigs convoy run ${convoy}`);
  return exits.done;
}

/** That of all tasks, where they agree. */
function strategyOf(tasks: readonly Task[]): Goal["order"]["strategy"] {
  const strategies = new Set(tasks.map(({ goal }) => goal.order.strategy));
  const [only = "balanced"] = strategies;
  return strategies.size === 1 ? only : "balanced";
}

async function tasksNamed(typed: readonly string[], house: House): Promise<readonly Task[]> {
  const reader = await house.reader();
  try {
    const tasks: Task[] = [];
    for (const each of typed) {
      const bead = await findBead(each, reader);
      const goal = present(await reader?.view.goal(bead.goal), "the goal of a bead exists");
      tasks.push({ goal, bead });
    }
    return tasks;
  } finally {
    await reader?.close();
  }
}

export async function listConvoys(options: Format, house: House, terminal: Terminal): Promise<number> {
  const reader = await house.reader();
  const goals = ((await reader?.view.goals({ countMax: 1000 })) ?? []).filter(isConvoy);
  const convoys = await Promise.all(goals.map(async (goal) => ({ goal, ...(await partsOf(goal, reader)) })));
  const atWork = await house.atWork();
  const at = house.clock.now();
  const lines: string[] = [];
  for (const { goal, ...parts } of options.json ? [] : convoys) {
    const now = goal.end === undefined ? await nowOf(goal, atWork, reader) : undefined;
    const words = [goal.id, standingNow(goal, atWork, now, at), partsWords(parts)];
    lines.push([...words, firstLine(goal.order.text)].join("  "));
  }
  await reader?.close();
  if (options.json)
    terminal.out(
      JSON.stringify(
        convoys.map(({ goal, ...counts }) => ({
          ...{ convoy: goal.id, text: goal.order.text, why: goal.order.mode.why },
          ...{ begun: !goal.isUnbegun, outcome: goal.end?.outcome ?? null, ...counts },
        })),
      ),
    );
  else if (convoys.length === 0)
    terminal.out(
      "no goal is a tree yet: rigs goal execute --fleet or --plan, or join tasks by rigs convoy create",
    );
  else for (const line of lines) terminal.out(cut(line, terminal.columns("out")));
  return exits.done;
}

/** A tree, or what is to become one. */
export function isConvoy({ beads, order, end }: Goal): boolean {
  const isTree = Object.values(beads).reduce((sum, count) => sum + count, 0) > 1;
  return isTree || (order.mode.kind === "fleet" && end === undefined);
}

/** Parts of a tree, without the whole. */
export interface Parts {
  readonly parts: number;
  readonly integrated: number;
  /** Those that were parked, and whose work the delivered whole does. */
  readonly doneByWhole: number;
}

/** Before the tree is there, its parts are those of its plan; none where the plan is still to come. */
export async function partsOf(goal: Goal, reader: Reader | undefined): Promise<Parts> {
  const all = Object.values(goal.beads).reduce((sum, count) => sum + count, 0);
  if (all <= 1)
    return { parts: goal.end === undefined ? plannedIn(goal).length : 0, integrated: 0, doneByWhole: 0 };
  const whole = await reader?.view.bead(beadId(goal.id, 1));
  const isWhole = whole?.state.kind === "integrated";
  const integrated = (goal.beads.integrated ?? 0) - (isWhole ? 1 : 0);
  const isDone = isWhole && goal.end?.outcome === "delivered";
  return { parts: all - 1, integrated, doneByWhole: isDone ? (goal.beads.parked ?? 0) : 0 };
}

/** "2 of 3 parts in", "1 of 3 parts in, 1 done by the whole". */
export function partsWords({ parts, integrated, doneByWhole: done }: Parts): string {
  if (parts === 0) return "not split yet";
  return `${integrated} of ${parts} parts in${done === 0 ? "" : `, ${done} ${doneByWhole}`}`;
}

function plannedIn({ order }: Goal): readonly PlannedBead[] {
  const plan = order.mode.kind === "fleet" ? order.mode.plan : undefined;
  return plan === undefined ? [] : placedBeads(plan).map(({ bead }) => bead);
}

export async function showConvoy(
  typed: string,
  options: Format,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  const reader = await house.reader();
  const { beads, attempts } = await workOf(goal.id, reader);
  const parts = await partsOf(goal, reader);
  const atWork = await house.atWork();
  const now = goal.end === undefined ? await nowOf(goal, atWork, reader) : undefined;
  await reader?.close();
  const planned = beads.length > 1 ? [] : plannedIn(goal);
  const { why } = goal.order.mode;
  if (options.json) {
    const waiting = planned.map(({ name, intent, owns, shares, checks }) => ({
      ...{ name, intent, owns, shares, checks },
    }));
    const about = { convoy: goal.id, why, begun: !goal.isUnbegun, ...parts };
    terminal.out(JSON.stringify({ ...about, beadList: beads, planned: waiting }));
    return exits.done;
  }
  const how = why === "joined by hand" ? ", joined by hand" : "";
  const at = house.clock.now();
  const stands = standingNow(goal, atWork, now, at);
  terminal.out(`convoy ${goal.id}: ${stands}, ${partsWords(parts)}${how}`);
  const columnsMax = terminal.columns("out") - 2;
  for (const line of beads.length > 1 || planned.length === 0
    ? treeLines(beads, { told: clashesIn(attempts), inLine: linesOf(atWork, at), end: goal.end }, columnsMax)
    : planned.map((bead, index) => plannedLine(bead, index, columnsMax)))
    terminal.out(`  ${line}`);
  if (goal.isUnbegun && goal.end === undefined) terminal.out(`  run it: ${beginCommand(goal)}`);
  return exits.done;
}

function plannedLine(bead: PlannedBead, index: number, columnsMax: number): string {
  return rowOf(`1.${index + 1}  not begun`, { what: wordsOf(bead), why: "" }, columnsMax);
}
