import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Commit } from "../../domain/id.ts";
import { pictureOf, sampleIn, scratch, userEnvironment } from "../../ports/repository.case.ts";
import { openRepositories } from "./repositories.ts";

const { folder, sample } = scratch();
const root = folder("root");
const repositories = openRepositories({ root, surroundings: userEnvironment });
const bytes = (text: string) => new TextEncoder().encode(text);
const author = "Ada Example <ada@example.org>";

/** Survey, copy, write and deliver: the whole way through one repository. */
async function roundTrip(top: string, branch = "rigs/k7m2q9xd", content = bytes("new")) {
  const survey = await repositories.survey(top);
  const repository = await repositories.open(survey.top, survey.head);
  const files = new Map([["new.txt", content]]);
  const draft = { parent: survey.head, files, message: "m", author, ref: "refs/rigs/k7m2q9xd/r1" };
  const { commit } = await repository.write(draft);
  await repository.deliver(commit, branch);
  return { survey, repository, commit };
}

function small(name: string) {
  const user = sample(name);
  user.write("a", "1");
  return { user, head: user.commit("first") };
}

test("a linked worktree is surveyed at its own HEAD and delivered to", async () => {
  const { user } = small("main");
  const linked = folder("linked");
  user.git("worktree", "add", "-q", "-b", "side", linked);
  writeFileSync(join(linked, "b"), "b");
  const { survey, commit } = await roundTrip(linked);
  expect(survey).toMatchObject({ top: linked, untracked: ["b"], dirty: [] });
  expect(user.git("rev-parse", "rigs/k7m2q9xd")).toBe(commit);
});

test("a branch that leaves no room for rigs/… is said at once, loose, packed and from a worktree", async () => {
  const { user } = small("in-the-way");
  user.git("branch", "rigs");
  const why =
    /the branch rigs of ".*" stands where branches like rigs\/.* rename it \(git branch -m rigs rigs-mine\)$/;
  await expect(repositories.survey(user.top)).rejects.toThrow(why);
  const linked = folder("linked");
  user.git("worktree", "add", "-q", "-b", "side", linked);
  await expect(repositories.survey(linked)).rejects.toThrow(why);
  user.git("pack-refs", "--all");
  expect(existsSync(join(user.top, ".git/refs/heads/rigs"))).toBe(false);
  await expect(repositories.survey(user.top)).rejects.toThrow(why);
  user.git("branch", "-m", "rigs", "rigs-mine");
  await roundTrip(user.top);
  await expect(repositories.survey(user.top), "our own branches are no hindrance").resolves.toBeTruthy();
});

test("a repository that cannot keep what is delivered is named, with its own cause", async () => {
  const { user } = small("unwritable");
  // As a read-only disk or a full one does, also to root.
  const packs = join(user.top, ".git/objects/pack");
  rmSync(packs, { recursive: true });
  writeFileSync(packs, "");
  // More than a pipe holds: the packing is cut short too, and its complaint is about nothing.
  const large = randomBytes(1_000_000);
  await expect(roundTrip(user.top, "rigs/k7m2q9xd", large)).rejects.toThrow(
    /^git could not keep [0-9a-f]{40} in ".*unwritable.*\.git" \((?!hint).*\): check that it can be written and the free space/,
  );
  rmSync(packs);
  await roundTrip(user.top);
});

test("a submodule is a repository of its own; its parent keeps it as an entry and never enters it", async () => {
  const inner = small("inner");
  const outer = small("outer");
  outer.user.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", inner.user.top, "sub");
  outer.user.commit("with submodule");
  writeFileSync(join(outer.user.top, "sub/a"), "changed inside");
  const around = await roundTrip(outer.user.top);
  expect(around.survey).toMatchObject({ dirty: [], untracked: [] });
  expect(await around.repository.list(around.commit)).toContainEqual({
    path: "sub",
    kind: "gitlink",
    bytes: 0,
  });
  const work = folder("work");
  await around.repository.checkout(around.commit, work);
  expect(readdirSync(join(work, "sub"))).toEqual([]);
  const within = await roundTrip(join(outer.user.top, "sub"));
  expect(within.survey).toMatchObject({ top: join(outer.user.top, "sub"), head: inner.head, dirty: ["a"] });
});

test("a detached HEAD is as good as a branch", async () => {
  const { user, head } = small("detached");
  user.git("checkout", "-q", "--detach");
  expect((await roundTrip(user.top)).survey.head).toBe(head);
});

test("a shallow clone stays shallow, and what is deepened later is copied whole", async () => {
  const { user, head: first } = small("deep");
  user.git("checkout", "-q", "-b", "side");
  user.write("side", "1");
  user.commit("side");
  user.git("checkout", "-q", "main");
  user.write("a", "2");
  const second = user.commit("second");
  const top = folder("shallow");
  rmSync(top, { recursive: true });
  execFileSync("git", ["clone", "-q", "--depth=1", `file://${user.top}`, top], { env: userEnvironment });
  const { repository } = await roundTrip(top);
  expect(readFileSync(join(repository.gitDir, "shallow"), "utf8").trim()).toBe(second);
  const copy = {
    git: (...list: string[]) => execFileSync("git", ["-C", top, ...list], { env: userEnvironment }),
  };
  copy.git("fetch", "-q", "--unshallow", "origin", "main", "side:side");
  copy.git("merge", "-q", "-m", "merged", "side");
  const { survey } = await roundTrip(top, "rigs/other");
  expect(survey.head).not.toBe(second);
  const git = (...list: string[]) =>
    execFileSync("git", [`--git-dir=${repository.gitDir}`, ...list])
      .toString()
      .trim();
  expect(git("rev-list", "--count", survey.head)).toBe("4");
  expect(git("rev-parse", `${survey.head}~2`)).toBe(first);
  git("fsck", "--strict");
});

test("a SHA-256 repository is copied as such", async () => {
  const user = sampleIn(folder("sha256"), "--object-format=sha256");
  user.write("a", "1");
  const head = user.commit("first");
  const { commit, repository } = await roundTrip(user.top);
  expect([head.length, commit.length]).toEqual([64, 64]);
  expect(user.git("rev-parse", "rigs/k7m2q9xd")).toBe(commit);
  expect(repository.gitDir).toMatch(/\.sha256\.git$/);
});

test("names that are not UTF-8 survive survey, snapshot, list, read, write and checkout", async () => {
  const { user } = small("latin");
  const name = Buffer.concat([Buffer.from(`${user.top}/`), Buffer.from([0x66, 0xfc, 0x72])]);
  writeFileSync(name, "for");
  expect((await repositories.survey(user.top)).untracked).toEqual(["f\udcfcr"]);
  const commit = await repositories.snapshot(user.top);
  const repository = await repositories.open(user.top, commit);
  expect((await repository.list(commit)).map(({ path }) => path)).toEqual(["a", "f\udcfcr"]);
  expect(await repository.read(commit, "f\udcfcr")).toEqual(Buffer.from("for"));
  const files = new Map([["f\udcfcr", bytes("two")]]);
  const revised = await repository.write({
    parent: commit,
    files,
    message: "m",
    author,
    ref: "refs/rigs/x/y",
  });
  expect(revised.changes).toEqual([{ path: "f\udcfcr", kind: "modified", before: "file", after: "file" }]);
  const work = folder("work");
  await repository.checkout(revised.commit, work);
  expect(readdirSync(work, { encoding: "buffer" })).toContainEqual(Buffer.from([0x66, 0xfc, 0x72]));
});

test("a repository that borrows objects is copied whole", async () => {
  const { user } = small("lender");
  const top = folder("borrower");
  rmSync(top, { recursive: true });
  execFileSync("git", ["clone", "-q", "--shared", user.top, top], { env: userEnvironment });
  const { repository, commit } = await roundTrip(top);
  rmSync(user.top, { recursive: true });
  await repository.checkout(commit, folder("work"));
});

test("a replaced commit is read as it was made, not as it was replaced", async () => {
  const { user, head } = small("replaced");
  user.write("a", "forged");
  const forged = user.commit("forged");
  user.git("reset", "-q", "--hard", head);
  user.git("replace", head, forged);
  expect(await repositories.survey(user.top)).toMatchObject({ head, dirty: [] });
  const repository = await repositories.open(user.top, head);
  expect(await repository.read(head, "a")).toEqual(Buffer.from("1"));
});

test("another user's repository is read, and what is written there belongs to them", async ({ skip }) => {
  skip(process.getuid?.() !== 0, "only root can give a repository to somebody else");
  const { user } = small("others");
  const top = join(folder("open"), "theirs");
  renameSync(user.top, top);
  execFileSync("chmod", ["-R", "go+rX", join(top, "../..")]);
  execFileSync("chown", ["-R", "65534:65534", top]);
  const { commit } = await roundTrip(top);
  const ref = join(top, ".git/refs/heads/rigs/k7m2q9xd");
  expect(readFileSync(ref, "utf8").trim()).toBe(commit);
  expect([statSync(ref).uid, statSync(join(top, ".git/refs/heads/rigs")).uid]).toEqual([65534, 65534]);
  chownSync(top, 0, 0);
});

test("the author is the user's: environment, then the repository, then the global file, then Rigs", async () => {
  const { user } = small("author");
  const home = folder("home");
  const check = async (surroundings: Record<string, string>, expected: string) => {
    const found = await openRepositories({
      root,
      surroundings: { PATH: userEnvironment.PATH, ...surroundings },
    }).survey(user.top);
    expect(found.author).toBe(expected);
  };
  await check({ HOME: home, GIT_CONFIG_NOSYSTEM: "1" }, "Rigs <rigs@localhost>");
  writeFileSync(
    join(home, ".gitconfig"),
    `[user]\nname = Global\nemail = g@x\n[core]\nexcludesFile = ~/ignored\n`,
  );
  await check({ HOME: home, GIT_CONFIG_NOSYSTEM: "1" }, "Global <g@x>");
  user.git("config", "user.name", "Local < >\tName.");
  await check({ HOME: home, GIT_CONFIG_NOSYSTEM: "1" }, "Local  Name <g@x>");
  await check({ HOME: home, GIT_AUTHOR_NAME: "Env", GIT_AUTHOR_EMAIL: "e@x" }, "Env <e@x>");
  writeFileSync(join(home, "ignored"), "*.tmp\n");
  user.write("x.tmp", "1");
  user.write("y", "1");
  const survey = await openRepositories({
    root,
    surroundings: { PATH: userEnvironment.PATH, HOME: home },
  }).survey(user.top);
  expect(survey.untracked).toEqual(["y"]);
});

test("a missing git is said with the command that installs it", async () => {
  const { user } = small("no-git");
  const without = openRepositories({ root, git: "no-such-git", surroundings: userEnvironment });
  await expect(without.survey(user.top)).rejects.toThrow(/not installed: sudo apt-get install -y git/);
});

test("a thousand files come out as they went in, small and large", async () => {
  const user = sample("many");
  for (let count = 0; count < 1_000; count++)
    user.write(`d${count % 50}/f${count}.txt`, `content ${count}\n`);
  user.write("large.bin", Buffer.alloc(6_000_000, "0123456789abcdef"));
  const head = user.commit("many");
  const repository = await repositories.open(user.top, head);
  const work = folder("work");
  await repository.checkout(head, work);
  const expected = Object.entries(pictureOf(user.top)).filter(([path]) => !path.startsWith(".git/"));
  expect(expected).toHaveLength(1_051);
  expect(pictureOf(work)).toEqual(Object.fromEntries(expected));
});

test("processes at once, one of them killed, leave whole repositories", async () => {
  const { user, head } = small("processes");
  user.write("big.bin", Buffer.alloc(3_000_000, "0123456789abcdef"));
  const second = user.commit("second");
  const own = folder("own-root");
  const script = `
    import { openRepositories } from ${JSON.stringify(join(import.meta.dirname, "repositories.ts"))};
    const [, root, top, commit, name] = process.argv;
    const repository = await openRepositories({ root }).open(top, commit);
    process.stdout.write("open\\n");
    for (let count = 0; count < 3; count++) {
      const files = new Map([["n", new TextEncoder().encode(name + count)]]);
      const revised = await repository.write({ parent: commit, files, message: "m", author: "A <a@b>", ref: "refs/rigs/" + name + "/r" });
      await repository.deliver(revised.commit, "rigs/" + name);
    }`;
  const start = (commit: Commit, name: string) =>
    spawn(process.execPath, ["--input-type=module", "-e", script, own, user.top, commit, name], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const children = [start(head, "p1"), start(second, "p2"), start(second, "p3")];
  const ends = children.map((child) => once(child, "close"));
  const victim = children[2];
  victim?.stdout.once("data", () => victim.kill("SIGKILL"));
  const [one, two, three] = await Promise.all(ends);
  expect([one?.[0], two?.[0], three?.[1]]).toEqual([0, 0, "SIGKILL"]);
  user.git("fsck", "--strict", "--no-dangling");
  const again = openRepositories({ root: own, surroundings: userEnvironment });
  const repository = await again.open(user.top, second);
  execFileSync("git", [`--git-dir=${repository.gitDir}`, "fsck", "--strict"], { stdio: "ignore" });
  for (const name of ["p1", "p2"]) expect(user.git("show", `rigs/${name}:n`)).toBe(`${name}2`);
  expect(existsSync(join(repository.gitDir, "hooks"))).toBe(false);
});

test("a folder that is a link is not emptied", async () => {
  const { user, head } = small("linked-folder");
  const repository = await repositories.open(user.top, head);
  const outside = folder("outside");
  writeFileSync(join(outside, "precious"), "precious");
  const link = join(folder("links"), "link");
  symlinkSync(outside, link);
  await expect(repository.checkout(head, link)).rejects.toThrow(/is no folder/);
  expect(readdirSync(outside)).toEqual(["precious"]);
});
