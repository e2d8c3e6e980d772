import { describe, expect, test } from "vitest";
import type { BaseResult } from "./gate.ts";
import type { Tracked } from "./selection.ts";
import { checkOf, isSuiteFile, type Suite, suitesFor } from "./suite.ts";
import { readTests, type TestsAsk, testsPrompt, testWriterSystem } from "./testing.ts";

const roughSize = (content: string) => Math.ceil(content.length / 4);

const text = (content = ""): Tracked => ({ kind: "text", text: content });
const repository = (files: Readonly<Record<string, string>>) =>
  new Map(Object.entries(files).map(([path, content]) => [path, text(content)] as const));
const ran = (runner: string): BaseResult => ({
  ...{ check: "guard", kind: "green", runner, passed: 1, failed: 0, wallMs: 1, why: "" },
});

describe("the runner that tests are written for", () => {
  const check = (
    files: Readonly<Record<string, string>>,
    expected: readonly string[],
    { goal = "Add it", base = [] }: { readonly goal?: string; readonly base?: readonly BaseResult[] } = {},
  ) => expect(suitesFor({ files: repository(files), goal, base }).map(wordsOf)).toEqual(expected);
  const wordsOf = ({ runner, folder, probe }: Suite) =>
    `${runner} in ${folder}${probe === undefined ? "" : " ?"}`;

  test("Python: pytest where something speaks of it, unittest where nothing does", () => {
    check({ "calc.py": "" }, ["unittest in tests ?"]);
    check({ "calc.py": "", "pytest.ini": "" }, ["pytest in tests ?", "unittest in tests ?"]);
    check({ "calc.py": "", "pyproject.toml": "[tool.pytest.ini_options]" }, [
      "pytest in tests ?",
      "unittest in tests ?",
    ]);
    check({ "calc.py": "", "pyproject.toml": "[project]" }, ["unittest in tests ?"]);
    check({ "calc.py": "", "unit/test_a.py": "def test_a(): pass\n" }, [
      "pytest in unit ?",
      "unittest in unit ?",
    ]);
    check({ "calc.py": "", "unit/test_a.py": "import unittest\n" }, ["unittest in unit ?"]);
  });
  test("what ran on base is not looked for again", () =>
    check({ "calc.py": "", "t/test_a.py": "import pytest" }, ["pytest in t", "unittest in t ?"], {
      base: [ran("pytest")],
    }));
  test("JavaScript: what package.json installs, then Node's own", () => {
    check({ "a.js": "" }, ["node:test in test ?"]);
    check({ "package.json": "{}" }, ["node:test in test ?"]);
    check({ "a.ts": "", "package.json": '{"devDependencies":{"vitest":"5"}}', "src/a.test.ts": "" }, [
      "vitest in src ?",
      "node:test in src ?",
    ]);
    check({ "a.js": "", "package.json": '{"devDependencies":{"jest": "29"}}' }, [
      "jest in test ?",
      "node:test in test ?",
    ]);
  });
  test("jest keeps the settings of its script", () => {
    const manifest =
      '{"scripts":{"test":"NODE_OPTIONS=--experimental-vm-modules jest --ci"},"devDependencies":{"jest":"29"}}';
    const [jest] = suitesFor({
      files: repository({ "a.js": "", "package.json": manifest }),
      goal: "",
      base: [],
    });
    expect(jest && checkOf(jest, ["test/a.test.js", "it's.test.js"]).command).toBe(
      "NODE_OPTIONS=--experimental-vm-modules node_modules/.bin/jest test/a.test.js 'it'\\''s.test.js'",
    );
  });
  test("of two languages the one that the goal speaks of, else the greater part", () => {
    const both = { "a.py": "", "b.py": "", "c.js": "" };
    check(both, ["unittest in tests ?"]);
    check(both, ["node:test in test ?"], { goal: "Add count to c.js" });
    check({}, ["unittest in tests ?"], { goal: "Write a Python module slug.py" });
    check({ "readme.md": "" }, []);
    check({ "main.go": "", "tool.go": "", "gen.py": "" }, []);
    check({ "main.go": "", "gen.py": "" }, ["unittest in tests ?"], { goal: "gen.py takes --out" });
  });
});

const suiteOf = (files: Readonly<Record<string, string>>): Suite => {
  const [first] = suitesFor({ files: repository(files), goal: "", base: [] });
  if (first === undefined) throw new Error("a runner is known");
  return first;
};
const pytest = suiteOf({ "calc.py": "", "pytest.ini": "" });

test.each<readonly [string, string, boolean]>([
  ["pytest", "tests/test_a.py", true],
  ["pytest", "a_test.py", true],
  ["pytest", "tests/conftest.py", false],
  ["pytest", "tests/helpers.py", false],
  ["pytest", "calc.py", false],
  ["unittest", "tests/test_a.py", true],
  ["unittest", "my-tests/test_a.py", false],
  ["node:test", "test/a.test.js", true],
  ["node:test", "test/a.js", false],
  ["jest", "src/a.test.tsx", true],
])("%s: %s is a file of a suite: %s", (runner, path, expected) =>
  expect(isSuiteFile({ ...pytest, runner: runner as Suite["runner"] }, path)).toBe(expected),
);

describe("a test-writer's answer", () => {
  const ground = {
    suite: pytest,
    paths: new Set(["calc.py", "tests/test_old.py"]),
    isProtected: (path: string) => path.startsWith("tests/locked"),
  };
  const file = (path: string, content = "def test_a():\n    assert 1\n") =>
    `${path}\n\`\`\`python\n${content}\`\`\`\n`;
  const check = (
    answer: string,
    expected: readonly string[] | RegExp,
    finish: "stop" | "length" = "stop",
  ) => {
    const read = readTests(answer, finish, ground);
    if (expected instanceof RegExp)
      expect(read).toEqual({ kind: "faulty", faults: [expect.stringMatching(expected)] });
    else expect(read.kind === "tests" ? [...read.files.keys()] : read).toEqual(expected);
  };
  test("one or two new test files, whatever is said around them", () => {
    check(`I test this:\n\n${file("tests/test_a.py")}`, ["tests/test_a.py"]);
    check(file("tests/test_a.py") + file("tests/test_b.py"), ["tests/test_a.py", "tests/test_b.py"]);
  });
  test.each([
    ["a file that is there", file("tests/test_old.py"), /tests\/test_old\.py: only new files/],
    ["code", file("tests/test_a.py") + file("calc.py"), /calc\.py: only new files/],
    ["new code", file("tests/test_a.py") + file("double.py"), /double\.py is no test file of pytest/],
    ["what a runner loads by itself", file("tests/conftest.py"), /is no test file/],
    ["a protected name", file("tests/locked/test_a.py"), /is protected/],
    ["three files", ["a", "b", "c"].map((name) => file(`test_${name}.py`)).join(""), /3 files/],
    ["a novel", file("tests/test_a.py", `#${"x".repeat(50_000)}\n`), /at most 40000/],
    ["no file", "I would test it thoroughly.", /no block/],
    ["a wish to read", '{"read": ["calc.py"]}', /no file can be asked for/],
    [
      "an edit",
      "tests/test_new.py\n```\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n```\n",
      /given whole/,
    ],
  ])("%s is refused", (_, answer, why) => check(answer, why));
  test("an answer that was cut is refused", () =>
    check(file("tests/test_a.py"), /cut at its length/, "length"));
});

describe("the question", () => {
  const ask = (more: Partial<TestsAsk> = {}): TestsAsk => ({
    ...{ goal: "Add double(n) to calc.py", suite: pytest, readOnly: new Set(["tests/test_old.py"]) },
    files: repository({
      "calc.py": "def add(a, b):\n    return a + b\n",
      "tests/test_old.py": "import calc\n",
    }),
    ...{ refused: [], size: roughSize, contextTokensMax: 12_000, ...more },
  });
  test("its fixed part is small and says whom it is for in its first line", () => {
    expect(roughSize(testWriterSystem)).toBeLessThanOrEqual(900);
    expect(testWriterSystem.split("\n", 1)).toEqual(["Role: test-writer"]);
  });
  test("has the goal, the repository, the runner and where its tests lie", () => {
    const { messages } = testsPrompt(ask());
    expect(messages).toHaveLength(1);
    for (const part of [
      "Add double(n)",
      "def add(a, b)",
      "python3 -m pytest -q tests/test_name.py",
      "tests/test_<what>.py",
    ])
      expect(messages[0]?.text).toContain(part);
  });
  test("asked again, it has the newest answer and every fault of it", () => {
    const refused = [
      { answer: "first", faults: "old" },
      { answer: "second", faults: "not one\nnot two" },
    ];
    const { messages } = testsPrompt(ask({ refused }));
    expect(messages.map(({ from }) => from)).toEqual(["user", "model", "user"]);
    expect(messages.slice(1).map((each) => each.text)).toEqual([
      "second",
      "These tests cannot be used:\n- not one\n- not two\n\nAnswer again with the whole test files, mended.",
    ]);
  });
});
