/** Commands that work on a goal: `goal execute` and `goal resume`, and what they say while and after it is worked on. */
import { countCut } from "../../domain/attempt.ts";
import { partlyIn } from "../../domain/bead.ts";
import { cutOff } from "../../domain/budget.ts";
import type { Recorded } from "../../domain/event.ts";
import type { GoalEnd, Order, Outcome } from "../../domain/goal.ts";
import type { GoalId } from "../../domain/id.ts";
import { isStillRed } from "../../domain/judge.ts";
import { Interrupted } from "../../work/interrupted.ts";
import { type Hands, type House, type Terminal, UsageError } from "../house.ts";
import { unpricedIn } from "./cost.ts";
import { exitOf, exits } from "./exit.ts";
import {
  answerCommand,
  bestWords,
  countOut,
  findGoal,
  type GoalWork,
  isOpenEnded,
  onwardOf,
  questionOf,
  readGoal,
  wholeOf,
  workOf,
} from "./goal.ts";
import { type BudgetOptions, budgetOf, type ExecuteOptions, orderFrom, priceNotes } from "./order.ts";
import { say } from "./paint.ts";
import {
  becauseMax,
  becauseOf,
  duration,
  fullReason,
  oneLine,
  outcomeWords,
  questionMax,
  shortIds,
  type Tone,
  turnWords,
} from "./sentences.ts";
import { spendWords } from "./standing.ts";
import { openWatch, watchingEnds } from "./watch.ts";

export async function executeGoal(
  text: string | undefined,
  options: ExecuteOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { order, notes, course } = await orderFrom(text, options, house, signal);
  await requireJail(order, house, terminal, () => {
    for (const note of [...notes, ...course]) say(terminal, "err", { tone: "dim", text: oneLine(note) });
  });
  // Nothing was begun yet that could be gone on with.
  if (signal.aborted) throw new Interrupted();
  const hands = await house.hands();
  try {
    const goal = await hands.create(order);
    return await followGoal(goal, order.base, options.json === true, { hands, house, terminal, signal });
  } finally {
    await hands.close();
  }
}

/** Before anything is begun: there is a jail, or the user has said no to it, loudly. */
async function requireJail(
  { unsafeNoSandbox }: Order,
  house: House,
  terminal: Terminal,
  tell: () => void = () => {},
): Promise<void> {
  const noJail = unsafeNoSandbox ? undefined : await house.noJail();
  if (noJail !== undefined) throw new UsageError(noJail);
  tell();
  if (unsafeNoSandbox) say(terminal, "err", { tone: "bad", text: unsafeWarning });
}

const unsafeWarning =
  "WARNING: --unsafe-no-sandbox runs code that a model wrote as you, with your files and network; the best verdict is unisolated-pass";

export async function resumeGoal(
  typed: string,
  options: BudgetOptions & { readonly workers?: number; readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  if (goal.isUnbegun) await requireJail(goal.order, house, terminal);
  if (goal.end?.outcome === "delivered")
    throw new UsageError(`goal ${goal.id} is delivered already, on branch ${goal.end.branch}`);
  if (options.budgetUsd !== undefined) {
    const providers = await house.chooseProviders(goal.order.providers);
    if (providers.kind === "none") throw new UsageError(providers.why);
    for (const note of priceNotes(budgetOf(options), providers))
      say(terminal, "err", { tone: "plain", text: note });
  }
  const hands = await house.hands();
  try {
    for (const note of await hands.resume(goal, { ...budgetOf(options), workersMax: options.workers }))
      say(terminal, "err", { tone: "warn", text: oneLine(note) });
    return await followGoal(goal.id, goal.order.base, options.json === true, {
      hands,
      house,
      terminal,
      signal,
    });
  } finally {
    await hands.close();
  }
}

/** The user's own word on the question that the goal's bead asks; then the goal goes on as when it is resumed. */
export async function answerGoal(
  typed: { readonly id: string; readonly word: string },
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { word } = typed;
  const goal = await findGoal(typed.id, house);
  if (word !== "yes" && word !== "no")
    throw new UsageError(`the answer is yes or no: rigs goal answer ${goal.id} yes`);
  const question = await questionOf(goal.id, house);
  if (question === undefined)
    throw new UsageError(`goal ${goal.id} asks nothing now: see rigs goal show ${goal.id}`);
  const hands = await house.hands();
  try {
    await hands.answer(goal.id, { word, question });
    return await followGoal(goal.id, goal.order.base, options.json === true, {
      ...{ hands, house, terminal, signal },
    });
  } finally {
    await hands.close();
  }
}

interface Place {
  readonly hands: Hands;
  readonly house: House;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Watches until the goal ends, and says how it did; the exit code of the command. */
export async function followGoal(goal: GoalId, base: string, json: boolean, place: Place): Promise<number> {
  const { hands, house, terminal, signal } = place;
  const startedAt = house.clock.now();
  // A guest reads along from the first event; the owner hears only what is new.
  const before = hands.standing === "owner" ? await storyOf(goal, house) : [];
  const watch = openWatch({ goal, json, terminal, clock: house.clock, before });
  // Who only looks may become the owner, and then has something to stop.
  terminal.onStop(() => (hands.standing === "guest" ? watchingEnds() : undefined));
  if (json) terminal.out(JSON.stringify({ type: "goal-start", goal, base }));
  else if (hands.standing === "guest")
    terminal.err(
      `goal ${goal}, worked on by the rigs process that was here first (Ctrl-C ends the watching)`,
    );
  else terminal.err(`goal ${goal} (Ctrl-C stops it cleanly)`);
  const last = async (end: GoalEnd) => {
    const wallMs = house.clock.now() - startedAt;
    if (json)
      terminal.out(JSON.stringify(await endLine(goal, end, { house, standing: hands.standing, wallMs })));
  };
  try {
    const end = await hands.finish(goal, watch.see, signal);
    watch.close();
    await last(end);
    if (!json) await report(goal, end, { house, terminal, wallMs: house.clock.now() - startedAt });
    return exitOf(end);
  } catch (error) {
    watch.close();
    if (error instanceof Interrupted) {
      await last(stopped("cancelled", "interrupted"));
      terminal.err(stopWords(goal, hands));
      return exits.interrupted;
    }
    // It can go on from where it is; whoever reads the lines still gets a last one.
    await last(stopped("failed", error instanceof Error ? error.message : String(error))).catch(
      () => undefined,
    );
    terminal.err(`nothing of goal ${goal} is lost; when that is mended: rigs goal resume ${goal}`);
    throw error;
  }
}

export async function storyOf(goal: GoalId, house: House): Promise<readonly Recorded[]> {
  const reader = await house.reader();
  const story: Recorded[] = [];
  try {
    for (let from = 1; reader !== undefined; ) {
      const page = await reader.log.read(from, 1000, goal);
      if (page.length === 0) break;
      story.push(...page);
      from = (page.at(-1)?.sequence ?? from) + 1;
    }
    return story;
  } finally {
    await reader?.close();
  }
}

function stopWords(goal: GoalId, { standing }: Hands): string {
  return standing === "guest"
    ? `stopped watching; the other rigs process goes on with the goal. See it with: rigs goal show ${goal}`
    : `stopped; nothing is lost. Go on with: rigs goal resume ${goal}`;
}

/** An end of this command, not of the goal: it can be gone on with. */
function stopped(outcome: Outcome, reason: string): GoalEnd {
  return {
    outcome,
    reason,
    isInputFault: false,
    branch: undefined,
    commit: undefined,
    proof: undefined,
    statement: undefined,
  };
}

export async function report(
  goal: GoalId,
  end: GoalEnd,
  place: { readonly house: House; readonly terminal: Terminal; readonly wallMs: number },
): Promise<void> {
  const { house, terminal, wallMs } = place;
  const known = await readGoal(goal, house);
  const { proof } = end;
  const { beads, attempts } = await workFor(goal, house);
  const whole = wholeOf(goal, attempts);
  // A part's proof is not the goal's.
  const partly = end.outcome === "partial" ? partlyIn(beads) : undefined;
  const proven = proof === undefined ? "" : `, ${proof.verdict}: ${turnWords(proof)}`;
  const words = partly === undefined ? proven : `: ${partly}`;
  const calls = { out: countOut(attempts), cut: countCut(attempts) };
  const unpriced = await unpricedIn({ goal, bead: undefined }, house);
  const taken = known && spendWords(known.spend, { isRunning: false, unpriced, ...calls });
  const spent = taken === undefined ? "" : `, ${taken}`;
  const tone: Tone = end.outcome === "delivered" ? "good" : end.outcome === "failed" ? "bad" : "warn";
  say(terminal, "out", { tone, text: `${outcomeWords(end)}${words} (${duration(wallMs)}${spent})` });
  for (const { name, command } of known?.order.checks ?? [])
    if (proof?.reasons.some((reason) => isStillRed(reason, name)))
      say(terminal, "out", { tone: "warn", text: `${oneLine(command)} (guard) was red before and still is` });
  // The first line has said so much already.
  const because = becauseOf(end, whole)?.replace(`${partly}; `, "");
  if (end.outcome === "needs-answer")
    say(terminal, "out", { tone: "plain", text: `question: ${oneLine(end.reason ?? "", questionMax)}` });
  else if (because !== undefined)
    say(terminal, "out", {
      tone: "plain",
      text: `because:  ${shortIds(oneLine(because, becauseMax), goal)}`,
    });
  if (end.outcome === "needs-answer") {
    terminal.out(`change:   ${house.evidenceFolder(goal)}/change.diff`);
    terminal.out(`yes:      ${answerCommand(goal, "yes")}`);
    terminal.out(`no:       ${answerCommand(goal, "no")}`);
    return;
  }
  if (end.branch === undefined) {
    terminal.out(
      `look:     rigs goal show ${goal}${attempts.length === 0 ? "" : `, rigs bead show ${goal}.1`}`,
    );
    const best = known === undefined ? [] : await bestWords(known, whole, house);
    // Not wrapped: they are there to be copied.
    for (const [index, line] of best.entries())
      terminal.out(`${index === 0 ? "best:     " : "          "}${line}`);
    terminal.out(`go on:    ${onwardOf({ id: goal, end })}`);
    return;
  }
  terminal.out(`branch:   ${end.branch} at ${end.commit?.slice(0, 12)}`);
  if (known?.tests !== undefined)
    terminal.out(`tests:    by a model; read them first: git show ${known.tests.slice(0, 12)}`);
  terminal.out(`evidence: ${house.evidenceFolder(goal)}/evidence.md`);
  terminal.out(`look:     git log -p ${end.branch}`);
  if (isOpenEnded(end, beads)) terminal.out(`go on:    ${onwardOf({ id: goal, end })}`);
}

async function workFor(goal: GoalId, house: House): Promise<GoalWork> {
  const reader = await house.reader();
  try {
    return await workOf(goal, reader);
  } finally {
    await reader?.close();
  }
}

/** The last line of `--json`, as section 13 of the design fixes it. */
async function endLine(
  goal: GoalId,
  end: GoalEnd,
  place: { readonly house: House; readonly standing: Hands["standing"]; readonly wallMs: number },
) {
  const { house, standing, wallMs } = place;
  const known = await readGoal(goal, house);
  const { attempts } = await workFor(goal, house);
  const beads = known?.beads ?? {};
  const total = Object.values(beads).reduce((sum, count) => sum + count, 0);
  // What this process let go of was cut; a call of another process is out still.
  const open = standing === "guest" ? 0 : countOut(attempts);
  const spend = known === undefined || open === 0 ? known?.spend : cutOff(known.spend, open);
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
    reason: end.reason === undefined ? null : fullReason(end, end.reason, wholeOf(goal, attempts)),
  };
}
