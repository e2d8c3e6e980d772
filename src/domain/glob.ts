/**
 * The one glob of Rigs, for protected paths, ownership and consent: `*` and `?` stay inside one part of a path, `**` is any
 * number of parts, `{a,b}` is either. A pattern without "/" (also in front) is looked for at any depth, and a pattern that names a folder
 * covers everything below it, as people expect from .gitignore. Files that start with a dot are matched like any other.
 */

/** Alternatives one pattern may expand to; more are cut, so that `{a,b}{a,b}…` stays cheap. */
const alternativesMax = 256;

/** Whether the pattern covers the path, which is relative with "/" between parts. Never throws; an empty pattern covers nothing. */
export function covers(pattern: string, path: string): boolean {
  return matches(matcherOf([pattern]), path);
}

/** Whether any of the patterns covers the path. Cheap for one list and many paths, because a list is taken apart once. */
export function coversAny(patterns: readonly string[], path: string): boolean {
  if (patterns.length === 0) return false;
  const matcher = matchers.get(patterns) ?? matcherOf(patterns);
  matchers.set(patterns, matcher);
  return matches(matcher, path);
}

/** Patterns taken apart: most are names, and a repository can have 100,000 paths. */
interface Matcher {
  /** Names without wildcards, looked for at any depth. */
  readonly names: ReadonlySet<string>;
  /** Names with wildcards, looked for at any depth, by what stands before the first wildcard and behind the last. */
  readonly wild: readonly { readonly want: string; readonly head: string; readonly tail: string }[];
  /** The rest, part by part. */
  readonly ways: readonly (readonly string[])[];
}

/** Lists are never changed once they are made, so what was seen of one stays true. */
const matchers = new WeakMap<readonly string[], Matcher>();

function matcherOf(patterns: readonly string[]): Matcher {
  const ways = patterns.flatMap(alternatives).map(partsOf);
  const isName = (way: readonly string[]) => way.length === 2 && way[0] === "**" && way[1] !== "**";
  const names = ways.filter(isName).map(([, name = ""]) => name);
  return {
    names: new Set(names.filter((name) => !/[*?]/.test(name))),
    wild: names.filter((name) => /[*?]/.test(name)).map(wildOf),
    ways: ways.filter((way) => !isName(way)),
  };
}

function wildOf(want: string): Matcher["wild"][number] {
  const [head = ""] = want.split(/[*?]/, 1);
  return { want, head, tail: want.slice(Math.max(want.lastIndexOf("*"), want.lastIndexOf("?")) + 1) };
}

function partsOf(pattern: string): readonly string[] {
  const trimmed = pattern.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
  const isAnchored = pattern.startsWith("/") || trimmed.includes("/");
  const parts = isAnchored ? trimmed.split("/") : ["**", trimmed];
  // What a folder's name covers already needs no stars behind it.
  while (parts.length > 2 && parts.at(-1) === "**") parts.pop();
  return parts;
}

function matches({ names, wild, ways }: Matcher, path: string): boolean {
  const parts = path.split("/");
  return (
    parts.some((part) => names.has(part) || wild.some((each) => matchWild(each, part))) ||
    ways.some((way) => matchParts(way, parts))
  );
}

/** Row by row as a table, so that no pattern can make it slow: parts of the pattern times parts of the path. */
function matchParts(wanted: readonly string[], parts: readonly string[]): boolean {
  let row = new Array<boolean>(parts.length + 1).fill(false);
  row[0] = true;
  for (const want of wanted) {
    const next = new Array<boolean>(parts.length + 1).fill(false);
    for (let at = 0; at <= parts.length; at++) {
      const before = at > 0 && (next[at - 1] ?? false);
      if (want === "**") next[at] = (row[at] ?? false) || before;
      else next[at] = at > 0 && (row[at - 1] ?? false) && matchPart(want, parts[at - 1] ?? "");
    }
    if (!next.includes(true)) return false;
    row = next;
  }
  return row.some((holds) => holds);
}

/** Almost every part differs at one of the ends already. */
function matchWild({ want, head, tail }: Matcher["wild"][number], part: string): boolean {
  return part.startsWith(head) && part.endsWith(tail) && matchPart(want, part);
}

function matchPart(want: string, part: string): boolean {
  let row = new Array<boolean>(part.length + 1).fill(false);
  row[0] = true;
  for (const letter of want) {
    const next = new Array<boolean>(part.length + 1).fill(false);
    for (let at = 0; at <= part.length; at++) {
      if (letter === "*") next[at] = (row[at] ?? false) || (at > 0 && (next[at - 1] ?? false));
      else if (at > 0)
        next[at] = (row[at - 1] ?? false) && (letter === "?" || letter === part.charAt(at - 1));
    }
    row = next;
  }
  return row[part.length] ?? false;
}

/** The pattern without braces, once for each choice. Unbalanced braces are letters. Innermost braces first, so they may nest. */
function alternatives(pattern: string): readonly string[] {
  let found: string[] = [pattern];
  for (let round = 0; round < 16; round++) {
    const next = found.flatMap(expandOne);
    if (next.length === found.length) return next;
    found = next.slice(0, alternativesMax);
  }
  return found;
}

function expandOne(pattern: string): readonly string[] {
  const match = /\{([^{}]*)\}/.exec(pattern);
  if (match === null) return [pattern];
  const head = pattern.slice(0, match.index);
  const tail = pattern.slice(match.index + match[0].length);
  return (match[1] ?? "").split(",").map((choice) => head + choice + tail);
}
