/**
 * Controls: source text rewritten so that a gate can be seen to notice. Found by grammar, put back as text.
 *
 * 1. What comes out parses, or is the module form, which needs no parsing: a raise after the last statement.
 * 2. The module form comes last in the file on purpose: code that forges a report while it is loaded still runs, and the
 *    gate is seen to stay green.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { Node, Parser } from "web-tree-sitter";
import type { Controls, Rewriting, Source } from "../../ports/gates.ts";
import { type Family, type Grammar, grammarOf, parserOf, walk } from "./grammar.ts";
import { breakagesIn } from "./syntax.ts";

/** Larger files get the module form. */
const charactersMax = 1024 * 1024;
const namesMax = 200;

// Other words in every process, and of the everyday kind: code that lets only the control's own failures through would
// otherwise need no more than their text.
export const raised = `${randomBytes(3).toString("hex")} is not ${randomBytes(3).toString("hex")}`;
export const failed = `assert ${randomInt(2, 1_000)} == ${randomInt(1_000, 9_999)}`;

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Body {
  readonly name: string;
  readonly whole: string;
  readonly body: Node;
  readonly kind: "block" | "expression";
}

export function openControls(): Controls {
  return {
    withoutBodies: async (sources) => gather(await Promise.all(sources.map(withoutBodies))),
    withFailures: async (tests) =>
      gather(await Promise.all([...tests].map(([path, text]) => withFailures(path, text)))),
    breakages: breakagesIn,
  };
}

/** One file rewritten; undefined for a file in a language that is not known, or with nothing to rewrite. */
interface Rewritten {
  readonly path: string;
  readonly text: string | undefined;
  readonly names: readonly string[];
}

function gather(all: readonly Rewritten[]): Rewriting {
  const files = new Map<string, string>();
  const left: string[] = [];
  for (const { path, text } of all)
    if (text === undefined) left.push(path);
    else files.set(path, text);
  return { files, left, replaced: all.flatMap((each) => each.names).slice(0, namesMax) };
}

async function withoutBodies({ path, before, after }: Source): Promise<Rewritten> {
  const grammar = grammarOf(path);
  if (grammar === undefined) return { path, text: undefined, names: [] };
  const module = { path, text: moduleForm(grammar.family, after), names: [`${path}:module`] };
  if (after.length > charactersMax) return module;
  const parser = await parserOf(grammar);
  try {
    const old = new Set(before === undefined ? [] : functionsIn(parser, before, grammar)?.map(signature));
    const functions = functionsIn(parser, after, grammar);
    const touched = (functions ?? []).filter((each) => !old.has(signature(each)));
    if (touched.length === 0) return module;
    const text = apply(
      after,
      touched.map((each) => bodyless(each, grammar.family)),
    );
    if (!parses(parser, text)) return module;
    return { path, text, names: touched.map((each) => `${path}:${each.name}`) };
  } finally {
    parser.delete();
  }
}

function signature(each: Body): string {
  return `${each.name}\0${each.whole}`;
}

function bodyless({ body, kind }: Body, family: Family): Piece {
  const at = { start: body.startIndex, end: body.endIndex };
  if (family === "script") return { ...at, text: `{ throw new Error("${raised}"); }` };
  return kind === "block"
    ? { ...at, text: `raise RuntimeError("${raised}")` }
    : { ...at, text: `(_ for _ in ()).throw(RuntimeError("${raised}"))` };
}

function moduleForm(family: Family, text: string): string {
  return family === "python"
    ? `${text}\n\nraise RuntimeError("${raised}")\n`
    : `${text}\n;throw new Error("${raised}");\n`;
}

/** The outermost functions with a body; undefined when the text has a syntax error. */
function functionsIn(parser: Parser, text: string, grammar: Grammar): readonly Body[] | undefined {
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

function pythonBody(node: Node): Node | undefined {
  if (node.type !== "function_definition" && node.type !== "lambda") return undefined;
  return node.childForFieldName("body") ?? undefined;
}

const scriptFunctions = new Set([
  "function_declaration",
  "generator_function_declaration",
  "function_expression",
  "generator_function",
  "arrow_function",
  "method_definition",
]);

function scriptBody(node: Node): Node | undefined {
  return scriptFunctions.has(node.type) ? (node.childForFieldName("body") ?? undefined) : undefined;
}

function isBlock(body: Node): boolean {
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

function parses(parser: Parser, text: string): boolean {
  const tree = parser.parse(text);
  return tree !== null && !tree.rootNode.hasError;
}

function apply(text: string, pieces: readonly Piece[]): string {
  const backwards = [...pieces].sort((left, right) => right.start - left.start);
  return backwards.reduce(
    (done, { start, end, text: put }) => done.slice(0, start) + put + done.slice(end),
    text,
  );
}

async function withFailures(path: string, text: string): Promise<Rewritten> {
  const grammar = grammarOf(path);
  const nothing = { path, text: undefined, names: [] };
  if (grammar === undefined || text.length > charactersMax) return nothing;
  const parser = await parserOf(grammar);
  try {
    if (grammar.family === "python") {
      const names = (functionsIn(parser, text, grammar) ?? []).map((each) => each.name);
      const tests = names.filter((name) => /(^|\.)test/i.test(name));
      return tests.length === 0 ? nothing : { path, text: text + pythonWitness, names: tests };
    }
    const pieces = scriptTests(parser, text);
    const put = apply(text, pieces);
    return pieces.length === 0 || !parses(parser, put)
      ? nothing
      : { path, text: put, names: [`${path}: ${pieces.length} tests`] };
  } finally {
    parser.delete();
  }
}

/** At the end of a test file: each of its tests runs as it is, and then fails. */
const pythonWitness = `


def __rigs_witness():
    import functools
    import inspect

    def failing(test):
        if inspect.iscoroutinefunction(test):
            @functools.wraps(test)
            async def ended(*args, **kwargs):
                await test(*args, **kwargs)
                raise AssertionError("${failed}")
        else:
            @functools.wraps(test)
            def ended(*args, **kwargs):
                test(*args, **kwargs)
                raise AssertionError("${failed}")
        return ended

    def visit(owner, names, put, depth):
        for name, value in list(names.items()):
            if inspect.isfunction(value) and name.lower().startswith("test"):
                put(name, failing(value))
            elif inspect.isclass(value) and value.__module__ == __name__ and depth < 5:
                visit(value, vars(value), functools.partial(setattr, value), depth + 1)

    visit(None, globals(), globals().__setitem__, 0)


__rigs_witness()
del __rigs_witness
`;

/** The callbacks of `test`, `it` and their kin, each ending in a failure whatever it returns. */
function scriptTests(parser: Parser, text: string): readonly Piece[] {
  const tree = parser.parse(text);
  if (tree === null || tree.rootNode.hasError) return [];
  const pieces: Piece[] = [];
  walk(tree.rootNode, (node) => {
    if (node.type !== "call_expression" || !isTestCall(node.childForFieldName("function"))) return "inside";
    const given = node.childForFieldName("arguments")?.namedChildren ?? [];
    const callback = given.findLast((each) => each !== null && scriptFunctions.has(each.type));
    const body = callback == null ? undefined : scriptBody(callback);
    if (callback == null || body === undefined) return "inside";
    pieces.push(failingBody(callback, body));
    return "past";
  });
  return pieces;
}

function failingBody(callback: Node, body: Node): Piece {
  const end = `finally { throw Object.assign(new Error("${failed}"), { name: "AssertionError", code: "ERR_ASSERTION" }); }`;
  const isAsync = callback.children.some((child) => child?.type === "async");
  const inner = isBlock(body) ? body.text : `{ return ${isAsync ? "await " : ""}(${body.text}); }`;
  return { start: body.startIndex, end: body.endIndex, text: `{ try ${inner} ${end} }` };
}

/** `test`, `it.only`, `test.each(rows)`, `t.test`. */
function isTestCall(callee: Node | null): boolean {
  if (callee === null) return false;
  if (callee.type === "identifier") return callee.text === "test" || callee.text === "it";
  if (callee.type === "call_expression") return isTestCall(callee.childForFieldName("function"));
  if (callee.type !== "member_expression") return false;
  return (
    isTestCall(callee.childForFieldName("object")) || callee.childForFieldName("property")?.text === "test"
  );
}
