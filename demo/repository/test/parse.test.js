import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration } from "../src/format.js";
import { parseDuration } from "../src/parse.js";

test("one unit", () => assert.equal(parseDuration("45s"), 45));
test("several units", () => assert.equal(parseDuration("1h30m"), 5400));
test("nothing at all is an error", () => assert.throws(() => parseDuration(""), RangeError));
test("an unknown unit is an error that names it", () =>
  assert.throws(() => parseDuration("3x"), /unknown unit: x/));
test("what was formatted can be parsed", () => {
  for (const seconds of [1, 59, 60, 3599, 3600, 86399])
    assert.equal(parseDuration(formatDuration(seconds)), seconds);
});
