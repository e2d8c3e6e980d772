import fc from "fast-check";
import { expect, test } from "vitest";
import { grammarOf, parserOf } from "./grammar.ts";
import { openControls, raised } from "./rewrite.ts";

const controls = openControls();

async function bodies(path: string, after: string, before?: string) {
  const { files, replaced } = await controls.withoutBodies([{ path, before, after }]);
  return { text: files.get(path), replaced };
}

const python = `"""Module."""
import os
LIMIT = 3

def add(a, b):
    """Adds.

    >>> add(1, 2)
    """
    # why
    return a + b

@decorated(1)
async def fetch(url: str) -> int:
    def inner():
        return 1
    return inner()

class Box(Base):
    size = 1

    def __init__(self, x): self.x = x

    @property
    def got(self):
        yield self.x

double = lambda x: x * 2
`;

test("Python: functions, methods, one-liners, decorators, docstrings, lambdas; nested ones go with the outer", async () => {
  const { text, replaced } = await bodies("a.py", python);
  const raise = `raise RuntimeError("${raised}")`;
  expect(text).toContain(`def add(a, b):\n    ${raise}\n`);
  expect(text).toContain(`@decorated(1)\nasync def fetch(url: str) -> int:\n    ${raise}\n`);
  expect(text).toContain(`def __init__(self, x): ${raise}\n`);
  expect(text).toContain(`    @property\n    def got(self):\n        ${raise}\n`);
  expect(text).toContain("double = lambda x: (_ for _ in ()).throw(");
  expect(text).toContain("LIMIT = 3");
  expect(replaced).toEqual(["a.py:add", "a.py:fetch", "a.py:Box.__init__", "a.py:Box.got", "a.py:double"]);
});

const script = `import x from "y";
export function add(a: number, b: number): number { return a + b; }
export const twice = (n: number) => n * 2;
const make = () => ({ a: 1 });
async function* walk() { yield 1; }
export default class Box<T> extends Base {
  constructor(private readonly x: T) { super(); }
  get size() { return 1; }
  static of = async (x) => { await x; };
  abstract grow(): void;
}
module.exports = function () { return () => 1; };
`;

test("TypeScript and JavaScript: functions, arrows, generators, classes, constructors, getters", async () => {
  const { text, replaced } = await bodies("a.ts", script);
  const body = `{ throw new Error("${raised}"); }`;
  expect(text).toContain(`function add(a: number, b: number): number ${body}`);
  expect(text).toContain(`const twice = (n: number) => ${body};`);
  expect(text).toContain(`const make = () => ${body.replace("}", "}")}`);
  expect(text).toContain(`async function* walk() ${body}`);
  expect(text).toContain(`constructor(private readonly x: T) ${body}`);
  expect(text).toContain(`get size() ${body}`);
  expect(text).toContain(`module.exports = function () ${body};`);
  expect(replaced).toContain("a.ts:Box.constructor");
  const jsx = await bodies("a.jsx", "export const View = () => <p>{1}</p>;\n");
  expect(jsx.text).toBe(`export const View = () => ${body};\n`);
  const tsx = await bodies("a.tsx", "export function View(p: P) { return <p>{p.x}</p>; }\n");
  expect(tsx.text).toBe(`export function View(p: P) ${body}\n`);
});

test("functions that the change left alone stay", async () => {
  const before = "def a():\n    return 1\n\ndef b():\n    return 2\n";
  const after = "def a():\n    return 1\n\ndef b():\n    return 3\n\ndef c():\n    return 4\n";
  const { text, replaced } = await bodies("m.py", after, before);
  expect(replaced).toEqual(["m.py:b", "m.py:c"]);
  expect(text).toContain("def a():\n    return 1\n");
});

test("a changed decorator or a changed wrapper counts as a change of the function", async () => {
  const { replaced } = await bodies(
    "m.py",
    "@two\ndef a():\n    return 1\n",
    "@one\ndef a():\n    return 1\n",
  );
  expect(replaced).toEqual(["m.py:a"]);
});

test("module-level code raises after its last statement: what runs while loading still runs", async () => {
  const { text, replaced } = await bodies("m.py", "X = {1: 2}\n", "X = {}\n");
  expect(text).toBe(`X = {1: 2}\n\n\nraise RuntimeError("${raised}")\n`);
  expect(replaced).toEqual(["m.py:module"]);
  expect((await bodies("m.js", "let a = 1")).text).toBe(`let a = 1\n;throw new Error("${raised}");\n`);
});

test("text that the grammar does not know gets the module form, so that strange syntax is no way around the control", async () => {
  const { replaced } = await bodies("m.py", "def a(:\n  ???\n");
  expect(replaced).toEqual(["m.py:module"]);
});

test("other languages are left, and named", async () => {
  const { files, left } = await controls.withoutBodies([
    { path: "a.go", before: undefined, after: "func a() {}" },
    { path: "a.d.ts", before: undefined, after: "declare const a: 1;" },
  ]);
  expect(files.size).toBe(0);
  expect(left).toEqual(["a.go", "a.d.ts"]);
});

test("what is rewritten still parses", async () => {
  const statement = fc.constantFrom(
    "def f(x): return x",
    "def g():\n    '''doc'''\n    if a:\n        return 1\n    return 2",
    "class A:\n    def m(self):\n        # note\n        pass\n    n = 1",
    "async def h():\n    yield 1",
    "k = lambda: 0",
    "x = [\n  1,\n]",
    "@d\ndef i(): ...",
    'j = """\ndef not_a_function():\n    pass\n"""',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(statement, { maxLength: 8 }), async (statements) => {
      const { text } = await bodies("p.py", `${statements.join("\n")}\n`);
      const grammar = grammarOf("p.py");
      if (grammar === undefined || text === undefined) return false;
      const parser = await parserOf(grammar);
      const hasError = parser.parse(text)?.rootNode.hasError;
      parser.delete();
      return hasError === false && !text.includes("return");
    }),
    { numRuns: 60 },
  );
});
