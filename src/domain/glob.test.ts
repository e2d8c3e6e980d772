import fc from "fast-check";
import { expect, test } from "vitest";
import { covers } from "./glob.ts";

const check = (pattern: string, path: string, expected: boolean) =>
  expect(covers(pattern, path), `${pattern} over ${path}`).toBe(expected);

test("a star stays inside one part of a path", () => {
  check("src/*.ts", "src/a.ts", true);
  check("src/*.ts", "src/deep/a.ts", false);
  check("src/?.ts", "src/a.ts", true);
  check("src/?.ts", "src/ab.ts", false);
});

test("two stars are any number of parts, none included", () => {
  check("**/test_*.py", "test_a.py", true);
  check("**/test_*.py", "a/b/test_a.py", true);
  check("a/**/z", "a/z", true);
  check("a/**", "a/b/c", true);
  check("a/**", "b/a/c", false);
});

test("braces are either, nested and repeated", () => {
  check("*.{test,spec}.{js,ts}", "x/a.spec.js", true);
  check("*.{test,spec}.{js,ts}", "x/a.spec.py", false);
  check("{a,{b,c}}.txt", "c.txt", true);
  check("{a", "{a", true);
  check("{a}", "a", true);
});

test("a bare name is found at any depth, and a folder covers what is below it", () => {
  check("conftest.py", "deep/conftest.py", true);
  check("docs", "docs/a/b.md", true);
  check("docs/", "docs/a/b.md", true);
  check("./docs/*", "docs/a/b.md", true);
  check("/docs", "docs/a", true);
  check("/docs", "deep/docs", false);
  check("docs", "docs2/a", false);
  check("", "a", false);
  check(".env*", "a/.env.local", true);
});

test("a path without wildcards covers itself and whatever lies below it", () => {
  const part = fc
    .string({ unit: fc.constantFrom("a", "b", ".", "-"), minLength: 1, maxLength: 4 })
    .filter((text) => !/^\.+$/.test(text));
  const path = fc.array(part, { minLength: 2, maxLength: 5 }).map((parts) => parts.join("/"));
  fc.assert(fc.property(path, part, (each, below) => covers(each, each) && covers(each, `${each}/${below}`)));
});

test("no pattern is slow", () => {
  expect(covers(`${"*a".repeat(200)}b`, "a".repeat(400))).toBe(false);
  expect(covers("{a,b}".repeat(40), "x")).toBe(false);
});
