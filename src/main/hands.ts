/**
 * Writing to the store from this process.
 *
 * 1. Exactly one process owns the store. It works on its own goals and on those that other commands hand in.
 * 2. A guest asks the owner over its socket, follows the log, and becomes the owner when that one is gone:
 *    no goal is ever in nobody's hands while a command waits for it.
 * 3. An owner that was stopped gives every bead back before it lets go of the store.
 */

import type { Recorded } from "../domain/event.ts";
import type { GoalEnd, Order } from "../domain/goal.ts";
import { type GoalId, goalId, goalOf as goalIdOf, parseGoalId } from "../domain/id.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { callOwner, serveOwner, socketPath } from "../edges/store/socket.ts";
import type { Hands } from "../faces/house.ts";
import { UsageError } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { NewEvent, Reader, Store } from "../ports/store.ts";
import { type Foreman, startForeman } from "../work/foreman.ts";
import { Interrupted } from "../work/interrupted.ts";
import type { Sight, Tools } from "../work/tools.ts";

/** What a guest may ask the owner for. */
export type OwnerMethods = {
  readonly create: { readonly params: { readonly order: Order }; readonly result: GoalId };
  readonly resume: { readonly params: { readonly goal: GoalId }; readonly result: undefined };
  readonly cancel: { readonly params: { readonly goal: GoalId }; readonly result: undefined };
};

export interface HandsOptions {
  readonly home: string;
  readonly clock: Clock;
  readonly random: Random;
  openStore(): Promise<Store>;
  openReader(): Promise<Reader>;
  /** Everything the foreman needs, over this store. */
  openTools(store: Store, watch: (sight: Sight) => void): Promise<Tools & AsyncDisposable>;
  readonly workersMax: number;
}

/** How often a guest looks at the log; another process has no doorbell for it. */
const lookEveryMs = 200;

export async function openHands(options: HandsOptions): Promise<Hands> {
  let role = await become();

  async function become(): Promise<Owner | undefined> {
    const lock = await becomeOwner(options.home);
    return lock.kind === "owned" ? undefined : openOwner(options, lock);
  }

  /** Does it as owner; as guest asks the owner, and becomes it when there is none any more. */
  async function through<Name extends keyof OwnerMethods>(
    method: Name,
    params: OwnerMethods[Name]["params"],
    asOwner: (owner: Owner) => Promise<OwnerMethods[Name]["result"]>,
  ): Promise<OwnerMethods[Name]["result"]> {
    for (let attempt = 0; attempt < 50; attempt++) {
      if (role !== undefined) return asOwner(role);
      const path = socketPath(options.home);
      const called = await callOwner<OwnerMethods, Name>(path, method, params, AbortSignal.timeout(30_000));
      if (called.kind === "answered") return called.result;
      if (called.kind === "refused") throw new UsageError(called.why);
      // The owner is just starting, or just gone: become it, or ask again a moment later.
      role = await become();
      if (role === undefined) await options.clock.sleep(lookEveryMs, new AbortController().signal);
    }
    throw new UsageError(
      "another rigs process owns the store and does not answer: wait for it, or end it and try again",
    );
  }

  return {
    get standing() {
      return role === undefined ? "guest" : "owner";
    },
    create: (order) => through("create", { order }, (owner) => owner.create(order)),
    async resume(goal) {
      await through("resume", { goal }, (owner) => owner.resume(goal));
    },
    async cancel(goal) {
      await through("cancel", { goal }, (owner) => owner.cancel(goal));
    },
    async finish(goal, watch, signal) {
      for (;;) {
        signal.throwIfAborted();
        if (role !== undefined) return role.finish(goal, watch, signal);
        const end = await follow(goal, watch, signal);
        if (end !== undefined) return end;
        role = await become();
      }
    },
    async close() {
      await role?.close();
      role = undefined;
    },
  };

  async function isOwnerless(): Promise<boolean> {
    const lock = await becomeOwner(options.home);
    if (lock.kind === "owner") lock.release();
    return lock.kind === "owner";
  }

  /** Reads along until the goal ends; undefined when the owner is gone. */
  async function follow(
    goal: GoalId,
    watch: (sight: Sight) => void,
    signal: AbortSignal,
  ): Promise<GoalEnd | undefined> {
    const reader = await options.openReader();
    try {
      let from = 1;
      for (;;) {
        const events = await reader.log.read(from, 1000, goal);
        for (const recorded of events) {
          watch({ kind: "recorded", recorded });
          from = recorded.sequence + 1;
        }
        const known = await reader.view.goal(goal);
        if (known?.end !== undefined && events.length === 0) return known.end;
        if (events.length === 0 && (await isOwnerless())) return undefined;
        await options.clock.sleep(lookEveryMs, signal).catch(() => {
          throw new Interrupted();
        });
      }
    } finally {
      await reader.close();
    }
  }
}

interface Owner {
  create(order: Order): Promise<GoalId>;
  resume(goal: GoalId): Promise<undefined>;
  cancel(goal: GoalId): Promise<undefined>;
  finish(goal: GoalId, watch: (sight: Sight) => void, signal: AbortSignal): Promise<GoalEnd>;
  close(): Promise<void>;
}

async function openOwner(options: HandsOptions, lock: { release(): void }): Promise<Owner> {
  const watchers = new Set<(sight: Sight) => void>();
  const store = await options.openStore().catch(async (error: unknown) => {
    lock.release();
    throw error;
  });
  // No worker of an earlier owner lives: its processes died with it.
  await store.leases.reap("everyone");
  let tools: (Tools & AsyncDisposable) | undefined;
  let foreman: Foreman | undefined;
  /** Signals that stop the work, also what goes on for guests after the goal that brought the signal has ended. */
  const heeded = new Map<AbortSignal, () => void>();
  /** Goals handed in by guests that this process works on. */
  const guests = new Map<GoalId, Promise<unknown>>();

  async function working(): Promise<Foreman> {
    tools ??= await options.openTools(store, (sight) => {
      for (const watch of watchers) watch(sight);
    });
    foreman ??= startForeman(tools, options.workersMax);
    return foreman;
  }

  async function append(events: readonly NewEvent[]): Promise<readonly Recorded[]> {
    const appended = await store.log.append(events, { kind: "none" });
    foreman?.ring();
    return appended.kind === "appended" ? appended.events : [];
  }

  const owner: Owner = {
    async create(order) {
      let id = goalId(options.random);
      while ((await store.view.goal(id)) !== undefined) id = goalId(options.random);
      await append([{ type: "goal-created", goal: id, order }]);
      return id;
    },
    async resume(id) {
      const goal = await store.view.goal(id);
      if (goal === undefined) throw new UsageError(`there is no goal ${id}`);
      if (goal.end?.outcome === "delivered") throw new UsageError(`goal ${id} is delivered already`);
      const events: NewEvent[] = [];
      for (const state of ["parked", "needs-answer", "cancelled"] as const)
        for (const bead of await store.view.beads({ goal: id, state, countMax: 10_000 }))
          events.push({ type: "bead-ready", goal: id, bead: bead.id, why: "the goal was resumed" });
      if (goal.end !== undefined || goal.cancelAsked) events.unshift({ type: "goal-resumed", goal: id });
      if (events.length > 0) await append(events);
      return undefined;
    },
    async cancel(id) {
      const goal = await store.view.goal(id);
      if (goal === undefined) throw new UsageError(`there is no goal ${id}`);
      if (goal.end !== undefined) throw new UsageError(`goal ${id} has ended already: ${goal.end.outcome}`);
      await append([{ type: "goal-cancel-asked", goal: id }]);
      // Whoever works on it hears the bell; a goal nobody works on is ended here.
      await (await working()).run(id);
      return undefined;
    },
    async finish(id, watch, signal) {
      const known = (await store.view.goal(id))?.end;
      if (known !== undefined) return known;
      const watchThis = (sight: Sight) => {
        if (within(id, sight)) watch(sight);
      };
      watchers.add(watchThis);
      const running = await working();
      heed(signal, running);
      try {
        if (signal.aborted) await running.stop();
        return await running.run(id);
      } finally {
        watchers.delete(watchThis);
      }
    },
    async close() {
      while (guests.size > 0) await Promise.allSettled(guests.values());
      for (const [signal, stop] of heeded) signal.removeEventListener("abort", stop);
      await foreman?.stop();
      await server.close();
      await tools?.[Symbol.asyncDispose]();
      await store.close();
      lock.release();
    },
  };
  const server = await serveOwner<OwnerMethods>(socketPath(options.home), {
    async create(params) {
      const id = await owner.create((params as { readonly order: Order }).order);
      await workFor(id);
      return id;
    },
    async resume(params) {
      await owner.resume(goalOf(params));
      await workFor(goalOf(params));
      return undefined;
    },
    async cancel(params) {
      await owner.cancel(goalOf(params));
      return undefined;
    },
  });
  return owner;

  function heed(signal: AbortSignal, running: Foreman): void {
    if (heeded.has(signal)) return;
    const stop = () => void running.stop();
    heeded.set(signal, stop);
    signal.addEventListener("abort", stop, { once: true });
  }

  async function workFor(guest: GoalId): Promise<void> {
    const end = (await working()).run(guest);
    guests.set(
      guest,
      end.catch(() => undefined).finally(() => guests.delete(guest)),
    );
  }

  function within(id: GoalId, sight: Sight): boolean {
    if (sight.kind === "recorded") return sight.recorded.event.goal === id;
    return sight.kind === "note" ? sight.goal === id : goalIdOf(sight.bead) === id;
  }
}

function goalOf(parameters: unknown): GoalId {
  const id = parseGoalId(String((parameters as { goal?: unknown } | null)?.goal));
  if (id === undefined) throw new UsageError("a goal's id is needed");
  return id;
}
