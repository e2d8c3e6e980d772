/** How goals end that are not worked to their end: what was in flight is counted as paid, and nothing is left in anybody's hands. */
import type { Bead } from "../domain/bead.ts";
import { ended } from "../domain/decision.ts";
import type { Goal, GoalEnd } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import { RepositoryError } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { VerifierError, VerifierLost } from "../ports/verifier.ts";
import { lostCall, record } from "./record.ts";
import type { Tools } from "./tools.ts";

/** Whoever kills the verifier time and again interrupts the goal as Ctrl-C does; all else is a failure. */
export function endOf(error: unknown): GoalEnd {
  if (error instanceof VerifierLost) return ended("cancelled", error.message);
  // What a person can mend says so itself; of a bug its kind is worth knowing.
  if (error instanceof RepositoryError || error instanceof VerifierError)
    return ended("failed", error.message);
  return ended("failed", error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

/** An ended goal has no bead in anybody's hands: a worker that lost its lease before it failed could not give its bead back. */
export async function endFailed(id: GoalId, end: GoalEnd, tools: Tools): Promise<void> {
  await tools.store.leases.reap("expired");
  const goal = await tools.store.view.goal(id);
  if (goal === undefined || goal.end !== undefined) return;
  const beads = await tools.store.view.beads({ goal: id, countMax: 10_000 });
  const lost = (await Promise.all(beads.map((bead) => callsOut(bead, tools)))).flat();
  await record(tools, [...lost, { type: "goal-ended", goal: id, end }], { kind: "none" });
}

/** A call that was cut with its worker: what it may have cost is counted before the goal ends. */
async function callsOut(bead: Bead, { store }: Pick<Tools, "store">): Promise<readonly NewEvent[]> {
  const attempt = bead.unfinished === undefined ? undefined : await store.view.attempt(bead.unfinished);
  return attempt?.open === undefined ? [] : [lostCall(attempt, attempt.open)];
}

const unsettled = ["blocked", "ready", "waiting", "claimed", "proving", "proven", "integrating"] as const;

/** What was in flight counts as paid, and beads and goal end in one append. */
export async function endCancelled(goal: Goal, { store, watch }: Tools): Promise<void> {
  const events: NewEvent[] = [];
  // All in one look: read state by state, a bead that goes from one to the next meanwhile is met twice or never.
  for (const bead of await store.view.beads({ goal: goal.id, countMax: 10_000 })) {
    if (!(unsettled as readonly Bead["state"]["kind"][]).includes(bead.state.kind)) continue;
    events.push(...(await callsOut(bead, { store })));
    const why = "the goal was cancelled";
    events.push({ type: "bead-cancelled", goal: goal.id, bead: bead.id, by: "goal", why });
  }
  const end = ended("cancelled", "cancelled by the user");
  await record({ store, watch }, [...events, { type: "goal-ended", goal: goal.id, end }], { kind: "none" });
}
