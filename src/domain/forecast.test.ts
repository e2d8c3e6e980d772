import fc from "fast-check";
import { expect, test } from "vitest";
import { forecast, spanOf, type Task } from "./forecast.ts";
import type { PlannedBead } from "./plan.ts";

const task = (name: string, ms: number, ...waitsFor: string[]): Task => ({
  ...{ name, waitsFor, ms: { low: ms, high: 10 * ms } },
});

const check = (workersMax: number, low: number, high: number, ...tasks: readonly Task[]) =>
  expect(spanOf(tasks, workersMax)).toEqual({ low, high });

test("tasks in a row take their sum, tasks side by side what their workers share", () => {
  const row = [task("a", 1), task("b", 2, "a"), task("c", 3, "b")];
  check(1, 6, 60, ...row);
  check(9, 6, 60, ...row);
  const beside = [task("a", 2), task("b", 2), task("c", 2)];
  check(1, 6, 60, ...beside);
  check(2, 3, 40, ...beside);
  check(3, 2, 20 + 40 / 3, ...beside);
  check(1, 0, 0);
});

test("what waits for nobody that is known, and a circle, end", () => {
  check(2, 1, 10, task("a", 1, "nobody"));
  expect(spanOf([task("a", 1, "b"), task("b", 1, "a")], 1)).toEqual({ low: 2, high: 20 });
});

/** Tasks of which each waits only for earlier ones. */
const tasks = fc
  .array(fc.tuple(fc.nat({ max: 1_000 }), fc.nat({ max: 1_000 }), fc.array(fc.nat({ max: 11 }))), {
    minLength: 1,
    maxLength: 12,
  })
  .map((rows) =>
    rows.map(
      ([low, more, before], index): Task => ({
        ...{ name: String(index), ms: { low, high: low + more } },
        waitsFor: before.filter((each) => each < index).map(String),
      }),
    ),
  );

/** The end of each task when a worker takes the first that may begin, as the depot gives them out. */
function played(all: readonly Task[], workersMax: number, side: "low" | "high"): number {
  const ended = new Map<string, number>();
  const left = [...all];
  const free = new Array<number>(workersMax).fill(0);
  while (left.length > 0) {
    const begins = left.flatMap((each) =>
      each.waitsFor.every((name) => ended.has(name))
        ? [{ each, at: Math.max(0, ...each.waitsFor.map((name) => ended.get(name) ?? 0)) }]
        : [],
    );
    free.sort((one, other) => one - other);
    const first = begins.sort((one, other) => one.at - other.at)[0];
    if (first === undefined) throw new Error("somebody can always begin");
    const end = Math.max(first.at, free[0] ?? 0) + first.each.ms[side];
    free[0] = end;
    ended.set(first.each.name, end);
    left.splice(left.indexOf(first.each), 1);
  }
  return Math.max(...ended.values());
}

test("more workers are never slower, nothing beats the longest chain, and what happens lies between", () => {
  fc.assert(
    fc.property(tasks, fc.integer({ min: 1, max: 8 }), (all, workersMax) => {
      const span = spanOf(all, workersMax);
      const more = spanOf(all, workersMax + 1);
      const chain = spanOf(all, 1_000_000).low;
      const near = 1e-6;
      expect(more.low).toBeLessThanOrEqual(span.low + near);
      expect(more.high).toBeLessThanOrEqual(span.high + near);
      expect(span.low).toBeGreaterThanOrEqual(chain);
      expect(span.low).toBeLessThanOrEqual(span.high + near);
      expect(played(all, workersMax, "low")).toBeGreaterThanOrEqual(span.low - near);
      expect(played(all, workersMax, "high")).toBeLessThanOrEqual(span.high + near);
    }),
  );
});

test("a bead takes its tokens at the model's pace, and its checks twice to eight times; the whole is proven last", () => {
  const bead = (name: string, facts: Partial<PlannedBead>): PlannedBead => ({
    ...{ name, intent: name, owns: [], shares: [], reads: [], exports: [], behaviours: [], dependsOn: [] },
    ...{ checks: [`test ${name}`], tokens: { low: 100, high: 1_000 }, budget: undefined, beads: [] },
    ...facts,
  });
  const plan = { skeleton: {}, beads: [bead("a", {}), bead("b", { beads: [bead("c", {})] })] };
  const checkMs = new Map([
    ["test a", 500],
    ["test all", 50],
  ]);
  const outlook = { tokensPerSecond: 100, checkMs, checks: ["test all", "test nobody ran"], workersMax: 1 };
  const { beads, all } = forecast(plan, outlook);
  expect([...beads]).toEqual([
    ["a", { low: 2_000, high: 14_000 }],
    ["b", { low: 1_000, high: 10_000 }],
    ["c", { low: 1_000, high: 10_000 }],
  ]);
  expect(all).toEqual({ low: 4_100, high: 34_400 });
  expect(forecast(plan, { ...outlook, workersMax: 2 }).all).toEqual({
    low: 2_100,
    high: 20_400 + 14_000 / 2,
  });
});
