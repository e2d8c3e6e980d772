import { chmodSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Commit } from "../domain/id.ts";
import { author, bytes, nowhere, scratch } from "./repository.case.ts";
import { type Repositories, type Repository, RepositoryError } from "./repository.ts";

/** What every implementation of `Repository.merge` must do with plain files; `open` gives one with just this base. */
export function mergeCases(
  name: string,
  open: (files: Readonly<Record<string, string>>) => Promise<{ repository: Repository; base: Commit }>,
  oddPath = 'odd name\nwith "breaks"\tand ünïcode',
): void {
  describe(`${name}, merging`, () => {
    const lines = (...words: readonly string[]) => words.map((word) => `${word}\n`).join("");
    const opened = open({
      a: lines("one"),
      b: lines("two"),
      "src/c": lines("three"),
      [oddPath]: lines("odd"),
    });
    let made = 0;
    const side = async (files: Record<string, string | undefined>, parent?: Commit) => {
      const { repository, base } = await opened;
      const entries = Object.entries(files).map(
        ([path, text]) => [path, text === undefined ? undefined : bytes(text)] as const,
      );
      const draft = { message: "side", author, ref: `refs/rigs/k7m2q9xd/s${++made}` };
      return (await repository.write({ ...draft, parent: parent ?? base, files: new Map(entries) })).commit;
    };
    const merge = async (ours: Commit, theirs: Commit) => (await opened).repository.merge(ours, theirs);
    const merged = async (ours: Commit, theirs: Commit) => {
      const { repository } = await opened;
      const found = await merge(ours, theirs);
      if (found.kind === "conflict") throw new Error(`contradicts in ${found.paths.join(", ")}`);
      const draft = { message: "merged", author, ref: `refs/rigs/k7m2q9xd/s${++made}` };
      const commit = await repository.squash({ ...draft, parent: ours, tree: found.tree });
      const paths = (await repository.list(commit)).map(({ path }) => path);
      const texts = await Promise.all(
        paths.map(
          async (path) =>
            [path, Buffer.from((await repository.read(commit, path)) ?? []).toString()] as const,
        ),
      );
      return Object.fromEntries(texts);
    };

    test("what two did to different files is in the tree that has both", async () => {
      const ours = await side({ a: lines("mine"), new: lines("n") });
      const theirs = await side({ b: undefined, "src/c": lines("theirs"), [oddPath]: lines("odder") });
      const both = { a: lines("mine"), new: lines("n"), "src/c": lines("theirs"), [oddPath]: lines("odder") };
      expect(await merged(ours, theirs)).toEqual(both);
      expect(await merged(theirs, ours)).toEqual(both);
    });

    test("what both did alike is no contradiction, and neither is one that did nothing", async () => {
      const [ours, theirs] = [
        await side({ a: lines("same"), b: undefined }),
        await side({ a: lines("same"), b: undefined }),
      ];
      expect((await merge(ours, theirs)).kind).toBe("merged");
      const { repository, base } = await opened;
      expect(await merge(ours, base)).toEqual({ kind: "merged", tree: await repository.treeOf(ours) });
      expect(await merge(base, ours)).toEqual({ kind: "merged", tree: await repository.treeOf(ours) });
      expect(await merge(ours, ours)).toEqual({ kind: "merged", tree: await repository.treeOf(ours) });
    });

    test("a line of several commits is one side", async () => {
      const ours = await side({ a: lines("second") }, await side({ a: lines("first") }));
      expect(await merged(ours, await side({ b: lines("theirs") }))).toMatchObject({
        a: lines("second"),
        b: lines("theirs"),
      });
    });

    test("contradictions are named by path: both changed, one deleted, both added, an odd name", async () => {
      const check = async (
        left: Record<string, string | undefined>,
        right: Record<string, string | undefined>,
        ...paths: readonly string[]
      ) => {
        const found = await merge(await side(left), await side(right));
        expect(found.kind === "conflict" ? [...found.paths].sort() : found).toEqual([...paths].sort());
      };
      await check({ a: lines("mine") }, { a: lines("theirs") }, "a");
      await check({ a: undefined }, { a: lines("theirs") }, "a");
      await check({ a: lines("mine") }, { a: undefined }, "a");
      await check({ new: lines("mine") }, { new: lines("theirs") }, "new");
      await check({ [oddPath]: lines("mine") }, { [oddPath]: lines("theirs") }, oddPath);
      await check(
        { a: lines("1"), b: lines("1") },
        { a: lines("2"), b: lines("2"), new: lines("n") },
        "a",
        "b",
      );
    });

    test("the tree of a contradiction holds both sides: lines between markers, a file that one deleted, all else as merged", async () => {
      const ours = await side({ a: lines("mine"), b: undefined, "src/c": lines("mine", "same") });
      const theirs = await side({ a: lines("theirs"), b: lines("their b"), more: lines("more") });
      const found = await merge(ours, theirs);
      if (found.kind !== "conflict") throw new Error("they contradict each other");
      expect(found.at.map(({ path, kind }) => `${path} ${kind}`).sort()).toEqual([
        "a text",
        "b deleted-by-ours",
      ]);
      expect(found.paths).toEqual(found.at.map(({ path }) => path));
      const { repository } = await opened;
      const draft = { message: "both", author, ref: `refs/rigs/k7m2q9xd/s${++made}` };
      const commit = await repository.squash({ ...draft, parent: ours, tree: found.tree });
      const textOf = async (path: string) =>
        Buffer.from((await repository.read(commit, path)) ?? []).toString();
      expect((await textOf("a")).replace(/^([<>]{7}) \S+$/gm, "$1")).toBe(
        lines("<<<<<<<", "mine", "=======", "theirs", ">>>>>>>"),
      );
      expect(await textOf("b")).toBe(lines("their b"));
      expect(await textOf("src/c")).toBe(lines("mine", "same"));
      expect(await textOf("more")).toBe(lines("more"));
      expect((await merge(theirs, ours)).kind === "conflict" && (await merge(theirs, ours))).toMatchObject({
        at: expect.arrayContaining([{ path: "b", kind: "deleted-by-theirs" }]),
      });
    });

    test("a commit that is not there is said in one line", async () => {
      await expect(merge((await opened).base, nowhere)).rejects.toThrow(RepositoryError);
    });
  });
}

/** The same of merging what only git has: links, modes, odd names and its own configuration. */
export function gitMergeCases(name: string, open: (root: string) => Repositories): void {
  describe(`${name}, merging what only git has`, () => {
    const { folder, sample } = scratch();
    const root = folder("root");

    mergeCases(name, async (files) => {
      const user = sample("merging");
      for (const [path, text] of Object.entries(files)) user.write(path, text);
      const base = user.commit("base");
      return { repository: await open(root).open(user.top, base), base };
    });

    test("merges modes, links and bytes as they are, runs nothing of the repository, and keeps at most 100 paths", async () => {
      const user = sample("merging-kinds");
      user.write("run.sh", "#!/bin/sh\n");
      user.write("data", new Uint8Array([0, 1, 2, 255]));
      user.write(".gitattributes", "* merge=union\n*.txt merge=ours filter=bad\n");
      symlinkSync("data", join(user.top, "link"));
      for (let count = 0; count < 120; count++) user.write(`many/${count}.txt`, "base\n");
      const base = user.commit("base");
      const branch = (act: () => void) => {
        user.git("checkout", "-q", "--detach", base);
        act();
        return user.commit("side");
      };
      const relink = (target: string) => () => {
        rmSync(join(user.top, "link"));
        symlinkSync(target, join(user.top, "link"));
      };
      const runs = branch(() => chmodSync(join(user.top, "run.sh"), 0o755));
      const points = branch(relink("run.sh"));
      const elsewhere = branch(relink("/etc/passwd"));
      const [left, right] = [9, 8].map((byte) => branch(() => user.write("data", new Uint8Array([0, byte]))));
      const [many, more] = ["1\n", "2\n"].map((text) =>
        branch(() => {
          for (let count = 0; count < 120; count++) user.write(`many/${count}.txt`, text);
        }),
      );
      const repositories = open(root);
      const commits = [runs, points, elsewhere, left, right, many, more].map((each) => each as Commit);
      for (const commit of commits) await repositories.open(user.top, commit);
      const repository = await repositories.open(user.top, base);
      const found = await repository.merge(runs, points);
      const tree = found.kind === "merged" ? found.tree : "";
      const commit = await repository.squash({
        tree,
        parent: runs,
        message: "m",
        author,
        ref: "refs/rigs/k7m2q9xd/kinds",
      });
      expect(await repository.changes(base, commit)).toEqual([
        { path: "link", kind: "modified", before: "link", after: "link" },
        { path: "run.sh", kind: "mode", before: "file", after: "executable" },
      ]);
      for (const [one, other, path] of [
        [points, elsewhere, "link"],
        [left, right, "data"],
      ] as const) {
        const found = await repository.merge(one as Commit, other as Commit);
        expect(found).toMatchObject({ kind: "conflict", at: [{ path, kind: "whole" }] });
        expect(found.kind === "conflict" && found.tree, "as ours has it").toBe(
          await repository.treeOf(one as Commit),
        );
      }
      const bulk = await repository.merge(many as Commit, more as Commit);
      expect(bulk.kind === "conflict" && bulk.paths.length, "no union, no driver of the repository").toBe(
        100,
      );
    });

    test("contradictions of kind, mode, name and line ends: said what they are, and nothing is left aside in the tree", async () => {
      const user = sample("merging-odd");
      const ten = Array.from({ length: 10 }, (_, line) => `line ${line}\n`).join("");
      user.write("clash", "a file\n");
      user.write("turns", "a file\n");
      user.write("old.txt", ten);
      user.write("windows.txt", "a\r\nb\r\n");
      const base = user.commit("base");
      const branch = (act: () => void) => {
        user.git("checkout", "-q", "--detach", base);
        act();
        return user.commit("side") as Commit;
      };
      const path = (name: string) => join(user.top, name);
      const ours = branch(() => {
        rmSync(path("clash"));
        user.write("clash/inner", "a folder\n");
        rmSync(path("turns"));
        symlinkSync("old.txt", path("turns"));
        user.git("mv", "old.txt", "ours.txt");
        user.write("windows.txt", "ours\r\nb\r\n");
        user.write("both", "same\n");
      });
      const theirs = branch(() => {
        user.write("clash", "still a file\n");
        user.write("turns", "still a file\n");
        user.git("mv", "old.txt", "theirs.txt");
        user.write("windows.txt", "theirs\r\nb\r\n");
        user.write("both", "same\n");
        chmodSync(path("both"), 0o755);
      });
      const repositories = open(root);
      for (const commit of [ours, theirs]) await repositories.open(user.top, commit);
      const repository = await repositories.open(user.top, base);
      const check = async (left: Commit, right: Commit) => {
        const found = await repository.merge(left, right);
        if (found.kind !== "conflict") throw new Error("they contradict each other");
        expect(found.at.map((each) => `${each.path} ${each.kind}`).sort()).toEqual([
          ...["both whole", "clash whole", "old.txt moved", "ours.txt moved", "theirs.txt moved"],
          ...["turns whole", "windows.txt text"],
        ]);
        const ref = "refs/rigs/k7m2q9xd/odd";
        const commit = await repository.squash({ tree: found.tree, parent: left, message: "m", author, ref });
        expect(await repository.changes(left, commit), "but for the lines, as ours has it").toEqual([
          {
            path: left === ours ? "theirs.txt" : "ours.txt",
            kind: "added",
            before: undefined,
            after: "file",
          },
          { path: "windows.txt", kind: "modified", before: "file", after: "file" },
        ]);
        const text = Buffer.from((await repository.read(commit, "windows.txt")) ?? []).toString();
        expect(text).toMatch(/^<{7} \w+\r\n\w+\r\n={7}\r\n\w+\r\n>{7} \w+\r\nb\r\n$/);
      };
      await check(ours, theirs);
      await check(theirs, ours);
    });
  });
}
