/** Just enough of the POSIX shell's grammar to see what a command line runs, and to put words beside it. */

export interface Word {
  /** Without quotes; what is expanded (`$x`, `$(…)`) stays as written. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** One simple command: words up to the next operator. */
export interface Segment {
  readonly words: readonly Word[];
  /** From behind the operator before it to the one after it, redirections included. */
  readonly start: number;
  readonly end: number;
  /** The operator behind it: `|`, `&&`, `||`, `;`, `&`, a line's end, a parenthesis; empty at the end. */
  readonly operator: string;
}

const commandCharactersMax = 20_000;

/** The simple commands of the line, or undefined for what this does not understand (here documents, open quotes, too long). */
export function parse(command: string): readonly Segment[] | undefined {
  if (command.length > commandCharactersMax) return undefined;
  const segments: Segment[] = [];
  let words: Word[] = [];
  let start = 0;
  let at = 0;
  const close = (operator: string) => {
    if (words.length > 0) segments.push({ words, start, end: at, operator });
    words = [];
    start = at + operator.length;
  };
  while (at < command.length) {
    const letter = command.charAt(at);
    if (/\s/.test(letter) && letter !== "\n") at += 1;
    else if (letter === "#") at = endOfLine(command, at);
    else if (isOperator(command, at)) {
      const operator = operatorAt(command, at);
      close(operator);
      at += operator.length;
    } else if (command.startsWith("<<", at)) return undefined;
    else if (/[<>]/.test(letter)) at = skipRedirection(command, at);
    else {
      const word = readWord(command, at);
      if (word === undefined) return undefined;
      const isDescriptor = /^\d$/.test(word.text) && /[<>]/.test(command.charAt(word.end));
      if (!isDescriptor) words.push(word);
      at = word.end;
    }
  }
  close("");
  return segments;
}

function operatorAt(command: string, at: number): string {
  const two = command.slice(at, at + 2);
  return two === "&&" || two === "||" || two === "|&" ? two : command.charAt(at);
}

function endOfLine(command: string, at: number): number {
  const end = command.indexOf("\n", at);
  return end === -1 ? command.length : end;
}

function isOperator(command: string, at: number): boolean {
  const letter = command.charAt(at);
  if (letter === "&") return command.charAt(at + 1) !== ">";
  return letter === ";" || letter === "|" || letter === "\n" || letter === "(" || letter === ")";
}

/** Past `>`, `>>`, `>&`, `&>`, `<` and the file's name; the words of a redirection are no arguments. */
function skipRedirection(command: string, from: number): number {
  let at = from;
  while (/[<>&|\d-]/.test(command.charAt(at))) at += 1;
  while (command.charAt(at) === " ") at += 1;
  return readWord(command, at)?.end ?? at;
}

function readWord(command: string, start: number): Word | undefined {
  let text = "";
  let at = start;
  while (at < command.length) {
    const letter = command.charAt(at);
    if (/[\s;|()<>]/.test(letter) || letter === "&") break;
    if (letter === "'" || letter === '"') {
      const end = closing(command, at, letter);
      if (end === undefined) return undefined;
      text += command.slice(at + 1, end);
      at = end + 1;
    } else if (letter === "\\") {
      text += command.charAt(at + 1);
      at += 2;
    } else if (command.startsWith("$(", at) || letter === "`") {
      const end = letter === "`" ? closing(command, at, "`") : closingParenthesis(command, at + 1);
      if (end === undefined) return undefined;
      text += command.slice(at, end + 1);
      at = end + 1;
    } else {
      text += letter;
      at += 1;
    }
  }
  return at === start && text === "" ? undefined : { text, start, end: Math.min(at, command.length) };
}

function closing(command: string, from: number, quote: string): number | undefined {
  for (let at = from + 1; at < command.length; at++) {
    if (command.charAt(at) === "\\" && quote !== "'") at += 1;
    else if (command.charAt(at) === quote) return at;
  }
  return undefined;
}

function closingParenthesis(command: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < command.length; at++) {
    if (command.charAt(at) === "(") depth += 1;
    if (command.charAt(at) === ")") depth -= 1;
    if (depth === 0) return at;
  }
  return undefined;
}

/** Put `text` in place of what stands between `start` and `end` (equal: only insert). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** All edits at once; they may not overlap. */
export function edit(command: string, edits: readonly Edit[]): string {
  const backwards = [...edits].sort((left, right) => right.start - left.start);
  return backwards.reduce(
    (text, { start, end, text: put }) => text.slice(0, start) + put + text.slice(end),
    command,
  );
}

/** The text as one word of the shell. */
export function quote(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
