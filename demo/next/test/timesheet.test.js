import assert from "node:assert/strict";
import { test } from "node:test";
import { report as person } from "../src/reports/person.js";
import { report as project } from "../src/reports/project.js";
import { timesheet } from "../src/timesheet.js";

const week = `
2026-03-02 grace website 1h
2026-03-02 ada engine 1h30m

2026-03-03 grace engine 30m
`;

test("a week by person", () =>
  assert.equal(timesheet(week, person.letter), "By person\n  ada: 1h30m\n  grace: 1h30m"));
test("a week by project", () =>
  assert.equal(timesheet(week, project.letter), "By project\n  engine: 2h\n  website: 1h"));
