/**
 * Appending, claiming and fencing, the same for every kind of rows.
 *
 * 1. Everything is decided and folded before the first row is written; rows are written inside one transaction.
 * 2. The chain's tail, the guard and the first ready bead are read inside that transaction: a second writer could not fork the chain.
 * 3. A lease row exists only while its bead is held with that very token, so a lease that is gone cannot come back.
 * 4. Leases are not flushed by themselves: a power cut ends the worker too, and whatever it recorded under its lease was
 *    flushed with everything before.
 * 5. The clock never goes back, neither behind itself nor behind the newest event.
 */
import { isDeepStrictEqual } from "node:util";
import type { Bead } from "../../domain/bead.ts";
import type { Event, Recorded } from "../../domain/event.ts";
import { attemptId, type BeadId } from "../../domain/id.ts";
import { emptyWorld, fold, touches, type World } from "../../domain/state.ts";
import type { Upcasts } from "../../domain/upcast.ts";
import { assert, unreachable } from "../../kit/assert.ts";
import type { Appended, Guard, Lease, Leases, Log, NewEvent } from "../../ports/store.ts";
import { type EventRow, seal, unseal } from "./chain.ts";
import { holds, type WriteRows } from "./rows.ts";

/** The most events one append takes. */
export const appendCountMax = 10_000;

/** The longest lease: one day. */
export const leaseMsMax = 86_400_000;

/** How many beads one transaction of `reap` releases. */
const reapCountMax = 500;

/** The log's writing half and the leases. `now`: milliseconds; it may go back, the store's clock does not. */
export function ledger(
  rows: WriteRows,
  now: () => number,
  steps: Upcasts,
): { readonly append: Log["append"]; readonly leases: Leases } {
  const clock = steadyClock(now);
  const leases: Leases = {
    claim: async (ask) => {
      checkLeaseMs(ask.leaseMs);
      return rows.transactSoon(() => claim(rows, ask, { at: clock(rows.tail().at), steps }));
    },
    renew: async (lease, leaseMs) => {
      checkLeaseMs(leaseMs);
      return rows.transactSoon(() => {
        const at = clock(rows.tail().at);
        const kept = standing(rows, lease, at);
        if (kept === undefined) return "lost";
        rows.keepLease({ ...kept, until: at + leaseMs });
        return "renewed";
      });
    },
    reap: async (who) => {
      const released: BeadId[] = [];
      for (;;) {
        const batch = rows.transact(() => reap(rows, who, { at: clock(rows.tail().at), steps }));
        released.push(...batch);
        if (batch.length < reapCountMax) return released;
      }
    },
  };
  return {
    append: async (events, guard) => {
      assert(events.length <= appendCountMax, `one append has at most ${appendCountMax} events`);
      return rows.transact(() => append(rows, events, guard, { at: clock(rows.tail().at), steps }));
    },
    leases,
  };
}

/** The moment of a transaction, and how old shapes are read. */
interface Moment {
  readonly at: number;
  readonly steps: Upcasts;
}

function steadyClock(now: () => number): (floor: number) => number {
  let last = 0;
  return (floor) => {
    const read = Math.trunc(now());
    assert(Number.isSafeInteger(read), "the clock gives milliseconds");
    last = Math.max(last, floor, read);
    return last;
  };
}

function checkLeaseMs(leaseMs: number): void {
  assert(Number.isInteger(leaseMs), "a lease lasts whole milliseconds");
  assert(leaseMs >= 1 && leaseMs <= leaseMsMax, `a lease lasts 1 to ${leaseMsMax} ms`);
}

function append(rows: WriteRows, events: readonly NewEvent[], guard: Guard, moment: Moment): Appended {
  const why = refusal(rows, guard, moment.at);
  if (why !== undefined) return { kind: "refused", why };
  return { kind: "appended", events: write(rows, events, moment) };
}

function refusal(rows: WriteRows, guard: Guard, at: number): "lost-lease" | "changed" | undefined {
  switch (guard.kind) {
    case "none":
      return undefined;
    case "lease":
      return standing(rows, guard.lease, at) === undefined ? "lost-lease" : undefined;
    case "spending":
      if (standing(rows, guard.lease, at) === undefined) return "lost-lease";
      return isDeepStrictEqual(rows.goal(guard.goal)?.spend, guard.spend) ? undefined : "changed";
    case "looked":
      if (standing(rows, guard.lease, at) === undefined) return "lost-lease";
      return rows.goal(guard.goal)?.version === guard.version ? undefined : "changed";
    case "standing":
      return guard.beads.every((bead) => rows.bead(bead)?.state.kind === guard.state) ? undefined : "changed";
    case "unchanged":
      return rows.goal(guard.goal)?.version === guard.version ? undefined : "changed";
    default:
      return unreachable(guard);
  }
}

function standing(rows: WriteRows, lease: Pick<Lease, "bead" | "token">, at: number) {
  const row = rows.lease(lease.bead);
  return row !== undefined && row.token === lease.token && row.until > at ? row : undefined;
}

function claim(rows: WriteRows, ask: Parameters<Leases["claim"]>[0], moment: Moment): Lease | undefined {
  const ready = rows.firstReady(ask.goal);
  if (ready === undefined) return undefined;
  const attempt = ready.unfinished ?? attemptId(ready.id, ready.attempts + 1);
  const token = ready.token + 1;
  const { id: bead, goal } = ready;
  write(rows, [{ type: "bead-claimed", goal, bead, attempt, by: ask.by, token }], moment);
  const until = moment.at + ask.leaseMs;
  rows.keepLease({ bead, token, by: ask.by, until });
  return { bead, attempt, by: ask.by, token, until };
}

function reap(rows: WriteRows, who: "expired" | "everyone", moment: Moment): readonly BeadId[] {
  const untilMax = who === "everyone" ? Number.MAX_SAFE_INTEGER : moment.at;
  const why = who === "everyone" ? "the process that held it has ended" : "its lease ran out";
  const beads = rows.held(untilMax, reapCountMax);
  const release = ({ id, goal, token }: Bead): NewEvent => ({
    type: "bead-released",
    goal,
    bead: id,
    token,
    why,
  });
  write(rows, beads.map(release), moment);
  return beads.map((bead) => bead.id);
}

/** Folds all events in memory first, then writes events and rows; leases of beads that are no longer held go with them. */
function write(rows: WriteRows, events: readonly NewEvent[], moment: Moment): readonly Recorded[] {
  const world = emptyWorld();
  const tokens = new Map<BeadId, number>();
  const sealed: EventRow[] = [];
  const recorded: Recorded[] = [];
  let tail = rows.tail();
  for (const each of events) {
    tail = seal(tail, { ...each, at: moment.at } as Event);
    sealed.push(tail as EventRow);
    // Folding what the text says, not what the caller holds: a later reader has nothing but the text.
    const record = unseal(tail as EventRow, moment.steps);
    load(world, tokens, rows, record.event);
    fold(world, record.event);
    recorded.push(record);
  }
  for (const row of sealed) rows.keepEvent(row);
  for (const goal of world.goals.values()) rows.keepGoal(goal);
  for (const bead of world.beads.values()) rows.keepBead(bead);
  for (const attempt of world.attempts.values()) rows.keepAttempt(attempt);
  for (const [id, token] of tokens) {
    const bead = world.beads.get(id);
    if (bead === undefined || !holds(bead, token)) rows.dropLease(id);
  }
  return recorded;
}

/** Fetches the rows an event is about, once; remembers the tokens of beads that were held. */
function load(world: World, tokens: Map<BeadId, number>, rows: WriteRows, event: Event): void {
  const { goal, bead, attempt } = touches(event);
  if (!world.goals.has(goal)) {
    const row = rows.goal(goal);
    if (row !== undefined) world.goals.set(goal, row);
  }
  if (bead !== undefined && !world.beads.has(bead)) {
    const row = rows.bead(bead);
    if (row !== undefined) world.beads.set(bead, row);
    if (row !== undefined && holds(row, row.token)) tokens.set(bead, row.token);
  }
  if (attempt !== undefined && !world.attempts.has(attempt)) {
    const row = rows.attempt(attempt);
    if (row !== undefined) world.attempts.set(attempt, row);
  }
}
