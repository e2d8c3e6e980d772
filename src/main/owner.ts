/** The process that owns the store: it works on its own goals and on those that guests hand in. */
import type { Goal, GoalEnd, Order } from "../domain/goal.ts";
import { type GoalId, goalId, goalOf as goalIdOf, parseGoalId } from "../domain/id.ts";
import { type Serving, serveOwner, socketPath } from "../edges/store/socket.ts";
import { UsageError } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { NewEvent, Reader, Store } from "../ports/store.ts";
import { type Foreman, startForeman } from "../work/foreman.ts";
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

export interface Owner {
  create(order: Order): Promise<GoalId>;
  resume(goal: GoalId): Promise<undefined>;
  cancel(goal: GoalId): Promise<undefined>;
  finish(goal: GoalId, watch: (sight: Sight) => void, signal: AbortSignal): Promise<GoalEnd>;
  /** Waits for the goals of guests, gives everything back, and lets go of the store. */
  close(): Promise<void>;
}

/** Takes the store over, from whoever owned it before. The lock is released when this fails, and by `close`. */
export async function openOwner(options: HandsOptions, lock: { release(): void }): Promise<Owner> {
  const store = await options.openStore().catch((error: unknown) => {
    lock.release();
    throw error;
  });
  // No worker of an earlier owner lives: its processes died with it.
  await store.leases.reap("everyone");
  const shop = openShop(options, store);
  const owner = { ...orders(options, store, shop), finish: finisher(store, shop) };
  const server = await serve(options.home, owner, shop);
  return { ...owner, close: () => close(shop, server, store, lock) };
}

/** Where the work is done. Opened with the first goal that needs it: cancelling or creating one does not. */
interface Shop {
  foreman(): Promise<Foreman>;
  /** Undefined while nothing needed it. */
  readonly opened: () => Promise<Open> | undefined;
  readonly watchers: Set<(sight: Sight) => void>;
  /** Goals handed in by guests that this process works on. */
  readonly guests: Map<GoalId, Promise<unknown>>;
  /** Signals that stop the work, also what goes on for guests after the goal that brought the signal has ended. */
  readonly heeded: Map<AbortSignal, () => void>;
}

interface Open {
  readonly tools: Tools & AsyncDisposable;
  readonly foreman: Foreman;
}

function openShop(options: HandsOptions, store: Store): Shop {
  const watchers = new Set<(sight: Sight) => void>();
  let opened: Promise<Open> | undefined;
  const open = async (): Promise<Open> => {
    const tools = await options.openTools(store, (sight) => {
      for (const watch of watchers) watch(sight);
    });
    return { tools, foreman: startForeman(tools, options.workersMax) };
  };
  return {
    async foreman() {
      opened ??= open();
      return (await opened).foreman;
    },
    opened: () => opened,
    watchers,
    guests: new Map(),
    heeded: new Map(),
  };
}

function orders(options: HandsOptions, store: Store, shop: Shop): Omit<Owner, "finish" | "close"> {
  const append = async (...events: readonly NewEvent[]) => {
    await store.log.append(events, { kind: "none" });
    if (shop.opened() !== undefined) (await shop.foreman()).ring();
  };
  return {
    async create(order) {
      let id = goalId(options.random);
      while ((await store.view.goal(id)) !== undefined) id = goalId(options.random);
      await append({ type: "goal-created", goal: id, order });
      return id;
    },
    async resume(id) {
      const goal = await known(store, id);
      if (goal.end?.outcome === "delivered") throw new UsageError(`goal ${id} is delivered already`);
      const events: NewEvent[] = [];
      if (goal.end !== undefined || goal.cancelAsked) events.push({ type: "goal-resumed", goal: id });
      for (const state of ["parked", "needs-answer", "cancelled"] as const)
        for (const bead of await store.view.beads({ goal: id, state, countMax: 10_000 }))
          events.push({ type: "bead-ready", goal: id, bead: bead.id, why: "the goal was resumed" });
      if (events.length > 0) await append(...events);
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
  };
}

async function known(store: Store, id: GoalId): Promise<Goal> {
  const goal = await store.view.goal(id);
  if (goal === undefined) throw new UsageError(`there is no goal ${id}`);
  return goal;
}

function finisher(store: Store, shop: Shop): Owner["finish"] {
  return async (id, watch, signal) => {
    const end = (await store.view.goal(id))?.end;
    if (end !== undefined) return end;
    const watchThis = (sight: Sight) => {
      if (isAbout(id, sight)) watch(sight);
    };
    shop.watchers.add(watchThis);
    try {
      const foreman = await shop.foreman();
      heed(shop, signal, foreman);
      if (signal.aborted) await foreman.stop();
      return await foreman.run(id);
    } finally {
      shop.watchers.delete(watchThis);
    }
  };
}

function heed({ heeded }: Shop, signal: AbortSignal, foreman: Foreman): void {
  if (heeded.has(signal)) return;
  const stop = () => void foreman.stop();
  heeded.set(signal, stop);
  signal.addEventListener("abort", stop, { once: true });
}

function isAbout(id: GoalId, sight: Sight): boolean {
  if (sight.kind === "recorded") return sight.recorded.event.goal === id;
  return sight.kind === "note" ? sight.goal === id : goalIdOf(sight.bead) === id;
}

/** Requests of guests. An order came through the user's own socket (0600) from this program, so its shape is believed. */
function serve(home: string, owner: Omit<Owner, "close" | "finish">, shop: Shop): Promise<Serving> {
  const workFor = async (guest: GoalId) => {
    const end = (await shop.foreman()).run(guest);
    const forget = () => void shop.guests.delete(guest);
    shop.guests.set(guest, end.then(forget, forget));
  };
  return serveOwner<OwnerMethods>(socketPath(home), {
    async create(params) {
      const id = await owner.create((params as { readonly order: Order }).order);
      await workFor(id);
      return id;
    },
    async resume(params) {
      await owner.resume(goalIn(params));
      await workFor(goalIn(params));
      return undefined;
    },
    cancel: (params) => owner.cancel(goalIn(params)),
  });
}

function goalIn(params: unknown): GoalId {
  const id = parseGoalId(String((params as { goal?: unknown } | null)?.goal));
  if (id === undefined) throw new UsageError("a goal's id is needed");
  return id;
}

async function close(shop: Shop, server: Serving, store: Store, lock: { release(): void }): Promise<void> {
  while (shop.guests.size > 0) await Promise.allSettled(shop.guests.values());
  for (const [signal, stop] of shop.heeded) signal.removeEventListener("abort", stop);
  const opened = await shop.opened()?.catch(() => undefined);
  await opened?.foreman.stop();
  await server.close();
  await opened?.tools[Symbol.asyncDispose]();
  await store.close();
  lock.release();
}
