import { describe, expect, test } from "vitest";
import { assertionsIn } from "./telling.ts";

const python = (body: string) => `from shop.price import total\nimport pytest\nimport unittest\n\n${body}\n`;
const script = (body: string) =>
  `import assert, { equal, throws } from "node:assert";\nimport { test } from "node:test";\nimport { total } from "../src/price.js";\n${body}\n`;

const judged = async (path: string, text: string) => {
  const found = await assertionsIn(path, text);
  if (found === undefined) return "unknown";
  if (found.all === 0) return "none";
  return found.telling === 0 ? "idle" : "telling";
};

describe("Python", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["always true", "def test_a():\n    assert True", "idle"],
    ["a constant with itself", "def test_a():\n    assert 1 == 1\n    x = [1]\n    assert x == [1]", "idle"],
    [
      "a method of its own",
      "class TestA(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 1)",
      "idle",
    ],
    [
      "what it was given itself",
      '@pytest.mark.parametrize("x", [1, 2])\ndef test_a(x):\n    assert x == x',
      "idle",
    ],
    ["nothing asserted", "def test_a():\n    total([1])", "none"],
    ["no test at all", "", "none"],
    ["a result", "def test_a():\n    assert total([1]) == 1", "telling"],
    [
      "by a variable",
      "def test_a():\n    found = total([1])\n    text = str(found)\n    assert text == '1'",
      "telling",
    ],
    [
      "by a helper",
      "def same(a, b):\n    assert a == b\n\ndef test_a():\n    same(total([1]), 1)",
      "telling",
    ],
    [
      "by a fixture",
      "@pytest.fixture\ndef sum_of():\n    return total\n\ndef test_a(sum_of):\n    assert sum_of([1]) == 1",
      "telling",
    ],
    [
      "by a fixture from elsewhere",
      "def test_a(capsys):\n    total([1])\n    assert capsys.readouterr().out == '1'",
      "telling",
    ],
    [
      "by what it was given",
      '@pytest.mark.parametrize("act", [total])\ndef test_a(act):\n    assert act([1]) == 1',
      "telling",
    ],
    [
      "by what is set up",
      "class TestA(unittest.TestCase):\n    def setUp(self):\n        self.act = total\n    def test_a(self):\n        self.assertEqual(self.act([1]), 1)",
      "telling",
    ],
    [
      "by what its class builds on",
      "class TestA(total.Base):\n    def test_a(self):\n        self.same(self.act([1]), 1)\n        self.assertEqual(self.act([1]), 1)",
      "telling",
    ],
    ["by a class of its own", "class Own(total):\n    pass\n\ndef test_a():\n    assert Own()", "telling"],
    [
      "by a class's attribute and helper",
      "class TestA(unittest.TestCase):\n    kind = total\n    def same(self, a):\n        self.assertEqual(a, 1)\n    def test_a(self):\n        self.same(self.kind([1]))",
      "telling",
    ],
    ["what is raised", "def test_a():\n    with pytest.raises(ValueError):\n        total(None)", "telling"],
    [
      "what is raised, looked at after",
      "def test_a():\n    with pytest.raises(ValueError) as caught:\n        total(None)\n    assert 'x' in str(caught.value)",
      "telling",
    ],
    [
      "a flag",
      "def test_a():\n    ok = False\n    try:\n        total(None)\n    except ValueError:\n        ok = True\n    assert ok",
      "telling",
    ],
    [
      "a failure by hand",
      "def test_a():\n    if total([1]) != 1:\n        raise AssertionError('no')",
      "telling",
    ],
    ["in a loop", "def test_a():\n    for n in range(3):\n        assert total([n]) == n", "telling"],
    [
      "what it fills",
      "def test_a():\n    seen = []\n    total([1], seen.append)\n    assert seen == [1]",
      "telling",
    ],
    ["does not parse", "def test_a(:", "unknown"],
    ["everything of a module", "from shop.cart import *\n\ndef test_a():\n    assert Cart() == 1", "unknown"],
  ];
  test.each(rows)("%s", async (_, body, expected) => {
    expect(await judged("tests/test_a.py", python(body))).toBe(expected);
  });
  test("a program that it starts, and a module that it loads", async () => {
    const run =
      "import subprocess\n\ndef test_a():\n    done = subprocess.run(['python3', 'main.py'])\n    assert done.returncode == 0\n";
    expect(await judged("test_a.py", run)).toBe("telling");
    const load = "def test_a():\n    shop = __import__('shop')\n    assert shop.total([]) == 0\n";
    expect(await judged("test_a.py", load)).toBe("telling");
    expect(await judged("test_a.py", "import math\n\ndef test_a():\n    assert math.pi > 3\n")).toBe("idle");
  });
});

describe("JavaScript and TypeScript", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["always true", 'test("a", () => { assert(true); });', "idle"],
    ["a constant with itself", 'test("a", () => equal(1, 1));', "idle"],
    ["nothing asserted", 'test("a", () => { total([1]); });', "none"],
    ["a result", 'test("a", () => equal(total([1]), 1));', "telling"],
    ["by a variable", 'test("a", () => { const found = total([1]); assert.equal(found, 1); });', "telling"],
    [
      "by what is set up",
      'let sum;\nbefore(() => { sum = total([1]); });\ntest("a", () => { equal(sum, 1); });',
      "telling",
    ],
    [
      "by a callback",
      'test("a", () => { [1].map((n) => total([n])).forEach((sum) => { equal(sum, 1); }); });',
      "telling",
    ],
    ["what is thrown", 'test("a", () => { throws(() => { total(null); }); });', "telling"],
    [
      "what it calls",
      'test("a", () => { const seen = []; total([1], (n) => seen.push(n)); equal(seen.length, 1); });',
      "telling",
    ],
    ["by the test itself", 'test("a", (t) => { t.assert.equal(total([1]), 1); });', "telling"],
    ["thrown by hand", 'test("a", () => { if (total([1]) !== 1) throw new Error("no"); });', "telling"],
  ];
  test.each(rows)("%s", async (_, body, expected) => {
    expect(await judged("test/a.test.js", script(body))).toBe(expected);
  });
  test("expect, types, and modules that are loaded", async () => {
    const head = 'import { expect, it } from "vitest";\n';
    expect(await judged("a.test.ts", `${head}it("a", () => { expect(1 as number).toBe(1); });\n`)).toBe(
      "idle",
    );
    const own = `${head}import { total } from "./a.ts";\nit.each([1])("a", (n: number) => { expect(total([n])).not.toBe(2); });\n`;
    expect(await judged("a.test.ts", own)).toBe("telling");
    const required =
      'const assert = require("assert");\nconst { total } = require("../a");\nit("a", () => { assert.equal(total([]), 0); });\n';
    expect(await judged("a.test.js", required)).toBe("telling");
    const late = `${head}it("a", async () => { const shop = await import("./a.js"); expect(shop.total([])).toBe(0); });\n`;
    expect(await judged("a.test.js", late)).toBe("telling");
  });
});

test("what no grammar reads is nobody's to say", async () => {
  expect(await judged("a_test.go", "package a")).toBe("unknown");
});
