import fc from "fast-check";
import { expect, test } from "vitest";
import { seeded } from "../kit/random.ts";
import {
  type AttemptId,
  attemptId,
  type BeadId,
  beadId,
  beadOf,
  callId,
  type GoalId,
  goalId,
  goalOf,
  parseBeadId,
  parseGoalId,
  revisionId,
} from "./id.ts";

const numbers = fc.array(fc.integer({ min: 1, max: 999_999 }), { minLength: 1, maxLength: 10 });

test("every id says what it belongs to, and what is printed is read back", () => {
  const law = fc.property(fc.integer(), numbers, fc.integer({ min: 1 }), (seed, path, number) => {
    const goal = goalId(seeded(seed));
    const bead = path.reduce<GoalId | BeadId>((parent, each) => beadId(parent, each), goal) as BeadId;
    const attempt = attemptId(bead, number);
    expect(parseGoalId(goal)).toBe(goal);
    expect(parseBeadId(bead)).toBe(bead);
    for (const id of [bead, attempt, revisionId(attempt, number), callId(attempt, number)])
      expect(goalOf(id)).toBe(goal);
    for (const id of [attempt, revisionId(attempt, number), callId(attempt, number)])
      expect(beadOf(id)).toBe(bead);
  });
  fc.assert(law);
});

test("what is no id is refused", () => {
  for (const text of [
    "",
    "k7m2q9x",
    "k7m2q9xdd",
    "K7M2Q9XD",
    "k7m2q9xi",
    "k7m2q9xu",
    "../../ab",
    "k7m2q9xd.1",
  ])
    expect(parseGoalId(text), text).toBeUndefined();
  const deep = `k7m2q9xd${".1".repeat(11)}`;
  for (const text of [
    "",
    "k7m2q9xd",
    "k7m2q9xd.",
    "k7m2q9xd.0",
    "k7m2q9xd.01",
    "k7m2q9xd.1000000",
    "k7m2q9xd.1/a1",
    deep,
  ])
    expect(parseBeadId(text), text).toBeUndefined();
});

test("ids print as the documents show them", () => {
  const attempt = attemptId("k7m2q9xd.1" as BeadId, 1);
  expect([attempt, revisionId(attempt, 3), callId(attempt as AttemptId, 5)]).toEqual([
    "k7m2q9xd.1/a1",
    "k7m2q9xd.1/a1/r3",
    "k7m2q9xd.1/a1/c5",
  ]);
});

test("every letter of a goal's id can come, and chance at its bounds stays inside", () => {
  expect(goalId(() => 0)).toBe("00000000");
  expect(goalId(() => 1 - 2 ** -53)).toBe("zzzzzzzz");
});
