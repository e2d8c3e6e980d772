/** Which tests are one and the same, what became of each, and how many there are. */
import { type GateRun, type TestResult, type TestStatus, testsOf } from "./gate.ts";
import type { GateFacts } from "./verdict.ts";

/**
 * Ends the id of an entry that stands for a file that could not be loaded and not for a test: red where it appears, and
 * nothing is lost when it goes. Written by the report parsers.
 */
export const collectionMark = " (could not be loaded)";

/**
 * The same test seen by two gates is one test: by its file and name, whichever runner names it; by its id where the report
 * names no file; an exit code is one test for each command.
 */
export function keyOf(
  { check, written }: GateFacts,
  run: GateRun,
  { id, file }: { readonly id: string; readonly file: string | undefined },
): string {
  if (isExitCode(run)) return `${JSON.stringify(check.report)}\0${check.cwd}\0${written}`;
  if (file !== undefined) return `${file}\0${titleOf(id, file)}`;
  return run.kind === "counted" ? `${run.runner}\0${id}` : `${run.check}\0${id}`;
}

/** The name below the file, the same for `tests/test_a.py::Case::test_b` and `tests.test_a.Case.test_b`. */
function titleOf(id: string, file: string): string {
  if (id.startsWith(file)) return parted(id.slice(file.length), / > |::/);
  const module = file.replace(/\.py$/, "").split("/");
  const prefix = module
    .map((_, from) => `${module.slice(from).join(".")}.`)
    .find((each) => id.startsWith(each));
  return prefix === undefined ? id : parted(id.slice(prefix.length), /\./);
}

function parted(title: string, separator: RegExp): string {
  return title
    .split(separator)
    .filter((part) => part !== "")
    .join("\0");
}

/** Distinct tests on the commit; what was skipped or could not be loaded is none. */
export function countHead(gates: readonly GateFacts[]): { readonly run: number; readonly passed: number } {
  const run = new Set<string>();
  const passed = new Set<string>();
  for (const gate of gates)
    for (const test of testsOf(gate.head)) {
      if (test.status === "skipped" || isCollection(test.id)) continue;
      const key = keyOf(gate, gate.head, test);
      run.add(key);
      if (test.status === "passed") passed.add(key);
    }
  return { run: run.size, passed: passed.size };
}

/** Counted as one test by how the command ended. */
export function isExitCode(run: GateRun): boolean {
  return run.kind === "counted" && (run.runner === "exit-code" || run.runner === "run");
}

/** Whether the entry stands for a file that could not be loaded. */
export function isCollection(id: string): boolean {
  return id.endsWith(collectionMark);
}

/** One test of one gate with everything known about it. */
export interface Case {
  readonly id: string;
  readonly file: string | undefined;
  readonly base: TestStatus | "absent";
  readonly head: TestStatus | "absent";
  readonly control: TestStatus | "absent" | "not-run";
  readonly message: string;
}

/** Every test of a gate that base or the commit reports. */
export function casesOf(gate: GateFacts): readonly Case[] {
  const base = byId(gate.base);
  const head = byId(gate.head);
  const control = gate.control === undefined ? undefined : byId(gate.control);
  const ids = new Set([...head.keys(), ...base.keys()]);
  return [...ids].map((id) => ({
    id,
    file: head.get(id)?.file ?? base.get(id)?.file,
    base: base.get(id)?.status ?? "absent",
    head: head.get(id)?.status ?? "absent",
    control: control === undefined ? "not-run" : (control.get(id)?.status ?? "absent"),
    message: head.get(id)?.message ?? "",
  }));
}

/** The tests of a run by id; of two with one id, the last. */
export function byId(run: GateRun): ReadonlyMap<string, TestResult> {
  return new Map(testsOf(run).map((test) => [test.id, test]));
}
