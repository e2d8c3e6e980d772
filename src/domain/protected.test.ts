import { expect, test } from "vitest";
import {
  type Changed,
  consentNeeded,
  frozen,
  isAllowed,
  isProtected,
  isTestFile,
  leavesTree,
  scriptsOf,
} from "./protected.ts";

const at = (
  path: string,
  existsOnBase: boolean,
  more: { readonly protect?: readonly string[]; readonly allowChange?: readonly string[] } = {},
) => isProtected(path, { protect: [], allowChange: [], existsOnBase, ...more });

test("what decides is base's, where base has it", () => {
  for (const path of [
    "tests/test_a.py",
    "pkg/a_test.go",
    "src/a.test.ts",
    "src/__tests__/a.js",
    "src/test/java/A.java",
    "FooTest.java",
    "test/__snapshots__/a.snap",
    "package.json",
    "web/tsconfig.json",
    "Makefile",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
  ]) {
    expect(at(path, true), path).toBe(true);
    expect(at(path, false), path).toBe(false);
  }
});

test("what a runner loads by itself is protected even before it exists", () => {
  for (const path of [
    "conftest.py",
    "a/b/conftest.py",
    "pytest.ini",
    "pyproject.toml",
    "sitecustomize.py",
    "pytest.py",
    "_pytest/__init__.py",
    "x.pth",
    "evil.egg-info/entry_points.txt",
    "tests/__pycache__/test_a.cpython-311.pyc",
    "vitest.config.ts",
    "jest.config.js",
    "babel.config.cjs",
    ".mocharc.json",
    "node_modules/.bin/vitest",
    ".npmrc",
  ])
    expect(at(path, false), path).toBe(true);
});

test("work is not protected", () => {
  for (const path of [
    "src/app.ts",
    "calc.py",
    "README.md",
    "src/contest.py",
    "latest/a.py",
    "lib/testing.ts",
    "go.mod",
  ])
    expect(at(path, true), path).toBe(false);
});

test("the user adds and lifts", () => {
  expect(at("src/app.ts", false, { protect: ["src/**"] })).toBe(true);
  expect(at("tests/test_a.py", true, { allowChange: ["tests"] })).toBe(false);
  expect(at("src/app.ts", true, { protect: ["src"], allowChange: ["src/app.ts"] })).toBe(false);
});

test("scripts a check starts by name are part of the gate", () => {
  expect(scriptsOf({ command: "sh ci/check.sh && ./run-tests.sh > log", cwd: "pkg" })).toEqual([
    "/pkg/ci/check.sh",
    "/pkg/run-tests.sh",
  ]);
  expect(scriptsOf({ command: "bash ../check.sh", cwd: "pkg" })).toEqual(["/check.sh"]);
  expect(scriptsOf({ command: "python app.py", cwd: "." })).toEqual([]);
  const protect = scriptsOf({ command: "sh check.sh", cwd: "." });
  expect(at("check.sh", true, { protect })).toBe(true);
  expect(at("other/check.sh", true, { protect })).toBe(false);
});

test("tests are known by their names", () => {
  expect(isTestFile("tests/helper.py")).toBe(true);
  expect(isTestFile("src/contest.py")).toBe(false);
});

function need(change: Partial<Changed> & { readonly path: string }, dependencies: "allowed" | "ask" = "ask") {
  const whole: Changed = { kind: "added", before: undefined, after: "file", ...change };
  const linkTargets = new Map([
    ["in", "src/a"],
    ["out", "../x"],
  ]);
  return consentNeeded([whole], { allowChange: ["allowed/**"], dependencies, linkTargets, tests: [] })[0]
    ?.why;
}

test("what needs the user's word", () => {
  expect(need({ path: "src/a.ts" })).toBeUndefined();
  expect(need({ path: "tests/test_new.py" })).toBeUndefined();
  expect(need({ path: ".github/workflows/new.yml" })).toMatch(/by itself/);
  expect(need({ path: ".husky/pre-commit" })).toMatch(/by itself/);
  expect(need({ path: "CLAUDE.md" })).toMatch(/by itself/);
  expect(need({ path: "setup.py" })).toMatch(/dependency|by itself/);
  expect(need({ path: "run", after: "executable" })).toMatch(/executable/);
  expect(need({ path: "a", kind: "mode", before: "executable", after: "file" })).toMatch(/mode/);
  expect(need({ path: "a", kind: "type", before: "file", after: "link" })).toMatch(/link/);
  expect(need({ path: "lib", after: "gitlink" })).toMatch(/gitlink/);
  expect(need({ path: "in", after: "link" })).toBeUndefined();
  expect(need({ path: "out", after: "link" })).toMatch(/leaves the tree/);
  expect(need({ path: "unknown", after: "link" })).toMatch(/leaves the tree/);
  expect(need({ path: "requirements-dev.txt" })).toMatch(/dependency/);
  expect(need({ path: "package-lock.json" }, "allowed")).toBeUndefined();
  expect(need({ path: "fast.cpython-311-x86_64-linux-gnu.so" })).toMatch(/compiled/);
  expect(need({ path: "tests/test_a.py", kind: "modified", before: "file" })).toMatch(/existing test/);
  expect(need({ path: "allowed/conftest.py" })).toBeUndefined();
});

test("links are followed on paper only", () => {
  const check = (path: string, target: string, leaves: boolean) =>
    expect(leavesTree(path, target)).toBe(leaves);
  check("a/b", "../c", false);
  check("a/b", "../../c", true);
  check("a", "/etc/passwd", true);
  check("a", "b/../../c", true);
  check("a", ".git/config", true);
  check("a", "", true);
});

test("code among the tests that is no test itself needs the user's word, whatever the case of its name", () => {
  const needs = (path: string) =>
    consentNeeded([{ path, kind: "added", before: undefined, after: "file" }], {
      allowChange: ["tests/allowed.py"],
      dependencies: "ask",
      linkTargets: new Map(),
      tests: [],
    }).length;
  for (const path of [
    ...["tests/calc.py", "tests/__init__.py", "test/support/words.js", "tests/support.py"],
    ...["Tests/calc.py", "Package.json", "REQUIREMENTS.txt", "fast.SO", "Conftest.py", "web/.ENV"],
  ])
    expect(needs(path), path).toBe(1);
  for (const path of [
    "tests/test_new.py",
    "test/new.test.js",
    "tests/data.json",
    "tests/allowed.py",
    "src/calc.py",
    "src/Contest.java",
    "src/latest.cs",
  ])
    expect(needs(path), path).toBe(0);
  for (const path of [
    ".Github/workflows/a.yml",
    ".VSCode/tasks.json",
    "Claude.md",
    ".forgejo/workflows/x.yml",
  ])
    expect(needs(path), path).toBe(1);
});

test("a script that a check starts without an ending is part of the gate", () => {
  expect(scriptsOf({ command: "./run-tests fast", cwd: "." })).toEqual(["/run-tests"]);
  expect(scriptsOf({ command: "python3 app.py && node ./src/cli.js", cwd: "." })).toEqual([]);
});

test("data that an existing test reads needs the user's word, by its name or by its folder's", () => {
  const tests = [
    'PAGE = Path(__file__).parent / "fixtures" / "hi.html"',
    'for row in json.load(open("data/cases.json")):',
    ["const all = readdirSync(`snapshots/$", "{name}`);"].join(""),
    'const { area } = require("../src/shapes.js");',
  ];
  const needs = (path: string, kind: "modified" | "added" = "modified") =>
    consentNeeded([{ path, kind, before: kind === "added" ? undefined : "file", after: "file" }], {
      ...{ allowChange: ["allowed.json"], dependencies: "ask", linkTargets: new Map(), tests },
    }).length;
  for (const path of ["fixtures/hi.html", "fixtures/other.html", "data/cases.json", "snapshots/a.txt"])
    expect(needs(path), path).toBe(1);
  // Code is imported, a new file was not there to be read, and a folder in an import is no folder that is read.
  for (const path of [
    "src/shapes.js",
    "fixtures/make.py",
    "src/settings.json",
    "notes.txt",
    "data/other.json",
  ])
    expect(needs(path), path).toBe(0);
  expect(needs("data/cases.json", "added")).toBe(0);
});

test("leave that is taken back stays taken back, whoever gives it and in whatever order", () => {
  const path = "tests/test_a.py";
  for (const allowChange of [
    ["tests/**", frozen(path)],
    [frozen(path), "**", path],
    [`!${path}`, "tests/**"],
    ["tests/**", "!tests/**"],
  ]) {
    expect(at(path, true, { allowChange }), allowChange.join()).toBe(true);
    expect(isAllowed(allowChange, path)).toBe(false);
    expect(needs([{ ...changed, path }], allowChange)).toEqual([
      "an existing test or gate configuration changes",
    ]);
  }
  expect(at("tests/test_b.py", true, { allowChange: ["tests/**", frozen(path)] })).toBe(false);
  expect(at("sub/tests/test_a.py", true, { allowChange: ["**", frozen(path)] })).toBe(false);
});
const changed: Changed = { path: "", kind: "modified", before: "file", after: "file" };
const needs = (changes: readonly Changed[], allowChange: readonly string[]) =>
  consentNeeded(changes, { allowChange, dependencies: "ask", linkTargets: new Map(), tests: [] }).map(
    ({ why }) => why,
  );
