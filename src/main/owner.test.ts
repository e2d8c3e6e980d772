import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ended } from "../domain/decision.ts";
import { type BeadId, beadId, type GoalId } from "../domain/id.ts";
import { createBead, createGoal } from "../domain/sample.case.ts";
import { memoryStore } from "../edges/store/memory.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { callOwner, socketPath } from "../edges/store/socket.ts";
import type { Repositories } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { sameBounds } from "../work/resume.ts";
import { openHands } from "./hands.ts";
import { realClock } from "./inside.ts";
import { type OwnerMethods, openOwner } from "./owner.ts";
import type { HandsOptions, ShopTools } from "./shop.ts";

const goal = "k7m2q9xd" as GoalId;
const bead: BeadId = beadId(goal, 1);

test("a goal that two people go on with at once is taken up once", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-owner-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const store = memoryStore({ now: () => realClock.now() });
  const parked = { cause: "work", reason: "the tries are spent", best: undefined } as const;
  const events: readonly NewEvent[] = [
    createGoal(goal),
    createBead(bead, goal),
    { type: "bead-parked", goal, bead, ...parked },
    { type: "goal-ended", goal, end: ended("failed", "the tries are spent") },
  ];
  await store.log.append(events, { kind: "none" });
  const tools = {
    ...{ store, clock: realClock, watch: () => undefined },
    repositories: { open: async () => ({ treeOf: async () => "t" }) } as unknown as Repositories,
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as ShopTools;
  const owner = await openOwner(
    {
      ...{ home, clock: realClock, random: () => 0.5, workersMax: 1 },
      openStore: async () => store,
      openReader: async () => store,
      openTools: async () => tools,
      variablesFor: async () => ({}),
    },
    { release: () => undefined },
    undefined,
  );
  const heard = await Promise.allSettled([owner.resume(goal, sameBounds), owner.resume(goal, sameBounds)]);
  expect(heard.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
  const types = (await store.log.read(1, 100, goal)).map(({ event }) => event.type);
  expect(types.slice(events.length)).toEqual(["goal-resumed", "bead-ready"]);
  await owner.close();
});

test("what stands in line the owner says, and who follows the goal from elsewhere sees it", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-owner-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const store = memoryStore({ now: () => realClock.now() });
  await store.log.append([createGoal(goal), createBead(bead, goal)], { kind: "none" });
  const line = { since: 5, why: "p1: input tokens" };
  const other = beadId("aaaaaaaa" as GoalId, 1);
  const queued = [
    { id: `${bead}/a1/c2`, ...line },
    { id: "a call of the gateway", ...line },
    { id: `${other}/a1/c1`, ...line },
  ];
  const tools = {
    ...{ store, clock: realClock, watch: () => undefined, capacity: { queued: () => queued } },
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as ShopTools;
  const options: HandsOptions = {
    ...{ home, random: () => 0.5, workersMax: 1 },
    // A second passes in a few looks.
    clock: { now: () => 20 * realClock.now(), sleep: (_, signal) => realClock.sleep(20, signal) },
    openStore: async () => store,
    openReader: async () => store,
    openTools: async () => tools,
    variablesFor: async () => ({}),
  };
  const lock = await becomeOwner(home);
  if (lock.kind !== "owner") throw new Error("a new home has no owner");
  const owner = await openOwner(options, lock, undefined);
  await owner.tools();
  const asked = await callOwner<OwnerMethods, "working">(
    ...([socketPath(home), "working", {}] as const),
    AbortSignal.timeout(5_000),
  );
  expect(asked).toMatchObject({
    result: {
      queued: [
        { bead, ...line },
        { bead: other, ...line },
      ],
    },
  });
  const guest = await openHands(options);
  const seen = Promise.withResolvers<unknown>();
  const end = guest.finish(
    goal,
    (sight) => sight.kind === "queued" && seen.resolve(sight),
    new AbortController().signal,
  );
  expect(await seen.promise).toEqual({ kind: "queued", bead, why: line.why });
  await store.log.append([{ type: "goal-ended", goal, end: ended("failed", "enough") }], { kind: "none" });
  expect(await end).toMatchObject({ outcome: "failed" });
  await guest.close();
  await owner.close();
});
