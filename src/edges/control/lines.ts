/**
 * The rules that every Python ever had for its lines: brackets close, strings end, headers have a colon and a block.
 * What breaks one of them is no Python of any version; what breaks none may still be wrong, and is left to Python.
 */

export interface BrokenLine {
  /** Counts from 1. */
  readonly line: number;
  /** In Python's own words. */
  readonly why: string;
}

/** A logical line: what stands between two line ends outside brackets and strings, comments and strings blanked out. */
interface Logical {
  readonly line: number;
  readonly indent: number;
  readonly text: string;
}

type Scan =
  | { readonly kind: "lines"; readonly lines: readonly Logical[] }
  | { readonly kind: "broken"; readonly broken: BrokenLine }
  | { readonly kind: "unsure" };

/** The first line that breaks a rule; undefined when none does, or when the text cannot be judged by its lines. */
export function brokenLine(text: string): BrokenLine | undefined {
  const scan = scanLines(text.replaceAll("\r\n", "\n"));
  if (scan.kind === "unsure") return undefined;
  return scan.kind === "broken" ? scan.broken : brokenBlock(scan.lines);
}

const header = /^(?:async )?(?:def|class|if|elif|else|for|while|try|except|finally|with)\b/;

function brokenBlock(lines: readonly Logical[]): BrokenLine | undefined {
  const levels = [0];
  for (const [index, { line, indent, text }] of lines.entries()) {
    const previous = lines[index - 1];
    const isOpened = previous?.text.endsWith(":") ?? false;
    const level = levels.at(-1) ?? 0;
    if (isOpened && indent <= level) return { line, why: "IndentationError: expected an indented block" };
    if (!isOpened && indent > level) return { line, why: "IndentationError: unexpected indent" };
    if (indent > level) levels.push(indent);
    while (indent < (levels.at(-1) ?? 0)) levels.pop();
    if (indent !== levels.at(-1))
      return { line, why: "IndentationError: unindent does not match any outer indentation level" };
    if (header.test(text) && !text.includes(":")) return { line, why: "SyntaxError: expected ':'" };
  }
  const last = lines.at(-1);
  return last?.text.endsWith(":")
    ? { line: last.line, why: "IndentationError: expected an indented block" }
    : undefined;
}

const closers: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

interface Open {
  readonly letter: string;
  readonly line: number;
}

function scanLines(text: string): Scan {
  const lines: Logical[] = [];
  const open: Open[] = [];
  let line = 1;
  let logical = "";
  let startedAt = 0;
  let isBlank = true;
  const finish = (): "tab" | undefined => {
    const shown = logical.trimEnd();
    const indent = shown.length - shown.trimStart().length;
    logical = "";
    isBlank = true;
    if (shown.trim() === "") return undefined;
    if (shown.slice(0, indent).includes("\t")) return "tab";
    lines.push({ line: startedAt, indent, text: shown.trim() });
    return undefined;
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text.charAt(at);
    if (isBlank) startedAt = line;
    if (!/[\s#\\]/.test(letter)) isBlank = false;
    if (letter === "#") {
      while (at + 1 < text.length && text.charAt(at + 1) !== "\n") at++;
    } else if (letter === "'" || letter === '"') {
      const string = stringAt(text, at);
      if (string.kind === "broken") {
        // Inside a formatted string newer Pythons allow more than this reader knows.
        if (/[ft]r?$|[r][ft]$/i.test(text.slice(Math.max(0, at - 2), at))) return { kind: "unsure" };
        return { kind: "broken", broken: { line, why: `SyntaxError: ${string.why}` } };
      }
      line += text.slice(at, string.end).split("\n").length - 1;
      logical += "''";
      at = string.end - 1;
    } else if (letter === "\\" && text.charAt(at + 1) === "\n") {
      logical += " ";
      line++;
      at++;
    } else if (letter === "\n") {
      line++;
      if (open.length > 0) logical += " ";
      else if (finish() === "tab") return { kind: "unsure" };
    } else {
      if ("([{".includes(letter)) open.push({ letter, line });
      const closes = closers[letter];
      if (closes !== undefined && open.pop()?.letter !== closes)
        return { kind: "broken", broken: { line, why: `SyntaxError: unmatched '${letter}'` } };
      // Only what stands outside brackets tells of headers and their colons.
      logical += open.length > 0 || closes !== undefined ? "_" : letter;
    }
  }
  const left = open.at(-1);
  if (left !== undefined)
    return {
      kind: "broken",
      broken: { line: left.line, why: `SyntaxError: '${left.letter}' was never closed` },
    };
  return finish() === "tab" ? { kind: "unsure" } : { kind: "lines", lines };
}

function stringAt(
  text: string,
  open: number,
): { readonly kind: "whole"; readonly end: number } | { readonly kind: "broken"; readonly why: string } {
  const quote = text.charAt(open);
  const isTriple = text.startsWith(quote.repeat(3), open);
  const mark = isTriple ? quote.repeat(3) : quote;
  for (let at = open + mark.length; at < text.length; at++) {
    if (text.charAt(at) === "\\") at++;
    else if (text.startsWith(mark, at)) return { kind: "whole", end: at + mark.length };
    else if (text.charAt(at) === "\n" && !isTriple) break;
  }
  const what = isTriple ? "unterminated triple-quoted string literal" : "unterminated string literal";
  return { kind: "broken", why: what };
}
