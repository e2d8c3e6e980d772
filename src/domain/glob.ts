/**
 * The one glob of Rigs, for protected paths, ownership and consent: `*` and `?` stay inside one part of a path, `**` is any
 * number of parts, `{a,b}` is either. A pattern without "/" (also in front) is looked for at any depth, and a pattern that names a folder
 * covers everything below it, as people expect from .gitignore. Files that start with a dot are matched like any other.
 */

/** Alternatives one pattern may expand to; more are cut, so that `{a,b}{a,b}…` stays cheap. */
const alternativesMax = 256;

/** Whether the pattern covers the path, which is relative with "/" between parts. Never throws; an empty pattern covers nothing. */
export function covers(pattern: string, path: string): boolean {
  return alternatives(pattern).some((each) => coversPlain(each, path));
}

/** Whether any of the patterns covers the path. */
export function coversAny(patterns: readonly string[], path: string): boolean {
  return patterns.some((pattern) => covers(pattern, path));
}

function coversPlain(pattern: string, path: string): boolean {
  const trimmed = pattern.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
  const isAnchored = pattern.startsWith("/") || trimmed.includes("/");
  const wanted = isAnchored ? trimmed.split("/") : ["**", trimmed];
  return matchParts(wanted, path.split("/"));
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
    row = next;
  }
  return row.some((holds) => holds);
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
