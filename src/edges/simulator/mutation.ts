import { mutantEdits } from "./edit.ts";
import type { PythonNode, WithPython } from "./python.ts";

/**
 * What is wrong with an answer, and how often (parts of 100, from the taxonomy of methods.md B4). `mends` names the
 * row of the repair table: how well models repair what such a fault shows when it runs.
 */
export const faultClasses = {
  boundary: { parts: 25, mends: "assertion" },
  misreading: { parts: 20, mends: "assertion" },
  "wrong-result-type": { parts: 10, mends: "assertion" },
  "wrong-name": { parts: 8, mends: "name" },
  "missing-body": { parts: 8, mends: "assertion" },
  "hallucinated-attribute": { parts: 8, mends: "name" },
  "wrong-order": { parts: 6, mends: "assertion" },
  "hallucinated-import": { parts: 4, mends: "import" },
  syntax: { parts: 4, mends: "syntax" },
  "endless-loop": { parts: 3, mends: "timeout" },
  "state-leak": { parts: 2, mends: "assertion" },
  crash: { parts: 2, mends: "assertion" },
} as const;

export type FaultClass = keyof typeof faultClasses;
export type Mending = (typeof faultClasses)[FaultClass]["mends"];

/** The reference, made wrong in one place. `preamble` are lines for the top of the file, empty for most. */
export interface Mutant {
  readonly fault: FaultClass;
  /** The operator that made it, for example "shifted-comparison". */
  readonly operator: string;
  readonly preamble: string;
  /** The whole function, from `def` to its last line. */
  readonly functionText: string;
}

/** The function that is mutated: `before` (imports, helpers), then `header` (signature and docstring), then `body`. */
export interface Reference {
  readonly entryPoint: string;
  readonly before: string;
  readonly header: string;
  readonly body: string;
}

/** One replacement in the body; offsets are relative to its start. */
export interface Edit {
  readonly fault: FaultClass;
  readonly operator: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Module names that no registry we know of serves: what models invent when they "remember" a library. */
export const inventedModules = ["pyalgotools", "fastsequences", "stringkit_core"] as const;

/**
 * Every mutant of a reference, in an order that depends on the text alone. All parse but those of class "syntax",
 * which never do. They are meant to be wrong; a few are not, because the edited place does not matter for any input
 * (the share measured on 143 tasks is noted in the test beside).
 */
export function mutantsOf(reference: Reference, withPython: WithPython): readonly Mutant[] {
  const before = reference.before + reference.header;
  const edits = withPython(before + reference.body, (root) => mutantEdits(root, before.length));
  const edited = edits.map((edit) => ({
    fault: edit.fault,
    operator: edit.operator,
    preamble: "",
    functionText:
      reference.header + reference.body.slice(0, edit.start) + edit.text + reference.body.slice(edit.end),
  }));
  const whole = wholeMutants(reference, withPython);
  const original = reference.header + reference.body;
  return [...edited, ...whole].filter((mutant) => isSound(mutant, original, reference.before, withPython));
}

/** Different from the reference, and broken exactly where it is meant to be. */
function isSound(mutant: Mutant, original: string, before: string, withPython: WithPython): boolean {
  if (mutant.preamble === "" && mutant.functionText === original) return false;
  const hasError = withPython(mutant.preamble + before + mutant.functionText, (root) => root.hasError);
  return hasError === (mutant.fault === "syntax");
}

/** Mutants that need no place in the tree: the function is given a new start, a new name or no body at all. */
function wholeMutants(reference: Reference, withPython: WithPython): Mutant[] {
  const { entryPoint, header, body } = reference;
  const argument = firstParameter(reference, withPython);
  const start = (fault: FaultClass, operator: string, lines: string): Mutant => {
    return { fault, operator, preamble: "", functionText: header + lines + body };
  };
  const instead = (operator: string, lines: string): Mutant => {
    return { fault: "missing-body", operator, preamble: "", functionText: header + lines };
  };
  const renamed = (operator: string, name: string): Mutant => {
    const functionText = header.replace(`def ${entryPoint}(`, `def ${name}(`) + body;
    return { fault: "wrong-name", operator, preamble: "", functionText };
  };
  const mutants = [
    renamed("suffixed-name", `${entryPoint}_impl`),
    renamed("camel-case-name", camelCase(entryPoint)),
    renamed("shortened-name", `${entryPoint.slice(0, -1)}`),
    {
      ...renamed("extra-parameter", entryPoint),
      functionText: header.replace(`def ${entryPoint}(`, `def ${entryPoint}(options, `) + body,
    },
    instead("pass-body", "    pass\n"),
    instead("ellipsis-body", "    ...\n"),
    instead("todo-body", "    # TODO: implement this\n    pass\n"),
    instead("unchanged-body", "    # ... rest of the function unchanged ...\n    return None\n"),
    instead("raising-body", '    raise NotImplementedError("left for later")\n'),
    ...inventedModules.map((module) => ({
      fault: "hallucinated-import" as const,
      operator: "invented-module",
      preamble: `import ${module}\n`,
      functionText: header + body,
    })),
    {
      fault: "hallucinated-import" as const,
      operator: "invented-member",
      preamble: "from itertools import windowed_pairs\n",
      functionText: header + body,
    },
    start(
      "endless-loop",
      "never-empty-queue",
      "    pending = [0]\n    while pending:\n        pending.append(pending.pop())\n",
    ),
    start(
      "endless-loop",
      "stuck-counter",
      "    position = 0\n    while position < 1:\n        position -= 1\n",
    ),
    start("crash", "empty-index", "    parts = []\n    head = parts[0]\n"),
    start("crash", "none-length", "    known = None\n    size = len(known)\n"),
    start("crash", "zero-division", "    steps = 0\n    width = 100 // steps\n"),
    ...leaks(reference, withPython),
  ];
  if (argument === undefined) return mutants;
  return [
    ...mutants,
    start("hallucinated-attribute", "invented-method", `    ${argument} = ${argument}.normalized()\n`),
    start("hallucinated-attribute", "invented-property", `    size = ${argument}.element_count\n`),
    start(
      "hallucinated-attribute",
      "invented-function",
      `    ${argument} = checked_arguments(${argument})\n`,
    ),
    start(
      "boundary",
      "refused-input",
      `    if ${argument} or not ${argument}:\n        raise ValueError("unsupported input")\n`,
    ),
  ];
}

/** State that outlives the call: the first answer is given for ever after. */
function leaks({ entryPoint, before, header, body }: Reference, withPython: WithPython): Mutant[] {
  const offset = before.length + header.length;
  const returns = withPython(before + header + body, (root) =>
    ownReturns(root, offset).map((node) => ({ start: node.startIndex, end: node.endIndex })),
  );
  if (returns.length === 0) return [];
  let leaking = body;
  for (const { start, end } of returns.toReversed()) {
    const value = body.slice(start - offset, end - offset);
    const kept = `_answers.setdefault("${entryPoint}", (${value}))`;
    leaking = leaking.slice(0, start - offset) + kept + leaking.slice(end - offset);
  }
  const functionText = header + leaking;
  return [{ fault: "state-leak", operator: "kept-answer", preamble: "_answers = {}\n", functionText }];
}

/** The values of the function's own returns, not those of functions inside it. */
function ownReturns(node: PythonNode, from: number): PythonNode[] {
  const found: PythonNode[] = [];
  for (const child of node.namedChildren) {
    if (child === null || child.endIndex <= from) continue;
    if (child.startIndex >= from && child.type === "function_definition") continue;
    const value = child.type === "return_statement" ? child.namedChildren[0] : undefined;
    if (value) found.push(value);
    else found.push(...ownReturns(child, from));
  }
  return found;
}

function firstParameter({ header, body }: Reference, withPython: WithPython): string | undefined {
  return withPython(header + body, (root) => {
    const list = root.descendantsOfType("parameters")[0];
    return list?.descendantsOfType("identifier")[0]?.text;
  });
}

function camelCase(name: string): string {
  const joined = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return joined === name ? `${name}Value` : joined;
}
