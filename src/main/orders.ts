/** What people ask an owner to record: goals, answers, what becomes of single beads. */
import { isDeepStrictEqual } from "node:util";
import { convoyOf, type Goal, type Order } from "../domain/goal.ts";
import type { BeadId, GoalId } from "../domain/id.ts";
import { UsageError } from "../faces/house.ts";
import type { NewEvent, Store } from "../ports/store.ts";
import { type Laying, laid } from "../work/joining.ts";
import { record } from "../work/record.ts";
import { type Answer, answering, type Bounds, resumption } from "../work/resume.ts";
import { goalTended, type Tending, tended } from "../work/tending.ts";
import type { Shop } from "./shop.ts";

/** `taken`: another goal has this id; choose another. */
export type Creation = "created" | "taken";

export interface Orders {
  /** The same goal with the same order is created once. */
  create(goal: GoalId, order: Order): Promise<Creation>;
  /** Nothing is worked on. UsageError for what cannot be recorded. */
  lay(goal: GoalId, order: Order, laying: Laying): Promise<Creation>;
  /** Resolves with what people should know of it. */
  resume(goal: GoalId, bounds: Bounds): Promise<readonly string[]>;
  /** UsageError: the goal does not ask this now. The same word twice is taken once. */
  answer(goal: GoalId, answer: Answer): Promise<undefined>;
  cancel(goal: GoalId): Promise<undefined>;
  /** Resolves with the bead it was about. UsageError for what cannot be done. */
  tend(tending: Tending): Promise<BeadId>;
}

export function ordersOf(store: Store, shop: Shop): Orders {
  const append = async (...events: readonly NewEvent[]) => {
    await store.log.append(events, { kind: "none" });
    if (shop.opened() !== undefined) (await shop.foreman()).ring();
  };
  return {
    async create(id, order) {
      const there = await store.view.goal(id);
      if (there !== undefined && !isDeepStrictEqual(asKept(there.order), asKept(order))) return "taken";
      if (there === undefined) await append({ type: "goal-created", goal: id, order });
      return "created";
    },
    async lay(id, order, laying) {
      for (let turn = 0; turn < turnsMax; turn++) {
        const there = await store.view.goal(id);
        if (there !== undefined)
          return isDeepStrictEqual(asKept(there.order), asKept(order)) ? "created" : "taken";
        const done = await laid(id, order, laying, {
          store,
          repositories: async () => (await shop.tools()).repositories,
        });
        if (done.kind === "refused") throw new UsageError(done.why);
        if ((await store.log.append(done.events, done.guard)).kind === "appended") return "created";
      }
      throw new UsageError("so much happens to these tasks that they cannot be joined: try again");
    },
    async resume(id, bounds) {
      for (let turn = 0; turn < turnsMax; turn++) {
        const goal = await known(store, id);
        if (goal.end?.outcome === "delivered") throw new UsageError(`goal ${id} is delivered already`);
        await requireOwn(store, goal);
        const { events, notes } = await resumption(goal, bounds, await shop.tools());
        if (events.length === 0) return notes;
        // What somebody took up again meanwhile is worked on: its claim stays.
        const guard = { kind: "unchanged", goal: id, version: goal.version } as const;
        if ((await store.log.append(events, guard)).kind === "refused") continue;
        (await shop.foreman()).ring();
        return notes;
      }
      throw new UsageError(`so much happens to goal ${id} that it cannot be gone on with: try again`);
    },
    async answer(id, answer) {
      const goal = await known(store, id);
      const answered = await answering(goal, answer, await shop.tools());
      if (answered.kind === "refused") throw new UsageError(answered.why);
      if (answered.events.length === 0) return undefined;
      const unchanged = { kind: "unchanged", goal: id, version: goal.version } as const;
      if ((await store.log.append(answered.events, unchanged)).kind === "refused")
        throw new UsageError(`goal ${id} has changed meanwhile: see rigs goal show ${id}`);
      (await shop.foreman()).ring();
      return undefined;
    },
    async cancel(id) {
      const goal = await known(store, id);
      if (goal.end !== undefined) throw new UsageError(`goal ${id} has ended already: ${goal.end.outcome}`);
      await append({ type: "goal-cancel-asked", goal: id });
      // Whoever works on it hears the bell; a goal nobody works on is ended here.
      await (await shop.foreman()).run(id);
      return undefined;
    },
    async tend(tending) {
      const tools = await shop.tools();
      for (let turn = 0; turn < turnsMax; turn++) {
        const goal = await known(store, goalTended(tending));
        await requireOwn(store, goal);
        const done = await tended(tending, goal, tools);
        if (done.kind === "refused") throw new UsageError(done.why);
        const guard = { kind: "unchanged", goal: goal.id, version: goal.version } as const;
        // Who watches the goal sees this too.
        if ((await record(tools, done.events, guard)) === "refused") continue;
        (await shop.foreman()).ring();
        return done.bead;
      }
      throw new UsageError(
        `so much happens to goal ${goalTended(tending)} that it cannot be changed: try again`,
      );
    },
  };
}

/** How often something may happen to a goal between looking at it and changing it. */
const turnsMax = 20;

/** As JSON gives it back: what is undefined is not there. */
function asKept(order: Order): unknown {
  return JSON.parse(JSON.stringify(order));
}

async function known(store: Store, id: GoalId): Promise<Goal> {
  const goal = await store.view.goal(id);
  if (goal === undefined) throw new UsageError(`there is no goal ${id}`);
  return goal;
}

/** A task that lands with a convoy is worked on there, unless that one was cancelled. UsageError when it is. */
async function requireOwn(store: Store, goal: Goal): Promise<void> {
  const id = convoyOf(goal.end);
  const convoy = id === undefined ? undefined : await store.view.goal(id);
  if (convoy === undefined || convoy.end?.outcome === "cancelled") return;
  throw new UsageError(`goal ${goal.id} lands with convoy ${id}: rigs convoy run ${id}`);
}
