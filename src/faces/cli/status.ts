import { beadStateKinds } from "../../domain/bead.ts";
import type { Recorded } from "../../domain/event.ts";
import type { Goal } from "../../domain/goal.ts";
import { type GoalId, parseGoalId } from "../../domain/id.ts";
import { type AtWork, addAdvice, type House, type Terminal, UsageError } from "../house.ts";
import { tankWarning } from "./dial.ts";
import { exits } from "./exit.ts";
import { beginCommand } from "./goal.ts";
import { paint } from "./paint.ts";
import { clockTime, firstLine, type Sentence, sentenceOf } from "./sentences.ts";
import { type Now, nearBudget, nowOf, standingNow } from "./standing.ts";
import { aboutBead, shortBead } from "./tree.ts";
import { watchingEnds } from "./watch.ts";
import { cut } from "./width.ts";

/** Goals named one by one; the counts above them are of all. */
const goalsMax = 10;

export async function showStatus(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const totals = (await reader?.view.totals()) ?? { goals: { open: 0, ended: 0 }, beads: {}, sequence: 0 };
  const found = (await reader?.view.goals({ open: true, countMax: goalsMax })) ?? [];
  const atWork = await house.atWork();
  const open = await Promise.all(
    found.map(async (goal) => ({ goal, now: await nowOf(goal, atWork, reader) })),
  );
  await reader?.close();
  const tanks = await warningIn(house);
  if (options.json) {
    const goals = open.map(({ goal: { id, order, beads, spend }, now }) => ({
      goal: id,
      text: order.text,
      ...now,
      beads,
      spend,
    }));
    terminal.out(JSON.stringify({ ...totals, tanks: tanks ?? null, open: goals }));
    return exits.done;
  }
  const beads = beadStateKinds.flatMap((kind) =>
    totals.beads[kind] ? [`${totals.beads[kind]} ${kind === "joined" ? "in a convoy" : kind}`] : [],
  );
  const isEmpty = totals.goals.open + totals.goals.ended === 0;
  // What cannot be read is said before anything else is.
  const hasProviders = isEmpty && (await house.providers()).length > 0;
  terminal.out(`goals: ${totals.goals.open} open, ${totals.goals.ended} ended`);
  terminal.out(`beads: ${beads.length === 0 ? "none" : beads.join(", ")}`);
  if (tanks !== undefined) terminal.out(cut(`tanks: ${tanks}`, terminal.columns("out")));
  for (const { goal, now } of open) {
    const near = nearBudget(goal, house.clock.now());
    const words = [goal.id, nowWords(now, goal, atWork, house.clock.now()), near, firstLine(goal.order.text)];
    terminal.out(cut(words.filter((word) => word !== "").join("  "), terminal.columns("out")));
  }
  const more = totals.goals.open - open.length;
  if (more > 0) terminal.out(`and ${more} more: rigs goal list`);
  if (isEmpty)
    terminal.out(hasProviders ? 'start with: rigs goal execute "…" --check "…"' : `start with: ${addAdvice}`);
  return exits.done;
}

/** What limits stand in the way of, in one line; a configuration that cannot be read is another command's to say. */
export async function warningIn(house: House): Promise<string | undefined> {
  try {
    return tankWarning(await house.tanks(), house.clock.now());
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function nowWords(now: Now, goal: Goal, atWork: AtWork, at: number): string {
  if (!goal.cancelAsked && now.standing === "not-begun")
    return `not begun, run it with: ${beginCommand(goal)}`;
  if (!goal.cancelAsked && now.standing === "interrupted")
    return `interrupted, go on with: rigs goal resume ${goal.id}`;
  return standingNow(goal, atWork, now, at);
}

export interface EventsOptions {
  readonly goal?: string;
  readonly from: number;
  readonly count?: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export interface LogsOptions {
  readonly goal?: string;
  readonly count: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** `events` for people: the newest ones in words, without those that only keep books. */
export async function showLogs(
  { count, ...options }: LogsOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = goalNamed(options.goal);
  const from = await beginningOf(count, goal, house);
  const line = (recorded: Recorded) => {
    const sentence = sentenceOf(recorded.event);
    return sentence === undefined
      ? undefined
      : { ...sentence, text: logWords(recorded, sentence.text, goal) };
  };
  return tellEvents({ ...options, from }, line, house, terminal, signal);
}

/** The goal is named where there may be several, the bead where it may not be the first. */
function logWords({ event }: Recorded, text: string, goal: GoalId | undefined): string {
  const bead = "bead" in event && event.bead !== `${event.goal}.1` ? event.bead : undefined;
  const about = bead === undefined ? text : aboutBead(bead, text);
  const who = [goal === undefined ? event.goal : "", bead === undefined ? "" : shortBead(bead)];
  return [clockTime(event.at), ...who, about].filter((word) => word !== "").join(" ");
}

/** The sequence of the event with which the newest `count` begin. */
async function beginningOf(count: number, goal: GoalId | undefined, house: House): Promise<number> {
  const reader = await house.reader();
  if (reader === undefined) return 1;
  try {
    const { sequence } = await reader.view.totals();
    if (goal === undefined) return Math.max(1, sequence - count + 1);
    const newest: number[] = [];
    for (let from = 1; ; ) {
      const page = await reader.log.read(from, pageMax, goal);
      if (page.length === 0) return newest[0] ?? 1;
      newest.push(...page.map((recorded) => recorded.sequence));
      newest.splice(0, newest.length - count);
      from = (page.at(-1)?.sequence ?? from) + 1;
    }
  } finally {
    await reader.close();
  }
}

function goalNamed(typed: string | undefined): GoalId | undefined {
  const goal = typed === undefined ? undefined : parseGoalId(typed);
  if (typed !== undefined && goal === undefined)
    throw new UsageError(`"${typed}" is not a goal's id; rigs goal list shows all`);
  return goal;
}

/** Events read at a time. */
const pageMax = 1000;

export async function showEvents(
  options: EventsOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  return tellEvents(options, eventWords, house, terminal, signal);
}

async function tellEvents(
  options: EventsOptions,
  wordsOf: (recorded: Recorded) => Sentence | undefined,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = goalNamed(options.goal);
  if (options.follow) terminal.onStop(watchingEnds);
  let from = options.from;
  let left = options.count ?? Number.POSITIVE_INFINITY;
  let shown = 0;
  while (left > 0 && !signal.aborted) {
    const reader = await house.reader();
    const events = reader === undefined ? [] : await reader.log.read(from, Math.min(left, pageMax), goal);
    await reader?.close();
    for (const recorded of events) {
      if (options.json) terminal.out(JSON.stringify(recorded));
      else tellEvent(wordsOf(recorded), terminal);
      from = recorded.sequence + 1;
    }
    left -= events.length;
    shown += events.length;
    if (events.length > 0) continue;
    if (!options.follow) break;
    // Another process writes; a reader has no doorbell, so it looks twice a second.
    await house.clock.sleep(500, signal).catch(() => undefined);
  }
  if (shown === 0 && !options.json) terminal.err("no events match");
  return exits.done;
}

function eventWords({ sequence, event }: Recorded): Sentence {
  const { tone, text } = sentenceOf(event);
  return { tone, text: `${sequence} ${clockTime(event.at)} ${event.goal} ${text}` };
}

function tellEvent(sentence: Sentence | undefined, terminal: Terminal): void {
  if (sentence === undefined) return;
  const line = cut(sentence.text, terminal.columns("out"));
  terminal.out(paint(line, sentence.tone, terminal.hasColor("out")));
}
