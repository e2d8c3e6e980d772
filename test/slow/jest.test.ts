/** jest is not among our own packages: it is installed here, where the npm registry can be reached. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { classify } from "../../src/domain/failure.ts";
import type { Environment } from "../../src/ports/environment.ts";
import { bare, type Files, type Laboratory, never, openLaboratory, pytest } from "../../src/verifier.case.ts";

const version = "30.5.2";
let folder = "";
let laboratory: Laboratory;
let environment: Environment | undefined;
let absence = "";

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "rigs-jest-")));
  chmodSync(folder, 0o755);
  laboratory = openLaboratory();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const words = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--silent",
    "-E",
    `jest@${version}`,
  ];
  try {
    execFileSync("npm", words, { cwd: folder, stdio: "pipe", timeout: 240_000 });
    environment = {
      ...bare,
      key: `jest-${version}`,
      binds: [{ host: join(folder, "node_modules"), inside: "/rig/node_modules", access: "read" }],
      path: ["/rig/node_modules/.bin"],
    };
  } catch (error) {
    absence = `jest ${version} cannot be installed here: ${String((error as Error).message).split("\n")[0]}`;
  }
}, 300_000);
afterAll(() => {
  laboratory.close();
  rmSync(folder, { recursive: true, force: true });
});

const files: Files = {
  "package.json": JSON.stringify({ scripts: { test: "jest --ci" } }),
  "calc.js":
    "const add = (a, b) => 0;\nfunction sub(a, b) {\n  return a - b;\n}\nmodule.exports = { add, sub };\n",
  "calc.test.js":
    'const { add, sub } = require("./calc.js");\ntest("adds", () => {\n  expect(add(1, 2)).toBe(3);\n});\ntest("subtracts", () => expect(sub(3, 1)).toBe(2));\n',
};
const right = (files["calc.js"] ?? "").replace("=> 0", "=> a + b");

test("jest: a good change is proven, an edited test refuted, failures are fed back", async (context) => {
  if (environment === undefined) return context.skip(absence);
  const more = { checks: [{ ...pytest, command: "npm test" }], environment };
  const seen = await laboratory.prove(files, { "calc.js": right }, more);
  expect(seen.proof).toMatchObject({ verdict: "proven", failToPass: 1, passToPass: 1, reasons: [] });
  expect(seen.stories.map((story) => story.id)).toEqual(["calc.test.js > adds", "calc.test.js > subtracts"]);
  const edited = (files["calc.test.js"] ?? "").replace("toBe(3)", "toBe(0)");
  const cheat = await laboratory.prove(files, { "calc.test.js": edited }, more);
  expect([cheat.proof.verdict, cheat.restored]).toEqual(["refuted", ["calc.test.js"]]);
  const run = (text: string) => laboratory.run(laboratory.trial(files, { "calc.js": text }, more), never);
  const paths = Object.keys(files);
  expect(classify(await run(right.replace("a + b", "a - b")), paths)).toMatchObject({
    failureClass: "test",
    test: "calc.test.js > adds",
    expected: "3",
    got: "-1",
    frames: [{ path: "calc.test.js", line: 3 }],
  });
  expect(classify(await run(`require("./nothere.js");\n${right}`), paths)).toMatchObject({
    failureClass: "import",
    test: "calc.test.js (could not be loaded)",
  });
  expect(classify(await run(`let x = ;\n${right}`), paths)).toMatchObject({ failureClass: "parse" });
}, 120_000);
