/** What a test file of JavaScript or TypeScript calls its assertions, and how they are taken apart. */
import type { Node } from "web-tree-sitter";

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

/** Undefined where something is spread. */
export function argumentsOf(call: Node): readonly Node[] | undefined {
  const given = (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (child) => child !== null && child.type !== "comment",
  ) as readonly Node[];
  return given.some(({ type }) => type === "spread_element") ? undefined : given;
}

/** What is expected of; undefined for other than a known `expect`. */
export function expectedOf(expectation: Node, { isExpectKnown }: Names): Node | undefined {
  const isExpect = expectation.childForFieldName("function")?.text === "expect" && isExpectKnown;
  return isExpect ? argumentsOf(expectation)?.[0] : undefined;
}
