import type { Goal, GoalEnd, Strategy } from "../../domain/goal.ts";
import { type GoalId, parseGoalId } from "../../domain/id.ts";
import { Interrupted } from "../../work/interrupted.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { exitOf, exits } from "./exit.ts";
import { readFileText } from "./input.ts";
import { seconds, spendWords, standing, stateWords } from "./sentences.ts";
import { openWatch } from "./watch.ts";

/** The options of `goal execute`, as commander parses them. */
export interface ExecuteOptions {
  readonly file?: string;
  readonly repo?: string;
  readonly check: readonly string[];
  readonly checkExit: readonly string[];
  readonly protect: readonly string[];
  readonly allowChange: readonly string[];
  readonly allowDeps?: boolean;
  readonly setup?: string;
  readonly provider: readonly string[];
  readonly budgetUsd?: number;
  readonly budgetTokens?: number;
  readonly maxMinutes?: number;
  readonly strategy: string;
  readonly includeDirty?: boolean;
  readonly unsafeNoSandbox?: boolean;
  readonly json?: boolean;
}

export async function executeGoal(
  text: string | undefined,
  options: ExecuteOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const wanted = await goalText(text, options.file);
  const providers = await house.chooseProviders(options.provider);
  if (providers.kind === "none") throw new UsageError(providers.why);
  const intake = await house.takeIn({
    text: wanted,
    folder: options.repo ?? house.folder,
    checks: options.check,
    checksByExit: options.checkExit,
    protect: options.protect,
    allowChange: options.allowChange,
    allowDependencies: options.allowDeps === true,
    setup: options.setup,
    providers: providers.names,
    budget: {
      usdMax: options.budgetUsd,
      tokensMax: options.budgetTokens,
      wallMsMax: options.maxMinutes === undefined ? undefined : options.maxMinutes * 60_000,
    },
    strategy: strategyOf(options.strategy),
    includeDirty: options.includeDirty === true,
    unsafeNoSandbox: options.unsafeNoSandbox === true,
  });
  if (intake.kind === "refused") throw new UsageError(intake.why);
  for (const note of [...providers.notes, ...intake.notes]) terminal.err(note);
  if (intake.order.unsafeNoSandbox)
    terminal.err(
      "WARNING: --unsafe-no-sandbox runs code that a model wrote as you, with your files and network; the best verdict is unisolated-pass",
    );
  const hands = await house.hands();
  try {
    const goal = await hands.create(intake.order);
    return await follow(goal, intake.order.base, options.json === true, { hands, house, terminal, signal });
  } finally {
    await hands.close();
  }
}

export async function resumeGoal(
  typed: string,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  if (goal.end?.outcome === "delivered")
    throw new UsageError(`goal ${goal.id} is delivered already, on branch ${goal.end.branch}`);
  const hands = await house.hands();
  try {
    await hands.resume(goal.id);
    return await follow(goal.id, goal.order.base, options.json === true, { hands, house, terminal, signal });
  } finally {
    await hands.close();
  }
}

interface Place {
  readonly hands: Awaited<ReturnType<House["hands"]>>;
  readonly house: House;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

async function follow(goal: GoalId, base: string, json: boolean, place: Place): Promise<number> {
  const { hands, house, terminal, signal } = place;
  const startedAt = house.clock.now();
  const watch = openWatch(goal, json, terminal, house.clock);
  if (json) terminal.out(JSON.stringify({ type: "goal-start", goal, base }));
  else terminal.err(`goal ${goal} (Ctrl-C stops it cleanly)`);
  try {
    const end = await hands.finish(goal, watch.see, signal);
    watch.close();
    await report(goal, end, json, { house, terminal, wallMs: house.clock.now() - startedAt });
    return exitOf(end);
  } catch (error) {
    watch.close();
    if (!(error instanceof Interrupted)) throw error;
    if (json)
      terminal.out(JSON.stringify(await endLine(goal, interruptedEnd, house, house.clock.now() - startedAt)));
    else terminal.err(`stopped; nothing is lost. Go on with: rigs goal resume ${goal}`);
    return exits.interrupted;
  }
}

const interruptedEnd: GoalEnd = {
  outcome: "cancelled",
  reason: "interrupted",
  isInputFault: false,
  branch: undefined,
  commit: undefined,
  proof: undefined,
  statement: undefined,
};

async function report(
  goal: GoalId,
  end: GoalEnd,
  json: boolean,
  place: { readonly house: House; readonly terminal: Terminal; readonly wallMs: number },
): Promise<void> {
  const { house, terminal, wallMs } = place;
  if (json) {
    terminal.out(JSON.stringify(await endLine(goal, end, house, wallMs)));
    return;
  }
  const known = await readGoal(goal, house);
  const words =
    end.proof === undefined
      ? ""
      : `, ${end.proof.verdict}: ${end.proof.testsPassed} of ${end.proof.testsRun} tests pass`;
  terminal.out(
    `${end.outcome}${words} (${seconds(wallMs)}${known === undefined ? "" : `, ${spendWords(known.spend)}`})`,
  );
  if (end.reason !== undefined) terminal.out(`because: ${end.reason}`);
  if (end.branch !== undefined) {
    terminal.out(`branch:   ${end.branch} at ${end.commit?.slice(0, 12)}`);
    terminal.out(`evidence: ${house.evidenceFolder(goal)}/evidence.md`);
    terminal.out(`look:     git log -p ${end.branch}`);
  } else terminal.out(`look:     rigs goal show ${goal}`);
}

/** The last line of `--json`, as section 13 of the design fixes it. */
async function endLine(goal: GoalId, end: GoalEnd, house: House, wallMs: number) {
  const known = await readGoal(goal, house);
  const beads = known?.beads ?? {};
  const total = Object.values(beads).reduce((sum, count) => sum + count, 0);
  const spend = known?.spend;
  return {
    type: "goal-end",
    goal,
    outcome: end.outcome,
    branch: end.branch ?? null,
    base: known?.order.base ?? null,
    commit: end.commit ?? null,
    beads: { total, integrated: beads.integrated ?? 0, parked: beads.parked ?? 0 },
    proof:
      end.proof === undefined
        ? null
        : { ...end.proof, statement: `${house.evidenceFolder(goal)}/statement.json` },
    spend: {
      requests: spend?.requests ?? 0,
      inputTokens: spend?.inputTokens ?? 0,
      cachedInputTokens: spend?.cachedInputTokens ?? 0,
      outputTokens: spend?.outputTokens ?? 0,
      usd: spend?.usd ?? 0,
      wallMs,
    },
    reason: end.reason ?? null,
  };
}

export async function listGoals(
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  const goals = reader === undefined ? [] : await reader.view.goals({ countMax: 1000 });
  await reader?.close();
  if (options.json) terminal.out(JSON.stringify(goals.map(summary)));
  else if (goals.length === 0)
    terminal.out('no goals yet. Start one with: rigs goal execute "…" --check "…"');
  else
    for (const goal of goals)
      terminal.out(`${goal.id}  ${standing(goal)}  ${goal.order.text.split("\n")[0]?.slice(0, 70)}`);
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
  await reader?.close();
  if (options.json) {
    terminal.out(JSON.stringify({ ...goal, beadList: beads }));
    return exits.done;
  }
  const { order, end } = goal;
  terminal.out(`goal ${goal.id}: ${standing(goal)}`);
  terminal.out(`  wants:      ${order.text.split("\n").join("\n              ")}`);
  terminal.out(`  repository: ${order.repository} from ${order.base.slice(0, 12)}`);
  for (const check of order.checks) terminal.out(`  ${check.role.padEnd(11)} ${check.command}`);
  terminal.out(`  providers:  ${order.providers.join(", ")}`);
  terminal.out(`  spent:      ${spendWords(goal.spend)}`);
  for (const bead of beads) terminal.out(`  bead ${bead.id}: ${stateWords(bead.state)}`);
  if (end?.reason !== undefined) terminal.out(`  because:    ${end.reason}`);
  if (end?.branch !== undefined) {
    terminal.out(`  branch:     ${end.branch} at ${end.commit?.slice(0, 12)}`);
    terminal.out(`  evidence:   ${house.evidenceFolder(goal.id)}/evidence.md`);
  }
  if (end === undefined || end.outcome !== "delivered")
    terminal.out(`  go on with: rigs goal resume ${goal.id}`);
  return exits.done;
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

async function findGoal(typed: string, house: House): Promise<Goal> {
  const id = parseGoalId(typed);
  const goal = id === undefined ? undefined : await readGoal(id, house);
  if (goal === undefined) throw new UsageError(`there is no goal "${typed}"; rigs goal list shows all`);
  return goal;
}

async function readGoal(id: GoalId, house: House): Promise<Goal | undefined> {
  const reader = await house.reader();
  if (reader === undefined) return undefined;
  try {
    return await reader.view.goal(id);
  } finally {
    await reader.close();
  }
}

async function goalText(text: string | undefined, file: string | undefined): Promise<string> {
  if (text !== undefined && file !== undefined)
    throw new UsageError("give the goal as text or with --file, not both");
  if (text !== undefined) return text;
  if (file !== undefined) return readFileText(file);
  throw new UsageError('say what you want: rigs goal execute "…", or --file goal.md');
}

function strategyOf(text: string): Strategy {
  if (text === "conservative" || text === "balanced" || text === "aggressive") return text;
  throw new UsageError(`--strategy is conservative, balanced or aggressive, not "${text}"`);
}
