import fc from "fast-check";
import { expect, test } from "vitest";
import type { Sight } from "../../work/tools.ts";
import { sightsOf, storyOf, theGoal } from "./story.case.ts";
import { begin, statusLine, tally } from "./sum.ts";
import { widthOf } from "./width.ts";

/** The status line after each sight, one sight every three seconds. */
function framesOf(sights: readonly Sight[], columns: number): readonly string[] {
  let sum = begin(theGoal, 0);
  return sights.map((sight, index) => {
    const now = (index + 1) * 3_000;
    sum = tally(sum, sight, now);
    return statusLine(sum, now + 1_500, columns);
  });
}

const bead = storyOf().flatMap((event) => ("bead" in event ? [event.bead] : []))[0];
const answering = (characters: number): Sight => ({ kind: "answering", bead: bead ?? fail(), characters });
const running = (what: "checks" | "proof"): Sight => ({ kind: "running", bead: bead ?? fail(), what });

function fail(): never {
  throw new Error("the story has a bead");
}

/** What a whole goal shows, with the sights between the events that are never kept. */
function all(): readonly Sight[] {
  const told = sightsOf(storyOf());
  return [
    ...told.slice(0, 5),
    answering(40),
    answering(1_240),
    ...told.slice(5, 6),
    running("checks"),
    ...told.slice(6),
  ];
}

test("what a call waits for a place for is shown while it waits", () => {
  const told = sightsOf(storyOf());
  const queued: Sight = { kind: "queued", bead: bead ?? fail(), why: "claude: input tokens" };
  const frames = framesOf([...told.slice(0, 4), queued], 80);
  expect(frames.at(-1)).toMatch(/^k7m2q9xd · in line for claude: input tokens/);
  const longer = framesOf([...told.slice(0, 4), queued, { ...queued, why: "claude: requests" }], 80);
  expect(longer.at(-1), "one stand in line").toContain("in line for claude: requests (4.5 s)");
});

test("golden frames at 80 columns", () => {
  expect(framesOf(all(), 80).join("\n")).toMatchInlineSnapshot(`
    "k7m2q9xd · preparing, running the checks once (4.5 s) · 4.5 s
    k7m2q9xd · preparing, running the checks once (7.5 s) · 7.5 s
    k7m2q9xd · preparing, running the checks once (11 s) · 11 s
    k7m2q9xd · preparing, running the checks once (14 s) · 14 s
    k7m2q9xd · draft: waiting for work (1.5 s) · 17 s
    k7m2q9xd · draft: work answers, 40 characters (4.5 s) · 20 s
    k7m2q9xd · draft: work answers, 1,240 characters (7.5 s) · 23 s
    k7m2q9xd · reading the answer (1.5 s) · 1,334 tokens, $0.0021 · 26 s
    k7m2q9xd · running the checks (1.5 s) · 1,334 tokens, $0.0021 · 29 s
    k7m2q9xd · deciding (1.5 s) · 4/5 tests · 1,334 tokens, $0.0021 · 32 s
    k7m2q9xd · repair: waiting for work · 4/5 tests · 1,334 tokens, $0.0021 · 35 s
    k7m2q9xd · reading the answer · 4/5 tests · 2,668 tokens, $0.0042 · 38 s
    k7m2q9xd · deciding (1.5 s) · 1/5 tests · 2,668 tokens, $0.0042 · 41 s
    k7m2q9xd · deciding (4.5 s) · 4/5 tests · 2,668 tokens, $0.0042 · 44 s
    k7m2q9xd · repair: waiting for work · 4/5 tests · 2,668 tokens, $0.0042 · 47 s
    k7m2q9xd · reading the answer · 4/5 tests · 4,002 tokens, $0.0063 · 50 s
    k7m2q9xd · deciding (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 53 s
    k7m2q9xd · proving (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 56 s
    k7m2q9xd · proving (4.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 59 s
    k7m2q9xd · proving (7.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 62 s
    k7m2q9xd · delivering (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 65 s"
  `);
});

test("golden frames at 200 columns", () => {
  expect(framesOf(all(), 200).join("\n")).toMatchInlineSnapshot(`
    "k7m2q9xd · preparing, running the checks once (4.5 s) · 4.5 s
    k7m2q9xd · preparing, running the checks once (7.5 s) · 7.5 s
    k7m2q9xd · preparing, running the checks once (11 s) · 11 s
    k7m2q9xd · preparing, running the checks once (14 s) · 14 s
    k7m2q9xd · draft: waiting for work (1.5 s) · 17 s
    k7m2q9xd · draft: work answers, 40 characters (4.5 s) · 20 s
    k7m2q9xd · draft: work answers, 1,240 characters (7.5 s) · 23 s
    k7m2q9xd · reading the answer (1.5 s) · 1,334 tokens, $0.0021 · 26 s
    k7m2q9xd · running the checks (1.5 s) · 1,334 tokens, $0.0021 · 29 s
    k7m2q9xd · deciding (1.5 s) · 4/5 tests · 1,334 tokens, $0.0021 · 32 s
    k7m2q9xd · repair: waiting for work (1.5 s) · 4/5 tests · 1,334 tokens, $0.0021 · 35 s
    k7m2q9xd · reading the answer (1.5 s) · 4/5 tests · 2,668 tokens, $0.0042 · 38 s
    k7m2q9xd · deciding (1.5 s) · 1/5 tests · 2,668 tokens, $0.0042 · 41 s
    k7m2q9xd · deciding (4.5 s) · 4/5 tests · 2,668 tokens, $0.0042 · 44 s
    k7m2q9xd · repair: waiting for work (1.5 s) · 4/5 tests · 2,668 tokens, $0.0042 · 47 s
    k7m2q9xd · reading the answer (1.5 s) · 4/5 tests · 4,002 tokens, $0.0063 · 50 s
    k7m2q9xd · deciding (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 53 s
    k7m2q9xd · proving (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 56 s
    k7m2q9xd · proving (4.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 59 s
    k7m2q9xd · proving (7.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 62 s
    k7m2q9xd · delivering (1.5 s) · 5/5 tests · 4,002 tokens, $0.0063 · 65 s"
  `);
});

test("after a revert the tests of what stands are shown", () => {
  const frames = framesOf(sightsOf(storyOf()), 80);
  const at = storyOf().findIndex((event) => event.type === "revision-reverted");
  expect(frames[at - 1]).toContain("1/5 tests");
  expect(frames[at]).toContain("4/5 tests");
});

test("a growing answer is one step: its time is not counted anew with each piece", () => {
  const reserved = sightsOf(storyOf()).slice(0, 5);
  const frames = framesOf([...reserved, answering(10), answering(20), answering(30)], 80);
  expect(frames.at(-1)).toContain("30 characters (11 s)");
});

test("it fits every width, and keeps the figures wherever they fit at all", () => {
  const doing = fc.string({ unit: "grapheme", maxLength: 120 });
  fc.assert(
    fc.property(doing, fc.integer({ min: 1, max: 240 }), (text, columns) => {
      const sum = { ...begin(theGoal, 0), doing: text, tests: "3/4 tests", tokens: 123_456, usd: 1.5 };
      const line = statusLine(sum, 60_000, columns);
      expect(widthOf(line)).toBeLessThan(Math.max(2, columns));
      if (columns >= 80) expect(line).toContain("3/4 tests · 123,456 tokens, $1.5000 · 60 s");
    }),
  );
});
