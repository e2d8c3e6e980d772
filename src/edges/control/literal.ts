/**
 * Wrong values for right ones: a literal replaced by another of its type. What is no literal has no other value here;
 * a list or record is one whatever it holds, because one more part makes it another.
 */
import { randomInt } from "node:crypto";
import type { Node } from "web-tree-sitter";
import type { Piece } from "./piece.ts";
import { everydayNumber, everydayWords } from "./words.ts";

/** The piece that turns the value of this expression into another; undefined for what is no literal. */
export function otherValue(node: Node): Piece | undefined {
  switch (node.type) {
    case "parenthesized_expression":
    case "as_expression":
    case "satisfies_expression":
      return inside(node);
    case "integer":
    case "float":
    case "number":
    case "unary_operator":
    case "unary_expression":
      return otherNumber(node);
    case "string":
    case "concatenated_string":
    case "template_string":
      return otherText(node);
    case "true":
    case "false":
      return instead(node, otherTruth[node.text] ?? node.text);
    case "none":
    case "null":
    case "undefined":
      return instead(node, words());
    case "list":
    case "tuple":
    case "set":
    case "array":
      return otherParts(node, parts(node), words());
    case "dictionary":
    case "object": {
      const values = parts(node).map((pair) => pair.childForFieldName("value"));
      return otherParts(
        node,
        values.filter((value) => value !== null),
        `${words()}: 1`,
      );
    }
    default:
      return undefined;
  }
}

const otherTruth: Readonly<Record<string, string>> = {
  True: "False",
  False: "True",
  true: "false",
  false: "true",
};

function words(): string {
  return JSON.stringify(everydayWords(2));
}

function instead(node: Node, text: string): Piece {
  return { start: node.startIndex, end: node.endIndex, text };
}

/** The value a bracket or a type stands around. */
function inside(node: Node): Piece | undefined {
  const [value] = parts(node);
  return value === undefined ? undefined : otherValue(value);
}

function parts(node: Node): readonly Node[] {
  return node.namedChildren.filter((child) => child !== null && child.type !== "comment") as readonly Node[];
}

function otherNumber(node: Node): Piece | undefined {
  const text = node.text.replaceAll("_", "").replaceAll(" ", "");
  if (/^-?\d+n$/.test(text)) return instead(node, `${text.slice(0, -1)}${everydayNumber()}n`);
  const value = Number(text);
  if (!Number.isFinite(value) || !/\d/.test(text)) return undefined;
  // Far away, so that no tolerance reaches it.
  const other =
    Number.isInteger(value) && Math.abs(value) < 1e9 ? everydayNumber() : value * 3 + everydayNumber() + 0.25;
  return instead(node, String(other === value ? other + 1 : other));
}

function otherText(node: Node): Piece | undefined {
  const isFilled =
    node.descendantsOfType("interpolation").length + node.descendantsOfType("template_substitution").length;
  if (isFilled > 0) return undefined;
  return instead(node, `${/^[rR]?[bB]/.test(node.text) ? "b" : ""}${words()}`);
}

/** One of the parts otherwise, so that the length tells nothing; where none can be, one part more. */
function otherParts(node: Node, all: readonly Node[], more: string): Piece {
  const others = all.map(otherValue).filter((piece) => piece !== undefined);
  const other = others.length === 0 ? undefined : others[randomInt(others.length)];
  if (other !== undefined) return other;
  const isLast = parts(node).length === 0 && node.type !== "tuple";
  const at = node.startIndex + 1;
  return { start: at, end: at, text: isLast ? more : `${more}, ` };
}
