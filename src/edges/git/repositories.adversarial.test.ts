import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Commit } from "../../domain/id.ts";
import { type Sample, sampleIn, scratch, userEnvironment } from "../../ports/repository.case.ts";
import { initialiseRepository } from "./initialise.ts";
import { openRepositories } from "./repositories.ts";

const { folder, sample } = scratch();
const root = folder("root");
const repositories = openRepositories({ root, surroundings: userEnvironment });
const bytes = (text: string) => new TextEncoder().encode(text);
const author = "Ada Example <ada@example.org>";

const hooks = [
  "applypatch-msg",
  "commit-msg",
  "fsmonitor-watchman",
  "post-checkout",
  "post-commit",
  "post-index-change",
  "post-merge",
  "post-rewrite",
  "post-update",
  "pre-auto-gc",
  "pre-commit",
  "pre-push",
  "pre-rebase",
  "pre-receive",
  "prepare-commit-msg",
  "proc-receive",
  "push-to-checkout",
  "reference-transaction",
  "sendemail-validate",
  "update",
] as const;

/** Everything we know that a repository's own files can make git run; each writes the marker. */
function poison(user: Sample, gitDir = join(user.top, ".git")): string {
  const marker = join(folder("marker"), "ran");
  const evil = join(dirname(marker), "evil.sh");
  writeFileSync(evil, `#!/bin/sh\necho "$0 $*" >> ${marker}\nexit 1\n`);
  chmodSync(evil, 0o755);
  mkdirSync(join(gitDir, "hooks"), { recursive: true });
  for (const hook of hooks) writeFileSync(join(gitDir, "hooks", hook), readFileSync(evil), { mode: 0o755 });
  const settings = `
[core]
  fsmonitor = ${evil}
  hooksPath = ${join(gitDir, "hooks")}
  pager = ${evil}
  editor = ${evil}
  sshCommand = ${evil}
  askPass = ${evil}
  gitProxy = ${evil}
  alternateRefsCommand = ${evil}
  attributesFile = ${join(gitDir, "attributes")}
[filter "evil"]
  clean = ${evil} clean
  smudge = ${evil} smudge
  required = true
[filter "Odd.na\\"me=x"]
  clean = ${evil} odd
[filter "process"]
  process = ${evil} process
  required = true
[diff]
  external = ${evil}
[diff "evil"]
  command = ${evil}
  textconv = ${evil}
[merge "evil"]
  driver = ${evil}
[alias]
  status = "!${evil}"
  config = "!${evil}"
  pack-objects = "!${evil}"
[credential]
  helper = "!${evil}"
[protocol]
  allow = always
[protocol "ext"]
  allow = always
[url "ext::${evil} "]
  insteadOf = /
  insteadOf = file
[uploadpack]
  packObjectsHook = ${evil}
[commit]
  gpgSign = true
[gpg]
  program = ${evil}
[status]
  submoduleSummary = true
[submodule]
  recurse = true
[gc]
  auto = 1
`;
  appendFileSync(join(gitDir, "config"), settings);
  writeFileSync(join(gitDir, "attributes"), "* filter=process diff=evil\n");
  return marker;
}

/** Same bytes, other times: git can no longer trust the index and must compare contents. */
function touchAll(user: Sample, ...paths: readonly string[]): void {
  for (const path of paths) utimesSync(join(user.top, path), 1_000_000, 1_000_000);
}

test("nothing that a repository configures is ever run", async () => {
  const user = sample("poisoned");
  for (const name of ["a.txt", "b.odd", "c.process"]) user.write(name, `${name}\n`);
  user.write(
    ".gitattributes",
    '*.txt filter=evil diff=evil merge=evil\n*.odd filter=Odd.na"me=x\n*.process filter=process\n',
  );
  const head = user.commit("first");
  const marker = poison(user);

  touchAll(user, "a.txt", "b.odd", "c.process");
  const unguarded = [
    "-C",
    user.top,
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "diff",
    "HEAD",
    "--",
  ];
  // It fails, because a filter is required and ours is none; what counts is that it was started.
  for (const path of ["a.txt", "b.odd", "c.process"]) {
    spawnSync("git", [...unguarded, path], { env: userEnvironment, stdio: "ignore", timeout: 10_000 });
  }
  const ran = readFileSync(marker, "utf8");
  for (const word of ["clean", "odd", "process"])
    expect(ran, "the poison works on a git that is not guarded").toContain(word);
  rmSync(marker);

  touchAll(user, "b.odd", "c.process");
  user.write("a.txt", "changed\n");
  user.write("new.txt", "new\n");
  const survey = await repositories.survey(user.top);
  expect(survey).toMatchObject({ dirty: ["a.txt"], untracked: ["new.txt"] });
  const snapshot = await repositories.snapshot(user.top);
  const repository = await repositories.open(user.top, snapshot);
  expect(await repository.read(snapshot, "a.txt")).toEqual(Buffer.from("changed\n"));
  const files = new Map([["a.txt", bytes("again\n")]]);
  const { commit } = await repository.write({
    parent: head,
    files,
    message: "m",
    author,
    ref: "refs/rigs/x/y",
  });
  await repository.diff(head, commit);
  await repository.checkout(commit, folder("work"));
  await repository.deliver(commit, "rigs/x");
  expect(readFileSync(join(user.top, ".git/refs/heads/rigs/x"), "utf8").trim()).toBe(commit);
  expect(existsSync(marker) ? readFileSync(marker, "utf8") : "").toBe("");
});

test("a filter whose name cannot be overridden is refused, not run", async () => {
  const user = sample("strange");
  user.write("a.txt", "a");
  user.commit("first");
  const marker = poison(user);
  appendFileSync(
    join(user.top, ".git/config"),
    Buffer.from('[filter "\xff"]\nclean = touch marker\n', "latin1"),
  );
  await expect(repositories.survey(user.top)).rejects.toThrow(/filters that cannot be switched off/);
  expect(existsSync(marker)).toBe(false);
});

test("a first commit of a poisoned folder runs nothing either", async () => {
  const user = sample("unborn");
  user.write("a.txt", "a\n");
  user.write(".gitattributes", "* filter=evil\n");
  user.write("node_modules/x/index.js", "x");
  user.write(".env", "SECRET=1");
  const marker = poison(user);
  const made = await initialiseRepository(user.top, { surroundings: userEnvironment });
  expect(made).toMatchObject({ files: 2, leftOut: ["node_modules", ".env"], author });
  expect(existsSync(marker)).toBe(false);
});

test("no attribute changes a byte on the way out", async () => {
  const user = sample("attributes");
  user.write("seed", "1");
  const head = user.commit("first");
  const repository = await repositories.open(user.top, head);
  const attributes =
    "* text=auto eol=crlf ident working-tree-encoding=UTF-16 export-subst filter=lfs\n*.hidden export-ignore\n";
  const contents = {
    ".gitattributes": attributes,
    "sub/.gitattributes": attributes,
    "sub/id.txt": "$Id$ $Format:%H$\n",
    "unix.txt": "a\nb\n",
    "dos.txt": "a\r\nb\r\n",
    "x.hidden": "seen",
    "big.lfs": `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`,
  };
  const files = new Map(Object.entries(contents).map(([path, text]) => [path, bytes(text)]));
  const { commit } = await repository.write({
    parent: head,
    files,
    message: "m",
    author,
    ref: "refs/rigs/x/y",
  });
  const work = folder("work");
  await repository.checkout(commit, work);
  for (const [path, text] of Object.entries(contents))
    expect(readFileSync(join(work, path), "utf8"), path).toBe(text);
});

test("a repository inside the repository is neither entered nor taken", async () => {
  const user = sample("outer");
  user.write("a", "1");
  user.commit("first");
  const linked = sampleIn(join(user.top, "linked"));
  linked.write("x", "1");
  linked.commit("inner");
  user.git("add", "linked");
  user.git("commit", "-q", "-m", "gitlink");
  const loose = sampleIn(join(user.top, "loose"));
  loose.write("y", "1");
  loose.commit("inner");
  const markers = [poison(user), poison(linked), poison(loose)];
  linked.write("x", "2");
  touchAll(user, "a");
  expect(await repositories.survey(user.top)).toMatchObject({ dirty: [], untracked: ["loose/"] });
  user.write("a", "2");
  const commit = await repositories.snapshot(user.top);
  const paths = (await (await repositories.open(user.top, commit)).list(commit)).map(({ path }) => path);
  expect(paths).toEqual(["a", "linked"]);
  expect(markers.filter(existsSync)).toEqual([]);
});

test("files that live elsewhere by core.worktree are not taken for the repository's", async () => {
  const user = sample("elsewhere");
  user.write("a", "1");
  const head = user.commit("first");
  const outside = folder("outside");
  writeFileSync(join(outside, "secret"), "secret");
  user.git("config", "core.worktree", outside);
  for (const ask of [
    repositories.survey,
    repositories.snapshot,
    (top: string) => repositories.open(top, head),
  ]) {
    await expect(ask(user.top)).rejects.toThrow(/core\.worktree/);
  }
});

test("a partial clone asks nobody for what it lacks", async () => {
  const user = sample("partial");
  user.write("a", "1");
  const head = user.commit("first");
  const blob = user.git("rev-parse", "HEAD:a");
  rmSync(join(user.top, ".git/objects", blob.slice(0, 2), blob.slice(2)));
  const marker = poison(user);
  const evil = join(dirname(marker), "evil.sh");
  appendFileSync(
    join(user.top, ".git/config"),
    `[core]\nrepositoryFormatVersion = 1\n[extensions]\npartialClone = origin\n[remote "origin"]\nurl = ext::${evil}\nvcs = ext\npromisor = true\n`,
  );
  await expect(repositories.open(user.top, head)).rejects.toThrow(/lacks objects/);
  expect(existsSync(marker)).toBe(false);
  spawnSync("git", ["-C", user.top, "cat-file", "blob", blob], {
    env: userEnvironment,
    stdio: "ignore",
    timeout: 10_000,
  });
  expect(existsSync(marker), "a git that is not guarded asks").toBe(true);
});

/** A tree of raw entries, with names that git would refuse. */
function rawTree(
  user: Sample,
  entries: readonly (readonly [mode: string, name: string, object: string])[],
): string {
  const body = entries.map(([mode, name, object]) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(object, "hex")]),
  );
  return execFileSync("git", ["-C", user.top, "hash-object", "-w", "-t", "tree", "--literally", "--stdin"], {
    env: userEnvironment,
    input: Buffer.concat(body),
  })
    .toString()
    .trim();
}

test("trees that lead out of the folder are refused before anything is written", async () => {
  const user = sample("traversal");
  user.write("a", "1");
  const first = user.commit("first");
  const blob = user.git("rev-parse", "HEAD:a");
  const target = folder("target");
  const link = execFileSync("git", ["-C", user.top, "hash-object", "-w", "--stdin"], {
    env: userEnvironment,
    input: target,
  })
    .toString()
    .trim();
  const inner = rawTree(user, [["100644", "pwned", blob]]);
  const check = async (entries: Parameters<typeof rawTree>[1]) => {
    const commit = user.git("commit-tree", "-p", first, "-m", "evil", rawTree(user, entries)) as Commit;
    user.git("update-ref", "HEAD", commit);
    const repository = await repositories.open(user.top, commit);
    const work = join(folder("nest"), "work");
    await expect(repository.list(commit)).rejects.toThrow(/the commit holds/);
    await expect(repository.checkout(commit, work)).rejects.toThrow(/the commit holds/);
    expect(existsSync(work)).toBe(false);
    expect(readdirSync(dirname(work))).toEqual([]);
    expect(readdirSync(target)).toEqual([]);
  };
  await check([["100644", "../pwned", blob]]);
  await check([["40000", "..", inner]]);
  await check([["40000", ".git", inner]]);
  await check([["40000", ".GIT", inner]]);
  await check([["100644", "/tmp/pwned", blob]]);
  await check([["100644", "a//b", blob]]);
  await check([
    ["120000", "out", link],
    ["40000", "out", inner],
  ]);
  await check([
    ["100644", "twice", blob],
    ["120000", "twice", link],
  ]);
});

test("a tree that unfolds without end is refused in bounded time", async () => {
  const user = sample("bomb");
  user.write("a", "1");
  const first = user.commit("first");
  let tree = rawTree(user, [["100644", "f", user.git("rev-parse", "HEAD:a")]]);
  for (let level = 0; level < 12; level++) {
    const below = tree;
    tree = rawTree(
      user,
      [..."0123456789"].map((name) => ["40000", name, below] as const),
    );
  }
  const commit = user.git("commit-tree", "-p", first, "-m", "bomb", tree) as Commit;
  const repository = await repositories.open(user.top, commit);
  await expect(repository.checkout(commit, folder("work"))).rejects.toThrow(/too large/);
});
