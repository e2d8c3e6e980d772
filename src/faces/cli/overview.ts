/** What `rigs` alone shows: where things stand and what to do next, in at most 15 lines. */
import type { Goal } from "../../domain/goal.ts";
import type { GoalId } from "../../domain/id.ts";
import { type AtWork, addAdvice, type House, type ProviderLine, type Terminal } from "../house.ts";
import { isConvoy, type Parts, partsOf, partsWords } from "./convoy.ts";
import { exits } from "./exit.ts";
import { whoWords } from "./foreman.ts";
import { beginCommand, onwardOf } from "./goal.ts";
import { firstLine } from "./sentences.ts";
import { nowOf, standing, standingNow } from "./standing.ts";
import { warningIn } from "./status.ts";
import { cut } from "./width.ts";

/** Open goals and newest ended ones that are named. */
const openMax = 5;
const endedMax = 2;

export async function showOverview(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const totals = (await reader?.view.totals()) ?? { goals: { open: 0, ended: 0 }, beads: {}, sequence: 0 };
  const open = (await reader?.view.goals({ open: true, countMax: openMax })) ?? [];
  const ended = (await reader?.view.goals({ open: false, countMax: endedMax })) ?? [];
  const parts = new Map<GoalId, Parts>();
  for (const goal of [...open, ...ended].filter(isConvoy)) parts.set(goal.id, await partsOf(goal, reader));
  const atWork = await house.atWork();
  const stands = new Map<GoalId, string>();
  for (const goal of [...open, ...ended]) {
    const now = goal.end === undefined ? await nowOf(goal, atWork, reader) : undefined;
    stands.set(goal.id, standingNow(goal, atWork, now, house.clock.now()));
  }
  await reader?.close();
  const tanks = await warningIn(house);
  const next = nextOf({
    ...{ open, ended, atWork, providers: await house.providers() },
    isInitialised: await house.isInitialised(),
  });
  if (options.json) {
    const named = [...open, ...ended].map((goal) => ({
      goal: goal.id,
      standing: standing(goal, atWork),
      text: firstLine(goal.order.text),
    }));
    terminal.out(JSON.stringify({ home: house.home, ...totals, named, tanks: tanks ?? null, next }));
    return exits.done;
  }
  const line = (text: string) => terminal.out(cut(text, terminal.columns("out")));
  line(`rigs ${house.version}, home ${house.home}`);
  if (atWork.kind !== "nobody") line(whoWords(atWork, house.clock.now()));
  line(`goals: ${totals.goals.open} open, ${totals.goals.ended} ended`);
  for (const goal of [...open, ...ended])
    line(`  ${goalWords(goal, parts.get(goal.id), stands.get(goal.id) ?? "")}`);
  if (tanks !== undefined) line(`tanks: ${tanks}`);
  terminal.out("next:");
  for (const step of next) terminal.out(`  ${step}`);
  terminal.out("every command: rigs --help");
  return exits.done;
}

function goalWords(goal: Goal, parts: Parts | undefined, stands: string): string {
  const count = parts === undefined ? "" : `  ${partsWords(parts)}`;
  return `${goal.id}  ${stands}${count}  ${firstLine(goal.order.text)}`;
}

/** At most three commands, the most pressing first. */
function nextOf(seen: {
  readonly open: readonly Goal[];
  readonly ended: readonly Goal[];
  readonly atWork: AtWork;
  readonly providers: readonly ProviderLine[];
  readonly isInitialised: boolean;
}): readonly string[] {
  const { open, ended, atWork, providers, isInitialised } = seen;
  if (providers.length === 0) return isInitialised ? [addAdvice, "rigs doctor"] : ["rigs init", addAdvice];
  if (!providers.some(({ state }) => state === "usable")) return ["rigs provider list", "rigs doctor"];
  const idle = open.filter((goal) => standing(goal, atWork) === "interrupted");
  const steps = [
    ...(idle.length > 1 ? ["rigs foreman start"] : []),
    ...idle.slice(0, 1).map(({ id }) => `rigs goal resume ${id}`),
    ...open
      .filter((goal) => standing(goal, atWork).startsWith("running"))
      .slice(0, 1)
      .map(({ id }) => `rigs logs --goal ${id} --follow`),
    ...open
      .filter((goal) => standing(goal, atWork) === "not begun")
      .slice(0, 1)
      .map(beginCommand),
    ...ended.slice(0, 1).map((goal) => afterEnd(goal)),
    'rigs goal execute "…" --check "…"',
  ];
  return [...new Set(steps)].slice(0, 3);
}

function afterEnd(goal: Goal): string {
  if (goal.end?.outcome === "delivered") return `git log -p ${goal.end.branch}`;
  return goal.end?.isInputFault || goal.end?.outcome === "needs-answer"
    ? `rigs goal show ${goal.id}`
    : onwardOf(goal);
}
