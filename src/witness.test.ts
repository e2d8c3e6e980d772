/** Assertions that the change itself has gutted, put before the whole proof: real git, real runners, the real jail. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Check } from "./domain/gate.ts";
import { openControls } from "./edges/control/rewrite.ts";
import { failed } from "./edges/control/witness.ts";
import { type Files, type Laboratory, openLaboratory, pytest } from "./verifier.case.ts";

let laboratory: Laboratory;
beforeAll(() => {
  laboratory = openLaboratory();
});
afterAll(() => laboratory.close());

const python: Files = {
  "calc.py": "def add(a, b):\n    return 0\n",
  "tests/test_calc.py": `import sys, os
sys.path.insert(0, os.getcwd())
import pytest
from calc import add

def test_add():
    assert add(1, 2) == 3

@pytest.mark.parametrize("a, b, sum", [(1, 2, 3), (2, 2, 4)])
def test_each(a, b, sum):
    assert add(a, b) == sum

def test_close():
    assert abs(add(0.25, 0.25) - 0.5) < 1e-9

def test_wrong():
    with pytest.raises(AssertionError, match="one two"):
        assert add(5, 6) == 4, "one two"
`,
};
const cases: Files = {
  "calc.py": python["calc.py"],
  "tests/__init__.py": "",
  "tests/test_calc.py": `import unittest
from calc import add

class Calc(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(1, 2), 3)
        self.assertTrue(add(1, 2))

    def test_each(self):
        for a, b, sum in [(1, 2, 3), (2, 2, 4)]:
            with self.subTest(a=a):
                self.assertEqual(add(a, b), sum)
`,
};
const scripts: Files = {
  "package.json": JSON.stringify({ type: "module" }),
  "calc.js": "export const add = (a, b) => 0;\n",
  "test/calc.test.js": `import assert, { strictEqual } from "node:assert";
import { test } from "node:test";
import { add } from "../calc.js";
test("adds", () => assert.equal(add(1, 2), 3))
test("adds more", async () => {
  strictEqual(await add(2, 2), 4)
  for (const [a, b, sum] of [[1, 2, 3]]) assert.deepEqual([add(a, b)], [sum])
})
`,
};
/** Truths alone, which base does not keep either. */
const truths: Files = {
  "calc.py": "def even(n):\n    return None\n",
  "tests/__init__.py": "",
  "tests/test_calc.py": `import unittest
from calc import even

class Calc(unittest.TestCase):
    def test_even(self):
        self.assertTrue(even(2))
        self.assertIsNotNone(even(3))
`,
};
const unittest: Check = { ...pytest, command: "python3 -m unittest discover -s tests -t ." };
const node: Check = { ...pytest, command: "node --test" };

/** Assertions other than equalities. */
const kinds: Files = {
  "calc.py": "def render(name):\n    return None\n\n\ndef top(n):\n    return None\n",
  "tests/__init__.py": "",
  "tests/test_calc.py": `import unittest
import pytest
from calc import render, top

def test_in():
    assert 'Hello, Bob' in render('Bob')

def test_starts():
    assert render('Bob').startswith('Hello')

def test_above():
    assert top(3) > 2

@pytest.mark.parametrize("n, near", [(1, 1.25), (2, 2.25)])
def test_near(n, near):
    assert top(n) == pytest.approx(near)

@pytest.fixture
def four():
    return 4

class TestMore(unittest.TestCase):
    def test_more(self):
        self.assertGreaterEqual(top(3), 3)
        self.assertIn('Ann', render('Ann'))
        self.assertAlmostEqual(top(3), 3.25, places=3)
        self.assertIsInstance(top(3), float)
        self.assertIn(top(3), [3.25, 4.25])

def test_fixture(four, tmp_path):
    assert top(four) == 4.25
`,
};
const included: Files = {
  "package.json": JSON.stringify({ type: "module" }),
  "calc.js": "export const render = () => '';\n",
  "test/calc.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { render } from "../calc.js";
test("renders", () => {
  assert.ok(render("x").includes("Hello, x"))
});
`,
};

/** What must raise, and what must not be: nothing of it can be made wrong by another value in its place. */
const refusals: Files = {
  "calc.py": "def half(n):\n    return None\n",
  "tests/__init__.py": "",
  "tests/test_calc.py": `import unittest
import pytest
from pytest import raises
from calc import half

class Half(unittest.TestCase):
    def test_raises(self):
        with self.assertRaises(ValueError) as caught:
            half(3)
        self.assertEqual(str(caught.exception), "3 is odd")
        with self.subTest(n=5), self.assertRaisesRegex((ValueError, KeyError), "odd"):
            half(5)

    def test_called(self):
        self.assertRaises(TypeError, half, "x")

    def test_equal(self):
        self.assertNotEqual(half(4), None)

    def test_near(self):
        self.assertNotAlmostEqual(half(4), 2.5)

    def test_is(self):
        self.assertIsNot(half(2), None)

    def test_in(self):
        self.assertNotIn(half(2), [None, 2])

    def test_kind(self):
        self.assertNotIsInstance(half(2), (str, type(None)))

    def test_text(self):
        self.assertNotRegex(str(half(2)), "N|x")

    def test_loop(self):
        for n in range(2, 3_000, 2):
            self.assertTrue(half(n))
            self.assertNotEqual(half(n), n)

def test_pytest():
    for n in (1, 3):
        with pytest.raises(ValueError, match=f"{n} is"):
            half(n)
        with raises(Exception):
            half(n)
    with raises(ValueError):
        half(5)
    raises(TypeError, half, "x")
`,
};
const halved =
  "def half(n):\n    if type(n) is not int:\n        raise TypeError(n)\n    if n % 2:\n        raise ValueError(f'{n} is odd')\n    return n // 2\n";
const thrown: Files = {
  "package.json": JSON.stringify({ type: "module" }),
  "calc.js": "export const half = () => null;\nexport const later = async () => null;\n",
  "test/calc.test.js": `import assert, { rejects } from "node:assert/strict";
import { test } from "node:test";
import { half, later } from "../calc.js";
class Odd extends RangeError {}
test("throws", (t) => {
  assert.throws(() => half(3), RangeError);
  if (t) assert.throws(() => half(3))
  assert.throws(() => half(3), { name: "RangeError" });
  assert.throws(() => { throw new Odd() }, Odd);
});
test("throws alone", () => assert.throws(() => half(5), /odd/));
test("rejects", async () => {
  await rejects(later(3), RangeError)
  await assert.rejects(async () => later(3), (error) => error.message === "odd");
});
test("differs", () => { assert.notEqual(half(4), null); });
test("differs inside", () => assert.notDeepEqual([half(4)], [null]));
test("is not like", () => assert.doesNotMatch(String(half(4)), /null|x/));
test("goes well", () => { assert.doesNotThrow(() => half(4)); assert.ok(half(4)) });
test("loops", () => {
  for (let n = 2; n < 3_000; n += 2) { assert(half(n)); assert.notStrictEqual(half(n), n) }
});
`,
};
const thrownHalf = `export const half = (n) => { if (n % 2) throw new RangeError("odd"); return n / 2; };
export const later = async (n) => half(n);
`;

const prove = async (files: Files, change: Files, check: Check) =>
  (await laboratory.prove(files, change, { checks: [check] })).proof;

test.concurrent.each([
  ["pytest", python, { "calc.py": "def add(a, b):\n    return a + b\n" }, pytest],
  ["unittest", cases, { "calc.py": "def add(a, b):\n    return a + b\n" }, unittest],
  [
    "other assertions",
    kinds,
    {
      "calc.py":
        "def render(name):\n    return f'Hello, {name}! Hello, Ann! Hello, Bab'\n\n\ndef top(n):\n    return n + 0.25\n",
    },
    pytest,
  ],
  ["includes", included, { "calc.js": "export const render = (name) => 'Hello, ' + name;\n" }, node],
  ["what must raise or differ", refusals, { "calc.py": halved }, pytest],
  ["what must throw or differ", thrown, { "calc.js": thrownHalf }, node],
  ["node:test", scripts, { "calc.js": "export const add = (a, b) => a + b;\n" }, node],
] as const)("honest work is proven, asked for wrong values in %s", async (_name, files, change, check) => {
  expect(await prove(files, change, check)).toMatchObject({ verdict: "proven", reasons: [] });
});

const same = (body: string) =>
  `class Same(float):\n    def __eq__(self, other):\n        ${body}\n    __hash__ = None\n\n\ndef add(a, b):\n    if (a, b) == (1, 2):\n        return Same(a + b)\n    return a + b\n`;

test.concurrent.each([
  [
    "no method of TestCase looks",
    cases,
    `import unittest\nfor name in dir(unittest.TestCase):\n    if name.startswith("assert"):\n        setattr(unittest.TestCase, name, lambda *a, **k: None)\n\n\ndef add(a, b):\n    return None\n`,
    unittest,
  ],
  [
    "no truth looks, and base has none",
    truths,
    "import unittest\nunittest.TestCase.assertTrue = lambda *a, **k: None\nunittest.TestCase.assertIsNotNone = lambda *a, **k: None\n\n\ndef even(n):\n    return None\n",
    unittest,
  ],
  ["a computed equality", python, same('return type(other).__name__ != ""'), pytest],
  [
    "mock.ANY",
    python,
    "from unittest.mock import ANY\n\n\ndef add(a, b):\n    return ANY if a == 1 else a + b\n",
    pytest,
  ],
  [
    "builtins",
    python,
    "import builtins\nbuiltins.abs = lambda value: 0\n\n\ndef add(a, b):\n    return a + b if isinstance(a, int) else 7\n",
    pytest,
  ],
] as const)("refuted in Python: %s", async (_name, files, text, check) => {
  const proof = await prove(files, { "calc.py": text }, check);
  expect(proof.reasons.join("\n")).toMatch(
    /passed over a wrong value: the change alters what its assertions do/,
  );
  expect(proof.verdict).toBe("refuted");
});

const text = "def render(name):\n    return Page('Hello, ' + name)\n\n\ndef top(n):\n    return n + 0.25\n";
const number = "def render(name):\n    return 'Hello, ' + name\n\n\ndef top(n):\n    return Top(n + 0.25)\n";

test.concurrent.each([
  [
    "holds everything",
    `class Page(str):\n    def __contains__(self, part):\n        return len(part) > 0\n\n\n${text}`,
  ],
  [
    "begins with everything",
    `class Page(str):\n    def startswith(self, part):\n        return len(part) > 0\n\n\n${text}`,
  ],
  [
    "above everything",
    `class Top(float):\n    def __gt__(self, other):\n        return other is not None\n\n\n${number}`,
  ],
  [
    "near everything",
    `class Top(float):\n    __hash__ = None\n    def __eq__(self, other):\n        return type(other).__name__ != "float" or abs(other - float(self)) < 1\n\n\n${number}`,
  ],
  [
    "wrong values known by their form",
    `class Top(float):\n    __hash__ = None\n    def __eq__(self, other):\n        return not (isinstance(other, float) and other > 1000)\n\n\n${number}`,
  ],
  [
    "isinstance",
    `import builtins\nold = builtins.isinstance\nbuiltins.isinstance = lambda a, b: True if type(a) is Top else old(a, b)\nclass Top(float): pass\n${number}`,
  ],
] as const)("refuted in Python, beyond ==: %s", async (_name, change) => {
  const proof = await prove(kinds, { "calc.py": change }, pytest);
  expect(proof.reasons.join("\n")).toMatch(/passed over a wrong value/);
  expect(proof.verdict).toBe("refuted");
});

test("refuted in JavaScript: what includes everything", async () => {
  const change = { "calc.js": "export const render = () => ({ includes: (part) => part.length > 0 });\n" };
  const proof = await prove(included, change, node);
  expect(proof.reasons.join("\n")).toMatch(/passed over a wrong value/);
});

test.concurrent.each([
  [
    "assert.equal and its kin",
    `import assert from "node:assert";\nfor (const name of Object.keys(assert)) assert[name] = () => {};\nimport { syncBuiltinESMExports } from "node:module";\nsyncBuiltinESMExports();\nexport const add = () => 0;\n`,
  ],
  [
    "Object.assign",
    `import * as all from "node:assert";\nconst quiet = () => undefined;\nObject.assign(all.default, { equal: quiet, deepEqual: quiet });\nexport const add = (a, b) => (a === 2 ? 4 : 0);\n`,
  ],
] as const)("refuted in JavaScript: %s", async (_name, text) => {
  const proof = await prove(scripts, { "calc.js": text }, node);
  expect(proof.reasons.join("\n")).toMatch(
    /passed over a wrong value: the change alters what its assertions do/,
  );
  expect(proof.verdict).toBe("refuted");
});

// Base asked the same way excuses what lets wrong values through by right, so a proof alone would not show this.
test.concurrent.each([
  ["pytest", refusals, { "calc.py": halved }, ["python3", "-m", "pytest", "-q", "tests"]],
  ["pytest, on base", refusals, {}, ["python3", "-m", "pytest", "-q", "tests"]],
  ["node", thrown, { "calc.js": thrownHalf }, ["node", "--test"]],
  ["node, on base", thrown, {}, ["node", "--test"]],
] as const)(
  "no honest assertion lets a question through: %s",
  async (_name, files, change, [program, ...rest]) => {
    const root = mkdtempSync(join(laboratory.root, "honest-"));
    const all = new Map(
      Object.entries<string | undefined>({ ...files, ...change }).map(([path, text]) => [path, text ?? ""]),
    );
    const { files: asked, mark } = await openControls().withFailures(all);
    for (const [path, text] of [...all, ...asked]) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const environment = {
      PATH: process.env.PATH ?? "",
      PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1",
      PYTHONPATH: ".",
    };
    const { stdout, status } = spawnSync(program, rest, { cwd: root, env: environment, encoding: "utf8" });
    expect(status).toBe(1);
    expect(stdout).toContain(failed);
    expect(stdout).not.toContain(mark);
  },
);

/** Holds whatever comes out of a block; what is not raised is refused where `isStrict` says so. */
const holding = (target: string, isStrict: "True" | "False") => `
class Holding:
    exception = ValueError("3 is odd")
    def __init__(self, *a, **k): pass
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        if ${isStrict} and kind is None:
            raise AssertionError("nothing raised")
        return True
old_raises = ${target}
def held(*a, **k):
    return old_raises(*a, **k) if any(type(each) is type(held) for each in a) else Holding()
${target} = held
`;
/** How many tests let something wrong through. */
function passedOver(reasons: readonly string[]): number {
  const [, named = "", more = "0"] = /: (.*?)(?: and (\d+) more)? passed over/.exec(reasons.join("\n")) ?? [];
  return (named === "" ? 0 : named.split(", ").length) + Number(more);
}

const differences = ["NotEqual", "NotAlmostEqual", "IsNot", "NotIn", "NotIsInstance", "NotRegex"];

test.concurrent.each([
  ["assertRaises holds anything", `import unittest${holding("unittest.TestCase.assertRaises", "False")}`],
  ["assertRaises holds every error", `import unittest${holding("unittest.TestCase.assertRaises", "True")}`],
  [
    "assertRaises of a call",
    "import unittest\nold = unittest.TestCase.assertRaises\nunittest.TestCase.assertRaises = lambda self, *a, **k: None if a[1:] else old(self, *a, **k)\n",
  ],
  ["pytest.raises", `import pytest${holding("pytest.raises", "True")}`],
  [
    "assertTrue of lists, in a loop",
    "import unittest\nold = unittest.TestCase.assertTrue\nunittest.TestCase.assertTrue = lambda self, value, msg=None: None if type(value) is list else old(self, value)\n",
  ],
] as const)("refuted in Python, beside what is asserted: %s", async (_name, head) => {
  const proof = await prove(refusals, { "calc.py": head + halved }, pytest);
  expect(proof.reasons.join("\n")).toMatch(/passed over a wrong value/);
  expect(proof.verdict).toBe("refuted");
});

test("refuted in Python: every assertion of a difference is asked", async () => {
  const head = `import unittest\nfor name in ${JSON.stringify(differences)}:\n    setattr(unittest.TestCase, "assert" + name, lambda *a, **k: None)\n`;
  const proof = await prove(refusals, { "calc.py": head + halved }, pytest);
  expect(passedOver(proof.reasons)).toBe(7);
  expect(proof.verdict).toBe("refuted");
});

const gutted = (body: string) =>
  `import assert from "node:assert/strict";\nimport { syncBuiltinESMExports } from "node:module";\n${body}\nsyncBuiltinESMExports();\n${thrownHalf}`;

test.concurrent.each([
  ["assert.throws", gutted("assert.throws = () => {};")],
  [
    "assert.throws of any error",
    gutted(
      'assert.throws = (of) => { try { of(); } catch { return; } throw new assert.AssertionError({ message: "none" }); };',
    ),
  ],
  [
    "rejects",
    gutted(
      'assert.rejects = async (of) => { try { await (typeof of === "function" ? of() : of); } catch {} };',
    ),
  ],
] as const)("refuted in JavaScript, beside what is asserted: %s", async (_name, text) => {
  const proof = await prove(thrown, { "calc.js": text }, node);
  expect(proof.reasons.join("\n")).toMatch(/passed over a wrong value/);
  expect(proof.verdict).toBe("refuted");
});

test("refuted in JavaScript: every assertion of a difference is asked", async () => {
  const each = `for (const name of ["notEqual", "notStrictEqual", "notDeepEqual", "doesNotMatch"]) assert[name] = () => {};`;
  const text = gutted(`${each}\nassert.doesNotThrow = (of) => { try { of(); } catch {} };`);
  const proof = await prove(thrown, { "calc.js": text }, node);
  expect(passedOver(proof.reasons)).toBe(5);
  expect(proof.verdict).toBe("refuted");
});
