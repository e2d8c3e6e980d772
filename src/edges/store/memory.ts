import { nextReady } from "../../domain/depot.ts";
import type { BeadId, BlobHash, GoalId } from "../../domain/id.ts";
import { emptyWorld, type World } from "../../domain/state.ts";
import { upcasts } from "../../domain/upcast.ts";
import type { Store, Totals } from "../../ports/store.ts";
import { audit } from "./audit.ts";
import { blobs } from "./blobs.ts";
import { type EventRow, emptyTail } from "./chain.ts";
import { ledger } from "./ledger.ts";
import * as row from "./rows.ts";
import { reading, view } from "./view.ts";

/** A store that ends with the process: for tests, the simulation and dry runs. The same ledger over other rows. `now`: ms. */
export function memoryStore(options: { readonly now: () => number }): Store {
  const rows = memoryRows();
  const { append, leases } = ledger(rows, options.now, upcasts);
  return {
    log: { ...reading(rows, upcasts), append },
    leases,
    view: view(rows),
    blobs: blobs(rows),
    audit: () => audit(rows, upcasts),
    close: async () => {},
  };
}

interface Shelves {
  readonly world: World;
  readonly log: EventRow[];
  readonly leases: Map<BeadId, row.LeaseRow>;
  readonly bytes: Map<string, Uint8Array>;
}

function memoryRows(): row.WriteRows & row.AuditRows {
  const shelves: Shelves = { world: emptyWorld(), log: [], leases: new Map(), bytes: new Map() };
  return { ...readRows(shelves), ...writeRows(shelves), ...auditRows(shelves) };
}

function readRows({ world, log, bytes }: Shelves): row.ReadRows {
  return {
    tail: () => log.at(-1) ?? emptyTail,
    events: (from, countMax, goal) => eventPage(log, from, countMax, goal),
    goal: (id) => world.goals.get(id),
    bead: (id) => world.beads.get(id),
    attempt: (id) => world.attempts.get(id),
    goals: ({ open, countMax }) =>
      [...world.goals.values()]
        .reverse()
        .filter((goal) => open === undefined || open === (goal.end === undefined))
        .slice(0, countMax),
    beads: ({ goal, state, countMax }) =>
      byId(world.beads.values())
        .filter((bead) => goal === undefined || bead.goal === goal)
        .filter((bead) => state === undefined || bead.state.kind === state)
        .slice(0, countMax),
    attempts: (bead) => [...world.attempts.values()].filter((attempt) => attempt.bead === bead),
    totals: () => countAll(world, log.length),
    blob: (hash) => bytes.get(hash),
  };
}

type Written = Omit<row.WriteRows, keyof row.ReadRows>;

function writeRows({ world, log, leases, bytes }: Shelves): Written {
  return {
    // Nothing here can fail between two writes, and the ledger writes only after everything is decided.
    transact: (work) => work(),
    transactSoon: (work) => work(),
    keepEvent: (event) => void log.push(event),
    keepGoal: (goal) => void world.goals.set(goal.id, goal),
    keepBead: (bead) => void world.beads.set(bead.id, bead),
    keepAttempt: (attempt) => void world.attempts.set(attempt.id, attempt),
    lease: (bead) => leases.get(bead),
    keepLease: (lease) => void leases.set(lease.bead, lease),
    dropLease: (bead) => void leases.delete(bead),
    firstReady: (goal) => nextReady(ofGoal(world.beads.values(), goal)),
    held: (untilMax, countMax) =>
      byId(world.beads.values())
        .filter((bead) => row.holds(bead, bead.token) && (leases.get(bead.id)?.until ?? 0) <= untilMax)
        .slice(0, countMax),
    keepBlob: (hash, content) => void bytes.set(hash, content),
    dropBlob: (hash: BlobHash) => void bytes.delete(hash),
  };
}

function auditRows({ world, log, bytes }: Shelves): row.AuditRows {
  return {
    tail: () => log.at(-1) ?? emptyTail,
    events: (from, countMax, goal) => eventPage(log, from, countMax, goal),
    goalAfter: (id) => following(world.goals.keys(), id),
    goalRow: (id) => {
      const goal = world.goals.get(id);
      return goal === undefined ? undefined : row.goalRow(goal);
    },
    beadRows: (goal, page) => pageOf(ofGoal(world.beads.values(), goal), page).map(row.beadRow),
    attemptRows: (goal, page) => pageOf(ofGoal(world.attempts.values(), goal), page).map(row.attemptRow),
    counts: () => ({ beads: world.beads.size, attempts: world.attempts.size }),
    blobAfter: (hash) => {
      const next = following(bytes.keys(), hash);
      const content = next === undefined ? undefined : bytes.get(next);
      return next === undefined || content === undefined ? undefined : { hash: next, bytes: content };
    },
    damage: () => [],
  };
}

/** Sequences have no gap, so the place in the list is known. */
function eventPage(
  log: readonly EventRow[],
  from: number,
  countMax: number,
  goal: GoalId | undefined,
): readonly EventRow[] {
  const page: EventRow[] = [];
  for (let index = Math.max(0, from - 1); index < log.length && page.length < countMax; index++) {
    const event = log[index];
    if (event !== undefined && (goal === undefined || event.goal === goal)) page.push(event);
  }
  return page;
}

function* ofGoal<Item extends { readonly goal: GoalId }>(
  items: Iterable<Item>,
  goal: GoalId | undefined,
): Iterable<Item> {
  for (const item of items) if (goal === undefined || item.goal === goal) yield item;
}

function byId<Item extends { readonly id: string }>(items: Iterable<Item>): Item[] {
  return [...items].sort((left, right) => (left.id < right.id ? -1 : left.id > right.id ? 1 : 0));
}

function pageOf<Item extends { readonly id: string }>(items: Iterable<Item>, page: row.Page): Item[] {
  return byId(items)
    .filter((item) => item.id > page.after)
    .slice(0, page.countMax);
}

function following<Key extends string>(keys: Iterable<Key>, after: string): Key | undefined {
  let next: Key | undefined;
  for (const key of keys) if (key > after && (next === undefined || key < next)) next = key;
  return next;
}

function countAll(world: World, sequence: number): Totals {
  const beads: { -readonly [Kind in keyof Totals["beads"]]: number } = {};
  for (const { state } of world.beads.values()) beads[state.kind] = (beads[state.kind] ?? 0) + 1;
  let open = 0;
  for (const goal of world.goals.values()) if (goal.end === undefined) open++;
  return { goals: { open, ended: world.goals.size - open }, beads, sequence };
}
