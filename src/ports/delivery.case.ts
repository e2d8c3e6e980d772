import { execFileSync } from "node:child_process";
import { chmodSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { author, bytes, pictureOf, scratch } from "./repository.case.ts";
import { type Repositories, RepositoryError } from "./repository.ts";

/** What every implementation of Repositories must do with the user's own repository: look at it, and bring a branch. */
export function deliveryCases(name: string, open: (root: string) => Repositories): void {
  describe(`${name}, and the user's own repository`, () => {
    const { folder, sample } = scratch();
    const root = folder("root");

    test("surveys top, head, author, changed and unknown files, and touches nothing", async () => {
      const user = sample("survey");
      user.write("kept", "1");
      user.write("gone", "1");
      user.write("staged", "1");
      user.write(".gitignore", "*.log\n");
      const head = user.commit("first");
      expect(await open(root).survey(user.top)).toEqual({
        top: user.top,
        head,
        author,
        dirty: [],
        untracked: [],
      });
      user.write("staged", "2");
      user.git("add", "staged");
      user.write("kept", "2");
      rmSync(join(user.top, "gone"));
      user.write("sub/new", "n");
      user.write("noise.log", "n");
      const before = pictureOf(user.top);
      const found = await open(root).survey(join(user.top, "sub"));
      expect(found).toEqual({
        top: user.top,
        head,
        author,
        dirty: ["gone", "kept", "staged"],
        untracked: ["sub/new"],
      });
      expect(pictureOf(user.top)).toEqual(before);
    });

    test("a snapshot is the work folder as it is; index, references and objects of the user stay", async () => {
      const user = sample("snapshot");
      user.write("kept", "1");
      user.write("gone", "1");
      user.write("was-file", "1");
      user.write("folder/inside", "1");
      user.write(".gitignore", "*.log\n");
      const head = user.commit("first");
      const repositories = open(root);
      expect(await repositories.snapshot(user.top)).toBe(head);
      user.write("kept", "2");
      user.write("staged", "2");
      user.git("add", "staged");
      user.write("staged", "3");
      chmodSync(join(user.top, "kept"), 0o755);
      rmSync(join(user.top, "gone"));
      rmSync(join(user.top, "was-file"));
      user.write("was-file/now", "folder");
      rmSync(join(user.top, "folder"), { recursive: true });
      const outside = folder("outside");
      writeFileSync(join(outside, "inside"), "somebody else's");
      symlinkSync(outside, join(user.top, "folder"));
      user.write("new file", "n");
      user.write("noise.log", "n");
      const before = pictureOf(user.top);
      const commit = await repositories.snapshot(user.top);
      expect(pictureOf(user.top)).toEqual(before);
      const work = folder("snapshot-work");
      await (await repositories.open(user.top, commit)).checkout(commit, work);
      const expected = Object.entries(before).filter(
        ([path]) => !path.startsWith(".git/") && path !== "noise.log",
      );
      expect(pictureOf(work)).toEqual(Object.fromEntries(expected));
    });

    test("a snapshot never takes what a link leads to, even where the link itself is ignored", async () => {
      const user = sample("ignored-link");
      user.write("folder/inside", "1");
      user.write("kept", "1");
      user.write(".gitignore", "/folder\n");
      user.git("add", "-f", "folder/inside");
      user.commit("first");
      const outside = folder("outside");
      writeFileSync(join(outside, "inside"), "somebody else's");
      rmSync(join(user.top, "folder"), { recursive: true });
      symlinkSync(outside, join(user.top, "folder"));
      const repositories = open(root);
      const commit = await repositories.snapshot(user.top);
      const repository = await repositories.open(user.top, commit);
      expect((await repository.list(commit)).map(({ path }) => path)).toEqual([".gitignore", "kept"]);
    });

    test("delivers a branch and leaves files, index and HEAD as they are", async () => {
      const user = sample("deliver");
      user.write("a", "1");
      const head = user.commit("first");
      user.write("a", "dirty");
      user.write("b", "staged");
      user.git("add", "b");
      const repository = await open(root).open(user.top, head);
      const draft = { parent: head, message: "done", author, ref: "refs/rigs/k7m2q9xd/r1" };
      const { commit } = await repository.write({ ...draft, files: new Map([["a", bytes("2")]]) });
      const state = () =>
        Object.entries(pictureOf(user.top)).filter(
          ([path]) => !/^\.git\/(objects|refs\/heads\/rigs|logs\/refs\/heads\/rigs)/.test(path),
        );
      const before = state();
      await repository.deliver(commit, "rigs/k7m2q9xd");
      await repository.deliver(commit, "rigs/k7m2q9xd");
      expect(state()).toEqual(before);
      expect(user.git("rev-parse", "rigs/k7m2q9xd")).toBe(commit);
      expect(user.git("show", "rigs/k7m2q9xd:a")).toBe("2");
      user.git("fsck", "--strict", "--no-dangling");

      const other = await repository.write({ ...draft, files: new Map([["a", bytes("3")]]) });
      await repository.deliver(other.commit, "rigs/k7m2q9xd");
      expect(user.git("rev-parse", "rigs/k7m2q9xd")).toBe(other.commit);
      const theirs = user.git("commit-tree", "-p", other.commit, "-m", "theirs", `${other.commit}^{tree}`);
      user.git("update-ref", "refs/heads/rigs/k7m2q9xd", theirs);
      await expect(repository.deliver(commit, "rigs/k7m2q9xd")).rejects.toThrow(
        /commits that Rigs did not deliver/,
      );
      expect(user.git("rev-parse", "rigs/k7m2q9xd")).toBe(theirs);
    });

    test("refuses a branch that is checked out anywhere, one that points elsewhere, and names that are none", async () => {
      const user = sample("busy");
      user.write("a", "1");
      const head = user.commit("first");
      user.git("worktree", "add", "-q", "-b", "busy", folder("worktree"));
      user.git("symbolic-ref", "refs/heads/alias", "refs/heads/main");
      const repository = await open(root).open(user.top, head);
      const draft = { parent: head, message: "done", author, ref: "refs/rigs/k7m2q9xd/r1" };
      const { commit } = await repository.write({ ...draft, files: new Map([["a", bytes("2")]]) });
      const check = async (branch: string, why: RegExp) => {
        const refused = repository.deliver(commit, branch);
        await expect(refused).rejects.toThrow(RepositoryError);
        await expect(refused).rejects.toThrow(why);
      };
      await check("main", /checked out/);
      await check("busy", /checked out/);
      await check("alias", /only points to another/);
      await check("main/below", /rename what is in the way/);
      for (const branch of ["", "-x", "a..b", "a/../b", "a b", "x.lock", "a~1", "../../HEAD", "@{-1}"]) {
        await check(branch, /no name for a branch/);
      }
      expect(user.git("for-each-ref", "--format=%(refname) %(objectname)")).toBe(
        ["alias", "busy", "main"].map((branch) => `refs/heads/${branch} ${head}`).join("\n"),
      );
    });

    test("what stands in the way is said in one line with the next step", async () => {
      const check = async (place: string, why: RegExp) => {
        const error = await open(root)
          .survey(place)
          .then(
            () => undefined,
            (reason: unknown) => reason,
          );
        expect(error).toBeInstanceOf(RepositoryError);
        expect((error as Error).message).toMatch(why);
        expect((error as Error).message).not.toContain("\n");
      };
      const empty = sample("empty");
      await check(folder("plain"), /not in a git repository: run `git init`.*rigs init --git/);
      await check(join(folder("plain"), "missing"), /no folder/);
      await check(empty.top, /no commit yet/);
      await check(join(empty.top, ".git"), /bare repository/);
      const broken = sample("broken");
      broken.write("a", "1");
      const head = broken.commit("first");
      rmSync(join(broken.top, ".git/objects", head.slice(0, 2)), { recursive: true });
      await check(broken.top, /git fsck/);
      const lost = folder("lost");
      writeFileSync(join(lost, ".git"), "gitdir: /nowhere\n");
      await check(lost, /git worktree repair/);
    });

    test("two that open, write and deliver at once do not disturb each other", async () => {
      const user = sample("together");
      for (let count = 0; count < 50; count++) user.write(`f${count}`, String(count));
      const head = user.commit("first");
      const together = folder("together-root");
      const all = await Promise.all(
        Array.from({ length: 6 }, async (_, index) => {
          const repository = await open(together).open(user.top, head);
          const ref = `refs/rigs/k7m2q9xd/r${index}`;
          const files = new Map([[`f${index}`, bytes("new")]]);
          const { commit } = await repository.write({ parent: head, files, message: "m", author, ref });
          await repository.deliver(commit, `rigs/${index}`);
          return { commit, gitDir: repository.gitDir };
        }),
      );
      expect(new Set(all.map(({ gitDir }) => gitDir)).size).toBe(1);
      for (const [index, { commit }] of all.entries())
        expect(user.git("rev-parse", `rigs/${index}`)).toBe(commit);
      user.git("fsck", "--strict", "--no-dangling");
      execFileSync("git", [`--git-dir=${all[0]?.gitDir}`, "fsck", "--strict"], { stdio: "ignore" });
    });
  });
}
