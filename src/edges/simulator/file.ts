import { inventedModules } from "./mutation.ts";
import { type Task, type TaskSet, taskOf } from "./taskset.ts";

/** Text in a fence, and the path that stood alone on the line above it. */
export interface Block {
  readonly path: string | undefined;
  readonly language: string;
  readonly text: string;
}

/** A task recognised in a file that a request shows. */
export interface Sighting {
  readonly task: Task;
  readonly path: string;
  /** The whole file as shown. */
  readonly fileText: string;
}

const blocksMax = 2_000;

/** Fenced blocks in order; a fence that never closes ends with the text. Tilde fences and longer back-tick fences count. */
export function blocksOf(text: string): readonly Block[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length && blocks.length < blocksMax; index++) {
    const open = /^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/.exec(lines[index] ?? "");
    if (open === null) continue;
    const [, fence = "", language = ""] = open;
    let end = index + 1;
    while (end < lines.length && !isClosing(lines[end] ?? "", fence)) end++;
    const content = lines.slice(index + 1, end);
    const path =
      pathOn(lines[index - 1] ?? "") ??
      pathOn((lines[index - 1] ?? "").trim() ? "" : (lines[index - 2] ?? ""));
    blocks.push({ path, language, text: content.length === 0 ? "" : `${content.join("\n")}\n` });
    index = end;
  }
  return blocks;
}

function isClosing(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.startsWith(fence) && trimmed === (fence[0] ?? "`").repeat(trimmed.length);
}

/** The path on a line of its own: bare, in back-ticks, bold, after `#`s, with a colon at its end. */
function pathOn(line: string): string | undefined {
  const bare = line
    .trim()
    .replace(/^#{1,6}\s+/, "")
    .replace(/^(?:file|path):?\s+/i, "")
    .replace(/^[*`"_]+|[*`":_]+$/g, "")
    .replace(/^[*`"]+|[*`":]+$/g, "");
  return /^[\w@+-][\w@+./-]*$|^\.[\w-][\w./-]*$/.test(bare) && /[./]/.test(bare) && !bare.includes("..")
    ? bare
    : undefined;
}

/** Prose of a message: what is left without the fenced blocks. */
export function proseOf(text: string): string {
  return text.replace(/^\s{0,3}(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^\s{0,3}\1[`~]*\s*$|(?![\s\S]))/gm, "\n");
}

export function isTestPath(path: string): boolean {
  return /(^|\/)(tests?|testing)\//.test(path) || /(^|\/)(test_[^/]*|[^/]*_test|conftest)\.py$/.test(path);
}

/**
 * Tasks in the files that the messages show, by signature and docstring; the newest showing of each wins. A block with
 * no path of its own counts as the first Python file that the prose names, else as `<entry point>.py`.
 */
export function sightingsIn(taskSet: TaskSet, messages: readonly string[]): readonly Sighting[] {
  const found = new Map<Task, Sighting>();
  for (const message of messages) {
    const named = proseOf(message)
      .match(/[\w./-]+\.py\b/g)
      ?.find((path) => !isTestPath(path));
    for (const block of blocksOf(message)) {
      if (block.path !== undefined && (isTestPath(block.path) || !block.path.endsWith(".py"))) continue;
      if (block.path === undefined && /^(diff|json|text)$/.test(block.language)) continue;
      for (const task of tasksIn(taskSet, block.text))
        found.set(task, { task, path: block.path ?? named ?? `${task.entryPoint}.py`, fileText: block.text });
    }
  }
  return [...found.values()];
}

/** By signature; or, where a function was given a wrong name, by the docstring it still carries. */
function tasksIn(taskSet: TaskSet, text: string): readonly Task[] {
  const tasks = new Set<Task>();
  for (const [, name = ""] of text.matchAll(/^def (\w+)\(/gm)) {
    const span = taskSet.byEntryPoint.has(name) ? namedSpan(text, name) : undefined;
    if (span === undefined) continue;
    const own = text.slice(span.start, span.end);
    const task = taskOf(taskSet, { name, parameters: parametersOf(taskSet, own), text: own });
    if (task !== undefined) tasks.add(task);
  }
  if (tasks.size === 0 && /^def \w+\(/m.test(text))
    for (const task of taskSet.tasks)
      if (task.docstring !== "" && text.includes(task.docstring)) tasks.add(task);
  return [...tasks];
}

function parametersOf(taskSet: TaskSet, functionText: string): readonly string[] {
  return taskSet.withPython(functionText, (root) => {
    const list = root.descendantsOfType("parameters")[0];
    const parts = list?.namedChildren ?? [];
    return parts.flatMap((part) => {
      const identifier = part?.type === "identifier" ? part : part?.descendantsOfType("identifier")[0];
      return identifier ? [identifier.text] : [];
    });
  });
}

/** Where the task's function stands in a file, under its own name or, with its docstring, under another. */
export function functionSpan(text: string, task: Task): { start: number; end: number } | undefined {
  const own = namedSpan(text, task.entryPoint);
  if (own !== undefined || task.docstring === "") return own;
  const docstringAt = text.indexOf(task.docstring);
  const name = text
    .slice(0, Math.max(0, docstringAt))
    .match(/^def (\w+)\(/gm)
    ?.at(-1)
    ?.slice(4, -1);
  return name === undefined || docstringAt < 0 ? undefined : namedSpan(text, name);
}

/**
 * Where a top-level function stands, from `def` to the line before the next statement at column 0. Read by lines and
 * triple quotes, not by the grammar, because the files of a failing worker often do not parse.
 */
function namedSpan(text: string, name: string): { start: number; end: number } | undefined {
  const found = new RegExp(`^def ${name}\\(`, "m").exec(text);
  if (found === null) return undefined;
  const start = found.index;
  let offset = start;
  let quote: string | undefined;
  let end = start;
  for (const line of text.slice(start).split("\n")) {
    const isInside = offset === start || quote !== undefined || line === "" || /^[\s)#]/.test(line);
    if (!isInside) break;
    quote = quoteAfter(line, quote);
    offset += line.length + 1;
    if (line.trim() !== "" && !(quote === undefined && /^#/.test(line))) end = offset;
  }
  return { start, end: Math.min(end, text.length) };
}

/** The triple quote that is open at the end of a line. */
function quoteAfter(line: string, open: string | undefined): string | undefined {
  let quote = open;
  for (const [mark] of line.matchAll(/"""|'''/g)) {
    if (quote === undefined) quote = mark;
    else if (quote === mark) quote = undefined;
  }
  return quote;
}

/**
 * The file with one function written as given: in its place, or at the end. Imports and helpers that the task's prompt
 * has and the file lacks are added at the top, and imports that only a hallucination can have left there are dropped.
 */
export function withFunction(
  fileText: string,
  task: Task,
  written: { readonly functionText: string; readonly preamble: string },
): string {
  const clean = withoutInventions(fileText);
  const span = functionSpan(clean, task);
  const placed =
    span === undefined
      ? `${clean.trimEnd()}${clean.trim() === "" ? "" : "\n\n\n"}${written.functionText}`
      : clean.slice(0, span.start) + written.functionText + clean.slice(span.end);
  return written.preamble + missingBefore(clean, task) + placed.replace(/^\n+/, "");
}

/** The file as it should be. */
export function referenceFile(fileText: string, task: Task): string {
  return withFunction(fileText, task, { functionText: task.header + task.body, preamble: "" });
}

/** The function stands there as the reference has it, word for word but for tabs, and no invention around it. */
export function isSolved(fileText: string, task: Task): boolean {
  const span = namedSpan(fileText, task.entryPoint);
  if (span === undefined || withoutInventions(fileText) !== fileText) return false;
  const own = fileText.slice(span.start, span.end).replaceAll("\t", "    ");
  return own.trimEnd() === (task.header + task.body).replaceAll("\t", "    ").trimEnd();
}

/** Without the lines that faulty answers of this simulator leave outside the function. */
function withoutInventions(fileText: string): string {
  return fileText.replace(inventions, "");
}

const inventions = new RegExp(
  `^(?:import (?:${inventedModules.join("|")})|from itertools import windowed_pairs|_answers = \\{\\})\\n`,
  "gm",
);

/** Paragraphs of the prompt before the function (an import line, a helper) that the file does not contain. */
function missingBefore(fileText: string, task: Task): string {
  const paragraphs = task.before
    .trim()
    .split(/\n{2,}(?=\S)/)
    .flatMap((part) => (/^(import|from)\b/.test(part) ? part.split("\n") : [part]))
    .filter((part) => part.trim() !== "" && !has(fileText, part));
  if (paragraphs.length === 0) return "";
  const imports = paragraphs.filter((part) => /^(import|from)\b/.test(part));
  const helpers = paragraphs.filter((part) => !/^(import|from)\b/.test(part));
  return [...imports.map((line) => `${line}\n`), ...helpers.map((part) => `\n\n${part}\n\n\n`)].join("");
}

function has(fileText: string, paragraph: string): boolean {
  const name = /^def (\w+)\(/.exec(paragraph)?.[1];
  return name === undefined ? fileText.includes(paragraph.trim()) : fileText.includes(`def ${name}(`);
}
