/**
 * Random but valid histories: a model of a whole installation plays commands on any store and knows what must come
 * back. For the store's laws, the simulation and whoever needs a lived-in store.
 *
 * 1. The model reads nothing from the projections: it folds the log with the domain's own reducer.
 * 2. Every answer of the store (appended or refused, which bead is claimed) is compared with the model's own.
 */
import { expect } from "vitest";
import { type Bead, isHeld } from "../domain/bead.ts";
import { addSpend, nothingSpent, type Spend, unbounded } from "../domain/budget.ts";
import { compareReady, nextReady } from "../domain/depot.ts";
import {
  type BlobHash,
  beadId,
  callId,
  type GoalId,
  goalId,
  type PolecatId,
  revisionId,
} from "../domain/id.ts";
import {
  blobOf,
  commitOf,
  createBead,
  createGoal,
  evaluationOf,
  goalEnd,
  proof,
  settledBy,
} from "../domain/sample.case.ts";
import { emptyWorld, fold, type World } from "../domain/state.ts";
import { present } from "../kit/assert.ts";
import { seeded } from "../kit/random.ts";
import type { Appended, Guard, Lease, NewEvent, Reader, Store } from "./store.ts";

/** A clock that only the test moves, back as well. */
export interface VirtualClock {
  readonly now: () => number;
  /** By `ms`, which may be negative. */
  move(ms: number): void;
  set(at: number): void;
}

export function virtualClock(startAt = 1_700_000_000_000): VirtualClock {
  let at = startAt;
  return {
    now: () => at,
    move: (ms) => {
      at += ms;
    },
    set: (to) => {
      at = to;
    },
  };
}

/** A store and what its log has told so far. */
export interface History {
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly world: World;
  /** Every lease ever given, as it was renewed last; lost ones stay, to be tried. */
  readonly leases: Map<string, Lease>;
  readonly blobs: Set<BlobHash>;
  /** Of the newest event the model has read. */
  sequence: number;
  /** The store's clock by the model: never behind itself. */
  at: number;
}

/** A new history on a store that is still empty. */
export function beginHistory(store: Store, clock: VirtualClock): History {
  return {
    store,
    clock,
    world: emptyWorld(),
    leases: new Map(),
    blobs: new Set(),
    sequence: 0,
    at: clock.now(),
  };
}

const goalsMax = 4;
const beadsOfGoalMax = 8;
const leaseMs = 60_000;

type Play = () => Promise<void>;

/** Chosen twice as often, so that histories get far. */
const goingOn: ReadonlySet<string> = new Set([
  "create-bead",
  "claim",
  "start-proof",
  "end-proof",
  "integrating",
  "integrated",
]);

/**
 * One valid step. `choice` (0 to 2^31) picks first its name, then what it is done to, so that rare steps happen too.
 * Gives the name. Fails when the store answers otherwise than the model.
 */
export async function advance(history: History, choice: number): Promise<string> {
  // The store looks at its clock too, so that both know the same moment.
  await history.store.log.append([], { kind: "none" });
  history.at = Math.max(history.at, history.clock.now());
  const moves = [...movesOf(history, choice)];
  const names = [...new Set(moves.map(([name]) => name))];
  names.push(...names.filter((each) => goingOn.has(each)));
  const name = present(names[choice % names.length], "something can always be done");
  const plays = moves.filter(([each]) => each === name);
  const [, play] = present(plays[Math.floor(choice / names.length) % plays.length], "a name has a play");
  await play();
  await catchUp(history);
  return name;
}

/** Reads what was appended since and folds it. */
async function catchUp(history: History): Promise<void> {
  for (;;) {
    const page = await history.store.log.read(history.sequence + 1, 1_000);
    for (const { sequence, event } of page) {
      expect(sequence, "sequences have no gap").toBe(history.sequence + 1);
      expect(event.at, "stamps never go back").toBe(history.at);
      history.sequence = sequence;
      fold(history.world, event);
    }
    if (page.length < 1_000) return;
  }
}

function* movesOf(history: History, choice: number): Iterable<readonly [string, Play]> {
  yield* worldMoves(history, choice);
  for (const goal of history.world.goals.keys()) yield* goalMoves(history, goal, choice);
  for (const bead of history.world.beads.values()) yield* beadMoves(history, bead, choice);
  for (const lease of history.leases.values()) {
    if (standing(history, lease)) yield* holderMoves(history, lease, choice);
    else yield* strangerMoves(history, lease);
  }
}

function* worldMoves(history: History, choice: number): Iterable<readonly [string, Play]> {
  const { store, clock, world, blobs } = history;
  yield ["wait", async () => clock.move(choice % 40_000)];
  yield ["clock-goes-back", async () => clock.move(-(choice % 5_000))];
  yield ["claim", () => claim(history, undefined)];
  yield ["claim", () => claim(history, undefined)];
  yield ["reap-expired", () => reap(history, "expired")];
  yield ["reap-everyone", () => reap(history, "everyone")];
  yield ["put-blob", async () => void blobs.add(await store.blobs.put(Buffer.from(`blob ${choice % 7}`)))];
  for (const blob of blobs) yield ["forget-blob", () => store.blobs.forget(blob)];
  if (world.goals.size < goalsMax) {
    const goal = goalId(seeded(choice + world.goals.size));
    if (!world.goals.has(goal)) yield ["create-goal", () => told(history, [createGoal(goal)])];
  }
}

function* goalMoves(history: History, goal: GoalId, choice: number): Iterable<readonly [string, Play]> {
  const { world } = history;
  const beads = [...world.beads.values()].filter((bead) => bead.goal === goal);
  const version = present(world.goals.get(goal), "the goal is known").version;
  const unchanged: Guard = { kind: "unchanged", goal, version };
  yield ["ask-cancel", () => told(history, [{ type: "goal-cancel-asked", goal }], unchanged)];
  yield ["end-goal", () => told(history, [{ type: "goal-ended", goal, end: goalEnd }], unchanged)];
  yield ["resume-goal", () => told(history, [{ type: "goal-resumed", goal }], unchanged)];
  const budget = { ...unbounded, tokensMax: choice };
  yield [
    "change-budget",
    () =>
      told(history, [{ type: "budget-changed", goal, budget, workersMax: choice % 2 === 0 ? undefined : 2 }]),
  ];
  const results = [
    { check: "a", kind: "red", runner: "pytest", passed: 1, failed: 2, wallMs: 7, why: "" },
  ] as const;
  yield ["survey", () => told(history, [{ type: "base-surveyed", goal, results, runs: blobOf(6) }])];
  const head = choice % 2 === 0 ? undefined : commitOf(choice);
  yield ["lose-head", () => told(history, [{ type: "head-lost", goal, head, why: "the clone is gone" }])];
  if (world.goals.get(goal)?.tests !== undefined)
    yield [
      "rewrite-tests",
      () => told(history, [{ type: "tests-rewritten", goal, commit: commitOf(choice) }]),
    ];
  const prepared = {
    type: "environment-prepared",
    goal,
    key: "k",
    installed: true,
    wallMs: 9,
    notes: [],
  } as const;
  yield ["prepare", () => told(history, [prepared])];
  yield [
    "write-stale",
    async () => {
      const stale: Guard = { kind: "unchanged", goal, version: version - 1 };
      const appended = await history.store.log.append([{ type: "goal-resumed", goal }], stale);
      expect(appended).toEqual({ kind: "refused", why: "changed" });
    },
  ];
  if (beads.length >= beadsOfGoalMax) return;
  const dependsOn = choice % 3 === 0 ? beads.slice(0, 2).map((bead) => bead.id) : [];
  const bead = beadId(goal, beads.length + 1);
  const priority = ([0, 1, 2, 3, 4] as const)[choice % 5] ?? 2;
  yield ["create-bead", () => told(history, [{ ...createBead(bead, goal), dependsOn, priority }])];
}

function* beadMoves(history: History, bead: Bead, choice: number): Iterable<readonly [string, Play]> {
  const { id, goal, state } = bead;
  const tell = (event: NewEvent) => () => told(history, [event]);
  if (state.kind === "ready") yield ["claim-of-goal", () => claim(history, goal)];
  const wallMsMax = choice % 2 === 0 ? undefined : choice;
  const bounds = { usdMax: undefined, tokensMax: choice, wallMsMax };
  yield ["change-bead-budget", tell({ type: "bead-budget-changed", goal, bead: id, budget: bounds })];
  if (!isHeld(state) && state.kind !== "integrated")
    yield ["make-ready", tell({ type: "bead-ready", goal, bead: id, why: "its turn" })];
  const goesOnWith = [...history.world.attempts.values()].findLast((each) => each.bead === id)?.id;
  if (!isHeld(state) && state.kind !== "integrated" && choice % 2 === 0)
    yield ["resume-bead", tell({ type: "bead-resumed", goal, bead: id, goesOnWith, why: "another try" })];
  if (state.kind === "proven") yield ["integrating", tell({ type: "bead-integrating", goal, bead: id })];
  if (state.kind === "integrating")
    yield [
      "integrated",
      tell({ type: "bead-integrated", goal, bead: id, commit: commitOf(choice), statement: blobOf(choice) }),
    ];
  const asking = bead.unfinished === undefined ? undefined : history.world.attempts.get(bead.unfinished);
  const asked = asking?.trail.at(-1);
  if (state.kind === "needs-answer" && asking !== undefined && asked?.kind === "proved") {
    const about = { goal, bead: id, attempt: asking.id, commit: asked.commit };
    yield ["consent", tell({ ...about, type: "bead-consented", question: state.question })];
  }
  if (state.kind === "integrating" && choice % 3 === 0) {
    const merged = { commit: commitOf(choice), base: commitOf(choice + 1), keeps: ["a"] };
    const start = choice % 2 === 0 ? undefined : merged;
    yield ["return-bead", tell({ type: "bead-returned", goal, bead: id, why: "a conflict", start })];
  }
  if (!isHeld(state) && choice % 4 === 1)
    yield ["set-back", tell({ type: "bead-blocked", goal, bead: id, why: "its parts are worked on again" })];
  if (isHeld(state) && !bead.isParent && choice % 5 === 0)
    yield [
      "split-bead",
      tell({ type: "bead-split", goal, bead: id, plan: blobOf(2), head: commitOf(choice), checks: [] }),
    ];
  if (state.kind !== "integrated" && choice % 4 === 0)
    yield [
      "cancel-bead",
      tell({
        ...{ type: "bead-cancelled", goal, bead: id, why: "not wanted" },
        by: choice % 8 === 0 ? "person" : "goal",
      }),
    ];
}

/** What only the holder of a lease that stands may write. */
function* holderMoves(history: History, lease: Lease, choice: number): Iterable<readonly [string, Play]> {
  const { world, store } = history;
  const { bead, attempt, token } = lease;
  const { goal, state } = present(world.beads.get(bead), "a leased bead is known");
  const known = present(world.attempts.get(attempt), "a leased attempt is known");
  const about = { goal, bead, attempt };
  const tell =
    (...events: NewEvent[]) =>
    () =>
      told(history, events, { kind: "lease", lease });
  const call = callId(attempt, known.calls + 1);
  const revision = revisionId(attempt, known.revisions + 1);
  const commit = commitOf(choice);
  yield [
    "renew",
    async () => {
      expect(await store.leases.renew(lease, leaseMs)).toBe("renewed");
      history.leases.set(keyOf(lease), { ...lease, until: history.at + leaseMs });
    },
  ];
  yield ["release", tell({ type: "bead-released", goal, bead, token, why: "gave up" })];
  yield [
    "let-wait",
    tell({ type: "bead-waiting", goal, bead, token, until: history.at + 1, why: "a limit" }),
  ];
  const needs = { tokens: choice % 9_000, usd: (choice % 977) * 0.000_123 };
  const back = { until: history.at + 1, needs, why: "calls are out" };
  yield ["hold-back", tell({ type: "bead-held-back", goal, bead, token, ...back })];
  yield ["ask-person", tell({ type: "bead-needs-answer", goal, bead, question: "which one?" })];
  yield ["park", tell({ type: "bead-parked", goal, bead, cause: "work", reason: "spent", best: undefined })];
  if (known.open === undefined) {
    const estimate = { tokens: choice % 9_000, usd: (choice % 977) * 0.000_123 };
    const asked = { step: "draft", provider: "scripted", model: "model", insteadOf: undefined } as const;
    const ask = { ...asked, estimate, prompt: blobOf(1) };
    yield ["reserve", tell({ ...about, type: "call-reserved", call, ...ask })];
    yield ["reject", tell({ ...about, type: "answer-rejected", call, reason: "lazy", detail: "…" })];
    yield ["ask-files", tell({ ...about, type: "files-asked", call, paths: ["a.py"] })];
    yield ["see-clash", tell({ ...about, type: "conflict-seen", with: bead, paths: ["a.py"] })];
    const whole = world.goals.get(goal);
    if (known.base === undefined && whole?.tests === undefined && whole?.head === undefined)
      yield [
        "write-tests",
        tell({
          ...about,
          type: "tests-written",
          call,
          commit,
          files: ["test_b.py"],
          checks: [],
          red: 1,
          green: 0,
        }),
      ];
    yield ["leave-out", tell({ ...about, type: "edits-left-out", call, paths: ["test_a.py"] })];
    // Several events about the same rows in one append.
    const settled = { ...about, type: "call-settled", call, ...settledBy(choice) } as const;
    yield ["reserve-and-settle", tell({ ...about, type: "call-reserved", call, ...ask }, settled)];
  } else {
    const settled = { ...about, type: "call-settled", call: known.open.call, ...settledBy(choice) } as const;
    yield ["settle", tell(settled)];
    yield ["settle", tell(settled)];
  }
  const revised = { revision, commit, parent: commit, tree: "t", step: "draft", files: ["a.py"] } as const;
  yield [
    "revise",
    tell({ ...about, type: "revision-recorded", ...revised, evaluation: evaluationOf(choice) }),
  ];
  yield ["revert", tell({ ...about, type: "revision-reverted", from: revision, to: commit, why: "worse" })];
  if (state.kind === "claimed") yield ["start-proof", tell({ ...about, type: "proof-started", commit })];
  if (state.kind !== "proving") return;
  const papers = { proof, statement: blobOf(2), evidence: blobOf(3) };
  for (const isAccepted of [true, false])
    yield ["end-proof", tell({ ...about, type: "proof-ended", commit, ...papers, isAccepted })];
  const shy = { ...about, type: "proof-ended", commit, ...papers, isAccepted: false } as const;
  yield ["prove-and-ask", tell(shy, { type: "bead-needs-answer", goal, bead, question: "this one?" })];
}

/** A lost lease: whatever is written or renewed with it must be refused. */
function* strangerMoves(history: History, lease: Lease): Iterable<readonly [string, Play]> {
  const { store, world } = history;
  const { bead, token } = lease;
  const { goal } = present(world.beads.get(bead), "a leased bead is known");
  yield [
    "write-with-lost-lease",
    async () => {
      const events: NewEvent[] = [{ type: "bead-released", goal, bead, token, why: "too late" }];
      const appended = await store.log.append(events, { kind: "lease", lease });
      expect(appended).toEqual({ kind: "refused", why: "lost-lease" });
    },
  ];
  yield ["renew-lost-lease", async () => expect(await store.leases.renew(lease, leaseMs)).toBe("lost")];
}

async function claim(history: History, goal: GoalId | undefined): Promise<void> {
  const beads = [...history.world.beads.values()].filter((bead) => goal === undefined || bead.goal === goal);
  const expected = nextReady(beads);
  const by = `p${history.leases.size}@1` as PolecatId;
  const lease = await history.store.leases.claim({ by, leaseMs, ...(goal === undefined ? {} : { goal }) });
  expect(lease?.bead, "the first in depot order is claimed").toBe(expected?.id);
  if (lease === undefined || expected === undefined) return;
  expect(lease.token, "tokens grow by one").toBe(expected.token + 1);
  if (expected.unfinished !== undefined) expect(lease.attempt).toBe(expected.unfinished);
  history.leases.set(keyOf(lease), lease);
}

async function reap(history: History, who: "expired" | "everyone"): Promise<void> {
  const held = [...history.world.beads.values()].filter((bead) => isHeld(bead.state));
  const gone = held.filter((bead) => {
    const lease = history.leases.get(`${bead.id}#${bead.token}`);
    return who === "everyone" || lease === undefined || lease.until <= history.at;
  });
  const released = await history.store.leases.reap(who);
  expect([...released].sort()).toEqual(gone.map((bead) => bead.id).sort());
}

async function told(history: History, events: readonly NewEvent[], guard: Guard = { kind: "none" }) {
  const appended: Appended = await history.store.log.append(events, guard);
  expect(appended.kind, `${events[0]?.type} is taken`).toBe("appended");
}

function standing({ world, at }: History, lease: Lease): boolean {
  const bead = world.beads.get(lease.bead);
  return bead !== undefined && isHeld(bead.state) && bead.token === lease.token && lease.until > at;
}

function keyOf({ bead, token }: Lease): string {
  return `${bead}#${token}`;
}

/**
 * What must hold after every step: rows equal the fold of the log; reserved equals the calls that are out; counts
 * equal counting; ready beads come in depot order.
 */
export async function checkLaws({ store, world, sequence }: History): Promise<void> {
  await expectWorld(store, world);
  const totals = await store.view.totals();
  const goals = [...world.goals.values()];
  const open = goals.filter((goal) => goal.end === undefined).length;
  expect(totals).toEqual({
    goals: { open, ended: goals.length - open },
    beads: countStates([...world.beads.values()]),
    sequence,
  });
  for (const goal of goals) {
    const beads = [...world.beads.values()].filter((bead) => bead.goal === goal.id);
    expect(goal.beads).toEqual(countStates(beads));
    const out = [...world.attempts.values()].filter((attempt) => attempt.goal === goal.id);
    const estimates = out.flatMap(({ open: call }) => (call === undefined ? [] : [call.estimate]));
    expect(goal.spend.reservedTokens).toBe(sum(estimates.map(({ tokens }) => tokens)));
    expect(goal.spend.reservedUsd).toBe(sum(estimates.map(({ usd }) => Math.round(usd * 1e9))) / 1e9);
    expect(goal.spend, "a goal spends what its beads do").toEqual(together(beads));
    for (const bead of beads)
      expect(bead.spend, "and a bead what its attempts do").toEqual(
        together(out.filter((attempt) => attempt.bead === bead.id)),
      );
  }
  const ready = [...world.beads.values()].filter((bead) => bead.state.kind === "ready").sort(compareReady);
  expect(nextReady(world.beads.values())?.id).toBe(ready[0]?.id);
}

/** Every row of the store is what the world holds, and there is none besides. */
export async function expectWorld(store: Reader, world: World): Promise<void> {
  const goals = await store.view.goals({ countMax: 1_000 });
  expect(new Map(goals.map((goal) => [goal.id, goal]))).toEqual(world.goals);
  const beads = await store.view.beads({ countMax: 1_000 });
  expect(new Map(beads.map((bead) => [bead.id, bead]))).toEqual(world.beads);
  const attempts = (await Promise.all(beads.map((bead) => store.view.attempts(bead.id)))).flat();
  expect(new Map(attempts.map((attempt) => [attempt.id, attempt]))).toEqual(world.attempts);
}

/** Appends the whole log of one store to an empty other one, at the same moments. */
export async function replay(from: Reader, to: Store, clock: VirtualClock): Promise<void> {
  for (let next = 1; ; ) {
    const page = await from.log.read(next, 1_000);
    for (const { event } of page) {
      const { at, ...rest } = event;
      clock.set(at);
      await to.log.append([rest as NewEvent], { kind: "none" });
    }
    if (page.length < 1_000) return;
    next += page.length;
  }
}

function together(spenders: readonly { readonly spend: Spend }[]): Spend {
  return spenders.reduce((all, { spend }) => addSpend(all, spend), nothingSpent);
}

function countStates(beads: readonly Bead[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of beads) counts[state.kind] = (counts[state.kind] ?? 0) + 1;
  return counts;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
