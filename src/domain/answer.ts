/**
 * What a model answered, as values: one tolerant parser for every form the prompt allows and the slips models make.
 *
 * 1. Total and linear: any text gives an Answer, in time that grows with its length.
 * 2. parse(print(edits)) = edits, for edits on distinct safe paths whose texts are empty or end with a line end, are not
 *    lazy, and do not begin as a SEARCH or DELETE does.
 * 3. What is ambiguous or cut is malformed, never guessed: an answer is applied whole or not at all.
 */
import { assert, unreachable } from "../kit/assert.ts";
import type { Rejection } from "./attempt.ts";
import { type FenceLine, fenceFor, fenceOf, oneLine } from "./fence.ts";
import { headingFor, pathInInfo, pathOnLine } from "./heading.ts";
import { findLazy } from "./lazy.ts";
import { checkPath, extensionOf } from "./path.ts";
import {
  blocksMax,
  endsMarked,
  isDelete,
  isMarked,
  parseMarked,
  printMarked,
  type Replacement,
} from "./replacement.ts";
import type { Finish } from "./reply.ts";

export type FileEdit =
  | { readonly path: string; readonly kind: "whole"; readonly text: string }
  | { readonly path: string; readonly kind: "blocks"; readonly blocks: readonly Replacement[] }
  | { readonly path: string; readonly kind: "delete" };

/** `read`: it wants to see these files first. `detail` is for people and for the re-ask: one line, then at most a few lines of the file. */
export type Answer =
  | { readonly kind: "files"; readonly files: readonly FileEdit[] }
  | { readonly kind: "read"; readonly paths: readonly string[] }
  | { readonly kind: "malformed"; readonly reason: Rejection; readonly detail: string };

/** What the caller knows beside the text; all of it may be left out. */
export interface Asked {
  /** How the provider says the text ended; `length` and `refused` are believed. */
  readonly finish?: Finish;
  /** The one file an answer without a path line can only mean. */
  readonly onlyFile?: string;
  /** Files as they are now: what stood there before is not called lazy. */
  readonly files?: ReadonlyMap<string, string>;
}

/** Paths of one request to read; more are dropped. */
export const readPathsMax = 20;
/** Files of one answer; more are malformed. */
export const filesMax = 200;

export function parseAnswer(text: string, asked: Asked = {}): Answer {
  const lines = normalized(text).split("\n");
  if (asked.finish === "refused") return malformed("refused", "the model refused to answer");
  if (asked.finish === "length") return malformed("truncated", "the answer was cut at its length limit");
  if (lines.every((line) => line.trim() === "")) return malformed("empty", "the answer is empty");
  const scan = scanBlocks(lines);
  if (scan.unclosed !== undefined) return malformed("truncated", scan.unclosed);
  return collect(lines, scan.blocks, asked);
}

function malformed(reason: Rejection, detail: string): Answer {
  return { kind: "malformed", reason, detail };
}

function normalized(text: string): string {
  const bare = text.startsWith("\ufeff") ? text.slice(1) : text;
  return bare.replaceAll("\r\n", "\n");
}

/** A block of the answer: its lines are [from, to); `heading` is the last line with words before it, `info` its fence's. */
interface Block {
  readonly from: number;
  readonly to: number;
  readonly heading: string;
  readonly info: string;
  readonly indent: number;
}

interface Scan {
  readonly blocks: readonly Block[];
  /** Why the answer must be taken for cut; undefined when every block is closed. */
  readonly unclosed: string | undefined;
}

function scanBlocks(lines: readonly string[]): Scan {
  const blocks: Block[] = [];
  let heading = "";
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const fence = fenceOf(line, 12);
    if (fence !== undefined) {
      const end = closingLine(lines, index, { fence, isProse: isProse(heading, fence.info) });
      if (end === undefined)
        return { blocks, unclosed: `the block that begins at line ${index + 1} is not closed` };
      blocks.push({ from: index + 1, to: end, heading, info: fence.info, indent: fence.indent });
      heading = "";
      index = end;
    } else if (isMarked([line])) {
      // SEARCH/REPLACE without a fence around it.
      let end = index + 1;
      while (end < lines.length && !endsMarked(lines[end] ?? "")) end++;
      if (end >= lines.length)
        return { blocks, unclosed: `the SEARCH block at line ${index + 1} is not closed` };
      blocks.push({ from: index, to: end + 1, heading, info: "", indent: 0 });
      heading = "";
      index = end;
    } else if (line.trim() !== "") heading = line;
  }
  return { blocks, unclosed: undefined };
}

/** Markdown holds fences of its own, and models forget to make the outer one longer. */
function isProse(heading: string, info: string): boolean {
  const path = headingOf({ info, heading });
  const extension = path === undefined ? "" : extensionOf(path);
  return /^(?:md|mdx|markdown|rst|txt)$/.test(extension) || /^(?:md|mdx|markdown)\b/i.test(info);
}

/**
 * The line that closes the block opened at `at`. Inside, a fence of the same mark and enough length with an info word
 * opens a block of its own; in a program it means a forgotten close when the line before it is a path.
 */
function closingLine(
  lines: readonly string[],
  at: number,
  { fence, isProse: holdsFences }: { readonly fence: FenceLine; readonly isProse: boolean },
): number | undefined {
  let depth = 0;
  let previous = "";
  for (let index = at + 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const inner = fenceOf(line, fence.indent + 3);
    if (inner !== undefined && inner.mark === fence.mark && inner.length >= fence.length) {
      if (inner.info === "" && depth === 0) return index;
      if (inner.info === "") depth--;
      else if (!holdsFences && pathOnLine(previous) !== undefined) return undefined;
      else depth++;
    }
    if (line.trim() !== "") previous = line;
  }
  return undefined;
}

/** A block whose file is not known yet. */
interface Stray {
  readonly text: string;
  readonly info: string;
}

function collect(lines: readonly string[], blocks: readonly Block[], asked: Asked): Answer {
  const edits = new Map<string, FileEdit>();
  const strays: Stray[] = [];
  let blocksPath: string | undefined;
  for (const block of blocks) {
    const body = unindented(lines.slice(block.from, block.to), block.indent);
    const { path: named, rest } = nameBlock(block, body);
    const path = named ?? (isMarked(rest) ? (blocksPath ?? asked.onlyFile) : undefined);
    if (path === undefined) {
      if (isMarked(rest)) return malformed("no-files", "a SEARCH block has no line with its path before it");
      strays.push({ text: textOf(rest), info: block.info });
      continue;
    }
    const edit = editOf(path, rest, block.info);
    if (edit.kind === "malformed") return edit;
    if (edit.kind === "blocks") blocksPath = edit.path;
    const both = combined(edits.get(edit.path), edit);
    if (both.kind === "blocks" && both.blocks.length > blocksMax)
      return malformed("inapplicable", `${both.path}: more than ${blocksMax} SEARCH blocks`);
    edits.set(edit.path, both);
  }
  if (edits.size === 0) return withoutFiles(lines, blocks, { strays, asked });
  return checked([...edits.values()], asked);
}

/** The file a block says it is about, by its info, the line before it, or a path line inside it before its SEARCH. */
function nameBlock(
  block: Block,
  body: readonly string[],
): { path: string | undefined; rest: readonly string[] } {
  const path = headingOf(block);
  const [first = "", second = ""] = body;
  if (isMarked([second]) && !isMarked([first])) {
    const inner = pathOnLine(first);
    if (inner !== undefined && (path === undefined || path === inner))
      return { path: inner, rest: body.slice(1) };
  }
  return { path, rest: body };
}

/** The info word wins over the line before, unless it only repeats the end of it. */
function headingOf({ info, heading }: Pick<Block, "info" | "heading">): string | undefined {
  const above = pathOnLine(heading);
  const inside = pathInInfo(info);
  return inside === undefined || above?.endsWith(`/${inside}`) ? above : inside;
}

/** Lines without the indent their fence had (a block inside a list). */
function unindented(body: readonly string[], indent: number): readonly string[] {
  if (indent === 0) return body;
  return body.map((line) => {
    let start = 0;
    while (start < indent && (line[start] === " " || line[start] === "\t")) start++;
    return line.slice(start);
  });
}

function textOf(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

type Malformed = Extract<Answer, { readonly kind: "malformed" }>;

function editOf(named: string, body: readonly string[], info: string): FileEdit | Malformed {
  const check = checkPath(named);
  if (check.kind === "forbidden")
    return { kind: "malformed", reason: "forbidden-path", detail: `${oneLine(named, 120)}: ${check.why}` };
  const { path } = check;
  if (isDelete(body)) return { path, kind: "delete" };
  if (isMarked(body)) {
    const marked = parseMarked(body);
    if (marked.kind === "blocks") return { path, kind: "blocks", blocks: marked.blocks };
    return { kind: "malformed", reason: marked.reason, detail: `${path}: ${marked.detail}` };
  }
  if (/^(?:diff|patch|udiff)\b/i.test(info) && !/^(?:diff|patch)$/.test(extensionOf(path)))
    return {
      kind: "malformed",
      reason: "inapplicable",
      detail: `${path}: a unified diff cannot be applied; give the whole file or SEARCH/REPLACE blocks`,
    };
  return { path, kind: "whole", text: textOf(body) };
}

/** Two edits of one file: SEARCH blocks add up (the later of two with the same SEARCH wins), all else is replaced by the later. */
function combined(earlier: FileEdit | undefined, later: FileEdit): FileEdit {
  if (earlier?.kind !== "blocks" || later.kind !== "blocks") return later;
  const searches = new Set(later.blocks.map((block) => block.search));
  const kept = earlier.blocks.filter((block) => !searches.has(block.search));
  return { path: later.path, kind: "blocks", blocks: [...kept, ...later.blocks] };
}

function checked(files: readonly FileEdit[], asked: Asked): Answer {
  if (files.length > filesMax)
    return malformed("inapplicable", `the answer has ${files.length} files, at most ${filesMax}`);
  for (const file of files) {
    const lazy = lazyIn(file, asked.files?.get(file.path));
    if (lazy !== undefined) return malformed("lazy", `${file.path}: ${lazy}`);
  }
  return { kind: "files", files };
}

function lazyIn(file: FileEdit, before: string | undefined): string | undefined {
  switch (file.kind) {
    case "whole":
      return findLazy(file.path, file.text, before);
    case "blocks": {
      const known = [before ?? "", ...file.blocks.map((block) => block.search)].join("\n");
      return findLazy(file.path, file.blocks.map((block) => block.replace).join("\n"), known);
    }
    case "delete":
      return undefined;
    default:
      return unreachable(file);
  }
}

interface Rest {
  readonly strays: readonly Stray[];
  readonly asked: Asked;
}

/** No file was named: a request to read, one file without its path line, or nothing usable. */
function withoutFiles(lines: readonly string[], blocks: readonly Block[], { strays, asked }: Rest): Answer {
  const read = readRequest(lines, blocks, strays);
  if (read !== undefined) return read;
  const code = strays.filter(
    (stray) => !/^(?:bash|sh|shell|console|terminal|text|output|json|diff)\b/i.test(stray.info),
  );
  const last = code.at(-1);
  if (asked.onlyFile !== undefined && last !== undefined) {
    const edit = editOf(asked.onlyFile, last.text.split("\n").slice(0, -1), last.info);
    return edit.kind === "malformed" ? edit : checked([edit], asked);
  }
  if (last !== undefined)
    return malformed("no-files", "no block has its file's path alone on the line before it");
  if (strays.length > 0)
    return malformed("no-files", "no block is a file: give each file's path, then its block");
  const start = lines.join(" ").slice(0, 400).toLowerCase();
  if (/\b(?:i can(?:no|')t|i can’t|i am unable|i'm unable|i won't|i must decline|i'm sorry, but)/.test(start))
    return malformed("refused", "the model declined");
  return malformed("no-files", "the answer has no block");
}

function readRequest(
  lines: readonly string[],
  blocks: readonly Block[],
  strays: readonly Stray[],
): Answer | undefined {
  const inBlocks = strays.filter((stray) => /^(?:json\b|$)/i.test(stray.info)).map((stray) => stray.text);
  const prose: string[] = [];
  let from = 0;
  for (const block of blocks) {
    prose.push(lines.slice(from, block.from - 1).join("\n"));
    from = block.to + 1;
  }
  prose.push(lines.slice(from).join("\n"));
  for (const text of [...inBlocks.slice(-4), prose.join("\n")]) {
    const paths = readPaths(text);
    if (paths === undefined) continue;
    const checks = paths.slice(0, readPathsMax).map(checkPath);
    const bad = checks.findIndex((check) => check.kind === "forbidden");
    const reason = checks[bad];
    if (reason?.kind === "forbidden")
      return malformed("forbidden-path", `${oneLine(paths[bad] ?? "", 120)}: ${reason.why}`);
    return {
      kind: "read",
      paths: [...new Set(checks.map((check) => (check.kind === "safe" ? check.path : "")))],
    };
  }
  return undefined;
}

/** The strings of the first `{"read": [...]}` in the text, or undefined. Looks at a bounded piece of text. */
function readPaths(text: string): readonly string[] | undefined {
  let key = text.indexOf('"read"');
  for (let tries = 0; key >= 0 && tries < 8; tries++, key = text.indexOf('"read"', key + 6)) {
    const open = text.lastIndexOf("{", key);
    if (open < 0 || text.slice(open + 1, key).trim() !== "") continue;
    const close = text.indexOf("]", key);
    const end = close < 0 ? -1 : text.indexOf("}", close);
    if (end < 0 || end - open > 10_000) continue;
    const paths = stringsOf(text.slice(open, end + 1));
    if (paths !== undefined && paths.length > 0) return paths;
  }
  return undefined;
}

function stringsOf(json: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    const paths = (value as { readonly read?: unknown }).read;
    return Array.isArray(paths) && paths.every((path) => typeof path === "string") ? paths : undefined;
  } catch {
    return undefined;
  }
}

/** Edits in the form the prompt asks for. Paths must be safe and texts empty or ended by a line end (law 2). */
export function printAnswer(files: readonly FileEdit[]): string {
  return files.map(printEdit).join("\n\n");
}

function printEdit(file: FileEdit): string {
  assert(checkPath(file.path).kind === "safe", `the path can be printed: ${file.path}`);
  const body =
    file.kind === "whole"
      ? file.text
      : file.kind === "blocks"
        ? printMarked(file.blocks)
        : "<<<<<<< DELETE\n";
  assert(body === "" || body.endsWith("\n"), "the text of a file is empty or ends with a line end");
  const fence = fenceFor(body);
  return `${headingFor(file.path)}\n${fence}\n${body}${fence}`;
}

/** The first paragraph before any file, on one line of at most 300 characters: the model's own diagnosis, empty when it gave none. */
export function diagnosisOf(text: string): string {
  const words: string[] = [];
  for (const line of normalized(text).slice(0, 20_000).split("\n")) {
    if (fenceOf(line) !== undefined || pathOnLine(line) !== undefined || isMarked([line])) break;
    if (line.trim() === "" && words.length > 0) break;
    words.push(line.replace(/^[#>*\s]{1,20}/, ""));
  }
  return oneLine(words.join(" "), 300);
}
