/**
 * Syntax errors that can be named without running anything. Two readers must agree: the grammar finds an error, and a
 * second reader of another make finds one too (for JavaScript and TypeScript Node's own type stripper, for Python the
 * lines' own rules). A grammar alone is not believed: it may be older than the language.
 */
import { stripTypeScriptTypes } from "node:module";
import type { Breakage, Source } from "../../ports/gates.ts";
import { type Grammar, grammarOf, parserOf } from "./grammar.ts";
import { brokenLine } from "./lines.ts";

/** Larger files are left to the run. */
const charactersMax = 256 * 1024;

/** What is surely broken, at most one for each source, in their order. */
export async function breakagesIn(sources: readonly Source[]): Promise<readonly Breakage[]> {
  const found = await Promise.all(sources.map(breakageIn));
  return found.filter((each) => each !== undefined);
}

async function breakageIn({ path, before, after }: Source): Promise<Breakage | undefined> {
  const grammar = grammarOf(path);
  if (grammar === undefined || after.length > charactersMax) return undefined;
  const found = await opinionOn(path, grammar, after);
  if (found === undefined) return undefined;
  // A file that was not understood before is in a dialect nobody here knows.
  const isStrange =
    before !== undefined &&
    (before.length > charactersMax || (await opinionOn(path, grammar, before)) !== undefined);
  return isStrange
    ? undefined
    : { path, ...found, text: (after.split("\n")[found.line - 1] ?? "").slice(0, 240) };
}

/** Both readers' opinion; of Python's indentation the grammar has none, so the lines decide alone. */
async function opinionOn(path: string, grammar: Grammar, text: string): Promise<Opinion | undefined> {
  const found = secondOpinion(path, grammar, text);
  if (found === undefined) return undefined;
  return found.why.startsWith("IndentationError") || (await isRejected(grammar, text)) ? found : undefined;
}

async function isRejected(grammar: Grammar, text: string): Promise<boolean> {
  const parser = await parserOf(grammar);
  try {
    const tree = parser.parse(text);
    const isRejected = tree?.rootNode.hasError ?? false;
    tree?.delete();
    return isRejected;
  } finally {
    parser.delete();
  }
}

type Opinion = Pick<Breakage, "line" | "why">;

function secondOpinion(path: string, grammar: Grammar, text: string): Opinion | undefined {
  if (grammar.family === "python") return brokenLine(text);
  // The stripper knows no JSX. A text nested too deep for it leaves it useless: then it has no opinion any more.
  if (/x$/i.test(path) || /<\/|\/>/.test(text)) return undefined;
  try {
    stripTypeScriptTypes(text);
    return undefined;
  } catch (error) {
    return opinionOf(error);
  }
}

/** The error's stack begins with the place, as `:3`, then the line, then a mark under it. */
function opinionOf(error: unknown): Opinion | undefined {
  const { code, message, stack } = error as { code?: unknown; message?: unknown; stack?: unknown };
  if (code !== "ERR_INVALID_TYPESCRIPT_SYNTAX" || typeof message !== "string") return undefined;
  const line = Number(/^\S*?:(\d{1,7})\n/.exec(String(stack))?.[1] ?? 1);
  return { line, why: `SyntaxError: ${(message.split("\n")[0] ?? "").trim().slice(0, 200)}` };
}
