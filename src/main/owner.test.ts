import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ended } from "../domain/decision.ts";
import { type BeadId, beadId, type GoalId } from "../domain/id.ts";
import { createBead, createGoal } from "../domain/sample.case.ts";
import { memoryStore } from "../edges/store/memory.ts";
import type { Repositories } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { sameBounds } from "../work/resume.ts";
import { realClock } from "./inside.ts";
import { openOwner } from "./owner.ts";
import type { ShopTools } from "./shop.ts";

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
