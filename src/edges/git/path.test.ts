import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, isObjectName, isPlainReference, pathFault, shown, textOf } from "./path.ts";

test("every name of bytes survives the way to text and back, and two names never become one", () => {
  const names = fc.oneof(
    fc.uint8Array({ maxLength: 16 }),
    fc.string({ unit: "binary", maxLength: 16 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(names, (bytes) => {
      expect(bytesOf(textOf(bytes))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("valid UTF-8 is itself, a byte order mark included", () => {
  const check = (text: string) => expect(textOf(Buffer.from(text))).toBe(text);
  for (const text of ["", "plain", "ünïcode", "\u{1f600}", "\ufeffmark"]) check(text);
  expect(textOf(Buffer.from([0x66, 0xff, 0x6f]))).toBe("f\udcffo");
  expect(textOf(Buffer.from([0xed, 0xb2, 0x80]))).toBe("\udced\udcb2\udc80");
});

test("says what is wrong with a path", () => {
  const check = (path: string, fault: RegExp | undefined) =>
    fault === undefined
      ? expect(pathFault(path), path).toBeUndefined()
      : expect(pathFault(path), path).toMatch(fault);
  for (const path of ["a", "a/b", ".gitignore", ".github/x", "a.git", "..a", "git~2", ".git-x"])
    check(path, undefined);
  for (const path of ["/a", "a/", "a//b", ".", "..", "a/../b"]) check(path, /leaves/);
  for (const path of [".git", "a/.GiT/b", ".git.", ".git ", "GIT~1", ".git::$INDEX_ALLOCATION", ".gi\u200dt"])
    check(path, /git's own/);
  check("a\0b", /not a path/);
});

test("knows full object names and plain references", () => {
  const check = (isSo: boolean, expected: boolean) => expect(isSo).toBe(expected);
  check(isObjectName("a".repeat(40)), true);
  check(isObjectName("a".repeat(64)), true);
  for (const text of ["a".repeat(41), "A".repeat(40), "HEAD", "", `${"a".repeat(40)}\n`])
    check(isObjectName(text), false);
  check(isPlainReference("refs/rigs/k7m2q9xd.1/a1/r3"), true);
  for (const text of ["a..b", "-a", "a/-b", "a.lock", "a.lock/b", "a.", "a/", "/a", "a b", "a:b", "a\n"]) {
    check(isPlainReference(text), false);
  }
});

test("a shown name is one line without control characters", () => {
  expect(shown("a\n\u001b[31m\udcff")).toBe('"a\\n\\\\x1b[31m\ufffd"');
});
