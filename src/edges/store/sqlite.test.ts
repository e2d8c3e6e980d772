import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { eventVersion } from "../../domain/event.ts";
import { storeCases, type Tampering } from "../../ports/store.case.ts";
import { hashOf } from "./chain.ts";
import { connect } from "./connection.ts";
import { openStore, storeFile } from "./sqlite.ts";

storeCases(async (clock) => {
  const home = mkdtempSync(join(tmpdir(), "rigs-store-"));
  const store = await openStore(home, clock);
  const end = async () => {
    await store.close();
    rmSync(home, { recursive: true });
  };
  return { store, tamper: async (what) => tamper(home, what), end };
}, {});

const edits: Readonly<Record<Exclude<Tampering, "event-forged">, string>> = {
  "event-body": `UPDATE event SET body = replace(body, 'make it work', 'make it fast') WHERE sequence = 3`,
  "event-hash": `UPDATE event SET hash = '${"f".repeat(64)}' WHERE sequence = 3`,
  "event-goal": `UPDATE event SET goal = 'bbbbbbbb' WHERE sequence = 3`,
  "last-event-gone": `DELETE FROM event WHERE sequence = (SELECT max(sequence) FROM event)`,
  "middle-event-gone": `DELETE FROM event WHERE sequence = 2`,
  "goal-body": `UPDATE goal SET body = replace(body, '"requests":0', '"requests":1')`,
  "bead-body": `UPDATE bead SET body = replace(body, '"attempts":1', '"attempts":0') WHERE id = 'aaaaaaaa.1'`,
  "bead-state": `UPDATE bead SET state = 'parked' WHERE id = 'aaaaaaaa.2'`,
  "bead-gone": `DELETE FROM bead WHERE id = 'aaaaaaaa.2'`,
  "bead-invented": `INSERT INTO bead VALUES ('cccccccc.1', 'cccccccc', 'ready', 0, '{}')`,
  "attempt-body": `UPDATE attempt SET body = replace(body, '"calls":0', '"calls":1')`,
  "blob-bytes": `UPDATE blob SET bytes = CAST('another prompt' AS BLOB)`,
};

function tamper(home: string, what: Tampering): void {
  const database = new DatabaseSync(storeFile(home));
  if (what === "event-forged") forge(database);
  else database.exec(edits[what]);
  database.close();
}

function forge(database: DatabaseSync): void {
  const row = database.prepare("SELECT * FROM event WHERE sequence = 3").get();
  const body = String(row?.body).replace("make it work", "make it fast");
  const hash = hashOf({ sequence: 3, version: eventVersion, body, previousHash: String(row?.previous_hash) });
  database.prepare("UPDATE event SET body = ?, hash = ? WHERE sequence = 3").run(body, hash);
}

test("what must outlast a power cut is flushed at its commit, what may go with it is not, in any order", () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-store-"));
  const connection = connect(join(home, "any.sqlite"), "write", 0);
  try {
    connection.execute("PRAGMA journal_mode = WAL");
    const level = connection.prepare<{ synchronous: number }>("PRAGMA synchronous");
    const read = () => level.one()?.synchronous;
    const [full, normal] = [2, 1];
    const { transact, transactSoon } = connection;
    expect(
      [transact, transactSoon, transactSoon, transact, transact, transactSoon].map((each) => each(read)),
    ).toEqual([full, normal, normal, full, full, normal]);
  } finally {
    connection.close();
    rmSync(home, { recursive: true });
  }
});
