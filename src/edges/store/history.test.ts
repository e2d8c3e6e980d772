import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { seeded } from "../../kit/random.ts";
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
  const law = fc.asyncProperty(choices(160), async (steps) => {
    const clocks = [virtualClock(), virtualClock()] as const;
    await live(memoryStore(clocks[0]), memoryStore(clocks[1]), clocks, steps);
  });
  await fc.assert(law, { numRuns: 30 });
});

test("a long history gets everywhere", async () => {
  const random = seeded(11);
  const clock = virtualClock();
  const history = beginHistory(memoryStore(clock), clock);
  const seen = new Set<string>();
  for (let step = 0; step < 3_000; step++) {
    seen.add(await advance(history, Math.floor(random() * 2 ** 30)));
    if (step % 100 === 0) await checkLaws(history);
  }
  await checkLaws(history);
  const types = new Set<string>();
  for (const { event } of await history.store.log.read(1, 10_000)) types.add(event.type);
  expect([...seen].sort()).toMatchInlineSnapshot(`
    [
      "ask-cancel",
      "ask-files",
      "ask-person",
      "cancel-bead",
      "change-bead-budget",
      "change-budget",
      "claim",
      "claim-of-goal",
      "clock-goes-back",
      "consent",
      "create-bead",
      "create-goal",
      "end-goal",
      "end-proof",
      "forget-blob",
      "hold-back",
      "integrated",
      "integrating",
      "leave-out",
      "let-wait",
      "lose-head",
      "make-ready",
      "park",
      "prepare",
      "prove-and-ask",
      "put-blob",
      "reap-everyone",
      "reap-expired",
      "reject",
      "release",
      "renew",
      "renew-lost-lease",
      "reserve",
      "reserve-and-settle",
      "resume-bead",
      "resume-goal",
      "return-bead",
      "revert",
      "revise",
      "rewrite-tests",
      "see-clash",
      "set-back",
      "settle",
      "split-bead",
      "start-proof",
      "survey",
      "wait",
      "write-stale",
      "write-tests",
      "write-with-lost-lease",
    ]
  `);
  expect([...types].sort()).toMatchInlineSnapshot(`
    [
      "answer-rejected",
      "base-surveyed",
      "bead-blocked",
      "bead-budget-changed",
      "bead-cancelled",
      "bead-claimed",
      "bead-consented",
      "bead-created",
      "bead-held-back",
      "bead-integrated",
      "bead-integrating",
      "bead-needs-answer",
      "bead-parked",
      "bead-ready",
      "bead-released",
      "bead-resumed",
      "bead-returned",
      "bead-split",
      "bead-waiting",
      "budget-changed",
      "call-reserved",
      "call-settled",
      "conflict-seen",
      "edits-left-out",
      "environment-prepared",
      "files-asked",
      "goal-cancel-asked",
      "goal-created",
      "goal-ended",
      "goal-resumed",
      "head-lost",
      "proof-ended",
      "proof-started",
      "revision-recorded",
      "revision-reverted",
      "tests-rewritten",
      "tests-written",
    ]
  `);
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
