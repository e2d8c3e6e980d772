import type { Parser } from "web-tree-sitter";

/** What stands in place of the characters from `start` to `end`; nothing is taken out where the two are equal. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text with every piece put in. Pieces do not overlap; of two put at one place the first comes first. */
export function apply(text: string, pieces: readonly Piece[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, text: put } of [...pieces].sort((left, right) => left.start - right.start)) {
    parts.push(text.slice(at, start), put);
    at = end;
  }
  return parts.join("") + text.slice(at);
}

export function parses(parser: Parser, text: string): boolean {
  const tree = parser.parse(text);
  const isWhole = tree !== null && !tree.rootNode.hasError;
  tree?.delete();
  return isWhole;
}

/** One file rewritten; `text` is undefined for a file in a language that is not known, or with nothing to rewrite. */
export interface Rewritten {
  readonly path: string;
  readonly text: string | undefined;
  readonly names: readonly string[];
}
