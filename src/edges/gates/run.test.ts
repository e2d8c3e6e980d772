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
import { afterAll, beforeAll, describe, expect } from "vitest";
import { classify, scoreOf } from "../../domain/failure.ts";
import { type Check, type GateRun, isGreen, testsOf } from "../../domain/gate.ts";
import type { Environment } from "../../ports/environment.ts";
import type { CutRun, Gates } from "../../ports/gates.ts";
import type { Jail } from "../../ports/jail.ts";
import { repository } from "../jails/limits.ts";
import { needing } from "../jails/sandbox.case.ts";
import { openJail } from "../jails/selftest.ts";
import { openGates } from "./run.ts";

const { test } = await needing("jail");
const { test: pytestTest } = await needing("jail", "pytest");

/** The machine's own pytest plugins are not under test, and take most of its time to load. */
const bare: Environment = {
  key: "",
  binds: [],
  scratch: [],
  variables: { PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" },
  path: [],
  owned: [],
};
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
afterAll(() => {
  const left = readdirSync(jail.workRoot).filter((name) => name.startsWith("gate-"));
  rmSync(root, { recursive: true, force: true });
  expect(left).toEqual([]);
});

let count = 0;

async function run(
  files: Readonly<Record<string, string>>,
  command: string,
  more: Partial<Check> & { readonly readOnly?: readonly string[] } = {},
): Promise<GateRun> {
  const seen = await tried(files, command, more);
  if (seen.kind === "cut") throw new Error("the run was killed");
  return seen;
}

async function tried(
  files: Readonly<Record<string, string>>,
  command: string,
  more: Partial<Check> & { readonly readOnly?: readonly string[] } = {},
): Promise<GateRun | CutRun> {
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
  return gates.run(check, { folder, environment: bare, readOnly: readOnly ?? [] }, never);
}

const outcomes = (seen: GateRun) =>
  testsOf(seen).map((each) => `${each.status} ${each.id} [${each.file ?? ""}]`);

pytestTest.concurrent("pytest: classes, parameters, skips, a file that cannot be loaded", async () => {
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

pytestTest.concurrent("pytest in a folder of its own names files from the top", async () => {
  const seen = await run({ "pkg/test_a.py": "def test_a(): pass\n" }, "pytest-3 .", { cwd: "pkg" });
  expect(outcomes(seen)).toEqual(["passed pkg/test_a.py::test_a [pkg/test_a.py]"]);
  expect(isGreen(seen)).toBe(true);
});

pytestTest.concurrent("no tests at all is a count of none", async () => {
  const seen = await run({ "a.py": "" }, "python3 -m pytest");
  expect(seen.kind).toBe("counted");
  expect(testsOf(seen)).toEqual([]);
});

pytestTest.concurrent("a run that does not get to its end has no report", async () => {
  const early = await run({ "test_a.py": "import os\ndef test_a(): os._exit(0)\n" }, "python3 -m pytest");
  expect(early.kind).toBe("no-report");
  const unit = await run(
    { "test_a.py": "import os, unittest\nclass T(unittest.TestCase):\n    def test_a(self): os._exit(0)\n" },
    "python3 -m unittest",
  );
  expect(unit.kind).toBe("no-report");
});

test.concurrent("unittest: failures, skips, subtests, files that cannot be loaded", async () => {
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

test.concurrent("node --test: nested, skipped, twice the same name, a file that cannot be loaded", async () => {
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

test.concurrent("exit codes count as one test, and a command that is not there as none", async () => {
  const exit = (command: string) => run({}, command, { report: { kind: "exit-code" } });
  expect(isGreen(await exit("true"))).toBe(true);
  expect(outcomes(await exit("exit 3"))).toEqual(["failed gate []"]);
  expect((await exit("exit 127")).kind).toBe("could-not-run");
  expect((await exit("nothere --x")).kind).toBe("could-not-run");
});

test.concurrent("what cannot be counted says what to do", async () => {
  const seen = await run({}, "true && cat x");
  expect(seen.kind === "could-not-run" && seen.why).toMatch(/--check-exit/);
  const nowhere = await run({}, "true && nosuchprog --foo");
  expect(nowhere.kind === "could-not-run" && nowhere.why).toMatch(/: nosuchprog is not found .*install it/);
  const missing = await run({}, "vitest run");
  expect(missing.kind).toBe("could-not-run");
});

test.concurrent("a report at a given path: read when it is new, never when it was there before or is a link", async () => {
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

test.concurrent("files shown for reading cannot be changed by the run", async () => {
  const seen = await run({ "t/a.sh": "old" }, "echo new > t/a.sh", {
    report: { kind: "exit-code" },
    readOnly: ["t/a.sh"],
  });
  expect(isGreen(seen)).toBe(false);
  expect(existsSync(root)).toBe(true);
});

pytestTest.concurrent("a run over its time says so", async () => {
  const seen = await run(
    { "test_a.py": "import time\ndef test_a(): time.sleep(60)\n" },
    "python3 -m pytest",
    {
      timeoutMs: 1_500,
    },
  );
  expect(seen.kind === "no-report" && seen.limit).toBe("wall");
});

test.concurrent("node --test says why a file could not be loaded, and what a program prints is kept", async () => {
  const seen = await run(
    {
      "a.test.mjs": 'import { add } from "./missing.mjs";\n',
      "b.test.mjs": 'import { test } from "node:test";\ntest("x", () => { let y = ; });\n',
      "c.test.mjs":
        'import { test } from "node:test";\nimport assert from "node:assert";\nconsole.error("seen on the way");\ntest("own", () => assert.equal(1, 2, "own words"));\n',
    },
    "node --test",
  );
  const said = new Map(testsOf(seen).map((each) => [each.id, each.message]));
  expect(said.get("a.test.mjs (could not be loaded)")).toMatch(/ERR_MODULE_NOT_FOUND.*missing\.mjs/);
  expect(said.get("b.test.mjs (could not be loaded)")).toMatch(/SyntaxError: Unexpected token ';'/);
  expect(said.get("c.test.mjs > own")).toMatch(/own words[\s\S]*Expected: 2\nReceived: 1$/);
  expect(seen.output.stderr).toContain("seen on the way");
  const paths = ["a.test.mjs", "b.test.mjs", "c.test.mjs"];
  expect(classify([seen], paths)).toMatchObject({
    failureClass: "parse",
    file: "b.test.mjs",
    essence: "SyntaxError: Unexpected token ';'",
    frames: [{ path: "b.test.mjs", line: 2 }],
  });
});

describe.concurrent("a program as its own gate", () => {
  const program = (files: Readonly<Record<string, string>>, command: string, probe?: string) =>
    run(files, command, { role: "guard", timeoutMs: 1_500, report: { kind: "run", probe } });
  const message = (seen: GateRun) => testsOf(seen)[0]?.message;

  test("that ends with 0 runs, and one that dies is fed back by its error", async () => {
    const good = await program({ "main.py": "print('hello')\n" }, "python3 main.py");
    expect([good.kind === "counted" && good.runner, isGreen(good), outcomes(good)]).toEqual([
      "run",
      true,
      ["passed gate []"],
    ]);
    const bad = await program({ "main.py": "x = 1\nprint(x / 0)\n" }, "python3 main.py");
    expect(outcomes(bad)).toEqual(["failed gate []"]);
    expect(classify([bad], ["main.py"])).toMatchObject({
      failureClass: "crash",
      essence: "ZeroDivisionError: division by zero",
      frames: [{ path: "main.py", line: 2 }],
    });
    expect([scoreOf([good]).runs, scoreOf([bad]).runs]).toEqual([true, false]);
  });

  test("that stays up runs, unless one of its threads dies", async () => {
    const up = await program(
      { "s.js": 'require("http").createServer(() => {}).listen(8080);\n' },
      "node s.js",
    );
    expect(isGreen(up)).toBe(true);
    const threads =
      "import threading, time\nthreading.Thread(target=lambda: nothere).start()\ntime.sleep(60)\n";
    const dying = await program({ "s.py": threads }, "python3 s.py");
    expect([isGreen(dying), message(dying)]).toEqual([false, expect.stringMatching(/Exception in thread/)]);
  });

  test("that must answer a probe does, or does not", async () => {
    const probe = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8080))'";
    const listening = 'require("http").createServer((_, r) => r.end("x")).listen(8080);\n';
    const answers = await program({ "s.js": listening }, "node s.js", probe);
    expect(isGreen(answers)).toBe(true);
    const deaf = await program({ "s.js": "setInterval(() => {}, 1000);\n" }, "node s.js", probe);
    expect([isGreen(deaf), message(deaf)]).toEqual([false, "did not answer the probe in time"]);
    const gone = await program({ "s.js": "process.exit(3);\n" }, "node s.js", probe);
    expect(message(gone)).toBe("exit code 3");
    const silent = await program({ "s.js": "" }, "node s.js", probe);
    expect([isGreen(silent), message(silent)]).toEqual([false, "exit code 1"]);
    const leaves = await program(
      { "s.js": 'require("fs").writeFileSync("out", "5");\n' },
      "node s.js",
      "grep -q 5 out",
    );
    expect(isGreen(leaves)).toBe(true);
  });

  test("that wants arguments, or is not there, is no gate", async () => {
    const wants = "import argparse\np = argparse.ArgumentParser()\np.add_argument('file')\np.parse_args()\n";
    expect((await program({ "main.py": wants }, "python3 main.py")).kind).toBe("could-not-run");
    expect((await program({}, "nothere")).kind).toBe("could-not-run");
  });
});

describe("a run that ends as if it was killed", () => {
  test("is cut: it counts as it ended only when that happens again", async () => {
    const byExit = await tried({}, "kill -9 $$", { report: { kind: "exit-code" } });
    expect(byExit).toMatchObject({ kind: "cut", otherwise: { kind: "counted", exitCode: 137 } });
    const reporting = await tried(
      { "test_it.py": "import os\nos.kill(os.getpid(), 9)\n" },
      "python3 -m pytest -q",
    );
    expect(reporting).toMatchObject({ kind: "cut", otherwise: { kind: "no-report", exitCode: 137 } });
  });

  test("a jail that is killed leaves a check that could not run, and says what to do", async () => {
    const killed: Jail = { ...jail, run: async () => ({ kind: "killed", why: "the jail was killed" }) };
    const own = openGates({
      jail: killed,
      limits: (check) => repository({ cores: 2, memoryBytes: 4e9, workers: 2 }, check.timeoutMs),
    });
    const check: Check = {
      ...{ name: "gate", command: "true", cwd: "." },
      role: "guard",
      timeoutMs: 20_000,
      report: { kind: "exit-code" },
    };
    const folder = join(jail.workRoot, `folder-${++count}`);
    mkdirSync(folder);
    expect(await own.run(check, { folder, environment: bare, readOnly: [] }, never)).toMatchObject({
      kind: "cut",
      otherwise: {
        kind: "could-not-run",
        why: expect.stringMatching(/^the jail was killed, twice in a row: .*resume the goal$/),
      },
    });
  });
});

test.concurrent("npx of a runner that is not installed says so at once, instead of trying the network", async () => {
  const seen = await run({ "package.json": "{}" }, "npx vitest run", { timeoutMs: 15_000 });
  expect(seen).toMatchObject({ kind: "could-not-run", why: expect.stringContaining("is not installed") });
});
