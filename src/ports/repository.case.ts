import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Commit } from "../domain/id.ts";
import { type Repositories, type Repository, RepositoryError } from "./repository.ts";

/** A user's repository in a temporary folder, driven by real git with its own identity and no other configuration. */
export interface Sample {
  readonly top: string;
  /** Standard output without the last line break. */
  git(...argumentList: readonly string[]): string;
  write(path: string, content: string | Uint8Array): void;
  /** Adds everything and commits. */
  commit(message: string): Commit;
}

/** Temporary folders that are removed after the file's tests; everything inside is below one real path. */
export function scratch(): {
  readonly folder: (name: string) => string;
  readonly sample: (name: string) => Sample;
} {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "rigs-git-")));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const folder = (name: string) => mkdtempSync(join(root, `${name}-`));
  return { folder, sample: (name) => sampleIn(folder(name)) };
}

export function sampleIn(top: string, ...initArguments: readonly string[]): Sample {
  const git = (...argumentList: readonly string[]) =>
    execFileSync("git", ["-C", top, ...argumentList], {
      env: userEnvironment,
      stdio: ["ignore", "pipe", "ignore"],
    })
      .toString("utf8")
      .trimEnd();
  const sample: Sample = {
    top,
    git,
    write(path, content) {
      mkdirSync(dirname(join(top, path)), { recursive: true });
      writeFileSync(join(top, path), content);
    },
    commit(message) {
      git("add", "-A");
      git("commit", "-q", "-m", message);
      return git("rev-parse", "HEAD") as Commit;
    },
  };
  mkdirSync(top, { recursive: true });
  git("init", "-q", "-b", "main", ...initArguments);
  return sample;
}

export const userEnvironment = {
  PATH: process.env.PATH ?? "/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Ada Example",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada Example",
  GIT_COMMITTER_EMAIL: "ada@example.org",
} as const;

/** Every file below a folder with kind, mode and bytes: two equal pictures are the same folder. */
export function pictureOf(folder: string): Record<string, string> {
  const picture: Record<string, string> = {};
  const walk = (relative: string) => {
    for (const name of readdirSync(join(folder, relative)).sort()) {
      const path = relative === "" ? name : `${relative}/${name}`;
      const found = lstatSync(join(folder, path));
      if (found.isDirectory()) {
        picture[`${path}/`] = "";
        walk(path);
      } else if (found.isSymbolicLink()) picture[path] = `-> ${readlinkSync(join(folder, path))}`;
      else picture[path] = `${(found.mode & 0o777).toString(8)} ${hash(readFileSync(join(folder, path)))}`;
    }
  };
  walk("");
  return picture;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const author = "Ada Example <ada@example.org>";
const nowhere = "0123456789012345678901234567890123456789" as Commit;

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

/** What every implementation of Repositories must do. `open` gets an empty folder of its own. */
export function repositoryCases(name: string, open: (root: string) => Repositories): void {
  describe(`${name}, as a Repositories`, () => {
    const { folder, sample } = scratch();

    /** One repository that has all that a tree can have. */
    const rich = sample("rich");
    rich.write("readme.md", "# Hello\r\nworld\n");
    rich.write("src/a.ts", "export const a = 1;\n");
    rich.write("src/deep/er/b.bin", new Uint8Array([0, 255, 13, 10, 0]));
    rich.write("run.sh", "#!/bin/sh\n");
    rich.write("Case.txt", "one");
    rich.write("case.txt", "two");
    rich.write('odd name\nwith "breaks"\tand ünïcode', "odd");
    rich.write("empty", "");
    chmodSync(join(rich.top, "run.sh"), 0o755);
    symlinkSync("src/a.ts", join(rich.top, "link"));
    symlinkSync("/etc/hostname", join(rich.top, "far"));
    rich.git("add", "-A");
    rich.git("update-index", "--add", "--cacheinfo", `160000,${nowhere},vendor/sub`);
    rich.git("commit", "-q", "-m", "first");
    const first = rich.git("rev-parse", "HEAD") as Commit;
    mkdirSync(join(rich.top, "vendor/sub"), { recursive: true });

    const root = folder("root");
    const opened = open(root).open(rich.top, first);

    const write = async (files: Record<string, Uint8Array | undefined>, parent = first) =>
      (await opened).write({
        parent,
        files: new Map(Object.entries(files)),
        message: "revision",
        author,
        ref: "refs/rigs/k7m2q9xd.1/a1/r1",
      });

    test("lists every file with its kind and size", async () => {
      const all = await (await opened).list(first);
      const kinds = Object.fromEntries(all.map(({ path, kind, bytes }) => [path, `${kind} ${bytes}`]));
      expect(kinds).toEqual({
        "Case.txt": "file 3",
        "case.txt": "file 3",
        empty: "file 0",
        far: "link 13",
        link: "link 8",
        'odd name\nwith "breaks"\tand ünïcode': "file 3",
        "readme.md": "file 15",
        "run.sh": "executable 10",
        "src/a.ts": "file 20",
        "src/deep/er/b.bin": "file 5",
        "vendor/sub": "gitlink 0",
      });
    });

    test("reads bytes as they are stored, a link's target, and nothing where there is nothing", async () => {
      const repository = await opened;
      const check = async (path: string, content: string | undefined) => {
        const found = await repository.read(first, path);
        expect(found && Buffer.from(found).toString("latin1"), path).toBe(content);
      };
      await check("readme.md", "# Hello\r\nworld\n");
      await check("src/deep/er/b.bin", "\0\xff\r\n\0");
      await check("link", "src/a.ts");
      await check("empty", "");
      await check('odd name\nwith "breaks"\tand ünïcode', "odd");
      await check("src", undefined);
      await check("vendor/sub", undefined);
      await check("link/more", undefined);
      await check("src/a.ts/more", undefined);
      await check("../readme.md", undefined);
      await check("/etc/passwd", undefined);
      await check("", undefined);
    });

    test("checks out what git has, and empties the folder first without following links", async () => {
      const repository = await opened;
      const work = folder("work");
      const outside = folder("outside");
      writeFileSync(join(outside, "precious"), "precious");
      symlinkSync(outside, join(work, "link"));
      mkdirSync(join(work, "closed"));
      writeFileSync(join(work, "closed/left"), "over");
      chmodSync(join(work, "closed"), 0o000);
      await repository.checkout(first, work);
      expect(readFileSync(join(outside, "precious"), "utf8")).toBe("precious");
      const { ".git/": _, ...expected } = Object.fromEntries(
        Object.entries(pictureOf(rich.top)).filter(([path]) => !path.startsWith(".git/") || path === ".git/"),
      );
      expect(pictureOf(work)).toEqual(expected);
      await repository.checkout(first, join(work, "new/below"));
      expect(pictureOf(join(work, "new/below"))).toEqual(expected);
    });

    test("writes files on a parent, keeps modes, deletes, and says what changed", async () => {
      const repository = await opened;
      const revised = await write({
        "run.sh": bytes("#!/bin/bash\n"),
        "src/new.ts": bytes("new"),
        "readme.md": undefined,
        "not/there": undefined,
        link: bytes("src/new.ts"),
      });
      expect([...revised.changes].sort((left, right) => (left.path < right.path ? -1 : 1))).toEqual([
        { path: "link", kind: "modified", before: "link", after: "link" },
        { path: "readme.md", kind: "deleted", before: "file", after: undefined },
        { path: "run.sh", kind: "modified", before: "executable", after: "executable" },
        { path: "src/new.ts", kind: "added", before: undefined, after: "file" },
      ]);
      expect(await repository.changes(first, revised.commit)).toEqual(revised.changes);
      expect(await repository.treeOf(revised.commit)).toBe(revised.tree);
      expect(await repository.diff(first, revised.commit)).toContain("+#!/bin/bash");
      const raw = execFileSync("git", [
        `--git-dir=${repository.gitDir}`,
        "cat-file",
        "commit",
        revised.commit,
      ]).toString();
      expect(raw).toMatch(
        /\nauthor Ada Example <ada@example.org> \d+ [+-]\d{4}\ncommitter Ada Example <ada@example.org> /,
      );
      expect(raw).toContain(`parent ${first}\n`);
      const kept = execFileSync("git", [
        `--git-dir=${repository.gitDir}`,
        "rev-parse",
        "refs/rigs/k7m2q9xd.1/a1/r1",
      ]);
      expect(kept.toString().trim()).toBe(revised.commit);
    });

    test("refuses paths that no file can have, and files in the place of others", async () => {
      const check = async (path: string, files: Record<string, Uint8Array | undefined> = {}) => {
        await expect(write({ [path]: bytes("x"), ...files }), path).rejects.toThrow(RepositoryError);
      };
      for (const path of [
        "",
        "/etc/x",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "a/",
        ".git/config",
        "a/.GIT/x",
        "git~1",
      ])
        await check(path);
      for (const path of ["a\0b", ".git. /x", ".g\u200cit/x", "\ud800"]) await check(path);
      for (const path of ["src", "readme.md/x", "link/x", "vendor/sub", "vendor/sub/x"]) await check(path);
      await check("n/m", { n: bytes("x") });
      const replaced = await write({
        src: bytes("now a file"),
        "src/a.ts": undefined,
        "src/deep/er/b.bin": undefined,
      });
      expect(await (await opened).read(replaced.commit, "src")).toEqual(Buffer.from("now a file"));
      const below = await write({ "empty/x": bytes("now a folder"), empty: undefined });
      expect(await (await opened).read(below.commit, "empty/x")).toEqual(Buffer.from("now a folder"));
      await expect(
        (await opened).write({
          parent: first,
          files: new Map(),
          message: "m",
          author,
          ref: "refs/heads/main",
        }),
      ).rejects.toThrow(RepositoryError);
    });

    test("what was checked out and is written again is the same tree", async () => {
      const repository = await opened;
      const entries = (await repository.list(first)).filter(({ kind }) => kind !== "gitlink");
      const files: [string, Uint8Array | undefined][] = await Promise.all(
        entries.map(async ({ path }) => [path, await repository.read(first, path)]),
      );
      expect((await write(Object.fromEntries(files))).tree).toBe(await repository.treeOf(first));
    });

    test("what is written is what is read", async () => {
      const repository = await opened;
      const part = fc
        .stringMatching(/^[a-z "'\\\n\t.é-]{1,12}$/)
        .filter((text) => !/^\.+$|^\.git/i.test(text));
      const files = fc.dictionary(
        part.map((text) => `new/${text}`),
        fc.uint8Array({ maxLength: 300 }),
        { maxKeys: 5 },
      );
      await fc.assert(
        fc.asyncProperty(files, async (asked) => {
          const { commit } = await write(asked);
          for (const [path, content] of Object.entries(asked)) {
            expect(Buffer.from((await repository.read(commit, path)) ?? [])).toEqual(Buffer.from(content));
          }
        }),
        { numRuns: 20 },
      );
    });

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

    test("squashes a tree onto a parent", async () => {
      const repository = await opened;
      const one = await write({ one: bytes("1") });
      const two = await write({ two: bytes("2") }, one.commit);
      const ref = "refs/rigs/k7m2q9xd/squashed";
      const commit = await repository.squash({ tree: two.tree, parent: first, message: "both", author, ref });
      expect(await repository.treeOf(commit)).toBe(two.tree);
      expect((await repository.changes(first, commit)).map(({ path }) => path)).toEqual(["one", "two"]);
    });

    test("a diff is at most 1 MiB and says when it is cut", async () => {
      const repository = await opened;
      const { commit } = await write({ "long.txt": bytes("0123456789\n".repeat(200_000)) });
      const diff = await repository.diff(first, commit);
      expect(Buffer.byteLength(diff)).toBeLessThanOrEqual(1024 * 1024);
      expect(diff).toContain("the rest of the diff is cut");
    });

    test("tells an unknown commit from a known one in one line", async () => {
      const repository = await opened;
      const questions: readonly (() => Promise<unknown>)[] = [
        () => repository.list(nowhere),
        () => repository.treeOf(nowhere),
        () => repository.checkout(nowhere, folder("none")),
        () => repository.list("--output=/tmp/x" as Commit),
        () => open(root).open(rich.top, nowhere),
      ];
      for (const ask of questions) {
        const error = await ask().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(RepositoryError);
        expect((error as Error).message).not.toContain("\n");
      }
    });

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

    test("the clone stands alone: nothing of the user's repository is needed to read it", async () => {
      const user = sample("alone");
      user.write("a", "1");
      const head = user.commit("first");
      const repository = await open(root).open(user.top, head);
      rmSync(join(user.top, ".git/objects"), { recursive: true });
      expect(existsSync(join(repository.gitDir, "objects/info/alternates"))).toBe(false);
      expect(await repository.read(head, "a")).toEqual(Buffer.from("1"));
      await repository.checkout(head, folder("alone-work"));
    });
  });
}
