/** Where in a file the lines of a SEARCH are: exact, then but for trailing space, then indented alike, then nearly. */

export type Placed =
  | { readonly kind: "placed"; readonly from: number; readonly to: number; readonly lines: readonly string[] }
  | { readonly kind: "missing"; readonly why: string }
  | { readonly kind: "ambiguous"; readonly why: string };

/** Comparisons of lines (rungs 1 to 3) and again of characters (rung 4), shared evenly by all blocks of an answer. */
export const stepsMax = 8_000_000;
/** A place counts as meant when its likeness is at least this, and no other's is. */
export const likenessMin = 0.9;

export interface Block {
  readonly search: readonly string[];
  readonly replace: readonly string[];
}

interface Steps {
  left: number;
}

/** `lines` are the file's, without line ends. The lines given back stand in place of [from, to). `budget` bounds the comparisons, see stepsMax. */
export function place(lines: readonly string[], block: Block, budget = stepsMax): Placed {
  const { search, replace } = block;
  if (search.every((line) => line.trim() === ""))
    return { kind: "missing", why: "is empty, but the file is not" };
  const steps: Steps = { left: budget };
  const exact = matches(lines, search, { same: (left, right) => left === right, steps });
  if (exact.length > 0) return placedAt(exact, search.length, replace);
  const trimmed = {
    lines: lines.map((line) => line.trimEnd()),
    search: search.map((line) => line.trimEnd()),
  };
  const spaced = matches(trimmed.lines, trimmed.search, { same: (left, right) => left === right, steps });
  if (spaced.length > 0) return placedAt(spaced, search.length, replace);
  const shifted = shiftedMatches(trimmed.lines, trimmed.search, steps);
  if (shifted.length > 0) {
    const [only] = shifted;
    const shift = only === undefined ? undefined : shiftOf(trimmed.lines, trimmed.search, only);
    return placedAt(shifted, search.length, shift === undefined ? replace : replace.map(shift));
  }
  if (steps.left <= 0) return { kind: "missing", why: "repeats itself too much to be placed" };
  return nearly(trimmed.lines, { search: trimmed.search, replace }, { left: budget });
}

function placedAt(at: readonly number[], length: number, lines: readonly string[]): Placed {
  const [from = 0] = at;
  if (at.length === 1) return { kind: "placed", from, to: from + length, lines };
  const places = at.slice(0, 5).map((each) => each + 1);
  return {
    kind: "ambiguous",
    why: `is ambiguous (lines ${places.join(", ")}${at.length > 5 ? ", …" : ""}); add lines around it`,
  };
}

interface Rule {
  readonly same: (line: string, searched: string) => boolean;
  readonly steps: Steps;
}

/** Where the searched lines follow each other; stops when the steps are used up. */
function matches(
  lines: readonly string[],
  search: readonly string[],
  { same, steps }: Rule,
): readonly number[] {
  const found: number[] = [];
  for (let at = 0; at + search.length <= lines.length && steps.left > 0; at++) {
    let length = 0;
    while (length < search.length && same(lines[at + length] ?? "", search[length] ?? "")) length++;
    steps.left -= length + 1;
    if (length === search.length) found.push(at);
  }
  return found;
}

function indentOf(line: string): string {
  let end = 0;
  while (line[end] === " " || line[end] === "\t") end++;
  return line.slice(0, end);
}

/** The change of indent that takes the searched lines at `at` to the file's, as a function of a line; undefined when there is no uniform one. */
function shiftOf(
  lines: readonly string[],
  search: readonly string[],
  at: number,
): ((line: string) => string) | undefined {
  const first = search.findIndex((line) => line !== "");
  const ours = indentOf(search[first] ?? "");
  const theirs = indentOf(lines[at + first] ?? "");
  if (theirs.endsWith(ours)) {
    const extra = theirs.slice(0, theirs.length - ours.length);
    return (line) => (line.trim() === "" ? line : extra + line);
  }
  if (!ours.endsWith(theirs)) return undefined;
  const surplus = ours.slice(0, ours.length - theirs.length);
  return (line) => {
    if (line.startsWith(surplus)) return line.slice(surplus.length);
    return line.slice(Math.min(indentOf(line).length, surplus.length));
  };
}

function shiftedMatches(
  lines: readonly string[],
  search: readonly string[],
  steps: Steps,
): readonly number[] {
  const bare = { lines: lines.map((line) => line.trim()), search: search.map((line) => line.trim()) };
  const alike = matches(bare.lines, bare.search, { same: (left, right) => left === right, steps });
  return alike.filter((at) => {
    const shift = shiftOf(lines, search, at);
    steps.left -= search.length;
    if (shift === undefined || steps.left <= 0) return false;
    return search.every((line, index) => line === "" || shift(line) === lines[at + index]);
  });
}

/** Rung 4. Blank lines do not count, so one too many or too few is forgiven. */
function nearly(lines: readonly string[], { search, replace }: Block, steps: Steps): Placed {
  const missing: Placed = { kind: "missing", why: "is not in the file" };
  const worded = lines.map((text, index) => ({ text, index })).filter((line) => line.text !== "");
  const wanted = search.filter((line) => line !== "");
  const weights = wanted.map((line) => line.trim().length + 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const places: number[] = [];
  for (let at = 0; at + wanted.length <= worded.length; at++) {
    let lost = 0;
    for (let index = 0; index < wanted.length && lost <= total * (1 - likenessMin); index++) {
      const likeness = lineLikeness(worded[at + index]?.text ?? "", wanted[index] ?? "", steps);
      lost += (1 - likeness) * (weights[index] ?? 0);
    }
    if (steps.left <= 0)
      return { kind: "missing", why: "is not in the file, and too long to be compared line by line" };
    if (lost <= total * (1 - likenessMin)) places.push(at);
  }
  const [at] = places;
  if (at === undefined) return missing;
  const from = worded[at]?.index ?? 0;
  const to = (worded[at + wanted.length - 1]?.index ?? 0) + 1;
  if (places.length > 1) {
    const numbers = places.map((each) => worded[each]?.index ?? 0);
    return placedAt(numbers, to - from, replace);
  }
  return { kind: "placed", from, to, lines: withoutSharedBlanks(search, replace) };
}

/** Blank lines at either end that both sides have stand for lines that are not replaced. */
function withoutSharedBlanks(search: readonly string[], replace: readonly string[]): readonly string[] {
  const leading = Math.min(blanks(search), blanks(replace));
  const trailing = Math.min(blanks(search.toReversed()), blanks(replace.toReversed()));
  return replace.slice(leading, Math.max(leading, replace.length - trailing));
}

function blanks(lines: readonly string[]): number {
  const first = lines.findIndex((line) => line.trim() !== "");
  return first < 0 ? lines.length : first;
}

/** 0 to 1: twice the pairs of letters both lines have, over all pairs (Dice). Symmetric; 1 for equal lines. */
export function likenessOf(left: string, right: string): number {
  return lineLikeness(left, right, { left: stepsMax });
}

function lineLikeness(left: string, right: string, steps: Steps): number {
  steps.left -= 1;
  if (left === right) return 1;
  const shorter = Math.min(left.length, right.length);
  const longer = Math.max(left.length, right.length);
  // No measure can be better than this share, and below one half it does not matter which.
  if (shorter < 2 || (2 * shorter) / (shorter + longer) < 0.5) return 0;
  steps.left -= longer;
  if (steps.left <= 0) return 0;
  const pairs = new Map<string, number>();
  for (let index = 0; index + 1 < left.length; index++) {
    const pair = left.slice(index, index + 2);
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  let shared = 0;
  for (let index = 0; index + 1 < right.length; index++) {
    const pair = right.slice(index, index + 2);
    const count = pairs.get(pair) ?? 0;
    if (count > 0) {
      shared++;
      pairs.set(pair, count - 1);
    }
  }
  return (2 * shared) / (left.length + right.length - 2);
}

/** At most this many lines of the file are shown for a SEARCH that was not found. */
export const nearestMax = 12;

/** The stretch of the file that shares most lines with the search, else the line most like its longest; undefined when nothing is alike. */
export function nearest(
  lines: readonly string[],
  search: readonly string[],
): { readonly from: number; readonly to: number } | undefined {
  const wanted = new Set(search.map((line) => line.trim()).filter((line) => line.length > 2));
  const span = Math.min(nearestMax, Math.max(search.length, 3), lines.length);
  const hits = lines.map((line) => (wanted.has(line.trim()) ? 1 : 0));
  let count = 0;
  let best = { from: 0, count: 0 };
  for (const [index, hit] of hits.entries()) {
    count += hit - (index >= span ? (hits[index - span] ?? 0) : 0);
    if (count > best.count) best = { from: Math.max(0, index - span + 1), count };
  }
  if (best.count > 0) return { from: best.from, to: best.from + span };
  const at = mostAlike(
    lines,
    search.reduce((longest, line) => (line.trim().length > longest.trim().length ? line : longest), ""),
  );
  if (at === undefined) return undefined;
  const from = Math.max(0, Math.min(at - Math.floor(span / 2), lines.length - span));
  return { from, to: from + span };
}

function mostAlike(lines: readonly string[], wanted: string): number | undefined {
  const steps: Steps = { left: stepsMax };
  let best = { at: -1, likeness: 0.4 };
  for (const [at, line] of lines.entries()) {
    const likeness = lineLikeness(line.trim(), wanted.trim(), steps);
    if (likeness > best.likeness) best = { at, likeness };
    if (steps.left <= 0) break;
  }
  return best.at < 0 ? undefined : best.at;
}
