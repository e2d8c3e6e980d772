/**
 * Assertions of Python made wrong. Each is tried in a `try`: an honest one fails and the test goes on as if it had passed;
 * one that lets the wrong value through ends the test with the mark. Left alone: whatever may be expected to fail.
 */
import type { Node } from "web-tree-sitter";
import { walk } from "./grammar.ts";
import type { Piece } from "./piece.ts";
import { type Bond, contraryOf, type Pace, sameTwice, valueInstead } from "./question.ts";
import { argumentsOf, isFromPytest, questionsOf } from "./question-python.ts";
import {
  absent,
  incomparable,
  instead,
  otherClass,
  slackOf,
  wrong,
  wrongOperand,
  wrongSide,
} from "./wrong.ts";

/**
 * The pieces that make every assertion of the tests of a file wrong. `root` is the tree of `text`; `raise` the statement
 * that tells of one let through.
 */
export function wrongPython(root: Node, text: string, raise: string): readonly Piece[] {
  const own = ownAssertions(root);
  const isRaisesKnown = isFromPytest(root);
  const pieces: Piece[] = [];
  for (const test of [...testsIn(root), ...calledByTests(root)])
    for (const { statement, pace } of statementsIn(test)) {
      const margin = marginOf(statement, text);
      if (margin === undefined) continue;
      const inner = wrongStatement(statement, pace, own);
      pieces.push(...asked(statement, questionsOf(statement, own, isRaisesKnown), margin));
      if (inner !== undefined) pieces.push(...tried(statement, inner, { margin, raise }));
    }
  return pieces;
}

/** The bodies of the tests, which stand in no other function. */
function testsIn(root: Node): readonly Node[] {
  const bodies: Node[] = [];
  walk(root, (node) => {
    if (node.type === "lambda") return "past";
    if (node.type !== "function_definition") return "inside";
    const body = node.childForFieldName("body");
    if (body !== null && isTest(node)) bodies.push(body);
    return "past";
  });
  return bodies;
}

function isTest(node: Node): boolean {
  return /^test/i.test(node.childForFieldName("name")?.text ?? "");
}

/** The bodies of plain functions of the file that a test calls by name, and that nobody calls where a failure may be expected. */
function calledByTests(root: Node): readonly Node[] {
  const called = new Set<string>();
  const doubtful = new Set<string>();
  walk(root, (node) => {
    if (isGuarded(node) || node.type === "lambda")
      for (const name of node.descendantsOfType("identifier")) doubtful.add(name?.text ?? "");
    return "inside";
  });
  for (const test of testsIn(root))
    for (const call of test.descendantsOfType("call"))
      called.add(call?.childForFieldName("function")?.text ?? "");
  return root.namedChildren.flatMap((node) => {
    const name = node?.childForFieldName("name")?.text ?? "";
    const body =
      node?.type === "function_definition" && !isTest(node) ? node.childForFieldName("body") : null;
    return body != null && called.has(name) && !doubtful.has(name) ? [body] : [];
  });
}

/** Assertion methods that the file defines itself, and that may do anything. */
function ownAssertions(root: Node): ReadonlySet<string> {
  const names = root
    .descendantsOfType("function_definition")
    .map((each) => each?.childForFieldName("name")?.text ?? "");
  return new Set(names.filter((name) => name.startsWith("assert")));
}

interface Found {
  readonly statement: Node;
  readonly pace: Pace;
}

const loops = new Set(["for_statement", "while_statement"]);
const elsewhere = new Set(["function_definition", "class_definition", "lambda", "decorated_definition"]);

/** Assertions that run in the body itself, and are not expected to fail. */
function statementsIn(body: Node): readonly Found[] {
  const found: Found[] = [];
  walk(body, (node) => {
    if (node.type === "with_statement") found.push({ statement: node, pace: "once" });
    if (elsewhere.has(node.type) || isGuarded(node)) return "past";
    if (node.type !== "assert_statement" && node.type !== "expression_statement") return "inside";
    found.push({ statement: node, pace: isBelow(node, body, loops) ? "repeated" : "once" });
    return "past";
  });
  return found;
}

/** `with pytest.raises(…)`, `with suppress(…)`, and every `try` that catches. */
function isGuarded(node: Node): boolean {
  if (node.type === "try_statement")
    return node.namedChildren.some((child) => /^except/.test(child?.type ?? ""));
  if (node.type !== "with_statement") return false;
  const clause = node.namedChildren.find((child) => child?.type === "with_clause");
  return /raises|suppress|warn|fail|error|exception|logs/i.test(clause?.text ?? "raises");
}

function isBelow(node: Node, top: Node, types: ReadonlySet<string>): boolean {
  for (let parent = node.parent; parent !== null && parent.id !== top.id; parent = parent.parent)
    if (types.has(parent.type)) return true;
  return false;
}

/** The spaces before a statement; undefined for one that shares its lines: what stands beside it would come into the `try`. */
function marginOf({ type, startIndex, endIndex }: Node, text: string): string | undefined {
  const before = text.slice(text.lastIndexOf("\n", startIndex - 1) + 1, startIndex);
  const end = text.indexOf("\n", endIndex);
  const behind = text.slice(endIndex, end === -1 ? text.length : end);
  const isAlone = type === "with_statement" || /^\s*(#[^\n]*)?$/.test(behind);
  return /^[ \t]*$/.test(before) && isAlone ? before : undefined;
}

function tried(
  { startIndex: start, endIndex: end }: Node,
  inner: readonly Piece[],
  { margin, raise }: { readonly margin: string; readonly raise: string },
): readonly Piece[] {
  const lines = ["", "except Exception:", " pass", "else:", ` ${raise}`].join(`\n${margin}`);
  return [{ start, end: start, text: `try:\n${margin} ` }, ...inner, { start: end, end, text: lines }];
}

const equalities = new Set(
  "Equal Equals ListEqual DictEqual TupleEqual SetEqual SequenceEqual CountEqual MultiLineEqual Is".split(
    " ",
  ),
);
const orders = new Set(["Greater", "GreaterEqual", "Less", "LessEqual"]);
/** What the contrary of an assertion puts in place of what is asserted. */
const contraries: Readonly<Record<string, string>> = { IsNone: "0", IsNotNone: "None" };
/** Assertions of a difference, and how the two are made the same. */
const differences: Readonly<Record<string, Bond>> = {
  NotEqual: "equal",
  NotAlmostEqual: "equal",
  IsNot: "is",
  NotIn: "in",
};
const otherClasses = ["memoryview", "slice", "complex", "bytearray", "range", "property"];

function wrongStatement(statement: Node, pace: Pace, own: ReadonlySet<string>): readonly Piece[] | undefined {
  const [only] = statement.namedChildren;
  if (only == null) return undefined;
  if (statement.type === "assert_statement") return wrongCondition(only, pace);
  if (only.type !== "call") return undefined;
  const [, name = "", what = ""] =
    /^self\.(assert(\w+))$/.exec(only.childForFieldName("function")?.text ?? "") ?? [];
  const [first, second] = argumentsOf(only);
  if (name === "" || first === undefined || own.has(name)) return undefined;
  if (what === "True") return wrongCondition(first, pace);
  if (what === "False") return contrary(first, pace, false);
  const other = contraries[what];
  if (other !== undefined) return valueInstead(first, "python", other, pace);
  if (second === undefined) return undefined;
  const bond = differences[what];
  if (bond !== undefined) return sameTwice(first, second, bond);
  if (what === "NotIsInstance") return instead(second, "object");
  if (what === "NotRegex") return instead(second, "''");
  if (what === "AlmostEqual") {
    const slack = slackOf((only.childForFieldName("arguments")?.namedChildren ?? []).slice(2));
    return slack === undefined ? undefined : wrongSide(second, first, pace, { kind: "far", slack });
  }
  if (equalities.has(what)) return wrongSide(second, first, pace);
  if (orders.has(what)) return wrongOrder(first, second, pace);
  if (what === "In") return wrongIn(first, second, pace);
  if (what === "IsInstance") return otherClass(second, otherClasses);
  return what === "Regex" ? wrong(second, pace, absent) : undefined;
}

function asked(statement: Node, questions: readonly string[], margin: string): readonly Piece[] {
  const at = { start: statement.startIndex, end: statement.startIndex };
  return questions.map((question) => ({ ...at, text: `${question}\n${margin}` }));
}

/** Makes a condition false that is true: by a wrong value where one is compared with, else by its contrary. */
function wrongCondition(condition: Node, pace: Pace): readonly Piece[] | undefined {
  return wrongWithin(condition, pace) ?? contrary(condition, pace, true);
}

function wrongWithin(condition: Node, pace: Pace): readonly Piece[] | undefined {
  if (condition.type === "parenthesized_expression") {
    const inner = condition.namedChildren.filter((child) => child !== null && child.type !== "comment");
    return inner.length === 1 && inner[0] ? wrongWithin(inner[0], pace) : undefined;
  }
  if (condition.type === "boolean_operator") {
    const [left, right] = [condition.childForFieldName("left"), condition.childForFieldName("right")];
    if (condition.childForFieldName("operator")?.text !== "and" || left === null || right === null)
      return undefined;
    return wrongWithin(left, pace) ?? wrongWithin(right, pace);
  }
  if (condition.type === "call") return wrongTolerance(condition, [], pace) ?? wrongCall(condition, pace);
  if (condition.type !== "comparison_operator" || condition.childCount !== 3) return undefined;
  const [left, operator, right] = condition.children;
  if (left == null || right == null) return undefined;
  if (operator?.type === "==") return wrongSide(right, left, pace);
  if (operator?.type === "in") return wrongIn(left, right, pace);
  if (!/^[<>]=?$/.test(operator?.type ?? "")) return undefined;
  const close = operator?.type.startsWith("<") ? wrongTolerance(left, [right], pace) : undefined;
  return close ?? wrongOrder(left, right, pace);
}

/** Neither above nor below anything: there is no bound that every honest value is beyond, infinity neither. */
function wrongOrder(left: Node, right: Node, pace: Pace): readonly Piece[] | undefined {
  return wrongOperand(right, left, pace, incomparable) ?? wrongOperand(left, right, pace, incomparable);
}

function wrongIn(part: Node, whole: Node, pace: Pace): readonly Piece[] | undefined {
  const chosen = /^(list|tuple|set)$/.test(whole.type);
  return chosen ? wrong(whole, pace, { kind: "choice" }) : wrongOperand(part, whole, pace, absent);
}

/** `isinstance(f(x), T)`, `f(x).startswith("a")`, `re.search("a", f(x))`. */
function wrongCall(call: Node, pace: Pace): readonly Piece[] | undefined {
  const callee = call.childForFieldName("function");
  const [first, second] = argumentsOf(call);
  if (callee === null || first === undefined) return undefined;
  if (callee.text === "isinstance" && second !== undefined)
    return pace === "once" ? otherClass(second, otherClasses) : undefined;
  const isText = /^re\.(match|search|fullmatch)$/.test(callee.text)
    ? second !== undefined
    : /\.(starts|ends)with$/.test(callee.text);
  return isText ? wrong(first, pace, absent) : undefined;
}

/** `abs(f(x) - 0.5) < 1e-6` and `math.isclose(f(x), 0.5)`; `bound` is what a difference is held against. */
function wrongTolerance(call: Node, bound: readonly Node[], pace: Pace): readonly Piece[] | undefined {
  const name = call.type === "call" ? (call.childForFieldName("function")?.text ?? "") : "";
  const given = (call.childForFieldName("arguments")?.namedChildren ?? []).filter((child) => child !== null);
  const [first, second] = given;
  const isClose = /^(math\.)?isclose$/.test(name);
  const slack = slackOf(isClose ? given.slice(2) : bound);
  if (slack === undefined) return undefined;
  const need = { kind: "far", slack } as const;
  if (isClose) return first && second ? wrongSide(second, first, pace, need) : undefined;
  if (name !== "abs" || first?.type !== "binary_operator") return undefined;
  const [left, right] = [first.childForFieldName("left"), first.childForFieldName("right")];
  if (first.childForFieldName("operator")?.text !== "-" || left === null || right === null) return undefined;
  return wrongSide(right, left, pace, need);
}

function contrary(condition: Node, pace: Pace, truth: boolean): readonly Piece[] {
  return contraryOf(condition, "python", truth, pace);
}
