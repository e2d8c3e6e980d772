/** Runs, and the words that real runners say when a test fails. */
import type { GateRun, TestResult } from "./gate.ts";

export const failed = (id: string, message: string, file?: string): TestResult => ({
  id,
  file,
  status: "failed",
  message,
});
export const passed = (id: string): TestResult => ({ id, file: undefined, status: "passed", message: "" });
export type Counted = Extract<GateRun, { readonly kind: "counted" }>;
export const counted = (tests: readonly TestResult[], more: Partial<Counted> = {}): GateRun => ({
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
export const noReport = (
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
export const pytestEqual = `assert -1 == 3
 +  where -1 = add(1, 2)
def test_eq():
        x = 1
>       assert add(1,2) == 3
E       assert -1 == 3
E        +  where -1 = add(1, 2)

t/test_a.py:7: AssertionError`;
export const pytestList = `AssertionError: lists
assert [1, 2, 3] == [1, 2, 4]
>   def test_list(): assert [1,2,3] == [1,2,4], "lists"
E   AssertionError: lists
E   assert [1, 2, 3] == [1, 2, 4]
E     At index 2 diff: 3 != 4

t/test_a.py:9: AssertionError`;
export const pytestRaised = `ValueError: bad thing
>   def test_raise(): inner(3)

t/test_a.py:10: 
_ _ _ _ _ _ _ _ _ _ _

x = 3

    def inner(x):
>       raise ValueError("bad thing")
E       ValueError: bad thing

src/shop.py:4: ValueError`;
export const pytestImport = `collection failure
ImportError while importing test module '/tmp/probe/t/test_b.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/lib/python3.11/importlib/__init__.py:126: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
t/test_b.py:1: in <module>
    import nothing_here
E   ModuleNotFoundError: No module named 'nothing_here'`;
export const pytestSyntax = `collection failure
/usr/lib/python3/dist-packages/_pytest/python.py:618: in _importtestmodule
    mod = import_path(self.path, mode=importmode, root=self.config.rootpath)
E     File "/tmp/probe/src/shop.py", line 1
E       def f(:
E             ^
E   SyntaxError: invalid syntax`;
export const unittestLists = `Traceback (most recent call last):
  File "/tmp/probe/t/test_a.py", line 17, in test_ul
    def test_ul(self): self.assertEqual([1],[2])
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
AssertionError: Lists differ: [1] != [2]

First differing element 0:
1
2`;
export const nodeEqual = `AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

3 !== 4

    at TestContext.<anonymous> (file:///tmp/probe/a.test.mjs:2:27)
    at Test.runInAsyncScope (node:async_hooks:227:14)
    at Test.run (node:internal/test_runner/test:1402:25)`;
export const nodeDeep = `AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:
+ actual - expected

  {
    a: 1,
+     2
-     3
  }

    at TestContext.<anonymous> (file:///tmp/probe/a.test.mjs:3:29)`;
export const vitestBe = `AssertionError: expected 3 to be 4 // Object.is equality
    at add (/tmp/probe/src/shop.ts:9:3)
    at /tmp/probe/v/a.test.js:2:30
    at file:///srv/node_modules/vitest/dist/chunks/run.js:1695:35`;
export const jestBe = `Error: \u001b[2mexpect(\u001b[22mreceived\u001b[2m).\u001b[22mtoBe\u001b[2m(\u001b[22mexpected\u001b[2m)\u001b[22m

Expected: \\x1b[32m4\\x1b[39m
Received: \\x1b[31m3\\x1b[39m
    at Object.toBe (/tmp/probe/a.test.js:3:13)`;
