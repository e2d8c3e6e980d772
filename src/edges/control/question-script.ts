/**
 * Questions that are put to an assertion of JavaScript or TypeScript beside the real one, which is asked for nothing itself:
 * what it runs is run once. See question.ts.
 */
import type { Node } from "web-tree-sitter";
import { argumentsOf, expectedOf, type Names } from "./names-script.ts";
import { askScript, askScriptLater, type Subject } from "./question.ts";

/**
 * An expression that is true where the assertion lets something wrong through: `assert.throws(f)` of an `f` that returns,
 * `assert.ok(0n)`. Undefined for what is no assertion, or one that wrong values are put into already.
 */
export function questionOf(statement: Node, names: Names): string | undefined {
  const isAwaited = statement.type === "await_expression";
  const call = isAwaited ? statement.namedChildren[0] : statement;
  const callee = call?.type === "call_expression" ? call.childForFieldName("function") : null;
  const given = call == null ? undefined : argumentsOf(call);
  if (call == null || callee === null || given === undefined) return undefined;
  const question = wordsOf(callee, given, names);
  if (question === undefined || question.isLater !== isAwaited) return undefined;
  return (isAwaited ? askScriptLater : askScript)(call, question.text, question.subject);
}

interface Question {
  readonly text: (value: string) => string;
  readonly subject: Subject;
  readonly isLater: boolean;
}

function wordsOf(callee: Node, given: readonly Node[], names: Names): Question | undefined {
  const called = callee.text;
  if (callee.type === "identifier") {
    const name = names.modules.has(called) ? "ok" : names.functions.get(called);
    return name === undefined ? undefined : ofAssert(name, called, given);
  }
  const object = callee.childForFieldName("object");
  const property = callee.childForFieldName("property")?.text ?? "";
  if (callee.type !== "member_expression" || object === null) return undefined;
  const isModule =
    names.modules.has(object.text.replace(/\.strict$/, "")) ||
    /^(t|chai|\w*[cC]ontext)\.assert$/.test(object.text);
  return isModule ? ofAssert(property, called, given) : ofExpect(object, property, given, names);
}

function ofAssert(name: string, called: string, given: readonly Node[]): Question | undefined {
  const [first, second] = given;
  if (first === undefined) return undefined;
  if (name === "ok") return now((value) => `${called}(${value})`, { kind: "falsehoods" });
  if (name === "doesNotThrow") return now((value) => `${called}(${value})`, { kind: "throwing" });
  const expected = fixed(second);
  const more = expected === "" ? "" : `, ${expected}`;
  const subject = { kind: "errors", expected } as const;
  if (name === "throws") return now((value) => `${called}(${value}${more})`, subject);
  if (name !== "rejects") return undefined;
  return { text: (value) => `${called}(async () => ${value}()${more})`, subject, isLater: true };
}

function ofExpect(object: Node, matcher: string, given: readonly Node[], names: Names): Question | undefined {
  const word = object.type === "member_expression" ? (object.childForFieldName("property")?.text ?? "") : "";
  const expectation = word === "" ? object : object.childForFieldName("object");
  if (expectation?.type !== "call_expression" || expectedOf(expectation, names) === undefined)
    return undefined;
  const isThrow = /^toThrow(Error)?$/.test(matcher);
  const expected = isThrow ? fixed(given[0]) : "";
  const subject = { kind: "errors", expected } as const;
  if (word === "rejects" && matcher.startsWith("to")) {
    const text = (value: string) => `expect((async () => ${value}())()).rejects.toThrow(${expected})`;
    return { text, subject, isLater: true };
  }
  if (word === "not" && isThrow && given.length === 0)
    return now((value) => `expect(${value}).not.${matcher}()`, { kind: "throwing" });
  if (word !== "") return undefined;
  if (isThrow) return now((value) => `expect(${value}).${matcher}(${expected})`, subject);
  const kind = matcher === "toBeTruthy" ? "falsehoods" : matcher === "toBeFalsy" ? "truths" : undefined;
  return kind === undefined ? undefined : now((value) => `expect(${value}).${matcher}()`, { kind });
}

function now(text: (value: string) => string, subject: Subject): Question {
  return { text, subject, isLater: false };
}

/** What may be evaluated once more: a name or a literal; "" for anything else. */
function fixed(node: Node | undefined): string {
  return node !== undefined && /^(identifier|member_expression|regex|string)$/.test(node.type)
    ? node.text
    : "";
}
