import fc from "fast-check";
import { expect, test } from "vitest";
import { compareScores } from "./attempt.ts";
import { readComplaint, splitOutside } from "./complaint.ts";
import { classify, evaluate, scoreOf, shortName, steady } from "./failure.ts";
import { framesIn, ownPath } from "./frame.ts";
import { type GateRun, isGreen, type TestResult } from "./gate.ts";
import type { BlobHash } from "./id.ts";
import { collectionMark } from "./tally.ts";

const failed = (id: string, message: string, file?: string): TestResult => ({
  id,
  file,
  status: "failed",
  message,
});
const passed = (id: string): TestResult => ({ id, file: undefined, status: "passed", message: "" });
type Counted = Extract<GateRun, { readonly kind: "counted" }>;
const counted = (tests: readonly TestResult[], more: Partial<Counted> = {}): GateRun => ({
  kind: "counted",
  check: "acceptance-1",
  runner: "pytest",
  tests,
  exitCode: tests.some((each) => each.status === "failed") ? 1 : 0,
  limit: undefined,
  wallMs: 10,
  output: { stdout: "", stderr: "" },
  ...more,
});
const noReport = (
  stderr: string,
  more: Partial<Extract<GateRun, { readonly kind: "no-report" }>> = {},
): GateRun => ({
  kind: "no-report",
  check: "acceptance-1",
  runner: "pytest",
  why: "the report is missing",
  exitCode: 1,
  limit: undefined,
  wallMs: 10,
  output: { stdout: "", stderr },
  ...more,
});

// Words of the runners themselves: pytest 7.2, unittest of Python 3.11, node:test of Node 24, vitest 5, jest 29.
const pytestEqual = `assert -1 == 3
 +  where -1 = add(1, 2)
def test_eq():
        x = 1
>       assert add(1,2) == 3
E       assert -1 == 3
E        +  where -1 = add(1, 2)

t/test_a.py:7: AssertionError`;
const pytestList = `AssertionError: lists
assert [1, 2, 3] == [1, 2, 4]
>   def test_list(): assert [1,2,3] == [1,2,4], "lists"
E   AssertionError: lists
E   assert [1, 2, 3] == [1, 2, 4]
E     At index 2 diff: 3 != 4

t/test_a.py:9: AssertionError`;
const pytestRaised = `ValueError: bad thing
>   def test_raise(): inner(3)

t/test_a.py:10: 
_ _ _ _ _ _ _ _ _ _ _

x = 3

    def inner(x):
>       raise ValueError("bad thing")
E       ValueError: bad thing

src/shop.py:4: ValueError`;
const pytestImport = `collection failure
ImportError while importing test module '/tmp/probe/t/test_b.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/lib/python3.11/importlib/__init__.py:126: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
t/test_b.py:1: in <module>
    import nothing_here
E   ModuleNotFoundError: No module named 'nothing_here'`;
const pytestSyntax = `collection failure
/usr/lib/python3/dist-packages/_pytest/python.py:618: in _importtestmodule
    mod = import_path(self.path, mode=importmode, root=self.config.rootpath)
E     File "/tmp/probe/src/shop.py", line 1
E       def f(:
E             ^
E   SyntaxError: invalid syntax`;
const unittestLists = `Traceback (most recent call last):
  File "/tmp/probe/t/test_a.py", line 17, in test_ul
    def test_ul(self): self.assertEqual([1],[2])
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
AssertionError: Lists differ: [1] != [2]

First differing element 0:
1
2`;
const nodeEqual = `AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

3 !== 4

    at TestContext.<anonymous> (file:///tmp/probe/a.test.mjs:2:27)
    at Test.runInAsyncScope (node:async_hooks:227:14)
    at Test.run (node:internal/test_runner/test:1402:25)`;
const nodeDeep = `AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:
+ actual - expected

  {
    a: 1,
+     2
-     3
  }

    at TestContext.<anonymous> (file:///tmp/probe/a.test.mjs:3:29)`;
const vitestBe = `AssertionError: expected 3 to be 4 // Object.is equality
    at add (/tmp/probe/src/shop.ts:9:3)
    at /tmp/probe/v/a.test.js:2:30
    at file:///srv/node_modules/vitest/dist/chunks/run.js:1695:35`;
const jestBe = `Error: \u001b[2mexpect(\u001b[22mreceived\u001b[2m).\u001b[22mtoBe\u001b[2m(\u001b[22mexpected\u001b[2m)\u001b[22m

Expected: \\x1b[32m4\\x1b[39m
Received: \\x1b[31m3\\x1b[39m
    at Object.toBe (/tmp/probe/a.test.js:3:13)`;

test.each([
  ["pytest", pytestEqual, "assert -1 == 3", "3", "-1"],
  ["pytest with a message", pytestList, "assert [1, 2, 3] == [1, 2, 4]", "[1, 2, 4]", "[1, 2, 3]"],
  ["pytest exception", pytestRaised, "ValueError: bad thing", undefined, undefined],
  [
    "pytest.raises",
    "E   Failed: DID NOT RAISE <class 'ValueError'>",
    "Failed: DID NOT RAISE <class 'ValueError'>",
    "ValueError raised",
    "no exception",
  ],
  ["pytest in", "E   assert 3 in [1, 2]", "assert 3 in [1, 2]", "in [1, 2]", "3"],
  ["pytest truth", "E   assert 0\nE    +  where 0 = add(1, 1)", "assert 0", "something true", "0"],
  ["pytest quotes", "E   assert 'a == b' == 'c'", "assert 'a == b' == 'c'", "'c'", "'a == b'"],
  ["unittest", unittestLists, "AssertionError: Lists differ: [1] != [2]", "[2]", "[1]"],
  [
    "unittest truth",
    'Traceback (most recent call last):\n  File "a.py", line 1, in x\nAssertionError: False is not true',
    "AssertionError: False is not true",
    "true",
    "False",
  ],
  [
    "unittest raises",
    "Traceback (most recent call last):\n  x\nAssertionError: KeyError not raised",
    "AssertionError: KeyError not raised",
    "KeyError raised",
    "no exception",
  ],
  ["node:test", nodeEqual, "Expected values to be strictly equal: 3 !== 4", "4", "3"],
  ["node:test deep", nodeDeep, "Expected values to be strictly deep-equal:", "3", "2"],
  [
    "node:test truth",
    "AssertionError [ERR_ASSERTION]: The expression evaluated to a falsy value:\n\n  assert.ok(isEven(3))\n\n    at x (a.mjs:1:1)",
    "The expression evaluated to a falsy value: assert.ok(isEven(3))",
    "something true",
    "assert.ok(isEven(3))",
  ],
  [
    "node:test loose",
    "AssertionError [ERR_ASSERTION]: '1' == 2\n    at x (a.mjs:1:1)",
    "'1' == 2",
    "2",
    "'1'",
  ],
  [
    "node:test loose deep",
    "AssertionError [ERR_ASSERTION]: Expected values to be loosely deep-equal:\n\n{\n  a: 1\n}\n\nshould loosely deep-equal\n\n{\n  a: 2\n}\n    at x (a.mjs:1:1)",
    "Expected values to be loosely deep-equal:",
    "{\n  a: 2\n}",
    "{\n  a: 1\n}",
  ],
  [
    "node:test match",
    "AssertionError [ERR_ASSERTION]: The input did not match the regular expression /x/. Input:\n\n'abc'\n\n    at x (a.mjs:1:1)",
    "The input did not match the regular expression /x/. Input: 'abc'",
    "to match /x/",
    "'abc'",
  ],
  [
    "node:test with the test's own words",
    "AssertionError [ERR_ASSERTION]: must add\n    at x (a.mjs:1:1)\n\nExpected: 3\nReceived: 2",
    "must add",
    "3",
    "2",
  ],
  [
    "node:test rejects",
    "AssertionError [ERR_ASSERTION]: Missing expected rejection.\n    at x (a.mjs:1:1)",
    "Missing expected rejection.",
    "an exception",
    "no exception",
  ],
  ["vitest", vitestBe, "expected 3 to be 4 // Object.is equality", "4", "3"],
  [
    "vitest deep",
    "AssertionError: expected { a: 1 } to deeply equal { a: 2 }",
    "expected { a: 1 } to deeply equal { a: 2 }",
    "{ a: 2 }",
    "{ a: 1 }",
  ],
  [
    "vitest throw",
    "AssertionError: expected [Function] to throw an error",
    "expected [Function] to throw an error",
    "to throw an error",
    "[Function]",
  ],
  [
    "jest, a file that cannot be loaded",
    "  ● Test suite failed to run\n\n    Cannot find module './nothere.js' from 'calc.js'\n\n      at Resolver (a.js:1:1)",
    "Cannot find module './nothere.js' from 'calc.js'",
    undefined,
    undefined,
  ],
  ["jest", jestBe, "Error: expect(received).toBe(expected)", "4", "3"],
])("reads what %s says", (_, message, essence, expected, got) =>
  expect(readComplaint(message)).toMatchObject({ essence, expected, got }),
);

test.each([
  ["parse", counted([failed(`t/test_c.py${collectionMark}`, pytestSyntax)])],
  ["import", counted([failed(`t/test_b.py${collectionMark}`, pytestImport)])],
  [
    "import",
    counted([failed(`a.test.mjs${collectionMark}`, "test failed")], {
      output: {
        stdout: "",
        stderr:
          "file:///tmp/probe/a.test.mjs:1\nimport { x } from './b.js';\nSyntaxError: The requested module './b.js' does not provide an export named 'x'",
      },
    }),
  ],
  [
    "parse",
    counted([failed(`a.test.mjs${collectionMark}`, "test failed")], {
      output: {
        stdout: "",
        stderr: "/tmp/probe/a.js:3\nconst = 1;\n      ^\n\nSyntaxError: Unexpected token '='",
      },
    }),
  ],
  ["crash", counted([failed(`t/test_c.py${collectionMark}`, "E   NameError: name 'x' is not defined")])],
  ["test", counted([failed("t/test_a.py::test_eq", pytestEqual)])],
  ["test", counted([failed("a > json", "SyntaxError: Unexpected token 'a', \"abc\" is not valid JSON")])],
  ["timeout", counted([failed("a > slow", "Error: Test timed out in 5000ms.")])],
  ["timeout", noReport("", { limit: "wall", exitCode: undefined })],
  ["limit", noReport("", { limit: "memory", exitCode: undefined })],
  [
    "type",
    counted([failed("acceptance-1", "exit code 2")], {
      runner: "exit-code",
      output: {
        stdout: "src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.",
        stderr: "",
      },
    }),
  ],
  [
    "type",
    counted([failed("acceptance-1", "exit code 1")], {
      runner: "exit-code",
      output: {
        stdout: "src/a.py:3: error: Incompatible return value type  [return-value]\nFound 1 error in 1 file",
        stderr: "",
      },
    }),
  ],
  [
    "lint",
    counted([failed("acceptance-1", "exit code 1")], {
      runner: "exit-code",
      output: { stdout: "src/a.py:1:8: F401 `os` imported but unused\nFound 1 error.", stderr: "" },
    }),
  ],
  [
    "crash",
    counted([failed("acceptance-1", "exit code 1")], {
      runner: "exit-code",
      output: {
        stdout: "",
        stderr:
          'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\nZeroDivisionError: division by zero',
      },
    }),
  ],
  [
    "test",
    counted([failed("acceptance-1", "exit code 1")], {
      runner: "exit-code",
      output: {
        stdout: "",
        stderr:
          'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\nAssertionError: 1 != 2',
      },
    }),
  ],
  ["crash", noReport("Segmentation fault", { exitCode: undefined })],
  ["crash", counted([])],
  ["crash", counted([passed("a")], { exitCode: 1 })],
  [
    "crash",
    {
      kind: "could-not-run",
      check: "a",
      why: "pytest is not installed",
      output: { stdout: "", stderr: "" },
    } satisfies GateRun,
  ],
] as const)("the class is %s", (failureClass, run) =>
  expect(classify([run])?.failureClass).toBe(failureClass),
);

test("tells the first failing test, its values and its own frames", () => {
  const files = ["src/shop.py", "t/test_a.py"];
  const runs = [
    counted([
      passed("t/test_a.py::test_ok"),
      failed("t/test_a.py::test_eq", pytestEqual, "t/test_a.py"),
      failed("t/test_a.py::test_raise", pytestRaised, "t/test_a.py"),
    ]),
  ];
  expect(classify(runs, files)).toMatchObject({
    failureClass: "test",
    test: "t/test_a.py::test_eq",
    file: "t/test_a.py",
    expected: "3",
    got: "-1",
    frames: [{ path: "t/test_a.py", line: 7 }],
    headline: "test: test_eq: assert -1 == 3",
  });
});

test("a cause comes before its effects", () => {
  const runs = [
    counted([failed("a::test_eq", pytestEqual)]),
    counted([failed(`b${collectionMark}`, pytestSyntax)], { check: "guard" }),
  ];
  expect(classify(runs)).toMatchObject({ failureClass: "parse", check: "guard" });
});

test("frames: own ones stay with the innermost last, libraries go", () => {
  const files = new Set([
    "src/shop.py",
    "t/test_a.py",
    "t/test_b.py",
    "src/shop.ts",
    "v/a.test.js",
    "__init__.py",
  ]);
  expect(framesIn(pytestRaised, files)).toEqual([
    { path: "t/test_a.py", line: 10 },
    { path: "src/shop.py", line: 4 },
  ]);
  expect(framesIn(pytestImport, files)).toEqual([{ path: "t/test_b.py", line: 1 }]);
  expect(framesIn(pytestSyntax, files)).toEqual([{ path: "src/shop.py", line: 1 }]);
  expect(framesIn(vitestBe, files)).toEqual([
    { path: "v/a.test.js", line: 2 },
    { path: "src/shop.ts", line: 9 },
  ]);
  expect(framesIn(" ❯ src/shop.ts:3:5\n ❯ v/a.test.js:7:1", files)).toEqual([
    { path: "v/a.test.js", line: 7 },
    { path: "src/shop.ts", line: 3 },
  ]);
  expect(framesIn("src/shop.ts(3,5): error TS2322: x", files)).toEqual([{ path: "src/shop.ts", line: 3 }]);
  expect(ownPath("/srv/.venv/lib/python3.11/site-packages/x/__init__.py", files)).toBe(undefined);
  expect(ownPath("/anywhere/__init__.py", files)).toBe("__init__.py");
});

test("short names", () => {
  expect(shortName("tests/test_a.py::T::test_add")).toBe("test_add");
  expect(shortName("tests.test_a.T.test_add")).toBe("test_add");
  expect(shortName("a.test.ts > cart > adds")).toBe("adds");
  expect(shortName(`tests/test_a.py${collectionMark}`)).toBe("tests/test_a.py");
});

test("the score counts, and knows what could not be loaded", () => {
  expect(scoreOf([counted([passed("a"), failed("b", pytestEqual)])])).toEqual({
    runs: true,
    collects: true,
    testsPassed: 1,
    testsFailed: 1,
    lintFindings: 0,
  });
  expect(scoreOf([counted([passed("a"), failed(`b${collectionMark}`, pytestImport)])]).collects).toBe(false);
  expect(scoreOf([noReport("boom")])).toMatchObject({ runs: false, collects: false });
  expect(scoreOf([])).toMatchObject({ runs: false, collects: false });
  const lint = counted([failed("lint", "exit code 1")], {
    runner: "exit-code",
    output: { stdout: "✖ 12 problems (9 errors, 3 warnings)", stderr: "" },
  });
  expect(scoreOf([lint]).lintFindings).toBe(12);
  const better = counted([passed("a"), passed("b"), failed("c", pytestEqual)]);
  expect(
    compareScores(scoreOf([better]), scoreOf([counted([passed("a"), failed("b", ""), failed("c", "")])])),
  ).toBeGreaterThan(0);
});

test("an evaluation says what an event needs", () => {
  const blob = "0".repeat(64) as BlobHash;
  expect(evaluate([counted([passed("a")])], blob)).toMatchObject({
    isGreen: true,
    failureClass: undefined,
    headline: "green: 1 passed",
    couldNotRun: [],
  });
  const silent: GateRun = {
    kind: "could-not-run",
    check: "a",
    why: "no pytest",
    output: { stdout: "", stderr: "" },
  };
  expect(evaluate([counted([passed("a")]), silent], blob)).toMatchObject({
    isGreen: false,
    couldNotRun: ["a: no pytest"],
  });
});

test("the hash forgets addresses, durations, times, lines and temporary paths, and nothing else", () => {
  const hash = (message: string) => classify([counted([failed("a::t", message)])])?.failureHash;
  const one = "E   assert <Cart at 0x7f01aa> == 3 after 0.12s in /tmp/pytest-1/x0/shop.py:12";
  const two = "E   assert <Cart at 0x7f99bb> == 3 after 1.9s in /tmp/pytest-2/y9/shop.py:44";
  expect(hash(one)).toBe(hash(two));
  expect(hash(one)).not.toBe(hash(two.replace("== 3", "== 4")));
  expect(hash(one)).toMatch(/^[0-9a-f]{16}$/);
  expect(steady("at 2026-11-21T03:42:21.613748 took 12 ms")).toBe("at (time) took (span)");
});

test("the hash does not depend on the order of tests", () => {
  const tests = [failed("a::t", pytestEqual), failed("a::u", pytestList)];
  expect(classify([counted(tests)])?.failureHash).toBe(classify([counted(tests.toReversed())])?.failureHash);
});

const words = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    pytestEqual,
    nodeDeep,
    vitestBe,
    jestBe,
    unittestLists,
    "Traceback (most recent call last):",
    'File "',
    "E ",
    "assert",
    "assert ",
    "expected to ",
    "\u001b[",
    "Found 3 errors",
  ),
);
const message = fc.array(words, { maxLength: 6 }).map((parts) => parts.join("\n"));
const testResult = fc.record({
  id: fc.oneof(fc.string({ maxLength: 12 }), fc.constant(`a.py${collectionMark}`)),
  file: fc.constantFrom(undefined, "a.py"),
  status: fc.constantFrom("passed" as const, "failed" as const, "skipped" as const),
  message,
});
const output = fc.record({ stdout: message, stderr: message });
const run: fc.Arbitrary<GateRun> = fc.oneof(
  fc.record({
    kind: fc.constant("counted" as const),
    check: fc.constantFrom("a", "b"),
    runner: fc.constantFrom("pytest", "exit-code"),
    tests: fc.array(testResult, { maxLength: 4 }),
    exitCode: fc.constantFrom(0, 1, undefined),
    limit: fc.constantFrom(undefined, undefined, "wall" as const, "memory" as const),
    wallMs: fc.nat(),
    output,
  }),
  fc.record({ kind: fc.constant("could-not-run" as const), check: fc.constant("c"), why: message, output }),
);

test("law: undefined exactly when something ran and all of it is green; a headline is one line", () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 3 }), (runs) => {
      const failure = classify(runs);
      expect(failure === undefined).toBe(runs.length > 0 && runs.every(isGreen));
      if (failure === undefined) return;
      expect(failure.headline).not.toContain("\n");
      expect(failure.headline.length).toBeLessThanOrEqual(240);
      expect(classify(runs)).toEqual(failure);
    }),
    { numRuns: 300 },
  );
});

test("law: a split is outside quotes and loses nothing", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (left, right) => {
      const split = splitOutside(`${left} == ${right}`, [" == "]);
      if (split !== undefined) expect(split.left + split.by + split.right).toBe(`${left} == ${right}`);
    }),
  );
});

test.each([
  ["letters", "a".repeat(400_000)],
  ["E lines", "E  assert ".repeat(40_000)],
  ["brackets", `E   assert ${"(".repeat(200_000)}`],
  ["colons", ":1: ".repeat(100_000)],
  ["frames", "  at (/a:1:1\n".repeat(30_000)],
  ["digits", "1".repeat(400_000)],
  ["escapes", "\u001b[".repeat(200_000)],
])("law: hostile %s cost little", (_, text) => {
  const started = performance.now();
  classify([counted([failed("a", text)], { output: { stdout: text, stderr: text } })], ["a.py"]);
  expect(performance.now() - started).toBeLessThan(3_000);
});

test("a runner's heading is not what went wrong: its last line is told, without the rules around it", () => {
  const stdout = "===== test session starts =====\nplatform linux\n\n===== 2 skipped in 0.01s =====\n";
  const run = counted([], { exitCode: 0, output: { stdout, stderr: "" } });
  expect(classify([run])?.headline).toBe(
    "crash: acceptance-1: no test was found (exit code 0): 2 skipped in 0.01s",
  );
});

test.each([
  ["node:test", nodeEqual, "Expected values to be strictly equal: 3 !== 4"],
  ["node:test deep", nodeDeep, "Expected values to be strictly deep-equal: got 2, expected 3"],
  [
    "node:test long",
    "AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:\n+ actual - expected\n\n+ 'some-really-long-slug-that-goes-on-for-a-while-yes'\n- 'some_really_long_slug_that_goes_on_for_a_while_yes'\n\n    at x (a.mjs:1:1)",
    "Expected values to be strictly equal: got 'some-really-long-slug-that-goes-on-for-a-while-yes', expected 'some_really_long_slug_that_goes_on_for_a_while_yes'",
  ],
  ["jest", jestBe, "Error: expect(received).toBe(expected): got 3, expected 4"],
  ["vitest", vitestBe, "expected 3 to be 4 // Object.is equality"],
  ["pytest", pytestEqual, "assert -1 == 3"],
  ["unittest", unittestLists, "AssertionError: Lists differ: [1] != [2]"],
  ["a missing exception", "E   Failed: DID NOT RAISE <class 'E'>", "Failed: DID NOT RAISE <class 'E'>"],
])("a headline of %s holds the values", (_, message, said) => {
  expect(classify([counted([failed("a > spaces", message)])])?.headline).toBe(`test: spaces: ${said}`);
});
