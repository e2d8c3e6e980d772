/** Goals of several modules: tasks of a task set joined by a driver with a test of its own, and many small modules side by side. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Plan, PlannedBead } from "../src/domain/plan.ts";
import { exampleLines } from "../src/edges/simulator/examples.case.ts";
import { gitVariables } from "./specimen.ts";

/** One task as its line in the file has it. */
export interface TaskLine {
  readonly task_id: string;
  readonly prompt: string;
  readonly entry_point: string;
  readonly canonical_solution: string;
  readonly test: string;
}

/** A repository, the goal for it, what a model that knows it would write, and the plan by which it is divided. */
export interface Composed {
  readonly name: string;
  readonly goal: string;
  /** Decides about the whole. */
  readonly check: string;
  readonly files: Readonly<Record<string, string>>;
  readonly plan: Plan;
  /** For the simulator: the parts and what joins them. */
  readonly lines: readonly TaskLine[];
}

/** TASKS=FILE, or the simulator's own examples. */
export function taskLines(): { readonly from: string; readonly lines: readonly TaskLine[] } {
  const file = process.env.TASKS;
  if (file !== undefined && !existsSync(file)) throw new Error(`TASKS=${file}: there is no such file`);
  const text = file === undefined ? exampleLines : readFileSync(resolve(file), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return {
    from: file === undefined ? "the simulator's examples" : "TASKS",
    lines: lines.map((line) => JSON.parse(line) as TaskLine),
  };
}

/** Goals of 2, 3, 4, 2, 3 … tasks in the order of the file, no task twice; as many as there are tasks for, `countMax` at most. */
export function composedGoals(lines: readonly TaskLine[], countMax: number): readonly Composed[] {
  const goals: Composed[] = [];
  for (let from = 0; goals.length < countMax; ) {
    const size = 2 + (goals.length % 3);
    const parts = lines.slice(from, from + size);
    if (parts.length < size) break;
    goals.push(composed(parts, goals.length + 1));
    from += size;
  }
  return goals;
}

/** The driver calls every module; its test runs each module's own test through it, so that one wrong module makes it red. */
function composed(parts: readonly TaskLine[], number: number): Composed {
  const names = parts.map(({ entry_point: name }) => name);
  const driver = driverOf(names, number);
  const modules = parts.flatMap((part): [string, string][] => [
    [`parts/${part.entry_point}.py`, stubOf(part)],
    [`tests/test_${part.entry_point}.py`, testOf(part)],
  ]);
  return {
    name: `${parts.length} tasks and a driver`,
    goal: `Complete the functions ${names.join(", ")} in parts/ and ${driver.entry_point} in driver.py, so that each does what its docstring says.`,
    check: "python3 -m pytest -q tests/test_driver.py",
    files: {
      ...Object.fromEntries(modules),
      "driver.py": stubOf(driver),
      "tests/test_driver.py": driverTest(parts, driver.entry_point),
    },
    plan: {
      skeleton: {},
      beads: names.map((name) =>
        beadOf(name, `parts/${name}.py`, `python3 -m pytest -q tests/test_${name}.py`),
      ),
    },
    lines: [...parts, driver],
  };
}

function driverOf(names: readonly string[], number: number): TaskLine {
  const imports = names.map((name) => `from parts.${name} import ${name}\n`).join("");
  const docstring = `    """Call the part of driver ${number} that has this name with these arguments, in order, and return what it returns.\n    A name that no part has is a KeyError.\n    """\n`;
  const table = names.map((name) => `"${name}": ${name}`).join(", ");
  return {
    task_id: `driver/${number}`,
    prompt: `${imports}\n\ndef drive_${number}(name, arguments):\n${docstring}`,
    entry_point: `drive_${number}`,
    canonical_solution: `    parts = {${table}}\n    part = parts[name]\n    return part(*arguments)\n`,
    test: "",
  };
}

function stubOf({ prompt }: TaskLine): string {
  return `${prompt.trimEnd()}\n    raise NotImplementedError\n`;
}

/** Names of the module are in reach because some tests use them. */
function testOf({ entry_point: name, test }: TaskLine): string {
  return `from parts.${name} import *\nfrom parts.${name} import ${name}\n\n${test.trim()}\n\n\ndef test_${name}():\n    check(${name})\n`;
}

function driverTest(parts: readonly TaskLine[], driver: string): string {
  const imports = parts.map(({ entry_point: name }) => `from parts.${name} import *\n`).join("");
  const tests = parts.map(({ entry_point: name, test }) => {
    const check = test.trim().replaceAll(/\bcheck\(/g, `check_${name}(`);
    return `${check}\n\n\ndef test_${name}_by_driver():\n    check_${name}(lambda *arguments: ${driver}("${name}", arguments))\n`;
  });
  const unknown = `def test_unknown():\n    with pytest.raises(KeyError):\n        ${driver}("nobody", ())\n`;
  return `import pytest\n\n${imports}from driver import ${driver}\n\n\n${[...tests, unknown].join("\n\n")}`;
}

function beadOf(name: string, path: string, check: string, rest: Partial<PlannedBead> = {}): PlannedBead {
  return {
    name: name.replaceAll("_", "-").slice(0, 40),
    intent: `Complete ${name} in ${path} as its docstring says.`,
    owns: [path],
    ...{ shares: [], reads: [], exports: [], behaviours: [], dependsOn: [], beads: [] },
    checks: [check],
    tokens: { low: 1_000, high: 20_000 },
    budget: undefined,
    ...rest,
  };
}

/** Small modules of which `count` are worked on side by side, `groups` others after all of them (a plan is no wider than five). */
export interface Row extends Composed {
  readonly leaves: readonly string[];
}

export function rowOf(count: number, groups: number): Row {
  const names = Array.from({ length: count + groups }, (_, index) => `number_${index + 1}`);
  const lines = names.map((name, index) => numberTask(name, index + 1));
  const leaves = names.slice(0, count);
  const dashed = (name: string) => name.replaceAll("_", "-");
  const bead = (name: string, rest: Partial<PlannedBead> = {}) =>
    beadOf(name, `parts/${name}.py`, rowCheck([name]), rest);
  const beads = names.slice(count).map((name, group) => {
    const own = leaves.filter((_, index) => index % groups === group);
    const others = leaves.filter((leaf) => !own.includes(leaf));
    return bead(name, { dependsOn: others.map(dashed), beads: own.map((leaf) => bead(leaf)) });
  });
  const files = lines.flatMap((line, index): [string, string][] => [
    [`parts/${line.entry_point}.py`, stubOf(line)],
    [`tests/test_${line.entry_point}.py`, numberTest(line.entry_point, index + 1)],
  ]);
  return {
    name: `${count} side by side`,
    goal: "Complete every function in parts/ as its docstring says.",
    check: rowCheck(names),
    files: Object.fromEntries([["tests/__init__.py", ""], ...files]),
    plan: { skeleton: {}, beads },
    lines,
    leaves,
  };
}

/** The tests of these modules, in one process. */
export function rowCheck(names: readonly string[]): string {
  return `python3 -m unittest ${names.map((name) => `tests.test_${name}`).join(" ")}`;
}

function numberTask(name: string, number: number): TaskLine {
  return {
    task_id: `row/${number}`,
    prompt: `def ${name}(value):\n    """The value times ${number}, and ${number} more; a value below zero is a ValueError."""\n`,
    entry_point: name,
    canonical_solution: `    if value < 0:\n        raise ValueError("below zero")\n    return value * ${number} + ${number}\n`,
    test: "",
  };
}

function numberTest(name: string, number: number): string {
  const cases = [0, 1, 7].map(
    (value) => `        self.assertEqual(${name}(${value}), ${(value + 1) * number})\n`,
  );
  return `import unittest\n\nfrom parts.${name} import ${name}\n\n\nclass Test(unittest.TestCase):\n    def test_values(self):\n${cases.join("")}\n    def test_below_zero(self):\n        with self.assertRaises(ValueError):\n            ${name}(-1)\n`;
}

/** A new repository with one commit; its folder makes its tree another one than any before. */
export function plant({ files }: Composed, folder: string): void {
  const all = { ...files, "README.md": `${folder}\n` };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  git(folder, "init", "--quiet", "--initial-branch=main");
  git(folder, "add", ".");
  git(folder, "commit", "--quiet", "--message", "base");
}

export function git(folder: string, ...words: readonly string[]): string {
  return execFileSync("git", words, { cwd: folder, env: gitVariables, encoding: "utf8" }).trim();
}
