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
