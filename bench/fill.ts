import type { Order } from "../src/domain/goal.ts";
import { beadId, type GoalId } from "../src/domain/id.ts";
import { createBead, createGoal } from "../src/domain/sample.case.ts";
import type { NewEvent, Store } from "../src/ports/store.ts";

const beadsOfGoal = 1_000;

/** So many ready beads in goals of 1,000 each, appended like any other event. `order`: what each goal asks for. */
export async function fill(store: Store, count: number, order?: Order): Promise<readonly GoalId[]> {
  const goals: GoalId[] = [];
  for (let goalNumber = 0; goalNumber * beadsOfGoal < count; goalNumber++) {
    const goal = `bench${String(goalNumber).padStart(3, "0")}` as GoalId;
    const created = createGoal(goal);
    const events: NewEvent[] = [order === undefined ? created : { ...created, order }];
    for (let number = 1; number <= Math.min(beadsOfGoal, count - goalNumber * beadsOfGoal); number++)
      events.push(createBead(beadId(goal, number), goal));
    await store.log.append(events, { kind: "none" });
    goals.push(goal);
  }
  return goals;
}
