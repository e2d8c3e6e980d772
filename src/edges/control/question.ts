/**
 * Questions put to an assertion beside what it asserts, and the functions that put them, for the end of a test file. What
 * each asks is wrong whatever the code returns: nothing raised where an error is wanted, a value that differs from itself.
 *
 * 1. A question never runs what the real assertion runs: that would be done twice.
 * 2. A question that cannot be asked for certain counts as refused: it raises.
 * 3. In a loop a place asks only the first times, for each failure costs.
 */
import { randomInt } from "node:crypto";
import type { Node } from "web-tree-sitter";
import { unreachable } from "../../kit/assert.ts";
import type { Family, Grammar } from "./grammar.ts";
import type { Piece } from "./piece.ts";
import { everydayWords, oneOf } from "./words.ts";

/** How often an assertion runs in one test: in a loop each run costs a failure, so their number needs a bound. */
export type Pace = "once" | "repeated";

/** How often one place of a test file asks, in all its runs. */
const timesMax = 3;

const named = (last: string) => `_${everydayWords(2).replace(" ", "_")}_${last}`;
const ask = named("a");
const later = named("b");
const errors = named("c");
const raising = named("d");
const inside = named("e");
const first = named("f");
const pair = named("g");
const spent = named("h");

const falsehoods = {
  python: ["False", "None", "0", "''", "0.0", "[]", "{}", "()"],
  script: ["false", "null", "0", "''", "undefined", "NaN", "0n"],
} as const;
const truths = {
  python: ["True", "1", "'x'", "0.5", "[0]", "{0: 0}", "(0,)"],
  script: ["true", "1", "'x'", "0.5", "[]", "({})", "1n"],
} as const;

/** False in place of a condition, or true, which is evaluated all the same: no honest assertion takes it, whatever base does. */
export function contraryOf(condition: Node, family: Family, truth: boolean, pace: Pace): readonly Piece[] {
  return valueInstead(condition, family, oneOf((truth ? falsehoods : truths)[family]), pace);
}

/** A value in place of an expression, which is evaluated all the same. */
export function valueInstead(node: Node, family: Family, value: string, pace: Pace): readonly Piece[] {
  const put = pace === "once" ? value : `${first}(${node.startIndex}, ${value})`;
  return [
    { start: node.startIndex, end: node.startIndex, text: "((" },
    { start: node.endIndex, end: node.endIndex, text: family === "python" ? `), ${put})[1]` : `), ${put})` },
  ];
}

/**
 * What two values have to be so that they differ in nothing: `equal` one plain value twice, `is` one object twice, `in` a
 * part and what holds it, `has` the same the other way round.
 */
export type Bond = "equal" | "is" | "in" | "has";

/** Makes two arguments that must differ the same, each evaluated once, the left one first. */
export function sameTwice(left: Node, right: Node, bond: Bond): readonly Piece[] {
  return [
    { start: left.startIndex, end: left.startIndex, text: `${pair}(${left.startIndex}, ` },
    { start: left.endIndex, end: left.endIndex, text: `, ${right.text}, "${bond}")` },
    { start: right.startIndex, end: right.endIndex, text: `${pair}()` },
  ];
}

/** What a question goes through, one after the other; each must be refused. */
export type Subject =
  | { readonly kind: "falsehoods" | "truths" | "something" }
  /** A function that throws, for what must not throw. */
  | { readonly kind: "throwing" }
  /** Nothing raised; and an error of a class that `expected`, the text of an expression, does not hold. */
  | { readonly kind: "errors"; readonly expected: string };

/** A question of Python: `question` is an expression in which `value` stands for what is asked. A statement. */
export function askPython(at: Node, question: (value: string) => string, subject: Subject): string {
  return `${ask}(${at.startIndex}, lambda ${pair}_: ${question(`${pair}_`)}, lambda: ${pythonSubject(subject)})`;
}

/** The body of a question about errors, as a context is held open. */
export const heldOpen = (manager: string, value: string) => `${inside}(${manager}, ${value})`;

/** The callable and its argument of a question about errors. */
export const called = (value: string) => `${raising}, ${value}`;

function pythonSubject(subject: Subject): string {
  switch (subject.kind) {
    case "errors":
      return `${errors}(${subject.expected})`;
    case "throwing":
      return `[lambda: ${raising}(ValueError())]`;
    case "something":
      return "[0, False, '', 0.0, []]";
    case "falsehoods":
      return `[${falsehoods.python.join(", ")}]`;
    case "truths":
      return `[${truths.python.join(", ")}]`;
    default:
      return unreachable(subject);
  }
}

function scriptSubject(subject: Subject): string {
  switch (subject.kind) {
    case "errors":
      return `${errors}(${subject.expected})`;
    case "throwing":
      return `[${raising}]`;
    case "something":
      return "[0, false, '', NaN, []]";
    case "falsehoods":
      return `[${falsehoods.script.join(", ")}]`;
    case "truths":
      return `[${truths.script.join(", ")}]`;
    default:
      return unreachable(subject);
  }
}

/** A question of JavaScript: an expression that is true where something wrong was let through. */
export function askScript(at: Node, question: (value: string) => string, subject: Subject): string {
  return `${ask}${scriptQuestion(at, question, subject)}`;
}

/** The same for an assertion that is awaited. */
export function askScriptLater(at: Node, question: (value: string) => string, subject: Subject): string {
  return `await ${later}${scriptQuestion(at, question, subject)}`;
}

function scriptQuestion(at: Node, question: (value: string) => string, subject: Subject): string {
  return `(${at.startIndex}, (${pair}_) => ${question(`${pair}_`)}, () => ${scriptSubject(subject)})`;
}

/** The functions that the text calls; "" for one that asks nothing. `raise` is Python's statement for what is let through. */
export function questionFunctions(
  text: string,
  family: Family,
  grammar: Pick<Grammar, "file">,
  raise: string,
) {
  if (![ask, later, first, pair].some((name) => text.includes(`${name}(`))) return "";
  if (family === "python") return pythonQuestions(raise);
  return scriptQuestions(grammar.file !== "tree-sitter-javascript" ? ": any" : "");
}

function pythonQuestions(raise: string): string {
  return `


def ${ask}(site, question, values, left={}):
    left[site] = left.get(site, ${timesMax}) - 1
    if left[site] < 0:
        return
    try:
        wrong = values()
    except Exception:
        return
    for each in wrong:
        try:
            question(each)
        except BaseException:
            continue
        ${raise}


def ${raising}(error):
    if error is not None:
        raise error


def ${inside}(manager, error):
    with manager:
        ${raising}(error)


def ${errors}(expected):
    classes = expected if type(expected) is tuple else (expected,)
    all = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, ZeroDivisionError, OSError, EOFError)
    others = [each for each in all if not [one for one in classes if one in each.__mro__]]
    if [one for one in classes if type(one) is not type] or not others:
        return [None]
    return [None, others[${randomInt(9_973)} % len(others)](${JSON.stringify(everydayWords(2))})]


def ${first}(site, value, left={}):
    left[site] = left.get(site, ${timesMax}) - 1
    if left[site] < 0:
        raise LookupError
    return value


def ${pair}(site=None, left=None, right=None, bond="equal", kept=[None], times={}):
    if site is None:
        return kept[0]

    def plain(value):
        if type(value) in (list, tuple, set, frozenset):
            return not [each for each in value if not plain(each)]
        if type(value) is dict:
            return plain(list(value)) and plain(list(value.values()))
        return type(value) in (int, float, str, bytes, bool, type(None)) and value == value

    times[site] = times.get(site, ${timesMax}) - 1
    if times[site] < 0:
        raise LookupError
    if bond == "in":
        kept[0] = right + left if type(left) is str and type(right) is str else [left]
        return left
    if bond == "is":
        kept[0] = left
        return left
    if not plain(left) and not plain(right):
        raise LookupError
    kept[0] = right if plain(right) else left
    return kept[0]
`;
}

// What is counted is kept on the functions: tests may run before the end of their file does, but functions are there.
function scriptQuestions(any: string): string {
  const promised = any === "" ? "" : ": Promise<any>";
  return `
;function ${spent}(own${any}, site${any})${any} {
  const left${any} = (own.left ??= {});
  left[site] = (left[site] ?? ${timesMax}) - 1;
  return left[site] < 0;
}
function ${ask}(site${any}, question${any}, values${any})${any} {
  if (${spent}(${ask}, site)) return false;
  return values().some((value${any}) => { try { question(value); return true; } catch { return false; } });
}
async function ${later}(site${any}, question${any}, values${any})${promised} {
  if (${spent}(${later}, site)) return false;
  for (const value of values()) try { await question(value); return true; } catch {}
  return false;
}
function ${errors}(expected${any} = undefined)${any} {
  const isClass = typeof expected === "function" && (expected === Error || expected.prototype instanceof Error);
  const others = isClass ? [TypeError, RangeError, SyntaxError, EvalError, URIError].filter((each) => !(new each() instanceof expected)) : [];
  const other = others[${randomInt(9_973)} % Math.max(1, others.length)];
  return other === undefined ? [() => {}] : [() => {}, () => { throw new other(${JSON.stringify(everydayWords(2))}); }];
}
function ${raising}()${any} { throw new RangeError(${JSON.stringify(everydayWords(2))}); }
function ${first}(site${any}, value${any})${any} {
  if (${spent}(${first}, site)) throw new RangeError();
  return value;
}
function ${pair}(site${any} = undefined, left${any} = undefined, right${any} = undefined, bond${any} = "equal")${any} {
  const own${any} = ${pair};
  if (site === undefined) return own.kept;
  const plain${any} = (value${any}) => {
    if (Array.isArray(value)) return value.every(plain);
    if (typeof value !== "object" || value === null) return value === value && !/^(function|symbol)$/.test(typeof value);
    const parts${any} = Object.values(Object.getOwnPropertyDescriptors(value));
    return Object.getPrototypeOf(value) === Object.prototype && parts.every((each${any}) => "value" in each && plain(each.value));
  };
  if (${spent}(own, site)) throw new RangeError();
  if (bond === "has") {
    if (!plain(right)) throw new RangeError();
    own.kept = right;
    return typeof left === "string" && typeof right === "string" ? left + right : [right];
  }
  if (!plain(left) && !plain(right)) throw new RangeError();
  return (own.kept = plain(right) ? right : left);
}
`;
}
