import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import { partOf, planted, worked } from "../../domain/forest.case.ts";
import type { Sight } from "../../work/tools.ts";
import { boardLines, emptyBoard, onBoard } from "./board.ts";
import { openFakeTerminal } from "./house.case.ts";
import { sightsOf, theGoal } from "./story.case.ts";
import { begin, tally } from "./sum.ts";
import { openWatch } from "./watch.ts";
import { widthOf } from "./width.ts";

/** What stands at the foot after these sights, 3 s apart. */
function footOf(
  sights: readonly Sight[],
  size: { readonly columns: number; readonly rows: number },
): readonly string[] {
  let sum = begin(theGoal, 0);
  let board = emptyBoard(theGoal);
  let now = 0;
  for (const sight of sights) {
    now += 3_000;
    sum = tally(sum, sight, now);
    board = onBoard(board, sight, now);
  }
  return boardLines(board, sum, now + 1_500, size).map(({ text }) => text);
}

const half = (events: readonly Event[]) => events.slice(0, 2);
const busy: readonly Sight[] = [
  ...sightsOf([...planted(), ...worked(1, true), ...half(worked(2, true))]),
  { kind: "answering", bead: partOf(2), characters: 1_240 },
];

describe("a tree at the foot of a terminal", () => {
  test("at 80 columns: states, tests, tokens, and what is waited for", () =>
    expect(footOf(busy, { columns: 80, rows: 24 }).join("\n")).toMatchInlineSnapshot(`
      "k7m2q9xd · 1 of 3 parts in · 1 at work · 1,100 tokens · 56 s
        1.1  price: Write total(pri…  in · 3/3 tests · 1,100 tokens
        1.2  cart: Write Cart in sh…  draft: work answers, 1,240 characters (4.5 s)
        1.3  checkout: Write bill(i…  waits for 1.2"
    `));
  test("a part whose call stands in line says what for, also where its claim was not seen", () => {
    const queued: Sight = { kind: "queued", bead: partOf(2), why: "claude: input tokens" };
    const sights = [...sightsOf(planted()), queued];
    const size = { columns: 100, rows: 24 };
    expect(footOf(sights, size).join("\n")).toMatchInlineSnapshot(`
      "k7m2q9xd · 0 of 3 parts in · 1 in line · 26 s
        1.1  price: Write total(prices) i…  ready, its turn comes
        1.2  cart: Write Cart in shop/car…  in line for claude: input tokens (1.5 s)
        1.3  checkout: Write bill(items) …  waits for 1.1, 1.2"
    `);
    expect(footOf([...sights, ...sightsOf(half(worked(2, true)))], size)[0]).toContain("· 1 at work ·");
  });
  test("where a bead moves on, its time is counted anew", () => {
    const sights = sightsOf([...planted(), ...worked(1, true).slice(0, -1)]);
    expect(footOf(sights, { columns: 80, rows: 24 })[1]).toContain("merging (1.5 s) · 3/3 tests");
  });
  test("whose changes contradict each other is said of both, while both may still land", () => {
    const seen = { type: "conflict-seen", bead: partOf(2), with: partOf(1), paths: ["shop/cart.py"] };
    const about = { at: 1_000, goal: theGoal, attempt: `${partOf(2)}/a1` };
    const [first, second] = [worked(1, true), worked(2, false)];
    const meeting = [
      ...planted(),
      ...first.slice(0, 4),
      ...second.slice(0, 4),
      { ...about, ...seen } as Event,
    ];
    const lines = (events: readonly Event[]) => footOf(sightsOf(events), { columns: 100, rows: 24 });
    expect(lines(meeting)[1]).toContain(" · meets 1.2 · 3/3 tests");
    expect(lines(meeting)[2]).toContain(" · meets 1.1 · 1/3 tests");
    expect(lines([...meeting, ...second.slice(4)]).join("\n")).not.toContain("meets");
    expect(lines([...meeting, ...first.slice(4)])[2], "what landed has to be lived with").toContain(
      "meets 1.1",
    );
  });
  test("at 200 columns", () =>
    expect(footOf(busy, { columns: 200, rows: 24 }).join("\n")).toMatchInlineSnapshot(`
      "k7m2q9xd · 1 of 3 parts in · 1 at work · 1,100 tokens · 56 s
        1.1  price: Write total(prices) in shop/price.py: the sum of a …  in · 3/3 tests · 1,100 tokens
        1.2  cart: Write Cart in shop/cart.py: add(name, price) keeps i…  draft: work answers, 1,240 characters (4.5 s)
        1.3  checkout: Write bill(items) in shop/checkout.py with total…  waits for 1.2"
    `));
  test("a narrow one keeps numbers, names and states", () =>
    expect(footOf(busy, { columns: 40, rows: 24 }).join("\n")).toMatchInlineSnapshot(`
      "k7m2q9xd · 1 of 3 parts in · 1 at work…
        1.1  price  in · 3/3 tests
        1.2  cart  draft: work answers, 1,24…
        1.3  checkout  waits for 1.2"
    `));
  test("many beads: those that move or need a person are shown, the others counted", () => {
    const sights = sightsOf([
      ...planted(20),
      ...worked(17, false),
      ...worked(1, true),
      ...half(worked(9, true)),
    ]);
    expect(footOf(sights, { columns: 80, rows: 10 }).join("\n")).toMatchInlineSnapshot(`
      "k7m2q9xd · 1 of 20 parts in · 1 at work · 1 parked · 18,200 tokens · 1 min 59 s
        1.2   cart: Write Cart in sh…  ready, its turn comes
        1.9   Write bill(items) in s…  draft: waiting for work (1.5 s)
        1.17  Write Cart in shop/car…  parked: the tries are spent · 1/3 tests
        and 17 more: 1 in, 15 ready, 1 blocked"
    `);
    expect(footOf(sights, { columns: 80, rows: 2 })).toHaveLength(1);
  });
  test("it fits every size, whatever was seen", () => {
    const stories = [...worked(1, true), ...worked(2, false), ...half(worked(3, true))];
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: stories.length }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 2, max: 240 }),
        fc.integer({ min: 1, max: 100 }),
        (seen, parts, columns, rows) => {
          const lines = footOf(sightsOf([...planted(parts), ...stories.slice(0, seen)]), { columns, rows });
          expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows / 2));
          for (const line of lines) expect(widthOf(line)).toBeLessThan(columns);
        },
      ),
    );
  });
});

describe("in a pipe", () => {
  const told = (events: readonly Event[], before: readonly Event[] = []) => {
    const terminal = openFakeTerminal();
    const clock = { now: () => 0, sleep: () => new Promise<void>(() => undefined) };
    const recorded = sightsOf(before).flatMap((sight) => (sight.kind === "recorded" ? [sight.recorded] : []));
    const watch = openWatch({ goal: theGoal, json: false, terminal, clock, before: recorded });
    for (const sight of sightsOf(events)) watch.see(sight);
    watch.close();
    return terminal.said.err;
  };
  test("every line names its bead by number and what its plan calls it", () =>
    expect(told([...planted(), ...worked(1, true), ...worked(2, false)]).join("\n")).toMatchInlineSnapshot(`
      "before the change: nothing to run
      bead k7m2q9xd.1 created
      bead k7m2q9xd.1 becomes a tree of smaller ones
      1.1 price: created
      1.2 cart: created
      1.3 checkout: created
      1.1 price: claimed by p@7
      1.1 price: draft: asking work (some-model)
      1.1 price: answered (1,000 tokens in, 100 out, 2.0 s)
      1.1 price: r1: 3 of 3 tests pass
      1.1 price: proving 000000000000 in a clean checkout
      1.1 price: proven: 3 tests turned green, 0 stayed green
      1.1 price: integrated as 000000000000
      1.2 cart: claimed by p@7
      1.2 cart: draft: asking work (some-model)
      1.2 cart: answered (2,000 tokens in, 100 out, 2.0 s)
      1.2 cart: r1: 1 of 3 tests pass; test_add: assert "3" == 4 – ünïcode
      1.2 cart: parked: the tries are spent"
    `));
  test("what happened before the watching began is known and not told", () => {
    const lines = told(worked(2, false), planted());
    expect(lines).toHaveLength(worked(2, false).length);
    for (const line of lines) expect(line).toMatch(/^1\.2 cart: /);
  });
});
