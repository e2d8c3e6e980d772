import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { openGit } from "./command.ts";
import { changesBetween, changesFrom, leaves } from "./tree.ts";

const gitDir = mkdtempSync(join(tmpdir(), "rigs-tree-"));
const git = openGit("git", process.env.PATH ?? "");
execFileSync("git", ["init", "--quiet", "--bare", gitDir]);
afterAll(() => rmSync(gitDir, { recursive: true, force: true }));

type Entry = readonly [mode: "100644" | "100755" | "120000" | "160000", text: string];
type Tree = ReadonlyMap<string, Entry>;

/** Files of one name and folders of the same never meet: "a" is a file, "b" a folder. */
const path = fc.constantFrom("a", "a.b", "a-b", "b/a", "b/a.c", "b/c/d", "ä", 'q"uote', "b.c");
const entry: fc.Arbitrary<Entry> = fc.tuple(
  fc.constantFrom("100644", "100755", "120000", "160000"),
  fc.constantFrom("one", "two"),
);
const tree = fc.uniqueArray(fc.tuple(path, entry), { selector: ([name]) => name, maxLength: 9 });

function commit(files: Tree): string {
  const quoted = (name: string) => JSON.stringify(name);
  const lines = [...files].map(([name, [mode, text]]) =>
    mode === "160000"
      ? `M 160000 ${(text === "one" ? "1" : "2").repeat(40)} ${quoted(name)}\n`
      : `M ${mode} inline ${quoted(name)}\ndata ${text.length}\n${text}\n`,
  );
  const head =
    "feature done\ncommit refs/heads/x\nmark :1\ncommitter A <a@b> 0 +0000\ndata 1\nm\ndeleteall\n";
  const input = `${head}${lines.join("")}\nget-mark :1\ndone\n`;
  const words = ["--git-dir", gitDir, "fast-import", "--quiet", "--force", "--done"];
  return execFileSync("git", words, { input }).toString().trim();
}

test("two listings tell the same difference as git, in its order", async () => {
  await fc.assert(
    fc.asyncProperty(tree, tree, async (one, two) => {
      const [from, to] = [commit(new Map(one)), commit(new Map(two))];
      const [before, after] = [await leaves(git, gitDir, from), await leaves(git, gitDir, to)];
      expect(changesFrom(before, after)).toEqual(await changesBetween(git, gitDir, { from, to }));
    }),
    { numRuns: 25 },
  );
});
