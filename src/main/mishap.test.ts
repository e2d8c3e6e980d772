import { describe, expect, test } from "vitest";
import { UsageError } from "../faces/house.ts";
import { AssertionError } from "../kit/assert.ts";
import { RepositoryError } from "../ports/repository.ts";
import { StoreError } from "../ports/store.ts";
import { VerifierError } from "../ports/verifier.ts";
import { Interrupted } from "../work/interrupted.ts";
import { explain } from "./mishap.ts";

const plain = { isDebug: false, isStopping: false };
const system = (code: string, more: object = {}) =>
  Object.assign(new Error(`${code}: refused`), { code, ...more });

describe("what a person reads", () => {
  const check = (error: unknown, code: number, text: string | RegExp) => {
    const said = explain(error, plain);
    expect(said.code).toBe(code);
    if (typeof text === "string") expect(said.text).toBe(text);
    else expect(said.text).toMatch(text);
    expect(said.text, "one line").not.toContain("\n");
  };

  test("errors that were made for people stay as they are", () => {
    check(new UsageError("say what you want"), 2, "rigs: say what you want");
    check(new RepositoryError("no repository"), 2, "rigs: no repository");
    check(new StoreError("no space left"), 2, "rigs: no space left");
    check(new VerifierError("the verifier was lost"), 1, "rigs: the verifier was lost");
  });
  test("what the system refuses names the file and the remedy", () => {
    check(
      system("ENOSPC", { path: "/h/x" }),
      2,
      "rigs: no space left for /h/x: free some disk space and try again",
    );
    check(system("ENOSPC"), 2, "rigs: no space left: free some disk space and try again");
    check(system("EACCES", { path: "/h/x" }), 2, /^rigs: cannot use \/h\/x \(EACCES\): mend its owner/);
    check(system("EROFS", { path: "/h" }), 2, /choose another --home/);
    check(system("EMFILE", { syscall: "open" }), 2, /the system refused open \(EMFILE\).*ulimit -n/);
    check(system("EAGAIN", { syscall: "spawn git" }), 2, /refused spawn git/);
  });
  test("a fault of ours says so, without a stack", () => {
    check(
      new AssertionError("not so: x"),
      1,
      "rigs: AssertionError: not so: x (this is a fault of Rigs; --debug shows where)",
    );
    check(new TypeError("first\nsecond"), 1, /^rigs: TypeError: first \(this is/);
    check("thrown text", 1, /thrown text/);
    check(system("ENOENT"), 1, /fault of Rigs/);
  });
  test("an interruption is no mishap", () => check(new Interrupted(), 130, "stopped"));
});

test("what breaks off while stopping was stopped; anything else keeps its own words", () => {
  const stopping = { isDebug: false, isStopping: true };
  expect(explain(new Error("interrupted"), stopping)).toEqual({ text: "stopped", code: 130 });
  expect(explain(new DOMException("aborted", "AbortError"), stopping)).toEqual({
    text: "stopped",
    code: 130,
  });
  expect(explain(new StoreError("no space left"), stopping).code).toBe(2);
});

test("--debug adds the stack to every kind", () => {
  for (const error of [new UsageError("x"), new TypeError("y"), system("EACCES")])
    expect(explain(error, { ...plain, isDebug: true }).text).toMatch(/\n\s+at /);
});
