/**
 * Questions that are put to an assertion of Python beside the real one, which is asked for nothing itself: what it runs is
 * run once. See question.ts.
 */
import type { Node } from "web-tree-sitter";
import { askPython, called, heldOpen, type Subject } from "./question.ts";

const subjects: Readonly<Record<string, Subject>> = {
  True: { kind: "falsehoods" },
  False: { kind: "truths" },
  IsNone: { kind: "something" },
};

/** Statements that ask an assertion what no state of the code makes right, beside the assertion itself. */
export function questionsOf(
  statement: Node,
  own: ReadonlySet<string>,
  isRaisesKnown: boolean,
): readonly string[] {
  if (statement.type === "with_statement") {
    const isAsync = statement.children[0]?.type === "async";
    const clause = statement.namedChildren.find((child) => child?.type === "with_clause");
    return (isAsync ? [] : (clause?.namedChildren ?? [])).flatMap((item) => {
      const value = item?.childForFieldName("value") ?? null;
      const manager = value?.type === "as_pattern" ? (value.namedChildren[0] ?? null) : value;
      return manager === null ? [] : raisesAsked(manager, own, isRaisesKnown);
    });
  }
  const [only] = statement.namedChildren;
  if (statement.type !== "expression_statement" || only?.type !== "call") return [];
  const [, name = "", what = ""] =
    /^(self\.assert(\w+))$/.exec(only.childForFieldName("function")?.text ?? "") ?? [];
  const subject = subjects[what];
  if (subject !== undefined && argumentsOf(only).length > 0 && !own.has(name.slice(5)))
    return [askPython(only, (value) => `${name}(${value})`, subject)];
  return raisesAsked(only, own, isRaisesKnown);
}

/** `pytest.raises(E)` that holds nothing, or another error, must raise; so must `self.assertRaises(E, f)` of such an `f`. */
function raisesAsked(call: Node, own: ReadonlySet<string>, isRaisesKnown: boolean): readonly string[] {
  const callee = call.type === "call" ? (call.childForFieldName("function")?.text ?? "") : "";
  const isMethod = /^self\.assertRaises(Regex)?$/.test(callee) && !own.has(callee.slice(5));
  if (!isMethod && !(isRaisesKnown && /^(pytest\.)?raises$/.test(callee))) return [];
  const given = (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (each) => each !== null && each.type !== "comment",
  ) as readonly Node[];
  const before = callee.endsWith("Regex") ? 2 : 1;
  const [expected] = given;
  const fixed = given.slice(0, before);
  if (expected === undefined || !fixed.every(isFixed)) return [];
  const subject = { kind: "errors", expected: expected.text } as const;
  if (given.slice(before).every((each) => each.type === "keyword_argument"))
    return given.every(isFixed) ? [askPython(call, (value) => heldOpen(call.text, value), subject)] : [];
  const start = fixed.map(({ text }) => text).join(", ");
  return [askPython(call, (value) => `${callee}(${start}, ${called(value)})`, subject)];
}

const fixedTypes = new Set([
  ..."identifier attribute tuple string concatenated_string string_start string_content string_end escape_sequence".split(
    " ",
  ),
  ..."interpolation type_conversion format_specifier integer float true false none keyword_argument parenthesized_expression argument_list comment".split(
    " ",
  ),
]);

/** Names and literals, which may be evaluated once more; `re.escape("…")` too. */
function isFixed(node: Node): boolean {
  if (node.type === "call" && !/^re\.\w+$/.test(node.childForFieldName("function")?.text ?? "")) return false;
  if (node.type !== "call" && !fixedTypes.has(node.type)) return false;
  return node.namedChildren.every((child) => child !== null && isFixed(child));
}

/** `raises` is pytest's wherever the file names pytest; what else may be called so need not raise. */
export function isFromPytest(root: Node): boolean {
  const imports = root.descendantsOfType(["import_statement", "import_from_statement"]);
  const isDefined = root
    .descendantsOfType("function_definition")
    .some((each) => each?.childForFieldName("name")?.text === "raises");
  const others = imports.some((each) => /^from(?!\s+pytest\s)[\s\S]*\b(raises|\*)/.test(each?.text ?? ""));
  return !isDefined && !others && imports.some((each) => /\bpytest\b/.test(each?.text ?? ""));
}

/** Given by position; nothing where one is given otherwise, but for the message and tolerances. */
export function argumentsOf(call: Node): readonly Node[] {
  const given = (call.childForFieldName("arguments")?.namedChildren ?? []).filter(
    (child) => child !== null && child.type !== "comment",
  ) as readonly Node[];
  const plain = given.filter(({ type }) => type !== "keyword_argument" && !/splat|generator/.test(type));
  const isClear = given.every(
    (each) => plain.includes(each) || /^(msg|places|delta|\w+_tol)\s*=/.test(each.text),
  );
  return isClear ? plain : [];
}
