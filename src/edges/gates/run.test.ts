import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Check, type GateRun, isGreen, testsOf } from "../../domain/gate.ts";
import type { Environment } from "../../ports/environment.ts";
import type { Gates } from "../../ports/gates.ts";
import type { Jail } from "../../ports/jail.ts";
import { repository } from "../jails/limits.ts";
import { openJail } from "../jails/selftest.ts";
import { openGates } from "./run.ts";

const bare: Environment = { key: "", binds: [], scratch: [], variables: {}, path: [], owned: [] };
const never = new AbortController().signal;
let root = "";
let jail: Jail;
let gates: Gates;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "rigs-gates-"));
  chmodSync(root, 0o711);
  const opened = await openJail({ workRoot: join(root, "work") });
  if (opened.kind === "refused") throw new Error(`${opened.why}: ${opened.remedy}`);
  jail = opened.jail;
  const machine = { cores: 2, memoryBytes: 4 * 1024 ** 3, workers: 2 };
  gates = openGates({ jail, limits: (check) => repository(machine, check.timeoutMs) });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;

async function run(
  files: Readonly<Record<string, string>>,
  command: string,
  more: Partial<Check> & { readonly readOnly?: readonly string[] } = {},
): Promise<GateRun> {
  const folder = join(jail.workRoot, `folder-${++count}`);
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (text.startsWith("-> ")) symlinkSync(text.slice(3), join(folder, path));
    else writeFileSync(join(folder, path), text);
  }
  await jail.adopt(folder);
  const { readOnly, ...rest } = more;
  const check: Check = {
    name: "gate",
    command,
    cwd: ".",
    role: "acceptance",
    timeoutMs: 20_000,
    report: { kind: "recognise" },
    ...rest,
  };
  const seen = await gates.run(check, { folder, environment: bare, readOnly: readOnly ?? [] }, never);
  expect(readdirSync(jail.workRoot).filter((name) => name.startsWith("gate-"))).toEqual([]);
  return seen;
}

const outcomes = (seen: GateRun) =>
  testsOf(seen).map((each) => `${each.status} ${each.id} [${each.file ?? ""}]`);

test("pytest: classes, parameters, skips, a file that cannot be loaded", async () => {
  const seen = await run(
    {
      "calc.py": "def add(a, b):\n    return a + b\n",
      "tests/test_calc.py":
        "import pytest\nfrom calc import add\nclass TestA:\n    def test_in(self): assert add(1, 2) == 3\n@pytest.mark.parametrize('x', [1, 2])\ndef test_p(x): assert add(x, 0) == 1\n@pytest.mark.skip\ndef test_s(): pass\n",
      "tests/test_bad.py": "import nothere\n",
    },
    "python3 -m pytest -q tests",
  );
  expect(outcomes(seen)).toEqual([
    "failed tests/test_bad.py (could not be loaded) [tests/test_bad.py]",
    "passed tests/test_calc.py::TestA::test_in [tests/test_calc.py]",
    "passed tests/test_calc.py::test_p[1] [tests/test_calc.py]",
    "failed tests/test_calc.py::test_p[2] [tests/test_calc.py]",
    "skipped tests/test_calc.py::test_s [tests/test_calc.py]",
  ]);
});

test("pytest in a folder of its own names files from the top", async () => {
  const seen = await run({ "pkg/test_a.py": "def test_a(): pass\n" }, "pytest-3 .", { cwd: "pkg" });
  expect(outcomes(seen)).toEqual(["passed pkg/test_a.py::test_a [pkg/test_a.py]"]);
  expect(isGreen(seen)).toBe(true);
});

test("no tests at all is a count of none", async () => {
  const seen = await run({ "a.py": "" }, "python3 -m pytest");
  expect(seen.kind).toBe("counted");
  expect(testsOf(seen)).toEqual([]);
});

test("a run that does not get to its end has no report", async () => {
  const early = await run({ "test_a.py": "import os\ndef test_a(): os._exit(0)\n" }, "python3 -m pytest");
  expect(early.kind).toBe("no-report");
  const unit = await run(
    { "test_a.py": "import os, unittest\nclass T(unittest.TestCase):\n    def test_a(self): os._exit(0)\n" },
    "python3 -m unittest",
  );
  expect(unit.kind).toBe("no-report");
});

test("unittest: failures, skips, subtests, files that cannot be loaded", async () => {
  const seen = await run(
    {
      "tests/__init__.py": "",
      "tests/test_a.py": `import unittest
class T(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise ValueError("x")
    @unittest.skip("no")
    def test_skip(self): pass
    def test_sub(self):
        for n in (1, 2):
            with self.subTest(n=n): self.assertEqual(n, 1)
`,
      "tests/test_b.py": "import nothere\n",
    },
    "python3 -m unittest discover -v",
  );
  expect(outcomes(seen).sort()).toEqual([
    "failed tests.test_a.T.test_bad [tests/test_a.py]",
    "failed tests.test_a.T.test_error [tests/test_a.py]",
    "failed tests.test_a.T.test_sub [tests/test_a.py]",
    "failed tests.test_b (could not be loaded) []",
    "passed tests.test_a.T.test_good [tests/test_a.py]",
    "skipped tests.test_a.T.test_skip [tests/test_a.py]",
  ]);
});

test("node --test: nested, skipped, twice the same name, a file that cannot be loaded", async () => {
  const seen = await run(
    {
      "package.json": JSON.stringify({ scripts: { test: "node --test" } }),
      "a.test.js": `const { test, describe, it } = require("node:test");
const assert = require("node:assert");
describe("outer", () => { it("good", () => {}); it("bad", () => assert.equal(1, 2)); it("skip", { skip: true }, () => {}); });
test("top", () => {}); test("top", () => {});
`,
      "b.test.js": 'require("nothere");\n',
      "c.test.js": "process.exit(0);\n",
    },
    "npm test",
  );
  expect(outcomes(seen).sort()).toEqual([
    "failed a.test.js > outer > bad [a.test.js]",
    "failed b.test.js (could not be loaded) [b.test.js]",
    "passed a.test.js > outer > good [a.test.js]",
    "passed a.test.js > top [a.test.js]",
    "passed a.test.js > top#2 [a.test.js]",
    "skipped a.test.js > outer > skip [a.test.js]",
  ]);
});

test("exit codes count as one test, and a command that is not there as none", async () => {
  const exit = (command: string) => run({}, command, { report: { kind: "exit-code" } });
  expect(isGreen(await exit("true"))).toBe(true);
  expect(outcomes(await exit("exit 3"))).toEqual(["failed gate []"]);
  expect((await exit("exit 127")).kind).toBe("could-not-run");
  expect((await exit("nothere --x")).kind).toBe("could-not-run");
});

test("what cannot be counted says what to do", async () => {
  const seen = await run({}, "make test");
  expect(seen.kind === "could-not-run" && seen.why).toMatch(/--check-exit.*junit:PATH/);
  const missing = await run({}, "vitest run");
  expect(missing.kind).toBe("could-not-run");
});

test("a report at a given path: read when it is new, never when it was there before or is a link", async () => {
  const report = { kind: "junit", path: "out/r.xml" } as const;
  const xml =
    '<testsuites><testsuite name="s" file="a.t"><testcase classname="c" name="n"/></testsuite></testsuites>';
  const fresh = await run({ "r.src": xml }, "mkdir -p out && cp r.src out/r.xml", { report });
  expect(outcomes(fresh)).toEqual(["passed c::n [a.t]"]);
  const planted = await run({ "out/r.xml": xml }, "true", { report });
  expect(planted.kind).toBe("no-report");
  const link = await run({ "r.src": xml }, "mkdir -p out && ln -s ../r.src out/r.xml", { report });
  expect(link.kind).toBe("no-report");
});

test("files shown for reading cannot be changed by the run", async () => {
  const seen = await run({ "t/a.sh": "old" }, "echo new > t/a.sh", {
    report: { kind: "exit-code" },
    readOnly: ["t/a.sh"],
  });
  expect(isGreen(seen)).toBe(false);
  expect(existsSync(root)).toBe(true);
});

test("a run over its time says so", async () => {
  const seen = await run(
    { "test_a.py": "import time\ndef test_a(): time.sleep(60)\n" },
    "python3 -m pytest",
    {
      timeoutMs: 1_500,
    },
  );
  expect(seen.kind === "no-report" && seen.limit).toBe("wall");
});
