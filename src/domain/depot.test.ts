import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bead, type Priority, wholeContract } from "./bead.ts";
import { nothingSpent } from "./budget.ts";
import { ageingMs, compareReady, nextReady, rankOf } from "./depot.ts";
import { type BeadId, beadId, type GoalId } from "./id.ts";

const goal = "aaaaaaaa" as GoalId;

function ready(id: BeadId, priority: Priority, readyAt: number): Bead {
  const contract = { ...wholeContract("", []), owns: [], reads: [] };
  const row = {
    attempts: 0,
    spend: nothingSpent,
    minutesFrom: undefined,
    token: 0,
    unfinished: undefined,
    isParent: false,
    start: undefined,
    returned: undefined,
  };
  const rest = { ...row, parent: undefined, dependsOn: [], contract };
  return { id, goal, priority, readyAt, state: { kind: "ready" }, ...rest };
}

/** Moments on a grid that divides the ageing, so that equal ranks are common. */
const beads = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 50 })), { maxLength: 30 })
  .map((rows) =>
    rows.map(([priority, readyAt], index) =>
      ready(beadId(goal, index + 1), priority as Priority, readyAt * 100_000),
    ),
  );

/** How much a bead is needed at a moment, as the README says it: priority plus one for each ten minutes of waiting. */
const need = (bead: Bead, now: number) => bead.priority + (now - bead.readyAt) / ageingMs;

test("the order is total", () => {
  const law = fc.property(beads, (all) => {
    for (const left of all)
      for (const right of all) {
        const sign = Math.sign(compareReady(left, right));
        expect(sign).toBe(-Math.sign(compareReady(right, left)) + 0);
        expect(sign === 0).toBe(left === right);
      }
    const sorted = [...all].sort(compareReady);
    for (let index = 2; index < sorted.length; index++)
      expect(compareReady(sorted[index - 2] as Bead, sorted[index] as Bead)).toBeLessThan(0);
  });
  fc.assert(law);
});

test("who is needed more comes first, at any moment", () => {
  const law = fc.property(beads, fc.integer({ min: 5_000_000, max: 90_000_000 }), (all, now) => {
    const sorted = [...all].sort(compareReady);
    const needs = sorted.map((bead) => need(bead, now));
    for (let index = 1; index < needs.length; index++)
      expect(needs[index]).toBeLessThanOrEqual((needs[index - 1] ?? 0) + 1e-9);
  });
  fc.assert(law);
});

test("the next one is the least of the ready ones, whatever their order", () => {
  const law = fc.property(beads, fc.nat(), (all, seed) => {
    const parked: Bead[] = all.map((bead, index) =>
      (index + seed) % 3 === 0 ? { ...bead, state: { kind: "split" } } : bead,
    );
    const expected = parked.filter((bead) => bead.state.kind === "ready").sort(compareReady)[0];
    expect(nextReady(parked)).toBe(expected);
    expect(nextReady(parked.toReversed())).toBe(expected);
  });
  fc.assert(law);
});

test("ageing ends starvation: however many urgent ones arrive, each bead's turn comes", () => {
  const law = fc.property(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 1_000, max: 600_000 }),
    (low, everyMs) => {
      const patient = ready(beadId(goal, 999_999), low as Priority, 0);
      // One urgent bead arrives and one bead is taken each `everyMs`; the bound is four steps of priority.
      const waiting = [patient];
      const turnsMax = Math.floor((4 * ageingMs) / everyMs) + 2;
      for (let turn = 0; turn < turnsMax; turn++) {
        waiting.push(ready(beadId(goal, turn + 1), 4, turn * everyMs));
        const next = nextReady(waiting);
        if (next === patient) return;
        waiting.splice(waiting.indexOf(next as Bead), 1);
      }
      expect.fail(`a bead of priority ${low} was not taken in ${turnsMax} turns`);
    },
  );
  fc.assert(law);
});

test("forty minutes of waiting are worth four steps of priority", () => {
  const check = (waitedMs: number, isPassed: boolean) =>
    expect(
      rankOf({ priority: 0, readyAt: 0 }) < rankOf({ priority: 4, readyAt: waitedMs }),
      `after ${waitedMs} ms`,
    ).toBe(isPassed);
  check(2_400_001, true);
  check(2_400_000, false);
  check(0, false);
});
