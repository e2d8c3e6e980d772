/**
 * Edits applied to texts.
 *
 * 1. All or nothing: one edit that cannot be placed rejects the whole answer, with the nearest real lines.
 * 2. A file keeps its own line ends, byte order mark and last line end; lines no edit names keep every byte.
 * 3. Placing is bounded: what would cost more than `stepsMax` comparisons is rejected, never searched on.
 */
import { unreachable } from "../kit/assert.ts";
import type { FileEdit } from "./answer.ts";
import type { Rejection } from "./attempt.ts";
import { oneLine } from "./fence.ts";
import { findLazy } from "./lazy.ts";
import { nameOf } from "./path.ts";
import { nearest, place, stepsMax } from "./placement.ts";
import type { Replacement } from "./replacement.ts";

/** `files` holds only what changed; undefined means deleted. */
export type Applied =
  | { readonly kind: "applied"; readonly files: ReadonlyMap<string, string | undefined> }
  | { readonly kind: "rejected"; readonly reason: Rejection; readonly detail: string };

/** Whether the goal asks for text to go, so that a file that shrinks is no sign of a lazy answer. */
export interface Wish {
  readonly deletions: "asked" | "not-asked";
}

const shrinkLinesMin = 200;
const shrinkShareMin = 0.6;

/** The goal's own words decide. */
export function wishOf(goal: string): Wish {
  const asks =
    /\b(?:delete|remove|drop|strip|shrink|shorten|simplif\w{1,10}|split|extract|move|clean ?up|prune|trim|rewrite|refactor)/i;
  return { deletions: asks.test(goal.slice(0, 100_000)) ? "asked" : "not-asked" };
}

type Rejected = Extract<Applied, { readonly kind: "rejected" }>;
type Text = { readonly kind: "text"; readonly text: string | undefined } | Rejected;

/** Pure. `files` are the texts as they are now; a path that is not in it does not exist. */
export function applyEdits(
  files: ReadonlyMap<string, string>,
  edits: readonly FileEdit[],
  wish: Wish = { deletions: "not-asked" },
): Applied {
  const changed = new Map<string, string | undefined>();
  const blocks = edits.reduce((sum, edit) => sum + (edit.kind === "blocks" ? edit.blocks.length : 0), 0);
  const budget = Math.max(1_000, Math.floor(stepsMax / Math.max(1, blocks)));
  for (const edit of edits) {
    const before = files.get(edit.path);
    const after = applyEdit(edit, { before, files, wish, budget });
    if (after.kind === "rejected") return after;
    if (after.text !== before) changed.set(edit.path, after.text);
  }
  if (changed.size === 0) return rejected("unchanged", "the answer changes nothing");
  return collision(files, changed) ?? { kind: "applied", files: changed };
}

function rejected(reason: Rejection, detail: string): Rejected {
  return { kind: "rejected", reason, detail };
}

interface Ground {
  readonly before: string | undefined;
  readonly files: ReadonlyMap<string, string>;
  readonly wish: Wish;
  /** Comparisons one block may cost. */
  readonly budget: number;
}

function applyEdit(edit: FileEdit, ground: Ground): Text {
  switch (edit.kind) {
    case "delete":
      return ground.before === undefined
        ? rejected(
            "inapplicable",
            `${edit.path}: there is no such file to delete${sibling(edit.path, ground.files)}`,
          )
        : { kind: "text", text: undefined };
    case "whole":
      return replaceWhole(edit.path, edit.text, ground);
    case "blocks":
      return replaceBlocks(edit.path, edit.blocks, ground);
    default:
      return unreachable(edit);
  }
}

function replaceWhole(path: string, text: string, { before, wish }: Ground): Text {
  if (before === undefined) return { kind: "text", text };
  const lines = { before: countLines(before), after: countLines(text) };
  const isShrunk = lines.before >= shrinkLinesMin && lines.after < lines.before * shrinkShareMin;
  if (isShrunk && wish.deletions === "not-asked")
    return rejected(
      "lazy",
      `${path}: it had ${lines.before} lines, the answer has ${lines.after}; give the whole file`,
    );
  const lazy = findLazy(path, text, before);
  if (lazy !== undefined) return rejected("lazy", `${path}: ${lazy}`);
  return { kind: "text", text: dressed(text, before) };
}

function countLines(text: string): number {
  return text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/** The new text in the clothes of the old: line ends, byte order mark, last line end. */
function dressed(text: string, before: string): string {
  const mark = before.startsWith("\ufeff") && !text.startsWith("\ufeff") ? "\ufeff" : "";
  const plain = text.replaceAll("\r\n", "\n");
  return mark + withLastEnd(lineEndOf(before) === "\n" ? plain : plain.replaceAll("\n", "\r\n"), before);
}

/** The line end most of the text's lines have. */
function lineEndOf(text: string): "\n" | "\r\n" {
  const all = text.split("\n").length - 1;
  const carriage = text.split("\r\n").length - 1;
  return carriage * 2 > all ? "\r\n" : "\n";
}

/** Ends with a line end exactly when `before` does; where `before` has no line to tell, the text stays. */
function withLastEnd(text: string, before: string): string {
  const bare = before.startsWith("\ufeff") ? before.slice(1) : before;
  if (bare === "" || text === "") return text;
  if (bare.endsWith("\n")) return text.endsWith("\n") ? text : text + lineEndOf(before);
  return text.endsWith("\r\n") ? text.slice(0, -2) : text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** One line with its own end; only the last may have none. */
interface Line {
  readonly text: string;
  readonly end: "\n" | "\r\n" | "";
}

function linesOf(text: string): readonly Line[] {
  const pieces = text.split("\n");
  const lines = pieces.map((piece, index): Line => {
    if (index === pieces.length - 1) return { text: piece, end: "" };
    return piece.endsWith("\r") ? { text: piece.slice(0, -1), end: "\r\n" } : { text: piece, end: "\n" };
  });
  return lines.at(-1)?.text === "" ? lines.slice(0, -1) : lines;
}

function replaceBlocks(
  path: string,
  blocks: readonly Replacement[],
  { before, files, budget }: Ground,
): Text {
  const [first] = blocks;
  if (before === undefined || before === "") {
    if (blocks.length === 1 && first !== undefined && first.search.trim() === "")
      return { kind: "text", text: first.replace };
    if (before === undefined)
      return rejected("inapplicable", `${path}: there is no such file to search in${sibling(path, files)}`);
  }
  const mark = before.startsWith("\ufeff") ? "\ufeff" : "";
  const end = lineEndOf(before);
  let lines = linesOf(before.slice(mark.length));
  for (const [index, block] of blocks.entries()) {
    const search = splitLines(block.search);
    const replace = splitLines(block.replace);
    const where = place(
      lines.map((line) => line.text),
      { search, replace },
      budget,
    );
    if (where.kind !== "placed") {
      const label = blocks.length === 1 ? "the SEARCH text" : `the SEARCH text of block ${index + 1}`;
      return rejected("inapplicable", `${path}: ${label} ${where.why}${nearestOf(lines, search)}`);
    }
    const fresh = where.lines.map((text): Line => ({ text, end }));
    const kept = lines.slice(0, where.from);
    // The line before an insertion at the very end must be ended first.
    const seam = kept.at(-1);
    if (fresh.length > 0 && seam?.end === "") kept[kept.length - 1] = { text: seam.text, end };
    lines = [...kept, ...fresh, ...lines.slice(where.to)];
  }
  return {
    kind: "text",
    text: mark + withLastEnd(lines.map((line) => line.text + line.end).join(""), before),
  };
}

function splitLines(text: string): readonly string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n").map((line) => line.replace(/\r$/, ""));
}

function nearestOf(lines: readonly Line[], search: readonly string[]): string {
  const texts = lines.map((line) => line.text);
  const found = nearest(texts, search);
  if (found === undefined) return ".";
  const shown = texts.slice(found.from, found.to).map((line) => line.slice(0, 200));
  return `. Nearest real lines (${found.from + 1}-${found.to}):\n${shown.join("\n")}`;
}

/** A file of the same name elsewhere, for people and models that took the wrong folder. */
function sibling(path: string, files: ReadonlyMap<string, string>): string {
  const name = nameOf(path);
  for (const each of files.keys()) if (nameOf(each) === name) return `; there is ${oneLine(each, 200)}`;
  return "";
}

/** A file where another needs a folder. */
function collision(
  files: ReadonlyMap<string, string>,
  changed: ReadonlyMap<string, string | undefined>,
): Rejected | undefined {
  const kept = new Set<string>();
  for (const path of files.keys()) if (!changed.has(path)) kept.add(path);
  for (const [path, text] of changed) if (text !== undefined) kept.add(path);
  for (const path of kept)
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash);
      if (kept.has(folder) && (changed.has(folder) || changed.has(path)))
        return rejected("inapplicable", `${path}: ${folder} is a file, not a folder`);
    }
  return undefined;
}
