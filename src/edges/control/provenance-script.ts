/** What a test file in JavaScript or TypeScript says of where its values come from. */
import type { Node } from "web-tree-sitter";
import type { Assertion, Reading, Side, SuiteText, Use } from "../../domain/provenance.ts";
import { scriptFunctions } from "./body.ts";
import { walk } from "./grammar.ts";
import { importsOf } from "./names-script.ts";
import {
  byName,
  type Definition,
  everywhere,
  lineOf,
  pathsIn,
  type Scopes,
  scopeOf,
  shown,
  sideOf,
  stepsMax,
  type Tongue,
  touchedBy,
} from "./side.ts";

const literals = new Set(
  "number string template_string true false null undefined array object regex".split(" "),
);
const named = /^(?:identifier|shorthand_property_identifier)$/;

const tongue: Tongue = {
  functions: scriptFunctions,
  nameOf: (node) =>
    named.test(node.type) ? node.text : /^this\.\w+$/.test(node.text) ? node.text : undefined,
  isPast: ({ type }) => /^(?:type_annotation|type_arguments|comment)$/.test(type),
  calleeOf: (node) =>
    node.childForFieldName(node.type === "new_expression" ? "constructor" : "function") ?? undefined,
  isLiteral: ({ type }) => literals.has(type),
};

/** `root` is the tree of a whole file. */
export function scriptSuite(root: Node): SuiteText | undefined {
  const scopes = scopesOf(root);
  const uses: Use[] = importsOf(root).map(({ from, local, imported }) => ({
    ...{ line: lineIn(root, from), module: from, local },
    name: imported === "default" || imported === "*" ? undefined : imported,
  }));
  const readings: Reading[] = [];
  const assertions: Assertion[] = [];
  const odd: SuiteText["odd"][number][] = [];
  walk(root, (node) => {
    if (node.type === "import_statement") return "past";
    uses.push(...loadsOf(node));
    if (node.type === "call_expression") {
      assertions.push(...assertionsOf(node, scopes));
      const reading = readingOf(node, scopes);
      if (reading !== undefined) readings.push(reading);
    }
    const why = oddness(node);
    if (why !== undefined) odd.push({ line: lineOf(node), why });
    return "inside";
  });
  const modules = new Set(uses.flatMap(({ name, local }) => (name === undefined ? [local] : [])));
  const attributes: SuiteText["attributes"][number][] = [];
  walk(root, (node) => {
    const found = attributeOf(node, modules);
    if (found !== undefined) attributes.push(found);
    return "inside";
  });
  if (scopes.steps.left <= 0) return undefined;
  return { uses, attributes, readings, assertions, odd, isMoving: /\bchdir\b/.test(root.text) };
}

function lineIn(root: Node, module: string): number {
  const at = root.text.indexOf(module);
  return root.text.slice(0, Math.max(0, at)).split("\n").length;
}

/** `const { double } = require("../calc")`, `await import("../calc.js")`, and one whose name is asked for at once. */
function loadsOf(node: Node): readonly Use[] {
  if (node.type !== "call_expression") return [];
  const module = /^(?:require|import)\(\s*(["'`])([^"'`$]+)\1\s*\)$/.exec(node.text)?.[2];
  if (module === undefined) return [];
  const line = lineOf(node);
  let value = node;
  while (value.parent !== null && /^(?:await_expression|parenthesized_expression)$/.test(value.parent.type))
    value = value.parent;
  const above = value.parent;
  const property =
    above?.type === "member_expression" ? above.childForFieldName("property")?.text : undefined;
  if (property !== undefined) return [{ line, module, name: property, local: property }];
  const target = above?.type === "variable_declarator" ? above.childForFieldName("name") : null;
  if (target === null || target.type === "identifier")
    return [{ line, module, name: undefined, local: target?.text ?? "(module)" }];
  return target.namedChildren.flatMap((part): Use[] => {
    if (part?.type === "shorthand_property_identifier_pattern")
      return [{ line, module, name: part.text, local: part.text }];
    const [key, own] = [part?.childForFieldName("key")?.text, part?.childForFieldName("value")?.text];
    return key === undefined || own === undefined ? [] : [{ line, module, name: key, local: own }];
  });
}

/** `words.count` of a module; of what is no module only what is not called. */
function attributeOf(node: Node, modules: ReadonlySet<string>) {
  if (node.type === "variable_declarator") return undefined;
  if (node.type !== "member_expression") return undefined;
  const object = node.childForFieldName("object");
  const name = node.childForFieldName("property")?.text;
  if (object?.type !== "identifier" || name === undefined) return undefined;
  const isCalled = node.parent?.childForFieldName("function")?.id === node.id;
  const isChain = node.parent?.type === "member_expression";
  if (!modules.has(object.text) && (isCalled || isChain || /^(?:name|length|prototype)$/.test(name)))
    return undefined;
  return { line: lineOf(node), local: object.text, name };
}

function oddness(node: Node): string | undefined {
  if (node.type === "member_expression" && node.text === "import.meta.glob")
    return "imports by a pattern: import what is tested by its name";
  if (node.type !== "call_expression") return undefined;
  const callee = node.childForFieldName("function")?.text ?? "";
  const given = argumentsOf(node);
  if (
    /^(?:require|import)$/.test(callee) &&
    given.some(({ type, text }) => type !== "string" && !/^`[^$]*`$/.test(text))
  )
    return "imports by a text that is made up: import what is tested by its name";
  return /\.toMatch\w*Snapshot$|\.toThrowErrorMatching\w*Snapshot$|\.snapshot$/.test(callee)
    ? "compares with a snapshot, which the code itself makes: write the value out"
    : undefined;
}

const reads =
  /^(?:readFile|readFileSync|createReadStream|stat|statSync|lstatSync|readdir|readdirSync|openSync|opendirSync|globSync)$/;

function readingOf(call: Node, scopes: Scopes): Reading | undefined {
  const callee = call.childForFieldName("function");
  const name = callee?.childForFieldName("property")?.text ?? callee?.text ?? "";
  if (!reads.test(name)) return undefined;
  const side = sideOf([call], scopes, "given");
  return { line: lineOf(call), text: shown(call), side, words: side.words, paths: pathsIn(side.texts) };
}

function argumentsOf(call: Node): readonly Node[] {
  return (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (each): each is Node => each !== null && each.type !== "comment",
  );
}

function scopesOf(root: Node): Scopes {
  const definitions: Definition[] = [];
  const steps = { left: stepsMax };
  const parameters: { readonly name: string; readonly start: number; readonly end: number }[] = [];
  const give = (
    target: Node | null | undefined,
    values: readonly (Node | null)[],
    place: { readonly start: number; readonly end: number },
  ) => {
    if (target == null) return;
    for (const name of targetsIn(target))
      definitions.push({ name, values: values.filter((each) => each !== null), kind: "given", ...place });
  };
  walk(root, (node) => {
    const field = (name: string) => node.childForFieldName(name);
    const here = () => scopeOf(node, scriptFunctions);
    if (node.type === "variable_declarator") {
      const value = field("value");
      // A module is a root of its own.
      if (value !== null && !/^(?:await\s+)?\(?(?:require|import)\(/.test(value.text))
        give(field("name"), [value], here());
    }
    if (/assignment_expression$/.test(node.type)) give(field("left"), [field("right")], everywhere);
    if (node.type === "for_in_statement") give(field("left"), [field("right")], here());
    if (/^(?:generator_)?function_declaration$|^class_declaration$/.test(node.type))
      give(field("name"), [field("body")], here());
    if (scriptFunctions.has(node.type)) {
      const place = { start: node.startIndex, end: node.endIndex };
      const list = field("parameters") ?? field("parameter");
      const call = node.parent?.type === "arguments" ? node.parent.parent : null;
      const beside = call === null ? [] : argumentsOf(call).filter(({ id }) => id !== node.id);
      const values = call === null ? [] : [call.childForFieldName("function"), ...beside];
      if (call !== null) give(list, values, place);
      else for (const name of list === null ? [] : targetsIn(list)) parameters.push({ name, ...place });
    }
    if (node.type === "call_expression")
      definitions.push(...touchedBy(node, argumentsOf(node), { tongue, steps }));
    return "inside";
  });
  // What a function of the file is called with is looked at where it is called: its parameters are nobody's fixtures.
  const own = parameters.map((each) => ({ ...each, values: [], kind: "given" as const }));
  return {
    ...{ tongue, definitions: byName([...definitions, ...own]), parameters: new Map() },
    steps,
  };
}

function targetsIn(target: Node): readonly string[] {
  const names: string[] = [];
  walk(target, (node) => {
    if (/^this\.\w+$/.test(node.text)) names.push(node.text);
    if (/^(?:identifier|shorthand_property_identifier_pattern)$/.test(node.type)) names.push(node.text);
    return /^(?:member_expression|subscript_expression|type_annotation)$/.test(node.type) ? "past" : "inside";
  });
  return names;
}

const plainValue: Side = { roots: [], called: [], given: [], literals: 1 };
const pairs =
  /^(?:equal|equals|strictEqual|deepEqual|deepStrictEqual|partialDeepStrictEqual|is|same|like|match|closeTo|include|lengthOf|isAbove|isBelow)$/;
const negations = /^(?:not|doesNot)/;

function assertionsOf(call: Node, scopes: Scopes): readonly Assertion[] {
  const callee = call.childForFieldName("function");
  const given = argumentsOf(call);
  const [first, second] = given;
  if (callee === null) return [];
  const expected = expectedOf(callee);
  if (expected !== undefined) return matched(expected, first, scopes);
  const name = callee.childForFieldName("property")?.text ?? callee.text;
  const isAssert =
    callee.type === "identifier" || /^(?:[\w.]*\.)?(?:assert\w*|t|test|chai)\b/.test(callee.text);
  if (first === undefined || !isAssert || negations.test(name)) return [];
  if (/^(?:throws|rejects|throwsAsync)$/.test(name)) return [{ kind: "fails", side: callsIn(first, scopes) }];
  if (/^(?:ok|assert|isTrue|true)$/.test(name)) return conditionOf(first, true, scopes);
  if (/^(?:isFalse|false|notOk)$/.test(name)) return conditionOf(first, false, scopes);
  return pairs.test(name) && second !== undefined ? compared(first, second, scopes) : [];
}

interface Expected {
  readonly asked: Node;
  readonly matcher: string;
  readonly isNegated: boolean;
  readonly isRejected: boolean;
}

/** `expect(area(2, 3)).not.toBe`. */
function expectedOf(callee: Node): Expected | undefined {
  const words: string[] = [];
  let at: Node | null = callee;
  while (at?.type === "member_expression") {
    words.push(at.childForFieldName("property")?.text ?? "");
    at = at.childForFieldName("object");
  }
  const [matcher] = words;
  if (at?.type !== "call_expression" || matcher === undefined) return undefined;
  const asked = argumentsOf(at)[0];
  if (asked === undefined || !/^expect(?:\.\w+)?$/.test(at.childForFieldName("function")?.text ?? ""))
    return undefined;
  return { asked, matcher, isNegated: words.includes("not"), isRejected: words.includes("rejects") };
}

function matched(
  { asked, matcher, isNegated, isRejected }: Expected,
  value: Node | undefined,
  scopes: Scopes,
): readonly Assertion[] {
  if (isRejected || (/^(?:toThrow\w*|throws?)$/.test(matcher) && !isNegated))
    return [{ kind: "fails", side: callsIn(asked, scopes) }];
  if (/^toBe(?:Truthy|Falsy)$|^(?:true|false)$/.test(matcher))
    return conditionOf(asked, /Truthy|true/.test(matcher) !== isNegated, scopes);
  if (isNegated) return [];
  if (/^toBe(?:Null|Undefined|NaN)$/.test(matcher))
    return [{ kind: "compared", sides: [sideOf([asked], scopes, "touched"), plainValue] }];
  const isValue = /^(?:to(?!BeInstanceOf|BeTypeOf|HaveProperty|Satisfy)\w+|equal|eql|deep)$/.test(matcher);
  if (value === undefined || !isValue) return [];
  const truth = /^(?:true|false)$/.test(value.text) ? conditionOf(asked, value.text === "true", scopes) : [];
  return [...compared(asked, value, scopes), ...truth];
}

/** Given to something that calls it. */
function callsIn(node: Node, scopes: Scopes): Side {
  const side = sideOf([node], scopes, "given");
  return { ...side, called: scriptFunctions.has(node.type) ? side.called : [...side.called, ...side.roots] };
}

function compared(left: Node, right: Node, scopes: Scopes): readonly Assertion[] {
  const sides = (one: Node, other: Node): Assertion => ({
    kind: "compared",
    sides: [sideOf([one], scopes, "touched"), sideOf([other], scopes, "given")],
  });
  return [sides(left, right), sides(right, left)];
}

function conditionOf(node: Node | null | undefined, isTrue: boolean, scopes: Scopes): readonly Assertion[] {
  if (node == null) return [];
  const [only] = node.namedChildren;
  if (/^(?:parenthesized|await)_expression$/.test(node.type)) return conditionOf(only, isTrue, scopes);
  if (node.type === "unary_expression" && node.childForFieldName("operator")?.text === "!")
    return conditionOf(node.childForFieldName("argument"), !isTrue, scopes);
  const truth: Assertion = { kind: "truth", side: sideOf([node], scopes, "given"), isTrue };
  if (node.type === "binary_expression") {
    const [left, right] = [node.childForFieldName("left"), node.childForFieldName("right")];
    const operator = node.childForFieldName("operator")?.text ?? "";
    if (left === null || right === null) return [];
    if (operator === (isTrue ? "&&" : "||"))
      return [left, right].flatMap((side) => conditionOf(side, isTrue, scopes));
    const isSaying =
      /^(?:===?|[<>]=?)$/.test(operator) === isTrue && !/^(?:&&|\|\||instanceof|in)$/.test(operator);
    return isSaying ? compared(left, right, scopes) : [];
  }
  if (node.type !== "call_expression") return [truth];
  const callee = node.childForFieldName("function");
  const given = argumentsOf(node);
  if (callee?.childForFieldName("property")?.text === "every" && isTrue)
    return conditionOf(given[0]?.childForFieldName("body"), true, scopes);
  const object = callee?.childForFieldName("object");
  const operands = object == null || object.type === "identifier" ? given : [object, ...given];
  const isPlainCall = callee?.type === "identifier";
  const sides =
    isTrue && !isPlainCall
      ? operands.flatMap((one, at) => operands.slice(at + 1).flatMap((other) => compared(one, other, scopes)))
      : [];
  return [truth, ...sides];
}
