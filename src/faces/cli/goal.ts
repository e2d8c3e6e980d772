/** Commands that look at goals, and `goal cancel`. */
import { type Attempt, bestRevision } from "../../domain/attempt.ts";
import type { Bead } from "../../domain/bead.ts";
import { partsOf } from "../../domain/budget.ts";
import type { Goal } from "../../domain/goal.ts";
import { type GoalId, parseGoalId } from "../../domain/id.ts";
import { printable } from "../../kit/bounded.ts";
import { type AtWork, type House, type Terminal, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { firstLine, oneLine, shortIds, spendWords, standing, stateWords } from "./sentences.ts";
import { cut } from "./width.ts";

export async function listGoals(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const goals = reader === undefined ? [] : await reader.view.goals({ countMax: 1000 });
  await reader?.close();
  const atWork = await house.atWork();
  if (options.json) terminal.out(JSON.stringify(goals.map(summary)));
  else if (goals.length === 0)
    terminal.out('no goals yet. Start one with: rigs goal execute "…" --check "…"');
  else
    for (const goal of goals)
      terminal.out(
        cut(`${goal.id}  ${standing(goal, atWork)}  ${firstLine(goal.order.text)}`, terminal.columns("out")),
      );
  return exits.done;
}

function summary(goal: Goal) {
  return {
    goal: goal.id,
    text: goal.order.text,
    repository: goal.order.repository,
    createdAt: new Date(goal.createdAt).toISOString(),
    outcome: goal.end?.outcome ?? null,
    beads: goal.beads,
    spend: goal.spend,
  };
}

export async function showGoal(
  typed: string,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  const reader = await house.reader();
  const beads = (await reader?.view.beads({ goal: goal.id, countMax: 1000 })) ?? [];
  const attempts = beads[0] === undefined ? [] : ((await reader?.view.attempts(beads[0].id)) ?? []);
  await reader?.close();
  if (options.json) {
    terminal.out(JSON.stringify({ ...goal, beadList: beads }));
    return exits.done;
  }
  const best = await bestWords(goal, attempts, house);
  describe(goal, beads, { best, atWork: await house.atWork(), house, terminal });
  return exits.done;
}

interface Telling {
  /** See `bestWords`. */
  readonly best: string | undefined;
  readonly atWork: AtWork;
  readonly house: House;
  readonly terminal: Terminal;
}

function describe(goal: Goal, beads: readonly Bead[], { best, atWork, house, terminal }: Telling): void {
  const { order, end } = goal;
  terminal.out(`goal ${goal.id}: ${standing(goal, atWork)}`);
  const line = (name: string, text: string) => terminal.out(`  ${`${name}:`.padEnd(12)}${text}`);
  for (const [index, text] of printable(order.text).split("\n").entries())
    terminal.out(`  ${(index === 0 ? "wants:" : "").padEnd(12)}${text}`);
  line("repository", `${order.repository} from ${order.base.slice(0, 12)}`);
  for (const check of order.checks) line(check.role, oneLine(check.command));
  line("providers", order.providers.join(", "));
  const isRunning = atWork.kind === "process" && atWork.goals.includes(goal.id);
  line("spent", spendWords(goal.spend, { isRunning }));
  for (const bead of beads) line("bead", `${bead.id} ${stateWords(bead.state)}`);
  if (end?.reason !== undefined) line("because", shortIds(oneLine(partsOf(end.reason).why), goal.id));
  if (end?.branch !== undefined) {
    line("branch", `${end.branch} at ${end.commit?.slice(0, 12)}`);
    line("evidence", `${house.evidenceFolder(goal.id)}/evidence.md`);
  }
  if (beads[0] !== undefined) line("each step", `rigs bead show ${beads[0].id}`);
  if (best !== undefined) line("best", best);
  if (end?.outcome !== "delivered" && !isRunning) line("go on with", onwardOf(goal));
}

/** The command that goes on with a goal; one that is out of its budget needs a larger one. */
export function onwardOf({ id, end }: Pick<Goal, "id" | "end">): string {
  return partsOf(end?.reason ?? "").command ?? `rigs goal resume ${id}`;
}

/**
 * The command that brings the best revision of a goal that delivered no branch into the user's repository, as the
 * branch rigs/<goal>-best; undefined when there is none.
 */
export async function bestWords(
  { id, order, end }: Goal,
  attempts: readonly Attempt[],
  house: House,
): Promise<string | undefined> {
  const best = end?.branch === undefined ? bestRevision(attempts) : undefined;
  if (best === undefined) return undefined;
  const isThere = house.folder === order.repository || house.folder.startsWith(`${order.repository}/`);
  const git = isThere ? "git" : `git -C ${quoted(order.repository)}`;
  const ref = `refs/rigs/${best.revision}`;
  return `${git} fetch ${quoted(await house.cloneOf(order))} +${ref}:refs/heads/rigs/${id}-best`;
}

/** A path as a POSIX shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

export async function cancelGoal(
  typed: string,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  if (goal.end !== undefined) throw new UsageError(`goal ${goal.id} has ended already: ${goal.end.outcome}`);
  const hands = await house.hands();
  try {
    await hands.cancel(goal.id);
  } finally {
    await hands.close();
  }
  terminal.out(
    options.json ? JSON.stringify({ goal: goal.id, cancelled: true }) : `goal ${goal.id} is cancelled`,
  );
  return exits.done;
}

/** The goal a person named. UsageError when there is none. */
export async function findGoal(typed: string, house: House): Promise<Goal> {
  const id = parseGoalId(typed);
  const goal = id === undefined ? undefined : await readGoal(id, house);
  if (goal === undefined)
    throw new UsageError(`there is no goal "${oneLine(typed)}"; rigs goal list shows all`);
  return goal;
}

/** Undefined when there is no such goal, or no store. */
export async function readGoal(id: GoalId, house: House): Promise<Goal | undefined> {
  const reader = await house.reader();
  if (reader === undefined) return undefined;
  try {
    return await reader.view.goal(id);
  } finally {
    await reader.close();
  }
}
