import { createRequire } from "node:module";
import { extname } from "node:path";
import { Language, type Node, Parser } from "web-tree-sitter";

/** Languages whose functions can be found and replaced. */
export type Family = "python" | "script";

export interface Grammar {
  readonly family: Family;
  /** File of @vscode/tree-sitter-wasm, without its ending. */
  readonly file: string;
}

const grammars: Readonly<Record<string, Grammar>> = {
  ".py": { family: "python", file: "tree-sitter-python" },
  ".js": { family: "script", file: "tree-sitter-javascript" },
  ".jsx": { family: "script", file: "tree-sitter-javascript" },
  ".mjs": { family: "script", file: "tree-sitter-javascript" },
  ".cjs": { family: "script", file: "tree-sitter-javascript" },
  ".ts": { family: "script", file: "tree-sitter-typescript" },
  ".mts": { family: "script", file: "tree-sitter-typescript" },
  ".cts": { family: "script", file: "tree-sitter-typescript" },
  ".tsx": { family: "script", file: "tree-sitter-tsx" },
};

/** The grammar of a path by its ending; undefined where there is none, and for declarations, which hold no code. */
export function grammarOf(path: string): Grammar | undefined {
  if (/\.d\.[mc]?ts$/.test(path)) return undefined;
  return grammars[extname(path).toLowerCase()];
}

const require = createRequire(import.meta.url);
let ready: Promise<void> | undefined;
const languages = new Map<string, Promise<Language>>();

/** Loads the engine and the grammar once. Rejects only when the installation is broken. */
export async function parserOf({ file }: Pick<Grammar, "file">): Promise<Parser> {
  ready ??= Parser.init();
  await ready;
  let language = languages.get(file);
  if (language === undefined) {
    language = Language.load(require.resolve(`@vscode/tree-sitter-wasm/wasm/${file}.wasm`));
    languages.set(file, language);
  }
  const parser = new Parser();
  parser.setLanguage(await language);
  return parser;
}

/** Every node for which `visit` says so, from the outside in and in order; `visit` says whether to look inside. */
export function walk(root: Node, visit: (node: Node) => "inside" | "past"): void {
  const waiting: Node[] = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (visit(node) === "past") continue;
    const children = node.namedChildren.filter((child) => child !== null);
    waiting.push(...children.reverse());
  }
}
