import { spawnSync } from "node:child_process";
import { beforeAll, expect, test } from "vitest";
import { exampleTasks, tasksOf } from "./examples.case.ts";
import { type FaultClass, faultClasses, type Mutant } from "./mutation.ts";
import { loadPython, type WithPython } from "./python.ts";
import type { Task, TaskSet } from "./taskset.ts";

let taskSet: TaskSet;
let withPython: WithPython;
beforeAll(async () => {
  taskSet = await exampleTasks();
  withPython = await loadPython();
});

const textOf = (task: Task, mutant: Mutant) => mutant.preamble + task.before + mutant.functionText;

test("a mutant parses, unless its fault is that it does not", () => {
  for (const task of taskSet.tasks)
    for (const mutant of task.mutants()) {
      const hasError = withPython(textOf(task, mutant), (root) => root.hasError);
      expect({ ...mutant, hasError }).toEqual({ ...mutant, hasError: mutant.fault === "syntax" });
    }
});

test("an edit that breaks more than it should is left out", async () => {
  const line = {
    task_id: "f",
    prompt: 'def f(x):\n    """Twice x."""\n',
    entry_point: "f",
    canonical_solution: "    return 2 * x\n",
  };
  const [task] = (await tasksOf(JSON.stringify(line))).tasks;
  const operators = task?.mutants().map(({ operator }) => operator) ?? [];
  expect(operators).toContain("suffixed-name");
  // A name of one letter cannot be shortened: that would be no Python at all.
  expect(operators).not.toContain("shortened-name");
});

test("every class of fault is there, and together they are a hundred parts", () => {
  const made = new Set(taskSet.tasks.flatMap((task) => task.mutants()).map(({ fault }) => fault));
  expect([...made].sort()).toEqual((Object.keys(faultClasses) as FaultClass[]).sort());
  expect(Object.values(faultClasses).reduce((sum, { parts }) => sum + parts, 0)).toBe(100);
});

test("a mutant differs from the reference and leaves the helpers alone", () => {
  for (const task of taskSet.tasks) {
    const texts = task.mutants().map((mutant) => mutant.preamble + mutant.functionText);
    expect(texts).not.toContain(task.header + task.body);
    for (const text of texts) expect(text).not.toContain("def first_letter");
  }
});

/** Runs each text's `check` in one Python process; more than 50 ms of processor time counts as red. */
const judge = `
import json, signal, sys
def late(*_): raise BaseException("late")
signal.signal(signal.SIGVTALRM, late)
greens = []
for job in json.load(sys.stdin):
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
    try:
        space = {}
        exec(job["text"] + "\\n" + job["test"], space)
        space["check"](space[job["name"]])
        green = True
    except BaseException:
        green = False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    greens.append(green)
json.dump(greens, sys.stdout)
`;

function greens(jobs: readonly { text: string; test: string; name: string }[]): boolean[] {
  const run = spawnSync("python3", ["-I", "-c", judge], { input: JSON.stringify(jobs), encoding: "utf8" });
  return JSON.parse(run.stdout) as boolean[];
}

test("a reference passes its test, and of the mutants meant to be wrong hardly any does", () => {
  const references = taskSet.tasks.map((task) => ({
    text: task.before + task.header + task.body,
    test: task.test,
    name: task.entryPoint,
  }));
  expect(greens(references)).toEqual(references.map(() => true));
  const jobs = taskSet.tasks.flatMap((task) =>
    task.mutants().map((mutant) => {
      return { text: textOf(task, mutant), test: task.test, name: task.entryPoint, mutant };
    }),
  );
  const passing = greens(jobs).flatMap((green, index) => (green ? (jobs[index]?.mutant ?? []) : []));
  // On the 143 tasks of HumanEval's development half, weighted as they are drawn, 4.4 % pass.
  expect(passing.length / jobs.length).toBeLessThan(0.1);
  const neverPass = ["syntax", "wrong-name", "hallucinated-import", "endless-loop", "crash"];
  expect(passing.filter(({ fault }) => neverPass.includes(fault))).toEqual([]);
});
