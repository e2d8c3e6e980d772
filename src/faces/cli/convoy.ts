/** A convoy: the beads that land together, which is one goal's tree. */
import type { Goal } from "../../domain/goal.ts";
import type { House, Terminal } from "../house.ts";
import { exits } from "./exit.ts";
import { findGoal } from "./goal.ts";
import { firstLine, standing } from "./sentences.ts";
import { treeLines } from "./tree.ts";
import { cut } from "./width.ts";

interface Format {
  readonly json?: boolean;
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
          convoy: goal.id,
          text: goal.order.text,
          outcome: goal.end?.outcome ?? null,
          ...counts,
        })),
      ),
    );
  else if (convoys.length === 0) terminal.out("no goal is a tree yet: rigs goal execute --fleet, or --plan");
  else
    for (const { goal, beads, integrated } of convoys) {
      const line = `${goal.id}  ${standing(goal, atWork)}  ${integrated} of ${beads} beads in  ${firstLine(goal.order.text)}`;
      terminal.out(cut(line, terminal.columns("out")));
    }
  return exits.done;
}

function counted({ beads }: Goal): { readonly beads: number; readonly integrated: number } {
  const all = Object.values(beads).reduce((sum, count) => sum + count, 0);
  return { beads: all, integrated: beads.integrated ?? 0 };
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
  await reader?.close();
  if (options.json) terminal.out(JSON.stringify({ convoy: goal.id, ...counted(goal), beadList: beads }));
  else {
    const { beads: all, integrated } = counted(goal);
    terminal.out(
      `convoy ${goal.id}: ${standing(goal, await house.atWork())}, ${integrated} of ${all} beads in`,
    );
    for (const line of treeLines(beads)) terminal.out(cut(`  ${line}`, terminal.columns("out")));
  }
  return exits.done;
}
