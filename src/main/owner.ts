/** The process that owns the store: it works on its own goals and on those that guests hand in. */
import type { GoalEnd, Order } from "../domain/goal.ts";
import { type BeadId, type GoalId, goalOf as goalIdOf, parseBeadId, parseGoalId } from "../domain/id.ts";
import { type Serving, serveOwner, socketPath } from "../edges/store/socket.ts";
import { type InLine, type Refreshed, type RefreshWish, UsageError } from "../faces/house.ts";
import type { Store } from "../ports/store.ts";
import type { Foreman } from "../work/foreman.ts";
import type { Laying } from "../work/joining.ts";
import { type Answer, type Bounds, sameBounds } from "../work/resume.ts";
import { goalTended, type Tending } from "../work/tending.ts";
import type { Sight } from "../work/tools.ts";
import { type Creation, type Orders, ordersOf } from "./orders.ts";
import { type HandsOptions, openShop, type Shop, type ShopTools, type Variables } from "./shop.ts";

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
  /** Beads whose call stands in line for a place with a provider. `since`: ms. */
  readonly queued: readonly InLine[];
}

export interface Owner extends Orders {
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
  const owner = { ...ordersOf(store, shop), finish: finisher(store, shop) };
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
      const { names, effort, variables } = params as OwnerMethods["refresh"]["params"];
      return (await shop.tools()).refresh({ names, effort }, variables, signal);
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
      queued: await queuedIn(shop),
    }),
  });
}

/** Of the calls that stand in line those of beads: a call is named after its bead and attempt. */
async function queuedIn(shop: Shop): Promise<readonly InLine[]> {
  const opened = await shop.opened()?.catch(() => undefined);
  return (opened?.tools.capacity.queued() ?? []).flatMap(({ id, since, why }) => {
    const bead = parseBeadId(id.split("/", 1)[0] ?? "");
    return bead === undefined ? [] : [{ bead, since, why }];
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
