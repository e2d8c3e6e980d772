import assert from "node:assert/strict";
import { test } from "node:test";
import { report } from "../src/reports/person.js";

const entries = [
  { day: "2026-03-02", who: "grace", project: "website", seconds: 3600 },
  { day: "2026-03-02", who: "ada", project: "engine", seconds: 5400 },
  { day: "2026-03-03", who: "grace", project: "engine", seconds: 1800 },
];

test("a line for each person, in the order of the alphabet", () =>
  assert.deepEqual(report.lines(entries), ["ada: 1h30m", "grace: 1h30m"]));
test("nobody, no line", () => assert.deepEqual(report.lines([]), []));
test("it has a letter and a title", () => {
  assert.match(report.letter, /^[a-z]$/);
  assert.equal(report.title, "By person");
});
