/**
 * What assertions share, whatever their language: the wrong value for an expected one, and the function that makes one at
 * run time where the test file does not show the value.
 */
import { randomInt } from "node:crypto";
import type { Node } from "web-tree-sitter";
import { unreachable } from "../../kit/assert.ts";
import type { Family, Grammar } from "./grammar.ts";
import { absentValue, farValue, numberOf, otherChoice, otherValue } from "./literal.ts";
import type { Piece } from "./piece.ts";
import type { Pace } from "./question.ts";
import { everydayNumber, everydayWords } from "./words.ts";

/** What a rewritten file calls to turn a value into another; it raises where it knows none, or was asked too often. */
const otherName = `_${everydayWords(2).replace(" ", "_")}`;
const callsMax = 200;

/**
 * How far another value has to be: `any` differs, `far` is beyond every tolerance, `absent` is in nothing that holds this one,
 * `choice` is none of the values written out, `incomparable` is neither above nor below anything.
 */
export type Need =
  | { readonly kind: "any" | "absent" | "choice" | "incomparable" }
  | { readonly kind: "far"; readonly slack: number };

export const any: Need = { kind: "any" };
export const absent: Need = { kind: "absent" };
export const incomparable: Need = { kind: "incomparable" };

/** No tolerance but the usual one. */
export const far: Need = { kind: "far", slack: 0 };

/**
 * The pieces that make one side of an equality wrong: `expected` if it can be, else `other`. Undefined where neither side
 * is known to be a plain value: an expected `ANY` is equal to everything in all honesty.
 */
export function wrongSide(
  expected: Node,
  other: Node,
  pace: Pace,
  need: Need = any,
): readonly Piece[] | undefined {
  const approximate = [expected, other].map(wantedNearly).find((each) => each !== undefined);
  if (approximate !== undefined)
    return (
      wrong(approximate.wanted, pace, approximate.need) ?? atRunTime(approximate.wanted, approximate.need)
    );
  if (isLenient(expected) || isLenient(other)) return undefined;
  return (
    wrong(expected, pace, need) ??
    wrong(other, pace, need) ??
    (isComputed(other)
      ? atRunTime(expected, need)
      : isComputed(expected)
        ? atRunTime(other, need)
        : undefined)
  );
}

/** Names of values that are equal to many others, or hold them. */
export function isLenient({ text }: Node): boolean {
  return /\b(?:ANY|Any\w*|[Aa]pprox|Is[A-Z]\w*|[A-Z]\w*(?:Matcher|Like|Of))\b/.test(text);
}

/** `pytest.approx(wanted)`, with tolerances that are numbers written out. */
function wantedNearly(node: Node): { readonly wanted: Node; readonly need: Need } | undefined {
  if (node.type !== "call") return undefined;
  if (!/^(pytest\.)?approx$/.test(node.childForFieldName("function")?.text ?? "")) return undefined;
  const [wanted, ...tolerances] = node.childForFieldName("arguments")?.namedChildren ?? [];
  const slack = slackOf(tolerances);
  return wanted == null || slack === undefined ? undefined : { wanted, need: { kind: "far", slack } };
}

/** The sum of the numbers that are given by name or by position; undefined where one is not written out. */
export function slackOf(given: readonly (Node | null)[]): number | undefined {
  const values = given.filter(
    (each) => each !== null && each.type !== "comment" && !/^msg\b/.test(each.text),
  );
  const numbers = values.map((each) => {
    const value = each?.childForFieldName("value") ?? each;
    if (value == null || value.type === "string") return 0;
    return /^(True|False|None|true|false)$/.test(value.text) ? 0 : numberOf(value);
  });
  return numbers.some((each) => each === undefined)
    ? undefined
    : numbers.reduce<number>((sum, each) => sum + Math.abs(each ?? 0), 0);
}

/** The piece that makes a literal wrong. */
export function wrong(node: Node, pace: Pace, need: Need = any): readonly Piece[] | undefined {
  const piece = otherFor(node, need);
  if (piece === undefined) return undefined;
  return pace === "once" || need.kind === "choice" ? [piece] : asked(node, need);
}

function otherFor(node: Node, need: Need): Piece | undefined {
  switch (need.kind) {
    case "any":
      return otherValue(node);
    case "far":
      return farValue(node, need.slack);
    case "absent":
      return absentValue(node);
    case "choice":
      return otherChoice(node);
    case "incomparable":
      return numberOf(node) === undefined
        ? undefined
        : { start: node.startIndex, end: node.endIndex, text: "(1e999 - 1e999)" };
    default:
      return unreachable(need);
  }
}

function isComputed(node: Node): boolean {
  return node.descendantsOfType(["call", "call_expression"]).length > 0;
}

const plainNames = new Set([
  "identifier",
  "attribute",
  "subscript",
  "member_expression",
  "subscript_expression",
]);

/** The pieces that make the value of a name wrong, while the test runs; undefined for what is no name. */
export function atRunTime(node: Node, need: Need = any): readonly Piece[] | undefined {
  return plainNames.has(node.type) && !isComputed(node) ? asked(node, need) : undefined;
}

/** One side of an order, `in` or the like: the literal, else the name that stands beside something computed. */
export function wrongOperand(node: Node, beside: Node, pace: Pace, need: Need): readonly Piece[] | undefined {
  if (isLenient(node) || isLenient(beside)) return undefined;
  return wrong(node, pace, need) ?? (isComputed(beside) ? atRunTime(node, need) : undefined);
}

function asked(node: Node, need: Need): readonly Piece[] {
  const slack = need.kind === "far" ? `, "far", ${need.slack}` : `, "${need.kind}"`;
  return around(node, `${otherName}(`, need.kind === "any" ? ")" : `${slack})`);
}

/** Other text for a node. */
export function instead(node: Node, text: string): readonly Piece[] {
  return [{ start: node.startIndex, end: node.endIndex, text }];
}

/** A class that no value of this one belongs to, of those that are given. */
export function otherClass(node: Node, classes: readonly string[]): readonly Piece[] | undefined {
  const others = classes.filter((each) => !node.text.includes(each));
  const other = others[randomInt(Math.max(1, others.length))];
  return other === undefined ? undefined : instead(node, other);
}

/** Text before and behind a node. */
function around(node: Node, before: string, behind: string): readonly Piece[] {
  return [
    { start: node.startIndex, end: node.startIndex, text: before },
    { start: node.endIndex, end: node.endIndex, text: behind },
  ];
}

/**
 * The function itself, for the end of a file that calls it; "" for one that does not. Its values are other ones each time: a
 * value that base happens to give must not come again when base is asked again.
 */
export function otherFunction(text: string, family: Family, { file }: Pick<Grammar, "file">): string {
  if (!text.includes(`${otherName}(`)) return "";
  if (family === "python") return pythonOther();
  const isTyped = file !== "tree-sitter-javascript";
  return scriptOther(isTyped ? ": any" : "");
}

/** What makes the values of one function differ from those of the next. */
function chosen() {
  return { seed: randomInt(1, 9_973), number: everydayNumber(), words: JSON.stringify(everydayWords(2)) };
}

function pythonOther(): string {
  const { seed, number, words } = chosen();
  return `


def ${otherName}(value, need="any", slack=0, left=[${callsMax}]):
    left[0] -= 1
    kind = type(value)
    turn = (left[0] * 7919 + ${seed}) % 9973
    if left[0] < 0:
        raise LookupError
    if need == "incomparable":
        if kind is int or kind is float:
            return 1e999 - 1e999
        raise LookupError
    if kind is str and need == "absent":
        return "".join(chr(97 + (ord(each) + turn + at * 5) % 26) for at, each in enumerate((value or "x") * 3))
    if kind in (int, float) and need == "absent":
        return -turn * 1000 - 0.5
    if need == "absent":
        raise LookupError
    if kind in (int, float) and need == "far" and value - value == 0:
        size = abs(value) * (3 + 10 * slack) + 17 + 10 * slack + turn % 1000
        return -size if value < 0 else size
    if kind is bool and need == "any":
        return not value
    if kind is int and need == "any":
        return value + (1, -1, 2, -3, 10, ${number})[turn % 6]
    if kind is float and value - value == 0 and need == "any":
        return value + (abs(value) * 0.1 + 0.05) * (1, -1, 2, ${number})[turn % 4]
    if kind is str and value and need == "any":
        at = turn % len(value)
        letter = value[at]
        alphabet = "x" + letter
        for each in ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"):
            if letter in each:
                alphabet = each
        if len(value) > 1 and turn % 3 == 0:
            return value[:at] + value[at + 1 :]
        return value[:at] + alphabet[(alphabet.index(letter) + 1) % len(alphabet)] + value[at + 1 :]
    if (kind is str or value is None) and need == "any":
        return (${words}, "", 0, False)[turn % 4 if value is None else 0]
    if kind is bytes and need == "any":
        return value + b${words}
    if (kind is list or kind is tuple) and value:
        at = turn % len(value)
        if need == "any" and len(value) > 1 and turn % 5 == 0:
            return value[:at] + value[at + 1 :]
        return value[:at] + kind([${otherName}(value[at], need, slack)]) + value[at + 1 :]
    if need == "far":
        raise LookupError
    if kind is list or kind is tuple:
        return kind([${words}])
    if kind is dict and value:
        key = list(value)[turn % len(value)]
        return {**value, key: ${otherName}(value[key])}
    if kind is dict:
        return {${words}: 1}
    if kind is set or kind is frozenset:
        return value | {${words}}
    raise LookupError
`;
}

function scriptOther(any: string): string {
  const { seed, number, words } = chosen();
  return `
;function ${otherName}(value${any}, need${any} = "any", slack${any} = 0)${any} {
  const self${any} = ${otherName};
  self.left = (self.left ?? ${callsMax}) - 1;
  const turn = (self.left * 7919 + ${seed}) % 9973;
  if (self.left < 0) throw new RangeError();
  const isNumber = typeof value === "number" && Number.isFinite(value);
  if (need === "incomparable" && isNumber) return NaN;
  if (need === "absent" && isNumber) return -turn * 1000 - 0.5;
  if (need === "absent" && typeof value === "string")
    return [...(value || "x").repeat(3)].map((each, at) => String.fromCharCode(97 + ((each.charCodeAt(0) + turn + at * 5) % 26))).join("");
  if (need === "far" && isNumber) {
    const size = Math.abs(value) * (3 + 10 * slack) + 17 + 10 * slack + (turn % 1000);
    return value < 0 ? -size : size;
  }
  if (need !== "any") throw new RangeError();
  if (typeof value === "boolean") return !value;
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value + ([1, -1, 2, -3, 10, ${number}][turn % 6] ?? 1);
  if (isNumber) return value + (Math.abs(value) * 0.1 + 0.05) * ([1, -1, 2, ${number}][turn % 4] ?? 1);
  if (typeof value === "bigint") return value + BigInt([1, 2, ${number}][turn % 3] ?? 1);
  if (typeof value === "string" && value !== "") {
    const at = turn % value.length;
    const letter = value.charAt(at);
    const sets = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"];
    const all = sets.find((each) => each.includes(letter)) ?? letter + "x";
    if (value.length > 1 && turn % 3 === 0) return value.slice(0, at) + value.slice(at + 1);
    return value.slice(0, at) + all.charAt((all.indexOf(letter) + 1) % all.length) + value.slice(at + 1);
  }
  if (value === null || value === undefined) return [${words}, "", 0, false][turn % 4];
  if (typeof value === "string") return ${words};
  if (Array.isArray(value) && value.length > 0) {
    const place = turn % value.length;
    if (value.length > 1 && turn % 5 === 0) return value.filter((_each${any}, at${any}) => at !== place);
    return value.map((each${any}, at${any}) => (at === place ? self(each) : each));
  }
  if (Array.isArray(value)) return [${words}];
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    const key = Object.keys(value)[turn % Math.max(1, Object.keys(value).length)];
    return key === undefined ? { [${words}]: 1 } : { ...value, [key]: self(value[key]) };
  }
  throw new RangeError();
}
`;
}
