import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import type { BeadId } from "../domain/id.ts";
import { orderOf } from "../domain/sample.case.ts";
import { becomeOwner } from "../edges/store/owner.ts";
import { serveOwner, socketPath } from "../edges/store/socket.ts";
import { openReader, openStore, storeFile } from "../edges/store/sqlite.ts";
import { openHands } from "./hands.ts";
import { readerOf, realClock } from "./inside.ts";
import type { OwnerMethods } from "./owner.ts";
import { placesOf } from "./places.ts";

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

test("a task that is laid is recorded with its bead, and nothing is opened to work on it", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-hands-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const hands = await handsOf(home, Math.random);
  const goal = await hands.lay({ ...orderOf("later"), begins: "when-run" }, { kind: "task", owns: [] });
  await expect(hands.lay(orderOf("both"), { kind: "convoy", beads: ["x.1" as BeadId] })).rejects.toThrow(
    "there is no bead x.1",
  );
  await hands.close();
  const reader = await openReader(home);
  const [known] = await reader.view.goals({ countMax: 10 });
  const beads = await reader.view.beads({ countMax: 10 });
  await reader.close();
  expect(known).toMatchObject({ id: goal, isUnbegun: true });
  expect(beads).toMatchObject([{ id: `${goal}.1`, contract: { owns: ["**"] }, state: { kind: "ready" } }]);
});

test("whoever looks at a store of an older Rigs brings it up to date, but not under its owner's hands", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-hands-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const database = new DatabaseSync(storeFile(home));
  database.exec(readFileSync(new URL("../../test/golden/store-first.sql", import.meta.url), "utf8"));
  database.close();
  const older = await becomeOwner(home);
  const look = () => readerOf(placesOf(home, false));
  await expect(look()).rejects.toThrow(/was written by an older Rigs: end the rigs process that works on it/);
  if (older.kind === "owner") older.release();
  const reader = await look();
  expect(await reader?.view.totals()).toMatchObject({ goals: { open: 0, ended: 2 }, sequence: 23 });
  await reader?.close();
  // The home is free again.
  const next = await becomeOwner(home);
  expect(next.kind).toBe("owner");
  if (next.kind === "owner") next.release();
});
