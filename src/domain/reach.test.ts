import fc from "fast-check";
import { expect, test } from "vitest";
import { ownOf, runsOf, writtenOut } from "./reach.ts";

const own = (command: string, path: string, cwd = ".") => ownOf({ command, cwd }, [path]).length === 1;

test("what the command runs is found by its name, however it is written", () => {
  const rows: readonly (readonly [command: string, path: string, cwd?: string])[] = [
    ["python3 verify.py", "verify.py"],
    ["python3 ./tools/../verify.py --all", "verify.py"],
    ["timeout 60 python3 -B verify.py > log 2>&1", "verify.py"],
    ["python3 verify.py", "web/verify.py", "web"],
    ["cd web && node verify.js", "web/verify.js"],
    ["cd web; cd .. && node verify.js", "verify.js"],
    ["sh -c 'cd web && node verify.js'", "web/verify.js"],
    ['bash -ec "python3 verify.py"', "verify.py"],
    ["sh -e verify", "verify"],
    ["sh < verify.sh", "verify.sh"],
    [". ./verify.env && true", "verify.env"],
    ['python3 "$PWD/verify.py"', "verify.py"],
    ["python3 $(pwd)/verify.py", "verify.py"],
    ["node verify", "verify.mjs"],
    ["node .", "index.js"],
    ["node -r ./hook.cjs verify", "verify.js"],
    ["node -r ./hook.cjs -e 1", "hook.cjs"],
    ["python3 verify", "verify/__main__.py"],
    ["python3 -m pkg.verify", "pkg/verify.py"],
    ["python3 -mverify", "verify/__main__.py"],
    ["python3 -m app", "src/app/__main__.py"],
    ["python3 -m unittest tests.test_a.Case", "tests/test_a.py"],
    ["python3 -m pytest -q tests/test_a.py::test_one", "tests/test_a.py"],
    ["for f in ci/*.sh; do sh $f; done", "ci/verify.sh"],
    ["true && python3 verify.py || false", "verify.py"],
    ["! python3 verify.py", "verify.py"],
    ["python3 - <<END\nexec(open('verify.py').read())\nEND", "verify.py"],
    ["npm test", "package.json"],
    ["npm run -s verify", "package.json"],
    ["xvfb-run yarn verify", "package.json"],
    ["cd web && pnpm run verify", "web/package.json"],
    ["cd web && pnpm run verify", "package.json"],
    ["npm --prefix web test", "web/package.json"],
    ["npm test --workspaces", "packages/a/package.json"],
    ["node --run verify", "package.json"],
    ["make verify", "Makefile"],
    ["make -C web verify", "web/GNUmakefile"],
    ["make -f verify.mk", "verify.mk"],
    ["make -fverify.mk", "verify.mk"],
    ["just verify", "justfile"],
    ["tox -e verify", "tox.ini"],
    ["diff out.txt expected.txt", "expected.txt"],
    ["python3 verify.py | tee log", "verify.py"],
    ["python3 verify.py && grep -q x README.md", "verify.py"],
  ];
  for (const [command, path, cwd] of rows) expect(own(command, path, cwd), `${command}: ${path}`).toBe(true);
});

test("what something else compares, and what the command has nothing to do with, is not its judge", () => {
  const rows: readonly (readonly [command: string, path: string])[] = [
    [
      "node -e \"import('./src/calc.js').then((m) => process.exit(m.add(1, 2) === 3 ? 0 : 1))\"",
      "src/calc.js",
    ],
    ["python3 -c 'from calc import add; assert add(1, 2) == 3'", "calc.py"],
    ["python3 -Bc 'import calc'", "calc.py"],
    ["sh -c 'python3 app.py 2 3 | grep -qx 5'", "app.py"],
    ["python3 app.py | sort | diff - expected.txt", "app.py"],
    ['test "$(python3 app.py 2 3)" = 5', "app.py"],
    ["[ -f done.txt ] && grep -q yes answer.txt", "answer.txt"],
    ["make test", "src/calc.py"],
    ["make test", "docs/Makefile"],
    ["npm test", "examples/one/package.json"],
    ["python3 -m pytest -q tests", "src/pytest_helpers.py"],
    ["python3 app.py add", "add.py"],
    ["pytest tests", "tests/test_new.py"],
  ];
  for (const [command, path] of rows) expect(own(command, path), `${command}: ${path}`).toBe(false);
});

test("which tests a command surely runs", () => {
  const rows: readonly (readonly [command: string, path: string, runs: string, cwd?: string])[] = [
    ["python3 -m pytest -q tests", "tests/a/test_x.py", "whole"],
    ["pytest", "tests/test_x.py", "whole"],
    ["pytest .", "tests/test_x.py", "whole"],
    ["pytest", "tests/test_x.py", "no", "web"],
    ["cd web && pytest", "web/test_x.py", "whole"],
    ["pytest tests/test_x.py::test_a", "tests/test_x.py", "some"],
    ["pytest -k a tests", "tests/test_x.py", "some"],
    ["pytest tests/test_y.py", "tests/test_x.py", "no"],
    ["python3 -m unittest discover -s tests -t .", "tests/test_x.py", "whole"],
    ["python3 -m unittest tests.test_x", "tests/test_x.py", "whole"],
    ["python3 -m unittest tests.test_x.Case", "tests/test_x.py", "some"],
    ["node --test 'test/*.js'", "test/x.test.js", "whole"],
    ["node --test --test-name-pattern=a", "test/x.test.js", "some"],
    ["node test/x.test.js", "test/x.test.js", "whole"],
    ["( tsc -p . && node --test )", "test/x.test.js", "whole"],
    ["python3 tests/test_x.py", "tests/test_x.py", "no"],
    ["make test", "tests/test_x.py", "no"],
    ["vitest run src", "src/x.test.ts", "whole"],
    ["jest -t name src", "src/x.test.ts", "some"],
  ];
  for (const [command, path, runs, cwd = "."] of rows)
    expect(runsOf({ command, cwd }, path), `${command}: ${path}`).toBe(runs);
});

test("package scripts are written out where they are found", () => {
  const manifests = new Map([
    [
      "package.json",
      '{ "scripts": { "test": "npm run unit -- -q", "unit": "node --test", "pretest": "node pre.js" } }',
    ],
    ["web/package.json", '{ "scripts": { "test": "node verify.js", "loop": "npm run loop" } }'],
    ["bad/package.json", "{"],
  ]);
  const out = (command: string, cwd = ".") => writtenOut({ command, cwd }, manifests);
  expect(out("npm test && echo done")).toBe("( node pre.js && ( node --test -q ) ) && echo done");
  expect(out("cd web && npm test")).toBe("cd web && ( node verify.js )");
  expect(out("npm test", "web")).toBe("( node verify.js )");
  expect(out("npm run loop", "web")).toMatch(/npm run loop/);
  expect(out("npm test", "bad")).toBe("npm test");
  expect(out("npm ci")).toBe("npm ci");
});

test("no command line makes it throw or lets it hang, and it names nothing but what it was asked about", () => {
  const word = fc.constantFrom(
    "sh",
    "-c",
    "python3",
    "-m",
    "a.b",
    "'",
    '"',
    "$(",
    ")",
    "|",
    "&&",
    "cd",
    "..",
    "*",
    "[",
    "{",
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 12 }),
      fc.string(),
      (words, path) => {
        const line = { command: words.join(" "), cwd: "a" };
        runsOf(line, path);
        expect(ownOf(line, [path, "a/b.py"]).every((each) => each === path || each === "a/b.py")).toBe(true);
        expect(typeof writtenOut(line, new Map([["a/package.json", "{}"]]))).toBe("string");
      },
    ),
  );
});
