import type { Node, Parser } from "web-tree-sitter";
import type { Source } from "../../ports/gates.ts";
import { type Grammar, walk } from "./grammar.ts";

/** A function that has a body, and what its control needs of it. */
export interface Body {
  readonly name: string;
  readonly whole: string;
  readonly body: Node;
  readonly kind: "block" | "expression";
}

/** The outermost functions with a body; undefined when the text has a syntax error. */
export function functionsIn(parser: Parser, text: string, grammar: Grammar): readonly Body[] | undefined {
  const tree = parser.parse(text);
  if (tree === null || tree.rootNode.hasError) return undefined;
  const found: Body[] = [];
  walk(tree.rootNode, (node) => {
    const body = grammar.family === "python" ? pythonBody(node) : scriptBody(node);
    if (body === undefined) return "inside";
    // Decorators and the name a function is given stand outside its node, and belong to what may have changed.
    const whole = node.parent?.type === "decorated_definition" ? node.parent.text : node.text;
    found.push({ name: nameOf(node), whole, body, kind: isBlock(body) ? "block" : "expression" });
    return "past";
  });
  return found;
}

/** A function that a change added or touched. */
export interface Touched extends Body {
  /** The text of the function of this name before the change; undefined where there was none. */
  readonly old: string | undefined;
}

/** The outermost functions that differ from before, decorators and all; none where the text has a syntax error. */
export function touchedIn(
  parser: Parser,
  { before, after }: Pick<Source, "before" | "after">,
  grammar: Grammar,
): readonly Touched[] {
  const old = before === undefined ? [] : (functionsIn(parser, before, grammar) ?? []);
  const known = new Set(old.map(signature));
  const whole = new Map(old.map((each) => [each.name, each.whole]));
  return (functionsIn(parser, after, grammar) ?? [])
    .filter((each) => !known.has(signature(each)))
    .map((each) => ({ ...each, old: whole.get(each.name) }));
}

function signature(each: Body): string {
  return `${each.name}\0${each.whole}`;
}

function pythonBody(node: Node): Node | undefined {
  if (node.type !== "function_definition" && node.type !== "lambda") return undefined;
  return node.childForFieldName("body") ?? undefined;
}

/** Nodes of JavaScript and TypeScript that are functions. */
export const scriptFunctions = new Set([
  "function_declaration",
  "generator_function_declaration",
  "function_expression",
  "generator_function",
  "arrow_function",
  "method_definition",
]);

/** The body of a function of JavaScript or TypeScript; undefined for any other node, and for a mere signature. */
export function scriptBody(node: Node): Node | undefined {
  return scriptFunctions.has(node.type) ? (node.childForFieldName("body") ?? undefined) : undefined;
}

/** A body of statements, and not one expression. */
export function isBlock(body: Node): boolean {
  return body.type === "block" || body.type === "statement_block";
}

/** Dotted, from the outermost class in; an unnamed function takes the name it is given, else its line. */
function nameOf(node: Node): string {
  const own =
    node.childForFieldName("name") ??
    node.parent?.childForFieldName("name") ??
    node.parent?.childForFieldName("left");
  const parts = [own?.text ?? `line ${node.startPosition.row + 1}`];
  for (let parent = node.parent; parent !== null; parent = parent.parent)
    if (/^class(_definition|_declaration)?$/.test(parent.type))
      parts.unshift(parent.childForFieldName("name")?.text ?? "class");
  return parts.join(".").slice(0, 120);
}
