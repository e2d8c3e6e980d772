/** Places in source text that a runner's words name: Python, Node, vitest, jest, TypeScript, mypy. */

/** `path` is relative to the top where it could be told, `line` counts from 1. */
export interface Frame {
  readonly path: string;
  readonly line: number;
}

const linesMax = 400;
const lineCharactersMax = 600;
export const framesMax = 12;

/**
 * The project's own frames in a text, the innermost last, at most `framesMax` of them. Frames of libraries and of the
 * runner are dropped. `files` are the paths that are tracked; empty means they are not known, and what lies in no library folder is taken.
 */
export function framesIn(text: string, files: ReadonlySet<string>): readonly Frame[] {
  const found: Frame[] = [];
  let innermostFirst: Frame[] = [];
  for (const line of text.split("\n", linesMax)) {
    const short = line.slice(0, lineCharactersMax);
    const outer = pythonFrame(short);
    const inner = outer === undefined ? scriptFrame(short) : undefined;
    const seen = outer ?? inner;
    const path = seen === undefined ? undefined : ownPath(seen.path, files);
    if (seen === undefined || path === undefined) continue;
    const frame = { path, line: seen.line };
    if (outer !== undefined) found.push(frame);
    else innermostFirst.push(frame);
  }
  innermostFirst = innermostFirst.reverse();
  const all = [...innermostFirst, ...found];
  return all.filter((frame, index) => !sameFrame(frame, all[index - 1])).slice(-framesMax);
}

function sameFrame(left: Frame, right: Frame | undefined): boolean {
  return left.path === right?.path && left.line === right.line;
}

/** `File "a.py", line 3`, and pytest's and mypy's `a.py:3: `. Outermost first. */
function pythonFrame(line: string): Frame | undefined {
  const quoted = /^(?:E\s{1,20})?\s{0,40}File "([^"]{1,400})", line (\d{1,7})/.exec(line);
  const plain = quoted ?? /^([^\s:][^:]{0,300}\.\w{1,6}):(\d{1,7}):(?: |$)/.exec(line);
  const [, path, number] = plain ?? [];
  return path === undefined ? undefined : { path, line: Number(number) };
}

/** `at f (file:///a.ts:3:5)`, `❯ a.ts:3:5`, `a.ts(3,5): error`, `a.ts:3:5 - error`, and Node's `/a.js:3` over a syntax error. Innermost first. */
function scriptFrame(line: string): Frame | undefined {
  const text = line.trim();
  const typed = /^([^\s()][^()]{0,300})\((\d{1,7}),\d{1,7}\): error/.exec(text);
  const listed = /^([^\s:][^:]{0,300}):(\d{1,7}):\d{1,7} - error/.exec(text);
  const alone = /^((?:file:\/\/)?\/[^:]{1,400}):(\d{1,7})$/.exec(text);
  const [, path, number] = typed ?? listed ?? alone ?? stackFrame(text) ?? [];
  return path === undefined ? undefined : { path, line: Number(number) };
}

function stackFrame(text: string): RegExpExecArray | null {
  const isStack = text.startsWith("at ") || text.startsWith("❯ ");
  if (!isStack) return null;
  const from = Math.max(text.lastIndexOf("("), text.lastIndexOf(" ")) + 1;
  const place = text.endsWith(")") ? text.slice(from, -1) : text.slice(from);
  return /^((?:file:\/\/)?[^:]{1,400}):(\d{1,7})(?::\d{1,7})?$/.exec(place);
}

const libraries: readonly string[] = [
  "/node_modules/",
  "/site-packages/",
  "/dist-packages/",
  "/lib/python",
  "/lib/node_modules/",
  "/.venv/",
];

/** The tracked path that `raw` means, or undefined for a library, the runtime or a place nobody knows. */
export function ownPath(raw: string, files: ReadonlySet<string>): string | undefined {
  const path = (raw.startsWith("file://") ? raw.slice("file://".length) : raw).replace(/^\.\//, "");
  if (path.startsWith("<") || path.startsWith("node:") || path.startsWith("/usr/")) return undefined;
  if (libraries.some((folder) => `/${path}`.includes(folder))) return undefined;
  if (files.size === 0) return path;
  if (files.has(path)) return path;
  // The work folder's own place is not known here: the longest tracked ending is meant.
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    const ending = path.slice(slash + 1);
    if (files.has(ending)) return ending;
  }
  return undefined;
}
