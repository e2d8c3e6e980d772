import fc from "fast-check";
import { expect, test } from "vitest";
import { grammarOf, parserOf } from "./grammar.ts";
import { parses } from "./piece.ts";
import { openControls } from "./rewrite.ts";
import { failed, letThrough } from "./witness.ts";

const controls = openControls();

async function failing(path: string, text: string) {
  return (await controls.withFailures(new Map([[path, text]]))).files.get(path);
}

test("tests are made to fail, whatever they return", async () => {
  const check = async (text: string, shape: RegExp) =>
    expect(await failing("a.test.ts", text)).toMatch(shape);
  const end = `finally \\{ throw Object\\.assign\\(new Error\\(\\w+ \\? "[^"]+" \\+ "[^"]+" : "${failed}"\\), .*\\}`;
  const start = String.raw`\{ let \w+ = false; try`;
  await check(
    'test("x", () => { a(); return; });',
    new RegExp(`^test\\("x", \\(\\) => ${start} \\{ a\\(\\); return; \\} ${end}\\);$`),
  );
  await check(
    'describe("o", () => { it.only("x", async () => p()); });',
    new RegExp(`async \\(\\) => ${start} \\{ return await \\(p\\(\\)\\); \\} ${end}`),
  );
  await check('test.each([1])("x", function (n) { f(n); });', new RegExp(end));
  expect(await failing("a.test.js", "const nothing = () => 1;")).toBeUndefined();
  expect(await failing("test_a.py", "def test_a():\n    pass\n")).toContain("__rigs_witness()");
  expect(await failing("test_a.py", "X = 1\n")).toBeUndefined();
  expect(await failing("a_test.go", "func TestA() {}")).toBeUndefined();
});

test("the mark stands nowhere in the text", async () => {
  const { files, mark } = await controls.withFailures(
    new Map([
      ["test_a.py", "def test_a():\n    assert f() == 1\n"],
      ["a.test.js", 'import assert from "assert";\ntest("a", () => { assert.equal(f(), 1); });\n'],
    ]),
  );
  expect(mark).toBe(letThrough);
  expect(files.size).toBe(2);
  for (const text of files.values()) expect(text).not.toContain(mark);
});

/** The test's body with every wrong value as `#`, every word for it as `@`, and without what tries it. */
async function asked(path: string, text: string, kept: RegExp): Promise<string> {
  const out = (await failing(path, text)) ?? "";
  return (kept.exec(out)?.[1] ?? "")
    .replace(/\n *except Exception:\n *pass\n *else:\n *raise AssertionError\("[a-z ]+" "[a-z ]+"\)/g, "")
    .replace(/\{ let (\w+) = true; try \{ (.*?);? \} catch \{ \1 = false; \} \w+ \|\|= \1; \}/g, "$2")
    .replace(/"[a-z]{4,} [a-z ]+"|-?\d{4,}(\.\d+)?/g, "#")
    .replace(/\b_[a-z]+_[a-z]+\(/g, "@(")
    .trim();
}
const python = (line: string) =>
  asked(
    "test_a.py",
    `def test_a(x, y):\n    ${line}\n`,
    /def test_a\(x, y\):\n\s+(?:try:\n\s+)?([\s\S]*?)\n\n/,
  );
const method = (line: string) =>
  asked(
    "test_a.py",
    `class TestA(Case):\n    def test_a(self):\n        ${line}\n`,
    /def test_a\(self\):\n\s+(?:try:\n\s+)?([\s\S]*?)\n\n/,
  );

test("Python: an assertion is asked for another value of the same type, or for the contrary", async () => {
  const check = async (line: string, wrong: string) => expect(await python(line), line).toBe(wrong);
  await check("assert f(1) == 3", "assert f(1) == #");
  await check("assert -3 == f(1)", "assert # == f(1)");
  await check("assert f(1) == 0.5, 'message'", "assert f(1) == #, 'message'");
  await check("assert f('a') == 'x'", "assert f('a') == #");
  await check("assert f('a') == rb'x'", "assert f('a') == b#");
  await check("assert f() == True", "assert f() == False");
  await check("assert f() == None  # note", "assert f() == #  # note");
  await check("assert f() == []", "assert f() == [#]");
  await check("assert f() == [x, y]", "assert f() == [#, x, y]");
  await check("assert f() == {'a': x, 'b': 2}", "assert f() == {'a': x, 'b': #}");
  await check("assert f() == ()", "assert f() == (#, )");
  await check("assert f(x) == y", "assert f(x) == @(y)");
  await check("assert f(x) == 'a' and y", "assert f(x) == # and y");
  await check("assert abs(f(x) - 0.5) < 1e-6", "assert abs(f(x) - #) < 1e-6");
  await check("assert math.isclose(f(x), 0.5)", "assert math.isclose(f(x), #)");
  await check("assert f(x)", "assert not (f(x))");
  await check("assert f(x) == approx(1.5)", "assert not (f(x) == approx(1.5))");
  await check("assert f(x) == ANY", "assert not (f(x) == ANY)");
  await check("assert 1 < f(x) == 3", "assert not (1 < f(x) == 3)");
});

test("unittest: equalities and truths, whichever side the literal stands on", async () => {
  const check = async (line: string, wrong: string) => expect(await method(line), line).toBe(wrong);
  await check("self.assertEqual(f(1), 3)", "self.assertEqual(f(1), #)");
  await check("self.assertEqual(3, f(1), 'message')", "self.assertEqual(#, f(1), 'message')");
  await check("self.assertDictEqual(f(1), {})", "self.assertDictEqual(f(1), {#: 1})");
  await check("self.assertAlmostEqual(f(1), 0.5, places=3)", "self.assertAlmostEqual(f(1), #, places=3)");
  await check("self.assertTrue(f(1))", "self.assertTrue(not (f(1)))");
  await check("self.assertEqual(f(1), self.sum)", "self.assertEqual(f(1), @(self.sum))");
  for (const alone of [
    "self.assertAlmostEqual(f(1), 0.5, delta=3)",
    "self.assertEqual(ANY, 3)",
    "self.assertEqual(x, y)",
    "self.assertIn(f(1), [3])",
    "self.assertEqual(first=f(1), second=3)",
    "self.assertEqual(*pair)",
  ])
    await check(alone, alone);
});

test("Python: what may be expected to fail, or shares its line, is left alone", async () => {
  for (const lines of [
    "with pytest.raises(X):\n        assert f(1) == 3",
    "try:\n        assert f(1) == 3\n    except AssertionError:\n        pass",
    "def inner():\n        assert f(1) == 3",
    "if x: assert f(1) == 3",
    "a = 1; assert f(1) == 3",
    "for x in y:\n        assert f(x)",
  ])
    expect(await failing("test_a.py", `def test_a(x, y):\n    ${lines}\n`), lines).toContain(
      `    ${lines}\n`,
    );
  const own =
    "class TestA(Case):\n    def assertEqual(self, a, b):\n        pass\n\n    def test_a(self):\n        self.assertEqual(f(1), 3)\n";
  expect(await failing("test_a.py", own)).toContain(own);
});

test("Python: a function that only tests call belongs to them", async () => {
  const helper = "def check(f):\n    assert f(1) == 3\n\n";
  const wrong = /assert f\(1\) == \d{4,}\n/;
  expect(await failing("test_a.py", `${helper}def test_a():\n    check(f)\n`)).toMatch(wrong);
  expect(await failing("test_a.py", `${helper}def test_a():\n    pass\n`)).not.toMatch(wrong);
  const raising = "def test_b():\n    with raises(X):\n        check(g)\n";
  expect(await failing("test_a.py", `${helper}def test_a():\n    check(f)\n\n${raising}`)).not.toMatch(wrong);
});

const script = (line: string, head = 'import assert, { strictEqual as same } from "node:assert/strict";') =>
  asked(
    "a.test.ts",
    `${head}\ntest("a", async (t) => {\n  ${line}\n});\n`,
    /try \{\n {2}([\s\S]*?)\n\} finally/,
  );

test("JavaScript and TypeScript: node:assert and expect, with semicolons or without", async () => {
  const check = async (line: string, wrong: string) => expect(await script(line), line).toBe(wrong);
  await check("assert.equal(f(1), 3)", "assert.equal(f(1), #)");
  await check("assert.deepEqual(f(1), [], 'message')", "assert.deepEqual(f(1), [#], 'message')");
  await check("same(f(1), `x`)", "same(f(1), #)");
  await check("assert.strictEqual(await f(1), null)", "assert.strictEqual(await f(1), #)");
  await check("assert.equal(f(1), 10n)", "assert.equal(f(1), 10n)".replace("10n", "#n"));
  await check("assert(f(1))", "assert(!(f(1)))");
  await check("assert.ok(!seen)", "assert.ok(!(!seen))");
  await check("expect(f(1)).toBe(-3)", "expect(f(1)).toBe(#)");
  await check("expect(f(1)).toEqual({ a: x, b: true })", "expect(f(1)).toEqual({ a: x, b: false })");
  await check("expect(f(1)).toStrictEqual(undefined)", "expect(f(1)).toStrictEqual(#)");
  await check("expect(f(1)).toBeTruthy()", "expect(!(f(1))).toBeTruthy()");
  await check("expect(f(x)).toBe(y)", "expect(f(x)).toBe(@(y))");
  await check(
    "[[1, 2]].forEach(([x, y]) => { same(f(x), y) })",
    "[[1, 2]].forEach(([x, y]) => { same(f(x), @(y)) })",
  );
  await check(
    "await t.test('b', () => { assert.equal(f(1), 3) })",
    "await t.test('b', () => { assert.equal(f(1), #) })",
  );
  await check("if (x) same(f(1), 3); else same(f(1), 4)", "if (x) same(f(1), #) else same(f(1), #)");
  const text = 'import assert from "assert";\ntest("a", (seen) => {\n  assert.ok(!seen)\n});\n';
  expect(await failing("a.test.js", text)).not.toContain("let seen");
});

test("JavaScript and TypeScript: what may be expected to throw, or need not throw, is left alone", async () => {
  for (const line of [
    "expect(f(1)).not.toBe(3)",
    "await expect(f(1)).resolves.toBe(3)",
    "expect(f(1)).toEqual(expect.anything())",
    "expect(() => { assert.ok(false) }).toThrow()",
    "try { assert.equal(f(1), 3) } catch {}",
    "assert.notEqual(f(1), 3)",
    "other.equal(f(1), 3)",
    `same(f(1), \`x\${y}\`)`,
    "expect.soft(f(1)).toBe(3)",
  ])
    expect(await script(line), line).toBe(line);
  const unknown = "function assert(x) { warnings.push(x); }";
  expect(await script("assert.equal(f(1), 3)", unknown)).toBe("assert.equal(f(1), 3)");
  expect(await script("expect(f(1)).toBe(3)", 'import { expect } from "./soft.ts";')).toBe(
    "expect(f(1)).toBe(3)",
  );
});

test("whatever the tests hold, what comes out parses", async () => {
  const line = fc.constantFrom(
    "assert f(1) == 3, (\n        'x')",
    "assert (f(1)\n        == [1,\n   2])",
    'assert f() == """\nx\n"""',
    "assert f(\\\n  1) == 3",
    "self.assertEqual(f(\n  1), {'a': 1,})  # note",
    "for a in b:\n        assert f(a) == b\n    else:\n        assert f(2)",
    "with x:\n        assert not f(1)",
    "assert f(1) == -1 if x else y",
    "assert (y := f(1)) == 3",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 6 }),
      fc.constantFrom("\n", "\r\n"),
      async (lines, end) => {
        const text = `def test_a(self):\n    ${lines.join("\n    ")}\n`.replaceAll("\n", end);
        const out = await failing("test_a.py", text);
        const grammar = grammarOf("test_a.py");
        if (out === undefined || grammar === undefined) return false;
        const parser = await parserOf(grammar);
        const isWhole = parses(parser, out);
        parser.delete();
        return isWhole && /raise AssertionError\("[a-z]/.test(out);
      },
    ),
    { numRuns: 60 },
  );
});
