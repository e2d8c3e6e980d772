/** Fenced blocks, the one way text of unknown origin is shown to a model: nothing inside can end its block. */
import { headingFor } from "./heading.ts";
import { extensionOf, nameOf } from "./path.ts";

/** A line that may open or close a block: three or more of one mark, at most three spaces before (more when `indentMax` says so). */
export interface FenceLine {
  readonly mark: "`" | "~";
  readonly length: number;
  readonly indent: number;
  /** What follows the marks, trimmed. Only an opening line may have it. */
  readonly info: string;
}

/** The line as a fence, or undefined. A backtick in the info of a backtick fence makes it ordinary text (CommonMark 4.5). */
export function fenceOf(line: string, indentMax = 3): FenceLine | undefined {
  let start = 0;
  while (start < line.length && (line[start] === " " || line[start] === "\t")) start++;
  const mark = line[start];
  if (start > indentMax || (mark !== "`" && mark !== "~")) return undefined;
  let end = start;
  while (line[end] === mark) end++;
  if (end - start < 3) return undefined;
  const info = line.slice(end).trim();
  if (mark === "`" && info.includes("`")) return undefined;
  return { mark, length: end - start, indent: start, info };
}

/** Backticks, three or more, longer than any run of them in the text. */
export function fenceFor(text: string): string {
  let longest = 0;
  let run = 0;
  for (let index = 0; index < text.length; index++) {
    run = text[index] === "`" ? run + 1 : 0;
    if (run > longest) longest = run;
  }
  return "`".repeat(Math.max(3, longest + 1));
}

/** The text as one block that nothing in it can leave. A missing last line end is added; empty text is an empty block. */
export function fenced(text: string, info = ""): string {
  const fence = fenceFor(text);
  const body = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${fence}${info}\n${body}${fence}`;
}

/** A file as models see it: its path alone on a line, then its block. */
export function shownFile(path: string, text: string): string {
  return `${shownPath(path)}\n${fenced(text, languageOf(path))}`;
}

/** The path on a line by itself. A name that could be taken for anything else stands in backticks, made harmless. */
export function shownPath(path: string): string {
  return headingFor(oneLine(path, 400).replaceAll("`", "'"));
}

/** Any text as one line of bounded length: control characters and line ends become spaces. */
export function oneLine(text: string, charactersMax: number): string {
  const flat = text
    .slice(0, charactersMax * 4)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ")
    .split(" ")
    .filter((word) => word !== "")
    .join(" ");
  return flat.length <= charactersMax ? flat : `${flat.slice(0, Math.max(0, charactersMax - 1))}…`;
}

const languages: Readonly<Record<string, string>> = {
  py: "python",
  pyi: "python",
  js: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsx: "jsx",
  ts: "typescript",
  mts: "typescript",
  cts: "typescript",
  tsx: "tsx",
  json: "json",
  md: "markdown",
  sh: "bash",
  rs: "rust",
  rb: "ruby",
  cs: "csharp",
  yml: "yaml",
  yaml: "yaml",
};

/** The info word for a file; empty for what no table knows. */
export function languageOf(path: string): string {
  if (nameOf(path) === "Dockerfile") return "dockerfile";
  const extension = extensionOf(path);
  return languages[extension] ?? (/^[a-z][a-z0-9]{0,9}$/.test(extension) ? extension : "");
}
