import type { Edit, FaultClass } from "./mutation.ts";
import type { PythonNode } from "./python.ts";

/** Where a rule may look: the node, and how to replace parts of the text below `from`. */
interface Place {
  readonly node: PythonNode;
  readonly replace: (part: PythonNode, text: string) => Pick<Edit, "start" | "end" | "text">;
}
type Found = readonly [fault: FaultClass, operator: string, edit: Pick<Edit, "start" | "end" | "text">];

/** All single edits of the nodes that lie wholly behind `from`; offsets in the answer count from there. */
export function mutantEdits(root: PythonNode, from: number): Edit[] {
  const edits: Edit[] = [];
  const replace: Place["replace"] = (part, text) => {
    return { start: part.startIndex - from, end: part.endIndex - from, text };
  };
  const visit = (node: PythonNode): void => {
    if (node.startIndex >= from) {
      const rules = rulesByType[node.type] ?? [];
      for (const rule of rules)
        for (const [fault, operator, edit] of rule({ node, replace }))
          edits.push({ fault, operator, ...edit });
    }
    for (const child of node.children) if (child !== null && child.endIndex > from) visit(child);
  };
  visit(root);
  return edits;
}

const opposite: Readonly<Record<string, string>> = {
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
  "==": "!=",
  "!=": "==",
  in: "not in",
  "not in": "in",
  is: "is not",
  "is not": "is",
};
const shifted: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const mistaken: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "+",
  "/": "*",
  "//": "*",
  "%": "//",
  "**": "*",
  "+=": "-=",
  "-=": "+=",
  "*=": "+=",
  and: "or",
  or: "and",
};
const otherCall: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  any: "all",
  all: "any",
  sum: "max",
  len: "id",
  abs: "float",
};
const otherMethod: Readonly<Record<string, string>> = {
  lower: "upper",
  upper: "lower",
  startswith: "endswith",
  endswith: "startswith",
  isupper: "islower",
  islower: "isupper",
};
const inventedMethod: Readonly<Record<string, string>> = {
  append: "push",
  split: "split_on",
  lower: "to_lower",
  upper: "to_upper",
  join: "join_with",
  extend: "push_all",
  replace: "replace_every",
  count: "occurrences",
};

type Rule = (place: Place) => readonly Found[];

/** The operator token of a comparison, binary or boolean operator. */
function tokenOf(node: PythonNode): PythonNode | undefined {
  return (node.childForFieldName("operator") ?? node.childForFieldName("operators")) || undefined;
}

const comparison: Rule = ({ node, replace }) => {
  const token = tokenOf(node);
  if (token === undefined) return [];
  const found: Found[] = [];
  const flipped = opposite[token.text];
  if (flipped !== undefined) found.push(["misreading", "negated-comparison", replace(token, flipped)]);
  const moved = shifted[token.text];
  if (moved !== undefined) found.push(["boundary", "shifted-comparison", replace(token, moved)]);
  return found;
};

const operator: Rule = ({ node, replace }) => {
  const token = tokenOf(node);
  const other = mistaken[token?.text ?? ""];
  const found: Found[] = [];
  if (token !== undefined && other !== undefined)
    found.push(["misreading", "wrong-operator", replace(token, other)]);
  const left = node.childForFieldName("left");
  const right = node.childForFieldName("right");
  if (left && right && token !== undefined && ["-", "/", "//", "%", "**"].includes(token.text))
    found.push([
      "misreading",
      "swapped-operands",
      replace(node, `(${right.text}) ${token.text} (${left.text})`),
    ]);
  return found;
};

const negation: Rule = ({ node, replace }) => {
  const inner = node.childForFieldName("argument");
  return inner ? [["misreading", "dropped-not", replace(node, `(${inner.text})`)]] : [];
};

const integer: Rule = ({ node, replace }) => {
  if (!/^\d{1,15}$/.test(node.text)) return [];
  return [["boundary", "off-by-one", replace(node, String(Number(node.text) + 1))]];
};

const truth: Rule = ({ node, replace }) => [
  ["misreading", "flipped-truth", replace(node, node.type === "true" ? "False" : "True")],
];

const call: Rule = ({ node, replace }) => {
  const name = node.childForFieldName("function");
  const list = node.childForFieldName("arguments");
  if (!name || list?.type !== "argument_list") return [];
  const given = list.namedChildren.filter((part) => part !== null && part.type !== "comment") as PythonNode[];
  const found: Found[] = [];
  const other = otherCall[name.text];
  if (other !== undefined) found.push(["misreading", "other-function", replace(name, other)]);
  if (name.text === "sorted" && given[0] !== undefined)
    found.push(["wrong-order", "unsorted", replace(node, `list(${given[0].text})`)]);
  if (name.text === "sorted" && !list.text.includes("reverse"))
    found.push(["wrong-order", "reversed-order", replace(node, `${node.text.slice(0, -1)}, reverse=True)`)]);
  if (name.text === "set" && given[0] !== undefined)
    found.push(["boundary", "kept-duplicates", replace(name, "list")]);
  if (name.text === "range" && given.length >= 1) {
    const last = given[Math.min(1, given.length - 1)] as PythonNode;
    found.push(["boundary", "short-range", replace(last, `${last.text} - 1`)]);
    if (given.length === 1) found.push(["boundary", "late-range", replace(last, `1, ${last.text}`)]);
  }
  if (name.text === "len") found.push(["boundary", "short-length", replace(node, `(${node.text} - 1)`)]);
  const [first, second] = given;
  const isSwappable = given.length === 2 && first && second && !["min", "max", "gcd"].includes(name.text);
  if (isSwappable && first.type !== "keyword_argument" && second.type !== "keyword_argument")
    found.push(["misreading", "swapped-arguments", replace(list, `(${second.text}, ${first.text})`)]);
  if (name.type === "attribute") found.push(...methodCall(node, name, given, replace));
  return found;
};

function methodCall(
  node: PythonNode,
  name: PythonNode,
  given: readonly PythonNode[],
  replace: Place["replace"],
): Found[] {
  const method = name.childForFieldName("attribute");
  const subject = name.childForFieldName("object");
  if (!method || !subject) return [];
  const found: Found[] = [];
  const other = otherMethod[method.text];
  if (other !== undefined) found.push(["misreading", "other-method", replace(method, other)]);
  const invented = inventedMethod[method.text];
  if (invented !== undefined)
    found.push(["hallucinated-attribute", "invented-method", replace(method, invented)]);
  if (method.text === "append" && given[0] !== undefined)
    found.push([
      "wrong-order",
      "front-insertion",
      replace(node, `${subject.text}.insert(0, ${given[0].text})`),
    ]);
  return found;
}

const slice: Rule = ({ node, replace }) =>
  node.text === "::-1" ? [["wrong-order", "unreversed", replace(node, ":")]] : [];

const returned: Rule = ({ node, replace }) => {
  const value = node.namedChildren[0];
  if (!value) return [];
  const text = value.text;
  const found: Found[] = [
    ["wrong-result-type", "listed-result", replace(value, `[${text}]`)],
    ["wrong-result-type", "text-result", replace(value, `str(${text}) + " "`)],
    ["wrong-result-type", "paired-result", replace(value, `(${text}, None)`)],
    ["missing-body", "dropped-result", replace(node, `result = (${text})`)],
    ["syntax", "open-bracket", replace(value, `((${text})`)],
  ];
  if (/^\[|^sorted\(|^list\(/.test(text))
    found.push(["wrong-order", "reversed-result", replace(value, `(${text})[::-1]`)]);
  return found;
};

const literal: Rule = ({ node, replace }) => {
  const content = node.namedChildren.find((part) => part?.type === "string_content");
  if (node.parent?.type === "expression_statement") return [];
  if (!content) return [["wrong-order", "changed-text", replace(node, '" "')]];
  if (/^\s+$/.test(content.text)) return [["wrong-order", "changed-text", replace(content, "")]];
  const swapped = /[a-z]/.test(content.text) ? content.text.toUpperCase() : content.text.toLowerCase();
  const text = swapped === content.text || content.text.includes("\\") ? `${content.text} ` : swapped;
  return [["wrong-order", "changed-text", replace(content, text)]];
};

/** An early exit or a special case forgotten: the whole statement goes, its place is kept by `pass`. */
const branch: Rule = ({ node, replace }) => {
  const consequence = node.childForFieldName("consequence");
  const others = node.namedChildren.filter(
    (part) => part?.type === "else_clause" || part?.type === "elif_clause",
  );
  const found: Found[] = [];
  if (others.length === 0 && consequence) found.push(["boundary", "missing-branch", replace(node, "pass")]);
  const last = others.at(-1);
  const hasRest = last?.type === "else_clause";
  if (last && hasRest) found.push(["boundary", "missing-else", replace(last, "")]);
  const colon = node.children.find((part) => part?.type === ":");
  if (colon) found.push(["syntax", "missing-colon", replace(colon, "")]);
  return found;
};

const loop: Rule = ({ node, replace }) => {
  const colon = node.children.find((part) => part?.type === ":");
  return colon ? [["syntax", "missing-colon", replace(colon, "")]] : [];
};

const filter: Rule = ({ node, replace }) => [["boundary", "missing-filter", replace(node, "")]];

const raised: Rule = ({ node, replace }) => {
  const name = node.descendantsOfType("identifier")[0];
  return name ? [["wrong-result-type", "other-error", replace(name, "RuntimeError")]] : [];
};

const accumulation: Rule = ({ node, replace }) => {
  const token = tokenOf(node);
  const other = mistaken[token?.text ?? ""];
  if (token === undefined) return [];
  const found: Found[] = [["misreading", "overwritten-total", replace(token, "=")]];
  if (other !== undefined) found.push(["misreading", "wrong-operator", replace(token, other)]);
  return found;
};

const rulesByType: Readonly<Record<string, readonly Rule[]>> = {
  comparison_operator: [comparison],
  binary_operator: [operator],
  boolean_operator: [operator],
  not_operator: [negation],
  integer: [integer],
  true: [truth],
  false: [truth],
  call: [call],
  slice: [slice],
  return_statement: [returned],
  string: [literal],
  if_statement: [branch],
  for_statement: [loop],
  while_statement: [loop],
  if_clause: [filter],
  raise_statement: [raised],
  augmented_assignment: [accumulation],
};
