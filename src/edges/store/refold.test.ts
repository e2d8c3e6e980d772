import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GoalId } from "../../domain/id.ts";
import { emptyWorld, fold, projectionVersion } from "../../domain/state.ts";
import { advance, beginHistory, expectWorld, virtualClock } from "../../ports/history.case.ts";
import { OutdatedError } from "./schema.ts";
import { openReader, openStore, storeFile } from "./sqlite.ts";

const golden = readFileSync(new URL("../../../test/golden/store-first.sql", import.meta.url), "utf8");
const clock = { now: () => 1_800_000_000_000 };
const [delivered, parked] = ["1zydn0tk", "f3rftpfe"] as unknown as readonly [GoalId, GoalId];
let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rigs-refold-"));
});
afterEach(() => rmSync(home, { recursive: true }));

function raw<Answer>(act: (database: DatabaseSync) => Answer): Answer {
  const database = new DatabaseSync(storeFile(home));
  try {
    return act(database);
  } finally {
    database.close();
  }
}

const tables = ["event", "goal", "bead", "attempt"] as const;
const all = (names: readonly string[]) =>
  raw((database) => names.map((name) => database.prepare(`SELECT * FROM ${name}`).all()));

describe("a store that the first Rigs wrote", () => {
  beforeEach(() => raw((database) => database.exec(golden)));

  test("is no reader's to mend, and says what to do", async () => {
    const refused = openReader(home);
    await expect(refused).rejects.toThrow(OutdatedError);
    await expect(refused).rejects.toThrow(/written by an older Rigs: end the rigs process.*try again$/);
  });

  test("gets today's rows from its log, which stays as it was written", async () => {
    const [events] = all(["event"]);
    const store = await openStore(home, clock);
    expect(all(["event"])).toEqual([events]);
    expect(await store.audit()).toEqual([]);
    const goals = await store.view.goals({ countMax: 10 });
    expect(goals.map(({ id, end }) => [id, end?.outcome])).toEqual([
      [parked, "out-of-budget"],
      [delivered, "delivered"],
    ]);
    expect(goals[1]).toMatchObject({
      order: { mode: { kind: "solo" }, workersMax: 1, begins: "at-once", keepRevisions: false },
      checks: [{ name: "acceptance-1" }],
      base: [{ kind: "red", wallMs: 0 }],
      landed: ["acceptance-1"],
    });
    const [bead] = await store.view.beads({ goal: delivered, countMax: 10 });
    expect(bead).toMatchObject({
      contract: { exports: [], behaviours: [] },
      isParent: false,
      state: { kind: "integrated", statement: expect.stringMatching(/^94b3d22f/) },
    });
    await store.close();
    const reader = await openReader(home);
    expect((await reader.view.totals()).goals).toEqual({ open: 0, ended: 2 });
    await reader.close();
  });

  test("killed in the middle it has changed nothing, and the next owner begins anew", async () => {
    const before = all(tables);
    const script = fileURLToPath(new URL("refold.case.ts", import.meta.url));
    const ended = spawnSync(process.execPath, ["--no-warnings", script, home], { timeout: 60_000 });
    expect([ended.signal, ended.stderr.toString()]).toEqual(["SIGKILL", ""]);
    expect(all(tables)).toEqual(before);
    const store = await openStore(home, clock);
    expect(await store.audit()).toEqual([]);
    await store.close();
  });

  test("a log that does not fold is left as it is, and said in a line", async () => {
    raw((database) => database.exec("DELETE FROM event WHERE type = 'bead-created'"));
    const before = all(tables);
    await expect(openStore(home, clock)).rejects.toThrow(
      /^event \d+ cannot be brought up to date \(.*\): nothing was changed; use the Rigs that wrote it/,
    );
    expect(all(tables)).toEqual(before);
  });
});

test("rows of a newer reducer are refused, by owners and readers", async () => {
  await (await openStore(home, clock)).close();
  raw((database) => database.exec("UPDATE projection SET version = 99"));
  const why = new RegExp(`newer Rigs \\(rows 99, this one knows ${projectionVersion}\\): update Rigs`);
  await expect(openStore(home, clock)).rejects.toThrow(why);
  await expect(openReader(home)).rejects.toThrow(why);
});

test("rows made anew are those that were kept event by event, whatever stood there before", async () => {
  const choices = fc.array(fc.nat({ max: 2 ** 30 }), { minLength: 40, maxLength: 80, size: "max" });
  const law = fc.asyncProperty(choices, async (steps) => {
    rmSync(home, { recursive: true });
    const moving = virtualClock();
    const store = await openStore(home, moving);
    const history = beginHistory(store, moving);
    for (const choice of steps) await advance(history, choice);
    await store.close();
    const kept = all(tables);
    raw((database) =>
      database.exec(
        "UPDATE projection SET version = 0; DELETE FROM bead WHERE id LIKE '%.1'; UPDATE goal SET body = '{}', open = 1 - open; DELETE FROM attempt WHERE id LIKE '%1'; INSERT INTO goal (id, open, body) VALUES ('zzzzzzzz', 1, '{}'); INSERT INTO bead VALUES ('zzzzzzzz.1', 'zzzzzzzz', 'ready', 0, '{}'); INSERT INTO attempt VALUES ('zzzzzzzz.1/a1', 'zzzzzzzz.1', '{}')",
      ),
    );
    const again = await openStore(home, clock);
    await expectWorld(again, history.world);
    expect(await again.audit()).toEqual([]);
    await again.close();
    expect(all(tables).map((rows) => rows.length)).toEqual(kept.map((rows) => rows.length));
    const numbers = (rows: unknown) => (rows as { id: string; number: number }[]).map(({ id }) => id);
    expect(numbers(all(["goal"])[0])).toEqual(numbers(kept[1]));
  });
  await fc.assert(law, { numRuns: 4 });
});

test("rows of another shape have another projectionVersion: raise it with this", async () => {
  raw((database) => database.exec(golden));
  const store = await openStore(home, clock);
  const world = emptyWorld();
  for (const { event } of await store.log.read(1, 1_000)) fold(world, event);
  await store.close();
  const keysOf = (rows: Iterable<object>) => [...new Set([...rows].flatMap(Object.keys))].sort().join(" ");
  expect({
    projectionVersion,
    goal: keysOf(world.goals.values()),
    bead: keysOf(world.beads.values()),
    attempt: keysOf(world.attempts.values()),
  }).toMatchInlineSnapshot(`
    {
      "attempt": "base bead calls goal id keeps open revisions spend start startedAt trail",
      "bead": "attempts contract dependsOn goal id isParent minutesFrom parent priority readyAt returned spend start state token unfinished",
      "goal": "base beads cancelAsked checks createdAt end head id isUnbegun landed order partsWord spend tests version",
      "projectionVersion": 5,
    }
  `);
});
