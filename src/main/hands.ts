/**
 * Writing to the store from this process.
 *
 * 1. Exactly one process owns the store. It works on its own goals and on those that other commands hand in.
 * 2. A guest asks the owner over its socket, follows the log, and becomes the owner when that one is gone:
 *    no goal is ever in nobody's hands while a command waits for it.
 * 3. An owner that was stopped gives every bead back before it lets go of the store.
 * 4. A guest's keys travel over the socket (0600, in a folder of 0700) and stay in memory; no event has room for them.
 */
import type { GoalEnd } from "../domain/goal.ts";
import { type GoalId, goalId, goalOf } from "../domain/id.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { callOwner, socketPath } from "../edges/store/socket.ts";
import type { Hands, InLine } from "../faces/house.ts";
import { UsageError } from "../faces/house.ts";
import { Interrupted } from "../work/interrupted.ts";
import type { Sight } from "../work/tools.ts";
import { type Owner, type OwnerMethods, openOwner } from "./owner.ts";
import type { HandsOptions } from "./shop.ts";

/** How often a guest looks at the log; another process has no doorbell for it. */
const lookEveryMs = 200;
/** How often it asks the owner what no event tells. */
const askEveryMs = 1_000;

export async function openHands(options: HandsOptions): Promise<Hands> {
  let role = await become();

  async function become(): Promise<Owner | undefined> {
    const lock = await becomeOwner(options.home);
    return lock.kind === "owned" ? undefined : openOwner(options, lock, undefined);
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
      // The owner is just starting, or just gone: become it, or ask again a moment later. It may have done it before it
      // went: everything that is asked for may be asked for twice.
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
    async create(order) {
      const variables = await options.variablesFor(order.providers);
      for (;;) {
        const goal = goalId(options.random);
        const params = { goal, order, variables };
        const creation = await through("create", params, (owner) => owner.create(goal, order));
        if (creation === "created") return goal;
      }
    },
    async lay(order, laying) {
      for (;;) {
        const goal = goalId(options.random);
        const creation = await through("lay", { goal, order, laying }, (owner) =>
          owner.lay(goal, order, laying),
        );
        if (creation === "created") return goal;
      }
    },
    async resume({ id, order }, bounds) {
      const variables = await options.variablesFor(order.providers);
      return through("resume", { goal: id, bounds, variables }, (owner) => owner.resume(id, bounds));
    },
    async answer(goal, answer) {
      await through("answer", { goal, answer }, (owner) => owner.answer(goal, answer));
    },
    async cancel(goal) {
      await through("cancel", { goal }, (owner) => owner.cancel(goal));
    },
    async tend(tending, order) {
      const variables = tending.kind === "retry" ? await options.variablesFor(order.providers) : {};
      return through("tend", { tending, variables }, (owner) => owner.tend(tending));
    },
    async refresh(wish, signal) {
      const variables = await options.variablesFor(wish.names);
      return through("refresh", { ...wish, variables }, (owner) => owner.refresh(wish, variables, signal));
    },
    async finish(goal, watch, signal) {
      for (;;) {
        signal.throwIfAborted();
        if (role !== undefined) return role.finish(goal, watch, signal);
        const end = await follow(options, goal, watch, signal);
        if (end !== undefined) return end;
        role = await become();
      }
    },
    async close() {
      await role?.close();
      role = undefined;
    },
  };
}

/** Reads along until the goal ends; undefined when the owner is gone. */
async function follow(
  options: HandsOptions,
  goal: GoalId,
  watch: (sight: Sight) => void,
  signal: AbortSignal,
): Promise<GoalEnd | undefined> {
  const reader = await options.openReader();
  try {
    let from = 1;
    let askedAt = options.clock.now();
    for (;;) {
      if (options.clock.now() - askedAt >= askEveryMs) {
        askedAt = options.clock.now();
        for (const { bead, why } of await queuedFor(goal, options.home)) watch({ kind: "queued", bead, why });
      }
      const events = await reader.log.read(from, 1000, goal);
      for (const recorded of events) {
        watch({ kind: "recorded", recorded });
        from = recorded.sequence + 1;
      }
      const known = await reader.view.goal(goal);
      if (known?.end !== undefined && events.length === 0) return known.end;
      if (events.length === 0 && (await isOwnerless(options.home))) return undefined;
      await options.clock.sleep(lookEveryMs, signal).catch(() => {
        throw new Interrupted();
      });
    }
  } finally {
    await reader.close();
  }
}

/** Beads of the goal whose call stands in line; none where the owner is too busy to say. */
async function queuedFor(goal: GoalId, home: string): Promise<readonly InLine[]> {
  const signal = AbortSignal.timeout(askEveryMs);
  const asked = callOwner<OwnerMethods, "working">(socketPath(home), "working", {}, signal);
  const called = await asked.catch(() => undefined);
  const queued = called?.kind === "answered" ? (called.result.queued ?? []) : [];
  return queued.filter(({ bead }) => goalOf(bead) === goal);
}

async function isOwnerless(home: string): Promise<boolean> {
  const lock = await becomeOwner(home);
  if (lock.kind === "owner") lock.release();
  return lock.kind === "owner";
}
