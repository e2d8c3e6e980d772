import { projectionVersion } from "../../domain/state.ts";
import { StoreError } from "../../ports/store.ts";
import type { Connection } from "./connection.ts";

/** The store is of an older Rigs: its next owner brings it up to date. */
export class OutdatedError extends StoreError {}

/** "RIGS" in the file's header (PRAGMA application_id), so that another program's file is never taken for a store. */
const applicationId = 0x52494753;

/**
 * Entry n brings a file from schema n to n + 1; the file carries its number (PRAGMA user_version). Entries are never
 * edited once released. The indexes: `bead_state` covers totals and filters, the two of ready beads hold the depot's order.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    goal TEXT NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_goal ON event (goal, sequence);
  CREATE TABLE goal (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, open INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX goal_open ON goal (open, number);
  CREATE TABLE bead (
    id TEXT PRIMARY KEY,
    goal TEXT NOT NULL,
    state TEXT NOT NULL,
    rank INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX bead_state ON bead (state, id);
  CREATE INDEX bead_ready ON bead (rank, id) WHERE state = 'ready';
  CREATE INDEX bead_ready_in_goal ON bead (goal, rank, id) WHERE state = 'ready';
  CREATE TABLE attempt (id TEXT PRIMARY KEY, bead TEXT NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE lease (
    bead TEXT PRIMARY KEY,
    token INTEGER NOT NULL,
    by TEXT NOT NULL,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE blob (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  `,
  // Which reducer made the rows (projectionVersion): beside the schema, because it changes without any table changing.
  `
  CREATE TABLE projection (version INTEGER NOT NULL) STRICT;
  INSERT INTO projection VALUES (0);
  `,
];

export const schemaVersion = migrations.length;

/** Brings a file to today's schema, each step in one transaction. Throws StoreError for a newer or foreign file. */
export function migrate(connection: Connection): void {
  const version = checkSchema(connection);
  const mode = connection.prepare<{ journal_mode: string }>("PRAGMA journal_mode = WAL").one();
  if (mode?.journal_mode !== "wal")
    throw new StoreError(`${connection.file} cannot use a write-ahead log: choose a --home on a local disk`);
  for (let from = version; from < schemaVersion; from++)
    connection.transact(() => {
      // Another process may have taken this step between the look and the lock.
      if (pragma(connection, "user_version") !== from) return;
      connection.execute(migrations[from] ?? "");
      connection.execute(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${from + 1}`);
    });
}

/** For readers, who change nothing: schema and rows must be exactly today's. Throws OutdatedError where an owner can mend that. */
export function requireSchema(connection: Connection): void {
  const version = checkSchema(connection);
  if (version === 0) throw new StoreError(noStore(connection.file));
  if (version < schemaVersion || projectionOf(connection) < projectionVersion)
    throw new OutdatedError(
      `${connection.file} was written by an older Rigs: end the rigs process that works on it (rigs foreman stop), then try again`,
    );
}

/** Which reducer made the rows; 0 for those of a store that did not say yet. Throws StoreError for a newer one than this. */
export function projectionOf(connection: Connection): number {
  const row = connection.prepare<{ version: number }>("SELECT version FROM projection").one();
  const version = row?.version ?? 0;
  if (version > projectionVersion)
    throw new StoreError(
      `${connection.file} was written by a newer Rigs (rows ${version}, this one knows ${projectionVersion}): update Rigs`,
    );
  return version;
}

export function noStore(file: string): string {
  return `there is no store yet at ${file}: run a goal first, or give the right --home`;
}

function checkSchema(connection: Connection): number {
  const version = pragma(connection, "user_version");
  const application = pragma(connection, "application_id");
  const tables = connection.prepare<{ count: number }>("SELECT count(*) AS count FROM sqlite_schema").one();
  const isEmpty = version === 0 && application === 0 && tables?.count === 0;
  if (!isEmpty && application !== applicationId)
    throw new StoreError(`${connection.file} is another program's database: choose another --home`);
  if (version > schemaVersion)
    throw new StoreError(
      `${connection.file} was written by a newer Rigs (schema ${version}, this one knows ${schemaVersion}): update Rigs`,
    );
  return version;
}

function pragma(connection: Connection, name: "user_version" | "application_id"): number {
  const row = connection.prepare<Record<string, number>>(`PRAGMA ${name}`).one();
  return row?.[name] ?? 0;
}
