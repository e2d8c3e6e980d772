/**
 * Whether a test file's assertions tell anything of the code that it imports or starts. A name is followed from the imports
 * through everything that it is said in one breath with; in doubt an assertion tells, because only what is plainly empty is
 * to be refused: what notices too little is left to control and mutants.
 */
import type { Node } from "web-tree-sitter";
import type { Assertions } from "../../domain/redness.ts";
import { type Family, grammarOf, parserOf, walk } from "./grammar.ts";

/** Larger files are left alone. */
const charactersMax = 64 * 1024;

/** Modules that lead to nothing of the goal's: runners, assertions, and what only calculates. */
const idleModules: Readonly<Record<Family, RegExp>> = {
  python: /^(?:pytest|unittest|typing|math|itertools|__future__)(?:\.|$)/,
  script: /^(?:(?:node:)?(?:test|assert|assert\/strict)|vitest|@jest\/globals|jest|chai|bun:test)$/,
};
/** Names that lead out of the file without an import. */
const outward: Readonly<Record<Family, readonly string[]>> = {
  python: ["__import__", "open", "exec", "eval", "compile", "globals"],
  script: ["fetch", "document", "window", "globalThis"],
};
/** Stands for a module that is loaded in an expression. */
const loaded = "(module)";

/** What a test file asserts; undefined where nobody can say: no grammar for it, too large, or it does not parse. */
export async function assertionsIn(path: string, text: string): Promise<Assertions | undefined> {
  const grammar = grammarOf(path);
  if (grammar === undefined || text.length > charactersMax) return undefined;
  const parser = await parserOf(grammar);
  try {
    const tree = parser.parse(text);
    const root = tree?.rootNode;
    if (root === undefined || root.hasError) return undefined;
    return assertionsOf(root, grammar.family);
  } finally {
    parser.delete();
  }
}

function assertionsOf(root: Node, family: Family): Assertions | undefined {
  const imports = importsIn(root, family);
  if (imports.some(({ local }) => local === "*")) return undefined;
  const isIdle = ({ from }: Import) => idleModules[family].test(from);
  const known = new Set([...outward[family], loaded]);
  for (const each of imports) if (!isIdle(each)) known.add(each.local);
  const asserting = new Set(
    imports
      .filter(
        (each) => /assert|chai/.test(each.from) || (!isIdle(each) && /test|help|support/i.test(each.from)),
      )
      .map(({ local }) => local),
  );
  const bonds = bondsIn(root, family);
  for (let before = 0; before < known.size; ) {
    before = known.size;
    for (const { seen, names } of bonds)
      if (seen.some((name) => known.has(name))) for (const name of names) known.add(name);
  }
  const asked = assertingIn(root, family, asserting);
  return {
    all: asked.length,
    telling: asked.filter((names) => names.some((name) => known.has(name))).length,
  };
}

interface Import {
  readonly from: string;
  /** What it is called here; "*" for everything of a Python module. */
  readonly local: string;
}

function importsIn(root: Node, family: Family): readonly Import[] {
  const found: Import[] = [];
  const last = (node: Node | null) => node?.text ?? "";
  for (const node of root.descendantsOfType(["import_statement", "import_from_statement"])) {
    if (node === null) continue;
    if (family === "script") {
      const from = last(node.childForFieldName("source")).slice(1, -1);
      for (const name of node.descendantsOfType("identifier")) found.push({ from, local: last(name) });
      continue;
    }
    const module = node.childForFieldName("module_name");
    if (node.descendantsOfType("wildcard_import").length > 0) found.push({ from: last(module), local: "*" });
    for (const name of node.childrenForFieldName("name")) {
      const own = name?.type === "aliased_import" ? name.childForFieldName("name") : name;
      const [first = ""] = last(own).split(".");
      const alias = name?.childForFieldName("alias")?.text;
      found.push({ from: module === null ? last(own) : last(module), local: alias ?? first });
    }
  }
  return found;
}

/** Where one of `seen` tells of the goal, so does each of `names`. */
interface Bond {
  readonly seen: readonly string[];
  readonly names: readonly string[];
}

const simple = new Set(["expression_statement", "variable_declarator", "return_statement"]);
const compound = /^(?:if|while|for|for_in|try|with|match|switch|do)_statement$/;
const functions = new Set([
  ...["function_definition", "class_definition", "function_declaration", "class_declaration"],
  ...["generator_function_declaration", "method_definition"],
]);
const callbacks = new Set(["arrow_function", "function_expression", "lambda"]);
const targets = "assignment augmented_assignment named_expression assignment_expression variable_declarator";
const bound = new Set(`${targets} for_statement for_in_statement as_pattern catch_clause`.split(" "));

function bondsIn(root: Node, family: Family): readonly Bond[] {
  const bonds: Bond[] = [];
  const own = new Map<string, Node[]>();
  for (const each of root.descendantsOfType([...functions])) {
    const name = each?.childForFieldName("name")?.text ?? "";
    if (each !== null) own.set(name, [...(own.get(name) ?? []), each]);
  }
  walk(root, (node) => {
    if (simple.has(node.type)) {
      // What a callback does stands in statements of its own; what is made of it is made of all of it.
      const all = namesIn(node, node.type === "expression_statement" ? "without blocks" : "whole");
      bonds.push({ seen: all, names: all });
    } else if (callbacks.has(node.type)) {
      const all = namesIn(node, "without blocks");
      bonds.push({ seen: all, names: all });
    } else if (compound.test(node.type)) bonds.push({ seen: namesIn(node, "whole"), names: boundIn(node) });
    else if (functions.has(node.type)) bonds.push(...functionBonds(node, own, family));
    if (node.type === "call" || node.type === "call_expression") bonds.push(...callBonds(node, own));
    return "inside";
  });
  return bonds;
}

/** Names that are given a value somewhere in it. */
function boundIn(top: Node): readonly string[] {
  const names: string[] = [];
  walk(top, (node) => {
    if (!bound.has(node.type)) return "inside";
    const left = node.childForFieldName("left") ?? node.childForFieldName("name");
    const alias = node.childForFieldName("alias") ?? node.childForFieldName("parameter");
    for (const each of [left, alias]) if (each !== null) names.push(...namesIn(each, "whole"));
    return "inside";
  });
  return names;
}

/** Functions and classes of the file by name. */
type Own = ReadonlyMap<string, readonly Node[]>;

/** A function tells what its body does, a class what it builds on; what a test is given comes from elsewhere, or from what stands above it. */
function functionBonds(node: Node, own: Own, family: Family): readonly Bond[] {
  const name = node.childForFieldName("name")?.text ?? "";
  const body = node.childForFieldName("body");
  const bonds: Bond[] = body === null ? [] : [{ seen: namesIn(body, "whole"), names: [name] }];
  const above = node.childForFieldName("superclasses") ?? node.children.find(isHeritage);
  if (above != null && body !== null)
    bonds.push({ seen: namesIn(above, "whole"), names: [name, ...namesIn(body, "own")] });
  if (family !== "python" || !/^test/i.test(name)) return bonds;
  const decorated = node.parent?.type === "decorated_definition" ? node.parent : undefined;
  const marks = (decorated?.namedChildren ?? []).filter((each) => each?.type === "decorator");
  const words = marks.map((each) => each?.text ?? "").join("\n");
  for (const parameter of parametersOf(node)) {
    const isNamed = new RegExp(`\\b${parameter}\\b`).test(words);
    const seen = isNamed ? marks.flatMap((each) => (each === null ? [] : namesIn(each, "whole"))) : [loaded];
    if (isNamed || !own.has(parameter)) bonds.push({ seen, names: [parameter] });
  }
  return bonds;
}

function isHeritage(child: Node | null): boolean {
  return child?.type === "class_heritage";
}

function parametersOf(node: Node): readonly string[] {
  const given = node.childForFieldName("parameters") ?? node.childForFieldName("parameter");
  return given === null ? [] : namesIn(given, "whole");
}

/** What a function is called with is what its parameters are; so is what calls a callback. */
function callBonds(call: Node, own: Own): readonly Bond[] {
  const callee = call.childForFieldName("function");
  const given = call.childForFieldName("arguments");
  if (callee === null || given === null) return [];
  const all = [...namesIn(callee, "without blocks"), ...namesIn(given, "without blocks")];
  const label = callee.childForFieldName("attribute") ?? callee.childForFieldName("property") ?? callee;
  const called = own.get(label.text) ?? [];
  const taken = [...called, ...given.namedChildren.filter((each) => callbacks.has(each?.type ?? ""))];
  return taken.map((each) => ({ seen: all, names: each === null ? [] : parametersOf(each) }));
}

/** Names read or written in it; of attributes only those of `this` and `self`, as if they were variables ("own": nothing else). */
function namesIn(top: Node, how: "whole" | "without blocks" | "own"): readonly string[] {
  const names: string[] = [];
  walk(top, (node) => {
    if (how === "without blocks" && node.type === "statement_block") return "past";
    const owner = node.childForFieldName("object");
    if (owner !== null && /^(?:self|cls|this)$/.test(owner.text)) {
      names.push((node.childForFieldName("attribute") ?? node.childForFieldName("property"))?.text ?? "");
      return "past";
    }
    if (how === "own") return "inside";
    if (node.type === "call_expression" && isLoading(node)) names.push(loaded);
    if (/^(?:identifier|shorthand_property_identifier(?:_pattern)?)$/.test(node.type) && !isLabel(node))
      names.push(node.text);
    return "inside";
  });
  return names;
}

/** `require("../src/a")`, `import("../src/a")`. */
function isLoading(call: Node): boolean {
  if (!/^(?:require|import)$/.test(call.childForFieldName("function")?.text ?? "")) return false;
  const what = call.childForFieldName("arguments")?.namedChildren[0]?.text ?? "";
  return !idleModules.script.test(what.slice(1, -1));
}

/** An attribute's name, or a keyword's, is no variable. */
function isLabel(node: Node): boolean {
  const { parent } = node;
  const label = parent?.childForFieldName("attribute") ?? parent?.childForFieldName("property");
  if (label?.id === node.id) return true;
  const isKeyword = parent?.type === "keyword_argument" && parent.childForFieldName("name")?.id === node.id;
  return isKeyword || /^(?:self|cls)$/.test(node.text);
}

const asking = /^(?:assert\w*|expect\w*|should|fail|raises|warns|check\w*|verify\w*)$/i;

/** The names each assertion speaks of. */
function assertingIn(
  root: Node,
  family: Family,
  asserting: ReadonlySet<string>,
): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  walk(root, (node) => {
    if (node.type === "assert_statement") found.push(namesIn(node, "whole"));
    else if (node.type === "raise_statement" || node.type === "throw_statement")
      found.push(namesIn(aroundOf(node), "whole"));
    else if (
      node.type === (family === "python" ? "call" : "call_expression") &&
      isAsserting(node.childForFieldName("function"), asserting)
    ) {
      const clause = ancestorOf(node, /^with_statement$/, /statement$/);
      found.push(namesIn(clause ?? node, "whole"));
      return "past";
    }
    return "inside";
  });
  return found;
}

/** `expect(x).not.toBe`, `self.assertEqual`, `t.assert.equal`, `assert.rejects`, and what is imported to assert. */
function isAsserting(callee: Node | null, asserting: ReadonlySet<string>): boolean {
  if (callee === null) return false;
  if (callee.type === "identifier") return asking.test(callee.text) || asserting.has(callee.text);
  if (callee.type === "call" || callee.type === "call_expression")
    return isAsserting(callee.childForFieldName("function"), asserting);
  const label = callee.childForFieldName("attribute") ?? callee.childForFieldName("property");
  return asking.test(label?.text ?? "") || isAsserting(callee.childForFieldName("object"), asserting);
}

/** The function that it stands in, or the file. */
function aroundOf(node: Node): Node {
  const isAround = /^(?:function_definition|function_declaration|arrow_function|function_expression)$/;
  return ancestorOf(node, isAround, /^$/) ?? node.tree.rootNode;
}

/** The nearest node above of this type, but for what lies beyond one of `end`. */
function ancestorOf(node: Node, wanted: RegExp, end: RegExp): Node | undefined {
  for (let above = node.parent; above !== null; above = above.parent) {
    if (wanted.test(above.type)) return above;
    if (end.test(above.type)) return undefined;
  }
  return undefined;
}
