import fc from "fast-check";
import { expect, test } from "vitest";
import type { Check } from "./gate.ts";
import type { BeadId } from "./id.ts";
import {
  contradictionWords,
  leftText,
  lineRemarks,
  markerRemarks,
  markersLeft,
  meetingText,
  partRemarks,
  residueRemarks,
  testRemarks,
} from "./resolution.ts";
import type { TestStory } from "./verdict.ts";

const lines = (...all: readonly string[]) => all.map((line) => `${line}\n`).join("");
const commit = "0123456789012345678901234567890123456789";
const triple = lines("<<<<<<< ours", "one", "=======", "two", ">>>>>>> theirs");

test.each([
  ["a triple at line start", "", lines("before", triple), ["a.py:2"]],
  ["with Windows line ends", "", triple.replaceAll("\n", "\r\n"), ["a.py:1"]],
  ["what both had before, between", "", triple.replace("=======", "||||||| base\nold\n======="), ["a.py:1"]],
  ["bare marks", "", lines("<<<<<<<", "=======", ">>>>>>>"), ["a.py:1"]],
  ["one that names a commit, alone", "", lines("x", `>>>>>>> ${commit}`), ["a.py:2"]],
  ["one more than there was", triple, triple + triple, ["a.py:1"]],
  ["as data that the ground has too", triple, lines(triple, "more"), []],
  ["indented", "", triple.replaceAll(/^/gm, "  "), []],
  ["a heading", "", lines("Title", "=======", "text"), []],
  ["quoted mail and shifts", "", lines(">>>>>>> deep", "a <<<<<<< b", "======="), []],
  ["no end", "", lines("<<<<<<< ours", "one", "======="), []],
  ["the middle first", "", lines("=======", "<<<<<<< x", ">>>>>>> y"), []],
] as const)("markers: %s", (_, before, after, places) => {
  expect(markersLeft([{ path: "a.py", before, after }])).toEqual(places);
  expect(markerRemarks([{ path: "a.py", before, after }])).toHaveLength(places.length === 0 ? 0 : 1);
});

test("law: what git writes where two lines of work meet is found, whatever stands around it; what was there is not", () => {
  const text = fc.array(fc.constantFrom("a", "", "=======", "  x = 1", ">> y"), { maxLength: 6 });
  fc.assert(
    fc.property(text, text, text, text, fc.constantFrom("\n", "\r\n"), (head, ours, theirs, tail, end) => {
      const marked = [`<<<<<<< ${commit}`, ...ours, "=======", ...theirs, `>>>>>>> ${commit}`];
      const after = [...head, ...marked, ...tail, ""].join(end);
      expect(markersLeft([{ path: "p", before: "", after }])).toEqual([`p:${head.length + 1}`]);
      expect(markersLeft([{ path: "p", before: after, after }])).toEqual([]);
      expect(markersLeft([{ path: "p", before: after, after: [...head, ...tail].join(end) }])).toEqual([]);
    }),
  );
});

const story = (id: string, head: TestStory["head"], check = "c1"): TestStory => ({
  ...{ check, id, base: "absent", head, control: "not-run" },
});

test("a test of its own that is gone, skipped or red refutes, by name; what never passed is not asked for", () => {
  const own = [story("kept", "passed"), story("gone", "passed"), story("muted", "passed")];
  const red = [story("red", "passed"), story("never", "failed"), story("off", "skipped")];
  const now = [
    story("kept", "passed"),
    story("muted", "skipped"),
    story("red", "failed"),
    story("new", "failed"),
  ];
  expect(testRemarks([...own, ...red], now)).toEqual([
    { weight: "refutes", sentence: "passed in this part's own proof and has vanished: gone" },
    { weight: "refutes", sentence: "passed in this part's own proof and is skipped now: muted" },
    { weight: "refutes", sentence: "passed in this part's own proof and fails now: red" },
  ]);
  expect(testRemarks([story("kept", "passed")], [story("kept", "passed", "c2")])).toHaveLength(1);
});

test("law: nothing is held against a run in which all that passed passes, and dropping any of it always is", () => {
  const stories = fc.uniqueArray(
    fc.record({ id: fc.string({ maxLength: 3 }), check: fc.constantFrom("a", "b") }),
    {
      selector: ({ id, check }) => `${check} ${id}`,
      minLength: 1,
    },
  );
  fc.assert(
    fc.property(stories, fc.nat(), (all, pick) => {
      const own = all.map(({ id, check }) => story(id, "passed", check));
      expect(testRemarks(own, [...own, story("more", "failed", "c")])).toEqual([]);
      const without = own.filter((_, index) => index !== pick % own.length);
      expect(testRemarks(own, without)).toHaveLength(1);
    }),
  );
});

test("what the parts' own proofs saw pass passes in the whole, test by test, by whichever name it is run", () => {
  const check = (name: string, command: string, kind: "recognise" | "exit-code" = "recognise"): Check => ({
    ...{ name, command, cwd: ".", role: "acceptance", timeoutMs: 1, report: { kind } },
  });
  const asked = [
    check("all", "t a"),
    check("1.1-1", "t a"),
    check("1.2-1", "t b"),
    check("1.3-1", "sh c", "exit-code"),
  ];
  const same = check("shell", "sh c", "exit-code");
  const given = { asked: [...asked, same], run: [asked[0] as Check, asked[2] as Check, same] };
  const parts = [
    [story("x", "passed", "1.1-1"), story("y", "passed", "1.1-1"), story("never", "failed", "1.1-1")],
    [story("z", "passed", "1.2-1"), story("x", "passed", "all")],
    [story("1.3-1", "passed", "1.3-1")],
  ];
  const now = [story("x", "passed", "all"), story("y", "passed", "all"), story("z", "passed", "1.2-1")];
  const shell = story("shell", "passed", "shell");
  expect(partRemarks(parts, [...now, shell], given)).toEqual([]);
  // A green command that runs fewer tests than it did is no promise kept.
  expect(partRemarks(parts, [story("x", "failed", "all"), ...now.slice(2), shell], given)).toEqual([
    { weight: "refutes", sentence: "passed in a part's own proof and has vanished: y" },
    { weight: "refutes", sentence: "passed in a part's own proof and fails now: x" },
  ]);
  expect(partRemarks(parts, now, given)).toHaveLength(1);
});

test.each([
  ["nothing is left", ["a", "b"], []],
  ["one line was taken out", ["a", "=======", "b", ">>>>>>> theirs"], [2, 4]],
  ["the words behind one were changed", ["a", "b", ">>>>>>> other"], [3]],
  ["what both had between is left", ["a", "||||||| base", "b"], [2]],
  ["a heading that a side has", ["a", "Title", "=======", "b"], []],
  ["that heading twice", ["Title", "=======", "b", "======="], [4]],
  ["a longer heading, quoted mail", ["a", "========", ">> b", "  ======="], []],
  ["Windows line ends", ["a\r", "=======\r"], []],
] as const)("of the markers that were given none is left, whole or alone: %s", (_, after, left) => {
  const isHeaded = after.some((line) => /Title|\r/.test(line));
  const theirs = isHeaded ? ["Title", "=======", "b"] : ["b"];
  const given = ["<<<<<<< ours", "a", "||||||| base", "=======", ...theirs, ">>>>>>> theirs"];
  const file = { path: "n.md", start: lines(...given), after: lines(...after) };
  const places = left.map((line) => `n.md:${line}`).join(", ");
  const sentence = `a part of a conflict marker is left in ${places}: take the whole of it out`;
  expect(residueRemarks([file])).toEqual(left.length === 0 ? [] : [{ weight: "refutes", sentence }]);
});

const shared = (after: string, ...sides: readonly [string, string]) =>
  lineRemarks([{ path: "t.test.js", sides, after }]).map(({ sentence }) => sentence);

test("a test file that both wrote keeps the lines of both; imports may be written together", () => {
  const ours = lines('import { a } from "./a.js";', 'test("a", () => {', "  equal(a(), 1);", "});");
  const theirs = lines('import { b } from "./a.js";', 'test("b", () => {', "  equal(b(), 2);", "});");
  const both = lines(
    ...['import { a, b } from "./a.js";', 'test("a", () => {', "  equal(a(), 1);", "});"],
    ...['test("b", () => {', "  equal(b(), 2);", "});"],
  );
  expect(shared(both, ours, theirs)).toEqual([]);
  expect(shared(both.replace("equal(a(), 1)", "equal(1, 1)"), ours, theirs)).toEqual([
    "t.test.js: a test file of both sides lost 1 lines, first: equal(a(), 1);",
  ]);
  expect(shared(both.replace("  equal(a(), 1)", "  return;\n  equal(a(), 1)"), ours, theirs)).toEqual([
    "t.test.js: a test file of both sides has to be what both wrote, line by line and no more; it has a line where neither side has it: return;",
  ]);
  expect(shared(theirs, ours, theirs)).toHaveLength(1);
  expect(shared("", ours, theirs)).toEqual([expect.stringContaining("lost 4 lines")]);
});

test("contradictions are told with what stands in the files, at most 20", () => {
  expect(
    contradictionWords([
      { path: "a.py", kind: "text" },
      { path: "logo.png", kind: "whole" },
      { path: "old.py", kind: "deleted-by-ours" },
    ]),
  ).toBe(
    "a.py, logo.png (not by lines: it is as integrated), old.py (deleted there, changed here: it is as changed here)",
  );
  const many = Array.from({ length: 23 }, (_, each) => ({ path: `f${each}`, kind: "text" as const }));
  expect(contradictionWords(many)).toMatch(/f19 and 3 more$/);
});

test("who puts both together is told which files hold markers, what each side is, and that both stay", () => {
  const bead = "aaaaaaaa.1.1" as BeadId;
  const text = meetingText({
    why: "it contradicts what was integrated by bead aaaaaaaa.1.1: src/shared.js",
    marked: ["src/shared.js"],
    landed: [{ bead, intent: "Greet in\nFrench" }],
  });
  for (const words of [
    ...["came back from the merge queue", "- src/shared.js", "after <<<<<<< what is integrated"],
    ...["- bead aaaaaaaa.1.1: Greet in French", "every test of both"],
  ])
    expect(text).toContain(words);
  expect(meetingText({ why: "red together", marked: [], landed: [] })).not.toContain("<<<<<<<");
});

test("the whole is told what its parts left undone, and why; nothing where all is done", () => {
  expect(leftText([])).toBe("");
  const left = {
    bead: "aaaaaaaa.1.2" as BeadId,
    intent: "Count",
    owns: ["src/b.js"],
    why: "14 calls are spent",
  };
  expect(leftText([left])).toContain(
    "- bead aaaaaaaa.1.2 (src/b.js): Count\n  It was not done: 14 calls are spent",
  );
});
