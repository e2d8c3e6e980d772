/**
 * Run as a process by failure.test.ts on a disk (or under a file-size limit) that is too small: fills the store, and
 * says as one JSON document what happened, what could still be read, and what worked again once there was room.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beadId, type GoalId } from "../../domain/id.ts";
import { createBead, createGoal } from "../../domain/sample.case.ts";
import { present } from "../../kit/assert.ts";
import { StoreError } from "../../ports/store.ts";
import { openStore } from "./sqlite.ts";

const home = present(process.argv[2], "a home is given");
const ballast = join(home, "ballast");
const goal = "aaaaaaaa" as GoalId;
const appendsMax = 20_000;

const store = await openStore(home, { now: () => Date.now() });
if (process.argv[3] === "ballast") writeFileSync(ballast, Buffer.alloc(262_144, 1));
await store.log.append([createGoal(goal)], { kind: "none" });

let kept = 0;
let failure: unknown;
while (failure === undefined && kept < appendsMax) {
  try {
    await append();
    kept++;
  } catch (error) {
    failure = error;
  }
}
const totals = await store.view.totals();
const audit = await store.audit();
rmSync(ballast, { force: true });
const again = await append().then(
  () => "appended",
  (error: unknown) => (error instanceof StoreError ? "failed" : String(error)),
);
process.stdout.write(
  JSON.stringify({
    isStoreError: failure instanceof StoreError,
    message: failure instanceof Error ? failure.message : "",
    kept,
    beads: totals.beads.ready ?? 0,
    events: totals.sequence,
    audit,
    again,
    auditAgain: await store.audit(),
  }),
);

/** Two events at a time: half of one would show. */
async function append(): Promise<void> {
  const bead = beadId(goal, kept + 1);
  const resumed = { type: "goal-resumed", goal } as const;
  await store.log.append([createBead(bead, goal), resumed], { kind: "none" });
}
