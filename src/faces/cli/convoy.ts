/** A convoy: the beads that land together, which is one goal's tree, or tasks that a person joined. */
import { unbounded } from "../../domain/budget.ts";
import type { Goal } from "../../domain/goal.ts";
import { type PlannedBead, placedBeads } from "../../domain/plan.ts";
import { present } from "../../kit/assert.ts";
import { joined, type Task } from "../../work/joining.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { findBead } from "./bead.ts";
import { type BudgetOptions, budgetOf, takenIn } from "./execute.ts";
import { exits } from "./exit.ts";
import { beginCommand, findGoal, toldOf } from "./goal.ts";
import { say } from "./paint.ts";
import { firstLine, oneLine, standing } from "./sentences.ts";
import { lay } from "./tend.ts";
import { treeLines } from "./tree.ts";
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
    ...{ workersMax: options.workers, includeDirty: options.includeDirty === true },
    keepRevisions: options.keepRevisions === true || tasks.some(({ goal }) => goal.order.keepRevisions),
  });
  if (joining.kind === "refused") throw new UsageError(joining.why);
  const { order, notes } = await takenIn(named, house, (providers) => ({ ...joining.wish, providers }));
  const beads = tasks.map(({ bead }) => bead.id);
  const convoy = await lay({ ...order, begins: "when-run" }, { kind: "convoy", beads }, house);
  if (options.json) {
    terminal.out(JSON.stringify({ convoy, tasks: beads, base: order.base, begun: false }));
    return exits.done;
  }
  for (const note of [...joining.notes, ...notes]) say(terminal, "err", { tone: "dim", text: oneLine(note) });
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
  const goals = (await reader?.view.goals({ countMax: 1000 })) ?? [];
  await reader?.close();
  const atWork = await house.atWork();
  const convoys = goals.map((goal) => ({ goal, ...counted(goal) })).filter(({ beads }) => beads > 1);
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
  else
    for (const { goal, beads, integrated } of convoys) {
      const line = `${goal.id}  ${standing(goal, atWork)}  ${integrated} of ${beads} beads in  ${firstLine(goal.order.text)}`;
      terminal.out(cut(line, terminal.columns("out")));
    }
  return exits.done;
}

/** Beads of a tree, with the whole; before it is there, those of its plan. */
export function counted(goal: Goal): { readonly beads: number; readonly integrated: number } {
  const all = Object.values(goal.beads).reduce((sum, count) => sum + count, 0);
  const planned = plannedIn(goal).length;
  return {
    beads: goal.end === undefined && planned > 0 ? Math.max(all, planned + 1) : all,
    integrated: goal.beads.integrated ?? 0,
  };
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
  const beads = (await reader?.view.beads({ goal: goal.id, countMax: 10_000 })) ?? [];
  const told = await toldOf(beads, reader);
  await reader?.close();
  const planned = beads.length > 1 ? [] : plannedIn(goal);
  const { why } = goal.order.mode;
  if (options.json) {
    const waiting = planned.map(({ intent, owns, shares, checks }) => ({ intent, owns, shares, checks }));
    const about = { convoy: goal.id, why, begun: !goal.isUnbegun, ...counted(goal) };
    terminal.out(JSON.stringify({ ...about, beadList: beads, planned: waiting }));
    return exits.done;
  }
  const { beads: all, integrated } = counted(goal);
  const how = why === "joined by hand" ? ", joined by hand" : "";
  terminal.out(
    `convoy ${goal.id}: ${standing(goal, await house.atWork())}, ${integrated} of ${all} beads in${how}`,
  );
  for (const line of beads.length > 1 || planned.length === 0
    ? treeLines(beads, told)
    : planned.map(plannedLine))
    terminal.out(cut(`  ${line}`, terminal.columns("out")));
  if (goal.isUnbegun && goal.end === undefined) terminal.out(`  run it: ${beginCommand(goal)}`);
  return exits.done;
}

function plannedLine({ intent }: PlannedBead, index: number): string {
  return `1.${index + 1}  not begun  ${firstLine(intent)}`;
}
