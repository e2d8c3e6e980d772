import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { beadId, type GoalId, type PolecatId } from "../../domain/id.ts";
import { createBead, createGoal } from "../../domain/sample.case.ts";
import type { Reader, Store } from "../../ports/store.ts";
import { openReader, openStore, storeFile } from "./sqlite.ts";

const goal = "aaaaaaaa" as GoalId;
const by = "p1@1" as PolecatId;
let home = "";
let store: Store;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "rigs-reader-"));
  store = await openStore(home, { now: () => 1_700_000_000_000 });
  await store.log.append([createGoal(goal)], { kind: "none" });
});
afterEach(async () => {
  await store.close();
  rmSync(home, { recursive: true });
});

async function reading(body: (reader: Reader) => Promise<void>): Promise<void> {
  const reader = await openReader(home);
  try {
    await body(reader);
  } finally {
    await reader.close();
  }
}

const createOne = (number: number) =>
  store.log.append([createBead(beadId(goal, number), goal)], { kind: "none" });

test("a reader sees each append of a living writer at once", () =>
  reading(async (reader) => {
    await createOne(1);
    expect((await reader.view.totals()).beads).toEqual({ ready: 1 });
    await store.leases.claim({ by, leaseMs: 1_000 });
    expect((await reader.view.bead(beadId(goal, 1)))?.state.kind).toBe("claimed");
    const hash = await store.blobs.put(Buffer.from("a prompt"));
    expect(Buffer.from((await reader.blobs.get(hash)) ?? []).toString()).toBe("a prompt");
    expect(await reader.log.read(1, 10)).toEqual(await store.log.read(1, 10));
  }));

test("a reader does not wait for an open transaction of the writer and sees nothing of it", () =>
  reading(async (reader) => {
    const writer = new DatabaseSync(storeFile(home));
    writer.exec("BEGIN EXCLUSIVE; DELETE FROM goal");
    const start = performance.now();
    expect((await reader.view.totals()).goals).toEqual({ open: 1, ended: 0 });
    expect(performance.now() - start, "it did not wait for the busy timeout").toBeLessThan(1_000);
    writer.exec("ROLLBACK");
    writer.close();
  }));

test("a long audit sees one moment while the writer goes on", async () => {
  const beads = Array.from({ length: 3_000 }, (_, index) => createBead(beadId(goal, index + 1), goal));
  await store.log.append(beads, { kind: "none" });
  let isRunning = true;
  const audited = store.audit().finally(() => {
    isRunning = false;
  });
  let claims = 0;
  while (isRunning && claims < 3_000) {
    await store.leases.claim({ by, leaseMs: 1_000 });
    claims++;
    await new Promise((turn) => setImmediate(turn));
  }
  expect(isRunning, "the audit does not run after what is still being written").toBe(false);
  expect(await audited).toEqual([]);
  expect(claims, "the writer was not held up").toBeGreaterThan(3);
});

test("a reader can change nothing", () =>
  reading(async (reader) => {
    expect(Object.keys(reader.log)).toEqual(["read"]);
    expect(Object.keys(reader.blobs)).toEqual(["get"]);
    expect("leases" in reader).toBe(false);
  }));
