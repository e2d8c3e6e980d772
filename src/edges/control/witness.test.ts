import { deepEqual } from "node:assert";
import { execFileSync } from "node:child_process";
import { runInNewContext } from "node:vm";
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

/** With a plain name for each function that puts questions. */
const plainly = (out: string) =>
  out
    .replace(/\b_[a-z]+_[a-z]+_g_/g, "q")
    .replace(/\b_[a-z]+_[a-z]+_([a-g])\((?:\d+, )?/g, (_all, letter: string) => `${questions[letter]}(`)
    .replace(/\b_[a-z]+_[a-z]+_d\b/g, "raising");
const questions: Readonly<Record<string, string>> = {
  ...{ a: "ask", b: "later", c: "errors", d: "raising", e: "inside", f: "first", g: "pair" },
};

/** The test's body without questions and what tries it, and with `@` for what makes a value wrong at run time. */
async function asked(path: string, text: string, kept: RegExp): Promise<string> {
  const out = plainly((await failing(path, text)) ?? "")
    .replace(/^( *)ask\(.*\n +/gm, "$1")
    .replace(/\{ \w+ \|\|= (?:ask|await later)\(.*?\); (.*) \}$/gm, "$1");
  return (kept.exec(out)?.[1] ?? "")
    .replace(/\n *except Exception:\n *pass\n *else:\n *raise AssertionError\("[a-z ]+" "[a-z ]+"\)/g, "")
    .replace(/\{ let (\w+) = true; try \{ (.*?);? \} catch \{ \1 = false; \} \w+ \|\|= \1; \}/g, "$2")
    .replace(/\b_[a-z]+_[a-z]+\(/g, "@(")
    .trim();
}
/** `#` stands for a value that is another one than the line's. */
function expectAsked(out: string, line: string, wrong: string): void {
  const plain = wrong.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("#", "(.*?)");
  expect(out, line).toMatch(new RegExp(`^${plain}$`));
  if (wrong.includes("#")) expect(out, line).not.toBe(line);
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
  const check = async (line: string, wrong: string) => expectAsked(await python(line), line, wrong);
  await check("assert f(1) == 3", "assert f(1) == #");
  await check("assert -3 == f(1)", "assert # == f(1)");
  await check("assert f(1) == 0.5, 'message'", "assert f(1) == #, 'message'");
  await check("assert f('a') == 'x'", "assert f('a') == #");
  await check("assert f('a') == rb'x'", "assert f('a') == #");
  await check("assert f() == True", "assert f() == False");
  await check("assert f() == None  # note", "assert f() == #  # note");
  await check("assert f() == []", "assert f() == [#]");
  await check("assert f() == [x, y]", "assert f() == [#x, y]");
  await check("assert f() == {'a': x, 'b': 2}", "assert f() == {'a': x, 'b': #}");
  await check("assert f() == ()", "assert f() == (#, )");
  await check("assert f(x) == y", "assert f(x) == @(y)");
  await check("assert f(x) == 'a' and y", "assert f(x) == # and y");
  await check("assert abs(f(x) - 0.5) < 1e-6", "assert abs(f(x) - #) < 1e-6");
  await check("assert math.isclose(f(x), 0.5)", "assert math.isclose(f(x), #)");
  await check("assert f(x)", "assert ((f(x)), #)[1]");
  await check("assert abs(x - f(1)) <= y", 'assert abs(x - f(1)) <= @(y, "incomparable")');
  await check("assert f(x) == pytest.approx(1.5, rel=0.1)", "assert f(x) == pytest.approx(#, rel=0.1)");
  await check("assert f(x) == approx(y)", 'assert f(x) == approx(@(y, "far", 0))');
  await check("assert f(x) == approx([1, y])", "assert f(x) == approx([#, y])");
  await check("assert 'Hello, Bob' in f('Bob')", "assert \"#\" in f('Bob')");
  await check("assert 3 in y", "assert -#.5 in y");
  await check("assert y in f(x)", 'assert @(y, "absent") in f(x)');
  await check("assert f(x) in (1, 2, 3)", "assert f(x) in [#]");
  await check("assert 'a' not in f(x)", "assert (('a' not in f(x)), #)[1]");
  await check("assert f(x) > 3", "assert f(x) > (1e999 - 1e999)");
  await check("assert 3 <= f(x)", "assert (1e999 - 1e999) <= f(x)");
  await check("assert f(x) < y", 'assert f(x) < @(y, "incomparable")');
  await check("assert isinstance(f(x), (int, range))", "assert isinstance(f(x), #)");
  await check("assert f(x).startswith('ab')", 'assert f(x).startswith("#")');
  await check("assert re.match(r'a+', f(x))", 'assert re.match("#", f(x))');
  await check("assert f(x) == ANY", "assert ((f(x) == ANY), #)[1]");
  await check("assert 1 < f(x) == 3", "assert ((1 < f(x) == 3), #)[1]");
});

test("unittest: equalities and truths, whichever side the literal stands on", async () => {
  const check = async (line: string, wrong: string) => expectAsked(await method(line), line, wrong);
  await check("self.assertEqual(f(1), 3)", "self.assertEqual(f(1), #)");
  await check("self.assertEqual(3, f(1), 'message')", "self.assertEqual(#, f(1), 'message')");
  await check("self.assertDictEqual(f(1), {})", "self.assertDictEqual(f(1), {#: 1})");
  await check("self.assertAlmostEqual(f(1), 0.5, places=3)", "self.assertAlmostEqual(f(1), #, places=3)");
  await check("self.assertTrue(f(1))", "self.assertTrue(((f(1)), #)[1])");
  await check("self.assertTrue(f(1) == 3)", "self.assertTrue(f(1) == #)");
  await check("self.assertAlmostEqual(f(1), 0.5, delta=3)", "self.assertAlmostEqual(f(1), #, delta=3)");
  await check(
    "self.assertAlmostEqual(f(1), self.sum)",
    'self.assertAlmostEqual(f(1), @(self.sum, "far", 0))',
  );
  await check("self.assertIn('x', f(1))", 'self.assertIn("#", f(1))');
  await check("self.assertIn(f(1), [3, 4])", "self.assertIn(f(1), [#])");
  await check("self.assertGreater(f(1), 3)", "self.assertGreater(f(1), (1e999 - 1e999))");
  await check("self.assertLessEqual(3, f(1))", "self.assertLessEqual((1e999 - 1e999), f(1))");
  await check("self.assertIsInstance(f(1), int)", "self.assertIsInstance(f(1), #)");
  await check("self.assertIsNone(f(1))", "self.assertIsNone(((f(1)), 0)[1])");
  await check("self.assertRegex(f(1), 'a+')", 'self.assertRegex(f(1), "#")');
  await check("self.assertEqual(f(1), self.sum)", "self.assertEqual(f(1), @(self.sum))");
  await check(
    "self.assertNotEqual(f(1), 3, 'm')",
    "self.assertNotEqual(pair(f(1), 3, \"equal\"), pair(), 'm')",
  );
  await check("self.assertIsNot(f(1), x)", 'self.assertIsNot(pair(f(1), x, "is"), pair())');
  await check("self.assertNotIn('a', f(1))", "self.assertNotIn(pair('a', f(1), \"in\"), pair())");
  await check("self.assertNotIsInstance(f(1), int)", "self.assertNotIsInstance(f(1), object)");
  await check("self.assertNotRegex(f(1), 'a+')", "self.assertNotRegex(f(1), '')");
  for (const alone of [
    "self.assertAlmostEqual(f(1), 0.5, delta=self.d)",
    "self.assertEqual(ANY, 3)",
    "self.assertEqual(x, y)",
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
    "with ours(X):\n        f(1)",
    "with raises(X):\n        f(1)",
    "with pytest.raises(x()):\n        f(1)",
    "with self.assertLogs():\n        f(1)",
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
  const wrong = /try:\n {5}assert f\(1\) == -?\d+\n/;
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
  const check = async (line: string, wrong: string) => expectAsked(await script(line), line, wrong);
  await check("assert.equal(f(1), 3)", "assert.equal(f(1), #)");
  await check("assert.deepEqual(f(1), [], 'message')", "assert.deepEqual(f(1), [#], 'message')");
  await check("same(f(1), `x`)", "same(f(1), #)");
  await check("assert.strictEqual(await f(1), null)", "assert.strictEqual(await f(1), #)");
  await check("assert.equal(f(1), 10n)", "assert.equal(f(1), #n)");
  await check("assert(f(1))", "assert(((f(1)), #))");
  await check("assert.ok(f(1).includes('Hello'))", 'assert.ok(f(1).includes("#"))');
  await check("assert(f(1) === 3)", "assert(f(1) === #)");
  await check("assert.ok(f(1) > 3 && x)", "assert.ok(f(1) > (1e999 - 1e999) && x)");
  await check("assert.ok(Math.abs(f(1) - 0.5) < 1e-6)", "assert.ok(Math.abs(f(1) - #) < 1e-6)");
  await check("assert.ok([1, 2].includes(f(1)))", "assert.ok([#].includes(f(1)))");
  await check("assert.equal(f(1).has('x'), true)", 'assert.equal(f(1).has("#"), true)');
  await check("assert.match(f(1), /a+/)", "assert.match(f(1), /#/)");
  await check("expect(f(1).startsWith('x')).toBe(true)", 'expect(f(1).startsWith("#")).toBe(true)');
  await check("expect(f(1)).toContain('x')", 'expect(f(1)).toContain("#")');
  await check("expect(f(1)).toHaveLength(3)", "expect(f(1)).toHaveLength(#)");
  await check("expect(f(1)).toBeGreaterThan(3)", "expect(f(1)).toBeGreaterThan((1e999 - 1e999))");
  await check("expect(f(1)).toBeCloseTo(0.5, 3)", "expect(f(1)).toBeCloseTo(#, 3)");
  await check("expect(f(1)).toMatch(/a+/)", "expect(f(1)).toMatch(/#/)");
  await check("expect(f(1)).toBeInstanceOf(Map)", "expect(f(1)).toBeInstanceOf(#)");
  await check("assert.ok(!seen)", "assert.ok(((!seen), #))");
  await check("expect(f(1)).toBe(-3)", "expect(f(1)).toBe(#)");
  await check("expect(f(1)).toEqual({ a: x, b: true })", "expect(f(1)).toEqual({ a: x, b: false })");
  await check("expect(f(1)).toStrictEqual(undefined)", "expect(f(1)).toStrictEqual(#)");
  await check("expect(f(1)).toBeTruthy()", "expect(((f(1)), #)).toBeTruthy()");
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
  await check("for (const x of y) assert.ok(x)", "for (const x of y) assert.ok(((x), first(#)))");
  await check("assert.notEqual(f(1), 3)", 'assert.notEqual(pair(f(1), 3, "equal"), pair())');
  await check("assert.doesNotMatch(f(1), /a+/)", "assert.doesNotMatch(f(1), /(?:)/)");
  await check("expect(f(1)).not.toBe(x)", 'expect(pair(f(1), x, "equal")).not.toBe(pair())');
  await check("expect(f(1)).not.toContain(3)", 'expect(pair(f(1), 3, "has")).not.toContain(pair())');
  await check("expect(f(1)).not.toBeNull()", "expect(((f(1)), null)).not.toBeNull()");
  await check("expect(f(1)).not.toBeTruthy()", "expect(((f(1)), #)).not.toBeTruthy()");
  await check("expect(f(1)).toBeDefined()", "expect(((f(1)), undefined)).toBeDefined()");
  const text = 'import assert from "assert";\ntest("a", (seen) => {\n  assert.ok(!seen)\n});\n';
  expect(await failing("a.test.js", text)).not.toContain("let seen");
});

test("Python: beside an assertion stands what it must refuse, once each and without what it runs", async () => {
  const check = async (lines: string, question: string) => {
    const text = `import pytest\nfrom pytest import raises\nclass TestA(Case):\n    def test_a(self, x):\n        ${lines}\n`;
    const out = plainly((await failing("test_a.py", text)) ?? "");
    expect(out, lines).toContain(`        ask(lambda q: ${question})\n        `);
    expect(out.split("f(1)").length, lines).toBe(text.split("f(1)").length);
  };
  const raised = "lambda: errors(X)";
  await check("with pytest.raises(X):\n            f(1)", `inside(pytest.raises(X), q), ${raised}`);
  await check(
    "with raises(X, match='a') as e:\n            f(1)",
    `inside(raises(X, match='a'), q), ${raised}`,
  );
  await check(
    "with self.assertRaisesRegex((X, Y), re.escape('a')):\n            f(1)",
    "inside(self.assertRaisesRegex((X, Y), re.escape('a')), q), lambda: errors((X, Y))",
  );
  await check("self.assertRaises(X, f, f(1))", `self.assertRaises(X, raising, q), ${raised}`);
  await check("pytest.raises(X, f, 1)", `pytest.raises(X, raising, q), ${raised}`);
  await check(
    "for y in x:\n            with raises(X): f(1)".replace("with", "\n            with"),
    `inside(raises(X), q), ${raised}`,
  );
  await check("self.assertTrue(f(1))", "self.assertTrue(q), lambda: [False, None, 0, '', 0.0, [], {}, ()]");
  await check("self.assertIsNone(f(1))", "self.assertIsNone(q), lambda: [0, False, '', 0.0, []]");
});

test("JavaScript: the same", async () => {
  const check = async (line: string, question: string) => {
    const text = `import assert, { rejects } from "assert";\ntest("a", async () => {\n  ${line}\n});\n`;
    const out = plainly((await failing("a.test.js", text)) ?? "");
    expect(out, line).toContain(`||= ${question}; `);
    expect(out.split("f(1)").length, line).toBe(text.split("f(1)").length);
  };
  const given = "() => errors()";
  await check("assert.throws(() => f(1))", `ask((q) => assert.throws(q), ${given})`);
  await check("if (x) assert.throws(() => f(1), X)", "ask((q) => assert.throws(q, X), () => errors(X))");
  await check("assert.throws(() => f(1), { code: 2 })", `ask((q) => assert.throws(q), ${given})`);
  await check("assert.doesNotThrow(() => f(1))", "ask((q) => assert.doesNotThrow(q), () => [raising])");
  await check("await rejects(f(1), X)", "await later((q) => rejects(async () => q(), X), () => errors(X))");
  await check("expect(() => f(1)).toThrow(/a/)", "ask((q) => expect(q).toThrow(/a/), () => errors(/a/))");
  await check("expect(() => f(1)).not.toThrow()", "ask((q) => expect(q).not.toThrow(), () => [raising])");
  await check(
    "await expect(f(1)).rejects.toBe(3)",
    `await later((q) => expect((async () => q())()).rejects.toThrow(), ${given})`,
  );
  await check("assert(f(1))", `ask((q) => assert(q), () => [false, null, 0, '', undefined, NaN, 0n])`);
});

test("JavaScript and TypeScript: what may be expected to throw, or need not throw, is left alone", async () => {
  for (const line of [
    "await expect(f(1)).resolves.toBe(3)",
    "expect(f(1)).toEqual(expect.anything())",
    "expect(() => { assert.ok(false) }).toThrow()",
    "try { assert.equal(f(1), 3) } catch {}",
    "assert.notEqual(...f(1))",
    "expect(f(1)).not.toMatchObject({})",
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

const literals = [
  ..."0 1 -3 12 1234567890123456 0.5 -8.5 1e-9 2.5e300 '' 'a' '1' 'Hello' 'HELLO, B7' [] [1] [1,1] [1,2,3]".split(
    / (?=[\d\-'[])/,
  ),
  ...["['aa','a']", "{'a':1}", "{}", "[[1],[2]]", "'\\\\n'", "'ééé'", "'a\\x41b'"],
];
const pythonLiterals = [
  ...literals,
  ...`True False None () (1,) (1,2) (1,1,1) {1} {1,2} b'ab' r'\\\\d' 'a'"b" '''x'''`.split(" "),
];
const scriptLiterals = [...literals, ..."true false null undefined 10n -3n `ab`".split(" ")];

/** Wrong values for each of the literals, many times, and at run time too. */
async function wrongOnes(
  path: string,
  all: readonly string[],
  file: (lines: readonly string[]) => string,
  kept: RegExp,
) {
  const text = file(Array.from({ length: 8 }, () => all).flat());
  const out = (await failing(path, text)) ?? "";
  return [...out.matchAll(kept)].map((each) => each[1] ?? "");
}

test("a wrong value is of the right one's kind and never equal to it, and as often near it as far from it", async () => {
  const lines = (all: readonly string[]) => all.map((each) => `    assert f() == ${each}`).join("\n");
  const wrong = await wrongOnes(
    "test_a.py",
    pythonLiterals,
    (all) => `def test_a():\n${lines(all)}\n`,
    /assert f\(\) == (.*)/g,
  );
  const right = Array.from({ length: 8 }, () => pythonLiterals).flat();
  expect(wrong).toHaveLength(right.length);
  const pairs = wrong.map((each, at) => `(${each}, ${right[at]}),`).join("\n");
  const program = `pairs = [${pairs}]\nprint([p for p in pairs if p[0] == p[1] or (p[1] is not None and type(p[0]) not in (type(p[1]), int, float))])`;
  expect(execFileSync("python3", ["-c", program], { encoding: "utf8" })).toBe("[]\n");
  const threes = Array.from({ length: 200 }, () => "3");
  const others = await wrongOnes(
    "test_a.py",
    threes,
    (all) => `def test_a():\n${lines(all)}\n`,
    /assert f\(\) == (.*)/g,
  );
  expect(others.filter((each) => Math.abs(Number(each) - 3) <= 3).length).toBeGreaterThan(others.length / 3);
  expect(others.some((each) => Math.abs(Number(each) - 3) > 50)).toBe(true);
});

test("the same in JavaScript", async () => {
  const head = 'import assert from "assert";\ntest("a", () => {\n';
  const file = (all: readonly string[]) =>
    `${head}${all.map((each) => `  assert.deepEqual(f(), ${each});`).join("\n")}\n});\n`;
  const wrong = await wrongOnes("a.test.js", scriptLiterals, file, /assert\.deepEqual\(f\(\), (.*?)\);? \}/g);
  const right = Array.from({ length: 8 }, () => scriptLiterals).flat();
  expect(wrong).toHaveLength(right.length);
  for (const [at, each] of wrong.entries()) {
    const [other, own] = runInNewContext(`[(${each}), (${right[at]})]`) as unknown[];
    // Loosely, as node:assert's own equality compares.
    expect(() => deepEqual(other, own), `${each} for ${right[at]}`).toThrow();
  }
});

test("Python: what stands for a test is like the test", async () => {
  const text = `import functools
def wrapped(f):
    @functools.wraps(f)
    def inner(*args, **kwargs): return f(*args, **kwargs)
    return inner
def test_a(x, y=2, *, z=3): "words"
async def test_b(*args, **kwargs): pass
@wrapped
def test_c(x): pass
test_d = lambda x: 1
class TestE:
    def test_e(self, x): super()
before = [test_a, test_b, test_c, test_d, TestE.test_e]
`;
  const out = `${text}${((await failing("test_a.py", text)) ?? "").slice(text.length)}
import inspect
after = [test_a, test_b, test_c, test_d, TestE.test_e]
for old, new in zip(before, after):
    assert old is not new
    assert inspect.signature(old) == inspect.signature(new)
    assert inspect.iscoroutinefunction(old) == inspect.iscoroutinefunction(new)
    for name in "__name__ __qualname__ __doc__ __module__ __defaults__ __kwdefaults__".split():
        assert getattr(old, name) == getattr(new, name), name
    assert hasattr(old, "__wrapped__") == hasattr(new, "__wrapped__")
    assert not hasattr(new, "__signature__")
    for name in "co_argcount co_kwonlyargcount co_firstlineno co_filename".split():
        assert getattr(old.__code__, name) == getattr(new.__code__, name), name
try: test_a(1, z=4)
except AssertionError as error: print(error)
`;
  expect(execFileSync("python3", ["-c", out], { encoding: "utf8" })).toBe(`${failed}\n`);
});
