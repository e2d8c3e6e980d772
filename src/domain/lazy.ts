/**
 * Answers that leave the work to the reader: "rest unchanged", a bare "...", a body that became `pass`. What stood in
 * the file before is never held against an answer.
 */
import { extensionOf } from "./path.ts";

const codeExtensions: ReadonlySet<string> = new Set(
  "py pyi js mjs cjs jsx ts mts cts tsx java kt scala cs fs go rs rb php swift c h cc cpp hpp m sh lua ex exs dart vue svelte".split(
    " ",
  ),
);

/** Lines looked at in one text; beyond, nothing is found. */
const linesMax = 100_000;
/** A placeholder is a short remark; longer lines are not read past this. */
const charactersMax = 240;

/** The first placeholder in `after` that `before` (the file as it was, or undefined) does not have, as one line; undefined when the text is whole. */
export function findLazy(path: string, after: string, before: string | undefined): string | undefined {
  const isCode = codeExtensions.has(extensionOf(path));
  const known = new Set(before?.split("\n", linesMax).map((line) => line.trim()));
  const lines = after.split("\n", linesMax);
  let previous = "";
  for (const line of lines) {
    const text = line.trim();
    if (text === "") continue;
    if (!known.has(text) && isPlaceholder(text, previous, isCode))
      return `"${text.slice(0, 120)}" leaves code out`;
    previous = text;
  }
  return isCode && before !== undefined ? emptiedBody(lines, before.split("\n", linesMax)) : undefined;
}

const dots = /^(?:\.{3,}|…)$/;
const leaders: readonly string[] = ["//", "/*", "<!--", "--", "#", ";", "*", "{/*", "%"];
/** Words that alone say that work is missing. */
const opening =
  /^(?:todo:? ?implement|(?:your|add) (?:\w{1,20} )?(?:code|implementation|logic) (?:goes )?here|(?:the |your )?implementation (?:goes )?here|code goes here|implement (?:the )?rest)\b/;
/** Words that say so only when they are all a remark says. */
const whole =
  /^(?:implement (?:this|me|here)(?: later)?|(?:\w{1,20} ){0,3}(?:omitted|elided|truncated|shortened) for (?:brevity|clarity)|(?:the )?rest (?:is |remains |stays )?unchanged|(?:the )?rest of (?:the |this |your )?(?:\w{1,20} ){0,4}(?:(?:is |are |remains? |stays? )?(?:unchanged|the same|as before|as is)|(?:goes )?here|omitted)|(?:the )?rest of (?:the |this |your )?(?:code|file|class|module|function|implementation)|(?:same|unchanged) as (?:before|above|the original|in the original)|(?:existing|previous|original|remaining|other) (?:\w{1,20} ){0,3}(?:unchanged|remains?(?: unchanged| the same)?|stays? the same|(?:goes )?here|omitted)|existing (?:code|methods|functions|tests|imports|content|implementation)|no changes? (?:here|needed|below|above)|unchanged)$/;
const afterDots =
  /\b(?:rest|existing|unchanged|same|remaining|remains?|previous|other|others|omitted|before|keep|original|as is|more|your|code)\b/;

/** `previous` is the line before it that is not blank. */
function isPlaceholder(text: string, previous: string, isCode: boolean): boolean {
  if (dots.test(text)) return isCode && !isStubBody(previous);
  const remark = remarkOf(text.slice(0, charactersMax), isCode);
  if (remark === undefined) return false;
  const lower = remark.toLowerCase().trim();
  const plain = trimDots(lower);
  if (plain.length > 100) return false;
  const isLedByDots = /^[([ ]{0,4}(?:\.{3}|…)/.test(lower);
  if (plain === "") return isCode && isLedByDots;
  const isMissing = (isLedByDots && afterDots.test(plain)) || whole.test(plain);
  if (!isCode) return isMissing && /\b(?:rest|existing|remains|remaining)\b/.test(plain);
  return isMissing || opening.test(plain);
}

/** "...", legitimate as the whole body of a stub: after a header or a docstring. */
function isStubBody(previous: string): boolean {
  return previous.endsWith(":") || previous.endsWith('"""') || previous.endsWith("'''");
}

/** The words of a comment, of a bracketed remark, or of a line that begins with dots; undefined for code. */
function remarkOf(text: string, isCode: boolean): string | undefined {
  if (text.startsWith("...") || text.startsWith("…")) return isCode && !isTalk(text) ? undefined : text;
  if (!isCode) {
    if (text.startsWith("<!--")) return text.slice(4).replace("-->", "");
    if ((text.startsWith("[") && text.endsWith("]")) || (text.startsWith("(") && text.endsWith(")")))
      return text.slice(1, -1);
    return undefined;
  }
  const leader = leaders.find((each) => text.startsWith(each));
  if (leader === undefined) return undefined;
  return text
    .slice(leader.length)
    .replace("*/}", "")
    .replace("*/", "")
    .replace("-->", "")
    .replace(/^[#/* !-]{1,20}/, "");
}

/** Two plain words or more, so that a spread (`...rest,`, `...other as Props`) is not taken for talk. */
function isTalk(text: string): boolean {
  return (
    /^[.… ]{1,20}[A-Za-z][A-Za-z'’.… -]{0,200}$/.test(text) &&
    / \w/.test(text.slice(3).trim()) &&
    !/ as /.test(text)
  );
}

function trimDots(text: string): string {
  return text.replace(/^[.… ([]{1,40}/, "").replace(/[.… )\]]{1,40}$/, "");
}

/** Python's functions whose body was more than a stub and now is one; "function body became empty" for people. */
function emptiedBody(after: readonly string[], before: readonly string[]): string | undefined {
  const stubs = pythonStubs(after);
  if (stubs.size === 0) return undefined;
  const stubsBefore = pythonStubs(before);
  const definedBefore = new Set(before.map(definedName).filter((name) => name !== undefined));
  for (const [name, line] of stubs)
    if (definedBefore.has(name) && !stubsBefore.has(name))
      return `the body of ${name} (line ${line}) is gone`;
  return undefined;
}

function definedName(line: string): string | undefined {
  return /^\s{0,80}(?:[a-z]{1,9} )?def (\w{1,200})\(/.exec(line)?.[1];
}

/** Functions, by name, all of whose definitions have only a docstring, `pass`, `...` or `raise NotImplementedError`; with the line of the header. */
function pythonStubs(lines: readonly string[]): ReadonlyMap<string, number> {
  const stubs = new Map<string, number>();
  const whole = new Set<string>();
  for (let index = 0; index < lines.length; index++) {
    const header = lines[index] ?? "";
    const name = definedName(header);
    if (name === undefined) continue;
    if (isStub(lines, index)) stubs.set(name, index + 1);
    else whole.add(name);
  }
  for (const name of whole) stubs.delete(name);
  return stubs;
}

/** Looks at no more than the header, a docstring of 60 lines and two statements. */
function isStub(lines: readonly string[], at: number): boolean {
  let index = at;
  const indent = indentOf(lines[at] ?? "");
  // A header over several lines ends where its parentheses are level again.
  const headerEnd = Math.min(lines.length, at + 20);
  for (let open = 0; index < headerEnd; index++) {
    const line = (lines[index] ?? "").slice(0, 400);
    open += line.split("(").length - line.split(")").length;
    if (open <= 0) break;
  }
  if (index >= headerEnd || !/:\s{0,20}(?:#.{0,100}|\.\.\.|pass)?$/.test((lines[index] ?? "").slice(-240)))
    return false;
  if (/:\s{0,20}(?:\.\.\.|pass)$/.test((lines[index] ?? "").slice(-40))) return true;
  const body: string[] = [];
  let quote = "";
  for (let next = index + 1; next < Math.min(lines.length, index + 64) && body.length < 2; next++) {
    const text = (lines[next] ?? "").trim();
    if (quote !== "") {
      if (text.endsWith(quote)) quote = "";
      continue;
    }
    if (text === "" || text.startsWith("#")) continue;
    if (indentOf(lines[next] ?? "") <= indent) break;
    const opened = ['"""', "'''"].find((each) => text.startsWith(each));
    if (opened !== undefined) {
      if (text.length < 6 || !text.endsWith(opened)) quote = opened;
      continue;
    }
    body.push(text);
  }
  const [only] = body;
  if (only === undefined || body.length > 1) return false;
  return only === "pass" || only === "..." || only.startsWith("raise NotImplementedError");
}

function indentOf(line: string): number {
  let count = 0;
  while (line[count] === " " || line[count] === "\t") count++;
  return count;
}
