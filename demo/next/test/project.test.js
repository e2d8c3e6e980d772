import assert from "node:assert/strict";
import { test } from "node:test";
import { report } from "../src/reports/project.js";

const entries = [
  { day: "2026-03-02", who: "grace", project: "website", seconds: 3600 },
  { day: "2026-03-02", who: "ada", project: "engine", seconds: 5400 },
  { day: "2026-03-03", who: "grace", project: "engine", seconds: 1800 },
];

test("a line for each project, the longest first", () =>
  assert.deepEqual(report.lines(entries), ["engine: 2h", "website: 1h"]));
test("no project, no line", () => assert.deepEqual(report.lines([]), []));
test("it has a letter and a title", () => {
  assert.match(report.letter, /^[a-z]$/);
  assert.equal(report.title, "By project");
});
