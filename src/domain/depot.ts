import type { Bead } from "./bead.ts";

/** One step of priority is worth this much waiting: a bead of priority 0 passes a fresh one of priority 4 after 40 minutes. */
export const ageingMs = 600_000;

/**
 * The order of ready beads, oldest need first. Ageing (priority + waited / ageingMs) grows alike for everyone, so the
 * order between two beads never changes while they wait and this one number, smaller first, decides: an index can hold it.
 */
export function rankOf(bead: Pick<Bead, "priority" | "readyAt">): number {
  return bead.readyAt - bead.priority * ageingMs;
}

/** Total: equal ranks fall back to the id. */
export function compareReady(left: Bead, right: Bead): number {
  const byRank = rankOf(left) - rankOf(right);
  if (byRank !== 0) return byRank;
  return left.id < right.id ? -1 : left.id > right.id ? 1 : 0;
}

/** The bead to work on next, or undefined when none is ready. */
export function nextReady(beads: Iterable<Bead>): Bead | undefined {
  let best: Bead | undefined;
  for (const bead of beads) {
    if (bead.state.kind !== "ready") continue;
    if (best === undefined || compareReady(bead, best) < 0) best = bead;
  }
  return best;
}
