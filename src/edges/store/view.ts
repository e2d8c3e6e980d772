import type { Upcasts } from "../../domain/upcast.ts";
import { assert } from "../../kit/assert.ts";
import type { Log, View } from "../../ports/store.ts";
import { unseal } from "./chain.ts";
import type { ReadRows } from "./rows.ts";

/** The most rows one look takes. */
export const viewCountMax = 100_000;

/** The most events one read takes. */
export const readCountMax = 10_000;

/** The projections of any kind of rows. */
export function view(rows: ReadRows): View {
  return {
    goal: async (id) => rows.goal(id),
    goals: async ({ open, countMax }) => rows.goals({ open, countMax: checkCount(countMax, viewCountMax) }),
    bead: async (id) => rows.bead(id),
    beads: async ({ goal, state, countMax }) =>
      rows.beads({ goal, state, countMax: checkCount(countMax, viewCountMax) }),
    attempts: async (bead) => rows.attempts(bead),
    attempt: async (id) => rows.attempt(id),
    totals: async () => rows.totals(),
  };
}

/** The log's reading half: old shapes come out as today's. */
export function reading(rows: ReadRows, steps: Upcasts): Pick<Log, "read"> {
  return {
    read: async (from, countMax, goal) => {
      assert(Number.isSafeInteger(from), "a sequence is a whole number");
      const page = rows.events(from, checkCount(countMax, readCountMax), goal);
      return page.map((row) => unseal(row, steps));
    },
  };
}

function checkCount(count: number, countMax: number): number {
  assert(Number.isInteger(count), "a count is a whole number");
  assert(count >= 1 && count <= countMax, `a count is 1 to ${countMax}, this one is ${count}`);
  return count;
}
