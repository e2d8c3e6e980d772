/**
 * Turns that an attempt begins with, before the work itself: acceptance tests, then a plan. Each asks one kind of
 * question, at most a bounded number of times, and what it did is no part of the trail that the work follows from.
 */
import type { Step, TrailEntry } from "./attempt.ts";
import type { Move, Policy } from "./move.ts";

export interface Turn {
  readonly step: Extract<Step, "tests" | "plan">;
  /** Answers that may be unusable before it is given up, 1 or more. */
  readonly answersMax: number;
  /** Why it asks first, and why again. */
  readonly first: string;
  readonly again: string;
}

/** What the turn does next; undefined once it has what it wanted or its answers are spent. Total and pure. */
export function turnMove(trail: readonly TrailEntry[], turn: Turn, policy: Policy): Move | undefined {
  const own = entriesOf(trail, turn);
  const rejected = own.filter(({ kind }) => kind === "rejected").length;
  if (rejected >= turn.answersMax) return undefined;
  const ask = (why: string): Move => ({ kind: "ask", step: turn.step, from: undefined, why });
  const last = own.at(-1);
  switch (last?.kind) {
    case undefined:
      return ask(turn.first);
    case "tests-written":
      return undefined;
    case "answered":
      return { kind: "take", call: last.call, step: turn.step, answer: last.answer, from: undefined };
    case "unanswered": {
      const answeredAt = own.findLastIndex(({ kind }) => kind !== "unanswered");
      const faults = own.length - 1 - answeredAt;
      if (faults < policy.faultsMax) return ask(last.why);
      const why = `${faults} provider failures in a row, the last: ${last.why}`;
      return { kind: "park", cause: "capacity", why, best: undefined };
    }
    default:
      return ask(turn.again);
  }
}

/** What the turn left in the trail. */
export function entriesOf(trail: readonly TrailEntry[], turn: Pick<Turn, "step">): readonly TrailEntry[] {
  return trail.filter(isOf(trail, turn));
}

/** The trail of what comes after it. */
export function withoutTurn(trail: readonly TrailEntry[], turn: Pick<Turn, "step">): readonly TrailEntry[] {
  const isLeft = isOf(trail, turn);
  return trail.filter((entry) => !isLeft(entry));
}

function isOf(trail: readonly TrailEntry[], { step }: Pick<Turn, "step">): (entry: TrailEntry) => boolean {
  const calls = new Set(
    trail.flatMap((entry) =>
      (entry.kind === "answered" || entry.kind === "unanswered") && entry.step === step ? [entry.call] : [],
    ),
  );
  return (entry) => "call" in entry && calls.has(entry.call);
}
