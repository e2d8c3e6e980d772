import fc from "fast-check";
import { expect, test } from "vitest";
import { grammarOf, parserOf } from "./grammar.ts";
import { mutantsOf } from "./mutant.ts";
import { parses } from "./piece.ts";

const all = { countMax: 1_000, seed: "1" };

async function names(path: string, after: string, before?: string): Promise<readonly string[]> {
  return (await mutantsOf([{ path, before, after }], all)).map(({ name }) => name).toSorted();
}

const python = `"""Module: 1 < 2."""
LIMIT = 3

def share(items: "list[1 + 1]", most=5) -> Literal[4]:
    """Shares 3 + 4.

    >>> 1 < 2
    """
    # 1 < 2
    total: Literal[7] = 0
    for item in items:
        if item.size < most and item.kind == "a == b":
            total += item.size * 2
        elif not item.ok:
            raise ValueError("at most %d" % (most - 1))
    assert total >= 0, "1 < 2"
    log.debug("total %d", total + 1)
    items.clear()
    items.total = total
    return total if total else LIMIT

class Box:
    def is_empty(self):
        return True

even = lambda n: n % 2 == 0

def test_share():
    assert share([], 1 + 1) == 3
`;

test("Python: every kind of fault; none in texts, comments, types, assertions, logs, errors or tests", async () => {
  expect(await names("a.py", python)).toEqual(
    [
      "a.py:10: 0 becomes 1",
      "a.py:12: < becomes <=",
      "a.py:12: == becomes !=",
      "a.py:12: and becomes or",
      "a.py:12: condition negated",
      "a.py:13: * becomes /",
      "a.py:13: 2 becomes 3",
      "a.py:13: += becomes -=",
      "a.py:13: statement dropped",
      "a.py:14: condition negated",
      "a.py:18: statement dropped",
      "a.py:19: statement dropped",
      "a.py:20: condition negated",
      "a.py:20: what is returned becomes None",
      "a.py:24: True becomes False",
      "a.py:26: % becomes *",
      "a.py:26: 0 becomes 1",
      "a.py:26: 2 becomes 3",
      "a.py:26: == becomes !=",
      "a.py:26: what is returned becomes None",
    ].toSorted(),
  );
});

const script = `import x from "y";
export const LIMIT: 3 = 3;
export function share(items: Item<4>[], most: number = 5): number | 7 {
  "use strict";
  // 1 < 2
  let total: 0 | number = 0;
  for (let at = 0; at < items.length; at++) {
    const item = items[at] as Item<1>;
    if (item.size >= most || item.kind !== "a") total += item.size - 1;
    else if (!item.ok) throw new RangeError("at most " + (most - 1));
  }
  console.log("total", total + 1);
  items.sort();
  return total === 0 ? LIMIT : total;
}
export class Box<T> {
  isEmpty(): boolean { return true; }
}
export const text = (n: number) => "n: " + n;
test("share", () => { expect(share([], 1 + 1)).toBe(3); });
`;

test("TypeScript: the same", async () => {
  expect(await names("a.ts", script)).toEqual(
    [
      "a.ts:6: 0 becomes 1",
      "a.ts:7: 0 becomes 1",
      "a.ts:7: < becomes <=",
      "a.ts:9: >= becomes >",
      "a.ts:9: !== becomes ===",
      "a.ts:9: || becomes &&",
      "a.ts:9: condition negated",
      "a.ts:9: += becomes -=",
      "a.ts:9: - becomes +",
      "a.ts:9: 1 becomes 2",
      "a.ts:9: statement dropped",
      "a.ts:10: condition negated",
      "a.ts:13: statement dropped",
      "a.ts:14: 0 becomes 1",
      "a.ts:14: === becomes !==",
      "a.ts:14: what is returned becomes undefined",
      "a.ts:17: true becomes false",
      "a.ts:19: what is returned becomes undefined",
    ].toSorted(),
  );
});

test("what comes out is the source with one place changed", async () => {
  const check = async (path: string, after: string, texts: readonly string[]) => {
    const mutants = await mutantsOf([{ path, before: undefined, after }], all);
    expect(mutants.map(({ text }) => text).toSorted()).toEqual(texts.toSorted());
  };
  await check("a.py", "def f(a):\n    if a: g(a)\n", [
    "def f(a):\n    if not (a): g(a)\n",
    "def f(a):\n    if a: pass\n",
  ]);
  await check("a.js", "function f(a) { if (a) return g(a); }", [
    "function f(a) { if (!(a)) return g(a); }",
    "function f(a) { if (a) return undefined; }",
  ]);
  await check("a.ts", "const f = (a: A) => a;", ["const f = (a: A) => (undefined as never);"]);
  await check("a.jsx", "const f = (a) => <p>{a ? 1 : 2}</p>;", [
    "const f = (a) => undefined;",
    "const f = (a) => <p>{!(a) ? 1 : 2}</p>;",
    "const f = (a) => <p>{a ? 2 : 2}</p>;",
    "const f = (a) => <p>{a ? 1 : 3}</p>;",
  ]);
});

test("only what the change touched, and of that its own lines first", async () => {
  const before = "def a():\n    return b(1)\n\ndef b(n):\n    n = c(n, 2)\n    return n\n";
  expect(await names("m.py", before, before)).toEqual([]);
  const after = before.replace("return n\n", "return n + 3\n");
  expect(await names("m.py", after, before)).toEqual([
    "m.py:6: + becomes -",
    "m.py:6: 3 becomes 4",
    "m.py:6: what is returned becomes None",
  ]);
  // A line less has none of its own.
  expect(await names("m.py", before.replace("    return n\n", ""), before)).toEqual(["m.py:5: 2 becomes 3"]);
});

test("none in other languages, in test files, in what does not parse, or outside functions", async () => {
  for (const [path, after] of [
    ["a.go", "func a() int { return 1 + 1 }"],
    ["a.d.ts", "declare function a(n: 1): 2;"],
    ["tests/test_a.py", "def helper():\n    return 1 + 1\n"],
    ["a.py", "def f(:\n    return 1 + 1\n"],
    ["a.py", "LIMIT = 1 + 1\n"],
  ] as const)
    expect(await names(path, after)).toEqual([]);
});

test("a few are spread over functions and kinds", async () => {
  const one = (name: string) =>
    `def ${name}(a, b):\n    if a < b:\n        return a * 2\n    return b + 3\n\n`;
  for (const seed of ["a", "b", "c", "d"]) {
    const source = { path: "m.py", before: undefined, after: one("f") + one("g") + one("h") };
    const mutants = await mutantsOf([source], { countMax: 6, seed });
    const lines = mutants.map(({ name }) => Number(name.split(":")[1]));
    expect([0, 1, 2].map((at) => lines.filter((line) => Math.floor((line - 1) / 5) === at).length)).toEqual([
      2, 2, 2,
    ]);
    const kinds = new Set(mutants.map(({ name }) => name.replace(/^.*?:\d+: /, "").replace(/\d/g, "n")));
    expect(kinds.size).toBeGreaterThanOrEqual(4);
  }
});

test("a path of somebody else's choice stays one short line", async () => {
  const [name = ""] = await names(`${"x".repeat(900)}/\n\u001b[2J.py`, "def f():\n    return 1\n");
  expect(name).toMatch(/^x+\/ \\x1b\[2J\.py:2: 1 becomes 2$/);
  expect(name.length).toBeLessThanOrEqual(300);
});

const statements: Readonly<Record<"py" | "ts", readonly string[]>> = {
  py: [
    "def f(x): return x < 1 and x == 2 or not x",
    "def g(a):\n    '''1 < 2'''\n    if a in (1, 2):\n        a.b = 3\n    elif a: a.go()\n    return -a ** 2",
    "class A:\n    def m(self, n: 'int' = 1):\n        self.n += n // 2; self.go(0)\n        return f'{n + 1:>{3}}'",
    "async def h():\n    await go(1 if x else 2)\n    return [y % 2 for y in z if y != 1]",
    "k = lambda a, *b: a <= 0",
    "def i():\n    while True:\n        x = y = 1_000\n        x -= 0x1f\n        yield x\n    return {1: 2, 'a': 3 * 4}",
    "@d(1)\ndef j(a):\n    match a:\n        case 1: return True\n        case _: pass\n    with o(1) as p: p[0] = not a",
    "X = 1 + 1",
  ],
  ts: [
    "function f(x: number) { return x < 1 && x === 2 || !x }",
    "const g = (a?: 3) => a! - 1",
    `class A { n = 1; m(o = 2) { this.n *= o; this.go(0); return \`\${this.n + 1}\` } get p() { return this.n ?? 0 } }`,
    "async function* h() { for await (const x of y) if (x != null) yield x % 2; else await x.go(1) }",
    "const i = function () { do { x++; --y } while (x <= 9); switch (x) { case 1: return false } return x ? { a: 1 } : [2] }",
    "const j = (a: unknown) => (a as A<1>).b! > 0",
    "const X = 1 + 1",
  ],
};

test("law: every mutant parses, differs within a changed function, and the same seed gives the same ones", async () => {
  const language = fc.constantFrom("py" as const, "ts" as const);
  const part = fc.nat({ max: 7 });
  await fc.assert(
    fc.asyncProperty(
      language,
      fc.array(part, { maxLength: 5 }),
      fc.array(part, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: 12 }),
      fc.string(),
      async (ending, kept, added, countMax, seed) => {
        const path = `p.${ending}`;
        const pool = statements[ending];
        const write = (numbers: readonly number[]) =>
          numbers.map((at) => `${pool[at % pool.length]}\n`).join("");
        const [before, brought] = [write(kept), write(added.filter((at) => !kept.includes(at)))];
        const source = { path, before, after: before + brought };
        const mutants = await mutantsOf([source], { countMax, seed });
        expect(await mutantsOf([source], { countMax, seed })).toEqual(mutants);
        expect(mutants.length).toBeLessThanOrEqual(countMax);
        expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
        const grammar = grammarOf(path);
        if (grammar === undefined) throw new Error("both languages are known");
        const parser = await parserOf(grammar);
        for (const { name, text, path: where } of mutants) {
          expect(where).toBe(path);
          expect(parses(parser, text), name).toBe(true);
          expect(text).not.toBe(source.after);
          // What stood before the change is untouched, and so is what stands outside functions.
          expect(text.startsWith(before), name).toBe(true);
          expect(text.includes("X = 1 + 1")).toBe(source.after.includes("X = 1 + 1"));
          const line = Number(/:(\d+): /.exec(name)?.[1]);
          expect(text.split("\n")[line - 1], name).not.toBe(source.after.split("\n")[line - 1]);
        }
        parser.delete();
      },
    ),
    { numRuns: 60 },
  );
});
