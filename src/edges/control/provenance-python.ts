/** What a Python test file says of where its values come from. */
import type { Node } from "web-tree-sitter";
import type { Assertion, Reading, Side, SuiteText, Use } from "../../domain/provenance.ts";
import { walk } from "./grammar.ts";
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

const functions = new Set(["function_definition", "lambda"]);
const literals = new Set("integer float string true false none list dictionary set tuple".split(" "));

const tongue: Tongue = {
  functions,
  nameOf: (node) =>
    node.type === "identifier" ? node.text : /^self\.\w+$/.test(node.text) ? node.text : undefined,
  isPast: (node) =>
    node.type === "type" || node.type === "comment" || isField(node, "keyword_argument", "name"),
  calleeOf: (node) => (node.type === "call" ? (node.childForFieldName("function") ?? undefined) : undefined),
  isLiteral: ({ type }) => literals.has(type),
};

function isField(node: Node, parent: string, field: string): boolean {
  return node.parent?.type === parent && node.parent.childForFieldName(field)?.id === node.id;
}

/** `root` is the tree of a whole file. */
export function pythonSuite(root: Node): SuiteText | undefined {
  const scopes = scopesOf(root);
  const uses: Use[] = [];
  const attributes: SuiteText["attributes"][number][] = [];
  const readings: Reading[] = [];
  const assertions: Assertion[] = [];
  const odd: SuiteText["odd"][number][] = [];
  const modules = new Map<string, string>();
  walk(root, (node) => {
    if (/^import_(?:from_)?statement$/.test(node.type)) {
      for (const use of importsOf(node)) {
        uses.push(use);
        if (use.name === undefined) modules.set(use.local, use.module);
      }
      return "past";
    }
    assertions.push(...assertionsOf(node, scopes));
    if (node.type === "call") {
      const reading = readingOf(node, scopes);
      if (reading !== undefined) readings.push(reading);
      const named = namedByText(node);
      if (named !== undefined) attributes.push(named);
    }
    const why = oddness(node);
    if (why !== undefined) odd.push({ line: lineOf(node), why });
    return "inside";
  });
  walk(root, (node) => {
    const found = node.type === "attribute" ? attributeOf(node, modules) : undefined;
    if (found === undefined) return "inside";
    attributes.push(found);
    return "past";
  });
  const isMoving = /\bchdir\b|\bisolated_filesystem\b/.test(root.text);
  return scopes.steps.left > 0 ? { uses, attributes, readings, assertions, odd, isMoving } : undefined;
}

function importsOf(node: Node): readonly Use[] {
  const line = lineOf(node);
  const names = node.childrenForFieldName("name").filter((each) => each !== null);
  const from = node.childForFieldName("module_name")?.text;
  if (from !== undefined && node.namedChildren.some((child) => child?.type === "wildcard_import"))
    return [{ line, module: from, name: "*", local: "*" }];
  return names.map((each) => {
    const name = each.childForFieldName("name")?.text ?? each.text;
    const alias = each.childForFieldName("alias")?.text;
    if (from !== undefined) return { line, module: from, name, local: alias ?? name };
    return { line, module: name, name: undefined, local: alias ?? name.split(".")[0] ?? name };
  });
}

/** `calc.EXAMPLES`, `shop.cart.Cart`: the name behind the module; of what is no module only what is not called. */
function attributeOf(node: Node, modules: ReadonlyMap<string, string>) {
  const chain = node.text.split(".");
  const [local = ""] = chain;
  if (!chain.every((part) => /^\w+$/.test(part)) || local === "self") return undefined;
  const module = modules.get(local);
  const isAll = module === undefined || !module.startsWith(`${local}.`);
  const own = isAll ? 1 : module.split(".").filter((part, at) => chain[at] === part).length;
  const name = chain[own];
  const isCalled = chain.length === own + 1 && isField(node, "call", "function");
  if (name === undefined || (module === undefined && (isCalled || chain.length > own + 1))) return undefined;
  return { line: lineOf(node), local, name };
}

/** `getattr(calc, "double")`, and its kin. */
function namedByText(call: Node) {
  const name = call.childForFieldName("function")?.text ?? "";
  if (!/^(?:[gs]etattr|delattr|monkeypatch\.setattr|mock\.patch\.object|patch\.object)$/.test(name))
    return undefined;
  const [object, text] = argumentsOf(call);
  const plain = /^["'](\w+)["']$/.exec(text?.text ?? "")?.[1];
  if (object === undefined || !/^\w+$/.test(object.text)) return undefined;
  return { line: lineOf(call), local: object.text, name: plain ?? text?.text ?? "" };
}

function argumentsOf(call: Node): readonly Node[] {
  return (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (each): each is Node => each !== null && each.type !== "comment",
  );
}

function oddness(node: Node): string | undefined {
  const source = "looks into the source under test: ask what the code does, not how it is written";
  if (node.type === "attribute") {
    const name = node.childForFieldName("attribute")?.text ?? "";
    if (/^__(?:file|code|globals|dict|closure|spec|loader)__$|^co_\w+$/.test(name)) return source;
    if (/^(?:getsource\w*|getsourcelines|getsourcefile|getcomments|get_data|getmembers)$/.test(name))
      return source;
    if (isField(node, "assignment", "left") && /^import_module$/.test(name)) return source;
  }
  if (node.type !== "call") return undefined;
  const callee = node.childForFieldName("function")?.text ?? "";
  if (/(?:^|\.)(?:getsource\w*|getlines?|get_data|dis)$/.test(callee)) return source;
  if (/^(?:vars|dir)$/.test(callee) && argumentsOf(node).length > 0) return source;
  return /(?:^|\.)(?:import_module|__import__|spec_from_file_location|exec_module)$/.test(callee)
    ? "imports by a text: import what is tested by its name"
    : undefined;
}

const reads =
  /^(?:open|read_text|read_bytes|stat|lstat|getmtime|getctime|getsize|listdir|scandir|walk|i?glob|rglob|iterdir|fdopen|loadtxt|fileinput)$/;

function readingOf(call: Node, scopes: Scopes): Reading | undefined {
  const callee = call.childForFieldName("function");
  const name = callee?.type === "attribute" ? callee.childForFieldName("attribute")?.text : callee?.text;
  if (callee === null || name === undefined || !reads.test(name)) return undefined;
  if (name === "walk" && !/^os\./.test(callee.text)) return undefined;
  const given = argumentsOf(call);
  const mode =
    callee.type === "attribute" && !/^(?:io|os|codecs|gzip)\./.test(callee.text) ? given[0] : given[1];
  const isWritten = name === "open" && /^(?:mode\s*=\s*)?["'][wax]\w*\+?b?["']$/.test(mode?.text ?? "");
  if (isWritten || /^mode\s*=\s*["'][wax]/m.test(given.map(({ text }) => text).join("\n"))) return undefined;
  const side = sideOf([call], scopes, "given");
  return { line: lineOf(call), text: shown(call), side, words: side.words, paths: pathsIn(side.texts) };
}

function scopesOf(root: Node): Scopes {
  const definitions: Definition[] = [];
  const steps = { left: stepsMax };
  const parameters: { readonly name: string; readonly start: number; readonly end: number }[] = [];
  const give = (target: Node | null, values: readonly (Node | null)[], at: Node) => {
    if (target === null) return;
    for (const name of targetsIn(target))
      definitions.push({
        ...{ name, values: values.filter((each) => each !== null), kind: "given" },
        ...(name.startsWith("self.") ? everywhere : scopeOf(at, functions)),
      });
  };
  walk(root, (node) => {
    const field = (name: string) => node.childForFieldName(name);
    if (/^(?:augmented_)?assignment$/.test(node.type)) give(field("left"), [field("right")], node);
    if (node.type === "named_expression") give(field("name"), [field("value")], node);
    if (/^for_(?:statement|in_clause)$/.test(node.type)) give(field("left"), [field("right")], node);
    if (node.type === "as_pattern") give(field("alias"), [node.namedChildren[0] ?? null], node);
    if (/^(?:function|class)_definition$/.test(node.type)) give(field("name"), [field("body")], node);
    if (functions.has(node.type)) {
      const list = field("parameters");
      const tables = tablesOf(node);
      const place = {
        start: (node.parent?.type === "decorated_definition" ? node.parent : node).startIndex,
        end: node.endIndex,
      };
      for (const name of list === null ? [] : targetsIn(list)) {
        if (name === "self" || name === "cls") continue;
        const values = tables.filter((table) =>
          new RegExp(`\\b${name}\\b`).test(argumentsOf(table)[0]?.text ?? ""),
        );
        const fallback = list?.namedChildren.find((each) => each?.childForFieldName("name")?.text === name);
        const usual = fallback?.childForFieldName("value");
        const all = usual == null ? values : [...values, usual];
        if (all.length > 0) definitions.push({ name, values: all, kind: "given", ...place });
        else if (node.type === "function_definition") parameters.push({ name, ...place });
      }
    }
    if (node.type === "call") definitions.push(...touchedBy(node, argumentsOf(node), { tongue, steps }));
    return "inside";
  });
  // A fixture of the file gives its parameter a value: the function of that name.
  return {
    tongue,
    definitions: byName(definitions),
    parameters: byName(withoutFixtures(parameters, definitions)),
    steps,
  };
}

function withoutFixtures<Named extends { readonly name: string }>(
  parameters: readonly Named[],
  definitions: readonly Definition[],
): readonly Named[] {
  const known = new Set(
    definitions.filter(({ kind, end }) => kind === "given" && end === everywhere.end).map(({ name }) => name),
  );
  return parameters.filter(({ name }) => !known.has(name));
}

/** What stands in `@pytest.mark.parametrize(…)` above a test. */
function tablesOf(node: Node): readonly Node[] {
  if (node.parent?.type !== "decorated_definition") return [];
  return node.parent.namedChildren.flatMap((child) => {
    const call = child?.type === "decorator" ? child.namedChildren[0] : undefined;
    return call?.type === "call" ? [call] : [];
  });
}

/** Names that a pattern gives values to. */
function targetsIn(target: Node): readonly string[] {
  const names: string[] = [];
  walk(target, (node) => {
    if (/^self\.\w+$/.test(node.text)) names.push(node.text);
    else if (node.type === "identifier") names.push(node.text);
    if (node.type === "attribute" || node.type === "subscript" || node.type === "type") return "past";
    if (/^default_parameter$|^typed_/.test(node.type)) {
      const name = node.childForFieldName("name") ?? node.namedChildren[0];
      if (name != null) names.push(name.text);
      return "past";
    }
    return "inside";
  });
  return names;
}

const plainValue: Side = { roots: [], called: [], given: [], literals: 1 };

function assertionsOf(node: Node, scopes: Scopes): readonly Assertion[] {
  if (node.type === "assert_statement") return conditionOf(node.namedChildren[0], true, scopes);
  if (node.type === "with_statement") return failureIn(node, scopes);
  if (node.type !== "call") return [];
  const callee = node.childForFieldName("function")?.text ?? "";
  const given = argumentsOf(node);
  const [first, second, ...rest] = given;
  const what = /^self\.assert(\w+)$/.exec(callee)?.[1];
  if (/^(?:pytest\.)?raises$/.test(callee) && second !== undefined)
    return [{ kind: "fails", side: callsIn([second, ...rest], scopes) }];
  if (what === undefined || first === undefined) return [];
  if (what === "True" || what === "False") return conditionOf(first, what === "True", scopes);
  if (what === "IsNone")
    return [{ kind: "compared", sides: [sideOf([first], scopes, "touched"), plainValue] }];
  if (/^Raises/.test(what))
    return second === undefined ? [] : [{ kind: "fails", side: callsIn([second, ...rest], scopes) }];
  return second === undefined || /^Not|^IsNot|Instance/.test(what) ? [] : compared(first, second, scopes);
}

/** Given to something that calls it: `raises(ValueError, area, -1)`. */
function callsIn(nodes: readonly Node[], scopes: Scopes): Side {
  const side = sideOf(nodes, scopes, "given");
  return { ...side, called: [...side.called, ...side.roots] };
}

function failureIn(node: Node, scopes: Scopes): readonly Assertion[] {
  const clause = node.namedChildren.find((child) => child?.type === "with_clause")?.text ?? "";
  const body = node.childForFieldName("body");
  return body !== null && /\b(?:raises|assertRaises\w*|warns|assertWarns\w*)\s*\(/.test(clause)
    ? [{ kind: "fails", side: sideOf([body], scopes, "given") }]
    : [];
}

/** Both sides, and the other way about: what was touched may be asked, what is expected may not have been. */
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
  if (node.type === "parenthesized_expression") return conditionOf(only, isTrue, scopes);
  if (node.type === "not_operator") return conditionOf(node.childForFieldName("argument"), !isTrue, scopes);
  if (node.type === "boolean_operator") {
    const isBoth = (node.childForFieldName("operator")?.text === "and") === isTrue;
    return isBoth
      ? ["left", "right"].flatMap((side) => conditionOf(node.childForFieldName(side), isTrue, scopes))
      : [];
  }
  if (node.type === "comparison_operator") return comparisonOf(node, isTrue, scopes);
  const truth: Assertion = { kind: "truth", side: sideOf([node], scopes, "given"), isTrue };
  if (node.type !== "call") return [truth];
  const callee = node.childForFieldName("function");
  const given = argumentsOf(node);
  const each =
    callee?.text === "all" && isTrue ? (node.childForFieldName("arguments") ?? undefined) : undefined;
  const made = each?.type === "arguments" ? given[0] : each;
  if (made !== undefined && /generator|comprehension/.test(made.type))
    return conditionOf(made.namedChildren[0], true, scopes);
  const object = callee?.type === "attribute" ? callee.childForFieldName("object") : null;
  const operands = object === null || /^\w+$/.test(object.text) ? given : [object, ...given];
  const pairs = isTrue
    ? operands.flatMap((one, at) => operands.slice(at + 1).flatMap((other) => compared(one, other, scopes)))
    : [];
  return /^(?:isinstance|hasattr|callable|issubclass)$/.test(callee?.text ?? "")
    ? []
    : [truth, ...pairs.filter(() => !isPlainCall(callee))];
}

/** `is_even(4)`: its arguments are no comparison. */
function isPlainCall(callee: Node | null): boolean {
  return callee?.type === "identifier" && !/close|equal|match/i.test(callee.text);
}

function comparisonOf(node: Node, isTrue: boolean, scopes: Scopes): readonly Assertion[] {
  const operands = node.namedChildren.filter((each) => each !== null);
  const operators = node.children
    .filter((each) => each !== null && !each.isNamed)
    .map((each) => each?.type ?? "");
  const isSaying = (operator: string) => !/^(?:!=|is not|not in|not)$/.test(operator) === isTrue;
  return operands.slice(1).flatMap((right, at) => {
    const left = operands[at];
    return left === undefined || !operators.every(isSaying) ? [] : compared(left, right, scopes);
  });
}
