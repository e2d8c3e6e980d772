/**
 * What a test or a tool said went wrong, read into values. The words of pytest, unittest, node:test, vitest, jest, tsc and
 * common linters are known; for others the first line has to do. Everything here is feedback for a model, never a verdict.
 */
import type { FailureClass } from "./attempt.ts";

/** `essence` is the one line that matters. `expected` and `got` are as the runner printed them, undefined where it did not. */
export interface Complaint {
  readonly failureClass: FailureClass | undefined;
  readonly essence: string;
  readonly expected: string | undefined;
  readonly got: string | undefined;
}

export const messageCharactersMax = 16_000;
const essenceCharactersMax = 300;
const nothing = { expected: undefined, got: undefined } as const;

/** Colours as escape sequences, raw or made visible. */
export function withoutColours(text: string): string {
  return text.replace(/(?:\u001b|\\x1b)\[[0-9;]{0,20}[A-Za-z]/g, "");
}

export function readComplaint(said: string): Complaint {
  const text = withoutColours(said.slice(0, messageCharactersMax * 2)).slice(0, messageCharactersMax);
  const lines = text.split("\n");
  const essence = essenceOf(lines);
  return {
    failureClass: classOf(essence) ?? classOfTool(lines),
    essence: essence.slice(0, essenceCharactersMax),
    ...valuesOf(essence, lines),
  };
}

const errorName =
  /^(?:[A-Za-z_][\w.]{0,100}(?:Error|Exception|Failed|Exit|Interrupt|Warning)|Failed|Error)(?: \[\w{1,60}\])?(?::|$)/;

/** pytest's "E" lines, then Python's last traceback, then Node's error line, then whatever comes first. */
function essenceOf(lines: readonly string[]): string {
  const marked = lines.filter((line) => /^E\s/.test(line)).map((line) => line.slice(1).trim());
  if (marked.length > 0) {
    const asserted = marked.find((line) => /^(?:AssertionError: )?assert /.test(line));
    const named = marked.find((line) => errorName.test(line));
    return asserted?.replace("AssertionError: ", "") ?? named ?? marked.find((line) => line !== "") ?? "";
  }
  const traceback = lines.findLastIndex((line) => line.startsWith("Traceback (most recent call last)"));
  if (traceback >= 0) {
    const after = lines.slice(traceback + 1).find((line) => line !== "" && !/^\s/.test(line));
    if (after !== undefined) return after.trim();
  }
  const typed = lines.find((line) => /\berror TS\d{1,6}: /.test(line.slice(0, 600)));
  if (typed !== undefined) return typed.trim();
  // jest's heading over a file that could not be loaded says nothing; the next line does.
  const suite = lines.findIndex((line) => line.trim() === "● Test suite failed to run");
  const unloaded = suite < 0 ? undefined : lines.slice(suite + 1).find((line) => line.trim() !== "");
  if (unloaded !== undefined && classOf(unloaded.trim()) !== undefined) return unloaded.trim();
  const error = lines.find((line) => errorName.test(line.trim().slice(0, 300)))?.trim();
  const first = error ?? lines.find((line) => line.trim() !== "")?.trim() ?? "";
  // node:test says the values, or what was not true, two lines below.
  const isFalsy = /(?:falsy value|Input):$/.test(first);
  const compared = first.endsWith(":")
    ? lines
        .slice(lines.findIndex((line) => line.trim() === first) + 1)
        .find((line) => (isFalsy ? line.trim() !== "" : / (?:!==|===|!=|==) /.test(line.slice(0, 600))))
    : undefined;
  const plain = first.replace(/^AssertionError(?: \[ERR_ASSERTION\])?: /, "");
  return compared === undefined ? plain : `${plain} ${compared.trim()}`;
}

/** The class an error line tells by itself; undefined when it is an ordinary failure. */
export function classOf(essence: string): FailureClass | undefined {
  const line = essence.slice(0, 600);
  if (
    /does not provide an export named|\bModuleNotFoundError\b|\bImportError\b|\bNo module named\b|\bCannot find (?:module|package)\b|\bERR_MODULE_NOT_FOUND\b|\bFailed to (?:resolve import|load url)\b|\bERR_PACKAGE_PATH_NOT_EXPORTED\b|\bCould not resolve "/.test(
      line,
    )
  )
    return "import";
  if (/\berror TS\d{1,6}: /.test(line) || /: error: .{1,400} \[[a-z-]{3,40}\]$/.test(line)) return "type";
  const isJson = /\bJSON\b/.test(line);
  if (
    !isJson &&
    /^(?:[\w.]{0,60}: )?(?:SyntaxError|IndentationError|TabError)\b|\bERR_(?:INVALID|UNSUPPORTED)_TYPESCRIPT_SYNTAX\b|\bTransform failed with\b|\bParse failure\b|\[PARSE_ERROR\]/.test(
      line,
    )
  )
    return "parse";
  if (
    /\b(?:test|hook) timed out (?:after|in)\b|\bexceeded timeout of\b|^Failed: Timeout\b|\bTimeoutError\b|\btimed out after \d/i.test(
      line,
    )
  )
    return "timeout";
  return undefined;
}

/** Tools that print many lines; each has a line no other prints. */
function classOfTool(lines: readonly string[]): FailureClass | undefined {
  for (const line of lines.slice(0, 400)) {
    const short = line.slice(0, 400);
    if (/: error: .{1,300} \[[a-z-]{3,40}\]$/.test(short)) return "type";
    if (findingsIn(short) > 0) return "lint";
  }
  return undefined;
}

/** What a linter's sum line counts: ESLint, Ruff, Biome, flake8's --count is not told apart. 0 for any other line. */
export function findingsIn(line: string): number {
  const short = line.slice(0, 400);
  const count =
    /✖ (\d{1,6}) problems?\b/.exec(short)?.[1] ??
    /^Found (\d{1,6}) (?:errors?|warnings?|infos?)\b\.?(?! in \d)/.exec(short)?.[1];
  return count === undefined ? 0 : Number(count);
}

type Values = Pick<Complaint, "expected" | "got">;

function valuesOf(essence: string, lines: readonly string[]): Values {
  return (
    jestValues(lines) ??
    pythonAssertion(essence) ??
    missingException(essence) ??
    chaiAssertion(essence) ??
    nodeAssertion(essence) ??
    differences(lines) ??
    nothing
  );
}

/** The test's habit: what came on the left, what should have come on the right. */
const comparisons = [
  " == ",
  " != ",
  " is not ",
  " is ",
  " not in ",
  " in ",
  " <= ",
  " >= ",
  " < ",
  " > ",
] as const;

function pythonAssertion(essence: string): Values | undefined {
  if (essence.startsWith("assert ")) {
    const split = splitOutside(essence.slice("assert ".length), comparisons);
    if (split === undefined) return { expected: "something true", got: essence.slice("assert ".length) };
    const isPlain = split.by === " == " || split.by === " is ";
    return { expected: isPlain ? split.right : `${split.by.trim()} ${split.right}`, got: split.left };
  }
  const raised = /^AssertionError: (.*)$/s.exec(essence)?.[1];
  if (raised === undefined) return undefined;
  const said = raised.replace(/^(?:Lists|Tuples|Sequences|Sets) differ: /, "");
  const truth = /^(.{1,200}) is not (true|false)\b/.exec(said);
  if (truth !== null) return { expected: truth[2] ?? "", got: truth[1] ?? "" };
  const split = splitOutside(said, [" != ", " not found in "]);
  if (split === undefined) return undefined;
  if (split.by === " != ") return { expected: split.right.replace(/ : .{0,400}$/s, ""), got: split.left };
  return { expected: `${split.left} in it`, got: split.right };
}

/** What came where an exception should have. */
export const noException = "no exception";

function missingException(essence: string): Values | undefined {
  const name =
    /DID NOT RAISE <class '([\w.]{1,100})'>/.exec(essence)?.[1] ??
    /^AssertionError: ([\w.]{1,100}) not raised/.exec(essence)?.[1];
  if (name !== undefined) return { expected: `${name} raised`, got: noException };
  return /^Missing expected (?:exception|rejection)/.test(essence)
    ? { expected: "an exception", got: noException }
    : undefined;
}

/** vitest's sentence: "expected 3 to be 4 // Object.is equality". */
function chaiAssertion(essence: string): Values | undefined {
  if (!essence.startsWith("expected ")) return undefined;
  const split = splitOutside(essence.slice("expected ".length), [" not to ", " to "]);
  if (split === undefined) return undefined;
  const right = split.right.replace(/ \/\/ Object\.is equality$/, "");
  const value =
    split.by === " to "
      ? /^(?:be|equal|deeply equal|strictly equal|deep equal) (.{1,2000})$/s.exec(right)?.[1]
      : undefined;
  return { expected: value ?? `${split.by.trim()} ${right}`, got: split.left };
}

function nodeAssertion(essence: string): Values | undefined {
  const untrue = /^The expression evaluated to a falsy value: (.{1,2000})$/s.exec(essence)?.[1];
  if (untrue !== undefined) return { expected: "something true", got: untrue };
  const unmatched = /^The input did not match the regular expression (.{1,400})\. Input: (.{1,2000})$/s.exec(
    essence,
  );
  if (unmatched !== null) return { expected: `to match ${unmatched[1]}`, got: unmatched[2] ?? "" };
  const said = /^Expected .{1,120}?: (.*)$/s.exec(essence)?.[1] ?? essence;
  const split = splitOutside(said, [" !== ", " != ", " == "]);
  return split === undefined ? undefined : { expected: split.right, got: split.left };
}

function jestValues(lines: readonly string[]): Values | undefined {
  const find = (pattern: RegExp) =>
    lines.map((line) => pattern.exec(line.slice(0, 2_000))?.[1]).find((value) => value !== undefined);
  const got = find(/^\s{0,20}Received(?: [a-z ]{1,30})?: {1,10}(\S.*)$/);
  const expected = find(/^\s{0,20}Expected(?: [a-z ]{1,30})?: {1,10}(\S.*)$/);
  return got === undefined || expected === undefined ? undefined : { expected, got };
}

/** A printed difference of node:test or vitest, where "-" is expected and "+" is what came. */
function differences(lines: readonly string[]): Values | undefined {
  const middle = lines.findIndex((line) => line.trim() === "should loosely deep-equal");
  if (middle > 0) {
    const text = (some: readonly string[]) =>
      some
        .filter((line) => line.trim() !== "" && !/^\s+at /.test(line))
        .slice(0, 60)
        .join("\n");
    return { expected: text(lines.slice(middle + 1)), got: text(lines.slice(1, middle)) };
  }
  const start = lines.findIndex(
    (line) => line.trim() === "+ actual - expected" || line.trim() === "+ Received",
  );
  if (start < 0) return undefined;
  const body = lines.slice(start + 1, start + 60).map((line) => line.trim());
  const of = (sign: string) =>
    body
      .filter((line) => line.startsWith(`${sign} `))
      .map((line) => line.slice(2).trim())
      .join("\n");
  const [expected, got] = [of("-"), of("+")];
  return expected === "" && got === ""
    ? undefined
    : { expected: expected || "(nothing)", got: got || "(nothing)" };
}

/** Splits at the first separator outside quotes and brackets; where quotes do not close (cut values), at the first at all. */
export function splitOutside<By extends string>(
  text: string,
  separators: readonly By[],
): { readonly left: string; readonly right: string; readonly by: By } | undefined {
  let depth = 0;
  let quote = "";
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? "";
    if (quote !== "") {
      if (character === "\\") index++;
      else if (character === quote) quote = "";
      continue;
    }
    if (character === " " && depth === 0) {
      const by = separators.find((each) => text.startsWith(each, index));
      if (by !== undefined && index > 0)
        return { left: text.slice(0, index), right: text.slice(index + by.length), by };
    } else if (character === "'" || character === '"' || character === "`") quote = character;
    else if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth = Math.max(0, depth - 1);
  }
  for (const by of separators) {
    const index = text.indexOf(by);
    if (index > 0) return { left: text.slice(0, index), right: text.slice(index + by.length), by };
  }
  return undefined;
}
