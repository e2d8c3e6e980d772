import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration } from "../src/format.js";

test("hours and minutes", () => assert.equal(formatDuration(5400), "1h30m"));
test("nothing is zero seconds", () => assert.equal(formatDuration(0), "0s"));
