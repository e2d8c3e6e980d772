/** `bead run` and `convoy run`: work on what was recorded, or on one part of a tree, here and now. */
import type { Bead } from "../../domain/bead.ts";
import { unbounded } from "../../domain/budget.ts";
import type { Goal, GoalEnd } from "../../domain/goal.ts";
import type { BeadId } from "../../domain/id.ts";
import { Interrupted } from "../../work/interrupted.ts";
import { sameBounds } from "../../work/resume.ts";
import type { Sight } from "../../work/tools.ts";
import { type Hands, type House, type Terminal, UsageError } from "../house.ts";
import { isConvoy } from "./convoy.ts";
import { report, resumeGoal, storyOf } from "./execute.ts";
import { exitOf, exits } from "./exit.ts";
import { answerCommand, findGoal, readGoal } from "./goal.ts";
import type { BudgetOptions } from "./order.ts";
import { say } from "./paint.ts";
import { oneLine, shortIds } from "./sentences.ts";
import { stateWords } from "./standing.ts";
import { namedBead } from "./tend.ts";
import { openWatch, watchingEnds } from "./watch.ts";

interface Format {
  readonly json?: boolean;
}

/** A convoy is gone on with as any goal. */
export async function runConvoy(
  typed: string,
  options: Format & BudgetOptions & { readonly workers?: number },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  if (!isConvoy(goal) && goal.order.mode.kind === "solo")
    throw new UsageError(`goal ${goal.id} is one task, no convoy: rigs bead run ${goal.id}.1`);
  return resumeGoal(typed, options, house, terminal, signal);
}

/** A task of its own is its goal; a part of a tree is worked on until it is settled, then the others are given back. */
export async function runBead(
  typed: string,
  options: Format,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const bead = await namedBead(typed, house);
  if (bead.parent === undefined) return resumeGoal(bead.goal, options, house, terminal, signal);
  const { id, state } = bead;
  if (state.kind === "integrated")
    throw new UsageError(
      `bead ${id} is in already, as ${state.commit.slice(0, 12)}: see rigs bead show ${id}`,
    );
  if (state.kind === "needs-answer")
    throw new UsageError(
      `bead ${id} asks: ${oneLine(state.question)} Say ${answerCommand(bead.goal, "yes")}, or no`,
    );
  const goal = await findGoal(bead.goal, house);
  if (goal.end?.outcome === "delivered")
    throw new UsageError(`goal ${goal.id} is delivered already, on branch ${goal.end.branch}`);
  const from = await newest(house);
  const hands = await house.hands();
  try {
    if (state.kind === "parked" || state.kind === "cancelled" || state.kind === "joined")
      await hands.tend({ kind: "retry", bead: id, budget: unbounded }, goal.order);
    else
      for (const note of await hands.resume(goal, sameBounds))
        say(terminal, "err", { tone: "warn", text: oneLine(note) });
    return await followBead({ goal, bead: id, from }, options.json === true, {
      hands,
      house,
      terminal,
      signal,
    });
  } finally {
    await hands.close();
  }
}

/** The sequence of the newest event. */
async function newest(house: House): Promise<number> {
  const reader = await house.reader();
  try {
    return (await reader?.view.totals())?.sequence ?? 0;
  } finally {
    await reader?.close();
  }
}

interface Followed {
  readonly goal: Goal;
  readonly bead: BeadId;
  /** What happened before this sequence was another try. */
  readonly from: number;
}

/** Watches until the bead is settled or its goal is over; the exit code says what became of the bead. */
async function followBead(
  { goal, bead, from }: Followed,
  json: boolean,
  place: {
    readonly hands: Hands;
    readonly house: House;
    readonly terminal: Terminal;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const { hands, house, terminal, signal } = place;
  const startedAt = house.clock.now();
  const before = hands.standing === "owner" ? await storyOf(goal.id, house) : [];
  const watch = openWatch({ goal: goal.id, json, terminal, clock: house.clock, before });
  const settled = new AbortController();
  const see = (sight: Sight) => {
    watch.see(sight);
    if (settles(bead, from, sight)) settled.abort(new Interrupted());
  };
  if (json) terminal.out(JSON.stringify({ type: "goal-start", goal: goal.id, base: goal.order.base }));
  else if (hands.standing === "guest")
    terminal.err(
      `bead ${bead}, worked on by the rigs process that was here first (Ctrl-C ends the watching)`,
    );
  else terminal.err(`bead ${bead} (Ctrl-C stops it cleanly)`);
  terminal.onStop(() => (hands.standing === "guest" ? watchingEnds() : undefined));
  const end = await hands
    .finish(goal.id, see, AbortSignal.any([signal, settled.signal]))
    .catch((error: unknown) => {
      if (error instanceof Interrupted) return undefined;
      throw error;
    })
    .finally(() => watch.close());
  const known = await namedBead(bead, house);
  // It may have been over a moment before the work was stopped.
  const over = end ?? (await readGoal(goal.id, house))?.end;
  const code = exitOfBead(known, over);
  if (json) terminal.out(JSON.stringify(beadEnd(known, over)));
  else {
    const text = shortIds(`bead ${bead}: ${stateWords(known.state)}`, goal.id);
    say(terminal, "out", { tone: code === exits.done ? "good" : "warn", text });
    if (over !== undefined)
      await report(goal.id, over, { house, terminal, wallMs: house.clock.now() - startedAt });
    else if (hands.standing === "guest") terminal.out(`the goal goes on: rigs goal show ${goal.id}`);
    else terminal.out(`the goal is not over; go on with: rigs goal resume ${goal.id}`);
  }
  return code;
}

const settling: readonly string[] = ["bead-integrated", "bead-parked", "bead-needs-answer", "bead-cancelled"];

function settles(bead: BeadId, from: number, sight: Sight): boolean {
  if (sight.kind !== "recorded" || sight.recorded.sequence <= from) return false;
  const { event } = sight.recorded;
  return "bead" in event && event.bead === bead && settling.includes(event.type);
}

function exitOfBead({ state }: Bead, end: GoalEnd | undefined): number {
  switch (state.kind) {
    case "integrated":
      return exits.done;
    case "needs-answer":
      return exits.needsAnswer;
    case "parked":
      if (state.cause === "input") return exits.usage;
      return state.cause === "work" ? exits.failed : exits.outOfBudget;
    default:
      // Cancelled, or let go of by whoever stopped the work.
      return end === undefined || end.outcome === "delivered" ? exits.interrupted : exitOf(end);
  }
}

/** The last line of `--json`: what became of the bead, and of its goal where that is over. */
function beadEnd({ id, goal, state }: Bead, end: GoalEnd | undefined) {
  return {
    type: "bead-end",
    ...{ goal, bead: id, state: state.kind, commit: "commit" in state ? state.commit : null },
    reason: state.kind === "parked" ? state.reason : state.kind === "needs-answer" ? state.question : null,
    outcome: end?.outcome ?? null,
  };
}
