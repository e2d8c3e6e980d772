/**
 * SEARCH/REPLACE blocks as text:
 *
 *     <<<<<<< SEARCH
 *     lines as they are
 *     =======
 *     lines as they shall be
 *     >>>>>>> REPLACE
 *
 * Marks are five characters or longer. Printed marks are longer than any such line inside, so every text can be printed.
 */
import type { Rejection } from "./attempt.ts";

/** Whole lines: each text is empty or ends with a line end. An empty search makes a file that is not there. */
export interface Replacement {
  readonly search: string;
  readonly replace: string;
}

export type Marked =
  | { readonly kind: "blocks"; readonly blocks: readonly Replacement[] }
  | { readonly kind: "malformed"; readonly reason: Rejection; readonly detail: string };

/** Length of the mark when the line is made of it and then the word; 0 when it is not. */
function markOf(line: string, mark: "<" | "=" | ">", word: string): number {
  if (line.length > 1_000 || line[0] !== mark) return 0;
  let length = 0;
  while (line[length] === mark) length++;
  const rest = line.slice(length).trim();
  return length >= 5 && (rest === word || (word !== "" && rest === `${word}:`)) ? length : 0;
}

const opens = (line: string) => markOf(line, "<", "SEARCH");
const divides = (line: string) => markOf(line, "=", "");
const closes = (line: string) => markOf(line, ">", "REPLACE");

/** Whether the first line with words opens a SEARCH. */
export function isMarked(body: readonly string[]): boolean {
  const first = body.find((line) => line.trim() !== "");
  return first !== undefined && opens(first) > 0;
}

/** Whether the line closes a block. */
export function endsMarked(line: string): boolean {
  return closes(line) > 0;
}

/** Whether the body says that the file goes: `<<<<<<< DELETE` and nothing else. */
export function isDelete(body: readonly string[]): boolean {
  const words = body.filter((line) => line.trim() !== "");
  return words.length === 1 && markOf(words[0] ?? "", "<", "DELETE") > 0;
}

/** Blocks of one file; more are malformed. */
export const blocksMax = 500;

/** All blocks of a body for which `isMarked` holds. Lines between blocks are ignored. */
export function parseMarked(body: readonly string[]): Marked {
  const malformed = (reason: Rejection, detail: string): Marked => ({ kind: "malformed", reason, detail });
  const ends = body.map(closes);
  const blocks: Replacement[] = [];
  for (let index = 0; index < body.length; index++) {
    const length = opens(body[index] ?? "");
    if (length === 0) continue;
    const number = blocks.length + 1;
    if (number > blocksMax)
      return malformed("inapplicable", `more than ${blocksMax} SEARCH blocks in one file`);
    const end = closeOf(ends, index, length);
    if (end < 0) return malformed("truncated", `SEARCH block ${number} has no REPLACE line`);
    const inside = body.slice(index + 1, end);
    const split = divider(inside, length);
    if (split === undefined)
      return malformed(
        "inapplicable",
        `SEARCH block ${number} needs exactly one line ${"=".repeat(Math.min(length, 40))}; with more, make all its marks longer`,
      );
    blocks.push({ search: joined(inside.slice(0, split)), replace: joined(inside.slice(split + 1)) });
    index = end;
  }
  return { kind: "blocks", blocks };
}

/** The close of the opener's own length, else (a slip) the next of any; -1 when there is none. */
function closeOf(ends: readonly number[], at: number, length: number): number {
  const exact = ends.indexOf(length, at + 1);
  return exact >= 0 ? exact : ends.findIndex((each, index) => index > at && each > 0);
}

/** The only line that divides: one of the mark's own length, else one of any length; undefined when there are none or several. */
function divider(inside: readonly string[], length: number): number | undefined {
  const all = inside
    .map((line, index) => ({ length: divides(line), index }))
    .filter((each) => each.length > 0);
  const same = all.filter((each) => each.length === length);
  const candidates = same.length > 0 ? same : all;
  return candidates.length === 1 ? candidates[0]?.index : undefined;
}

function joined(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

export function printMarked(blocks: readonly Replacement[]): string {
  return blocks.map(printBlock).join("");
}

function printBlock({ search, replace }: Replacement): string {
  let length = 7;
  for (const line of `${search}${replace}`.split("\n"))
    length = Math.max(
      length,
      ...[opens(line), divides(line), closes(line)].map((each) => (each > 0 ? each + 1 : 0)),
    );
  const mark = (character: string) => character.repeat(length);
  return `${mark("<")} SEARCH\n${search}${mark("=")}\n${replace}${mark(">")} REPLACE\n`;
}
