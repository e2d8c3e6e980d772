import { expect, test } from "vitest";
import { uncaughtIn } from "./program.ts";

test("an error nobody caught is told from one that was caught and logged", () => {
  const check = (stderr: string, isUncaught: boolean) =>
    expect(uncaughtIn(stderr) !== undefined, stderr).toBe(isUncaught);
  check("", false);
  check("warning: slow\nlistening on 8080", false);
  check("Traceback (most recent call last):\n  x\nKeyError: 1", true);
  check("ERROR:root:asked for nothing\nTraceback (most recent call last):\n  x\nKeyError: 1", false);
  check("[2026-01-01] ERROR in app: on / [GET]\nTraceback (most recent call last):", false);
  check("Exception in thread Thread-1 (f):\nTraceback (most recent call last):", true);
  check("Task exception was never retrieved\nfuture: <Task>", true);
  check("Exception ignored in: <function f>", true);
  check("(node:1) UnhandledPromiseRejectionWarning: Error: x", true);
  check("/a.js:1\nthrow new Error()\nError\n    at a.js:1:1\n\nNode.js v24.0.0", true);
  check("Uncaught Error: x", true);
  check("we say Uncaught in the middle of a line, and Traceback (most recent call last) too", false);
});
