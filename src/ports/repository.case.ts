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
import { type Repositories, RepositoryError } from "./repository.ts";

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

export const bytes = (text: string) => new TextEncoder().encode(text);
export const author = "Ada Example <ada@example.org>";
export const nowhere = "0123456789012345678901234567890123456789" as Commit;

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
