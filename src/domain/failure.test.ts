import fc from "fast-check";
import { expect, test } from "vitest";
import { compareScores } from "./attempt.ts";
import {
  counted,
  failed,
  jestBe,
  nodeDeep,
  nodeEqual,
  noReport,
  passed,
  pytestEqual,
  pytestImport,
  pytestList,
  pytestRaised,
  pytestSyntax,
  unittestLists,
  vitestBe,
} from "./failure.case.ts";
import { classify, evaluate, scoreOf, shortName, steady } from "./failure.ts";
import { type GateRun, isGreen } from "./gate.ts";
import type { BlobHash } from "./id.ts";
import { collectionMark } from "./tally.ts";

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
