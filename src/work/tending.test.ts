import { describe, expect, test } from "vitest";
import { unbounded } from "../domain/budget.ts";
import type { Event } from "../domain/event.ts";
import { partOf, planted, worked } from "../domain/forest.case.ts";
import { type BeadId, beadId, type GoalId } from "../domain/id.ts";
import { goalEnd } from "../domain/sample.case.ts";
import { emptyWorld, fold, type World } from "../domain/state.ts";
import { present } from "../kit/assert.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import { type BeadWish, type Tending, tended } from "./tending.ts";

const goal = "k7m2q9xd" as GoalId;
const whole = beadId(goal, 1);
const stamp = (event: object) => ({ at: 2_000, goal, ...event }) as Event;
/** The whole has its own turn, as it does when all its parts are settled. */
const turn = [
  stamp({ type: "bead-ready", bead: whole, why: "its parts are settled" }),
  stamp({ type: "bead-claimed", bead: whole, attempt: `${whole}/a1`, by: "p@7", token: 1 }),
];
const parkedWhole = stamp({
  type: "bead-parked",
  bead: whole,
  cause: "work",
  reason: "red",
  best: undefined,
});
const givenUp = stamp({
  ...{ type: "bead-parked", bead: partOf(3), cause: "work", best: undefined },
  reason: "it needs another",
});
const ended = stamp({ type: "goal-ended", end: { ...goalEnd, outcome: "partial" } });
/** One part is in, one is parked, and the one that needs both was given up. */
const forest = [...planted(), ...worked(1, true), ...worked(2, false), givenUp];

function worldOf(events: readonly Event[]): World {
  const world = emptyWorld();
  for (const event of events) fold(world, event);
  return world;
}

/** What comes of it: where every bead stands after, or why it was refused. */
async function tend(
  events: readonly Event[],
  tending: Tending,
  world = worldOf(events),
): Promise<string | Record<string, string>> {
  const view = {
    beads: async () => [...world.beads.values()],
    attempts: async (bead: BeadId) => [...world.attempts.values()].filter((each) => each.bead === bead),
    attempt: async (id: string) => [...world.attempts.values()].find((attempt) => attempt.id === id),
  };
  const repository = {
    treeOf: async () => "t",
    list: async () => [{ path: "tests/test_a.py", kind: "file", bytes: 1 }],
  };
  const ground = {
    store: { view } as unknown as Store,
    repositories: { open: async () => repository } as unknown as Repositories,
  };
  const done = await tended(tending, present(world.goals.get(goal), "it is planted"), ground);
  if (done.kind === "refused") return done.why;
  for (const event of done.events) fold(world, stamp(event));
  const open = world.goals.get(goal)?.end === undefined ? "open" : "ended";
  const reserved = world.goals.get(goal)?.spend.reservedTokens;
  if (reserved !== 0) return `${reserved} tokens are reserved for nobody`;
  const states = [...world.beads.values()].map(({ id, state }) => [id.slice(9), state.kind]);
  return { goal: open, ...Object.fromEntries(states) };
}

const retry = (bead: BeadId): Tending => ({ kind: "retry", bead, budget: unbounded });
const cancel = (bead: BeadId): Tending => ({ kind: "cancel", bead });

describe("retry", () => {
  test("what is parked is ready again, and what was given up for it waits again", async () => {
    const states = { goal: "open", "1": "split", "1.1": "integrated", "1.2": "ready", "1.3": "blocked" };
    expect(await tend(forest, retry(partOf(2)))).toEqual(states);
    // Also of a goal that has ended without its whole, which waits for its parts again.
    expect(await tend([...forest, ...turn, parkedWhole, ended], retry(partOf(2)))).toEqual(states);
  });
  test("what needs others waits for them; the whole waits for its parts", async () => {
    expect(await tend(forest, retry(partOf(3)))).toMatchObject({ "1.2": "parked", "1.3": "blocked" });
    expect(await tend([...forest, ...turn, parkedWhole], retry(whole))).toMatchObject({ "1": "split" });
  });
  test("with a budget: what stopped for want of it goes on where it was, also below the bead that has it", async () => {
    const stopped = worked(2, false).map((event) =>
      event.type === "bead-parked" ? { ...event, cause: "budget" as const } : event,
    );
    const events = [...planted(), ...worked(1, true), ...stopped, givenUp];
    const budget = { ...unbounded, tokensMax: 9_000 };
    const states = { "1.1": "integrated", "1.2": "ready", "1.3": "blocked" };
    expect(await tend(events, { kind: "retry", bead: partOf(2), budget })).toMatchObject(states);
    const grown = events.map((event) =>
      event.type === "bead-created" && event.bead === partOf(3)
        ? { ...event, contract: { ...event.contract, budget: { ...unbounded, below: [partOf(2)] } } }
        : event,
    );
    const world = worldOf(grown);
    expect(await tend(grown, { kind: "retry", bead: partOf(3), budget }, world)).toMatchObject(states);
    expect(world.beads.get(partOf(2))?.unfinished, "it goes on with its attempt").toBe(`${partOf(2)}/a1`);
    expect(world.beads.get(partOf(3))?.contract.budget).toMatchObject({
      tokensMax: 9_000,
      below: [partOf(2)],
    });
    expect(await tend(grown, retry(partOf(3)))).toMatchObject({ "1.2": "parked", "1.3": "blocked" });
  });
  test("refused: what is in or at work, and under a whole that has its turn", async () => {
    expect(await tend(forest, retry(partOf(1)))).toMatch(/is integrated: only what is parked/);
    expect(await tend(planted(), retry(partOf(1)))).toMatch(/is ready: only what is parked/);
    expect(await tend([...forest, ...turn], retry(partOf(2)))).toMatch(/the whole .* is claimed: wait/);
    const delivered = stamp({ type: "goal-ended", end: { ...goalEnd, outcome: "delivered" } });
    expect(await tend([...forest, delivered], retry(partOf(2)))).toMatch(/is delivered already/);
    expect(await tend(forest, retry(partOf(9)))).toMatch(/there is no bead/);
  });
});

describe("cancel", () => {
  test("a call that is out is counted before the bead is taken from its worker", async () => {
    const events = [...planted(), ...worked(2, true).slice(0, 2)];
    expect(await tend(events, cancel(partOf(2)))).toMatchObject({ "1.2": "cancelled" });
  });
  test("refused: the whole, what is in, and a goal that has ended", async () => {
    expect(await tend(forest, cancel(whole))).toBe(
      `bead ${whole} is the whole goal: rigs goal cancel ${goal}`,
    );
    expect(await tend(forest, cancel(partOf(1)))).toMatch(/is integrated already/);
    expect(await tend([...forest, ended], cancel(partOf(2)))).toMatch(/has ended already: partial/);
  });
});

describe("create", () => {
  const wish: BeadWish = {
    intent: "Write tax",
    owns: ["shop/tax.py"],
    checks: ["pytest t"],
    checksByExit: [],
    dependsOn: [],
    budget: unbounded,
  };
  const create = (change: Partial<BeadWish> = {}): Tending => ({
    ...{ kind: "create", goal },
    wish: { ...wish, ...change },
  });
  test("another part, with a number of its own and its checks in the goal", async () => {
    expect(await tend(forest, create())).toMatchObject({ "1.4": "ready", "1": "split" });
    expect(await tend(forest, create({ dependsOn: [partOf(2)] }))).toMatchObject({ "1.4": "blocked" });
  });
  test("refused: what a plan would be refused for", async () => {
    expect(await tend(forest, create({ owns: ["shop/part2.py"] }))).toMatch(/both own shop\/part2\.py/);
    expect(await tend(forest, create({ owns: ["tests/test_a.py"] }))).toMatch(/is protected/);
    expect(await tend(forest, create({ owns: ["../x"] }))).toMatch(/no path inside the repository/);
    const absent = { checks: ["pytest tests/test_tax.py"] };
    expect(await tend(forest, create(absent))).toMatch(
      /^the check of the new task names tests\/test_tax\.py, which is neither in the repository/,
    );
    expect(await tend(forest, create({ checks: ["pytest tests/test_a.py"] }))).toMatchObject({
      "1.4": "ready",
    });
    expect(await tend(forest, create({ checks: [] }))).toMatch(/no check/);
    expect(await tend(forest, create({ dependsOn: [partOf(9)] }))).toMatch(/there is no bead/);
  });
  test("refused: a goal that is no tree, has ended, or has its whole's turn", async () => {
    expect(await tend(planted(1).slice(0, 3), create())).toMatch(/is one bead, no tree/);
    expect(await tend([...forest, ended], create())).toMatch(/has ended; it can be gone on with/);
    expect(await tend([...forest, ...turn], create())).toMatch(/all parts .* are settled/);
  });
});
