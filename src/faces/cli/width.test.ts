import fc from "fast-check";
import { expect, test } from "vitest";
import { cut, widthOf, wrap } from "./width.ts";

const line = fc.string({ unit: "grapheme", maxLength: 200 }).map((text) => text.replace(/[\n\r]/g, " "));

test("widths", () => {
  const check = (text: string, columns: number) => expect(widthOf(text)).toBe(columns);
  check("", 0);
  check("abc", 3);
  check("日本", 4);
  check("e\u0301", 1);
  check("🚀", 2);
  check("é…", 2);
});

test("what is cut fits, and what fits is not cut", () => {
  fc.assert(
    fc.property(line, fc.integer({ min: 1, max: 100 }), (text, columns) => {
      const shown = cut(text, columns);
      expect(widthOf(shown)).toBeLessThanOrEqual(columns);
      if (widthOf(text) <= columns) expect(shown).toBe(text);
      else expect(shown.endsWith("…")).toBe(true);
    }),
  );
  expect(cut("anything", Number.POSITIVE_INFINITY)).toBe("anything");
});

test("what is wrapped fits and loses nothing but blanks", () => {
  const bare = (text: string) => text.replace(/ /g, "");
  fc.assert(
    fc.property(line, fc.integer({ min: 20, max: 100 }), (text, columns) => {
      const lines = wrap(text, columns);
      for (const each of lines) expect(widthOf(each)).toBeLessThanOrEqual(columns);
      expect(bare(lines.join(""))).toBe(bare(text));
    }),
  );
});

test("lines after the first hang", () => {
  expect(wrap("one two three four five six", 20)).toEqual(["one two three four", "  five six"]);
  expect(wrap("    one two three four five six", 20)).toEqual(["    one two three", "      four five six"]);
  expect(wrap("a-word-that-is-far-too-long-for-it", 20)).toEqual([
    "a-word-that-is-far-t",
    "  oo-long-for-it",
  ]);
});
