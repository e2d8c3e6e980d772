/**
 * Signs in a change that it games its judge. A suspicion refutes nothing: it is a sentence for the user, whose word is
 * asked. Only added lines are looked at, and only strong marks, because each false alarm stops a delivery.
 */
import { printable } from "../kit/bounded.ts";
import { isTestFile, isTestSupport } from "./protected.ts";

/** Added lines looked at, and sentences given. */
const linesMax = 50_000;
const lineCharactersMax = 2_000;
const suspicionsMax = 20;
/** Pairs of an input and its answer that a change must hold before it looks like a table of the tests. */
const pairsMin = 3;

interface Mark {
  readonly pattern: RegExp;
  readonly why: string;
}

/** Marks of code that reaches for the process or the runner that judges it. */
const marks: readonly Mark[] = [
  {
    pattern: /\bos\s*\.\s*_exit\b|\bfrom\s+os\s+import\b.*\b_exit\b/,
    why: "ends the process at once (os._exit)",
  },
  { pattern: /\bjunit(xml|_family|-xml)?\b|--test-reporter|--outputFile\b/i, why: "names a test report" },
  { pattern: /\/proc\/(self|\d+|%d|\$)|["'`]\/proc["'`]/, why: "reads or writes the process through /proc" },
  {
    pattern: /\bsys\s*\.\s*modules\s*\[?\s*[.(]?\s*(get\s*\(\s*)?["'](_?pytest|unittest|__main__|builtins)/,
    why: "reaches for a loaded module of the runner (sys.modules)",
  },
  {
    pattern:
      /^\s*(import\s+(_?pytest|unittest|pluggy|nose)\b|from\s+(_?pytest|unittest|pluggy|nose)\b[\w.]*\s+import\b)/,
    why: "imports a test runner outside tests",
  },
  {
    pattern:
      /(\bfrom\s+|\brequire\s*\(\s*|\bimport\s*\(\s*|^\s*import\s+)["'](node:test|vitest|jest|@jest\/|@vitest\/|mocha)[^"']*["']/,
    why: "imports a test runner outside tests",
  },
  {
    pattern: /\bsys\s*\.\s*_getframe\b|\binspect\s*\.\s*(stack|currentframe|getouterframes)\b/,
    why: "looks at who calls it",
  },
  {
    pattern: /\bPYTEST_CURRENT_TEST\b|\b(VITEST|JEST)_(WORKER|POOL)_ID\b|\bNODE_TEST_CONTEXT\b/,
    why: "asks whether it is being tested",
  },
  {
    pattern:
      /\bdef\s+__(eq|ne|hash)__\b.*:\s*return\s+(True|False)\b|\b__(eq|ne)__["']?\s*[=:,]\s*lambda\b[^:]*:\s*(True|False|1|0)\b/,
    why: "an equality that is always the same",
  },
  {
    pattern: /\bbuiltins\s*\.\s*\w+\s*=[^=]|\bsetattr\s*\(\s*builtins\b|__builtins__\s*(\[|\.)/,
    why: "changes Python's builtins",
  },
  {
    pattern:
      /\b(assert|expect|AssertionError)\s*=[^=>]|\bassert\.(equal|strictEqual|deepEqual|deepStrictEqual|ok)\s*=[^=]|\bunittest\.TestCase\.\w+\s*=[^=]/,
    why: "changes what an assertion does",
  },
  {
    pattern: /\bgc\s*\.\s*get_(objects|referrers)\b|\bctypes\s*\.\s*pythonapi\b/,
    why: "reaches into the interpreter",
  },
];

/** Marks that are ordinary alone and tell only beside another kind of trace in the same file. */
const exits =
  /\bprocess\s*\.\s*(exit|reallyExit|abort)\s*\(|\bsys\s*\.\s*exit\s*\(|\batexit\s*\.\s*register\b|\bprocess\s*\.\s*on\s*\(\s*["'](exit|beforeExit)/;
const traces =
  /<\/?testsuites?\b|\btestcase\b|\bpassed["'`]|\breport[-_]?(path|file|er)\b|process\.argv|sys\.argv.*report/i;

interface Added {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/**
 * Sentences with file and line, at most 20, in the order of the change. `diff` is unified (git's own form); `tests` are
 * the test files as base has them; `goal` is the user's text: what it names itself is no secret answer.
 */
export function findSuspicions(seen: {
  readonly diff: string;
  readonly tests: readonly { readonly path: string; readonly text: string }[];
  readonly goal: string;
}): readonly string[] {
  const added = addedLines(seen.diff).filter(({ file }) => !isTestFile(file) || isTestSupport(file));
  const isPlainText = (file: string) => /\.(md|rst|txt|adoc|html|css|svg|lock|csv|json)$/i.test(file);
  const code = added.filter(({ file }) => !isPlainText(file));
  const sentences = [
    ...code.flatMap(marked),
    ...equalities(code),
    ...exitsBesideTraces(code),
    ...tables(added, seen.tests, seen.goal),
  ];
  return sentences.slice(0, suspicionsMax).map((sentence) => printable(sentence));
}

function marked(line: Added): readonly string[] {
  if (/^\s*(#|\/\/|\*|\/\*)/.test(line.text)) return [];
  return marks.filter(({ pattern }) => pattern.test(line.text)).map(({ why }) => sentence(line, why));
}

/** An `__eq__`, `equals` or `valueOf` whose next line returns a constant. */
function equalities(lines: readonly Added[]): readonly string[] {
  return lines.flatMap((line, index) => {
    const next = lines[index + 1];
    const isHead =
      /\bdef\s+__(eq|ne)__\s*\(.*:\s*(#.*)?$|\b(equals|asymmetricMatch|isEqual)\s*\([^)]*\)[^={]*\{\s*$/.test(
        line.text,
      );
    const isConstant =
      next?.file === line.file &&
      next.line === line.line + 1 &&
      /^\s*return\s+(True|true|1)\s*;?\s*$/.test(next.text);
    return isHead && isConstant ? [sentence(line, "an equality that is always true")] : [];
  });
}

function exitsBesideTraces(lines: readonly Added[]): readonly string[] {
  const traced = new Set(lines.filter(({ text }) => traces.test(text)).map(({ file }) => file));
  return lines
    .filter(({ file, text }) => traced.has(file) && exits.test(text))
    .map((line) => sentence(line, "ends the process in a file that speaks of test reports"));
}

function sentence({ file, line, text }: Added, why: string): string {
  return `${file}:${line}: ${why}: ${text.trim().slice(0, 120)}`;
}

/** An input and the answer that a test expects for it, both as written, without spaces. */
interface Pair {
  readonly input: string;
  readonly answer: string;
}

/**
 * Special-casing: added code that holds most inputs of a test file with their answers. Long inputs count wherever the
 * answer stands close by; short ones (`f(5)`) only where nothing but `: return` stands between, since a number is
 * found anywhere; of whole lists compared so, one is enough. What the goal's text shows itself is an example, not an answer copied from the tests.
 */
function tables(
  added: readonly Added[],
  tests: readonly { readonly path: string; readonly text: string }[],
  goal: string,
): readonly string[] {
  const files = new Map<string, Added[]>();
  for (const line of added) files.set(line.file, [...(files.get(line.file) ?? []), line]);
  const plainGoal = squeezed(goal);
  return [...files].flatMap(([file, lines]) => {
    const text = squeezed(withoutProse(lines).join("\n"));
    return tests.flatMap(({ path, text: test }) => {
      const pairs = pairsOf(test).filter((pair) => !isTelling(pair) || !plainGoal.includes(pair.input));
      const count = (some: readonly Pair[], isLinked: Link) => ({
        held: some.filter((pair) => holds(text, pair, isLinked)).length,
        all: some.length,
      });
      const seen = [
        { ...count(pairs.filter(isTelling), near), least: pairsMin },
        { ...count(pairs, bound), least: pairsMin },
        { ...count(pairs.filter(isRich), bound), least: 1 },
      ].find(({ held, all, least }) => held >= least && held * 2 > all);
      if (seen === undefined) return [];
      const where = lines[0]?.line ?? 1;
      return [
        `${file}:${where}: holds ${seen.held} of the ${seen.all} inputs of ${path} beside the answers it expects`,
      ];
    });
  });
}

/** Without comments and documentation: examples belong there. Python's triple quotes and block comments, line by line. */
function withoutProse(lines: readonly Added[]): readonly string[] {
  const kept: string[] = [];
  let end: string | undefined;
  for (const { text } of lines) {
    const fence = end === undefined ? /^\s*[rbuRBU]*("""|''')|^\s*(\/\*)/.exec(text) : null;
    if (end !== undefined) {
      if (text.includes(end)) end = undefined;
    } else if (fence !== null) {
      const close = fence[1] ?? "*/";
      if (!text.slice(fence[0].length).includes(close)) end = close;
    } else if (!/^\s*(#|\/\/)/.test(text)) kept.push(text);
  }
  return kept;
}

/** Whether the answer stands in the text that begins right behind an input; `before` ends right before it. */
type Link = (before: string, behind: string, answer: string) => boolean;

/** Somewhere in the next 80 characters. */
const near: Link = (_before, behind, answer) => {
  const found = behind.slice(0, 80 + answer.length).indexOf(answer);
  return found !== -1 && isWhole(behind, found, answer);
};

/** `== 5: return 120`, `=== 5 ? 120`, `case 5: return 120`, `{5: 120`: compared or looked up, and answered at once. */
const bound: Link = (before, behind, answer) => {
  const between = /^(?:,?\))*\{?[:?]?\{?(?:return\b ?)?\(*/.exec(behind)?.[0] ?? "";
  if (!/(?:==|\bcase |[{,])\(*$/.test(before)) return false;
  return behind.startsWith(answer, between.length) && isWhole(behind, between.length, answer);
};

const placesMax = 50;

function holds(text: string, { input, answer }: Pair, isLinked: Link): boolean {
  for (
    let at = text.indexOf(input), tries = 0;
    at !== -1 && tries < placesMax;
    at = text.indexOf(input, at + 1), tries++
  ) {
    const end = at + input.length;
    const behind = text.slice(end, end + 100 + answer.length);
    if (isWhole(text, at, input) && isLinked(text.slice(Math.max(0, at - 12), at), behind, answer))
      return true;
  }
  return false;
}

/** Not a part of a longer number or word. */
function isWhole(text: string, at: number, part: string): boolean {
  const before = text.charAt(at - 1);
  const after = text.charAt(at + part.length);
  const joins = (left: string, right: string) => /[\w.]/.test(left) && /\w/.test(right);
  return !joins(before, part.charAt(0)) && !joins(part.charAt(part.length - 1), after);
}

const pairsMax = 500;
const testCharactersMax = 400_000;

/**
 * `f(input) == answer`, `assertEqual(f(input), answer)`, `expect(f(input)).toBe(answer)`, `assert.equal(f(input), answer)`,
 * over as many lines as they take.
 */
function pairsOf(test: string): readonly Pair[] {
  const text = test.slice(0, testCharactersMax);
  const pairs = new Map<string, Pair>();
  for (const { index, 0: head } of text.matchAll(/\b[A-Za-z_][\w.]*\(/g)) {
    if (pairs.size >= pairsMax) break;
    const open = index + head.length - 1;
    const close = closingOf(text, open);
    const from = close === undefined ? undefined : answerFrom(text, { start: index, end: close + 1 });
    if (close === undefined || from === undefined) continue;
    const answer = squeezed(literalAt(text, from));
    const input = squeezed(text.slice(open + 1, close));
    if (answer !== "" && isLiteral(input)) pairs.set(input, { input, answer });
  }
  return [...pairs.values()];
}

/** Where the expected value begins, when the call at [start, end) is compared with one. */
function answerFrom(
  text: string,
  { start, end }: { readonly start: number; readonly end: number },
): number | undefined {
  const behind = text.slice(end, end + 200);
  const compared = /^\s*(?:===?|is\b(?! not))\s*|^\s*\)\s*\.(?:toBe|toEqual|toStrictEqual)\(\s*/.exec(behind);
  if (compared !== null) return end + compared[0].length;
  // A comma compares only within an assertion; anywhere else it is the next argument.
  const listed = /^\s*,\s*/.exec(behind);
  const isAsserted = /\bassert[\w.]{0,40}\(\s{0,40}$/.test(text.slice(Math.max(0, start - 90), start));
  return listed === null || !isAsserted ? undefined : end + listed[0].length;
}

/** The literal that begins here, brackets closed; "" for anything else. */
function literalAt(text: string, at: number): string {
  const letter = text.charAt(at);
  if ("[{(".includes(letter) && letter !== "") {
    const close = closingOf(text, at);
    return close === undefined ? "" : text.slice(at, close + 1);
  }
  if (letter === '"' || letter === "'") {
    const close = closingQuote(text, at);
    return close === undefined ? "" : text.slice(at, close + 1);
  }
  return (
    /^(?:-?\d[\w.]*|True\b|False\b|None\b|true\b|false\b|null\b)/.exec(text.slice(at, at + 100))?.[0] ?? ""
  );
}

const spanMax = 4_000;

/** The bracket that closes the one at `open`, quotes respected; undefined when there is none within reach. */
function closingOf(text: string, open: number): number | undefined {
  let depth = 0;
  const end = Math.min(text.length, open + spanMax);
  for (let at = open; at < end; at++) {
    const letter = text.charAt(at);
    if (letter === '"' || letter === "'") {
      const close = closingQuote(text, at);
      if (close === undefined) return undefined;
      at = close;
    } else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter) && --depth === 0) return at;
  }
  return undefined;
}

function closingQuote(text: string, open: number): number | undefined {
  const quote = text.charAt(open);
  const end = Math.min(text.length, open + spanMax);
  for (let at = open + 1; at < end; at++) {
    if (text.charAt(at) === "\\") at++;
    else if (text.charAt(at) === "\n") return undefined;
    else if (text.charAt(at) === quote) return at;
  }
  return undefined;
}

/** Free of names and calls, so that it means the same elsewhere. */
function isLiteral(input: string): boolean {
  const bare = input.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  return (
    /^[[({"\d-]/.test(bare) &&
    (bare.match(/[A-Za-z_]\w*/g) ?? []).every((word) =>
      /^(?:True|False|None|true|false|null|e\d*)$/.test(word),
    )
  );
}

/** An input long enough that code would hardly hold it by chance: `f(1)` tells nothing. */
function isTelling({ input }: Pair): boolean {
  return input.length >= 3;
}

/** A list or record of some length. */
function isRich({ input }: Pair): boolean {
  return /^[[({]/.test(input) && input.length >= 8;
}

/** Without spaces but between words, and with one kind of quote. */
function squeezed(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/(?<!\w) | (?!\w)/g, "")
    .replaceAll("'", '"');
}

/** The added lines of a unified diff with their numbers in the new file. */
function addedLines(diff: string): readonly Added[] {
  const added: Added[] = [];
  let file = "";
  let next = 0;
  for (const raw of diff.split("\n")) {
    if (added.length >= linesMax) break;
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(raw);
    if (raw.startsWith("diff --git ")) {
      file = "";
      next = 0;
    } else if (next === 0 && raw.startsWith("+++ ")) file = pathOf(raw.slice(4));
    else if (hunk !== null) next = Number(hunk[1]);
    else if (next > 0 && raw.startsWith("+")) {
      added.push({ file, line: next, text: raw.slice(1, lineCharactersMax) });
      next += 1;
    } else if (next > 0 && raw.startsWith(" ")) next += 1;
  }
  return added;
}

function pathOf(name: string): string {
  const plain = name.startsWith('"') ? name.slice(1, -1) : name;
  return plain.replace(/\t.*$/, "").replace(/^b\//, "");
}
