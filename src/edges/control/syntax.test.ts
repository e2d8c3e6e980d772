import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { brokenLine } from "./lines.ts";
import { breakagesIn } from "./syntax.ts";

async function check(path: string, after: string, found: string | undefined, before?: string) {
  const [first] = await breakagesIn([{ path, before, after }]);
  expect(first && `${first.line} ${first.why}`, after).toBe(found);
}

test("Python: what no version accepts is named as Python names it", async () => {
  await check("a.py", "def f(x)\n    return x\n", "1 SyntaxError: expected ':'");
  await check("a.py", "def f(x):\nreturn x\n", "2 IndentationError: expected an indented block");
  await check("a.py", "x = 1\n  y = 2\n", "2 IndentationError: unexpected indent");
  await check("a.py", "def f(x):\n    return (x\n", "2 SyntaxError: '(' was never closed");
  await check("a.py", "def f(x):\n    return x)\n", "2 SyntaxError: unmatched ')'");
  await check("a.py", "x = [1, 2}\n", "1 SyntaxError: unmatched '}'");
  await check("a.py", "x = 'abc\ny = 1\n", "1 SyntaxError: unterminated string literal");
  await check("a.py", 'x = """abc\ny = 1\n', "1 SyntaxError: unterminated triple-quoted string literal");
  const dedent = "if x:\n        a()\n    b()\n";
  await check("a.py", dedent, "3 IndentationError: unindent does not match any outer indentation level");
  await check("a.py", "if x:\n    pass\nelse\n    y()\n", "3 SyntaxError: expected ':'");
  await check("a.py", "def f():\n    for x in y:\n", "2 IndentationError: expected an indented block");
});

test("JavaScript and TypeScript: both readers must find it", async () => {
  await check("a.js", "let a = 1;\nlet y = ;\n", "2 SyntaxError: Expression expected");
  await check("a.mts", "const s = 'abc\nlet x;\n", "1 SyntaxError: Unterminated string constant");
  await check(
    "a.ts",
    "export function f(a: number {\n  return 1;\n}\n",
    "1 SyntaxError: Expected ',', got '{'",
  );
  await check("a.ts", "enum A { B }\nexport const a = A.B;\n", undefined);
  await check("a.tsx", "export const A = () => <div>;\n", undefined);
  await check("a.js", "export const A = () => <div>{;</div>;\n", undefined);
});

test("in doubt nothing is said", async () => {
  for (const text of [
    "print 'hello'\n",
    "x = = 1\n",
    "type Pair[T] = tuple[T, T]\n",
    "def f[T: (int, str)](x: T) -> T:\n    return x\n",
    'x = f"{a["b"]!r:>{width}} {", ".join(c)}"\n',
    "x = t'hello {name}'\n",
    "try:\n    f()\nexcept A, B:\n    pass\n",
    "if x:\n\ty()\n        z()\n",
    'x = f"{\'"\'}"\n',
    "match x:\n    case {'a': [1, *_]}: y()\n",
    "x = 1 if a else \\\n    2\n",
    "class A: x = 1; y = 2\n",
    "def f(a, *, b=lambda: {1: 2}): return a\n",
  ])
    await check("a.py", text, undefined);
  await check("a.go", "func (", undefined);
  await check("a.d.ts", "export const x: ;\n", undefined);
  await check("a.py", "def f(x)\n    return x\n", undefined, "def f(x)\n    return 1\n");
});

test("what Python accepts is never broken: this machine's own library", () => {
  const modules = [
    "typing",
    "dataclasses",
    "asyncio/tasks",
    "argparse",
    "inspect",
    "json/decoder",
    "decimal",
    "tokenize",
  ];
  const texts = modules.flatMap((name) => {
    try {
      return [readFileSync(`/usr/lib/python3/${name}.py`, "utf8")];
    } catch {
      try {
        return [readFileSync(`/usr/lib/python3.11/${name}.py`, "utf8")];
      } catch {
        return [];
      }
    }
  });
  for (const text of texts) expect(brokenLine(text)).toBeUndefined();
});

test("whatever the text, it ends, and soon", async () => {
  const hostile = ["(", "a=>", "f'{", "if x:\n", "`${", "'\""].map((each) =>
    each.repeat(200_000 / each.length),
  );
  for (const text of hostile) {
    const startedAt = performance.now();
    await breakagesIn([{ path: "a.py", before: undefined, after: text }]);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  }
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."([{}])'\"#\\:\n \tdefif") }), (text) => {
      const broken = brokenLine(text);
      expect(broken === undefined || (broken.line >= 1 && broken.line <= text.split("\n").length)).toBe(true);
    }),
  );
});
