/**
 * What the foreman does next for one goal, as a pure function of what the store says (invariant 7: decide, then do).
 * The foreman performs each decision at most once at a time; every one of them may be repeated after a crash.
 */

import { batchMax } from "./batch.ts";
import type { Bead, BeadStateKind } from "./bead.ts";
import { beadStateKinds, isSettledKind, isTakenOff, titleOf } from "./bead.ts";
import { partsOf } from "./budget.ts";
import type { BaseResult } from "./gate.ts";
import { type Goal, type GoalEnd, type Outcome, refusalOf } from "./goal.ts";
import type { BeadId } from "./id.ts";
import { levelsAbove, mustWait, type Need } from "./level.ts";

/** What is looked at: the goal, and those of its beads that wait for the foreman rather than for a polecat. */
export interface Look {
  readonly goal: Goal;
  /** Beads in every state but ready, claimed and proving, and those too while one is split; at most 1,000. */
  readonly beads: readonly Bead[];
  /** ms since the epoch. */
  readonly now: number;
}

export type Decision =
  /** Run every check on the base, prepare the environment. */
  | { readonly kind: "survey" }
  | { readonly kind: "create-bead" }
  /** Everything it waited for is integrated. */
  | { readonly kind: "unblock"; readonly bead: BeadId }
  /** Something it waited for will never be there. */
  | { readonly kind: "give-up"; readonly bead: BeadId; readonly why: string }
  /** All its children are settled: the parent takes its own turn. */
  | { readonly kind: "join"; readonly bead: BeadId }
  | { readonly kind: "wake"; readonly bead: BeadId }
  | { readonly kind: "claim"; readonly count: number }
  /** The merge queue's next batch, in the order it lands; performed once at a time. */
  | { readonly kind: "integrate"; readonly beads: readonly BeadId[] }
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
  // A task that was recorded before it is run has its bead already.
  const why = isUntouched(goal) ? whyUnjudged(goal.order.acceptance, goal.base) : undefined;
  if (why !== undefined) return [{ kind: "end", end: ended("failed", why, "input") }];
  if (counted(goal) === 0) return [{ kind: "create-bead" }];
  const decisions: Decision[] = [];
  const batch = nextInQueue(beads);
  if (batch.length > 0) decisions.push({ kind: "integrate", beads: batch.map(({ id }) => id) });
  const awakened = awake(goal, beads, now);
  for (const bead of beads) {
    if (awakened.includes(bead.id)) decisions.push({ kind: "wake", bead: bead.id });
    if (bead.state.kind === "blocked") decisions.push(...unblocked(bead, beads));
    if (bead.state.kind === "split" && isJoinable(bead, beads))
      decisions.push({ kind: "join", bead: bead.id });
  }
  const held = (goal.beads.claimed ?? 0) + (goal.beads.proving ?? 0);
  const count = Math.min(goal.beads.ready ?? 0, goal.order.workersMax - held);
  if (count > 0) decisions.push({ kind: "claim", count });
  // Nothing moves, and nobody is at work: what still waits, waits for a question or for itself.
  if (decisions.length === 0 && isAtRest(goal)) decisions.push(conclude(goal, beads));
  const wakes = beads.flatMap((bead) =>
    bead.state.kind === "waiting" && bead.state.until > now ? [bead.state.until] : [],
  );
  if (wakes.length > 0) decisions.push({ kind: "wait", until: Math.min(...wakes) });
  return decisions;
}

/**
 * Beads whose wait is over: their moment has come; or each budget above them has room again for what held them back, the oldest first,
 * no more of them than there is room for; or no call is out any more that could leave some.
 */
function awake(goal: Goal, beads: readonly Bead[], now: number): readonly BeadId[] {
  const before: Need[] = [];
  return beads
    .toSorted((left, right) => left.readyAt - right.readyAt)
    .filter((bead) => {
      const { id, state } = bead;
      if (state.kind !== "waiting") return false;
      if (state.until <= now) return true;
      if (!("needs" in state)) return false;
      if (mustWait(levelsAbove(bead, goal, beads, now), state.needs, before)) return false;
      before.push({ bead: id, needs: state.needs });
      return true;
    })
    .map(({ id }) => id);
}

/** Guards hold what passed before; where there is no acceptance (tests that a model is asked for come later) and nothing did pass, no revision could be judged. */
export function whyUnjudged(
  acceptance: Goal["order"]["acceptance"],
  base: readonly BaseResult[],
): string | undefined {
  if (acceptance !== "none") return undefined;
  if (base.some(({ kind, passed }) => kind === "green" || passed > 0)) return undefined;
  const [first] = base;
  const found = first === undefined ? "no check at all" : `${first.check}: ${first.why}`;
  return `nothing passes before the change that could be kept (${found}), so nothing can judge it: give a check that turns green, for example --check 'pytest tests', or mend the tests first`;
}

/**
 * The merge queue: what was begun is ended first; then all that wait, the oldest first. What depends on another is not
 * even worked on before that one is integrated, so age alone keeps the order of dependencies.
 */
function nextInQueue(beads: readonly Bead[]): readonly Bead[] {
  const inState = (kind: "proven" | "integrating") =>
    beads
      .filter(({ state }) => state.kind === kind)
      .toSorted((left, right) => left.readyAt - right.readyAt || (left.id < right.id ? -1 : 1));
  const begun = inState("integrating");
  return begun.length > 0 ? begun : inState("proven").slice(0, batchMax);
}

function unblocked(bead: Bead, beads: readonly Bead[]): readonly Decision[] {
  const states = bead.dependsOn.map((id) => beads.find((each) => each.id === id));
  const isLost = (each: Bead | undefined) => lostKinds.includes(each?.state.kind ?? "ready");
  const lost = states.find((each) => each !== undefined && isTakenOff(each)) ?? states.find(isLost);
  if (lost !== undefined) {
    const why = isTakenOff(lost)
      ? `was taken off by you: rigs bead retry ${lost.id} brings it back`
      : `is ${lost.state.kind}`;
    return [{ kind: "give-up", bead: bead.id, why: `it needs ${nameOf(lost)}, which ${why}` }];
  }
  const isFree = states.every((each) => each?.state.kind === "integrated");
  return isFree ? [{ kind: "unblock", bead: bead.id }] : [];
}

/** It will never be integrated by itself. */
const lostKinds: readonly BeadStateKind[] = ["parked", "cancelled", "joined"];

/** "bead k7m2q9xd.1.2 (price)": its id, and what its plan calls it or the beginning of what it is for. */
export function nameOf({ id, contract }: Pick<Bead, "id" | "contract">): string {
  const line = contract.name ?? titleOf(contract);
  return `bead ${id} (${line.length <= 60 ? line : `${line.slice(0, 59)}…`})`;
}

/** A question to the user about a child comes before the parent's own turn; a cancelled goal has none. */
function isJoinable(parent: Bead, beads: readonly Bead[]): boolean {
  const children = beads.filter((each) => each.parent === parent.id);
  return (
    children.length > 0 &&
    children.every(({ state }) => isSettledKind(state.kind) && state.kind !== "needs-answer") &&
    children.every(({ state }) => state.kind !== "split")
  );
}

function isAcceptance(goal: Goal, check: string): boolean {
  return goal.order.checks.some((each) => each.name === check && each.role === "acceptance");
}

function counted(goal: Goal): number {
  return beadStateKinds.reduce((sum, kind) => sum + (goal.beads[kind] ?? 0), 0);
}

/** Nobody has taken a bead into hand, and nobody was asked. */
function isUntouched(goal: Goal): boolean {
  return counted(goal) === (goal.beads.ready ?? 0) && goal.spend.requests === 0;
}

function isAtRest(goal: Goal): boolean {
  return beadStateKinds.every(
    (kind) => isSettledKind(kind) || kind === "blocked" || (goal.beads[kind] ?? 0) === 0,
  );
}

/** Every bead is settled: hand over what there is, or say why there is nothing. */
function conclude(goal: Goal, beads: readonly Bead[]): Decision {
  const top = beads.filter((bead) => bead.parent === undefined);
  const whole = top.find((bead) => bead.state.kind === "integrated");
  if (whole !== undefined) return { kind: "deliver", bead: whole };
  // A question about a part goes before what its siblings came to.
  const asking = beads.find(({ state }) => state.kind === "needs-answer");
  if (asking?.state.kind === "needs-answer")
    return { kind: "end", end: ended("needs-answer", asking.state.question) };
  const stuck = beads.filter(({ state }) => state.kind === "blocked");
  if (stuck.length > 0)
    return {
      kind: "end",
      end: ended(
        "failed",
        `these wait for each other: ${stuck.map(nameOf).join(", ")}; give a plan without the circle`,
      ),
    };
  const parts = beads.filter(({ state }) => state.kind === "integrated");
  const newest = parts.find(({ state }) => state.kind === "integrated" && state.commit === goal.head);
  const { partsWord: said } = goal;
  if (newest !== undefined && said?.word === "no" && said.commit === goal.head)
    return { kind: "end", end: ended("failed", refusalOf(said.question)) };
  if (newest !== undefined) return { kind: "deliver", bead: newest };
  for (const { state } of [...top, ...beads]) {
    if (state.kind !== "parked") continue;
    if (state.cause === "capacity")
      return { kind: "end", end: ended("out-of-budget", withoutAnswer(state.reason)) };
    if (state.cause === "budget") return { kind: "end", end: ended("out-of-budget", state.reason) };
    const fault = state.cause === "input" ? "input" : "work";
    return { kind: "end", end: ended("failed", `${state.reason}${failedParts(beads)}`, fault) };
  }
  return {
    kind: "end",
    end: ended("cancelled", goal.cancelAsked ? "cancelled" : "no bead is left to work on"),
  };
}

/** Which parts of a tree did not get there, and why; "" where all did, and where there is no tree. */
function failedParts(beads: readonly Bead[]): string {
  const parts = beads.filter(({ parent, state }) => parent !== undefined && state.kind !== "integrated");
  const named = fewOf(parts.map((bead) => `${nameOf(bead)} ${whyNot(bead)}`));
  return named.length === 0 ? "" : `; of its parts: ${named.join("; ")}`;
}

/** Parts named in a reason, on either side; the rest is counted. */
const namedMax = 8;

/** The first of them, and how many more. */
export function fewOf(names: readonly string[]): readonly string[] {
  const more = names.length - namedMax;
  return more <= 0 ? names : [...names.slice(0, namedMax), `${more} more`];
}

/** Characters of one bead's reason. */
const whyMax = 300;

/** "is parked (its tries are spent)": why a bead is not in. */
export function whyNot({ state }: Pick<Bead, "state">): string {
  if (state.kind !== "parked") return `is ${state.kind}`;
  const { why } = partsOf(state.reason);
  return `is parked (${why.length <= whyMax ? why : `${why.slice(0, whyMax - 1)}…`})`;
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
