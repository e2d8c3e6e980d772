/**
 * Wrong values for right ones: a literal replaced by another of its type, as often by one like it as by one far from it, so that no
 * form tells it. What is no literal has no other value here; a list or record is one whatever it holds, because one more
 * part makes it another.
 */
import { randomInt } from "node:crypto";
import type { Node } from "web-tree-sitter";
import type { Piece } from "./piece.ts";
import { everydayNumber, everydayWords, oneOf, otherLetter } from "./words.ts";

/** The piece that turns the value of this expression into another; undefined for what is no literal. */
export function otherValue(node: Node): Piece | undefined {
  switch (node.type) {
    case "parenthesized_expression":
    case "as_expression":
    case "satisfies_expression":
      return inside(node, otherValue);
    case "integer":
    case "float":
    case "number":
    case "unary_operator":
    case "unary_expression":
      return otherNumber(node);
    case "concatenated_string":
      return inside(node, otherValue);
    case "string":
    case "template_string":
      return otherText(node);
    case "true":
    case "false":
      return instead(node, otherTruth[node.text] ?? node.text);
    case "none":
    case "null":
    case "undefined":
      return instead(node, oneOf(["0", '""', node.type === "none" ? "False" : "false", words()]));
    case "list":
    case "tuple":
    case "set":
    case "array":
      return otherItems(node);
    case "dictionary":
    case "object":
      return otherParts(node, valuesOf(node), `${words()}: 1`);
    default:
      return undefined;
  }
}

/**
 * Like otherValue, for a number or numbers compared with a tolerance that the test file shows: `slack` is 0 or more, and
 * at least the largest of its parts.
 */
export function farValue(node: Node, slack: number): Piece | undefined {
  if (/^(parenthesized|as|satisfies)_expression$/.test(node.type))
    return inside(node, (each) => farValue(each, slack));
  const value = numberOf(node);
  if (value !== undefined) return instead(node, String(farNumber(value, slack)));
  const all = /^(list|tuple|array)$/.test(node.type)
    ? parts(node)
    : /^(dictionary|object)$/.test(node.type)
      ? valuesOf(node)
      : [];
  const others = all.map((each) => farValue(each, slack)).filter((piece) => piece !== undefined);
  return others[randomInt(Math.max(1, others.length))];
}

/** Beyond what a tolerance reaches, be it in parts of the value or in whole numbers. */
function farNumber(value: number, slack: number): number {
  const size = Math.abs(value) * (3 + 10 * slack) + 17 + 10 * slack + randomInt(1_000);
  return value < 0 ? -size : size;
}

/** The piece that turns a literal into one that nothing holds that holds this one; undefined for other than texts and numbers. */
export function absentValue(node: Node): Piece | undefined {
  const value = numberOf(node);
  // Neither whole nor positive: a range that holds one number may hold many.
  if (value !== undefined) return instead(node, `-${randomInt(100_000, 100_000_000)}.5`);
  const text = plainText(node);
  return text === undefined ? undefined : instead(node, `${text.prefix}"${absentText(text.content)}"`);
}

/** As long as this one and of the same kind of letters, eight or more, and only here and there the same. */
export function absentText(content: string): string {
  const letters = [...content].map((letter) => (/[A-Za-z0-9]/.test(letter) ? letter : "x")).join("");
  const long = letters.padEnd(8, letters === "" ? "q" : letters);
  return [...long].map((letter, at) => (at % 3 === 2 ? letter : otherLetter(letter))).join("");
}

/** For what is one of some values written out: one like them that is not among them. */
export function otherChoice(node: Node): Piece | undefined {
  if (!/^(list|tuple|set|array)$/.test(node.type)) return undefined;
  const all = parts(node);
  const known = new Set(all.map((each) => each.text));
  const [first] = all;
  if (first === undefined || !all.every((each) => isPlain(each))) return undefined;
  for (let tries = 0; tries < 50; tries++) {
    const text = otherValue(all[randomInt(all.length)] ?? first)?.text;
    if (text !== undefined && !known.has(text)) return instead(node, `[${text}]`);
  }
  return undefined;
}

function isPlain(node: Node): boolean {
  return numberOf(node) !== undefined || (node.type === "string" && plainText(node) !== undefined);
}

const otherTruth: Readonly<Record<string, string>> = {
  True: "False",
  False: "True",
  true: "false",
  false: "true",
};

function words(): string {
  return JSON.stringify(everydayWords(randomInt(1, 3)));
}

function instead(node: Node, text: string): Piece {
  return { start: node.startIndex, end: node.endIndex, text };
}

/** The value a bracket or a type stands around. */
function inside(node: Node, other: (node: Node) => Piece | undefined): Piece | undefined {
  const [value] = parts(node);
  return value === undefined ? undefined : other(value);
}

function parts(node: Node): readonly Node[] {
  return node.namedChildren.filter((child) => child !== null && child.type !== "comment") as readonly Node[];
}

function valuesOf(node: Node): readonly Node[] {
  return parts(node)
    .map((pair) => pair.childForFieldName("value"))
    .filter((value) => value !== null);
}

/** The value of a number written out; undefined for anything else. */
export function numberOf(node: Node): number | undefined {
  if (!/^(integer|float|number|unary_operator|unary_expression)$/.test(node.type)) return undefined;
  const text = node.text.replaceAll("_", "").replaceAll(" ", "");
  const value = Number(text);
  return Number.isFinite(value) && /\d/.test(text) ? value : undefined;
}

function otherNumber(node: Node): Piece | undefined {
  const text = node.text.replaceAll("_", "").replaceAll(" ", "");
  // Another digit among the first ones: a change at the end of a long number may be lost where numbers are not exact.
  if (/^-?\d{10,}n?$/.test(text) || /^-?\d+n$/.test(text)) {
    const at = text.search(/\d/) + randomInt(Math.min(9, text.match(/\d/g)?.length ?? 1));
    const isFirst = at === text.search(/\d/);
    const digit = isFirst ? String((Number(text.charAt(at)) % 9) + 1) : otherLetter(text.charAt(at));
    return instead(node, `${text.slice(0, at)}${digit}${text.slice(at + 1)}`);
  }
  const value = numberOf(node);
  return value === undefined ? undefined : instead(node, String(otherNumberThan(value, node.type)));
}

function otherNumberThan(value: number, type: string): number {
  const isWhole = Number.isInteger(value) && type !== "float" && Math.abs(value) < 1e9;
  const sign = oneOf([1, -1]);
  if (isWhole) return value + sign * oneOf([1, 1, 2, 3, 10, everydayNumber()]);
  // Beyond the tolerance of any equality that means it.
  return (
    value + sign * (Math.abs(value) * oneOf([0.05, 0.1, 0.3]) + oneOf([0.05, 0.125, 1.5, everydayNumber()]))
  );
}

interface Text {
  readonly prefix: string;
  readonly quote: string;
  readonly content: string;
}

/** A text without anything to fill in; undefined for others. */
function plainText(node: Node): Text | undefined {
  if (node.type !== "string" && node.type !== "template_string") return undefined;
  const isFilled =
    node.descendantsOfType("interpolation").length + node.descendantsOfType("template_substitution").length;
  const found = /^([A-Za-z]*)("""|'''|"|'|`)([\s\S]*)\2$/.exec(node.text);
  if (isFilled > 0 || found === null) return undefined;
  const [, before = "", quote = "", content = ""] = found;
  return { prefix: /b/i.test(before) ? "b" : "", quote, content };
}

const escaped = /\\(?:x[\da-fA-F]{2}|u\{[\da-fA-F]+\}|[uU][\da-fA-F]{4,8}|N\{[^}]*\}|[0-7]{1,3}|[\s\S])/g;

/** One letter otherwise, out, or twice; or words of another kind. */
function otherText(node: Node): Piece | undefined {
  const text = plainText(node);
  if (text === undefined) return undefined;
  const { prefix, content } = text;
  const plain = content.replace(escaped, (found) => "\\".repeat(found.length));
  const places = [...plain].flatMap((letter, at) => (/[A-Za-z0-9]/.test(letter) ? [at] : []));
  const place = places[randomInt(Math.max(1, places.length))];
  if (place === undefined || plain.length !== [...plain].length || randomInt(5) === 0)
    return instead(node, `${prefix}${words()}`);
  const start = node.startIndex + node.text.indexOf(text.quote) + text.quote.length + place;
  const letter = content.charAt(place);
  const others: readonly [string, ...string[]] = [
    otherLetter(letter),
    otherLetter(letter),
    letter + letter,
    "",
  ];
  // Where the letter is a value of its own, as "1" may be, only another keeps the kind.
  return { start, end: start + 1, text: places.length === 1 ? otherLetter(letter) : oneOf(others) };
}

/** One item otherwise, out, or twice; where none can be, one more. */
function otherItems(node: Node): Piece {
  const all = parts(node);
  const at = randomInt(Math.max(1, all.length));
  const [item, next] = [all[at], all[at + 1]];
  const more = otherParts(node, all, words());
  if (item === undefined || next === undefined || node.type === "set" || randomInt(3) > 0) return more;
  // A tuple of one part needs its comma.
  if (all.length > 2 && randomInt(2) === 0) return { start: item.startIndex, end: next.startIndex, text: "" };
  const isCopied = otherValue(item) !== undefined && !/spread|splat/.test(item.type);
  return isCopied ? { start: item.startIndex, end: item.startIndex, text: `${item.text}, ` } : more;
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
