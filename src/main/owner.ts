/** The process that owns the store: it works on its own goals and on those that guests hand in. */
import { isDeepStrictEqual } from "node:util";
import { convoyOf, type Goal, type GoalEnd, type Order } from "../domain/goal.ts";
import { type BeadId, type GoalId, goalOf as goalIdOf, parseGoalId } from "../domain/id.ts";
import { type Serving, serveOwner, socketPath } from "../edges/store/socket.ts";
import { type Refreshed, type RefreshWish, UsageError } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { NewEvent, Reader, Store } from "../ports/store.ts";
import { type Foreman, startForeman } from "../work/foreman.ts";
import { type Laying, laid } from "../work/joining.ts";
import { record } from "../work/record.ts";
import { type Answer, answering, type Bounds, resumption, sameBounds } from "../work/resume.ts";
import { goalTended, type Tending, tended } from "../work/tending.ts";
import type { Sight, Tools } from "../work/tools.ts";

/** Values of environment variables by name: the keys of a goal's providers. Held in memory only. */
export type Variables = Readonly<Record<string, string>>;

/** What a guest may ask the owner for. `variables` are those of the guest's own environment. */
export type OwnerMethods = {
  readonly create: {
    /** The guest chooses the id, so that asking again, after an owner that died over it, makes no second goal. */
    readonly params: { readonly goal: GoalId; readonly order: Order; readonly variables: Variables };
    readonly result: Creation;
  };
  /** Records a task or a convoy that begins when somebody runs it; the same id with the same order is laid once. */
  readonly lay: {
    readonly params: { readonly goal: GoalId; readonly order: Order; readonly laying: Laying };
    readonly result: Creation;
  };
  readonly resume: {
    readonly params: { readonly goal: GoalId; readonly bounds: Bounds; readonly variables: Variables };
    readonly result: readonly string[];
  };
  readonly answer: {
    readonly params: { readonly goal: GoalId; readonly answer: Answer };
    readonly result: undefined;
  };
  readonly cancel: { readonly params: { readonly goal: GoalId }; readonly result: undefined };
  /** One bead is tried again, taken off or added; the owner works on its goal from then on where it was tried again. */
  readonly tend: {
    readonly params: { readonly tending: Tending; readonly variables: Variables };
    readonly result: BeadId;
  };
  /** Asks providers how they stand, and lets the tanks know. */
  readonly refresh: {
    readonly params: RefreshWish & { readonly variables: Variables };
    readonly result: readonly Refreshed[];
  };
  readonly working: {
    readonly params: Readonly<Record<string, never>>;
    readonly result: Working;
  };
  /** Ends a foreman of its own; answered before it has ended. Refused by an owner that works for its command. */
  readonly stop: { readonly params: Readonly<Record<string, never>>; readonly result: undefined };
};

/** Who the owner is and what it works on. `since`: when it became the owner, ms. */
export interface Working {
  readonly process: number;
  readonly role: "foreman" | "command";
  readonly since: number;
  readonly goals: readonly GoalId[];
}

/** `taken`: another goal has this id; choose another. */
export type Creation = "created" | "taken";

export interface HandsOptions {
  readonly home: string;
  readonly clock: Clock;
  readonly random: Random;
  openStore(): Promise<Store>;
  openReader(): Promise<Reader>;
  /** Everything the foreman needs, over this store. */
  openTools(store: Store, watch: (sight: Sight) => void): Promise<ShopTools>;
  /** The key variables of these providers that are set here. */
  variablesFor(providers: readonly string[]): Promise<Variables>;
  readonly workersMax: number;
}

export interface ShopTools extends Tools, AsyncDisposable {
  /**
   * From now on this goal's providers are those of the configuration as it is, with these variables over the process's
   * own. Rejects with UsageError when the configuration cannot be read.
   */
  admit(goal: GoalId, variables: Variables): Promise<void>;
  /** Asks providers of the configuration as it is now how they stand, with these variables over the process's own. */
  refresh(wish: RefreshWish, variables: Variables, signal: AbortSignal): Promise<readonly Refreshed[]>;
}

export interface Owner {
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
  refresh(wish: RefreshWish, variables: Variables, signal: AbortSignal): Promise<readonly Refreshed[]>;
  /** Works on an open goal without anybody waiting for it, as on those of guests. */
  takeUp(goal: GoalId): Promise<readonly string[]>;
  /** What work is done with, opened by this where nothing was worked on yet. */
  tools(): Promise<ShopTools>;
  /** Gives everything back, so that nothing is at work any more. */
  rest(): Promise<void>;
  finish(goal: GoalId, watch: (sight: Sight) => void, signal: AbortSignal): Promise<GoalEnd>;
  /** Waits for the goals of guests, gives everything back, and lets go of the store. */
  close(): Promise<void>;
}

/** Ends a foreman of its own when it is asked to stop; undefined: the owner works for its command. */
export type Dismiss = (() => void) | undefined;

/** Takes the store over, from whoever owned it before. The lock is released when this fails, and by `close`. */
export async function openOwner(
  options: HandsOptions,
  lock: { release(): void },
  dismiss: Dismiss,
): Promise<Owner> {
  const store = await options.openStore().catch((error: unknown) => {
    lock.release();
    throw error;
  });
  // No worker of an earlier owner lives: its processes died with it.
  await store.leases.reap("everyone");
  const shop = openShop(options, store);
  const owner = { ...orders(store, shop), finish: finisher(store, shop) };
  const server = await serve(options, owner, shop, dismiss);
  return {
    ...owner,
    async takeUp(id) {
      const notes = await owner.resume(id, sameBounds);
      await workFor(shop, id);
      return notes;
    },
    tools: () => shop.tools(),
    async refresh(wish, variables, signal) {
      return (await shop.tools()).refresh(wish, variables, signal);
    },
    async rest() {
      await (await shop.opened())?.foreman.stop();
    },
    close: () => close(shop, server, store, lock),
  };
}

/** Where the work is done. Opened with the first goal that needs it: cancelling or creating one does not. */
interface Shop {
  foreman(): Promise<Foreman>;
  tools(): Promise<ShopTools>;
  /** Undefined while nothing needed it. */
  readonly opened: () => Promise<Open> | undefined;
  readonly watchers: Set<(sight: Sight) => void>;
  /** Goals handed in by guests that this process works on. */
  readonly guests: Map<GoalId, Promise<unknown>>;
  /** Goals of this process's own command, each as often as somebody waits for it. */
  readonly own: GoalId[];
  /** Signals that stop the work, also what goes on for guests after the goal that brought the signal has ended. */
  readonly heeded: Map<AbortSignal, () => void>;
}

interface Open {
  readonly tools: ShopTools;
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
    async tools() {
      opened ??= open();
      return (await opened).tools;
    },
    opened: () => opened,
    watchers,
    guests: new Map(),
    own: [],
    heeded: new Map(),
  };
}

type Orders = Pick<Owner, "create" | "lay" | "resume" | "answer" | "cancel" | "tend">;

function orders(store: Store, shop: Shop): Orders {
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
      const goal = await known(store, id);
      if (goal.end?.outcome === "delivered") throw new UsageError(`goal ${id} is delivered already`);
      await requireOwn(store, goal);
      const { events, notes } = await resumption(goal, bounds, await shop.tools());
      if (events.length > 0) await append(...events);
      return notes;
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

function finisher(store: Store, shop: Shop): Owner["finish"] {
  return async (id, watch, signal) => {
    const end = (await store.view.goal(id))?.end;
    if (end !== undefined) return end;
    const watchThis = (sight: Sight) => {
      if (isAbout(id, sight)) watch(sight);
    };
    shop.watchers.add(watchThis);
    shop.own.push(id);
    try {
      const foreman = await shop.foreman();
      heed(shop, signal, foreman);
      if (signal.aborted) await foreman.stop();
      return await foreman.run(id);
    } finally {
      shop.watchers.delete(watchThis);
      shop.own.splice(shop.own.indexOf(id), 1);
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

/** Nobody here waits for it; `shop.guests` knows until it has ended. */
async function workFor(shop: Shop, guest: GoalId): Promise<void> {
  const end = (await shop.foreman()).run(guest);
  const forget = () => void shop.guests.delete(guest);
  shop.guests.set(guest, end.then(forget, forget));
}

/** Requests of guests. An order came through the user's own socket (0600) from this program, so its shape is believed. */
function serve({ home, clock }: HandsOptions, owner: Orders, shop: Shop, dismiss: Dismiss): Promise<Serving> {
  const since = clock.now();
  return serveOwner<OwnerMethods>(socketPath(home), {
    async create(params) {
      const { order, variables } = params as OwnerMethods["create"]["params"];
      const id = goalIn(params);
      if ((await owner.create(id, order)) === "taken") return "taken";
      await (await shop.tools()).admit(id, variables);
      await workFor(shop, id);
      return "created";
    },
    lay(params) {
      const { order, laying } = params as OwnerMethods["lay"]["params"];
      return owner.lay(goalIn(params), order, laying);
    },
    async resume(params) {
      const { bounds, variables } = params as OwnerMethods["resume"]["params"];
      const id = goalIn(params);
      await (await shop.tools()).admit(id, variables);
      const notes = await owner.resume(id, bounds);
      await workFor(shop, id);
      return notes;
    },
    async answer(params) {
      const { answer } = params as OwnerMethods["answer"]["params"];
      const id = goalIn(params);
      await owner.answer(id, answer);
      await workFor(shop, id);
      return undefined;
    },
    cancel: (params) => owner.cancel(goalIn(params)),
    async tend(params) {
      const { tending, variables } = params as OwnerMethods["tend"]["params"];
      const id = goalTended(tending);
      if (tending.kind === "retry") await (await shop.tools()).admit(id, variables);
      const bead = await owner.tend(tending);
      if (tending.kind === "retry") await workFor(shop, id);
      return bead;
    },
    async refresh(params, signal) {
      const { names, isAsking, variables } = params as OwnerMethods["refresh"]["params"];
      return (await shop.tools()).refresh({ names, isAsking }, variables, signal);
    },
    async stop() {
      if (dismiss === undefined)
        throw new UsageError(`process ${process.pid} works for its own command: stop it there with Ctrl-C`);
      dismiss();
      return undefined;
    },
    working: async () => ({
      process: process.pid,
      role: dismiss === undefined ? "command" : "foreman",
      since,
      goals: [...new Set([...shop.own, ...shop.guests.keys()])],
    }),
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
