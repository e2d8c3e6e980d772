/**
 * What the store does with 100,000 beads, beside bare node:sqlite transactions of the same durability in the same run.
 * `node bench/store.ts [beads]`. One JSON document on standard output. Disk flushes decide most of it: run it on a quiet disk.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { Bead } from "../src/domain/bead.ts";
import { beadId, type GoalId, type PolecatId } from "../src/domain/id.ts";
import { createBead, createGoal } from "../src/domain/sample.case.ts";
import { openReader, openStore } from "../src/edges/store/sqlite.ts";
import { present } from "../src/kit/assert.ts";
import type { NewEvent, Store } from "../src/ports/store.ts";

const beadCount = Number(process.argv[2] ?? 100_000);
const openBeadCount = 10_000;
const roundCount = 4_000;
const beadsOfGoal = 1_000;

if (process.argv[2] === "totals") await printTotals(present(process.argv[3], "a home is given"));
else if (process.argv[2] === "memory") await printMemory(present(process.argv[3], "a home is given"));
else await bench();

async function bench(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "rigs-bench-"));
  try {
    const store = await openStore(home, { now: () => Date.now() });
    const fillMs = await timed(() => fill(store, beadCount));
    const baseline = baselinePerSecond(home);
    const pairs = await claimAndSettlePerSecond(store);
    const totalsMs = await timed(() => store.view.totals());
    const auditMs = await timed(async () => {
      for (const fault of await store.audit()) throw new Error(fault);
    });
    const report = {
      beads: beadCount,
      fillMs,
      baseline: { what: "bare node:sqlite, insert 1 row + update 1 row", perSecond: baseline },
      claimAndSettle: { perSecond: pairs, transactionsPerSecond: pairs * 2 },
      totals: { inProcessMs: totalsMs, ...child("totals", home) },
      auditMs,
      memory: child("memory", home),
    };
    await store.close();
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function fill(store: Store, count: number): Promise<void> {
  for (let goalNumber = 0; goalNumber * beadsOfGoal < count; goalNumber++) {
    const goal = `bench${String(goalNumber).padStart(3, "0")}` as GoalId;
    const events: NewEvent[] = [createGoal(goal)];
    for (let number = 1; number <= Math.min(beadsOfGoal, count - goalNumber * beadsOfGoal); number++)
      events.push(createBead(beadId(goal, number), goal));
    await store.log.append(events, { kind: "none" });
  }
}

async function claimAndSettlePerSecond(store: Store): Promise<number> {
  const by = "p1@1" as PolecatId;
  const ms = await timed(async () => {
    for (let round = 0; round < roundCount; round++) {
      const lease = present(await store.leases.claim({ by, leaseMs: 60_000 }), "a bead is ready");
      const goal = lease.bead.slice(0, lease.bead.indexOf(".")) as GoalId;
      const parked = {
        type: "bead-parked",
        goal,
        bead: lease.bead,
        cause: "work",
        reason: "a bench",
        best: undefined,
      } as const;
      await store.log.append([parked], { kind: "lease", lease });
    }
  });
  return perSecond(roundCount, ms);
}

/** The least that any store with this durability does for one step. */
function baselinePerSecond(home: string): number {
  const database = new DatabaseSync(join(home, "baseline.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE event (sequence INTEGER PRIMARY KEY, body TEXT)");
  database.exec("CREATE TABLE bead (id INTEGER PRIMARY KEY, body TEXT)");
  const body = JSON.stringify(createGoal("baseline" as GoalId));
  database.prepare("INSERT INTO bead VALUES (1, ?)").run(body);
  const insert = database.prepare("INSERT INTO event (body) VALUES (?)");
  const update = database.prepare("UPDATE bead SET body = ? WHERE id = 1");
  const start = performance.now();
  for (let round = 0; round < roundCount; round++) {
    database.exec("BEGIN IMMEDIATE");
    insert.run(body);
    update.run(body);
    database.exec("COMMIT");
  }
  const ms = performance.now() - start;
  database.close();
  return perSecond(roundCount, ms);
}

function child(what: "totals" | "memory", home: string): Record<string, number> {
  const start = performance.now();
  const { stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), what, home], {
    encoding: "utf8",
  });
  return {
    ...(JSON.parse(stdout) as Record<string, number>),
    wholeProcessMs: Math.round(performance.now() - start),
  };
}

async function printTotals(home: string): Promise<void> {
  const reader = await openReader(home);
  const totals = await reader.view.totals();
  process.stdout.write(JSON.stringify({ events: totals.sequence }));
  await reader.close();
}

async function printMemory(home: string): Promise<void> {
  const reader = await openReader(home);
  const before = process.memoryUsage().rss;
  const beads: readonly Bead[] = await reader.view.beads({ state: "ready", countMax: openBeadCount });
  const after = process.memoryUsage().rss;
  const megabytes = (bytes: number) => Math.round(bytes / 1_048_576);
  process.stdout.write(
    JSON.stringify({
      openBeads: beads.length,
      processMiB: megabytes(after),
      beadsMiB: megabytes(after - before),
    }),
  );
  await reader.close();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round((performance.now() - start) * 10) / 10;
}

function perSecond(count: number, ms: number): number {
  return Math.round((count * 1000) / ms);
}
