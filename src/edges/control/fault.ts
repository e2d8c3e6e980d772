/**
 * Small faults that people make, found by grammar: what a suite worth its name notices. Kinds that seldom leave the
 * program as it was; nothing inside tests, texts, comments, types, or what is said of an error or written to a log.
 */
import type { Node } from "web-tree-sitter";
import type { Body } from "./body.ts";
import { type Family, type Grammar, walk } from "./grammar.ts";
import type { Piece } from "./piece.ts";

/** `order`: < and <=; `truth`: true or false returned; `result`: nothing returned; `dropped`: a statement that has an effect and is left out. */
export type FaultKind =
  | "order"
  | "equality"
  | "condition"
  | "arithmetic"
  | "logic"
  | "number"
  | "truth"
  | "result"
  | "dropped";

export interface Fault {
  readonly kind: FaultKind;
  readonly piece: Piece;
  /** Counts from 1. */
  readonly line: number;
  /** In words of ours, none of the source: "< becomes <=". */
  readonly words: string;
}

/** Every small fault of a function's body, from the top down; none for a test. */
export function faultsIn(
  { body, name, kind }: Pick<Body, "body" | "name" | "kind">,
  grammar: Grammar,
): readonly Fault[] {
  if (isTest(body, name)) return [];
  const faults: Fault[] = kind === "expression" ? [...resultFault(body, grammar)] : [];
  walk(body, (node) => {
    if (isLeft(node)) return "past";
    faults.push(
      ...swapFaults(node),
      ...numberFault(node),
      ...conditionFault(node, grammar.family),
      ...(node.type === "return_statement" ? resultFault(node.namedChild(0), grammar) : []),
      ...droppedFault(node, grammar.family),
    );
    return "inside";
  });
  return faults;
}

/** By its name, or because it is given to a runner: tests may stand beside what they test. */
function isTest(body: Node, name: string): boolean {
  if (/(^|\.)(test(_|$|[A-Z\d])|Test[A-Z\d])/.test(name)) return true;
  for (let node = body.parent; node !== null; node = node.parent)
    if (node.type === "call_expression" && /^(test|it|describe|suite|before|after)\b/.test(node.text))
      return true;
  return false;
}

/** What a suite need not notice: types, assertions of the code's own, what is said of errors, logs. */
function isLeft(node: Node): boolean {
  if (/^type$|^type_|_type$|^interface_|^(raise|throw|assert|delete)_statement$|^decorator$/.test(node.type))
    return true;
  if (node.type !== "call" && node.type !== "call_expression" && node.type !== "new_expression") return false;
  const called = node.childForFieldName("function") ?? node.childForFieldName("constructor");
  return /(Error|Exception|Warning)$|^(print|warn|debug)$|\b(console|log|logger|logging|warnings|std(out|err))\.\w+$/i.test(
    called?.text ?? "",
  );
}

const swaps: Readonly<Record<string, readonly [FaultKind, string]>> = {
  "<": ["order", "<="],
  "<=": ["order", "<"],
  ">": ["order", ">="],
  ">=": ["order", ">"],
  "==": ["equality", "!="],
  "!=": ["equality", "=="],
  "===": ["equality", "!=="],
  "!==": ["equality", "==="],
  "+": ["arithmetic", "-"],
  "-": ["arithmetic", "+"],
  "*": ["arithmetic", "/"],
  "/": ["arithmetic", "*"],
  "//": ["arithmetic", "*"],
  "%": ["arithmetic", "*"],
  "**": ["arithmetic", "*"],
  "+=": ["arithmetic", "-="],
  "-=": ["arithmetic", "+="],
  "*=": ["arithmetic", "/="],
  "/=": ["arithmetic", "*="],
  and: ["logic", "or"],
  or: ["logic", "and"],
  "&&": ["logic", "||"],
  "||": ["logic", "&&"],
};

const operations = new Set([
  "comparison_operator",
  "boolean_operator",
  "binary_operator",
  "augmented_assignment",
  "binary_expression",
  "augmented_assignment_expression",
]);

function swapFaults(node: Node): readonly Fault[] {
  if (!operations.has(node.type)) return [];
  return node.children.flatMap((child) => {
    const swap = child === null || child.isNamed ? undefined : swaps[child.type];
    if (child === null || swap === undefined) return [];
    const [kind, to] = swap;
    // What joins texts or lists knows no other operator: it would end in an error, which shows little of a suite.
    if (kind === "arithmetic" && /["'`]|^\[|\]$/.test(node.text)) return [];
    return [faultAt(child, { kind, text: to, words: `${child.type} becomes ${to}` })];
  });
}

function numberFault(node: Node): readonly Fault[] {
  const isWhole =
    (node.type === "integer" || node.type === "number") && /^(0|[1-9]\d{0,14})$/.test(node.text);
  if (!isWhole) return [];
  const text = String(Number(node.text) + 1);
  return [faultAt(node, { kind: "number", text, words: `${node.text} becomes ${text}` })];
}

/** A loop is never negated: it would hang, or not begin, which any suite notices. */
function conditionFault(node: Node, family: Family): readonly Fault[] {
  const condition = conditionOf(node);
  if (condition === null) return [];
  const [only] = condition.type === "parenthesized_expression" ? condition.namedChildren : [condition];
  // An equality has a fault of its own that is the same.
  const isEquality =
    /^(comparison_operator|binary_expression)$/.test(only?.type ?? "") &&
    (only?.children ?? []).some((child) => /^[!=]==?$/.test(child?.type ?? ""));
  if (isEquality) return [];
  const isInside = family === "script" && node.type === "if_statement";
  const text =
    family === "python"
      ? `not (${condition.text})`
      : isInside
        ? `(!${condition.text})`
        : `!(${condition.text})`;
  return [faultAt(condition, { kind: "condition", text, words: "condition negated" })];
}

function conditionOf(node: Node): Node | null {
  if (/^(if_statement|elif_clause|ternary_expression)$/.test(node.type))
    return node.childForFieldName("condition");
  return node.type === "conditional_expression" ? node.namedChild(1) : null;
}

/** Something else instead of what is returned; a number has a fault of its own. */
function resultFault(value: Node | null, { family, file }: Grammar): readonly Fault[] {
  if (value === null || /^(none|null|undefined|integer|number|comment)$/.test(value.type)) return [];
  const other = otherTruth[value.text];
  if (other !== undefined)
    return [faultAt(value, { kind: "truth", text: other, words: `${value.text} becomes ${other}` })];
  const nothing = family === "python" ? "None" : "undefined";
  // Runners that check types would call it an error, which shows nothing of the suite.
  const text = family === "python" || file === "tree-sitter-javascript" ? nothing : "(undefined as never)";
  return [faultAt(value, { kind: "result", text, words: `what is returned becomes ${nothing}` })];
}

const otherTruth: Readonly<Record<string, string>> = {
  True: "False",
  False: "True",
  true: "false",
  false: "true",
};

/** Python's first assignment to a name is kept: without it the function ends in an error, whoever looks. */
function droppedFault(node: Node, family: Family): readonly Fault[] {
  if (node.type !== "expression_statement") return [];
  const [first] = node.namedChildren;
  const done = first?.type === "await" || first?.type === "await_expression" ? first.namedChild(0) : first;
  if (done == null || isLeft(done) || !hasEffect(done, family)) return [];
  const text = family === "python" ? "pass" : ";";
  return [faultAt(node, { kind: "dropped", text, words: "statement dropped" })];
}

function hasEffect(done: Node, family: Family): boolean {
  if (done.type === "call" || done.type === "call_expression")
    return !/^super\b/.test(done.childForFieldName("function")?.text ?? "");
  if (/^augmented_assignment|^update_expression$/.test(done.type)) return true;
  if (done.type === "assignment_expression") return true;
  const isMember = /^(attribute|subscript)$/.test(done.childForFieldName("left")?.type ?? "");
  return family === "python" && done.type === "assignment" && isMember;
}

function faultAt(
  node: Node,
  { kind, text, words }: { readonly kind: FaultKind; readonly text: string; readonly words: string },
): Fault {
  const piece = { start: node.startIndex, end: node.endIndex, text };
  return { kind, piece, line: node.startPosition.row + 1, words };
}
