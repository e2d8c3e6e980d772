/** The whole proof, with real git, real runners and the real jail, as the foreman asks for it. */
import { constants, cpSync, realpathSync } from "node:fs";
import { cpus } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { classify } from "./domain/failure.ts";
import type { Check } from "./domain/gate.ts";
import { needing } from "./edges/jails/sandbox.case.ts";
import { openVerifier } from "./edges/verifier/client.ts";
import type { Environment } from "./ports/environment.ts";
import type { Verifier } from "./ports/verifier.ts";
import {
  bare,
  type Circumstances,
  type Files,
  type Laboratory,
  never,
  openLaboratory,
  pytest,
} from "./verifier.case.ts";

const { test } = await needing("jail", "pytest");

const entry = resolve(import.meta.dirname, "verifier.ts");
let laboratory: Laboratory;
let verifier: Verifier & AsyncDisposable;
let loose: (Verifier & AsyncDisposable) | undefined;

function open(isolation: "bubblewrap" | "none") {
  const { root } = laboratory;
  return openVerifier({
    entry,
    isolation,
    workRoot: join(root, isolation),
    resultFolder: join(root, "results"),
    runsMax: Math.max(2, cpus().length),
    proofsMax: 16,
    cores: 2,
    memoryBytes: 8 * 1024 ** 3,
  });
}

beforeAll(() => {
  laboratory = openLaboratory();
  verifier = open("bubblewrap");
});
afterAll(async () => {
  await verifier[Symbol.asyncDispose]();
  await loose?.[Symbol.asyncDispose]();
  laboratory.close();
});

const prove = (base: Files, change: Files, more?: Circumstances) => laboratory.prove(base, change, more);

const python: Files = {
  "calc.py": "def add(a, b):\n    return 0\n\ndef sub(a, b):\n    return a - b\n",
  "tests/test_calc.py":
    "import sys, os\nsys.path.insert(0, os.getcwd())\nfrom calc import add, sub\n\ndef test_add():\n    assert add(1, 2) == 3\n    assert add(2, 2) == 4\n\ndef test_sub():\n    assert sub(3, 1) == 2\n",
};
const good = "def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n";
const sub = "\ndef sub(a, b):\n    return a - b\n";

test.concurrent("a good change is proven", async () => {
  const { proof, stories } = await prove(python, { "calc.py": good }, { by: verifier });
  expect(proof).toEqual({
    verdict: "proven",
    acceptance: "user",
    isolation: "bubblewrap",
    testsRun: 2,
    testsPassed: 2,
    failToPass: 1,
    passToPass: 1,
    reasons: [],
  });
  expect(stories).toEqual([
    {
      check: "acceptance-1",
      id: "tests/test_calc.py::test_add",
      base: "failed",
      head: "passed",
      control: "failed",
    },
    {
      check: "acceptance-1",
      id: "tests/test_calc.py::test_sub",
      base: "passed",
      head: "passed",
      control: "passed",
    },
  ]);
});

const attacks: Readonly<Record<string, readonly [Files, verdict: string, why: RegExp]>> = {
  "no change at all": [{}, "refuted", /1 of 2 tests fail/],
  "an edited test": [
    { "tests/test_calc.py": "def test_add(): pass\ndef test_sub(): pass\n" },
    "refuted",
    /1 of 2 tests fail/,
  ],
  "a deleted test": [
    { "tests/test_calc.py": undefined, "tests/test_new.py": "def test_x(): pass\n" },
    "refuted",
    /test_add/,
  ],
  "an exit with 0 while tests run": [
    { "calc.py": `import os\ndef add(a, b):\n    os._exit(0)\n${sub}` },
    "refuted",
    /no readable report/,
  ],
  "a report forged while the module is loaded": [
    { "calc.py": `${forger()}\n_forge()\ndef add(a, b):\n    return 0\n${sub}` },
    "refuted",
    /insensitive gate/,
  ],
  "a report forged in module-level code": [
    { "calc.py": `${forger().replace("def _forge():", "if True:")}\ndef add(a, b):\n    return 0\n${sub}` },
    "refuted",
    /insensitive gate/,
  ],
  "a report forged inside the function under test": [
    { "calc.py": `${forger()}\ndef add(a, b):\n    _forge()\n${sub}` },
    "refuted",
    /insensitive gate/,
  ],
  "a planted conftest that makes every test pass": [
    {
      "conftest.py":
        "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n    out = yield\n    out.get_result().outcome = 'passed'\n",
    },
    "refuted",
    /1 of 2 tests fail/,
  ],
  "a planted pytest": [{ "pytest.py": "import sys\nsys.exit(0)\n" }, "refuted", /1 of 2 tests fail/],
  "a planted configuration that leaves tests out": [
    { "pytest.ini": "[pytest]\naddopts = --deselect tests/test_calc.py::test_add\n" },
    "refuted",
    /1 of 2 tests fail/,
  ],
  "tests skipped from inside the code": [
    { "calc.py": `import pytest\ndef add(a, b):\n    pytest.skip("later")\n${sub}` },
    "refuted",
    /skipped/,
  ],
};

function forger(): string {
  return `import os, sys
def _forge():
    path = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--junitxml")] if len(sys.argv) > 1 else []
    with open("/proc/self/cmdline") as f:
        path += [a.split("=", 1)[1] for a in f.read().split("\\0") if a.startswith("--junitxml=")]
    names = ["test_add", "test_sub"]
    cases = "".join('<testcase classname="tests.test_calc" file="tests/test_calc.py" name="%s"/>' % n for n in names)
    with open(path[0], "w") as f:
        f.write("<testsuites><testsuite name='pytest'>" + cases + "</testsuite></testsuites>")
    os._exit(0)
`;
}

test.concurrent.each(Object.entries(attacks))("not proven: %s", async (_name, [change, verdict, why]) => {
  const { proof } = await prove(python, change);
  expect(proof.reasons.join("\n")).toMatch(why);
  expect(proof.verdict).toBe(verdict);
});

const exit = (command: string, role: Check["role"] = "acceptance"): Check => ({
  ...pytest,
  name: `exit ${command}`,
  command,
  role,
  report: { kind: "exit-code" },
});

test.concurrent("gates that show nothing prove nothing", async () => {
  const always = await prove(python, { "calc.py": good }, { checks: [exit("true")] });
  expect(always.proof).toMatchObject({ verdict: "no-regression", failToPass: 0 });
  expect(always.proof.reasons.join("\n")).toMatch(/insensitive gate/);
  const broken = await prove(python, { "calc.py": good }, { checks: [pytest, exit("exit 127")] });
  expect(broken.proof.verdict).toBe("could-not-run");
  const zero = await prove(
    { "a.py": "" },
    { "a.py": "x = 1\n" },
    { checks: [{ ...pytest, command: "python3 -m pytest" }] },
  );
  expect(zero.proof).toMatchObject({ verdict: "refuted", testsPassed: 0 });
  const script = await prove(
    { "check.sh": "grep -q yes answer.txt\n", "answer.txt": "no\n" },
    { "check.sh": "true\n" },
    { checks: [exit("sh check.sh")] },
  );
  expect(script.proof.verdict).toBe("refuted");
  expect(script.restored).toEqual(["check.sh"]);
});

test.concurrent("a new file for tests that base could not even load is proven; a guard holds beside it", async () => {
  const files = {
    "tests/test_new.py":
      "import sys, os\nsys.path.insert(0, os.getcwd())\nfrom fresh import one\ndef test_one():\n    assert one() == 1\n",
    "old.py": "def two():\n    return 2\n",
    "tests/test_old.py":
      "import sys, os\nsys.path.insert(0, os.getcwd())\nfrom old import two\ndef test_two():\n    assert two() == 2\n",
  };
  const guard: Check = { ...pytest, name: "guard-1", role: "guard", command: "python3 -m pytest -q" };
  const change = { "fresh.py": "def one():\n    return 1\n" };
  const seen = await prove(files, change, { checks: [pytest, guard] });
  expect(seen.proof).toMatchObject({ verdict: "proven", failToPass: 1, passToPass: 1, testsRun: 2 });
  expect(seen.proof.reasons).toEqual([expect.stringMatching(/guard-1: red-on-base/)]);
  const breaking = await prove(
    files,
    { ...change, "old.py": "def two():\n    return 3\n" },
    { checks: [pytest, guard] },
  );
  expect(breaking.proof.verdict).toBe("refuted");
});

test.concurrent("a test that the change brings along is judged, and is no proof of the change", async () => {
  const files = { "calc.py": good, "tests/test_calc.py": python["tests/test_calc.py"] };
  const mul = `${good}\ndef mul(a, b):\n    return a * b\n`;
  const added =
    "import sys, os\nsys.path.insert(0, os.getcwd())\nfrom calc import mul\ndef test_mul():\n    assert mul(2, 3) == 6\n";
  const seen = await prove(files, { "calc.py": mul, "tests/test_mul.py": added });
  expect(seen.proof).toMatchObject({ verdict: "no-regression", failToPass: 0, passToPass: 2, testsRun: 3 });
  const red = await prove(files, { "calc.py": mul, "tests/test_mul.py": added.replace("6", "7") });
  expect(red.proof.verdict).toBe("refuted");
});

const unittest: Check = { ...pytest, command: "python3 -m unittest discover -s tests -t ." };
const unittests: Files = {
  "calc.py": python["calc.py"],
  "tests/__init__.py": "",
  "tests/test_calc.py":
    "import unittest\nfrom calc import add, sub\n\nclass Calc(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n\n    def test_sub(self):\n        self.assertEqual(sub(3, 1), 2)\n",
};

test.concurrent("unittest: good and bad", async () => {
  const seen = await prove(unittests, { "calc.py": good }, { checks: [unittest] });
  expect(seen.proof).toMatchObject({ verdict: "proven", failToPass: 1, passToPass: 1, reasons: [] });
  const forged = await prove(
    unittests,
    {
      "calc.py": `import sys, os\ndef add(a, b):\n    m = sys.modules["__main__"]\n    for n in ("test_add", "test_sub"):\n        m.write({"id": "tests.test_calc.Calc." + n, "file": "tests/test_calc.py", "status": "passed", "message": ""})\n    m.write({"end": True})\n    m.out.close()\n    os._exit(0)\n${sub}`,
    },
    { checks: [unittest] },
  );
  expect(forged.proof.verdict).toBe("refuted");
});

const node: Check = { ...pytest, command: "npm test" };
const scripts: Files = {
  "package.json": JSON.stringify({ type: "module", scripts: { test: "node --test" } }),
  "calc.js": "export const add = (a, b) => 0;\nexport function sub(a, b) { return a - b; }\n",
  "test/calc.test.js":
    'import { test } from "node:test";\nimport assert from "node:assert";\nimport { add, sub } from "../calc.js";\ntest("adds", () => { assert.equal(add(1, 2), 3); });\ntest("subtracts", () => assert.equal(sub(3, 1), 2));\n',
};

test.concurrent("node --test: good and bad", async () => {
  const fixed = "export const add = (a, b) => a + b;\nexport function sub(a, b) { return a - b; }\n";
  const seen = await prove(scripts, { "calc.js": fixed }, { checks: [node] });
  expect(seen.proof).toMatchObject({ verdict: "proven", failToPass: 1, passToPass: 1, reasons: [] });
  const quits = await prove(
    scripts,
    { "calc.js": fixed.replace("a + b;", "process.exit(0);") },
    { checks: [node] },
  );
  expect(quits.proof.verdict).toBe("refuted");
  const script = await prove(
    scripts,
    { "package.json": JSON.stringify({ type: "module", scripts: { test: "true" } }) },
    { checks: [node] },
  );
  expect(script.proof.verdict).toBe("refuted");
});

test.concurrent("what does not parse is told without a run, and refuted by one", async () => {
  const broken = good.replace("return a + b", "return (a + b");
  const trial = laboratory.trial(python, { "calc.py": broken });
  const runs = await laboratory.run(trial, never);
  expect(runs).toMatchObject([{ kind: "no-report", runner: "syntax", check: "acceptance-1", wallMs: 0 }]);
  expect(classify(runs, Object.keys(python))).toMatchObject({
    failureClass: "parse",
    file: "calc.py",
    essence: "SyntaxError: '(' was never closed",
    frames: [{ path: "calc.py", line: 2 }],
  });
  expect((await prove(python, { "calc.py": broken })).proof.verdict).toBe("refuted");
});

test.concurrent("outside a jail nothing is proven, however well it goes", async () => {
  loose = open("none");
  const seen = await prove(python, { "calc.py": good }, { by: loose });
  expect(seen.proof).toMatchObject({ verdict: "unisolated-pass", isolation: "none", failToPass: 1 });
});

test.concurrent("run gives the loop its feedback, from a process that lasts; an aborted one ends with its reason", async () => {
  const trial = laboratory.trial(python, {
    "calc.py": good,
    "tests/test_calc.py": "def test_add(): assert False\n",
  });
  const runs = await verifier.run(trial, never);
  expect(runs).toMatchObject([
    { kind: "counted", runner: "pytest", exitCode: 0, tests: [{ status: "passed" }, {}] },
  ]);
  const stop = new AbortController();
  const reason = new Error("stopped by the test");
  const slow = { ...trial, checks: [{ ...exit("sleep 60"), timeoutMs: 60_000 }] };
  const waiting = [verifier.run(slow, stop.signal), verifier.prove(slow, stop.signal)];
  stop.abort(reason);
  expect(await Promise.allSettled(waiting)).toEqual([
    { status: "rejected", reason },
    { status: "rejected", reason },
  ]);
});

/** Large, and not needed to run vitest. */
const leftBehind = ["@biomejs", "@typescript", "@vscode", "gpt-tokenizer", "typescript"];

/**
 * This checkout's own Node and vitest, as an installed environment would lie in the jail: below the work root, because
 * the checkout itself may be in a home, which no jail sees.
 */
function ownModules(): Environment {
  const own = realpathSync(resolve(import.meta.dirname, "../node_modules"));
  const modules = join(laboratory.root, "bubblewrap", "modules");
  cpSync(own, modules, {
    ...{ recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE },
    filter: (path) => !leftBehind.includes(relative(own, path)),
  });
  return {
    ...bare,
    key: "own-modules",
    binds: [{ host: modules, inside: "/rig/node_modules", access: "read" }],
    path: ["/rig/node_modules/.bin"],
  };
}

test.concurrent("vitest, TypeScript: a good change is proven, an edited test refuted, a broken file is fed back", async () => {
  const files: Files = {
    "package.json": JSON.stringify({ type: "module", scripts: { test: "vitest" } }),
    "src/calc.ts":
      "export const add = (a: number, b: number): number => 0;\nexport function sub(a: number, b: number): number {\n  return a - b;\n}\n",
    "src/calc.test.ts":
      'import { expect, test } from "vitest";\nimport { add, sub } from "./calc.ts";\ntest("adds", () => {\n  expect(add(1, 2)).toBe(3);\n});\ntest("subtracts", () => expect(sub(3, 1)).toBe(2));\n',
  };
  const more = { checks: [{ ...pytest, command: "npm test" }], environment: ownModules() };
  const right = (files["src/calc.ts"] ?? "").replace("=> 0", "=> a + b");
  const seen = await prove(files, { "src/calc.ts": right }, more);
  expect(seen.proof).toMatchObject({ verdict: "proven", failToPass: 1, passToPass: 1, reasons: [] });
  expect(seen.stories.map((story) => story.id)).toEqual([
    "src/calc.test.ts > adds",
    "src/calc.test.ts > subtracts",
  ]);
  const edited = (files["src/calc.test.ts"] ?? "").replace("toBe(3)", "toBe(0)");
  const cheat = await prove(files, { "src/calc.test.ts": edited }, more);
  expect([cheat.proof.verdict, cheat.restored]).toEqual(["refuted", ["src/calc.test.ts"]]);
  const gutting = `import { chai } from "vitest";\nchai.util.addMethod(chai.Assertion.prototype, "toBe", () => {});\n`;
  const gutted = await prove(files, { "src/calc.ts": gutting + files["src/calc.ts"] }, more);
  expect(gutted.proof.reasons.join("\n")).toMatch(/src\/calc.test.ts > adds.* passed over a wrong value/);
  const run = (text: string) => laboratory.run(laboratory.trial(files, { "src/calc.ts": text }, more), never);
  const paths = Object.keys(files);
  expect(classify(await run(right.replace("a + b", "a - b")), paths)).toMatchObject({
    failureClass: "test",
    test: "src/calc.test.ts > adds",
    expected: "3",
    got: "-1",
    frames: [{ path: "src/calc.test.ts", line: 4 }],
  });
  expect(
    classify(await run(`import { x } from "./nothere.ts";\nconsole.log(x);\n${right}`), paths),
  ).toMatchObject({
    failureClass: "import",
    test: "src/calc.test.ts (could not be loaded)",
  });
}, 90_000);

test.concurrent("a program without tests: it runs before and after, or the change is refuted", async () => {
  const run: Check = {
    ...pytest,
    name: "guard-run",
    role: "guard",
    command: "python3 main.py",
    timeoutMs: 5_000,
    report: { kind: "run", probe: undefined },
  };
  const more = { checks: [run], acceptance: "none" } as const;
  const files = { "main.py": "print('hello')\n" };
  const good = await prove(files, { "main.py": "print('good day')\n" }, more);
  expect(good.proof).toMatchObject({ verdict: "no-regression", testsRun: 1, testsPassed: 1, passToPass: 1 });
  const bad = await prove(files, { "main.py": "print(nothere)\n" }, more);
  expect(bad.proof.verdict).toBe("refuted");
  expect(bad.proof.reasons[0]).toMatch(/guard-run: passed before the change and fails now/);
});
