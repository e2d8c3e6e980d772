import { closeSync, existsSync, openSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { StoreError } from "../../ports/store.ts";
import { makeFolder } from "./folder.ts";

/** One prepared statement. `Row` is what this store's own schema says it is. */
export interface Statement<Row> {
  one(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
  run(...values: SQLInputValue[]): void;
}

/** One SQLite connection whose failures are StoreErrors. Synchronous. */
export interface Connection {
  readonly file: string;
  prepare<Row>(sql: string): Statement<Row>;
  execute(sql: string): void;
  /** All of `work` durably, or nothing. */
  transact<Value>(work: () => Value): Value;
  /** All of `work` or nothing, durably no later than the next `transact`: a kill loses nothing of it, a power cut may. */
  transactSoon<Value>(work: () => Value): Value;
  /** What `work` reads is one moment. */
  snapshot<Value>(work: () => Value): Value;
  close(): void;
}

/**
 * Opens a file. `write` makes it (0600) and its folder (0700) where missing; `read` never changes anything.
 * `waitMsMax`: how long to wait for another process's lock; the thread waits with it.
 */
export function connect(file: string, access: "write" | "read", waitMsMax: number): Connection {
  if (access === "write") prepareFile(file);
  const database = guarded(
    file,
    () => new DatabaseSync(file, { readOnly: access === "read", timeout: waitMsMax }),
  );
  const inside = (begin: string) => bracket(database, file, begin);
  const transact = inside("BEGIN IMMEDIATE");
  // With a write-ahead log, NORMAL leaves out the flush at a commit (sqlite.org/pragma.html#pragma_synchronous); the
  // next commit with FULL flushes the same file up to its end.
  let level = "";
  const flush = (wanted: "FULL" | "NORMAL") => {
    if (wanted !== level) guarded(file, () => database.exec(`PRAGMA synchronous = ${wanted}`));
    level = wanted;
  };
  return {
    file,
    prepare: <Row>(sql: string) =>
      statement<Row>(
        guarded(file, () => database.prepare(sql)),
        file,
      ),
    execute: (sql) => guarded(file, () => database.exec(sql)),
    transact: (work) => {
      flush("FULL");
      return transact(work);
    },
    transactSoon: (work) => {
      flush("NORMAL");
      return transact(work);
    },
    snapshot: inside("BEGIN"),
    close: () => guarded(file, () => database.close()),
  };
}

/** The file is made here so that nobody else may read it; SQLite gives its companions the same mode. */
function prepareFile(file: string): void {
  const folder = dirname(file);
  makeFolder(folder);
  try {
    // Only where missing: closing a file that SQLite has open would drop its locks.
    if (!existsSync(file)) closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && existsSync(file)) return;
    throw new StoreError(`cannot make ${file}: ${sentenceOf(error)}; choose another --home`);
  }
  const network = networkName(folder);
  if (network !== undefined)
    throw new StoreError(
      `${folder} is on ${network}, whose locks cannot be trusted: choose a --home on a local disk`,
    );
}

/** Magic numbers of file systems without dependable locks (statfs(2)). */
const networks: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB 2"],
  [0x01021997, "9P"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
]);

function networkName(folder: string): string | undefined {
  return networks.get(statfsSync(folder).type);
}

function statement<Row>(prepared: StatementSync, file: string): Statement<Row> {
  return {
    one: (...values) => guarded(file, () => prepared.get(...values)) as Row | undefined,
    all: (...values) => guarded(file, () => prepared.all(...values)) as Row[],
    run: (...values) => void guarded(file, () => prepared.run(...values)),
  };
}

function bracket(database: DatabaseSync, file: string, begin: string) {
  const start = database.prepare(begin);
  const commit = database.prepare("COMMIT");
  return <Value>(work: () => Value): Value => {
    guarded(file, () => start.run());
    try {
      const value = work();
      guarded(file, () => commit.run());
      return value;
    } catch (error) {
      // SQLite has already rolled back after some failures (a full disk).
      if (database.isTransaction) guarded(file, () => database.exec("ROLLBACK"));
      throw error;
    }
  };
}

function guarded<Value>(file: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    const sentence = refusalOf(error, file);
    throw sentence === undefined ? error : new StoreError(sentence, { cause: error });
  }
}

/** Primary result codes (sqlite.org/rescode.html) that come from outside Rigs; anything else is a bug and stays as it is. */
function refusalOf(error: unknown, file: string): string | undefined {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  if (code !== "ERR_SQLITE_ERROR" || typeof errcode !== "number") return undefined;
  switch (errcode & 0xff) {
    case 3:
    case 14:
      return `cannot open ${file}: check that the folder exists and is yours`;
    case 5:
    case 6:
      return `${file} is locked by another program: close it and try again`;
    case 8:
      return `${file} cannot be written: make the file, its folder and its disk writable`;
    case 10:
      return `the disk failed under ${file} (${sentenceOf(error)}): check its free space and health`;
    case 11:
      return `${file} is damaged: keep a copy of it and restore the store from a backup`;
    case 13:
      return `no space left for ${file}: free some disk space and try again`;
    case 26:
      return `${file} is not a Rigs store or is damaged: restore it from a backup or choose another --home`;
    default:
      return undefined;
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
