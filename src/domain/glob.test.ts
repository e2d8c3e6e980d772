import fc from "fast-check";
import { expect, test } from "vitest";
import { covers, coversAny } from "./glob.ts";
import { isProtected } from "./protected.ts";

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

test("a list covers what any of its patterns covers, and a part is matched as a regular expression would", () => {
  const part = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), minLength: 1, maxLength: 5 });
  const wanted = fc.array(fc.oneof(part, fc.constant("**")), { minLength: 1, maxLength: 4 });
  const pattern = fc
    .tuple(fc.constantFrom("", "/", "./"), wanted)
    .map(([front, parts]) => front + parts.join("/"));
  const name = fc.string({ unit: fc.constantFrom("a", "b", "."), minLength: 1, maxLength: 4 });
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const plain = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, plain, name, (list, each, want, one) => {
      expect(coversAny(list, each)).toBe(list.some((single) => covers(single, each)));
      const written = want.replaceAll(".", "\\.").replaceAll(/\*+/g, ".*").replaceAll("?", ".");
      if (!/^(\.?\/)|\*\*/.test(want)) expect(covers(want, one)).toBe(new RegExp(`^${written}$`).test(one));
    }),
  );
});

test("a repository of 20,000 files is looked through in no time", () => {
  const startedAt = performance.now();
  const rules = { protect: [], allowChange: [], existsOnBase: true };
  for (let file = 0; file < 20_000; file++) isProtected(`lib/d${file % 200}/m${file}.py`, rules);
  // Some 0.1 s; taking each pattern apart anew for each path took 12 s.
  expect(performance.now() - startedAt).toBeLessThan(4_000);
});
