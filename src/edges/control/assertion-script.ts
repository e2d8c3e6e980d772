/**
 * Assertions of JavaScript and TypeScript made wrong. Each is tried: an honest one throws and the test goes on as if it had
 * passed; one that lets the wrong value through sets the variable that the test's end looks at. Left alone: whatever may
 * be expected to throw, and functions of other names or from unknown modules, which need not throw at all.
 */
import type { Node } from "web-tree-sitter";
import { scriptFunctions } from "./body.ts";
import { walk } from "./grammar.ts";
import { absentText } from "./literal.ts";
import { argumentsOf, expectedOf, type Names } from "./names-script.ts";
import type { Piece } from "./piece.ts";
import { contraryOf, type Pace, sameTwice, valueInstead } from "./question.ts";
import { questionOf } from "./question-script.ts";
import {
  absent,
  any,
  far,
  incomparable,
  instead,
  otherClass,
  slackOf,
  wrong,
  wrongOperand,
  wrongSide,
} from "./wrong.ts";

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
      const [only = null] = node.namedChildren;
      const inner = wrongCall(only, pace, names);
      const question = only === null ? undefined : questionOf(only, names);
      if (question !== undefined) pieces.push({ ...startOf(node), text: `{ ${flag} ||= ${question}; ` });
      if (inner !== undefined) pieces.push(...tried(node, inner, flag));
      if (question !== undefined) pieces.push({ start: node.endIndex, end: node.endIndex, text: " }" });
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

function startOf({ startIndex }: Node): { readonly start: number; readonly end: number } {
  return { start: startIndex, end: startIndex };
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
  const denied =
    object.childForFieldName("property")?.text === "not" ? object.childForFieldName("object") : null;
  if (denied?.type === "call_expression") return wrongDenial(denied, property, given, pace, names);
  const isModule =
    names.modules.has(object.text.replace(/\.strict$/, "")) ||
    /^(t|chai|\w*[cC]ontext)\.assert$/.test(object.text);
  return isModule ? wrongAssert(property, given, pace) : undefined;
}

function wrongAssert(name: string, given: readonly Node[], pace: Pace): readonly Piece[] | undefined {
  const [first, second] = given;
  if (first === undefined) return undefined;
  if (name === "ok") return wrongCondition(first, pace);
  if (second === undefined) return undefined;
  if (name === "match") return wrongPattern(second);
  if (name === "doesNotMatch") return second.type === "regex" ? instead(second, "/(?:)/") : undefined;
  if (/^not(Strict|Deep|DeepStrict)?[eE]qual$/.test(name)) return sameTwice(first, second, "equal");
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
  const actual = expectedOf(expectation, names);
  if (actual === undefined) return undefined;
  const [expected] = given;
  const contraryValue = contraries[matcher];
  if (contraryValue !== undefined) return valueInstead(actual, "script", contraryValue, pace);
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

/** What the contrary of a matcher puts in place of what is asserted. */
const contraries: Readonly<Record<string, string>> = {
  toBeNull: "0",
  toBeUndefined: "0",
  toBeDefined: "undefined",
};
const denials: Readonly<Record<string, string>> = {
  toBeNull: "null",
  toBeUndefined: "undefined",
  toBeNaN: "NaN",
};

/** `expect(f(x)).not.toBe(3)`: what must not be is. */
function wrongDenial(
  expectation: Node,
  matcher: string,
  given: readonly Node[],
  pace: Pace,
  names: Names,
): readonly Piece[] | undefined {
  const actual = expectedOf(expectation, names);
  if (actual === undefined) return undefined;
  const value = denials[matcher];
  if (value !== undefined) return valueInstead(actual, "script", value, pace);
  if (matcher === "toBeTruthy") return contrary(actual, pace, false);
  if (matcher === "toBeFalsy") return contrary(actual, pace, true);
  const [expected] = given;
  if (expected === undefined) return undefined;
  if (/^(toBe|toEqual|toStrictEqual)$/.test(matcher)) return sameTwice(actual, expected, "equal");
  if (matcher === "toContain") return sameTwice(actual, expected, "has");
  return matcher === "toMatch" && expected.type === "regex" ? instead(expected, "/(?:)/") : undefined;
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

function contrary(condition: Node, pace: Pace, truth: boolean): readonly Piece[] {
  return contraryOf(condition, "script", truth, pace);
}
