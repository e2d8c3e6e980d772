import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { orderOf } from "../domain/sample.case.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { serveOwner, socketPath } from "../edges/store/socket.ts";
import { openReader, openStore } from "../edges/store/sqlite.ts";
import { openHands } from "./hands.ts";
import { realClock } from "./inside.ts";
import type { OwnerMethods } from "./owner.ts";

const clock = { now: () => realClock.now() };

/** Nothing is worked on. */
function handsOf(home: string, random: () => number) {
  return openHands({
    home,
    clock: realClock,
    random,
    workersMax: 1,
    openStore: () => openStore(home, clock),
    openReader: () => openReader(home),
    openTools: () => Promise.reject(new Error("no goal is worked on here")),
    variablesFor: async () => ({}),
  });
}

test("an owner that dies between making a guest's goal durable and saying so leaves one goal, not two", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-hands-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const lock = await becomeOwner(home);
  if (lock.kind !== "owner") throw new Error("a new home has no owner");
  const store = await openStore(home, clock);
  const died = Promise.withResolvers<void>();
  const dying = await serveOwner<Pick<OwnerMethods, "create">>(socketPath(home), {
    async create(params) {
      const { goal, order } = params as OwnerMethods["create"]["params"];
      await store.log.append([{ type: "goal-created", goal, order }], { kind: "none" });
      await store.close();
      lock.release();
      died.resolve();
      return new Promise(() => undefined);
    },
  });
  void died.promise.then(() => dying.close());
  const hands = await handsOf(home, Math.random);
  expect(hands.standing).toBe("guest");
  const goal = await hands.create(orderOf("make it work"));
  expect(hands.standing).toBe("owner");
  await hands.close();
  const reader = await openReader(home);
  const goals = await reader.view.goals({ countMax: 10 });
  await reader.close();
  expect(goals.map(({ id }) => id)).toEqual([goal]);
});

test("an id that another goal has is not taken for that goal", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-hands-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  // The same chances twice: the second goal first chooses the first one's id.
  let drawn = 0;
  const random = () => (drawn++ < 16 ? 0.25 : 0.75);
  const hands = await handsOf(home, random);
  const first = await hands.create(orderOf("one"));
  const second = await hands.create(orderOf("two"));
  await hands.close();
  expect(second).not.toBe(first);
  expect(drawn).toBe(24);
});
