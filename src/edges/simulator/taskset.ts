import { readFile, stat } from "node:fs/promises";
import * as z from "zod";
import { type Mutant, mutantsOf, type Reference } from "./mutation.ts";
import { loadPython, type PythonNode, type WithPython } from "./python.ts";

/** One piece of work whose answer is known. The text of `prompt` ends with the signature and docstring of the function. */
export interface Task extends Reference {
  /** As the file gives it; used to seed chance, never to recognise the task in a request. */
  readonly id: string;
  /** Names of the parameters, in order. */
  readonly parameters: readonly string[];
  /** What the docstring says, without its quotes; "" where there is none of at least 20 characters. */
  readonly docstring: string;
  /** The task's own test, "" where the file has none. */
  readonly test: string;
  /** Made on first use and kept. */
  mutants(): readonly Mutant[];
}

export interface TaskSet {
  readonly tasks: readonly Task[];
  readonly byEntryPoint: ReadonlyMap<string, readonly Task[]>;
  /** Top-level statements of Python text, for taking a file apart. */
  readonly withPython: WithPython;
}

export type TaskSetLoad =
  | { readonly kind: "loaded"; readonly taskSet: TaskSet }
  | { readonly kind: "refused"; readonly why: string };

const bytesMax = 64 * 1024 * 1024;
const tasksMax = 100_000;

const Line = z.object({
  task_id: z.string().min(1),
  prompt: z.string(),
  entry_point: z.string().regex(/^[A-Za-z_]\w*$/, "a Python name"),
  canonical_solution: z.string().min(1),
  test: z.string().default(""),
});

/** Reads a task file of at most 64 MiB; see `readTasks` for its form. Never rejects for what the file is. */
export async function loadTaskSet(path: string): Promise<TaskSetLoad> {
  try {
    const { size } = await stat(path);
    if (size > bytesMax) return { kind: "refused", why: `${path}: ${size} bytes, more than ${bytesMax}` };
    const read = await readTasks(await readFile(path, "utf8"));
    return read.kind === "loaded" ? read : { kind: "refused", why: `${path}, ${read.why}` };
  } catch (error) {
    return { kind: "refused", why: `cannot read the task set ${path}: ${(error as Error).message}` };
  }
}

/**
 * Tasks in the form of HumanEval: JSON Lines, each `{task_id, prompt, entry_point, canonical_solution, test}`. `prompt`
 * is Python text that ends with the signature and docstring of `entry_point`, the solution is its body. Blank lines are
 * skipped; the first bad line is named, counted from 1.
 */
export async function readTasks(text: string): Promise<TaskSetLoad> {
  const withPython = await loadPython();
  const tasks: Task[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const task = readTask(line, withPython);
    if (typeof task === "string") return { kind: "refused", why: `line ${index + 1}: ${task}` };
    tasks.push(task);
    if (tasks.length > tasksMax) return { kind: "refused", why: `more than ${tasksMax} tasks` };
  }
  if (tasks.length === 0)
    return { kind: "refused", why: "no task in it: one JSON object a line is expected" };
  return { kind: "loaded", taskSet: taskSetOf(tasks, withPython) };
}

/** No task at all: for a simulator that only plays a scenario. */
export async function emptyTaskSet(): Promise<TaskSet> {
  return taskSetOf([], await loadPython());
}

function taskSetOf(tasks: readonly Task[], withPython: WithPython): TaskSet {
  return { tasks, byEntryPoint: Map.groupBy(tasks, (task) => task.entryPoint), withPython };
}

/** The task, or what is wrong with the line. */
function readTask(line: string, withPython: WithPython): Task | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
  const parsed = Line.safeParse(json);
  if (!parsed.success) return z.prettifyError(parsed.error).replaceAll("\n", " ");
  const { task_id: id, prompt, entry_point: entryPoint, canonical_solution: solution, test } = parsed.data;
  const at = `\n${prompt}`.lastIndexOf(`\ndef ${entryPoint}(`);
  if (at < 0) return `the prompt of ${id} does not define ${entryPoint}`;
  const reference: Reference = {
    entryPoint,
    before: prompt.slice(0, at),
    header: `${prompt.slice(at).trimEnd()}\n`,
    body: `${solution.trimEnd()}\n`,
  };
  const isPython = withPython(
    reference.before + reference.header + reference.body,
    (root) => !root.hasError && parametersIn(root, entryPoint) !== undefined,
  );
  if (!isPython) return `prompt and solution of ${id} together are not Python that parses`;
  const parameters =
    withPython(reference.header + reference.body, (root) => parametersIn(root, entryPoint)) ?? [];
  let mutants: readonly Mutant[] | undefined;
  return {
    ...reference,
    id,
    parameters,
    docstring: docstringIn(reference.header),
    test,
    mutants: () => {
      mutants ??= mutantsOf(reference, withPython);
      return mutants;
    },
  };
}

function docstringIn(header: string): string {
  const text = /("""|''')([\s\S]*?)\1\s*$/.exec(header)?.[2]?.trim() ?? "";
  return text.length < 20 ? "" : text;
}

function parametersIn(root: PythonNode, name: string): readonly string[] | undefined {
  const functions = root.descendantsOfType("function_definition");
  const found = functions.findLast((node) => node?.childForFieldName("name")?.text === name);
  const list = found?.childForFieldName("parameters");
  if (!list) return undefined;
  return list.namedChildren.flatMap((part) => {
    const identifier = part?.type === "identifier" ? part : part?.descendantsOfType("identifier")[0];
    return identifier ? [identifier.text] : [];
  });
}

/**
 * Which task a function in somebody's file is: same name, same parameters, and of several such the one whose docstring
 * it has, or shares most words with. Nothing else of the request is looked at.
 */
export function taskOf(
  taskSet: TaskSet,
  found: { readonly name: string; readonly parameters: readonly string[]; readonly text: string },
): Task | undefined {
  const named = taskSet.byEntryPoint.get(found.name) ?? [];
  const candidates = named.filter((task) => task.parameters.join() === found.parameters.join());
  if (candidates.length <= 1) return candidates[0];
  const exact = candidates.find((task) => task.docstring !== "" && found.text.includes(task.docstring));
  if (exact !== undefined) return exact;
  const words = wordsOf(found.text);
  const shared = (task: Task) => wordsOf(task.header).intersection(words).size / wordsOf(task.header).size;
  return candidates.toSorted((left, right) => shared(right) - shared(left))[0];
}

/** Signs count too: two tasks may differ by the kind of bracket alone. */
function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/\w+|[^\w\s]+/g) ?? []);
}
