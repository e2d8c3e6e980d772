import { describe, expect, test } from "vitest";
import { provenanceFaults } from "../../domain/provenance.ts";
import type { Tracked } from "../../domain/selection.ts";
import { type Suite, suitesFor } from "../../domain/suite.ts";
import { readTests, testsPrompt } from "../../domain/testing.ts";
import { readSuite } from "../control/provenance.ts";
import { roughSize } from "../tokens.ts";
import { exampleTasks, pathOf, stubOf } from "./examples.case.ts";
import { answer } from "./noise.ts";
import { profileOf } from "./profile.ts";
import type { Task, TaskSet } from "./taskset.ts";

/** What a test-writer gives for a repository with these tasks, as Rigs reads it. */
function consult(profile: string, seed: number, tasks: readonly Task[], taskSet: TaskSet, more = {}) {
  const files = new Map<string, Tracked>([
    ...tasks.map((task): [string, Tracked] => [pathOf(task), { kind: "text", text: stubOf(task) }]),
    ...Object.entries(more).map(([path, text]): [string, Tracked] => [
      path,
      { kind: "text", text: String(text) },
    ]),
  ]);
  const [suite] = suitesFor({ files, goal: "Write what is missing.", base: [] });
  const known = profileOf(profile);
  if (suite === undefined || known === undefined) throw new Error("runner and profile are known");
  const about = { goal: "Write what is missing.", suite, readOnly: new Set<string>(), files, refused: [] };
  const prompt = testsPrompt({ ...about, size: roughSize, contextTokensMax: 12_000 });
  const said = answer(
    { ...prompt, temperature: 0.2, outputTokensMax: 8_000, sample: 0 },
    taskSet,
    known,
    seed,
  );
  return { suite, read: read(said.text, suite, new Set(files.keys())) };
}

function read(text: string, suite: Suite, paths: ReadonlySet<string>) {
  return readTests(text, "stop", { suite, paths, isProtected: () => false });
}

describe("a simulated test-writer", async () => {
  const taskSet = await exampleTasks();
  const [task] = taskSet.tasks;
  if (task === undefined) throw new Error("there is a task");

  test("that is perfect gives the task's own assertions, for the runner that is named", () => {
    const unittest = consult("perfect", 1, [task], taskSet).read;
    expect(unittest.kind === "tests" && Object.fromEntries(unittest.files)).toEqual({
      "tests/test_clamp_all.py": expect.stringContaining(
        "self.assertTrue(clamp_all([1, 9, 5], 2, 8) == [2, 8, 5])",
      ),
    });
    const pytest = consult("perfect", 1, [task], taskSet, { "pytest.ini": "" }).read;
    expect(pytest.kind === "tests" && [...pytest.files.values()][0]).toMatch(
      /^from shop\.clamp_all import clamp_all\n\n\ndef test_example_1\(\):\n {4}assert clamp_all\(\[1, 9, 5\], 2, 8\) == \[2, 8, 5\]\n/,
    );
  });

  test("that is middling is sometimes wrong, trivial, unbound, or gives code too", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 120; seed++) {
      const { read: given } = consult("median", seed, [task], taskSet);
      const text = given.kind === "tests" ? [...given.files.values()].join("") : "";
      if (given.kind === "faulty") seen.add("edited");
      else if (text.includes("not (")) seen.add("wrong");
      else if (text.includes("(callable(")) seen.add("trivial");
      else if (!text.includes("from shop")) seen.add("unbound");
      else seen.add("honest");
    }
    expect([...seen].sort()).toEqual(["edited", "honest", "trivial", "unbound", "wrong"]);
  });

  test("that is perfect passes the suite gate; that takes no trouble does not", async () => {
    const faultsOf = async (profile: string) => {
      const { read: given } = consult(profile, 1, [task], taskSet);
      if (given.kind === "faulty") throw new Error(given.faults.join());
      const read = [...given.files].map(async ([path, text]) => [path, await readSuite(path, text)] as const);
      const base = { goal: "Write what is missing.", paths: [pathOf(task)], texts: [stubOf(task)] };
      return provenanceFaults(new Map(await Promise.all(read)), base);
    };
    expect(await faultsOf("perfect")).toEqual([]);
    for (const profile of ["cheater", "stub-only"])
      expect(await faultsOf(profile)).toEqual([expect.stringMatching(/^no assertion compares/)]);
  });

  test("that takes no trouble gives a suite that shows nothing; that is no help gives none", () => {
    const { read: lazy } = consult("stub-only", 1, [task], taskSet);
    expect(lazy.kind === "tests" && [...lazy.files.values()][0]).toContain("callable(clamp_all)");
    for (const profile of ["always-malformed", "garbage"])
      expect(consult(profile, 1, [task], taskSet).read.kind).toBe("faulty");
  });
});
