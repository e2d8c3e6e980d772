/** Tests that a model wrote, asked about small faults of the change: real runners, the real jail, the real process. */
import { resolve } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import type { Check } from "./domain/gate.ts";
import type { Proof } from "./domain/verdict.ts";
import { needing } from "./edges/jails/sandbox.case.ts";
import { openVerifier } from "./edges/verifier/client.ts";
import type { Verifier } from "./ports/verifier.ts";
import { type Circumstances, type Files, type Laboratory, openLaboratory, pytest } from "./verifier.case.ts";

const { test } = await needing("jail", "pytest");

let laboratory: Laboratory;
let verifier: Verifier & AsyncDisposable;
beforeAll(() => {
  laboratory = openLaboratory();
  verifier = openVerifier({
    ...{
      entry: resolve(import.meta.dirname, "verifier.ts"),
      isolation: "bubblewrap",
      runsMax: 2,
      proofsMax: 1,
      cores: 2,
    },
    ...{ workRoot: `${laboratory.root}/bubblewrap`, resultFolder: `${laboratory.root}/results` },
    memoryBytes: 8 * 1024 ** 3,
  });
});
afterAll(async () => {
  await verifier[Symbol.asyncDispose]();
  laboratory.close();
});

async function proved(base: Files, change: Files, more: Circumstances = {}): Promise<Proof> {
  return (await laboratory.prove(base, change, { ...more, acceptance: "model" })).proof;
}

const python = (tests: string): Files => ({
  "price.py": "def price(units, each):\n    raise NotImplementedError\n",
  "tests/test_price.py": `import sys, os\nsys.path.insert(0, os.getcwd())\nfrom price import price\n\n${tests}`,
});
const price: Files = {
  "price.py": `def price(units, each):
    if units < 1:
        raise ValueError("none")
    total = units * each
    if units >= 10 and total > 100:
        total -= total // 10
    return total
`,
};
const script = (tests: string): Files => ({
  "package.json": '{ "type": "module" }\n',
  "price.js": "export function price() {\n  throw new Error();\n}\n",
  "tests/price.test.js": `import { equal, throws } from "node:assert/strict";\nimport { test } from "node:test";\nimport { price } from "../price.js";\n${tests}`,
});
const priceScript: Files = {
  "price.js": `export function price(units, each) {
  if (units < 1) throw new RangeError("none");
  let total = units * each;
  if (units >= 10 && total > 100) total -= Math.floor(total / 10);
  return total;
}
`,
};
const node: Check = { ...pytest, command: "node --test tests/price.test.js" };

/** What is asked, and what it costs: every boundary, both sides of every condition. */
const asked: readonly (readonly [units: number, each: number, price: number])[] = [
  [1, 7, 7],
  [10, 20, 180],
  [9, 20, 180],
  [10, 10, 100],
  [20, 1, 20],
  [11, 10, 99],
];
const mostOf = expect.stringMatching(
  /^the tests by a model killed [56] of 6 mutants(; survived: price\S+ .*)?$/,
);
const tooFew =
  /^the tests by a model notice too little: [0-3] of 6 mutants killed; survived: price\.(py|js):\d+: \S/;

test("pytest: tests that notice small faults prove", async () => {
  const lines = asked.map(([units, each, sum]) => `    assert price(${units}, ${each}) == ${sum}\n`).join("");
  const none = "def test_none():\n    with pytest.raises(ValueError):\n        price(0, 1)\n";
  const tests = `import pytest\n\ndef test_price():\n${lines}\n${none}`;
  const proof = await proved(python(tests), price, { by: verifier });
  expect(proof).toMatchObject({ verdict: "proven", acceptance: "model", reasons: [mostOf] });
});

test("pytest: tests that hardly look do not, and what they let pass is named", async () => {
  const proof = await proved(python("def test_price():\n    assert price(2, 3) >= 6\n"), price);
  expect(proof.verdict).toBe("no-regression");
  expect(proof.reasons[0]).toMatch(tooFew);
});

test("node:test: the same", async () => {
  const lines = asked.map(([units, each, sum]) => `equal(price(${units}, ${each}), ${sum});`).join("\n");
  const none = 'test("none", () => throws(() => price(0, 1)));\n';
  const good = script(`test("price", () => {\n${lines}\n});\n${none}`);
  const proof = await proved(good, priceScript, { checks: [node] });
  expect(proof).toMatchObject({ verdict: "proven", reasons: [mostOf] });
  const weak = script('test("price", () => equal(price(2, 3) >= 6, true));\n');
  const other = await proved(weak, priceScript, { checks: [node] });
  expect(other.verdict).toBe("no-regression");
  expect(other.reasons[0]).toMatch(tooFew);
});

test("where no mutant can be made, tests by a model prove nothing", async () => {
  const tests = "import json\n\ndef test_data():\n    assert json.load(open('data.json')) == [1]\n";
  const proof = await proved({ "data.json": "[]", "tests/test_data.py": tests }, { "data.json": "[1]" });
  expect(proof.verdict).toBe("no-regression");
  expect(proof.reasons).toContainEqual(
    expect.stringMatching(/nothing shows that the tests by a model notice faults: the change holds no code/),
  );
});
