/** Commands that look at goals, and `goal cancel`. */
import { type Attempt, bestRevision, countCut } from "../../domain/attempt.ts";
import { type Bead, partlyIn } from "../../domain/bead.ts";
import { partsOf } from "../../domain/budget.ts";
import { type Clash, clashesIn } from "../../domain/conflict.ts";
import { whyUnanswered } from "../../domain/decision.ts";
import { convoyOf, type Goal, isDoneByWhole } from "../../domain/goal.ts";
import { type BeadId, beadId, type GoalId, parseGoalId } from "../../domain/id.ts";
import { printable } from "../../kit/bounded.ts";
import type { Reader } from "../../ports/store.ts";
import { type AtWork, type House, type Terminal, UsageError } from "../house.ts";
import { unpricedIn } from "./cost.ts";
import { exits } from "./exit.ts";
import { say } from "./paint.ts";
import {
  becauseMax,
  becauseOf,
  firstLine,
  oneLine,
  outcomeWords,
  questionMax,
  shortIds,
} from "./sentences.ts";
import {
  budgetTaken,
  doneByWhole,
  linesOf,
  type Now,
  nearBudget,
  nowOf,
  spendWords,
  standingNow,
  stateWords,
} from "./standing.ts";
import { treeLines } from "./tree.ts";
import { cut } from "./width.ts";

export async function listGoals(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const goals = reader === undefined ? [] : await reader.view.goals({ countMax: 1000 });
  const atWork = await house.atWork();
  const at = house.clock.now();
  const lines: string[] = [];
  for (const goal of options.json ? [] : goals) {
    const now = goal.end === undefined ? await nowOf(goal, atWork, reader) : undefined;
    lines.push(listWords(goal, standingNow(goal, atWork, now, at), at));
  }
  await reader?.close();
  if (options.json) terminal.out(JSON.stringify(goals.map(summary)));
  else if (goals.length === 0)
    terminal.out('no goals yet. Start one with: rigs goal execute "…" --check "…"');
  else for (const line of lines) terminal.out(cut(line, terminal.columns("out")));
  return exits.done;
}

function listWords(goal: Goal, standing: string, now: number): string {
  const near = nearBudget(goal, now);
  const words = [goal.id, standing, near, firstLine(goal.order.text)];
  return words.filter((word) => word !== "").join("  ");
}

function summary(goal: Goal) {
  return {
    goal: goal.id,
    text: goal.order.text,
    repository: goal.order.repository,
    createdAt: new Date(goal.createdAt).toISOString(),
    outcome: goal.end?.outcome ?? null,
    convoy: convoyOf(goal.end) ?? null,
    beads: goal.beads,
    budget: goal.order.budget,
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
  const { beads, attempts } = await workOf(goal.id, reader);
  const atWork = await house.atWork();
  const now = goal.end === undefined ? await nowOf(goal, atWork, reader) : undefined;
  await reader?.close();
  if (options.json) {
    terminal.out(JSON.stringify({ ...goal, beadList: beads }));
    return exits.done;
  }
  const best = await bestWords(goal, wholeOf(goal.id, attempts), house);
  const unpriced = await unpricedIn({ goal: goal.id, bead: undefined }, house);
  describe(goal, beads, { attempts, best, unpriced, atWork, now, house, terminal });
  return exits.done;
}

export interface GoalWork {
  readonly beads: readonly Bead[];
  /** Those of all beads. */
  readonly attempts: readonly Attempt[];
}

/** What was done for a goal, as the store has it. */
export async function workOf(goal: GoalId, reader: Reader | undefined): Promise<GoalWork> {
  if (reader === undefined) return { beads: [], attempts: [] };
  const beads = await reader.view.beads({ goal, countMax: 1_000 });
  const tried = beads.filter(({ attempts }) => attempts > 0);
  const attempts = await Promise.all(tried.map(({ id }) => reader.view.attempts(id)));
  return { beads, attempts: attempts.flat() };
}

/** Attempts at the whole: what its parts came to says nothing about why the goal did not. */
export function wholeOf(goal: GoalId, attempts: readonly Attempt[]): readonly Attempt[] {
  return attempts.filter(({ bead }) => bead === beadId(goal, 1));
}

/** Calls that are reserved and not settled. */
export function countOut(attempts: readonly Attempt[]): number {
  return attempts.filter(({ open }) => open !== undefined).length;
}

interface Telling {
  /** Those of all its beads. */
  readonly attempts: readonly Attempt[];
  /** See `bestWords`. */
  readonly best: readonly string[];
  /** Providers without a known price that were asked. */
  readonly unpriced: readonly string[];
  readonly atWork: AtWork;
  /** Undefined once it has ended. */
  readonly now: Now | undefined;
  readonly house: House;
  readonly terminal: Terminal;
}

function describe(goal: Goal, beads: readonly Bead[], telling: Telling): void {
  const { attempts, best, unpriced, atWork, now, house, terminal } = telling;
  const { order, end } = goal;
  const at = house.clock.now();
  const inLine = linesOf(atWork, at);
  say(terminal, "out", {
    tone: "plain",
    text: `goal ${goal.id}: ${standingNow(goal, atWork, now, at)}`,
  });
  const line = (name: string, text: string) => terminal.out(`  ${`${name}:`.padEnd(12)}${text}`);
  for (const [index, text] of printable(order.text).split("\n").entries())
    terminal.out(`  ${(index === 0 ? "wants:" : "").padEnd(12)}${text}`);
  line("repository", `${order.repository} from ${order.base.slice(0, 12)}`);
  for (const check of order.checks) line(check.role, oneLine(check.command));
  const written = attempts.flatMap(({ trail }) => trail).find((entry) => entry.kind === "tests-written");
  if (goal.tests !== undefined && written !== undefined)
    line("tests", `${oneLine(written.files.join(", "))}, by a model (commit ${goal.tests.slice(0, 12)})`);
  else if (order.acceptance === "model") line("tests", "by a model, none so far");
  line("providers", order.providers.join(", "));
  const isRunning = atWork.kind === "process" && atWork.goals.includes(goal.id);
  const prose = (name: string, text: string) =>
    say(terminal, "out", { tone: "plain", text: `  ${`${name}:`.padEnd(12)}${text}` });
  const calls = { out: countOut(attempts), cut: countCut(attempts) };
  prose("spent", spendWords(goal.spend, { isRunning, unpriced, ...calls }));
  const taken = budgetTaken(goal, at);
  if (taken !== undefined) prose("budget", taken);
  if (beads.length > 1) describeTree(goal, beads, { told: clashesIn(attempts), inLine, house, terminal });
  else
    for (const { id, state } of beads)
      prose("bead", `${id} ${shortIds(stateWords(state, inLine.get(id)), goal.id)}`);
  const because = end === undefined ? undefined : becauseOf(end, wholeOf(goal.id, attempts));
  if (end?.outcome === "needs-answer") prose("question", oneLine(end.reason ?? "", questionMax));
  else if (because !== undefined) prose("because", shortIds(oneLine(because, becauseMax), goal.id));
  if (end?.branch !== undefined) {
    line("branch", `${end.branch} at ${end.commit?.slice(0, 12)}`);
    line("evidence", `${house.evidenceFolder(goal.id)}/evidence.md`);
  }
  if (beads[0] !== undefined)
    line("each step", `rigs bead show ${beads[0].id}${beads.length > 1 ? " (or of any part above)" : ""}`);
  for (const [index, text] of best.entries())
    terminal.out(`  ${(index === 0 ? "best:" : "").padEnd(12)}${text}`);
  if (end?.outcome === "needs-answer") {
    line("change", `${house.evidenceFolder(goal.id)}/change.diff`);
    line("yes", answerCommand(goal.id, "yes"));
    line("no", answerCommand(goal.id, "no"));
  } else if (goal.isUnbegun && end === undefined) line("run it", beginCommand(goal));
  else if (!isRunning && isOpenEnded(end, beads)) line("go on with", onwardOf(goal));
}

/** Whether there is something left that going on could bring: what is whole is handed over, also where a part of it is not. */
export function isOpenEnded(end: Goal["end"], beads: readonly Bead[]): boolean {
  if (end?.outcome === "partial") return partlyIn(beads) !== undefined;
  return end?.outcome !== "delivered";
}

/** The command that gives the user's word. */
export function answerCommand(goal: GoalId, word: "yes" | "no"): string {
  return `rigs goal answer ${goal} ${word}`;
}

/** What the goal asks its user now; undefined when it asks nothing. */
export async function questionOf(goal: GoalId, house: House): Promise<string | undefined> {
  const reader = await house.reader();
  try {
    const [bead] = (await reader?.view.beads({ goal, state: "needs-answer", countMax: 1 })) ?? [];
    if (bead?.state.kind === "needs-answer") return bead.state.question;
    // Parts without their whole: no bead of them asks.
    const end = (await reader?.view.goal(goal))?.end;
    return end?.outcome === "needs-answer" && end.commit !== undefined ? end.reason : undefined;
  } finally {
    await reader?.close();
  }
}

/** Every bead on a line, its parts below it: where it stands, and what it landed as. */
function describeTree(
  { id, end }: Goal,
  beads: readonly Bead[],
  {
    told,
    inLine,
    house,
    terminal,
  }: Pick<Telling, "house" | "terminal"> & {
    readonly told: readonly Clash[];
    readonly inLine: ReadonlyMap<BeadId, string>;
  },
): void {
  const parts = beads.filter(({ parent }) => parent !== undefined);
  const landed = parts.filter(({ state }) => state.kind === "integrated");
  const done = parts.filter((bead) => isDoneByWhole(bead, end)).length;
  const others = done === 0 ? "" : `, ${done} ${doneByWhole}`;
  terminal.out(`  ${"parts:".padEnd(12)}${landed.length} of ${parts.length} are in${others}`);
  for (const line of treeLines(beads, { told, inLine, end }, terminal.columns("out") - 4))
    terminal.out(`    ${line}`);
  if (end?.branch !== undefined)
    terminal.out(`  ${"statements:".padEnd(12)}${house.evidenceFolder(id)}/statements/ (one file a bead)`);
}

/** The command that begins what was only recorded. */
export function beginCommand({ id, order }: Pick<Goal, "id" | "order">): string {
  return order.mode.kind === "solo" ? `rigs bead run ${id}.1` : `rigs convoy run ${id}`;
}

/** The command that goes on with a goal, and what has to change before it can help; one that is out of its budget needs a larger one. */
export function onwardOf({ id, end }: Pick<Goal, "id" | "end">): string {
  const convoy = convoyOf(end);
  if (convoy !== undefined) return `rigs convoy run ${convoy}`;
  const resume = `rigs goal resume ${id}`;
  if (end?.isInputFault === true)
    return `start again with another --check or --setup; where this machine lacked something, mend it, then: ${resume}`;
  if (end !== undefined && whyUnanswered(end) !== undefined) return `when that is mended: ${resume}`;
  return partsOf(end?.reason ?? "").command ?? resume;
}

/**
 * The command that brings the best revision of a goal that delivered no branch into the user's repository, as the
 * branch rigs/<goal>-best, below a line that says so where it was refuted; empty when there is none.
 */
export async function bestWords(
  { id, order, end }: Goal,
  attempts: readonly Attempt[],
  house: House,
): Promise<readonly string[]> {
  const best = end?.branch === undefined ? bestRevision(attempts) : undefined;
  if (best === undefined) return [];
  const { revision } = best.revised;
  const isThere = house.folder === order.repository || house.folder.startsWith(`${order.repository}/`);
  const git = isThere ? "git" : `git -C ${quoted(order.repository)}`;
  const ref = `refs/rigs/${revision}`;
  const fetch = `${git} fetch ${quoted(await house.cloneOf(order))} +${ref}:refs/heads/rigs/${id}-best`;
  if (best.refutation === undefined) return [fetch];
  return [`${shortIds(revision, id)}, refuted: read it before you believe its tests`, fetch];
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
  if (goal.end !== undefined)
    throw new UsageError(`goal ${goal.id} has ended already: ${outcomeWords(goal.end)}`);
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
