import { expect, test } from "vitest";
import type { Event } from "../domain/event.ts";
import { partOf, planted, worked } from "../domain/forest.case.ts";
import { beadId, type GoalId } from "../domain/id.ts";
import { emptyWorld, fold } from "../domain/state.ts";
import { present } from "../kit/assert.ts";
import { resumption, sameBounds } from "./resume.ts";
import type { Tools } from "./tools.ts";

const goal = "k7m2q9xd" as GoalId;
const whole = beadId(goal, 1);
const stamp = (event: object) => ({ at: 2_000, goal, ...event }) as Event;
const off = (number: number, by: "person" | "goal") =>
  stamp({ type: "bead-cancelled", bead: partOf(number), by, why: "not now" });
const givenUp = stamp({
  ...{ type: "bead-parked", bead: partOf(3), cause: "work", best: undefined },
  reason: "it needs another",
});
const turn = [
  stamp({ type: "bead-ready", bead: whole, why: "its parts are settled" }),
  stamp({ type: "bead-claimed", bead: whole, attempt: `${whole}/a1`, by: "p@7", token: 1 }),
  stamp({ type: "bead-released", bead: whole, token: 1, why: "stopped" }),
];

/** Where every bead stands once the goal is gone on with, and what is said of it. */
async function resumed(...events: readonly Event[]) {
  const world = emptyWorld();
  for (const event of events) fold(world, event);
  const view = {
    beads: async () => [...world.beads.values()],
    attempt: async (id: string) => [...world.attempts.values()].find((attempt) => attempt.id === id),
    attempts: async (id: string) => [...world.attempts.values()].filter(({ bead }) => bead === id),
  };
  const tools = {
    store: { view },
    repositories: { open: async () => ({ treeOf: async () => "t" }) },
    clock: { now: () => 3_000 },
  } as unknown as Tools;
  const done = await resumption(present(world.goals.get(goal), "it is planted"), sameBounds, tools);
  for (const event of done.events) fold(world, stamp(event));
  const beads = [...world.beads.values()];
  return {
    notes: done.notes,
    states: Object.fromEntries(beads.map(({ id, state }) => [id.slice(9), state.kind])),
    goesOn: beads.flatMap(({ unfinished }) => unfinished ?? []),
  };
}

test("what a person took off stays off with what needs it, and the way back is said", async () => {
  const cancelled = [...planted(), ...worked(1, true), off(2, "person"), givenUp];
  const { states, notes } = await resumed(...cancelled);
  expect(states).toEqual({ "1": "split", "1.1": "integrated", "1.2": "cancelled", "1.3": "parked" });
  expect(notes).toEqual([
    expect.stringMatching(/^bead k7m2q9xd\.1\.2 \(cart\) stays off.*rigs bead retry k7m2q9xd\.1\.2 brings/),
  ]);
  // Nor does it send the whole's own turn back, which was cut short.
  const cut = await resumed(...cancelled, ...turn);
  expect(cut.states).toEqual({ ...states, "1": "ready" });
  expect(cut.goesOn).toEqual([`${whole}/a1`]);
});

test("what was cancelled with the whole goal comes back with it", async () => {
  const { states, notes } = await resumed(...planted(), ...worked(1, true), off(2, "goal"), givenUp);
  expect(states).toEqual({ "1": "split", "1.1": "integrated", "1.2": "ready", "1.3": "blocked" });
  expect(notes).toEqual([]);
});
