/** Run as a process by crash.test.ts: writes to the store of the home it is given until it is killed, and says what was acknowledged. */
import { writeSync } from "node:fs";
import { beadId, type GoalId, goalId, type PolecatId } from "../../domain/id.ts";
import { createBead, createGoal } from "../../domain/sample.case.ts";
import { present } from "../../kit/assert.ts";
import type { Appended, NewEvent } from "../../ports/store.ts";
import { openStore } from "./sqlite.ts";

const roundsMax = 100_000;
const by = `p1@${process.pid}` as PolecatId;
const store = await openStore(present(process.argv[2], "a home is given"), { now: () => Date.now() });
await store.leases.reap("everyone");

for (let round = 0; round < roundsMax; round++) {
  const goal = goalId(Math.random);
  const beads = [1, 2, 3].map((number) => createBead(beadId(goal, number), goal));
  acknowledge(await store.log.append([createGoal(goal), ...beads], { kind: "none" }));
  await store.blobs.put(Buffer.from(`a prompt of ${goal}`));
  await work(goal);
}

async function work(goal: GoalId): Promise<void> {
  for (;;) {
    const lease = await store.leases.claim({ by, leaseMs: 60_000, goal });
    if (lease === undefined) return;
    const { bead } = lease;
    const parked: NewEvent = {
      type: "bead-parked",
      goal,
      bead,
      cause: "work",
      reason: "spent",
      best: undefined,
    };
    acknowledge(await store.log.append([parked], { kind: "lease", lease }));
  }
}

/** Straight to the descriptor: nothing may linger in this process when it is killed. */
function acknowledge(appended: Appended): void {
  if (appended.kind === "refused") throw new Error(`refused: ${appended.why}`);
  for (const { sequence, hash } of appended.events) writeSync(1, `${sequence} ${hash}\n`);
}
