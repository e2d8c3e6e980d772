import assert from "node:assert/strict";
import { test } from "node:test";
import { timesheet } from "../src/timesheet.js";

const week = "2026-03-02 ada engine 1h30m\n2026-03-03 grace website 30m\n";

test("a report by its letter, under its title", () => assert.equal(timesheet(week, "t"), "Total\n  2h"));
test("an empty sheet has a total too", () => assert.equal(timesheet("", "t"), "Total\n  0s"));
test("a letter that no report answers to is an error that names it", () =>
  assert.throws(() => timesheet(week, "x"), /no report answers to "x"/));
