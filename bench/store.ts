/**
 * What the store does with 100,000 beads, beside bare node:sqlite transactions of the same durability in the same run.
 * Flushes of the disk decide most of it, so the same runs again in memory, where a flush costs nothing: that is the
 * store's own share. `node bench/store.ts [beads]`
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { GoalId, PolecatId } from "../src/domain/id.ts";
import { createGoal } from "../src/domain/sample.case.ts";
import { openStore } from "../src/edges/store/sqlite.ts";
import { present } from "../src/kit/assert.ts";
import type { Store } from "../src/ports/store.ts";
import { type Goal, median, print, timed } from "./figure.ts";
import { fill } from "./fill.ts";

const beadCount = Number(process.argv[2] ?? 100_000);
const roundsAtOnce = 200;
const turns = 8;
const shown = `${beadCount.toLocaleString("en")} beads`;
const memory = "/dev/shm";

await bench(tmpdir(), "on disk", { kind: "at-least", min: 2_000 });
if (existsSync(memory)) await bench(memory, "in memory", { kind: "none" });

async function bench(root: string, where: string, goal: Goal): Promise<void> {
  const home = mkdtempSync(join(root, "rigs-bench-"));
  try {
    const store = await openStore(home, { now: () => Date.now() });
    const fillMs = await timed(() => fill(store, beadCount));
    using bare = openBare(home);
    const pairs: number[] = [];
    const bares: number[] = [];
    // By turns, so that both see the same disk.
    for (let turn = 0; turn < turns; turn++) {
      bares.push(perSecond(await timed(async () => bare.transact(roundsAtOnce * 2))));
      pairs.push(perSecond(await timed(() => claimAndSettle(store))));
    }
    print({
      name: `claim and settle, ${shown}, ${where}`,
      ours: median(pairs),
      unit: "a second",
      baseline: { name: "two bare node:sqlite transactions (insert, update)", value: median(bares) },
      goal,
    });
    if (goal.kind !== "none") {
      const auditMs = await timed(async () => {
        for (const fault of await store.audit()) throw new Error(fault);
      });
      const alone = { unit: "ms", baseline: undefined, goal: { kind: "none" } } as const;
      print({ name: `filling a store, ${shown}`, ours: fillMs, ...alone });
      print({ name: `audit of the whole log, ${shown}`, ours: auditMs, ...alone });
    }
    await store.close();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function claimAndSettle(store: Store): Promise<void> {
  for (let round = 0; round < roundsAtOnce; round++) {
    const ask = { by: "p1@1" as PolecatId, leaseMs: 60_000 };
    const lease = present(await store.leases.claim(ask), "a bead is ready");
    const goal = lease.bead.slice(0, lease.bead.indexOf(".")) as GoalId;
    const settled = { goal, bead: lease.bead, cause: "work", reason: "a bench", best: undefined } as const;
    await store.log.append([{ type: "bead-parked", ...settled }], { kind: "lease", lease });
  }
}

/** The least that any store with this durability does for one step. */
function openBare(folder: string): { transact(times: number): void } & Disposable {
  const database = new DatabaseSync(join(folder, "baseline.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE event (sequence INTEGER PRIMARY KEY, body TEXT)");
  database.exec("CREATE TABLE bead (id INTEGER PRIMARY KEY, body TEXT)");
  const body = JSON.stringify(createGoal("baseline" as GoalId));
  database.prepare("INSERT INTO bead VALUES (1, ?)").run(body);
  const insert = database.prepare("INSERT INTO event (body) VALUES (?)");
  const update = database.prepare("UPDATE bead SET body = ? WHERE id = 1");
  return {
    transact(times) {
      for (let time = 0; time < times; time++) {
        database.exec("BEGIN IMMEDIATE");
        insert.run(body);
        update.run(body);
        database.exec("COMMIT");
      }
    },
    [Symbol.dispose]: () => database.close(),
  };
}

function perSecond(ms: number): number {
  return (roundsAtOnce * 1000) / ms;
}
