/** Pieces of source text for people and models: one test, or a few lines around a place. Lines count from 1. */
import { shortName } from "./failure.ts";

/** [from, to) of the lines of a text, from counting from 0. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A line is shown up to this length; what is longer ends in "…". */
export const shownLineMax = 240;
const testLinesMax = 200;

/** Where the test with this id stands in the text of its file; undefined when it cannot be told. */
export function findTest(id: string, lines: readonly string[]): Span | undefined {
  const name = shortName(id).replace(/#\d{1,6}$/, "");
  return findFunction(name.replace(/\[.{0,400}\]$/s, ""), lines) ?? findCall(name, lines);
}

/** A Python function with its decorators, to the end of its indent. */
function findFunction(name: string, lines: readonly string[]): Span | undefined {
  if (!/^\w{1,200}$/.test(name)) return undefined;
  const at = lines.findIndex((line) => {
    const text = line.trimStart();
    const place = text.indexOf(`def ${name}(`);
    // One word may stand before it, for coroutines.
    return place === 0 || (place > 0 && /^[a-z]{1,9} $/.test(text.slice(0, place)));
  });
  if (at < 0) return undefined;
  const indent = indentOf(lines[at] ?? "");
  let from = at;
  while (from > 0 && at - from < 20 && (lines[from - 1] ?? "").trimStart().startsWith("@")) from--;
  let to = at + 1;
  for (let next = at + 1; next < Math.min(lines.length, at + testLinesMax); next++) {
    const line = lines[next] ?? "";
    if (line.trim() === "") continue;
    if (indentOf(line) <= indent && !/^\s*\)/.test(line)) break;
    to = next + 1;
  }
  return { from, to };
}

/** A call like `test("name", …)`, to where its brackets are level again. */
function findCall(name: string, lines: readonly string[]): Span | undefined {
  const quoted = ['"', "'", "`"].map((quote) => `(${quote}${name}${quote}`);
  const at = lines.findIndex((line) => quoted.some((each) => line.includes(each)));
  if (at < 0) return undefined;
  let depth = 0;
  for (let next = at; next < Math.min(lines.length, at + testLinesMax); next++) {
    for (const character of (lines[next] ?? "").slice(0, 1_000))
      if ("([{".includes(character)) depth++;
      else if (")]}".includes(character)) depth--;
    if (depth <= 0) return { from: at, to: next + 1 };
  }
  return { from: at, to: Math.min(lines.length, at + 20) };
}

/** The part of a span that fits: all of it, else `linesMax` lines around `line` (or its beginning). */
export function within(span: Span, line: number | undefined, linesMax: number): Span {
  if (span.to - span.from <= linesMax) return span;
  const middle = line === undefined || line <= span.from || line > span.to ? span.from : line - 1;
  const from = Math.max(span.from, Math.min(middle - Math.floor(linesMax / 2), span.to - linesMax));
  return { from, to: from + linesMax };
}

/** `around` lines before and after a line; undefined when the text has no such line. */
export function near(lines: readonly string[], line: number, around: number): Span | undefined {
  if (line < 1 || line > lines.length) return undefined;
  return { from: Math.max(0, line - 1 - around), to: Math.min(lines.length, line + around) };
}

/** Lines of a span with their numbers, the marked one with ">". */
export function listing(lines: readonly string[], span: Span, marked: number | undefined): string {
  const width = String(span.to).length;
  return lines
    .slice(span.from, span.to)
    .map((line, index) => {
      const number = span.from + index + 1;
      return `${number === marked ? ">" : " "} ${String(number).padStart(width)} | ${shown(line)}`;
    })
    .join("\n");
}

export function shown(line: string): string {
  const plain = line.replace(/\r$/, "");
  return plain.length <= shownLineMax ? plain : `${plain.slice(0, shownLineMax - 1)}…`;
}

function indentOf(line: string): number {
  let count = 0;
  while (line[count] === " " || line[count] === "\t") count++;
  return count;
}
