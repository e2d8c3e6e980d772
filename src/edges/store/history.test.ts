import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  advance,
  beginHistory,
  checkLaws,
  expectWorld,
  replay,
  virtualClock,
} from "../../ports/history.case.ts";
import type { Store } from "../../ports/store.ts";
import { memoryStore } from "./memory.ts";
import { openStore } from "./sqlite.ts";

const choices = (stepsMax: number) =>
  fc.array(fc.nat({ max: 2 ** 30 }), { minLength: stepsMax / 2, maxLength: stepsMax, size: "max" });

/** Plays a history with the laws checked after each step, then audits, and replays the log into another store. */
async function live(store: Store, fresh: Store, clocks: readonly [Clock, Clock], steps: readonly number[]) {
  const [clock, freshClock] = clocks;
  const history = beginHistory(store, clock);
  const names: string[] = [];
  for (const choice of steps) {
    names.push(await advance(history, choice));
    await checkLaws(history);
  }
  expect(await store.audit()).toEqual([]);
  await replay(store, fresh, freshClock);
  await expectWorld(fresh, history.world);
  const last = Math.max(1, history.sequence);
  expect((await fresh.log.read(last, 1))[0]?.hash).toBe((await store.log.read(last, 1))[0]?.hash);
  return names;
}

type Clock = ReturnType<typeof virtualClock>;

test("every history holds the laws in memory", async () => {
  const seen = new Set<string>();
  const law = fc.asyncProperty(choices(160), async (steps) => {
    const clocks = [virtualClock(), virtualClock()] as const;
    const names = await live(memoryStore(clocks[0]), memoryStore(clocks[1]), clocks, steps);
    for (const name of names) seen.add(name);
  });
  await fc.assert(law, { numRuns: 40 });
  for (const name of [
    "end-proof",
    "integrated",
    "settle",
    "write-with-lost-lease",
    "reap-expired",
    "write-stale",
  ])
    expect(seen, "histories get everywhere").toContain(name);
});

test("every history holds the laws in sqlite, across a reopening", async () => {
  const law = fc.asyncProperty(choices(60), async (steps) => {
    const home = mkdtempSync(join(tmpdir(), "rigs-history-"));
    try {
      const clocks = [virtualClock(), virtualClock()] as const;
      const store = await openStore(home, clocks[0]);
      const names = await live(store, memoryStore(clocks[1]), clocks, steps);
      const before = await store.view.beads({ countMax: 1_000 });
      await store.close();
      const again = await openStore(home, clocks[0]);
      expect(await again.view.beads({ countMax: 1_000 })).toEqual(before);
      await again.close();
      return names.length > 0;
    } finally {
      rmSync(home, { recursive: true });
    }
  });
  await fc.assert(law, { numRuns: 8 });
});
