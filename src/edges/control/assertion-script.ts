/**
 * Assertions of JavaScript and TypeScript made wrong. Each is tried: an honest one throws and the test goes on as if it had
 * passed; one that lets the wrong value through sets the variable that the test's end looks at. Left alone: whatever may
 * be expected to throw, and functions of other names or from unknown modules, which need not throw at all.
 */
import type { Node } from "web-tree-sitter";
import { scriptFunctions } from "./body.ts";
import { walk } from "./grammar.ts";
import { absentText } from "./literal.ts";
import type { Piece } from "./piece.ts";
import {
  absent,
  any,
  contraryOf,
  far,
  incomparable,
  instead,
  otherClass,
  type Pace,
  slackOf,
  wrong,
  wrongOperand,
  wrongSide,
} from "./wrong.ts";

/** What this file calls the assertions it imports. */
export interface Names {
  /** Modules of assertions, which are functions themselves: `assert`. */
  readonly modules: ReadonlySet<string>;
  /** Single assertions by what they are called here. */
  readonly functions: ReadonlyMap<string, string>;
  readonly isExpectKnown: boolean;
}

const assertModules = /^(node:)?assert(\/strict)?$/;
const expectModules = /^(vitest|@jest\/globals|expect|bun:test|@playwright\/test)$/;

/** Reads the imports of a file. */
export function namesIn(root: Node): Names {
  const modules = new Set<string>();
  const functions = new Map<string, string>();
  let isExpectKnown = true;
  for (const { from, local, imported } of [...importsOf(root), ...requiresOf(root)]) {
    const isModule = ["*", "default", "strict", "assert"].includes(imported);
    if (local === "expect") isExpectKnown = expectModules.test(from);
    else if (assertModules.test(from)) {
      if (isModule) modules.add(local);
      else functions.set(local, imported);
    } else if (/^(chai|vitest)$/.test(from) && imported === "assert") modules.add(local);
  }
  const declared = [...declarators(root), ...root.descendantsOfType("function_declaration")];
  const isOwn = declared.some(
    (each) =>
      each?.childForFieldName("name")?.text === "expect" &&
      !expectModules.test(requiredBy(each.childForFieldName("value"))),
  );
  return { modules, functions, isExpectKnown: isExpectKnown && !isOwn };
}

export interface Import {
  readonly from: string;
  readonly local: string;
  readonly imported: string;
}

/** Every name that an import statement gives: "default", "*" for all of a module. */
export function importsOf(root: Node): readonly Import[] {
  return root.descendantsOfType("import_statement").flatMap((statement) => {
    const from = statement?.childForFieldName("source")?.text.slice(1, -1) ?? "";
    const clause = statement?.namedChildren.find((child) => child?.type === "import_clause");
    return (clause?.namedChildren ?? []).flatMap((part): Import[] => {
      if (part?.type === "identifier") return [{ from, local: part.text, imported: "default" }];
      if (part?.type === "namespace_import")
        return [{ from, local: part.namedChildren[0]?.text ?? "", imported: "*" }];
      return (part?.namedChildren ?? []).map((each) => {
        const imported = each?.childForFieldName("name")?.text ?? "";
        return { from, local: each?.childForFieldName("alias")?.text ?? imported, imported };
      });
    });
  });
}

function declarators(root: Node): readonly Node[] {
  return root.descendantsOfType("variable_declarator").filter((each) => each !== null);
}

/** `const assert = require("node:assert")`, with `.strict` or taken apart. */
function requiresOf(root: Node): readonly Import[] {
  return declarators(root).flatMap((declarator): Import[] => {
    const from = requiredBy(declarator.childForFieldName("value"));
    const name = declarator.childForFieldName("name");
    if (from === "" || name === null) return [];
    if (name.type === "identifier") return [{ from, local: name.text, imported: "*" }];
    return name.namedChildren.flatMap((part): Import[] => {
      if (part?.type === "shorthand_property_identifier_pattern")
        return [{ from, local: part.text, imported: part.text }];
      const [key, value] = [part?.childForFieldName("key"), part?.childForFieldName("value")];
      return key && value ? [{ from, local: value.text, imported: key.text }] : [];
    });
  });
}

/** The module that this expression requires; "" for any other. */
function requiredBy(value: Node | null): string {
  return /^require\(\s*["']([^"']+)["']\s*\)(?:\.strict)?$/.exec(value?.text ?? "")?.[1] ?? "";
}

/**
 * The pieces that make the assertions in the body of a test wrong. `flag` is a variable of the test that is set to true
 * when one lets a wrong value through.
 */
export function wrongScript(body: Node, names: Names, flag: string): readonly Piece[] {
  if (body.type !== "statement_block") return [];
  const pieces: Piece[] = [];
  const visit = (top: Node, outer: Pace) =>
    walk(top, (node) => {
      if (scriptFunctions.has(node.type) && node.id !== top.id) {
        const inner = node.childForFieldName("body");
        const user = userOf(node);
        if (inner?.type === "statement_block" && /^(forEach|test)$/.test(user))
          visit(inner, user === "test" ? outer : "repeated");
        return "past";
      }
      if (/^class/.test(node.type) || isCatching(node)) return "past";
      if (node.type !== "expression_statement") return "inside";
      const pace = isInLoop(node, top) ? "repeated" : outer;
      const inner = wrongCall(node.namedChildren[0] ?? null, pace, names);
      if (inner !== undefined) pieces.push(...tried(node, inner, flag));
      return inner === undefined ? "inside" : "past";
    });
  visit(body, "once");
  return pieces;
}

/** The pieces for a test that is one expression and no more; undefined where it is no assertion. */
export function wrongExpression(body: Node, names: Names): readonly Piece[] | undefined {
  return wrongCall(body, "once", names);
}

/** Text around an assertion that tries it. No name of the test's own may be hidden by one of ours. */
export function trying(flag: string): { readonly before: string; readonly behind: string } {
  const seen = `${flag}_`;
  return {
    before: `{ let ${seen} = true; try { `,
    behind: ` } catch { ${seen} = false; } ${flag} ||= ${seen}; }`,
  };
}

function tried({ startIndex, endIndex }: Node, inner: readonly Piece[], flag: string): readonly Piece[] {
  const { before, behind } = trying(flag);
  return [
    { start: startIndex, end: startIndex, text: before },
    ...inner,
    { start: endIndex, end: endIndex, text: behind },
  ];
}

function isCatching(node: Node): boolean {
  return node.type === "try_statement" && node.childForFieldName("handler") !== null;
}

/** The method that a callback is given to: those of `forEach` and `t.test` run within the test. */
function userOf(callback: Node): string {
  const call = callback.parent?.parent;
  if (call?.type !== "call_expression") return "";
  return call.childForFieldName("function")?.childForFieldName("property")?.text ?? "";
}

function isInLoop(node: Node, top: Node): boolean {
  for (let parent = node.parent; parent !== null && parent.id !== top.id; parent = parent.parent)
    if (/^(for|for_in|while|do)_statement$/.test(parent.type)) return true;
  return false;
}

function wrongCall(call: Node | null, pace: Pace, names: Names): readonly Piece[] | undefined {
  if (call?.type !== "call_expression") return undefined;
  const callee = call.childForFieldName("function");
  const given = argumentsOf(call);
  if (callee === null || given === undefined) return undefined;
  if (callee.type === "identifier") {
    const assertion = names.modules.has(callee.text) ? "ok" : names.functions.get(callee.text);
    return assertion === undefined ? undefined : wrongAssert(assertion, given, pace);
  }
  const object = callee.childForFieldName("object");
  const property = callee.childForFieldName("property")?.text ?? "";
  if (callee.type !== "member_expression" || object === null) return undefined;
  if (object.type === "call_expression") return wrongExpect(object, property, given, pace, names);
  const isModule =
    names.modules.has(object.text.replace(/\.strict$/, "")) ||
    /^(t|chai|\w*[cC]ontext)\.assert$/.test(object.text);
  return isModule ? wrongAssert(property, given, pace) : undefined;
}

/** Undefined where something is spread. */
function argumentsOf(call: Node): readonly Node[] | undefined {
  const given = (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (child) => child !== null && child.type !== "comment",
  ) as readonly Node[];
  return given.some(({ type }) => type === "spread_element") ? undefined : given;
}

function wrongAssert(name: string, given: readonly Node[], pace: Pace): readonly Piece[] | undefined {
  const [first, second] = given;
  if (first === undefined) return undefined;
  if (name === "ok") return wrongCondition(first, pace);
  if (second === undefined) return undefined;
  if (name === "match") return wrongPattern(second);
  if (!/^(equal|strictEqual|deepEqual|deepStrictEqual)$/.test(name)) return undefined;
  return wrongTruth(second, first, pace) ?? wrongSide(second, first, pace);
}

function wrongExpect(
  expectation: Node,
  matcher: string,
  given: readonly Node[],
  pace: Pace,
  names: Names,
): readonly Piece[] | undefined {
  const isExpect = expectation.childForFieldName("function")?.text === "expect" && names.isExpectKnown;
  const [actual] = argumentsOf(expectation) ?? [];
  if (!isExpect || actual === undefined) return undefined;
  const [expected] = given;
  if (matcher === "toBeTruthy") return wrongCondition(actual, pace);
  if (matcher === "toBeFalsy") return contrary(actual, pace, false);
  if (expected === undefined) return undefined;
  if (matcher === "toBeCloseTo") return wrongSide(expected, actual, pace, far);
  if (matcher === "toContain") return wrongOperand(expected, actual, pace, absent);
  if (matcher === "toHaveLength") return wrongOperand(expected, actual, pace, any);
  if (matcher === "toMatch") return wrongPattern(expected);
  if (matcher === "toBeInstanceOf") return otherClass(expected, otherClasses);
  if (/^toBe(Greater|Less)Than(OrEqual)?$/.test(matcher))
    return wrongOperand(expected, actual, pace, incomparable);
  if (!/^(toBe|toEqual|toStrictEqual)$/.test(matcher)) return undefined;
  return wrongTruth(expected, actual, pace) ?? wrongSide(expected, actual, pace);
}

const otherClasses = ["WeakMap", "DataView", "WeakSet", "ArrayBuffer"];

/** A condition that is compared with `true`. */
function wrongTruth(expected: Node, actual: Node, pace: Pace): readonly Piece[] | undefined {
  return expected.type === "true" ? wrongWithin(actual, pace) : undefined;
}

/** Makes a condition false that is true: by a wrong value where one is compared with, else by its contrary. */
function wrongCondition(condition: Node, pace: Pace): readonly Piece[] | undefined {
  return wrongWithin(condition, pace) ?? contrary(condition, pace, true);
}

function wrongWithin(condition: Node, pace: Pace): readonly Piece[] | undefined {
  if (condition.type === "parenthesized_expression") {
    const [inner] = condition.namedChildren;
    return inner == null ? undefined : wrongWithin(inner, pace);
  }
  if (condition.type === "call_expression") return wrongMethod(condition, pace);
  const [left, right] = [condition.childForFieldName("left"), condition.childForFieldName("right")];
  if (condition.type !== "binary_expression" || left === null || right === null) return undefined;
  const operator = condition.childForFieldName("operator")?.text ?? "";
  if (operator === "&&") return wrongWithin(left, pace) ?? wrongWithin(right, pace);
  if (/^===?$/.test(operator)) return wrongSide(right, left, pace);
  if (!/^[<>]=?$/.test(operator)) return undefined;
  const close = operator.startsWith("<") ? wrongTolerance(left, right, pace) : undefined;
  return (
    close ?? wrongOperand(right, left, pace, incomparable) ?? wrongOperand(left, right, pace, incomparable)
  );
}

/** `f(x).includes("a")` and its kin, `/a/.test(f(x))`. */
function wrongMethod(call: Node, pace: Pace): readonly Piece[] | undefined {
  const callee = call.childForFieldName("function");
  const [first] = argumentsOf(call) ?? [];
  const object = callee?.childForFieldName("object");
  const method = callee?.childForFieldName("property")?.text ?? "";
  if (object == null || first === undefined) return undefined;
  if (object.type === "regex" && method === "test") return wrongPattern(object);
  if (!/^(includes|startsWith|endsWith|has)$/.test(method)) return undefined;
  return /^(array|string|identifier)$/.test(object.type) &&
    first.descendantsOfType("call_expression").length > 0
    ? wrong(object, pace, { kind: "choice" })
    : wrongOperand(first, object, pace, absent);
}

/** `Math.abs(f(x) - 0.5) < 1e-6`. */
function wrongTolerance(call: Node, bound: Node, pace: Pace): readonly Piece[] | undefined {
  if (call.type !== "call_expression" || call.childForFieldName("function")?.text !== "Math.abs")
    return undefined;
  const [difference] = argumentsOf(call) ?? [];
  const [left, right] = [difference?.childForFieldName("left"), difference?.childForFieldName("right")];
  const slack = slackOf([bound]);
  if (difference?.childForFieldName("operator")?.text !== "-" || !left || !right || slack === undefined)
    return undefined;
  return wrongSide(right, left, pace, { kind: "far", slack });
}

/** Words that no text has that has what is asked for. */
function wrongPattern(pattern: Node): readonly Piece[] | undefined {
  if (pattern.type === "regex") return instead(pattern, `/${absentText(pattern.text)}/`);
  return wrong(pattern, "once", absent);
}

/** In a loop the failures of a mere contrary would cost more than they tell. */
function contrary(condition: Node, pace: Pace, truth: boolean): readonly Piece[] | undefined {
  return pace === "once" ? contraryOf(condition, "script", truth) : undefined;
}
