import type { Attempt } from "../../domain/attempt.ts";
import type { Bead, BeadStateKind } from "../../domain/bead.ts";
import type { Goal } from "../../domain/goal.ts";
import type { AttemptId, BlobHash, GoalId } from "../../domain/id.ts";
import type { Totals } from "../../ports/store.ts";
import { type EventRow, emptyTail, parsed, type Tail } from "./chain.ts";
import type { Connection } from "./connection.ts";
import {
  type AttemptRow,
  type AuditRows,
  attemptRow,
  type BeadRow,
  beadRow,
  type GoalRow,
  goalRow,
  type LeaseRow,
  type ReadRows,
  type WriteRows,
} from "./rows.ts";

interface Body {
  readonly body: string;
}

interface Count {
  readonly kind: string;
  readonly count: number;
}

/** Ids are digits, small letters, "." and "/": this is after all of them. */
const lastId = "~";

/** The ids of what belongs to a goal begin with it and a dot, and "/" follows "." in the order of ids. */
function rangeOf(goal: GoalId | undefined): readonly [string, string] {
  return goal === undefined ? ["", lastId] : [`${goal}.`, `${goal}/`];
}

function pageRange(goal: GoalId, after: string): readonly [string, string] {
  const [from, to] = rangeOf(goal);
  return [after > from ? after : from, to];
}

const eventColumns =
  'sequence, at, goal, type, version, body, previous_hash AS "previousHash", hash' as const;

function eventRows(connection: Connection): Pick<ReadRows, "tail" | "events"> {
  const tail = connection.prepare<Tail>(
    "SELECT sequence, at, hash FROM event ORDER BY sequence DESC LIMIT 1",
  );
  const all = connection.prepare<EventRow>(
    `SELECT ${eventColumns} FROM event WHERE sequence >= ? ORDER BY sequence LIMIT ?`,
  );
  const ofGoal = connection.prepare<EventRow>(
    `SELECT ${eventColumns} FROM event WHERE goal = ? AND sequence >= ? ORDER BY sequence LIMIT ?`,
  );
  return {
    tail: () => tail.one() ?? emptyTail,
    events: (from, countMax, goal) =>
      goal === undefined ? all.all(from, countMax) : ofGoal.all(goal, from, countMax),
  };
}

export function readRows(connection: Connection): ReadRows {
  const goal = connection.prepare<Body>("SELECT body FROM goal WHERE id = ?");
  const bead = connection.prepare<Body>("SELECT body FROM bead WHERE id = ?");
  const attempt = connection.prepare<Body>("SELECT body FROM attempt WHERE id = ?");
  const goals = connection.prepare<Body>("SELECT body FROM goal ORDER BY number DESC LIMIT ?");
  const goalsByOpen = connection.prepare<Body>(
    "SELECT body FROM goal WHERE open = ? ORDER BY number DESC LIMIT ?",
  );
  const beads = connection.prepare<Body>("SELECT body FROM bead WHERE id > ? AND id < ? ORDER BY id LIMIT ?");
  const beadsByState = connection.prepare<Body>(
    "SELECT body FROM bead INDEXED BY bead_state WHERE state = ? AND id > ? AND id < ? ORDER BY id LIMIT ?",
  );
  // Numbers are not padded: "a9" is before "a10".
  const attempts = connection.prepare<Body>(
    "SELECT body FROM attempt WHERE id > ? AND id < ? ORDER BY length(id), id",
  );
  const blob = connection.prepare<{ bytes: Uint8Array }>("SELECT bytes FROM blob WHERE hash = ?");
  return {
    ...eventRows(connection),
    goal: (id) => readValue<Goal>(goal.one(id), id),
    bead: (id) => readValue<Bead>(bead.one(id), id),
    attempt: (id: AttemptId) => readValue<Attempt>(attempt.one(id), id),
    goals: ({ open, countMax }) =>
      readValues<Goal>(open === undefined ? goals.all(countMax) : goalsByOpen.all(open ? 1 : 0, countMax)),
    beads: ({ goal: of, state, countMax }) => {
      const [from, to] = rangeOf(of);
      return readValues<Bead>(
        state === undefined ? beads.all(from, to, countMax) : beadsByState.all(state, from, to, countMax),
      );
    },
    attempts: (id) => readValues<Attempt>(attempts.all(`${id}/`, `${id}0`)),
    totals: totals(connection),
    blob: (hash: BlobHash) => blob.one(hash)?.bytes,
  };
}

function totals(connection: Connection): () => Totals {
  const goals = connection.prepare<Count>("SELECT open AS kind, count(*) AS count FROM goal GROUP BY open");
  const beads = connection.prepare<Count>("SELECT state AS kind, count(*) AS count FROM bead GROUP BY state");
  const newest = connection.prepare<{ sequence: number }>(
    "SELECT coalesce(max(sequence), 0) AS sequence FROM event",
  );
  return () =>
    connection.snapshot(() => {
      const byOpen = new Map(goals.all().map(({ kind, count }) => [Number(kind), count]));
      const byState = beads.all().map(({ kind, count }) => [kind, count] as const);
      return {
        goals: { open: byOpen.get(1) ?? 0, ended: byOpen.get(0) ?? 0 },
        beads: Object.fromEntries(byState) as Partial<Record<BeadStateKind, number>>,
        sequence: newest.one()?.sequence ?? 0,
      };
    });
}

export function writeRows(connection: Connection): WriteRows {
  const firstReady = connection.prepare<Body>(
    "SELECT body FROM bead INDEXED BY bead_ready WHERE state = 'ready' ORDER BY rank, id LIMIT 1",
  );
  const firstReadyInGoal = connection.prepare<Body>(
    "SELECT body FROM bead INDEXED BY bead_ready_in_goal WHERE state = 'ready' AND goal = ? ORDER BY rank, id LIMIT 1",
  );
  const held = connection.prepare<Body>(
    `SELECT bead.body FROM bead LEFT JOIN lease ON lease.bead = bead.id
     WHERE bead.state IN ('claimed', 'proving') AND coalesce(lease.until, 0) <= ? ORDER BY bead.id LIMIT ?`,
  );
  return {
    ...readRows(connection),
    ...keepers(connection),
    ...leaseRows(connection),
    ...blobRows(connection),
    transact: connection.transact,
    transactSoon: connection.transactSoon,
    firstReady: (goal) => {
      const row = goal === undefined ? firstReady.one() : firstReadyInGoal.one(goal);
      return readValue<Bead>(row, "the first ready bead");
    },
    held: (untilMax, countMax) => readValues<Bead>(held.all(untilMax, countMax)),
  };
}

function keepers(
  connection: Connection,
): Pick<WriteRows, "keepEvent" | "keepGoal" | "keepBead" | "keepAttempt"> {
  const event = connection.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  const goal = connection.prepare(
    `INSERT INTO goal (id, open, body) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET open = excluded.open, body = excluded.body`,
  );
  const bead = connection.prepare(
    `INSERT INTO bead (id, goal, state, rank, body) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, rank = excluded.rank, body = excluded.body`,
  );
  const attempt = connection.prepare(
    "INSERT INTO attempt (id, bead, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
  );
  return {
    keepEvent: ({ sequence, at, goal: of, type, version, body, previousHash, hash }) =>
      event.run(sequence, at, of, type, version, body, previousHash, hash),
    keepGoal: (value) => {
      const { id, open, body } = goalRow(value);
      goal.run(id, open, body);
    },
    keepBead: (value) => {
      const { id, goal: of, state, rank, body } = beadRow(value);
      bead.run(id, of, state, rank, body);
    },
    keepAttempt: (value) => {
      const { id, bead: of, body } = attemptRow(value);
      attempt.run(id, of, body);
    },
  };
}

function leaseRows(connection: Connection): Pick<WriteRows, "lease" | "keepLease" | "dropLease"> {
  const lease = connection.prepare<LeaseRow>("SELECT bead, token, by, until FROM lease WHERE bead = ?");
  const keep = connection.prepare(
    "INSERT OR REPLACE INTO lease (bead, token, by, until) VALUES (?, ?, ?, ?)",
  );
  const drop = connection.prepare("DELETE FROM lease WHERE bead = ?");
  return {
    lease: (bead) => lease.one(bead),
    keepLease: ({ bead, token, by, until }) => keep.run(bead, token, by, until),
    dropLease: (bead) => drop.run(bead),
  };
}

function blobRows(connection: Connection): Pick<WriteRows, "keepBlob" | "dropBlob"> {
  const keep = connection.prepare("INSERT INTO blob (hash, bytes) VALUES (?, ?)");
  const drop = connection.prepare("DELETE FROM blob WHERE hash = ?");
  return {
    keepBlob: (hash, bytes) => keep.run(hash, bytes),
    dropBlob: (hash) => {
      // What is forgotten is also overwritten; elsewhere this would only cost writes.
      connection.execute("PRAGMA secure_delete = ON");
      try {
        drop.run(hash);
      } finally {
        connection.execute("PRAGMA secure_delete = OFF");
      }
    },
  };
}

export function auditRows(connection: Connection): AuditRows {
  const goalAfter = connection.prepare<{ id: GoalId | null }>(
    `SELECT min(id) AS id FROM (
       SELECT min(goal) AS id FROM event WHERE goal > ?1 UNION ALL SELECT min(id) AS id FROM goal WHERE id > ?1)`,
  );
  const goal = connection.prepare<GoalRow>("SELECT id, open, body FROM goal WHERE id = ?");
  const beads = connection.prepare<BeadRow>(
    "SELECT id, goal, state, rank, body FROM bead WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
  );
  const attempts = connection.prepare<AttemptRow>(
    "SELECT id, bead, body FROM attempt WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
  );
  const counts = connection.prepare<{ beads: number; attempts: number }>(
    "SELECT (SELECT count(*) FROM bead) AS beads, (SELECT count(*) FROM attempt) AS attempts",
  );
  const blobAfter = connection.prepare<{ hash: string; bytes: Uint8Array }>(
    "SELECT hash, bytes FROM blob WHERE hash > ? ORDER BY hash LIMIT 1",
  );
  const check = connection.prepare<{ quick_check: string }>("PRAGMA quick_check(10)");
  return {
    ...eventRows(connection),
    goalAfter: (id) => goalAfter.one(id)?.id ?? undefined,
    goalRow: (id) => goal.one(id),
    beadRows: (of, { after, countMax }) => beads.all(...pageRange(of, after), countMax),
    attemptRows: (of, { after, countMax }) => attempts.all(...pageRange(of, after), countMax),
    counts: () => counts.one() ?? { beads: 0, attempts: 0 },
    blobAfter: (hash) => blobAfter.one(hash),
    damage: () =>
      check
        .all()
        .map((row) => row.quick_check)
        .filter((words) => words !== "ok"),
  };
}

function readValue<Value>(row: Body | undefined, what: string): Value | undefined {
  return row === undefined ? undefined : parsed<Value>(row.body, what);
}

function readValues<Value>(rows: readonly Body[]): Value[] {
  return rows.map((row) => parsed<Value>(row.body, "a row of the store"));
}
