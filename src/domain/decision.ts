/**
 * What the foreman does next for one goal, as a pure function of what the store says (invariant 7: decide, then do).
 * The foreman performs each decision at most once at a time; every one of them may be repeated after a crash.
 */
import type { Bead } from "./bead.ts";
import { beadStateKinds, isSettledKind } from "./bead.ts";
import type { BaseResult } from "./gate.ts";
import type { Goal, GoalEnd, Outcome } from "./goal.ts";
import type { BeadId } from "./id.ts";

/** What is looked at: the goal, and those of its beads that wait for the foreman rather than for a polecat. */
export interface Look {
  readonly goal: Goal;
  /** Beads that are proven, integrating, waiting, parked, in need of an answer or integrated; at most 1,000. */
  readonly beads: readonly Bead[];
  /** ms since the epoch. */
  readonly now: number;
}

export type Decision =
  /** Run every check on the base, prepare the environment. */
  | { readonly kind: "survey" }
  | { readonly kind: "create-bead" }
  | { readonly kind: "wake"; readonly bead: BeadId }
  | { readonly kind: "claim"; readonly count: number }
  | { readonly kind: "integrate"; readonly bead: BeadId }
  | { readonly kind: "cancel" }
  | { readonly kind: "deliver"; readonly bead: Bead }
  | { readonly kind: "end"; readonly end: GoalEnd }
  /** Nothing to do before this moment, unless something happens. */
  | { readonly kind: "wait"; readonly until: number };

/** In the order they should be performed. Empty: everything is in somebody's hands. */
export function decide({ goal, beads, now }: Look): readonly Decision[] {
  if (goal.end !== undefined) return [];
  if (goal.cancelAsked) return [{ kind: "cancel" }];
  if (goal.base === undefined) return [{ kind: "survey" }];
  const broken = goal.base.find(
    (result) => result.kind === "could-not-run" && isAcceptance(goal, result.check),
  );
  if (broken !== undefined) return [{ kind: "end", end: ended("failed", broken.why, "input") }];
  if (counted(goal) === 0) {
    const why = whyUnjudged(goal.order.acceptance, goal.base);
    return why === undefined
      ? [{ kind: "create-bead" }]
      : [{ kind: "end", end: ended("failed", why, "input") }];
  }
  const decisions: Decision[] = [];
  for (const bead of beads) {
    if (bead.state.kind === "proven" || bead.state.kind === "integrating")
      decisions.push({ kind: "integrate", bead: bead.id });
    if (bead.state.kind === "waiting" && bead.state.until <= now)
      decisions.push({ kind: "wake", bead: bead.id });
  }
  const ready = goal.beads.ready ?? 0;
  if (ready > 0) decisions.push({ kind: "claim", count: ready });
  if (isAtRest(goal)) decisions.push(conclude(goal, beads));
  const wakes = beads.flatMap((bead) =>
    bead.state.kind === "waiting" && bead.state.until > now ? [bead.state.until] : [],
  );
  if (wakes.length > 0) decisions.push({ kind: "wait", until: Math.min(...wakes) });
  return decisions;
}

/** Guards hold what passed before; where nobody gave acceptance and nothing did pass, no revision could be judged. */
function whyUnjudged(
  acceptance: Goal["order"]["acceptance"],
  base: readonly BaseResult[],
): string | undefined {
  const [first] = base;
  if (acceptance !== "none" || first === undefined) return undefined;
  if (base.some(({ kind, passed }) => kind === "green" || passed > 0)) return undefined;
  return `nothing passes before the change that could be kept (${first.check}: ${first.why}), so nothing can judge it: give a check that turns green, for example --check 'pytest tests', or mend the tests first`;
}

function isAcceptance(goal: Goal, check: string): boolean {
  return goal.order.checks.some((each) => each.name === check && each.role === "acceptance");
}

function counted(goal: Goal): number {
  return beadStateKinds.reduce((sum, kind) => sum + (goal.beads[kind] ?? 0), 0);
}

function isAtRest(goal: Goal): boolean {
  return beadStateKinds.every((kind) => isSettledKind(kind) || (goal.beads[kind] ?? 0) === 0);
}

/** Every bead is settled: hand over what there is, or say why there is nothing. */
function conclude(goal: Goal, beads: readonly Bead[]): Decision {
  const integrated = beads.find((bead) => bead.state.kind === "integrated");
  if (integrated !== undefined) return { kind: "deliver", bead: integrated };
  for (const { state } of beads) {
    if (state.kind === "needs-answer") return { kind: "end", end: ended("needs-answer", state.question) };
    if (state.kind !== "parked") continue;
    if (state.cause === "capacity")
      return { kind: "end", end: ended("out-of-budget", withoutAnswer(state.reason)) };
    const outcome: Outcome = state.cause === "budget" ? "out-of-budget" : "failed";
    return { kind: "end", end: ended(outcome, state.reason, state.cause === "input" ? "input" : "work") };
  }
  return {
    kind: "end",
    end: ended("cancelled", goal.cancelAsked ? "cancelled" : "no bead is left to work on"),
  };
}

const nobody = /^no provider can answer: /;

/** The reason of a goal that has no budget in its way, but nobody who answers. */
function withoutAnswer(why: string): string {
  return nobody.test(why) ? why : `no provider can answer: ${why}`;
}

/** Why nobody answered, where that is how the goal ended; its outcome is that of one that is out of its budget. */
export function whyUnanswered({ outcome, reason = "" }: GoalEnd): string | undefined {
  return outcome === "out-of-budget" && nobody.test(reason) ? reason.replace(nobody, "") : undefined;
}

/** An end with nothing to hand over. */
export function ended(outcome: Outcome, reason: string, fault: "work" | "input" = "work"): GoalEnd {
  return {
    outcome,
    reason,
    isInputFault: fault === "input",
    branch: undefined,
    commit: undefined,
    proof: undefined,
    statement: undefined,
  };
}
