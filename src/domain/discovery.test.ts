import { expect, test } from "vitest";
import { discoverGuards } from "./discovery.ts";

const manifest = (test?: string) => JSON.stringify({ scripts: { ...(test !== undefined && { test }) } });

const check = (
  paths: readonly string[],
  packageJson: string | undefined,
  given: readonly string[],
  found: readonly string[],
) => expect(discoverGuards({ paths, packageJson }, given).map((guard) => guard.command)).toEqual(found);

test("finds what the repository brings along", () => {
  check(["a.py"], undefined, [], []);
  check(["tests/test_a.py"], undefined, [], ["python3 -m pytest -q"]);
  check(["a_test.py"], undefined, [], ["python3 -m pytest -q"]);
  check(["latest.py", "contest_x.py"], undefined, [], []);
  check(["package.json"], manifest("vitest run"), [], ["npm test"]);
});

test("npm's placeholder, an empty script and a broken manifest are no gates", () => {
  check(["package.json"], manifest('echo "Error: no test specified" && exit 1'), [], []);
  check(["package.json"], manifest(""), [], []);
  check(["package.json"], manifest(), [], []);
  check(["package.json"], "{", [], []);
  check(["package.json"], "null", [], []);
  check(["package.json"], '{"scripts":{"test":7}}', [], []);
});

test("what the user gave as acceptance is not run again as a guard", () => {
  check(["test_a.py"], undefined, ["pytest"], []);
  check(["test_a.py"], undefined, ["python -m pytest  -q"], []);
  check(["test_a.py"], undefined, ["pytest test_a.py"], ["python3 -m pytest -q"]);
  check(["package.json"], manifest("node --test"), ["npm test"], []);
  check(["package.json"], manifest("node --test"), ["node --test"], []);
});

test("without a check and without tests, the program itself must run", () => {
  const entry = (fields: object) => JSON.stringify(fields);
  check(["main.py", "lib.py"], undefined, [], ["python3 main.py"]);
  check(["app.py"], undefined, [], ["python3 app.py"]);
  check(["shop/__main__.py"], undefined, [], ["python3 -m shop"]);
  check(["a/__main__.py", "b/__main__.py"], undefined, [], []);
  check(["s.js"], entry({ scripts: { start: "node s.js" } }), [], ["npm start --silent"]);
  check(["index.js"], entry({ main: "./index.js" }), [], ["node index.js"]);
  check(["cli.js"], entry({ main: "dist/x.js", bin: { shop: "cli.js" } }), [], ["node cli.js"]);
  check(["cli.js"], entry({ bin: "cli.js" }), [], ["node cli.js"]);
  check(["a b.js;x"], entry({ main: "a b.js;x" }), [], []);
  check(["main.py"], "{", [], ["python3 main.py"]);
  const [found] = discoverGuards({ paths: ["main.py"], packageJson: undefined }, []);
  expect(found).toMatchObject({
    name: "guard-run",
    role: "guard",
    report: { kind: "run" },
    timeoutMs: 5_000,
  });
});

test("a test or a check of any kind is better than only running", () => {
  check(["main.py", "tests/test_a.py"], undefined, [], ["python3 -m pytest -q"]);
  check(["main.py", "tests/a.rb"], undefined, [], []);
  check(["main.py"], undefined, ["make check"], []);
  check(["main.py", "package.json"], manifest("vitest run"), [], ["npm test"]);
});
