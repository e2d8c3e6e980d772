/** Rows made anew from the log, where an older reducer made them. */
import type { GoalId } from "../../domain/id.ts";
import { emptyWorld, fold, projectionVersion } from "../../domain/state.ts";
import type { Upcasts } from "../../domain/upcast.ts";
import { AssertionError } from "../../kit/assert.ts";
import { StoreError } from "../../ports/store.ts";
import { unseal } from "./chain.ts";
import type { Connection } from "./connection.ts";
import type { WriteRows } from "./rows.ts";
import { projectionOf } from "./schema.ts";

const pageCountMax = 1_000;

/**
 * Brings the rows up to date with the reducer, in one transaction: a kill in the middle changes nothing. Leases stay, the
 * tokens they carry are in the log. Memory: the largest goal's world. Throws StoreError for a log that does not fold.
 */
export function refold(connection: Connection, rows: WriteRows, steps: Upcasts): void {
  if (projectionOf(connection) === projectionVersion) return;
  const goals = connection.prepare<{ goal: GoalId }>(
    "SELECT goal FROM event GROUP BY goal ORDER BY min(sequence)",
  );
  const keep = connection.prepare("UPDATE projection SET version = ?");
  connection.transact(() => {
    connection.execute("DELETE FROM goal; DELETE FROM bead; DELETE FROM attempt");
    for (const { goal } of goals.all()) refoldGoal(rows, goal, steps);
    keep.run(projectionVersion);
  });
}

function refoldGoal(rows: WriteRows, goal: GoalId, steps: Upcasts): void {
  const world = emptyWorld();
  for (let from = 1; ; ) {
    const page = rows.events(from, pageCountMax, goal);
    for (const row of page) {
      const { sequence, event } = unseal(row, steps);
      try {
        fold(world, event);
      } catch (error) {
        if (!(error instanceof AssertionError || error instanceof TypeError)) throw error;
        throw new StoreError(
          `event ${sequence} cannot be brought up to date (${error.message}): nothing was changed; use the Rigs that wrote it, or another --home`,
        );
      }
      from = sequence + 1;
    }
    if (page.length < pageCountMax) break;
  }
  for (const each of world.goals.values()) rows.keepGoal(each);
  for (const each of world.beads.values()) rows.keepBead(each);
  for (const each of world.attempts.values()) rows.keepAttempt(each);
}
