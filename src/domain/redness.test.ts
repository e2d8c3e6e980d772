import { describe, expect, test } from "vitest";
import type { GateRun, TestResult } from "./gate.ts";
import { rednessOf, unsteady } from "./redness.ts";
import { collectionMark } from "./tally.ts";

const failed = (id: string, message: string, file = id.split(/::| > | \(/)[0]): TestResult => {
  return { id, file, status: "failed", message };
};
const passed = (id: string): TestResult => ({ id, file: undefined, status: "passed", message: "" });
type Counted = Extract<GateRun, { readonly kind: "counted" }>;
const counted = (tests: readonly TestResult[], more: Partial<Counted> = {}): GateRun => ({
  ...{ kind: "counted", check: "acceptance-model", runner: "pytest", tests, exitCode: 1 },
  ...{ limit: undefined, wallMs: 10, output: { stdout: "", stderr: "" }, ...more },
});
const unloaded = (file: string, message: string) => counted([failed(file + collectionMark, message, file)]);

const python = {
  paths: ["calc.py", "shop/__init__.py", "lib/money/rates.py"],
  tests: ["tests/test_calc.py"],
  goal: "Add double(n) to calc.py, and write billing.py with total(rows)",
};
const script = {
  paths: ["package.json", "src/words.js", "src/text/clean.js"],
  tests: ["test/count.test.js"],
  goal: "Add count(text) to src/words.js",
};

// The words of pytest 7 and 9, unittest of Python 3.11 and node:test of Node 24 themselves, shortened in the middle.
const collected = (last: string) =>
  `collection failure\nImportError while importing test module '/w/tests/test_calc.py'.\nHint: make sure your test modules/packages have valid Python names.\nTraceback:\n/usr/lib/python3.11/importlib/__init__.py:126: in import_module\n    return _bootstrap._gcd_import(name[level:], package, level)\ntests/test_calc.py:1: in <module>\n    from calc import double\nE   ${last}`;
const inTest = (line: string, error: string, at = "tests/test_calc.py:3") =>
  `${error}\n>   ${line}\nE   ${error}\n\n${at}: ${error.split(":")[0]}`;
const unittestUnloaded = (last: string) =>
  `ImportError: Failed to import test module: test_calc\nTraceback (most recent call last):\n  File "/usr/lib/python3.11/unittest/loader.py", line 154, in loadTestsFromName\n    module = __import__(module_name)\n  File "/w/tests/test_calc.py", line 2, in <module>\n    from calc import double\n${last}\n`;
const nodeMissing = (what: string) =>
  `node:internal/modules/esm/resolve:272\n    throw new ERR_MODULE_NOT_FOUND(\n          ^\n\nError [ERR_MODULE_NOT_FOUND]: Cannot find ${what} imported from /w/test/count.test.js\n    at finalizeResolution (node:internal/modules/esm/resolve:272:11) {\n  code: 'ERR_MODULE_NOT_FOUND'\n}\n\nNode.js v24.21.0`;
const nodeExport = (module: string) =>
  `file:///w/test/count.test.js:1\nimport { count } from "${module}";\n         ^^^^^\nSyntaxError: The requested module '${module}' does not provide an export named 'count'\n    at #asyncInstantiate (node:internal/modules/esm/module_job:455:21)\n\nNode.js v24.21.0`;

describe("red for the right reason", () => {
  const check = (run: GateRun, ground: typeof python, red = 1, green = 0) =>
    expect(rednessOf(run, ground)).toEqual({ kind: "red", red, green });

  test.each([
    [
      "a function that is not there yet",
      collected("ImportError: cannot import name 'double' from 'calc' (/w/calc.py)"),
    ],
    ["a module that the goal names", collected("ModuleNotFoundError: No module named 'billing'")],
    ["a module in a package that is there", collected("ModuleNotFoundError: No module named 'shop.cart'")],
  ])("pytest: %s", (_, message) => check(unloaded("tests/test_calc.py", message), python));
  test.each([
    [
      "a missing function",
      inTest("assert calc.double(1) == 2", "AttributeError: module 'calc' has no attribute 'double'"),
    ],
    ["an assertion", inTest("assert calc.add(1, 1) == 3", "assert 2 == 3")],
    ["a stub", inTest("raise NotImplementedError", "NotImplementedError", "calc.py:4")],
    [
      "a stub that gives nothing",
      inTest("assert len(calc.f()) == 0", "TypeError: object of type 'NoneType' has no len()"),
    ],
    [
      "a name that the code under test lacks",
      inTest("return nothing", "NameError: name 'nothing' is not defined", "calc.py:9"),
    ],
    [
      "an exception that does not come",
      inTest("with pytest.raises(ValueError):", "Failed: DID NOT RAISE <class 'ValueError'>"),
    ],
  ])("a test of pytest: %s", (_, message) =>
    check(counted([failed("tests/test_calc.py::test_a", message), passed("b"), passed("c")]), python, 1, 2),
  );
  test("unittest: a function that is not there yet", () =>
    check(
      counted(
        [
          failed(
            `tests.test_calc${collectionMark}`,
            unittestUnloaded("ImportError: cannot import name 'double' from 'calc' (/w/calc.py)"),
          ),
        ],
        { runner: "unittest" },
      ),
      python,
    ));
  test.each([
    ["an export that is not there yet", nodeExport("../src/words.js")],
    ["a file that is not there yet", nodeMissing("module '/w/src/count.js'")],
    [
      "the same, as CommonJS says it",
      "Error: Cannot find module '../src/count'\nRequire stack:\n- /w/test/count.test.js",
    ],
    [
      "the same, as vite says it",
      'Error: Failed to resolve import "../src/count.js" from "test/count.test.js". Does the file exist?',
    ],
  ])("node:test and vitest: %s", (_, message) => check(unloaded("test/count.test.js", message), script));
  test("a function that is undefined", () =>
    check(
      counted([
        failed(
          "test/count.test.js > x",
          "TypeError: words.count is not a function\n    at TestContext.<anonymous> (file:///w/test/count.test.js:2:30)",
        ),
      ]),
      script,
    ));
});

describe("red for a fault of its own", () => {
  const check = (run: GateRun, why: RegExp, ground: typeof python = python) =>
    expect(rednessOf(run, ground)).toEqual({ kind: "faulty", faults: [expect.stringMatching(why)] });

  test.each([
    [
      "a package that is not installed",
      collected("ModuleNotFoundError: No module named 'hypothesis'"),
      /no module hypothesis/,
    ],
    [
      "a name that the language's own module lacks",
      collected("ImportError: cannot import name 'isclos' from 'math' (/usr/lib)"),
      /math, .* has no isclos/,
    ],
    [
      "a module that is there, by a wrong name",
      collected("ModuleNotFoundError: No module named 'rates'"),
      /lib\/money\/rates\.py is there, but/,
    ],
    [
      "a helper it did not give",
      collected("ModuleNotFoundError: No module named 'tests.helpers'"),
      /tests\/helpers\.py is not among/,
    ],
    [
      "no Python",
      'collection failure\nE     File "/w/tests/test_calc.py", line 1\nE       def f(:\nE             ^\nE   SyntaxError: invalid syntax',
      /does not parse: SyntaxError/,
    ],
  ])("pytest: %s", (_, message, why) => check(unloaded("tests/test_calc.py", message), why));
  test.each([
    [
      "a name it does not define",
      inTest("assert add(1, 2) == 3", "NameError: name 'add' is not defined"),
      /neither define nor import/,
    ],
    [
      "what the language's own module lacks",
      inTest("random.foo()", "AttributeError: module 'random' has no attribute 'foo'"),
      /random/,
    ],
    [
      "a fixture nobody has",
      "file /w/tests/test_calc.py, line 5\n  def test_fix(tmp_pathx): assert 1\nE       fixture 'tmp_pathx' not found\n\n/w/tests/test_calc.py:5",
      /fixture 'tmp_pathx' not found/,
    ],
  ])("a test of pytest: %s", (_, message, why) =>
    check(counted([failed("tests/test_calc.py::test_a", message), passed("b")]), why),
  );
  test.each([
    ["a package that is not installed", nodeMissing("package 'chai'"), /chai does not give/],
    ["an export that Node lacks", nodeExport("node:util"), /node:util does not give/],
    [
      "a helper it did not give",
      nodeMissing("module '/w/test/helpers.js'"),
      /test\/helpers\.js is not among/,
    ],
    [
      "a file that is there, by a wrong way",
      nodeMissing("module '/w/words.js'"),
      /leads to words\.js, which is not there; src\/words\.js is/,
    ],
    [
      "no JavaScript",
      "file:///w/test/count.test.js:3\n\n\nSyntaxError: Unexpected end of input\n    at compileSourceTextModule (node:internal/modules/esm/utils:319:16)",
      /does not parse/,
    ],
  ])("node:test: %s", (_, message, why) => check(unloaded("test/count.test.js", message), why, script));
  test("a name it does not define, in a script", () =>
    check(
      counted([
        failed(
          "test/count.test.js > x",
          "ReferenceError: count is not defined\n    at TestContext.<anonymous> (file:///w/test/count.test.js:3:19)",
        ),
      ]),
      /neither define nor import/,
      script,
    ));
  test("nothing red, nothing found, something skipped, no end, no run", () => {
    check(counted([passed("a")], { exitCode: 0 }), /every test passes before/);
    check(counted([]), /no test is found/);
    check(counted([failed("a", "assert 0"), { ...passed("b"), status: "skipped" }]), /skipped, .*: b/);
    check(counted([failed("a", "assert 0")], { limit: "wall" }), /do not end in time/);
    check(
      {
        kind: "could-not-run",
        check: "a",
        why: "pytest is not installed",
        output: { stdout: "", stderr: "" },
      },
      /pytest is not installed/,
    );
    check(counted([failed("a > slow", "Error: Test timed out in 5000ms.")]), /timed out/);
  });
});

test("what is not the same twice is named", () => {
  const first = counted([failed("a", "assert 1"), failed("b", "assert 1"), passed("c")]);
  expect(unsteady(first, counted([failed("a", "assert 2"), failed("b", "x"), passed("c")]))).toEqual([]);
  expect(unsteady(first, counted([passed("a"), failed("b", "assert 1")]))).toEqual([
    "not the same twice: a failed, then passed",
    "not the same twice: c passed, then absent",
  ]);
});
