import type { GoalEnd, Outcome } from "../../domain/goal.ts";

/** Exit codes of the command line; 130 is what a shell gives for Ctrl-C. */
export const exits = {
  done: 0,
  failed: 1,
  usage: 2,
  needsAnswer: 3,
  outOfBudget: 4,
  partial: 5,
  interrupted: 130,
} as const;

const byOutcome: Readonly<Record<Outcome, number>> = {
  delivered: exits.done,
  partial: exits.partial,
  failed: exits.failed,
  "needs-answer": exits.needsAnswer,
  "out-of-budget": exits.outOfBudget,
  cancelled: exits.interrupted,
};

export function exitOf(end: GoalEnd): number {
  return end.isInputFault ? exits.usage : byOutcome[end.outcome];
}
