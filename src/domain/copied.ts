/** Special-casing: inputs of the tests and their answers, found in what a change adds. */

/** A line that a change adds; `line` counts from 1 in the new file. */
export interface Added {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Pairs of an input and its answer that a change must hold before it looks like a table of the tests. */
const pairsMin = 3;

/** Fewer are enough where each is compared, says much and is answered at once, and they are all the tests ask but one. */
const plainMin = 2;

/** An input and the answer that a test expects for it, both as written, without spaces. */
interface Pair {
  readonly input: string;
  readonly answer: string;
}

/**
 * Special-casing: added code that holds most inputs of a test file with their answers. Long inputs count wherever the
 * answer stands close by; short ones (`f(5)`) only where nothing but `: return` stands between, since a number is
 * found anywhere; of whole lists compared so, one is enough. What the goal's text shows itself is an example, not an
 * answer copied from the tests.
 */
export function copiedAnswers(
  added: readonly Added[],
  tests: readonly { readonly path: string; readonly text: string }[],
  goal: string,
): readonly string[] {
  const files = new Map<string, Added[]>();
  for (const line of added) {
    const lines = files.get(line.file);
    if (lines === undefined) files.set(line.file, [line]);
    else lines.push(line);
  }
  const plainGoal = squeezed(goal);
  return [...files].flatMap(([file, lines]) => {
    const text = squeezed(withoutProse(lines).join("\n"));
    return tests.flatMap(({ path, text: test }) => {
      const pairs = pairsOf(test).filter((pair) => !isTelling(pair) || !plainGoal.includes(pair.input));
      const isLinked = (pair: Pair) =>
        (isTelling(pair) && holds(text, pair, near)) || holds(text, pair, bound);
      const rich = pairs.filter(isRich);
      const plain = pairs.filter(isPlain);
      const seen = [
        // Out of all inputs: a table of building blocks holds the tests' small inputs, and not the others.
        { held: pairs.filter(isLinked).length, all: pairs.length, least: pairsMin },
        { held: rich.filter((pair) => holds(text, pair, bound)).length, all: rich.length, least: 1 },
        // Two that say much, of hardly more: nothing of the tests is left to be computed.
        {
          held: plain.filter((pair) => holds(text, pair, bound)).length,
          all: pairs.length,
          least: Math.max(plainMin, pairs.length - 1),
        },
      ].find(({ held, all, least }) => held >= least && held * 2 > all);
      if (seen === undefined) return [];
      const where = lines[0]?.line ?? 1;
      const held =
        seen.held === seen.all
          ? `all ${seen.all} inputs of ${path} with their answers`
          : `${seen.held} of the ${seen.all} inputs of ${path} with their answers`;
      return [`${file}:${where}: holds ${held}`];
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

/** An input that no code names by chance: some letters in quotes, or a list or record. */
function isPlain(pair: Pair): boolean {
  const letters = pair.input.match(/[A-Za-z]/g) ?? [];
  return isRich(pair) || (/^"/.test(pair.input) && letters.length >= 3);
}

/** Without spaces but between words, and with one kind of quote. */
function squeezed(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/(?<!\w) | (?!\w)/g, "")
    .replaceAll("'", '"');
}
