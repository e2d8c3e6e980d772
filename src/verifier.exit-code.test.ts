/** Checks judged by their exit code alone, with real git, real programs and the real jail. */
import { afterAll, beforeAll, expect } from "vitest";
import type { Check } from "./domain/gate.ts";
import { needing } from "./edges/jails/sandbox.case.ts";
import { type Circumstances, type Files, type Laboratory, openLaboratory, pytest } from "./verifier.case.ts";

const { test } = await needing("jail", "pytest");

let laboratory: Laboratory;
beforeAll(() => {
  laboratory = openLaboratory();
});
afterAll(() => laboratory.close());

const exit = (command: string): Check => ({
  ...pytest,
  name: "acceptance-exit-1",
  command,
  report: { kind: "exit-code" },
});

async function prove(base: Files, change: Files, command: string, more: Circumstances = {}) {
  const { proof } = await laboratory.prove(base, change, { checks: [exit(command)], ...more });
  return `${proof.verdict}: ${proof.reasons.join("; ")}`;
}

const calc = "def add(a, b):\n    return 0\n";
const right = "def add(a, b):\n    return a + b\n";
const tests =
  "import sys, os\nsys.path.insert(0, os.getcwd())\nfrom calc import add\n\ndef test_add():\n    assert add(1, 2) == 3\n";
const python: Files = { "calc.py": calc, "tests/test_calc.py": tests };
const makefile = "test:\n\tpython3 -B -c 'from calc import add; assert add(1, 2) == 3'\n";

test.concurrent("a program, script or target that the change wrote proves nothing by its own word", async () => {
  expect(await prove(python, { "verify.py": "" }, "python3 verify.py")).toMatch(
    /^no-regression: .*runs verify\.py, which the change brought or altered/,
  );
  expect(await prove(python, { "pkg/verify.py": "" }, "python3 -m pkg.verify")).toMatch(
    /^no-regression: .*runs pkg\/verify\.py/,
  );
  const script = JSON.stringify({ scripts: { verify: "true" } });
  expect(await prove(python, { "package.json": script }, "npm run verify")).toMatch(
    /^no-regression: .*runs package\.json/,
  );
  expect(await prove(python, { Makefile: "verify:\n\ttrue\n" }, "make verify")).toMatch(
    /^no-regression: .*runs Makefile/,
  );
  const waiting = { "package.json": JSON.stringify({ scripts: { test: "node verify.js" } }) };
  expect(await prove(waiting, { "verify.js": "" }, "npm test")).toMatch(/^no-regression: .*runs verify\.js/);
});

test.concurrent("a script of base is put back, so that an edit of it changes nothing", async () => {
  const base = { ...python, "run-tests": "python3 -m pytest -q tests\n" };
  expect(await prove(base, { "run-tests": "true\n" }, "sh ./run-tests")).toMatch(/^refuted: /);
  const manifest = { ...python, "package.json": JSON.stringify({ scripts: { verify: "false" } }) };
  const edited = { "package.json": JSON.stringify({ scripts: { verify: "true" } }) };
  expect(await prove(manifest, edited, "npm run verify")).toMatch(/^refuted: /);
});

test.concurrent("checks that exercise the change, or compare what it prints, are proven", async () => {
  const made = await prove({ "calc.py": calc, Makefile: makefile }, { "calc.py": right }, "make test");
  expect(made).toBe("proven: ");
  const module = {
    "calc.js": "export function add(a, b) {\n  return 0;\n}\n",
    "package.json": '{ "type": "module" }',
  };
  const imported = await prove(
    module,
    { "calc.js": "export function add(a, b) {\n  return a + b;\n}\n" },
    "node -e \"import('./calc.js').then((m) => process.exit(m.add(1, 2) === 3 ? 0 : 1))\"",
  );
  expect(imported).toBe("proven: ");
  const app = "import sys\n\ndef main(a, b):\n    print(int(a) + int(b))\n\nmain(*sys.argv[1:])\n";
  expect(await prove({ "README.md": "" }, { "app.py": app }, "python3 app.py 2 3 | grep -qx 5")).toBe(
    "proven: ",
  );
});

test.concurrent("an exit code is not believed when it stays 0 with the tests made to fail", async () => {
  const command = "python3 -m pytest -q tests";
  expect(await prove(python, { "calc.py": right }, command)).toBe("proven: ");
  const quits = "import os\n\ndef add(a, b):\n    os._exit(0)\n";
  expect(await prove(python, { "calc.py": quits }, command)).toMatch(
    /^refuted: .*still reported green when its tests were made to fail/,
  );
  const node = {
    "package.json": JSON.stringify({ type: "module", scripts: { test: "node --test" } }),
    "calc.js": "export function add(a, b) {\n  return 0;\n}\n",
    "test/calc.test.js":
      'import { test } from "node:test";\nimport assert from "node:assert";\nimport { add } from "../calc.js";\ntest("adds", () => assert.equal(add(1, 2), 3));\n',
  };
  const leaves = "export function add(a, b) {\n  process.exit(0);\n}\n";
  expect(await prove(node, { "calc.js": leaves }, "npm test")).toMatch(/^refuted: .*made to fail/);
});

test.concurrent("an exit code of 0 does not stand against a guard that counts the same tests as failing", async () => {
  const lies =
    'import os, sys\n\ndef add(a, b):\n    if not any("junitxml" in word for word in sys.argv):\n        os._exit(0)\n    return 0\n';
  const guard: Check = { ...pytest, name: "guard-pytest", role: "guard", command: "python3 -m pytest -q" };
  const checks = [exit("python3 -m pytest -q tests"), guard];
  expect(await prove(python, { "calc.py": lies }, "", { checks })).toMatch(
    /^refuted: .*acceptance-exit-1 and guard-pytest run the same tests and disagree.*test_add/,
  );
});

const server = `from http.server import BaseHTTPRequestHandler, HTTPServer

class Greeting(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

HTTPServer(("127.0.0.1", 8099), Greeting).serve_forever()
`;

test.concurrent("a program that must answer is proven by its probe, and one that ends without an answer is not", async () => {
  const probe =
    "python3 -c 'from urllib.request import urlopen; print(urlopen(\"http://127.0.0.1:8099\").read())' | grep -q hello";
  const checks: readonly Check[] = [
    {
      ...pytest,
      name: "acceptance-run",
      command: "python3 server.py",
      timeoutMs: 3_000,
      report: { kind: "run", probe },
    },
  ];
  const base = { "README.md": "" };
  expect(await prove(base, { "server.py": server }, "", { checks })).toBe("proven: ");
  expect(await prove(base, { "server.py": "" }, "", { checks })).toMatch(/^refuted: /);
});

test.concurrent("tests that two runners both run are counted once", async () => {
  const cases =
    "import unittest\nfrom calc import add\n\nclass Calc(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n\n    def test_none(self):\n        self.assertEqual(add(0, 0), 0)\n";
  const base = { "calc.py": calc, "tests/__init__.py": "", "tests/test_calc.py": cases };
  const guard: Check = {
    ...pytest,
    name: "guard-unittest",
    role: "guard",
    command: "python3 -m unittest discover -s tests -t .",
  };
  const { proof } = await laboratory.prove(base, { "calc.py": right }, { checks: [pytest, guard] });
  expect(proof).toMatchObject({
    verdict: "proven",
    testsRun: 2,
    testsPassed: 2,
    failToPass: 1,
    passToPass: 1,
  });
});
