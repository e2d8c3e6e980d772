/** Where things stand in a TOML text: enough to name a line and to cut a table out, without losing a comment. */

/** A `[header]` and the lines up to the next one. Lines count from 1; `last` is inclusive. */
export interface Table {
  readonly path: readonly string[];
  readonly isArray: boolean;
  readonly first: number;
  readonly last: number;
  /** First line of each key, by its dotted spelling; the part before the first header is the table with an empty path. */
  readonly keys: ReadonlyMap<string, number>;
}

/** The tables in order. `text` must be valid TOML; the first table is the headless start. */
export function tablesOf(text: string): readonly Table[] {
  const lines = text.split("\n");
  const tables: {
    path: readonly string[];
    isArray: boolean;
    first: number;
    last: number;
    keys: Map<string, number>;
  }[] = [{ path: [], isArray: false, first: 1, last: 0, keys: new Map() }];
  let state: Inside = { quote: undefined, depth: 0 };
  for (const [index, line] of lines.entries()) {
    const current = tables.at(-1);
    if (current === undefined) break;
    const isFresh = state.quote === undefined && state.depth === 0;
    const header = isFresh ? /^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$/.exec(line) : null;
    if (header !== null) {
      const path = partsOf(header[2] ?? "");
      tables.push({ path, isArray: header[1] === "[[", first: index + 1, last: index + 1, keys: new Map() });
      continue;
    }
    current.last = index + 1;
    const key = isFresh
      ? /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/.exec(line)
      : null;
    if (key !== null) current.keys.set(partsOf(key[1] ?? "").join("."), index + 1);
    state = after(line, state);
  }
  return tables;
}

/** The line of the value at `path`, or of the nearest thing around it; undefined for an empty text. */
export function lineOf(text: string, path: readonly string[]): number | undefined {
  let best: { line: number; length: number } | undefined;
  for (const table of tablesOf(text)) {
    const isAround = table.path.every((part, index) => part === path[index] || index >= path.length);
    if (!isAround) continue;
    const length = Math.min(table.path.length, path.length);
    if (length > 0) best = nearer(best, { line: table.first, length });
    for (const [key, line] of table.keys) {
      const full = [...table.path, ...key.split(".")];
      const isOn = full.every((part, index) => part === path[index] || index >= path.length);
      if (isOn) best = nearer(best, { line, length: Math.min(full.length, path.length) });
    }
  }
  return best?.line;
}

/** Where the last word of `path` that stands in this line begins, from 1; undefined where none does. */
export function columnOf(text: string, line: number, path: readonly string[]): number | undefined {
  const found = text.split("\n")[line - 1] ?? "";
  for (const word of path.toReversed()) {
    if (!/^[\w-]+$/.test(word)) continue;
    const key = new RegExp(`(?<![\\w-])["']?${word}["']?(?=\\s*[.=\\]])`).exec(found);
    if (key !== null) return key.index + 1;
  }
  return undefined;
}

type Found = { readonly line: number; readonly length: number };

function nearer(best: Found | undefined, found: Found): Found {
  return best === undefined || found.length > best.length ? found : best;
}

/** `providers."a b".x` in parts, quotes gone. */
function partsOf(key: string): readonly string[] {
  return [...key.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );
}

/** What a line may begin inside of: a multi-line string, or brackets of a value. */
interface Inside {
  readonly quote: '"""' | "'''" | undefined;
  readonly depth: number;
}

const marks = /"""|'''|"(?:[^"\\]|\\.)*"|'[^']*'|\\.|#.*|[[\]{}]/g;

function after(line: string, before: Inside): Inside {
  let { quote, depth } = before;
  let position = 0;
  while (position < line.length) {
    if (quote !== undefined) {
      const end = closing(line, quote, position);
      if (end < 0) return { quote, depth };
      quote = undefined;
      position = end;
      continue;
    }
    marks.lastIndex = position;
    const mark = marks.exec(line);
    if (mark === null) break;
    position = marks.lastIndex;
    const [found] = mark;
    if (found === '"""' || found === "'''") quote = found;
    else if (found === "[" || found === "{") depth++;
    else if (found === "]" || found === "}") depth--;
    else if (found.startsWith("#")) break;
  }
  return { quote, depth: Math.max(0, depth) };
}

/** Just behind the closing quotes, or -1. A backslash guards the next character in basic strings only. */
function closing(line: string, quote: string, from: number): number {
  for (let index = from; index < line.length; index++) {
    if (quote === '"""' && line[index] === "\\") index++;
    else if (line.startsWith(quote, index)) return index + quote.length;
  }
  return -1;
}
