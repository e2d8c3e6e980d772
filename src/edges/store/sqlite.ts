/**
 * The store on one machine: SQLite in WAL mode, every append flushed before it is answered.
 *
 * 1. An event and the rows it changes are one transaction; rows are what the reducer gave, whole.
 * 2. A reader is its own connection on its own snapshot: it never waits for the writer, nor the writer for it.
 * 3. Only the owner of the home (owner.ts) opens it for writing; two writers would still not corrupt it, only wait.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Upcasts, upcasts } from "../../domain/upcast.ts";
import { type Reader, type Store, StoreError } from "../../ports/store.ts";
import { audit } from "./audit.ts";
import { blobs, readBlobs } from "./blobs.ts";
import { type Connection, connect } from "./connection.ts";
import { ledger } from "./ledger.ts";
import { refold } from "./refold.ts";
import { migrate, noStore, requireSchema } from "./schema.ts";
import { auditRows, readRows, writeRows } from "./tables.ts";
import { reading, view } from "./view.ts";

export interface StoreOptions {
  /** The store's clock, milliseconds since the epoch. */
  readonly now: () => number;
  /** How old event shapes are read; today's table when left out. */
  readonly upcasts?: Upcasts;
  /** How long a write waits for a foreign lock, blocking the thread; 5,000 ms when left out. */
  readonly waitMsMax?: number;
}

const waitMsUsual = 5_000;

/** Where the store of a home lies. */
export function storeFile(home: string): string {
  return join(home, "store.sqlite");
}

/** Opens or makes the store of a home for its one owner. Rejects with StoreError (one line that says what to do). */
export async function openStore(home: string, options: StoreOptions): Promise<Store> {
  const file = storeFile(home);
  const steps = options.upcasts ?? upcasts;
  const connection = connect(file, "write", options.waitMsMax ?? waitMsUsual);
  const { rows, closing } = opened(connection, () => {
    migrate(connection);
    connection.execute("PRAGMA cache_size = -32768");
    const rows = writeRows(connection);
    refold(connection, rows, steps);
    return { rows, closing: once(() => connection.close()) };
  });
  const { append, leases } = ledger(rows, options.now, steps);
  return {
    log: { ...reading(rows, steps), append },
    leases,
    view: view(rows),
    blobs: blobs(rows),
    audit: () => auditFile(file, steps),
    close: async () => closing(),
  };
}

/** Opens the store of a home for looking only, at any time, whoever writes. Rejects with StoreError, also when there is none yet, and with OutdatedError where its next owner has to bring it up to date. */
export async function openReader(home: string, options?: { readonly upcasts?: Upcasts }): Promise<Reader> {
  const file = storeFile(home);
  const steps = options?.upcasts ?? upcasts;
  const connection = connectReader(file);
  const rows = opened(connection, () => readRows(connection));
  const closing = once(() => connection.close());
  return {
    log: reading(rows, steps),
    view: view(rows),
    blobs: readBlobs(rows),
    audit: () => auditFile(file, steps),
    close: async () => closing(),
  };
}

function connectReader(file: string): Connection {
  if (!existsSync(file)) throw new StoreError(noStore(file));
  const connection = connect(file, "read", waitMsUsual);
  return opened(connection, () => {
    requireSchema(connection);
    return connection;
  });
}

/** On a connection of its own: one snapshot for the whole walk, while others go on writing. */
async function auditFile(file: string, steps: Upcasts): Promise<readonly string[]> {
  const connection = connectReader(file);
  try {
    connection.execute("BEGIN");
    return await audit(auditRows(connection), steps);
  } finally {
    connection.close();
  }
}

/** What fails while opening leaves nothing open. */
function opened<Value>(connection: Connection, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    connection.close();
    throw error;
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
