import fc from "fast-check";
import { expect, test } from "vitest";
import { unwoven } from "./weave.ts";

const lines = (...all: readonly string[]) => all.map((line) => `${line}\n`).join("");
const alpha = lines("def test_alpha():", "    assert lib.alpha(1) == 2", "    assert lib.alpha(5) == 6");
const beta = lines("@pytest.mark.slow", "def test_beta():", "    assert lib.beta(2) == 4");
const ours = lines("import lib", "", "") + alpha;
const theirs = lines("import lib", "import pytest", "", "") + beta;
const head = lines("import lib", "import pytest", "", "");
const script = (...tests: readonly string[]) =>
  lines(
    ...['import { equal } from "node:assert";', 'describe("all", () => {'],
    ...tests.flatMap((name) => [`  test("${name}", () => {`, `    equal(${name}(), 1);`, "  });"]),
    "});",
  );

test.each([
  ["one after the other", ours, theirs, head + alpha + beta],
  ["the other way round", ours, theirs, lines("import pytest", "import lib") + beta + alpha],
  ["with Windows line ends", ours, theirs, (head + alpha + beta).replaceAll("\n", "\r\n")],
  ["within one group", script("a", "b"), script("a", "c"), script("a", "b", "c")],
  ["in two groups of one name", script("b"), script("c"), script("b") + script("c")],
  [
    "imports of one module as one, over lines",
    `from lib import alpha\n${alpha}`,
    `from lib import beta as b\n${beta}`,
    `from lib import (\n    alpha,\n    beta as b,\n)\n${alpha}${beta}`,
  ],
  [
    "named imports of a script",
    'import { a } from "./a.js";\n',
    "import { b, c } from './b.js';\n",
    "import { c } from './b.js';\nimport { a } from \"./a.js\";\nimport { b } from './b.js';\n",
  ],
  [
    "two tests of one name as one, with the lines of both",
    "def test_it():\n    a = 1\n    assert a\n",
    "def test_it():\n    b = 1\n    assert b\n",
    "def test_it():\n    a = 1\n    b = 1\n    assert b\n    assert a\n",
  ],
  [
    "a comment that both begin with, twice",
    `# new\n${alpha}`,
    `# new\n${beta}`,
    `# new\n${alpha}# new\n${beta}`,
  ],
] as const)("both sides and no more: %s", (_, left, right, whole) => {
  expect(unwoven([left, right], whole)).toBeUndefined();
});

const gutted = (from: string, to: string) => (head + alpha + beta).replace(from, to);
test.each([
  [
    "a test that returns first",
    gutted("alpha():\n", "alpha():\n    return\n"),
    /neither side has it: return/,
  ],
  [
    "assertions the other way round",
    gutted("(1) == 2\n    assert lib.alpha(5) == 6", "(5) == 6\n    assert lib.alpha(1) == 2"),
    /neither side has it: assert lib.alpha\(5\)/,
  ],
  [
    "an assertion under another test",
    `${head + alpha.replace("    assert lib.alpha(5) == 6\n", "") + beta}    assert lib.alpha(5) == 6\n`,
    /lacks|neither/,
  ],
  [
    "an assertion that stands in a condition",
    gutted("    assert lib.alpha(1)", "    if 0:\n        assert lib.alpha(1)"),
    /neither side/,
  ],
  [
    "a test within what is never called",
    `${head}def never():\n${alpha.replace(/^/gm, "    ")}${beta}`,
    /neither side/,
  ],
  [
    "a decorator that went to another",
    `${head}@pytest.mark.slow\n${alpha}${beta.split("\n").slice(1).join("\n")}`,
    /neither side/,
  ],
  [
    "a second test of the name",
    `${head + alpha + beta}def test_alpha():\n    pass\n`,
    /defines test_alpha twice/,
  ],
  ["another name for it later", `${head + alpha + beta}test_alpha = len\n`, /neither side/],
  [
    "another module under its name",
    gutted("import lib\n", "import fake as lib\n"),
    /imports what neither side does: import fake as lib/,
  ],
  [
    "code behind an import",
    gutted("import lib\n", "import lib; lib.alpha = int\n"),
    /imports what neither side does/,
  ],
  ["an import within a test", gutted("alpha():\n", "alpha():\n    import fake as lib\n"), /neither side/],
  ["a side left out", head + alpha, /lacks a line where a side has it: @pytest/],
  ["nothing", "", /lacks a line/],
] as const)("something else: %s", (_, whole, why) => {
  expect(unwoven([ours, theirs], whole)).toMatch(why);
});

test("law: any weave of both is as it has to be, and with a line more, or one less of what one has, it is not", () => {
  const word = fc.constantFrom("a", "b", "c", "d");
  const block = fc.tuple(word, fc.array(word, { maxLength: 3 }));
  const text = (side: string, blocks: readonly (readonly [string, readonly string[]])[]) =>
    blocks.map(([name, below], at) => lines(`${side}${at} ${name}`, ...below.map((each) => `  ${each}`)));
  fc.assert(
    fc.property(
      fc.array(block),
      fc.array(block),
      fc.array(fc.boolean()),
      fc.nat(),
      (first, second, turns, at) => {
        const [left, right] = [text("ours", first), text("theirs", second)];
        const [one, two] = [[...left], [...right]];
        const mixed = turns.flatMap((isLeft) => (isLeft ? one.splice(0, 1) : two.splice(0, 1)));
        const whole = [...mixed, ...one, ...two].join("").split("\n").slice(0, -1);
        const sides = [left.join(""), right.join("")] as const;
        const asked = (rows: readonly string[]) => unwoven(sides, lines(...rows));
        expect(asked(whole)).toBeUndefined();
        const place = at % (whole.length + 1);
        expect(asked([...whole.slice(0, place), "    return", ...whole.slice(place)])).toBeDefined();
        if (place < whole.length) expect(asked(whole.filter((_, index) => index !== place))).toBeDefined();
      },
    ),
  );
});

test("a file of thousands of lines that are alike ends soon", () => {
  const many = "assert x\n".repeat(4_000);
  expect(unwoven([many, many], many)).toBeUndefined();
});
