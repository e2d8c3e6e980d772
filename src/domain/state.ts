/**
 * The reducer: the only place where an event becomes state.
 *
 * 1. `apply` reads and writes only the goal, bead and attempt that `touches` names: a store can load three rows, not a tree.
 * 2. Folding all events of a store from nothing gives exactly the projections the store holds (property test, `doctor --deep`).
 * 3. An event that cannot have happened in the state it meets is a bug of the writer and throws; nothing is repaired here.
 */
import { assert, present, unreachable } from "../kit/assert.ts";
import type { Attempt, TrailEntry } from "./attempt.ts";
import { type Bead, type BeadState, isHeld } from "./bead.ts";
import { nothingSpent, rerationed, reserve, settle } from "./budget.ts";
import type { Event } from "./event.ts";
import { convoyIn, type Goal } from "./goal.ts";
import { type AttemptId, type BeadId, beadOf, type GoalId, goalOf } from "./id.ts";
import { frozen } from "./protected.ts";
import { isWorthDelivering } from "./verdict.ts";

/**
 * Which rows `apply` makes of a log. Goes up by one whenever the same events give other rows than before: each store is
 * then folded anew when its owner opens it.
 */
export const projectionVersion = 5;

/** The three rows an event may read and change. */
export interface Slice {
  readonly goal: Goal | undefined;
  readonly bead: Bead | undefined;
  readonly attempt: Attempt | undefined;
}

export interface Touched {
  readonly goal: GoalId;
  readonly bead: BeadId | undefined;
  readonly attempt: AttemptId | undefined;
}

/** Which rows an event is about. */
export function touches(event: Event): Touched {
  return {
    goal: event.goal,
    bead: "bead" in event ? event.bead : undefined,
    attempt: "attempt" in event ? event.attempt : undefined,
  };
}

/** Pure. Throws AssertionError for an event that does not fit (rule 3). */
export function apply(slice: Slice, event: Event): Slice {
  const attempt = applyAttempt(slice, event);
  const bead = applyBead(slice.bead, slice.attempt, event);
  const goal = applyGoal(slice.goal, event, { before: slice.bead, after: bead, attempt: slice.attempt });
  return { goal, bead, attempt };
}

interface Moved {
  readonly before: Bead | undefined;
  readonly after: Bead | undefined;
  readonly attempt: Attempt | undefined;
}

function applyGoal(goal: Goal | undefined, event: Event, moved: Moved): Goal {
  if (event.type === "goal-created") {
    assert(goal === undefined, "a goal is created once");
    return {
      id: event.goal,
      order: event.order,
      createdAt: event.at,
      version: 1,
      spend: nothingSpent,
      beads: {},
      cancelAsked: false,
      isUnbegun: event.order.begins === "when-run",
      checks: event.order.checks,
      tests: undefined,
      head: undefined,
      landed: [],
      base: undefined,
      partsWord: undefined,
      end: undefined,
    };
  }
  const known = present(goal, `goal ${event.goal} exists before ${event.type}`);
  const next = { ...known, version: known.version + 1, beads: recount(known.beads, moved) };
  switch (event.type) {
    case "goal-cancel-asked":
      return { ...next, cancelAsked: true };
    case "goal-resumed":
      return {
        ...{ ...next, cancelAsked: false, isUnbegun: false },
        ...{ end: undefined, base: finalBase(known.base) },
      };
    case "budget-changed": {
      const { budget, workersMax = known.order.workersMax } = event;
      return { ...next, order: { ...known.order, budget, workersMax } };
    }
    case "base-surveyed":
      return { ...next, base: event.results };
    case "goal-ended":
      return { ...next, end: event.end };
    case "parts-answered": {
      const { commit, question, word, at } = event;
      return { ...next, partsWord: { commit, question, word, at } };
    }
    case "bead-split":
      return { ...next, head: event.head ?? known.head, checks: [...known.checks, ...event.checks] };
    case "checks-added":
      return { ...next, checks: [...known.checks, ...event.checks] };
    case "tests-written": {
      assert(known.tests === undefined, "tests are written once, and frozen");
      assert(known.head === undefined, "tests are written before any work");
      const { order } = known;
      const allowChange =
        order.allowChange.length === 0 ? [] : [...order.allowChange, ...event.files.map(frozen)];
      return {
        ...{ ...next, order: { ...order, allowChange } },
        ...{ tests: event.commit, checks: [...known.checks, ...event.checks] },
      };
    }
    case "tests-rewritten":
      assert(known.tests !== undefined, "only tests that were written are written again");
      return { ...next, tests: event.commit };
    case "bead-integrated":
      return { ...next, head: event.commit, landed: landedWith(known, moved.after) };
    case "head-lost":
      return { ...next, head: event.head, landed: [] };
    case "call-reserved":
      return { ...next, spend: reserve(known.spend, event.estimate) };
    case "call-settled": {
      const open = present(moved.attempt?.open, "a settled call was reserved");
      return { ...next, spend: settle(known.spend, open.estimate, { ...event.usage, usd: event.usd }) };
    }
    default:
      return next;
  }
}

/** Its own acceptance: a parent's is the goal's, and nobody lands after it. */
function landedWith({ landed, checks }: Goal, bead: Bead | undefined): readonly string[] {
  const isPromise = (name: string) =>
    checks.some((check) => check.name === name && check.role === "acceptance");
  return [...new Set([...landed, ...(bead?.contract.checks ?? []).filter(isPromise)])];
}

/** That a check could not run is news, not a result: whoever resumes may have mended it, so base is looked at again. */
function finalBase(base: Goal["base"]): Goal["base"] {
  return base?.some((result) => result.kind === "could-not-run") ? undefined : base;
}

function recount(counts: Goal["beads"], { before, after }: Moved): Goal["beads"] {
  if (before?.state.kind === after?.state.kind) return counts;
  const next = { ...counts };
  if (before !== undefined) {
    const left = (next[before.state.kind] ?? 0) - 1;
    if (left > 0) next[before.state.kind] = left;
    else delete next[before.state.kind];
  }
  if (after !== undefined) next[after.state.kind] = (next[after.state.kind] ?? 0) + 1;
  return next;
}

function applyBead(bead: Bead | undefined, attempt: Attempt | undefined, event: Event): Bead | undefined {
  if (event.type === "bead-created") {
    assert(bead === undefined, "a bead is created once");
    assert(goalOf(event.bead) === event.goal, "a bead's id begins with its goal's");
    return createBead(event);
  }
  if (!("bead" in event)) return bead;
  const known = present(bead, `bead ${event.bead} exists before ${event.type}`);
  assert(known.goal === event.goal, "an event names the goal its bead belongs to");
  const state = event.type === "bead-consented" ? consented(known, attempt, event) : nextState(known, event);
  switch (event.type) {
    case "bead-claimed": {
      assert(beadOf(event.attempt) === event.bead, "an attempt's id begins with its bead's");
      assert(event.token === known.token + 1, "fencing tokens grow by one");
      const gone = known.unfinished;
      assert(gone === undefined || gone === event.attempt, "an unfinished attempt is gone on with");
      const attempts = attempt === undefined ? known.attempts + 1 : known.attempts;
      // What it begins with is the new attempt's from here on.
      const start = attempt === undefined ? undefined : known.start;
      const minutesFrom = known.minutesFrom ?? event.at;
      return { ...known, state, token: event.token, attempts, start, minutesFrom, unfinished: event.attempt };
    }
    case "call-reserved":
      return { ...known, spend: reserve(known.spend, event.estimate) };
    case "call-settled": {
      const open = present(attempt?.open, "a settled call was reserved");
      return { ...known, spend: settle(known.spend, open.estimate, { ...event.usage, usd: event.usd }) };
    }
    case "bead-budget-changed": {
      const budget = rerationed(known.contract.budget, event.budget);
      const minutesFrom = event.budget.wallMsMax === undefined ? known.minutesFrom : undefined;
      return { ...known, contract: { ...known.contract, budget }, minutesFrom };
    }
    case "bead-ready":
    case "bead-released":
      return { ...known, state, readyAt: event.at };
    case "bead-resumed":
      return {
        ...{ ...known, state, readyAt: event.at, unfinished: event.goesOnWith },
        start: event.goesOnWith === undefined ? undefined : known.start,
      };
    case "bead-blocked":
      return { ...known, state, start: undefined, unfinished: undefined };
    case "bead-split":
      return { ...known, state, isParent: true, unfinished: undefined };
    case "tests-written": {
      const checks = [...known.contract.checks, ...event.checks.map(({ name }) => name)];
      return { ...known, contract: { ...known.contract, checks } };
    }
    case "bead-returned":
      return {
        ...{ ...known, state, readyAt: event.at, start: event.start, returned: event.why },
        unfinished: undefined,
      };
    case "bead-parked":
    case "bead-consented":
      return { ...known, state, unfinished: undefined };
    case "proof-ended":
      return { ...known, state, unfinished: event.isAccepted ? undefined : known.unfinished };
    default:
      return state === known.state ? known : { ...known, state };
  }
}

function createBead(event: Extract<Event, { readonly type: "bead-created" }>): Bead {
  const { bead, goal, parent, dependsOn, contract, priority } = event;
  const state: BeadState = dependsOn.length === 0 ? { kind: "ready" } : { kind: "blocked" };
  return {
    id: bead,
    goal,
    parent,
    dependsOn,
    contract,
    priority,
    state,
    readyAt: event.at,
    attempts: 0,
    spend: nothingSpent,
    minutesFrom: undefined,
    token: 0,
    isParent: false,
    start: undefined,
    returned: undefined,
    unfinished: undefined,
  };
}

/** Where the bead stands after the event; the same value when the event does not move it. Throws for a move that cannot happen. */
function nextState(bead: Bead, event: Event): BeadState {
  const { state } = bead;
  switch (event.type) {
    case "bead-ready":
    case "bead-resumed":
      assert(!isHeld(state), "a held bead is released, not made ready");
      assert(state.kind !== "integrated", "what is integrated stays integrated");
      return { kind: "ready" };
    case "bead-claimed":
      assert(state.kind === "ready", `only a ready bead is claimed, this one is ${state.kind}`);
      return { kind: "claimed", by: event.by, attempt: event.attempt, token: event.token };
    case "bead-released":
      assert(isHeld(state) && event.token === bead.token, "only the holder's claim is released");
      return { kind: "ready" };
    case "bead-waiting":
      assert(isHeld(state) && event.token === bead.token, "only the holder lets a bead wait");
      return { kind: "waiting", until: event.until, why: event.why };
    case "bead-held-back": {
      assert(isHeld(state) && event.token === bead.token, "only the holder holds a bead back");
      const { until, why, needs } = event;
      return { kind: "waiting", until, why, needs };
    }
    case "proof-started": {
      assert(state.kind === "claimed", `only a claimed bead is proved, this one is ${state.kind}`);
      assert(state.attempt === event.attempt, "the attempt that holds the bead is the one that is proved");
      const { by, token } = state;
      return { kind: "proving", attempt: event.attempt, commit: event.commit, by, token };
    }
    case "proof-ended": {
      assert(state.kind === "proving", "a proof ends only where one was started");
      assert(state.attempt === event.attempt, "a proof ends for the attempt that started it");
      const { by, token } = state;
      if (!event.isAccepted) return { kind: "claimed", by, attempt: event.attempt, token };
      const { commit, statement, proof } = event;
      return { kind: "proven", commit, statement, verdict: proof.verdict };
    }
    case "bead-integrating":
      assert(state.kind === "proven", "only a proven bead is integrated");
      return { ...state, kind: "integrating" };
    case "bead-integrated":
      assert(state.kind === "integrating", "integration was announced before it ended");
      return {
        ...{ ...state, kind: "integrated" },
        ...{ commit: event.commit, statement: event.statement ?? state.statement },
      };
    case "bead-returned":
      assert(state.kind === "integrating", "only what is being integrated is returned");
      return { kind: "ready" };
    case "bead-blocked":
      // Also what is integrated: where the clone is lost, so is what it integrated.
      assert(!isHeld(state), "a held bead is released before it waits again");
      return bead.isParent ? { kind: "split" } : { kind: "blocked" };
    case "bead-split":
      assert(
        isHeld(state) || state.kind === "ready",
        `only a bead at work is split, this one is ${state.kind}`,
      );
      assert(
        !bead.isParent || event.head === undefined,
        "a bead is split again only for what is left, on what stands",
      );
      return { kind: "split" };
    case "bead-parked":
      assert(state.kind !== "integrated", "what is integrated stays integrated");
      return { kind: "parked", cause: event.cause, reason: event.reason, best: event.best };
    case "bead-needs-answer":
      assert(state.kind !== "integrated", "what is integrated stays integrated");
      return { kind: "needs-answer", question: event.question };
    case "bead-cancelled": {
      assert(state.kind !== "integrated", "what is integrated stays integrated");
      const convoy = convoyIn(event.why);
      return convoy === undefined ? { kind: "cancelled", by: event.by } : { kind: "joined", convoy };
    }
    default:
      return state;
  }
}

/** The user's word makes proven what was asked about, and nothing else. */
function consented(
  { state, unfinished }: Bead,
  attempt: Attempt | undefined,
  event: Extract<Event, { readonly type: "bead-consented" }>,
): BeadState {
  assert(state.kind === "needs-answer", `only a bead that asks is answered, this one is ${state.kind}`);
  assert(state.question === event.question, "the answer is to the question that was asked");
  assert(event.attempt === unfinished, "the attempt that asks is the one that is answered");
  const proved = attempt?.trail.at(-1);
  assert(
    proved?.kind === "proved" && proved.commit === event.commit,
    "the commit that was proved is allowed",
  );
  assert(isWorthDelivering(proved.proof), "only what is worth delivering is allowed");
  const { commit, statement, proof } = proved;
  return { kind: "proven", commit, statement, verdict: proof.verdict };
}

function applyAttempt({ goal, bead, attempt }: Slice, event: Event): Attempt | undefined {
  if (event.type === "bead-claimed") {
    if (attempt !== undefined) return attempt;
    return {
      id: event.attempt,
      bead: event.bead,
      goal: event.goal,
      startedAt: event.at,
      ...standsOn(goal, bead),
      calls: 0,
      spend: nothingSpent,
      revisions: 0,
      open: undefined,
      trail: [],
    };
  }
  if (!("attempt" in event)) return attempt;
  const known = present(attempt, `attempt ${event.attempt} exists before ${event.type}`);
  assert(known.bead === event.bead, "an event names the bead its attempt belongs to");
  const entry = entryOf(known, event);
  const trail = entry === undefined ? known.trail : [...known.trail, entry];
  switch (event.type) {
    case "call-reserved":
      assert(known.open === undefined, "an attempt has one call out at a time");
      return {
        ...known,
        calls: known.calls + 1,
        spend: reserve(known.spend, event.estimate),
        open: { call: event.call, step: event.step, provider: event.provider, estimate: event.estimate },
      };
    case "call-settled": {
      assert(known.open?.call === event.call, "the call that is out is the one that is settled");
      const spend = settle(known.spend, known.open.estimate, { ...event.usage, usd: event.usd });
      return { ...known, spend, open: undefined, trail };
    }
    case "revision-recorded":
      return { ...known, revisions: known.revisions + 1, trail };
    case "tests-written":
      assert(known.base === undefined, "tests are written before any work");
      return { ...known, base: event.commit, trail };
    default:
      return { ...known, trail };
  }
}

/** A parent is measured on the goal's own base and begins with what its parts brought; any other stands on the head. */
function standsOn(goal: Goal | undefined, bead: Bead | undefined): Pick<Attempt, "base" | "keeps" | "start"> {
  if (bead?.isParent === true) return { base: goal?.tests, keeps: [], start: goal?.head };
  const { base = goal?.head ?? goal?.tests, keeps = goal?.landed ?? [], commit: start } = bead?.start ?? {};
  return { base, keeps, start };
}

type AttemptEvent = Extract<Event, { readonly attempt: AttemptId }>;

function entryOf(attempt: Attempt, event: AttemptEvent): TrailEntry | undefined {
  switch (event.type) {
    case "bead-claimed":
    case "call-reserved":
    case "proof-started":
      return undefined;
    case "call-settled": {
      const { call, settled } = event;
      const { step, provider } = present(attempt.open, "a settled call was reserved");
      if (settled.kind === "said")
        return { kind: "answered", call, step, answer: settled.answer, finish: settled.finish };
      if (settled.kind === "lost")
        return {
          kind: "unanswered",
          call,
          step,
          provider,
          fault: "lost",
          why: "the call was cut before its answer came",
        };
      return { kind: "unanswered", call, step, provider, fault: settled.fault.kind, why: settled.fault.why };
    }
    case "answer-rejected":
      return { kind: "rejected", call: event.call, reason: event.reason, detail: event.detail };
    case "files-asked":
      return { kind: "asked-for-files", call: event.call, paths: event.paths };
    case "tests-written":
      return {
        ...{ kind: "tests-written", call: event.call, commit: event.commit, files: event.files },
        ...{ red: event.red, green: event.green },
      };
    case "conflict-seen":
      return { kind: "clash", with: event.with, paths: event.paths };
    case "edits-left-out":
      return { kind: "left-out", call: event.call, paths: event.paths };
    case "revision-recorded": {
      const { revision, commit, parent, step, tree, files, evaluation } = event;
      return { kind: "revised", revision, commit, parent, step, tree, files, evaluation };
    }
    case "revision-reverted":
      return { kind: "reverted", from: event.from, to: event.to, why: event.why };
    case "proof-ended":
      return {
        kind: "proved",
        commit: event.commit,
        proof: event.proof,
        statement: event.statement,
        evidence: event.evidence,
      };
    case "bead-consented":
      return { kind: "consented", commit: event.commit, question: event.question, at: event.at };
    default:
      return unreachable(event);
  }
}

/** Everything a store knows, folded in memory: for tests, the simulation and `doctor --deep`. */
export interface World {
  readonly goals: Map<GoalId, Goal>;
  readonly beads: Map<BeadId, Bead>;
  readonly attempts: Map<AttemptId, Attempt>;
}

export function emptyWorld(): World {
  return { goals: new Map(), beads: new Map(), attempts: new Map() };
}

/** Applies one event to a world in place, through the same reducer. */
export function fold(world: World, event: Event): void {
  const { goal, bead, attempt } = touches(event);
  const next = apply(
    {
      goal: world.goals.get(goal),
      bead: bead === undefined ? undefined : world.beads.get(bead),
      attempt: attempt === undefined ? undefined : world.attempts.get(attempt),
    },
    event,
  );
  if (next.goal !== undefined) world.goals.set(goal, next.goal);
  if (bead !== undefined && next.bead !== undefined) world.beads.set(bead, next.bead);
  if (attempt !== undefined && next.attempt !== undefined) world.attempts.set(attempt, next.attempt);
}
