import { beadStateKinds } from "../../domain/bead.ts";
import { parseGoalId } from "../../domain/id.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { paint } from "./paint.ts";
import { clockTime, sentenceOf, standing } from "./sentences.ts";

export async function showStatus(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const totals = (await reader?.view.totals()) ?? { goals: { open: 0, ended: 0 }, beads: {}, sequence: 0 };
  const open = (await reader?.view.goals({ open: true, countMax: 20 })) ?? [];
  await reader?.close();
  if (options.json) {
    terminal.out(
      JSON.stringify({
        ...totals,
        open: open.map(({ id, order, beads, spend }) => ({ goal: id, text: order.text, beads, spend })),
      }),
    );
    return exits.done;
  }
  const beads = beadStateKinds.flatMap((kind) =>
    totals.beads[kind] ? [`${totals.beads[kind]} ${kind}`] : [],
  );
  terminal.out(`goals: ${totals.goals.open} open, ${totals.goals.ended} ended`);
  terminal.out(`beads: ${beads.length === 0 ? "none" : beads.join(", ")}`);
  for (const goal of open)
    terminal.out(`${goal.id}  ${standing(goal)}  ${goal.order.text.split("\n")[0]?.slice(0, 60)}`);
  const first = open[0];
  if (first !== undefined) terminal.out(`go on with: rigs goal resume ${first.id}`);
  else if (totals.goals.ended === 0) terminal.out('start with: rigs goal execute "…" --check "…"');
  return exits.done;
}

export interface EventsOptions {
  readonly goal?: string;
  readonly from: number;
  readonly count: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export async function showEvents(
  options: EventsOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = options.goal === undefined ? undefined : parseGoalId(options.goal);
  if (options.goal !== undefined && goal === undefined)
    throw new UsageError(`"${options.goal}" is not a goal's id`);
  let from = options.from;
  let left = options.count;
  while (left > 0) {
    const reader = await house.reader();
    const events = reader === undefined ? [] : await reader.log.read(from, Math.min(left, 1000), goal);
    await reader?.close();
    for (const recorded of events) {
      const sentence = sentenceOf(recorded.event);
      if (options.json) terminal.out(JSON.stringify(recorded));
      else
        terminal.out(
          `${recorded.sequence} ${clockTime(recorded.event.at)} ${recorded.event.goal} ${sentence === undefined ? recorded.event.type : paint(sentence, terminal.hasColor)}`,
        );
      from = recorded.sequence + 1;
    }
    if (!options.follow) left -= events.length;
    if (events.length > 0) continue;
    if (!options.follow || signal.aborted) break;
    // Another process writes; a reader has no doorbell, so it looks twice a second.
    await house.clock.sleep(500, signal).catch(() => undefined);
  }
  return exits.done;
}
