import { expect, test } from "vitest";
import { compareReady } from "../domain/depot.ts";
import {
  type AttemptId,
  type BeadId,
  type BlobHash,
  beadId,
  callId,
  type GoalId,
  type PolecatId,
} from "../domain/id.ts";
import {
  blobOf,
  commitOf,
  createBead,
  createGoal,
  evaluationOf,
  goalEnd,
  settledBy,
} from "../domain/sample.case.ts";
import { present } from "../kit/assert.ts";
import { replay, type VirtualClock, virtualClock } from "./history.case.ts";
import type { Guard, Lease, NewEvent, Store } from "./store.ts";

/** Where a cut is made behind the store's back; `event-forged`: event 3 gets another text and the hash that fits it. */
export type Tampering =
  | "event-body"
  | "event-hash"
  | "event-forged"
  | "event-goal"
  | "last-event-gone"
  | "middle-event-gone"
  | "goal-body"
  | "bead-body"
  | "bead-state"
  | "bead-gone"
  | "bead-invented"
  | "attempt-body"
  | "blob-bytes";

export interface OpenedStore {
  readonly store: Store;
  /** Edits what is kept, as a person with a tool would; undefined where nothing is kept anywhere (declared as a gap). */
  readonly tamper: ((what: Tampering) => Promise<void>) | undefined;
  end(): Promise<void>;
}

export interface StoreGaps {
  /** Why nothing can be edited behind this store's back. */
  readonly tamper?: string;
}

const goal = "aaaaaaaa" as GoalId;
const other = "bbbbbbbb" as GoalId;
const by = "p1@1" as PolecatId;
const none: Guard = { kind: "none" };
const leaseMs = 10_000;

/** The contract of the store as sentences; every implementation passes all of them but its declared gaps. */
export function storeCases(open: (clock: VirtualClock) => Promise<OpenedStore>, gaps: StoreGaps): void {
  const on = (sentence: string, body: (store: Store, clock: VirtualClock) => Promise<void>) =>
    test(sentence, async () => {
      const clock = virtualClock();
      const opened = await open(clock);
      try {
        await body(opened.store, clock);
        expect(await opened.store.audit(), "the audit finds nothing").toEqual([]);
      } finally {
        await opened.end();
      }
    });
  logCases(on);
  guardCases(on);
  claimCases(on);
  reapCases(on);
  viewCases(on);
  blobCases(on);
  replayCase(on, open);
  for (const [what, words] of tamperings) {
    if (gaps.tamper !== undefined) test.skip(`the audit finds ${what} (gap: ${gaps.tamper})`, () => {});
    else test(`the audit finds ${what}`, () => findsTampering(open, what, words));
  }
}

type On = (sentence: string, body: (store: Store, clock: VirtualClock) => Promise<void>) => void;

/** A goal with this many ready beads. */
async function goalWith(store: Store, count: number, id: GoalId = goal): Promise<readonly BeadId[]> {
  const beads = Array.from({ length: count }, (_, index) => beadId(id, index + 1));
  await store.log.append([createGoal(id), ...beads.map((bead) => createBead(bead, id))], none);
  return beads;
}

async function claimed(store: Store, only?: GoalId): Promise<Lease> {
  const ask = only === undefined ? { by, leaseMs } : { by, leaseMs, goal: only };
  return present(await store.leases.claim(ask), "a bead is ready");
}

const park = (bead: BeadId): NewEvent => ({
  type: "bead-parked",
  goal,
  bead,
  cause: "work",
  reason: "tried enough",
  best: undefined,
});

const reserved = (bead: BeadId, attempt: AttemptId, number: number): NewEvent => ({
  type: "call-reserved",
  goal,
  bead,
  attempt,
  call: callId(attempt, number),
  step: "draft",
  provider: "scripted",
  model: "m",
  estimate: { tokens: 100, usd: 0.1 },
  prompt: blobOf(1),
  insteadOf: undefined,
});

function logCases(on: On): void {
  on("an empty store has nothing", async (store) => {
    expect(await store.log.read(1, 10)).toEqual([]);
    expect(await store.view.totals()).toEqual({ goals: { open: 0, ended: 0 }, beads: {}, sequence: 0 });
    expect(await store.view.goal(goal)).toBeUndefined();
    expect(await store.leases.claim({ by, leaseMs })).toBeUndefined();
    expect(await store.leases.reap("everyone")).toEqual([]);
  });

  on("an append gives what a read gives", async (store, clock) => {
    const appended = await store.log.append([createGoal(goal), createBead(beadId(goal, 1), goal)], none);
    expect(appended).toEqual({ kind: "appended", events: await store.log.read(1, 10) });
    const [first, second] = await store.log.read(1, 10);
    expect(first?.event).toEqual({ ...createGoal(goal), at: clock.now() });
    expect(second?.sequence).toBe(2);
    expect(second?.previousHash).toBe(first?.hash);
  });

  on("an append that does not fit writes nothing at all", async (store) => {
    await goalWith(store, 1);
    const before = await store.view.goal(goal);
    const events = [createBead(beadId(goal, 2), goal), createBead(beadId(goal, 1), goal)];
    await expect(store.log.append(events, none)).rejects.toThrow("a bead is created once");
    expect(await store.view.goal(goal)).toEqual(before);
    expect(await store.view.bead(beadId(goal, 2))).toBeUndefined();
    expect((await store.view.totals()).sequence).toBe(2);
    const strange = { ...createGoal(other), order: { text: Number.NaN } } as unknown as NewEvent;
    await expect(store.log.append([strange], none)).rejects.toThrow("finite");
    expect(await store.view.goal(other)).toBeUndefined();
  });

  on("several events of one append may be about the same rows", async (store) => {
    await goalWith(store, 1);
    const lease = await claimed(store);
    const { bead, attempt } = lease;
    const call = callId(attempt, 1);
    const settled: NewEvent = { type: "call-settled", goal, bead, attempt, call, ...settledBy(0) };
    await store.log.append([reserved(bead, attempt, 1), settled, reserved(bead, attempt, 2)], {
      kind: "lease",
      lease,
    });
    const known = present(await store.view.attempt(attempt), "the attempt is there");
    expect(known).toMatchObject({
      calls: 2,
      open: { call: callId(attempt, 2) },
      trail: [{ kind: "answered" }],
    });
    expect((await store.view.goal(goal))?.spend).toMatchObject({
      requests: 1,
      reservedTokens: 100,
      reservedUsd: 0.1,
    });
  });

  on("stamps never go back when the clock does", async (store, clock) => {
    const start = clock.now();
    await store.log.append([createGoal(goal)], none);
    clock.move(-60_000);
    await store.log.append([createGoal(other)], none);
    clock.move(60_005);
    await store.log.append([{ type: "goal-resumed", goal }], none);
    const events = await store.log.read(1, 10);
    expect(events.map(({ event }) => event.at - start)).toEqual([0, 0, 5]);
  });

  on("reads come in pages, of one goal when asked", async (store) => {
    await goalWith(store, 3);
    await goalWith(store, 2, other);
    const sequences = async (from: number, count: number, only?: GoalId) =>
      (await store.log.read(from, count, only)).map(({ sequence }) => sequence);
    expect(await sequences(1, 3)).toEqual([1, 2, 3]);
    expect(await sequences(4, 3)).toEqual([4, 5, 6]);
    expect(await sequences(7, 3)).toEqual([7]);
    expect(await sequences(8, 3)).toEqual([]);
    expect(await sequences(1, 2, other)).toEqual([5, 6]);
    expect(await sequences(7, 10, other)).toEqual([7]);
    await expect(store.log.read(1, 0)).rejects.toThrow("a count is 1 to 10000");
    await expect(store.log.read(1, 10_001)).rejects.toThrow("a count is 1 to 10000");
  });

  on("any text survives", async (store) => {
    const text =
      'a "quote", a \\ backslash, \u0000\u001b[2J, \u2028, \ud83d\ude80, a lone \ud800, ünïcode, \r\n';
    const created = createGoal(goal) as Extract<NewEvent, { type: "goal-created" }>;
    await store.log.append([{ ...created, order: { ...created.order, text } }], none);
    expect((await store.view.goal(goal))?.order.text).toBe(text);
    expect((await store.log.read(1, 1))[0]?.event).toMatchObject({ order: { text } });
  });
}

function guardCases(on: On): void {
  on("an append guarded by a version happens only when nothing happened meanwhile", async (store) => {
    await goalWith(store, 1);
    const version = present(await store.view.goal(goal), "there is a goal").version;
    const asked: NewEvent = { type: "goal-cancel-asked", goal };
    const guard: Guard = { kind: "unchanged", goal, version };
    expect((await store.log.append([asked], guard)).kind).toBe("appended");
    expect(await store.log.append([asked], guard)).toEqual({ kind: "refused", why: "changed" });
    const unknown: Guard = { kind: "unchanged", goal: other, version: 1 };
    expect(await store.log.append([asked], unknown)).toEqual({ kind: "refused", why: "changed" });
    expect((await store.view.goal(goal))?.version).toBe(version + 1);
  });

  on("an append guarded by states happens only while every one of the beads is in it", async (store) => {
    const [first = beadId(goal, 1), second = beadId(goal, 2)] = await goalWith(store, 2);
    const beads = [first, second];
    const told = (guard: Guard) => store.log.append([{ type: "goal-resumed", goal }], guard);
    expect((await told({ kind: "standing", beads, state: "ready" })).kind).toBe("appended");
    expect((await told({ kind: "standing", beads: [], state: "proven" })).kind).toBe("appended");
    const refused = { kind: "refused", why: "changed" };
    expect(await told({ kind: "standing", beads, state: "proven" })).toEqual(refused);
    await store.log.append([park(second)], none);
    const sequence = (await store.view.totals()).sequence;
    expect(await told({ kind: "standing", beads, state: "ready" }), "one of two has moved").toEqual(refused);
    const unknown = [first, beadId(goal, 9)];
    expect(await told({ kind: "standing", beads: unknown, state: "ready" }), "one is unknown").toEqual(
      refused,
    );
    expect((await store.view.totals()).sequence).toBe(sequence);
    expect((await told({ kind: "standing", beads: [first], state: "ready" })).kind).toBe("appended");
  });

  on("what was looked at is told once: by its holder, and while nothing else was said", async (store) => {
    await goalWith(store, 2);
    const [first, second] = [await claimed(store), await claimed(store)];
    const versionNow = async () => present(await store.view.goal(goal), "there is a goal").version;
    const version = await versionNow();
    const tell = ({ bead, attempt, token }: Lease, seen: number) =>
      store.log.append(
        [{ type: "conflict-seen", goal, bead, attempt, with: beadId(goal, 9), paths: ["a.py"] }],
        { kind: "looked", lease: { bead, token }, goal, version: seen },
      );
    expect((await tell(first, version)).kind).toBe("appended");
    expect(await tell(second, version)).toEqual({ kind: "refused", why: "changed" });
    expect((await tell(second, await versionNow())).kind).toBe("appended");
    await store.leases.reap("everyone");
    expect(await tell(second, await versionNow())).toEqual({ kind: "refused", why: "lost-lease" });
  });

  on(
    "a reservation counts on what is spent: it is refused when another came first, or the lease is gone",
    async (store) => {
      await goalWith(store, 2);
      const [first, second] = [await claimed(store), await claimed(store)];
      const { spend } = present(await store.view.goal(goal), "there is a goal");
      const reserve = ({ bead, attempt, token }: Lease, counted = spend) =>
        store.log.append([reserved(bead, attempt, 1)], {
          ...{ kind: "spending", lease: { bead, token }, goal, spend: counted },
        });
      expect((await reserve(first)).kind).toBe("appended");
      expect(await reserve(second)).toEqual({ kind: "refused", why: "changed" });
      const now = present(await store.view.goal(goal), "there is a goal").spend;
      await store.leases.reap("everyone");
      expect(await reserve(second, now)).toEqual({ kind: "refused", why: "lost-lease" });
      await claimed(store);
      expect((await reserve(await claimed(store), now)).kind, "with a lease and another look").toBe(
        "appended",
      );
    },
  );

  on("whoever lost the lease can change nothing", async (store, clock) => {
    const [bead = beadId(goal, 1)] = await goalWith(store, 1);
    const first = await claimed(store);
    const write = (lease: Lease) => store.log.append([park(bead)], { kind: "lease", lease });
    const refused = { kind: "refused", why: "lost-lease" };
    await store.leases.reap("everyone");
    expect(await write(first), "after it was reaped").toEqual(refused);
    const second = await claimed(store);
    expect(second.token).toBe(first.token + 1);
    expect(await write(first), "after another claimed it").toEqual(refused);
    clock.move(leaseMs - 1);
    expect(await store.leases.renew(second, leaseMs), "in the last millisecond").toBe("renewed");
    clock.move(leaseMs);
    expect(await write(second), "after it ran out, though nobody else claimed").toEqual(refused);
    expect(await store.leases.renew(second, leaseMs), "a lost lease never comes back").toBe("lost");
    expect((await store.view.bead(bead))?.state.kind).toBe("claimed");
    expect((await store.view.totals()).sequence).toBe(5);
  });

  on("a lease ends with the claim it stands for", async (store) => {
    await goalWith(store, 1);
    const lease = await claimed(store);
    const { bead } = lease;
    expect((await store.log.append([park(bead)], { kind: "lease", lease })).kind).toBe("appended");
    expect(await store.leases.renew(lease, leaseMs)).toBe("lost");
    await store.log.append([{ type: "bead-ready", goal, bead, why: "again" }], none);
    expect((await store.log.append([park(bead)], { kind: "lease", lease })).kind).toBe("refused");
  });

  on("a renewed lease lasts from now on", async (store, clock) => {
    await goalWith(store, 1);
    const lease = await claimed(store);
    expect(lease.until).toBe(clock.now() + leaseMs);
    clock.move(9_000);
    expect(await store.leases.renew(lease, leaseMs)).toBe("renewed");
    clock.move(9_000);
    expect(await store.leases.reap("expired")).toEqual([]);
    expect(await store.leases.renew({ bead: lease.bead, token: lease.token + 1 }, leaseMs)).toBe("lost");
    clock.move(1_000);
    expect(await store.leases.reap("expired")).toEqual([lease.bead]);
  });
}

function claimCases(on: On): void {
  on("beads are claimed in the depot's order", async (store, clock) => {
    await store.log.append([createGoal(goal), createGoal(other)], none);
    for (const [index, priority] of ([2, 0, 4, 2, 3, 1, 4] as const).entries()) {
      const owner = index % 2 === 0 ? goal : other;
      await store.log.append([{ ...createBead(beadId(owner, index + 1), owner), priority }], none);
      clock.move(index === 1 ? 3_000_000 : 100_000);
    }
    const beads = [...(await store.view.beads({ countMax: 100 }))].sort(compareReady).map(({ id }) => id);
    const order: BeadId[] = [];
    for (let count = 0; count < beads.length; count++) order.push((await claimed(store)).bead);
    expect(order).toEqual(beads);
    expect(order[1], "the least urgent that waited fifty minutes passes the most urgent").toBe(
      beadId(other, 2),
    );
    expect(await store.leases.claim({ by, leaseMs })).toBeUndefined();
  });

  on("a claim of one goal takes none of another", async (store) => {
    await goalWith(store, 2);
    await goalWith(store, 1, other);
    expect((await claimed(store, other)).bead).toBe(beadId(other, 1));
    expect(await store.leases.claim({ by, leaseMs, goal: other })).toBeUndefined();
    expect((await claimed(store, goal)).bead).toBe(beadId(goal, 1));
  });

  on("a bead is claimed once, however many ask at once", async (store) => {
    const beads = await goalWith(store, 40);
    const asks = Array.from({ length: 60 }, (_, index) =>
      store.leases.claim({ by: `p${index}@1` as PolecatId, leaseMs }),
    );
    const leases = (await Promise.all(asks)).filter((lease) => lease !== undefined);
    expect(leases.map(({ bead }) => bead).sort()).toEqual([...beads].sort());
  });

  on("an unfinished attempt is gone on with, a finished one is not", async (store) => {
    const [bead = beadId(goal, 1)] = await goalWith(store, 1);
    const first = await claimed(store);
    const { attempt } = first;
    const revision = {
      revision: `${attempt}/r1`,
      commit: commitOf(1),
      parent: commitOf(0),
      tree: "t",
    } as const;
    const revised = {
      type: "revision-recorded",
      goal,
      bead,
      attempt,
      step: "draft",
      files: ["a"],
      ...revision,
    };
    const event = { ...revised, evaluation: evaluationOf(0) } as unknown as NewEvent;
    await store.log.append([event], { kind: "lease", lease: first });
    await store.leases.reap("everyone");
    const second = await claimed(store);
    expect(second.attempt).toBe(attempt);
    expect((await store.view.attempt(attempt))?.trail).toMatchObject([
      { kind: "revised", revision: `${attempt}/r1` },
    ]);
    const again: NewEvent = { type: "bead-ready", goal, bead, why: "another try" };
    await store.log.append([park(bead), again], { kind: "lease", lease: second });
    const third = await claimed(store);
    expect([third.attempt, third.token]).toEqual([`${bead}/a2`, 3]);
    expect((await store.view.attempts(bead)).map(({ id }) => id)).toEqual([`${bead}/a1`, `${bead}/a2`]);
    expect((await store.view.bead(bead))?.attempts).toBe(2);
  });
}

function reapCases(on: On): void {
  on("reaping releases those whose lease ran out, in proof too, and no other", async (store, clock) => {
    await goalWith(store, 3);
    const first = await claimed(store);
    const proving: NewEvent = { ...first, type: "proof-started", goal, commit: commitOf(1) } as NewEvent;
    await store.log.append([proving], { kind: "lease", lease: first });
    const second = await claimed(store);
    clock.move(leaseMs - 1);
    const third = await claimed(store);
    clock.move(1);
    expect(await store.leases.reap("expired")).toEqual([first.bead, second.bead]);
    const states = (await store.view.beads({ countMax: 10 })).map(({ state }) => state.kind);
    expect(states).toEqual(["ready", "ready", "claimed"]);
    expect(await store.leases.reap("everyone")).toEqual([third.bead]);
    expect(await store.leases.reap("everyone")).toEqual([]);
  });

  on("more beads than one transaction takes are reaped", async (store) => {
    const beads = await goalWith(store, 501);
    for (const _ of beads) await claimed(store);
    expect((await store.leases.reap("everyone")).length).toBe(501);
    expect((await store.view.totals()).beads).toEqual({ ready: 501 });
  });
}

function viewCases(on: On): void {
  on("goals come newest first, open or ended when asked", async (store) => {
    await store.log.append([createGoal(other), createGoal(goal)], none);
    await store.log.append([createGoal("cccccccc" as GoalId)], none);
    await store.log.append([{ type: "goal-ended", goal: other, end: goalEnd }], none);
    const ids = async (filter: Parameters<Store["view"]["goals"]>[0]) =>
      (await store.view.goals(filter)).map(({ id }) => id);
    expect(await ids({ countMax: 10 })).toEqual(["cccccccc", goal, other]);
    expect(await ids({ countMax: 1 })).toEqual(["cccccccc"]);
    expect(await ids({ open: true, countMax: 10 })).toEqual(["cccccccc", goal]);
    expect(await ids({ open: false, countMax: 10 })).toEqual([other]);
    await store.log.append([{ type: "goal-resumed", goal: other }], none);
    expect(await ids({ open: true, countMax: 10 })).toEqual(["cccccccc", goal, other]);
    expect((await store.view.totals()).goals).toEqual({ open: 3, ended: 0 });
  });

  on("beads come by id, of a goal and a state when asked", async (store) => {
    await goalWith(store, 2);
    await goalWith(store, 2, other);
    await store.log.append([createBead(beadId(beadId(goal, 1), 1), goal), park(beadId(goal, 2))], none);
    const ids = async (filter: Parameters<Store["view"]["beads"]>[0]) =>
      (await store.view.beads(filter)).map(({ id }) => id);
    expect(await ids({ countMax: 10 })).toEqual([
      `${goal}.1`,
      `${goal}.1.1`,
      `${goal}.2`,
      `${other}.1`,
      `${other}.2`,
    ]);
    expect(await ids({ goal, countMax: 10 })).toEqual([`${goal}.1`, `${goal}.1.1`, `${goal}.2`]);
    expect(await ids({ goal, state: "ready", countMax: 10 })).toEqual([`${goal}.1`, `${goal}.1.1`]);
    expect(await ids({ goal, state: "ready", countMax: 1 })).toEqual([`${goal}.1`]);
    expect(await ids({ state: "ready", countMax: 10 })).toHaveLength(4);
    expect(await ids({ state: "parked", countMax: 10 })).toEqual([`${goal}.2`]);
    expect((await store.view.totals()).beads).toEqual({ ready: 4, parked: 1 });
  });
}

function blobCases(on: On): void {
  on("blobs come back by their hash until they are forgotten, and the chain does not mind", async (store) => {
    await goalWith(store, 1);
    const bytes = Uint8Array.from([0, 1, 2, 255]);
    const hash = await store.blobs.put(bytes);
    expect(hash).toBe("3d1f57c984978ef98a18378c8166c1cb8ede02c03eeb6aee7e2f121dfeee3e56");
    expect(await store.blobs.put(bytes)).toBe(hash);
    bytes[0] = 9;
    expect([...present(await store.blobs.get(hash), "it is kept")]).toEqual([0, 1, 2, 255]);
    await store.blobs.forget(hash);
    await store.blobs.forget(hash);
    expect(await store.blobs.get(hash)).toBeUndefined();
    expect(await store.blobs.get("no such" as BlobHash)).toBeUndefined();
    expect(await store.blobs.get(await store.blobs.put(new Uint8Array()))).toHaveLength(0);
  });
}

function replayCase(on: On, open: (clock: VirtualClock) => Promise<OpenedStore>): void {
  on("a log replayed into a fresh store ends with the same hash", async (store) => {
    await goalWith(store, 3);
    const lease = await claimed(store);
    await store.log.append([park(lease.bead)], { kind: "lease", lease });
    const clock = virtualClock();
    const fresh = await open(clock);
    try {
      await replay(store, fresh.store, clock);
      expect(await fresh.store.log.read(1, 100)).toEqual(await store.log.read(1, 100));
      expect(await fresh.store.view.beads({ countMax: 9 })).toEqual(await store.view.beads({ countMax: 9 }));
    } finally {
      await fresh.end();
    }
  });
}

const tamperings: readonly (readonly [Tampering, RegExp])[] = [
  ["event-body", /event 3 was changed after it was written/],
  ["event-hash", /event 3 was changed after it was written/],
  ["event-forged", /event 4 is not chained to the event before it/],
  ["event-goal", /event 3 has columns that differ from its text/],
  ["last-event-gone", /is stored but no event made it|differs from what the log gives/],
  ["middle-event-gone", /events between them are gone/],
  ["goal-body", /goal aaaaaaaa differs from what the log gives/],
  ["bead-body", /bead aaaaaaaa\.1 differs from what the log gives/],
  ["bead-state", /bead aaaaaaaa\.2 is indexed as something other/],
  ["bead-gone", /bead aaaaaaaa\.2 is in the log but not stored/],
  ["bead-invented", /1 stored beads belong to no goal of the log/],
  ["attempt-body", /attempt aaaaaaaa\.1\/a1 differs from what the log gives/],
  ["blob-bytes", /blob [0-9a-f]{64} was changed after it was written/],
];

async function findsTampering(
  open: (clock: VirtualClock) => Promise<OpenedStore>,
  what: Tampering,
  words: RegExp,
): Promise<void> {
  const { store, tamper, end } = await open(virtualClock());
  try {
    await goalWith(store, 2);
    await claimed(store);
    await store.blobs.put(Buffer.from("a prompt"));
    expect(await store.audit()).toEqual([]);
    await present(tamper, "this store can be tampered with")(what);
    expect((await store.audit()).join("\n")).toMatch(words);
  } finally {
    await end();
  }
}
