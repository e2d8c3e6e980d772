import { describe, expect, test } from "vitest";
import { provenanceFaults } from "../../domain/provenance.ts";
import { readSuite } from "./provenance.ts";

const goal = "Add double(n) to calc.py: twice the number.";
const inc = "def inc(n):\n    return n + 1\n";
interface Place {
  readonly goal?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** The faults of one test file, joined; "" where there are none. */
async function faults(
  text: string,
  { goal: said = goal, files = { "calc.py": inc }, path = "tests/test_it.py" }: Place = {},
) {
  const read = await readSuite(path, text);
  const base = { goal: said, paths: Object.keys(files), texts: Object.values(files) };
  return provenanceFaults(new Map([[path, read]]), base).join("\n");
}
const refused = async (rows: readonly (readonly [text: string, why: RegExp, place?: Place])[]) => {
  for (const [text, why, place] of rows) expect(await faults(text, place), text).toMatch(why);
};
const taken = async (rows: readonly (readonly [text: string, place?: Place])[]) => {
  for (const [text, place] of rows) expect(await faults(text, place), text).toBe("");
};

const double = "from calc import double\n\n\ndef test_double():\n";
const script: Place = {
  goal: "Add count(text) to src/words.js: how many words it has.",
  files: { "src/words.js": "export function shout(text) {}\n", "package.json": "{}" },
  path: "test/count.test.js",
};
const counts =
  'import { equal } from "node:assert";\nimport { test } from "node:test";\nimport * as words from "../src/words.js";\n';

describe("expected values that the coder would bring along are refused", () => {
  test("as names that neither goal nor base has", () =>
    refused([
      [
        "from calc import double, EXAMPLES\n\n\ndef test_double():\n    for n, want in EXAMPLES:\n        assert double(n) == want\n",
        /EXAMPLES is neither/,
      ],
      [
        "from calc import double, slow_double\n\n\ndef test_double():\n    for n in range(12):\n        assert double(n) == slow_double(n)\n",
        /slow_double is neither/,
      ],
      [
        "from calc import double, check_double\n\n\ndef test_double():\n    assert check_double() is True\n",
        /check_double is neither/,
      ],
      [
        "import calc\n\n\ndef test_double():\n    assert calc.double(2) == calc.EXAMPLES[2]\n",
        /EXAMPLES is neither/,
      ],
      [
        `${double}    assert double(2) == double.answers[2]\n    assert double(1) == 2\n`,
        /answers is neither/,
      ],
      [
        'import calc\n\n\ndef test_double():\n    assert calc.double(2) == getattr(calc, "TABLE")[2]\n',
        /TABLE is neither/,
      ],
      ["from calc import *\n\n\ndef test_double():\n    assert double(2) == 4\n", /imports all of calc/],
      [
        'import importlib\n\n\ndef test_double():\n    assert importlib.import_module("calc").TABLE == 4\n',
        /imports by a text/,
      ],
      [`${counts}test("a", () => equal(words.count("a"), words.TABLE.a));`, /TABLE is neither/, script],
      [
        'import { test, expect } from "vitest";\nimport { count, rows } from "../src/words.js";\ntest.each(rows)("a", (a, b) => expect(count(a)).toBe(b));',
        /rows is neither/,
        script,
      ],
      [
        'const { equal } = require("node:assert");\nconst { count, rows } = require("../src/words.js");\ntest("a", () => equal(count("a"), rows[0]));',
        /rows is neither/,
        script,
      ],
    ]));

  test("as files that base does not have, and as the source under test", () =>
    refused([
      [
        `import json\n\n${double}    for n, want in json.load(open("cases.json")):\n        assert double(n) == want\n    assert double(1) == 2\n`,
        /cases\.json"\) reads what base does not have/,
      ],
      [
        `from pathlib import Path\nimport calc\n\n\ndef test_double():\n    assert hasattr(calc, "double")\n    assert Path(calc.__file__).read_text() == "x"\n`,
        /looks into the source/,
      ],
      [
        `from pathlib import Path\n\n${double}    assert double(1) == 2\n    assert "return" in Path("calc.py").read_text()\n`,
        /reads source text/,
      ],
      [
        `import inspect\n\n${double}    assert double(1) == 2\n    assert "n * 2" in inspect.getsource(double)\n`,
        /looks into the source/,
      ],
      [
        `import glob\n\n${double}    for name in glob.glob("*.json"):\n        assert double(1) == int(open(name).read())\n`,
        /reads what base does not have/,
      ],
      [`${double}    assert double.__code__.co_consts == (None, 2)\n`, /looks into the source/],
      [
        `${counts}import { readFileSync } from "node:fs";\ntest("a", () => equal(words.count("a"), JSON.parse(readFileSync("cases.json"))[0]));`,
        /readFileSync.*reads what base does not have/,
        script,
      ],
      [
        `${counts}import { readFileSync } from "node:fs";\ntest("a", () => { equal(words.count("a"), 1); equal(readFileSync("src/words.js", "utf8"), "x"); });`,
        /reads source text/,
        script,
      ],
      [
        `${counts}import rows from "../cases.json" with { type: "json" };\ntest("a", () => equal(words.count("a"), rows[0]));`,
        /imports \.\.\/cases\.json, which is not there/,
        script,
      ],
      [
        'import { test, expect } from "vitest";\nimport { count } from "../src/words.js";\ntest("a", () => expect(count("a")).toMatchSnapshot());',
        /snapshot/,
        script,
      ],
    ]));

  test("as no value at all", () =>
    refused([
      [`${double}    for n in range(9):\n        assert double(n) == double(n)\n`, /no assertion compares/],
      [`${double}    assert callable(double)\n`, /no assertion compares/],
      [`${double}    assert isinstance(double(2), int)\n`, /no assertion compares/],
      [`${double}    assert double(2) is not None\n    assert double(2) != 5\n`, /no assertion compares/],
      [`${double}    assert double(2)\n`, /no assertion compares/],
      [`${double}    double(2)\n    assert 1 + 1 == 2\n`, /no assertion compares/],
      [
        `${counts}test("a", () => equal(words.count("a"), words.count("b")));`,
        /no assertion compares/,
        script,
      ],
      [
        'import { test, expect } from "vitest";\nimport { count } from "../src/words.js";\ntest("a", () => expect(count("a")).toBeDefined());',
        /no assertion compares/,
        script,
      ],
    ]));
});

describe("honest suites are taken", () => {
  const stack: Place = {
    goal: "Add a class Stack to stack.py with push, pop and peek; pop of an empty one raises EmptyError.",
    files: { "calc.py": inc },
  };
  test("Python", () =>
    taken([
      [`${double}    assert double(2) == 4\n    for n in range(9):\n        assert double(n) == n + n\n`],
      [
        `import pytest\nfrom calc import double\n\n\n@pytest.mark.parametrize("n, want", [(1, 2), (2, 4)])\ndef test_double(n, want):\n    assert double(n) == want\n`,
      ],
      [`${double}    cases = {1: 2, 3: 6}\n    assert all(double(n) == want for n, want in cases.items())\n`],
      [
        "import calc\n\n\ndef test_double():\n    result = calc.double(2)\n    assert result == calc.inc(3)\n    assert result == 4\n",
      ],
      [
        "import unittest\n\nimport calc\n\n\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.double = calc.double\n\n    def test_it(self):\n        self.assertEqual(self.double(2), 4)\n",
      ],
      [
        "import unittest\n\nfrom calc import double\n\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(double(2) == 4)\n",
      ],
      [
        "import pytest\nfrom stack import EmptyError, Stack\n\n\n@pytest.fixture\ndef full():\n    s = Stack()\n    s.push(1)\n    return s\n\n\ndef test_pop(full):\n    assert full.pop() == 1\n\n\ndef test_empty():\n    with pytest.raises(EmptyError):\n        Stack().pop()\n",
        stack,
      ],
      [
        "from calc import is_even\n\n\ndef test_it():\n    assert is_even(4)\n    assert not is_even(3)\n",
        { goal: "Add is_even(n) to calc.py" },
      ],
      [
        "from calc import sort_in_place\n\n\ndef test_it():\n    xs = [2, 1]\n    sort_in_place(xs)\n    assert xs == [1, 2]\n",
        { goal: "Add sort_in_place(xs) to calc.py" },
      ],
      [
        "import math\nfrom calc import area\n\n\ndef test_it():\n    assert math.isclose(area(2, 3), 6.0)\n    assert abs(area(1, 1) - 1) < 1e-9\n",
        { goal: "calc.py: `area` of a rectangle" },
      ],
      [
        'import json\nfrom calc import save\n\n\ndef test_it(tmp_path):\n    path = tmp_path / "out.json"\n    save(path, [1])\n    assert json.loads(path.read_text()) == [1]\n',
        { goal: "Add save(path, values) to calc.py: it writes json" },
      ],
      [
        'import tempfile, os\nfrom calc import save\n\n\ndef test_it():\n    with tempfile.TemporaryDirectory() as folder:\n        name = os.path.join(folder, "a.txt")\n        save(name, 1)\n        with open(name) as stream:\n            assert stream.read() == "1"\n',
        { goal: "Add save(path, value) to calc.py" },
      ],
      [
        'import json\nfrom calc import double\n\n\ndef test_it():\n    rows = json.load(open("data/rows.json"))\n    assert double(len(rows)) == 4\n',
        { files: { "calc.py": inc, "data/rows.json": "[]" } },
      ],
      [
        'import subprocess, sys\n\n\ndef test_it():\n    out = subprocess.run([sys.executable, "calc.py", "2"], capture_output=True, text=True)\n    assert out.stdout == "4\\n"\n',
        { goal: "calc.py N prints twice N" },
      ],
      [
        'import os\nimport sys\n\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))\nfrom calc import double\n\n\ndef test_it(capsys):\n    print(double(2))\n    assert capsys.readouterr().out == "4\\n"\n',
      ],
      [
        "from shop.cart import Cart\n\n\ndef test_it():\n    assert Cart.empty().total() == 0\n",
        {
          goal: "Cart in shop/cart.py: an empty one has total 0",
          files: {
            "shop/__init__.py": "",
            "shop/cart.py": "class Cart:\n    @classmethod\n    def empty(cls): ...\n",
          },
        },
      ],
    ]));

  test("names of a goal that names nothing are made of its words", async () => {
    const place = { goal: "calc.py should be able to compute the median of a list of numbers" };
    const of = (name: string) =>
      `from calc import ${name}\n\n\ndef test_it():\n    assert ${name}([1, 2, 3]) == 2\n`;
    await taken(
      ["median", "compute_median", "median_of_numbers", "get_median"].map(
        (name) => [of(name), place] as const,
      ),
    );
    await refused(
      ["expected", "check_median", "slow_median", "TABLE"].map(
        (name) => [of(name), /is neither/, place] as const,
      ),
    );
    await refused([
      [
        of("compute_median"),
        /is neither/,
        { goal: "Add middle(values): the median, to calc.py, to compute later" },
      ],
    ]);
    await taken([[of("word_count"), { goal: "`inc` stays; add a word count to calc.py" }]]);
  });

  test("JavaScript and TypeScript", () =>
    taken([
      [
        `${counts}test("a", () => equal(words.count("a b"), 2));\ntest("b", () => { for (const t of ["", "a"]) equal(words.count(t + " x"), words.count(t) + 1); });`,
        script,
      ],
      [
        'import { describe, it, expect } from "vitest";\nimport { count } from "../src/words.js";\ndescribe("count", () => {\n  it.each([["a", 1], ["a b", 2]])("%s", (text, want) => { expect(count(text)).toBe(want); });\n});',
        script,
      ],
      [
        'const assert = require("node:assert");\nconst test = require("node:test");\nconst { count } = require("../src/words.js");\ntest("a", () => { assert.strictEqual(count("a"), 1); assert.throws(() => count(1), TypeError); });',
        script,
      ],
      [
        'import assert from "node:assert/strict";\nimport test from "node:test";\ntest("a", async () => { const { count } = await import("../src/words.js"); assert.ok(count("a") === 1); });',
        script,
      ],
      [
        'import { test, expect } from "vitest";\nimport { count } from "../src/words.ts";\ntest("a", (): void => { const cases: [string, number][] = [["a", 1]]; cases.forEach(([text, want]) => expect(count(text)).toEqual(want)); });',
        { ...script, path: "test/count.test.ts" },
      ],
      [
        'import { test, expect } from "vitest";\nimport { Queue } from "../src/queue.js";\nlet q;\nbeforeEach(() => { q = new Queue(); });\ntest("a", () => { q.push(1); expect(q.size).toBe(1); expect(() => new Queue(-1)).toThrow(); });',
        { ...script, goal: "Add a class Queue to src/queue.js" },
      ],
      [
        'import { execFileSync } from "node:child_process";\nimport { test, expect } from "vitest";\ntest("a", () => expect(execFileSync("node", ["src/words.js", "a b"]).toString()).toBe("2\\n"));',
        script,
      ],
      [
        'import { equal } from "node:assert";\nimport { mkdtempSync, readFileSync } from "node:fs";\nimport { join } from "node:path";\nimport { test } from "node:test";\nimport { save } from "../src/words.js";\ntest("a", () => { const folder = mkdtempSync("a"); save(join(folder, "x.txt")); equal(readFileSync(join(folder, "x.txt"), "utf8"), "x"); });',
        { ...script, goal: "Add save(path) to src/words.js" },
      ],
    ]));
});

test("what nobody can read is refused; an unknown language is left to others", async () => {
  await refused([["def test_a(:\n", /tests\/test_it\.py: nobody can say/]]);
  const tangle = `from calc import double\n\n\ndef test_a():\n${"    a = double(a)\n".repeat(2_500)}    assert a == a\n`;
  expect(await faults(tangle)).toMatch(/no assertion|nobody can say/);
  expect(await faults("(deftest a)", { path: "test/a.clj" })).toBe("");
});
