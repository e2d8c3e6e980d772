import type { Finish } from "../../domain/reply.ts";
import type { Random } from "../../kit/random.ts";
import type { Asked } from "./conversation.ts";
import { blocksOf, isSolved, type Sighting, sightingsIn } from "./file.ts";
import type { Behaviour } from "./profile.ts";
import type { TaskSet } from "./taskset.ts";

/**
 * Faults in a suite with their rates at the first answer, which a model's envelope factor scales; guesses, for want of a
 * measurement. A complaint about the last suite leaves a third of each. `wrong`: one assertion asks for what is not so;
 * `trivial`: it asks only that the function is there; `unbound`: it forgets its import; `edited`: it gives code as well.
 */
export const suiteFaultRates = { wrong: 0.08, trivial: 0.1, unbound: 0.06, edited: 0.04 } as const;

export type SuiteFault = keyof typeof suiteFaultRates;

export interface WriterLetter {
  readonly text: string;
  readonly finish: Finish;
  readonly faults: readonly SuiteFault[];
}

/** Whether a request asks for acceptance tests. */
export function asksForTests({ system }: Pick<Asked, "system">): boolean {
  return /^Role: test-writer\s*$/m.test(system.split("\n", 1)[0] ?? "");
}

/** One file with the assertions of every task that is known and not yet solved, for the runner that the request speaks of. */
export function suiteLetter(
  asked: Asked,
  taskSet: TaskSet,
  behaviour: Behaviour,
  random: Random,
): WriterLetter {
  const said = asked.messages.filter(({ from }) => from === "user").map(({ text }) => text);
  const open = sightingsIn(taskSet, said).filter(({ task, fileText }) => !isSolved(fileText, task));
  const isMending = asked.messages.some(({ from }) => from === "model");
  const faults = faultsOf(behaviour, isMending ? 1 / 3 : 1, random);
  const [first] = open;
  if (first === undefined || behaviour.kind === "malformed")
    return { text: "I would test the examples and the edges.\n", finish: "stop", faults: [...faults] };
  const isTrivial = faults.has("trivial") || behaviour.kind === "stub" || behaviour.kind === "cheater";
  const lines = open.flatMap((seen) => assertionsOf(seen, isTrivial));
  const at = Math.floor(random() * lines.length);
  const asserted = lines.map((line, index) => (faults.has("wrong") && index === at ? `not (${line})` : line));
  const imports = faults.has("unbound") ? [] : open.map(importOf);
  const text = said.some((each) => /-m unittest\b/.test(each))
    ? unittestFile(imports, asserted)
    : pytestFile(imports, asserted);
  const code = faults.has("edited") ? `\n${first.path}\n\`\`\`python\n${first.fileText}\`\`\`\n` : "";
  const letter = `${placeFor(first, said)}\n\`\`\`python\n${text}\`\`\`\n${code}`;
  return { text: letter, finish: "stop", faults: [...faults] };
}

function faultsOf(behaviour: Behaviour, share: number, random: Random): ReadonlySet<SuiteFault> {
  const faults = new Set<SuiteFault>();
  const factor = behaviour.kind === "noisy" ? behaviour.envelope * share : 0;
  for (const [fault, rate] of Object.entries(suiteFaultRates) as [SuiteFault, number][])
    if (random() < rate * factor) faults.add(fault);
  return faults;
}

/** Assertions of one file. */
const assertionsMax = 60;

/** The task's own one-line assertions, as expressions; without any, that the function is there. */
function assertionsOf({ task }: Sighting, isTrivial: boolean): readonly string[] {
  const own = (task.test.match(/^\s*assert .*candidate\(.*$/gm) ?? [])
    .map((line) => line.trim().slice("assert ".length).replaceAll("candidate(", `${task.entryPoint}(`))
    .map((line) => line.replace(/,\s*(?:"[^"]*"|'[^']*')\s*$/, ""))
    .filter((line) => !/[([{,\\]$/.test(line));
  return isTrivial || own.length === 0 ? [`callable(${task.entryPoint})`] : own.slice(0, assertionsMax);
}

function importOf({ task, path }: Sighting): string {
  return `from ${path.replace(/\.py$/, "").replaceAll("/", ".")} import ${task.entryPoint}`;
}

function pytestFile(imports: readonly string[], asserted: readonly string[]): string {
  const tests = asserted.map((line, index) => `def test_example_${index + 1}():\n    assert ${line}\n`);
  return [`${imports.join("\n")}\n`, ...tests].join("\n\n");
}

function unittestFile(imports: readonly string[], asserted: readonly string[]): string {
  const tests = asserted.map(
    (line, index) => `    def test_example_${index + 1}(self):\n        self.assertTrue(${line})\n`,
  );
  return `import unittest\n\n${imports.join("\n")}\n\n\nclass Examples(unittest.TestCase):\n${tests.join("\n")}`;
}

/** In the folder that the request names for tests, under a name that it does not show. */
function placeFor({ task }: Sighting, said: readonly string[]): string {
  const folder = /([\w./-]+\/)test_<what>\.py/.exec(said.join("\n"))?.[1] ?? "";
  const shown = new Set(said.flatMap(blocksOf).flatMap(({ path }) => path ?? []));
  const usual = `${folder}test_${task.entryPoint}.py`;
  return shown.has(usual) ? `${folder}test_${task.entryPoint}_wanted.py` : usual;
}
