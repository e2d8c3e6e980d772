/** Reads test files for `domain/provenance`. */
import type { SuiteSeen } from "../../domain/provenance.ts";
import { grammarOf, parserOf } from "./grammar.ts";
import { pythonSuite } from "./provenance-python.ts";
import { scriptSuite } from "./provenance-script.ts";

/** Longer texts are refused before they come here. */
const charactersMax = 256 * 1024;

/** Rejects only for a bug. */
export async function readSuite(path: string, text: string): Promise<SuiteSeen> {
  const grammar = grammarOf(path);
  if (grammar === undefined) return undefined;
  if (text.length > charactersMax) return "unreadable";
  const parser = await parserOf(grammar);
  const tree = parser.parse(text);
  try {
    if (tree === null || tree.rootNode.hasError) return "unreadable";
    const read = grammar.family === "python" ? pythonSuite : scriptSuite;
    return read(tree.rootNode) ?? "unreadable";
  } finally {
    tree?.delete();
    parser.delete();
  }
}
