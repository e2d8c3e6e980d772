import { expect, test } from "vitest";
import { recognise } from "./recognise.ts";

const manifests: Readonly<Record<string, string>> = {
  ".": JSON.stringify({
    scripts: {
      test: "node --test test/",
      unit: "vitest run",
      both: "tsc -p . && npm run unit && echo done",
      pretest: "echo before",
      loop: "npm run loop",
      lint: "eslint .",
      jest: "jest",
    },
  }),
  web: JSON.stringify({ scripts: { test: "jest --coverage" } }),
  bad: "{",
};

async function look(command: string) {
  return recognise(command, {
    reportFolder: "/out",
    toolFolder: "/tools",
    manifest: (folder) => Promise.resolve(manifests[folder]),
  });
}

async function check(command: string, rewritten: string, runner: string, folder = ".") {
  const seen = await look(command);
  expect(seen).toEqual({
    kind: "runners",
    command: rewritten,
    reports: [{ runner, name: "report-1", folder }],
  });
}

const pytest =
  "--junitxml=/out/report-1 -o junit_family=xunit1 -o cache_dir=/out/cache --rootdir=. --continue-on-collection-errors";

test("pytest, however it is started", async () => {
  await check("pytest", `pytest ${pytest}`, "pytest");
  await check("python3 -m pytest -q tests", `python3 -m pytest ${pytest} -q tests`, "pytest");
  await check(
    "A=1 B='x y' timeout 60 python -B -m pytest",
    `A=1 B='x y' timeout 60 python -B -m pytest ${pytest}`,
    "pytest",
  );
  await check(
    "cd pkg && pytest -q 2>&1 | tee log",
    `cd pkg && pytest ${pytest} -q 2>&1 | tee log`,
    "pytest",
    "pkg",
  );
  await check("poetry run pytest", `poetry run pytest ${pytest}`, "pytest");
  await check(".venv/bin/pytest -k 'a and b'", `.venv/bin/pytest ${pytest} -k 'a and b'`, "pytest");
  await check("coverage run -m pytest", `coverage run -m pytest ${pytest}`, "pytest");
  await check("pytest --junitxml=mine.xml a", `pytest ${pytest}  a`, "pytest");
});

test("unittest runs through our own program", async () => {
  await check(
    "python -m unittest discover -s tests",
    "python /tools/unittest_report.py /out/report-1 discover -s tests",
    "unittest",
  );
});

const node = "--test-reporter=/tools/node_report.mjs --test-reporter-destination=/out/report-1";

test("node --test, with foreign reporters taken away", async () => {
  await check("node --test", `node --test ${node}`, "node:test");
  await check("node --test-reporter=spec --test a.test.js", `node  --test ${node} a.test.js`, "node:test");
  await check("node --test-reporter spec --test", `node  --test ${node}`, "node:test");
});

test("vitest and jest write JSON", async () => {
  await check("npx vitest", "npx vitest run --reporter=json --outputFile=/out/report-1", "vitest");
  await check("vitest run src", "vitest run --reporter=json --outputFile=/out/report-1 src", "vitest");
  await check(
    "npx --yes jest a",
    "npx --yes jest --json --outputFile=/out/report-1 --testLocationInResults a",
    "jest",
  );
  await check("yarn vitest run", "yarn vitest run --reporter=json --outputFile=/out/report-1", "vitest");
});

test("package scripts are replaced by what they run", async () => {
  const open = (name: string) =>
    `( PATH="$PWD/node_modules/.bin:$PATH"; export PATH; npm_lifecycle_event=${name}; export npm_lifecycle_event; `;
  await check("npm test", `${open("test")}{ echo before\n} && { node --test ${node} test/\n} )`, "node:test");
  await check(
    "npm run both",
    `${open("both")}{ tsc -p . && ${open("unit")}{ vitest run --reporter=json --outputFile=/out/report-1\n} ) && echo done\n} )`,
    "vitest",
  );
  await check(
    "cd web && npm test -- --ci",
    `cd web && ${open("test")}{ jest --json --outputFile=/out/report-1 --testLocationInResults --coverage --ci\n} )`,
    "jest",
    "web",
  );
});

test("two runners leave two reports", async () => {
  const seen = await look("pytest a && pytest b");
  expect(seen.kind === "runners" && seen.reports.map((report) => report.name)).toEqual([
    "report-1",
    "report-2",
  ]);
});

test("what is not known is said, never guessed", async () => {
  for (const command of [
    "make test",
    "true",
    "echo pytest",
    "npm run lint",
    "npm run missing",
    "npm run loop",
    "cd bad && npm test",
    "pytest <<EOF\nEOF",
    "pytest 'open",
    "python app.py -m pytest",
    "",
  ])
    expect((await look(command)).kind, command).toBe("unknown");
});
