import { expect, test } from "vitest";
import type { Commit } from "../domain/id.ts";
import type { Repository, TreeEntry } from "../ports/repository.ts";
import { namedIn, readTracked, textBytesMax, textsOf } from "./files.ts";

const commit = "0".repeat(40) as Commit;

function repositoryOf(entries: readonly TreeEntry[]): Pick<Repository, "list" | "read"> {
  return {
    list: async () => entries,
    read: async (_commit, path) => new TextEncoder().encode(`// ${path}\n`),
  };
}

const file = (path: string, bytes = 10): TreeEntry => ({ path, kind: "file", bytes });
const many = Array.from({ length: 6_000 }, (_, index) => file(`lib/m${index}.js`));

test("of too many files those that are named are read, and every other one is still known to be there", async () => {
  const entries = [...many, file("src/words.js"), file("test/count.test.js")];
  const isFirst = namedIn(
    "Add count(text) to src/words.js: how many words",
    "node --test test/count.test.js",
  );
  const tracked = await readTracked(repositoryOf(entries), commit, isFirst);
  expect([...tracked.keys()]).toEqual(entries.map(({ path }) => path));
  expect(tracked.get("src/words.js")).toEqual({ kind: "text", text: "// src/words.js\n" });
  expect(tracked.get("test/count.test.js")?.kind).toBe("text");
  expect(textsOf(tracked).size).toBe(5_000);
  expect(tracked.get("lib/m5999.js")).toEqual({ kind: "large" });
});

test("what is read has a bound in bytes too, links are no text, and nested repositories are left out", async () => {
  const entries: readonly TreeEntry[] = [
    ...many.slice(0, 600).map(({ path }) => file(path, textBytesMax)),
    { path: "link", kind: "link", bytes: 3 },
    { path: "nested", kind: "gitlink", bytes: 0 },
    file("data.bin", textBytesMax + 1),
  ];
  const tracked = await readTracked(repositoryOf(entries), commit, namedIn("link data.bin"));
  expect(textsOf(tracked).size).toBe((128 * 1024 * 1024) / textBytesMax);
  expect([tracked.get("link"), tracked.get("nested"), tracked.get("data.bin")]).toEqual([
    { kind: "binary" },
    undefined,
    { kind: "large" },
  ]);
});

test.each([
  ["a path", "mend ./src/a.py, please", "src/a.py", true],
  ["a path at the end of a sentence", "mend src/a.py.", "src/a.py", true],
  ["a name", 'File "a.py", line 3', "deep/a.py", true],
  ["a name without its ending", "call parser()", "src/parser.ts", true],
  ["a word that is too short to be one", "is it so", "src/is.ts", false],
  ["a whole text with spaces", "docs/my notes (old).md", "docs/my notes (old).md", true],
  ["letters of other scripts", "ändere müll.py", "src/müll.py", true],
  ["another file", "mend src/a.py", "src/b.py", false],
])("a text names a file by %s", (_, text, path, expected) => {
  expect(namedIn(text)(path)).toBe(expected);
});
