import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { wholeContract } from "../src/domain/bead.ts";
import { type BudgetWish, type Estimate, unbounded } from "../src/domain/budget.ts";
import { type BeadId, beadId, type CallId, callId, type GoalId, type PolecatId } from "../src/domain/id.ts";
import { affordable, type Level, levelsAbove } from "../src/domain/level.ts";
import { blobOf, createBead, createGoal } from "../src/domain/sample.case.ts";
import { memoryStore } from "../src/edges/store/memory.ts";
import { openStore } from "../src/edges/store/sqlite.ts";
import { present } from "../src/kit/assert.ts";
import type { Lease, Store } from "../src/ports/store.ts";
import { type Means, meansOf } from "../src/work/affording.ts";
import { lostCall } from "../src/work/record.ts";

const goal = "k7m2q9xd" as GoalId;
const workersMax = 20;
const clock = { now: () => 1_000_000, sleep: () => Promise.reject(new Error("nobody sleeps here")) };
const bound = (tokensMax: number, usdMax: number): BudgetWish => ({
  tokensMax,
  usdMax,
  wallMsMax: undefined,
});

/** Half of the beads lie below the first, which has a budget for them all, and each third has one of its own. */
async function plant(store: Store, budgets: Budgets): Promise<readonly BeadId[]> {
  const ids = Array.from({ length: workersMax }, (_, index) => beadId(beadId(goal, 1), index + 1));
  const below = ids.slice(1, workersMax / 2);
  const contractOf = (index: number) => ({
    ...wholeContract("its part", []),
    budget:
      index === 0
        ? { ...budgets.folder, below }
        : index % 3 === 0
          ? { ...budgets.own, below: [] }
          : undefined,
  });
  const { order } = createGoal(goal);
  await store.log.append(
    [
      { type: "goal-created", goal, order: { ...order, budget: { ...unbounded, ...budgets.goal } } },
      ...ids.map((id, index) => ({ ...createBead(id, goal), contract: contractOf(index) })),
    ],
    { kind: "none" },
  );
  return ids;
}

interface Budgets {
  readonly goal: BudgetWish;
  readonly folder: BudgetWish;
  readonly own: BudgetWish;
}

/** A worker between two steps; others go on in between. */
type Stand =
  | { readonly kind: "idle" }
  | { readonly kind: "looked"; readonly means: Means; readonly lease: Lease }
  | { readonly kind: "out"; readonly lease: Lease; readonly call: CallId; readonly estimate: Estimate };

const wanted = (choice: number) => ({
  inputTokens: 100 + (choice % 900),
  ...{ outputTokensMax: 4_000, surplusTokens: 0 },
  usdOf: (output: number) => output * 0.000_01,
});

/** One step of one worker, as `polecat.ts` takes them: look, reserve under the guard, settle at whatever it really took. */
async function step(store: Store, stand: Stand, choice: number): Promise<Stand> {
  switch (stand.kind) {
    case "idle": {
      const lease = await store.leases.claim({ by: "p@1" as PolecatId, leaseMs: 60_000 });
      if (lease === undefined) return stand;
      const attempt = present(await store.view.attempt(lease.attempt), "the attempt of a claim exists");
      if (attempt.open !== undefined) await write(store, lease, [lostCall(attempt, attempt.open)]);
      return { kind: "looked", lease, means: await meansOf(lease.bead, goal, { store, clock } as never) };
    }
    case "looked": {
      const { lease, means } = stand;
      const fit = affordable(means.goal, means.levels, wanted(choice));
      if (fit.kind !== "fits") return release(store, lease);
      const { calls } = present(await store.view.attempt(lease.attempt), "the attempt of a claim exists");
      const call = callId(lease.attempt, calls + 1);
      const reserved = await store.log.append(
        [
          {
            ...{ type: "call-reserved", goal, bead: lease.bead, attempt: lease.attempt, call, step: "draft" },
            ...{ provider: "a", model: "m", estimate: fit.estimate, prompt: blobOf(1), insteadOf: undefined },
          },
        ],
        { kind: "spending", lease, goal, spend: means.goal.spend },
      );
      if (reserved.kind === "appended") return { kind: "out", lease, call, estimate: fit.estimate };
      if (reserved.why === "lost-lease") return { kind: "idle" };
      return { kind: "looked", lease, means: await meansOf(lease.bead, goal, { store, clock } as never) };
    }
    case "out": {
      const { lease, call, estimate } = stand;
      // A server that does not heed its bound takes up to half more than was reserved.
      const part = (choice % 16) / 10;
      const usage = { input: Math.floor(estimate.tokens * part), cachedInput: 0, output: 0 };
      const about = { goal, bead: lease.bead, attempt: lease.attempt, call };
      const settled = { kind: "failed", fault: { kind: "capacity", why: "busy" } } as const;
      const usd = estimate.usd * part;
      await write(store, lease, [{ type: "call-settled", ...about, settled, usage, usd, wallMs: 1 }]);
      return release(store, lease);
    }
  }
}

async function release(store: Store, lease: Lease): Promise<Stand> {
  const { bead, token } = lease;
  await write(store, lease, [{ type: "bead-released", goal, bead, token, why: "its turn is over" }]);
  return { kind: "idle" };
}

async function write(
  store: Store,
  lease: Lease,
  events: Parameters<Store["log"]["append"]>[0],
): Promise<void> {
  await store.log.append(events, { kind: "lease", lease });
}

/** By how much calls went beyond their reservations, by bead: only so far may a budget be passed. */
async function beyond(store: Store): Promise<ReadonlyMap<BeadId, Estimate>> {
  const out = new Map<CallId, Estimate>();
  const found = new Map<BeadId, Estimate>();
  for (const { event } of await store.log.read(1, 10_000)) {
    if (event.type === "call-reserved") out.set(event.call, event.estimate);
    if (event.type !== "call-settled") continue;
    const estimate = present(out.get(event.call), "it was reserved");
    const { tokens, usd } = found.get(event.bead) ?? { tokens: 0, usd: 0 };
    found.set(event.bead, {
      tokens: tokens + Math.max(0, event.usage.input - estimate.tokens),
      usd: usd + Math.max(0, event.usd - estimate.usd),
    });
  }
  return found;
}

async function expectWithin(store: Store, ids: readonly BeadId[]): Promise<void> {
  const known = present(await store.view.goal(goal), "there is a goal");
  const beads = await store.view.beads({ goal, countMax: 100 });
  const passed = await beyond(store);
  const levels = new Map<string, Level>();
  for (const id of ids)
    for (const level of levelsAbove({ id }, known, beads, clock.now()))
      levels.set(level.bead ?? "goal", level);
  for (const [name, { budget, spend, counts }] of levels) {
    const over = [...passed].filter(([id]) => counts?.includes(id) ?? true).map(([, each]) => each);
    const tokens = over.reduce(
      (sum, each) => sum + each.tokens,
      budget.tokensMax ?? Number.POSITIVE_INFINITY,
    );
    const usd = over.reduce((sum, each) => sum + each.usd, budget.usdMax ?? Number.POSITIVE_INFINITY);
    const taken = spend.inputTokens + spend.outputTokens + spend.reservedTokens;
    expect(
      taken,
      `${name}: never more than its bound and what calls took beyond their reservations`,
    ).toBeLessThanOrEqual(tokens);
    expect(spend.usd + spend.reservedUsd, name).toBeLessThanOrEqual(usd + 1e-6);
  }
}

async function play(store: Store, budgets: Budgets, choices: readonly number[]): Promise<number> {
  const ids = await plant(store, budgets);
  const stands: Stand[] = Array.from({ length: workersMax }, () => ({ kind: "idle" }));
  for (const choice of choices) {
    // A worker that is only slow loses its lease, and another one goes on with the same attempt.
    if (choice % 97 === 0) await store.leases.reap("everyone");
    const index = choice % workersMax;
    stands[index] = await step(store, present(stands[index], "a worker"), choice >> 8);
    await expectWithin(store, ids);
  }
  return present(await store.view.goal(goal), "there is a goal").spend.requests;
}

const amounts = (most: number) =>
  fc.record({
    tokensMax: fc.integer({ min: 1_000, max: most }),
    usdMax: fc.integer({ min: 10, max: most }).map((value) => value / 100_000),
    wallMsMax: fc.constant(undefined),
  });
const games = fc.tuple(
  fc.record({ goal: amounts(60_000), folder: amounts(20_000), own: amounts(8_000) }),
  fc.array(fc.nat({ max: 2 ** 30 }), { minLength: 250, maxLength: 500, size: "max" }),
);

test("20 workers on one goal never pass a budget of it or of a bead by more than calls took beyond their reservations", async () => {
  let requests = 0;
  const law = fc.asyncProperty(games, async ([budgets, choices]) => {
    requests += await play(memoryStore(clock), budgets, choices);
  });
  await fc.assert(law, { numRuns: 15, endOnFailure: true });
  expect(requests, "calls were made").toBeGreaterThan(60);
});

test("the same on disk", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-budgets-"));
  const store = await openStore(home, clock);
  try {
    const budgets = { goal: bound(40_000, 0.4), folder: bound(14_000, 0.2), own: bound(6_000, 0.05) };
    const choices = Array.from({ length: 500 }, (_, index) => (index * 7_919 + 13) * 263);
    expect(await play(store, budgets, choices)).toBeGreaterThan(5);
  } finally {
    await store.close();
    rmSync(home, { recursive: true });
  }
});
