import assert from "node:assert/strict";
import { test } from "node:test";
import { report as person } from "../src/reports/person.js";
import { report as project } from "../src/reports/project.js";
import { usage } from "../src/usage.js";

test("every report has its line", () => {
  for (const { letter, title } of [person, project]) assert.ok(usage().includes(`${letter}  ${title}`));
});
test("in the order of the letters", () => {
  const lines = usage().split("\n");
  assert.equal(lines.length, 3);
  assert.deepEqual(lines, lines.toSorted());
});
