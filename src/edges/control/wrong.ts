/**
 * What assertions share, whatever their language: the wrong value for an expected one, and the function that makes one at
 * run time where the test file does not show the value.
 */
import type { Node } from "web-tree-sitter";
import type { Family, Grammar } from "./grammar.ts";
import { otherValue } from "./literal.ts";
import type { Piece } from "./piece.ts";
import { everydayNumber, everydayWords } from "./words.ts";

/** How often an assertion runs in one test: in a loop each run costs a failure, so their number needs a bound. */
export type Pace = "once" | "repeated";

/** What a rewritten file calls to turn a value into another; it raises where it knows none, or was asked too often. */
const otherName = `_${everydayWords(2).replace(" ", "_")}`;
const callsMax = 200;

/**
 * The pieces that make one side of an equality wrong: `expected` if it can be, else `other`. Undefined where neither side
 * is known to be a plain value: an expected `ANY` is equal to everything in all honesty.
 */
export function wrongSide(expected: Node, other: Node, pace: Pace): readonly Piece[] | undefined {
  const isLenient = [expected, other].some(({ text }) => lenient.test(text));
  if (isLenient) return undefined;
  return (
    wrong(expected, pace) ??
    wrong(other, pace) ??
    (isComputed(other) ? atRunTime(expected) : isComputed(expected) ? atRunTime(other) : undefined)
  );
}

/** Names of values that are equal to many others. */
const lenient = /\b(?:ANY|Any\w*|[Aa]pprox|Is[A-Z]\w*|[A-Z]\w*(?:Matcher|Like|Of))\b/;

/** The piece that makes a literal wrong. */
export function wrong(node: Node, pace: Pace): readonly Piece[] | undefined {
  const piece = otherValue(node);
  if (piece === undefined) return undefined;
  return pace === "once" ? [piece] : around(node, `${otherName}(`, ")");
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

function atRunTime(node: Node): readonly Piece[] | undefined {
  return plainNames.has(node.type) && !isComputed(node) ? around(node, `${otherName}(`, ")") : undefined;
}

/** Text before and behind a node. */
export function around(node: Node, before: string, behind: string): readonly Piece[] {
  return [
    { start: node.startIndex, end: node.startIndex, text: before },
    { start: node.endIndex, end: node.endIndex, text: behind },
  ];
}

/** The function itself, for the end of a file that calls it; "" for one that does not. */
export function otherFunction(text: string, family: Family, { file }: Pick<Grammar, "file">): string {
  if (!text.includes(`${otherName}(`)) return "";
  if (family === "python") return pythonOther;
  const isTyped = file !== "tree-sitter-javascript";
  return scriptOther(isTyped ? ": any" : "");
}

const number = everydayNumber();
const words = JSON.stringify(everydayWords(3));

const pythonOther = `


def ${otherName}(value, left=[${callsMax}]):
    left[0] -= 1
    kind = type(value)
    if left[0] < 0:
        raise LookupError
    if kind is bool:
        return not value
    if kind is int or (kind is float and value - value == 0):
        return value * 3 + ${number}
    if kind is str or value is None:
        return ${words}
    if kind is bytes:
        return value + b${words}
    if (kind is list or kind is tuple) and value:
        at = ${number} % len(value)
        return value[:at] + kind([${otherName}(value[at])]) + value[at + 1 :]
    if kind is list or kind is tuple:
        return kind([${words}])
    if kind is dict:
        return {**value, ${words}: 1}
    if kind is set or kind is frozenset:
        return value | {${words}}
    raise LookupError
`;

function scriptOther(any: string): string {
  return `
;function ${otherName}(value${any})${any} {
  const self${any} = ${otherName};
  self.left = (self.left ?? ${callsMax}) - 1;
  if (self.left < 0) throw new RangeError();
  if (typeof value === "boolean") return !value;
  if (typeof value === "number" && Number.isFinite(value)) return value * 3 + ${number};
  if (typeof value === "bigint") return value + BigInt(${number});
  if (typeof value === "string" || value === null || value === undefined) return ${words} + String(value);
  if (Array.isArray(value) && value.length > 0)
    return value.map((each${any}, at${any}) => (at === ${number} % value.length ? self(each) : each));
  if (Array.isArray(value)) return [${words}];
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype)
    return { ...value, ${words}: 1 };
  throw new RangeError();
}
`;
}
