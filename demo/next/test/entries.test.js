import assert from "node:assert/strict";
import { test } from "node:test";
import { readEntries } from "../src/entries.js";

test("an entry", () =>
  assert.deepEqual(readEntries("2026-03-02 ada engine 1h30m"), [
    { day: "2026-03-02", who: "ada", project: "engine", seconds: 5400 },
  ]));
test("empty lines are left out", () =>
  assert.equal(readEntries("2026-03-02 ada engine 1h\n\n2026-03-03 ada engine 2h\n").length, 2));
test("a line that is no entry is an error that names its number", () =>
  assert.throws(() => readEntries("2026-03-02 ada engine 1h\nlunch\n"), /line 2/));
