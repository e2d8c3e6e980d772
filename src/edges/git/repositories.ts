import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import type { Commit } from "../../domain/id.ts";
import {
  type Change,
  type Repositories,
  type Repository,
  RepositoryError,
  type Revised,
} from "../../ports/repository.ts";
import { checkOut } from "./checkout.ts";
import { bring, type Clone, openClone } from "./clone.ts";
import { type Git, openGit } from "./command.ts";
import { deliverBranch } from "./deliver.ts";
import { openMemory } from "./memory.ts";
import { mergeTrees } from "./merge.ts";
import { type Objects, openObjects } from "./objects.ts";
import { checkObjectName } from "./path.ts";
import { commitEdits, commitTree, editsFor } from "./revision.ts";
import { editsOf } from "./snapshot.ts";
import { findSource, refuseRigsBranch } from "./source.ts";
import { authorOf, headOf, type Surroundings, statusOf } from "./survey.ts";
import {
  changesBetween,
  changesFrom,
  type Finder,
  type Found,
  type Leaf,
  leaves,
  openFinder,
} from "./tree.ts";

const diffBytesMax = 1024 * 1024;
/** Entries of all listings and comparisons that one repository keeps in memory, some 200 bytes each. */
const entriesKeptMax = 50_000;
/** Commits whose folders are kept as they were read. */
const findersMax = 2;
/** Repositories kept open; an idle one holds no process. */
const openMax = 32;

/**
 * Private clones below `root` (absolute). `git` is the program, found on PATH; `surroundings` is the user's
 * environment, from which only PATH, HOME, XDG_CONFIG_HOME, GIT_CONFIG_GLOBAL, GIT_CONFIG_NOSYSTEM and GIT_AUTHOR_* are read.
 *
 * Names that are not UTF-8 hold lone surrogates (see path.ts) and survive every way through this port.
 */
export function openRepositories(options: {
  readonly root: string;
  readonly git?: string;
  readonly surroundings?: Surroundings;
}): Repositories {
  const surroundings = options.surroundings ?? process.env;
  const git = openGit(options.git ?? "git", surroundings.PATH ?? "/usr/local/bin:/usr/bin:/bin");
  const root = resolve(options.root);
  const known = openMemory<Repository>(() => 1, openMax);
  return {
    async survey(folder) {
      const source = await findSource(git, folder);
      await refuseRigsBranch(source);
      const head = headOf(git, source);
      const others = Promise.all([
        authorOf(git, source.gitDir, surroundings),
        statusOf(git, source, surroundings),
      ]).catch(async (error: unknown) => {
        // A HEAD that leads nowhere explains whatever else failed.
        await head;
        throw error;
      });
      const [commit, [author, status]] = await Promise.all([head, others]);
      return { top: source.top, head: commit as Commit, author, ...status };
    },
    async snapshot(top) {
      const source = await findSource(git, top);
      const head = (await headOf(git, source)) as Commit;
      const edits = await editsOf(source.top, await statusOf(git, source, surroundings));
      if (edits.length === 0) return head;
      const clone = await openClone(git, root, source);
      await bring(git, clone, head);
      const author = await authorOf(git, source.gitDir, surroundings);
      const ref = `refs/rigs/snapshot/${randomBytes(8).toString("hex")}`;
      const draft = { parent: head, message: "Work in progress, as Rigs found it", author, ref };
      return (await commitEdits(git, clone.gitDir, draft, edits)) as Commit;
    },
    async open(top, commit) {
      checkObjectName(commit);
      const clone = await openClone(git, root, await findSource(git, top));
      await bring(git, clone, commit);
      return known.get(JSON.stringify(clone), async () => openRepository(git, clone));
    },
  };
}

function openRepository(git: Git, clone: Clone): Repository {
  const { gitDir } = clone;
  const objects = openObjects(git, gitDir);
  const parts = { git, gitDir, objects };
  const lists = openMemory<readonly Leaf[]>((entries) => entries.length + 1, entriesKeptMax);
  const differences = openMemory<readonly Change[]>((changes) => changes.length + 1, entriesKeptMax);
  const finders = openMemory<Finder>(() => 1, findersMax);
  const leavesOf = (commit: string) => lists.get(commit, () => leaves(git, gitDir, commit));
  const changes = (from: Commit, to: Commit) =>
    differences.get(`${from} ${to}`, async () => {
      const [before, after] = [lists.peek(from), lists.peek(to)];
      if (before === undefined || after === undefined) return changesBetween(git, gitDir, { from, to });
      return changesFrom(await before, await after);
    });
  return {
    gitDir,
    list: async (commit) => (await leavesOf(commit)).map(({ path, kind, bytes }) => ({ path, kind, bytes })),
    read: async (commit, path) =>
      readFound(objects, await (await finders.get(commit, () => openFinder(objects, commit)))(path)),
    changes,
    diff: (from, to) => diffBetween(git, gitDir, from, to),
    treeOf: (commit) => treeOf(objects, commit),
    checkout: (commit, folder) => checkOut(parts, commit, resolve(folder)),
    async write(ask): Promise<Revised> {
      const edits = await editsFor(parts, ask.parent, ask.files);
      const commit = (await commitEdits(git, gitDir, ask, edits)) as Commit;
      // Somebody who listed the parent lists this one next, and two listings tell the difference.
      if (lists.peek(ask.parent) !== undefined) leavesOf(commit).catch(() => undefined);
      const [tree, changed] = await Promise.all([treeOf(objects, commit), changes(ask.parent, commit)]);
      return { commit, tree, changes: changed };
    },
    squash: async (ask) => (await commitTree(git, gitDir, ask.tree, ask)) as Commit,
    merge: (ours, theirs) => mergeTrees(git, gitDir, ours, theirs),
    deliver: (commit, branch) => deliverBranch(git, clone, commit, branch),
  };
}

async function readFound(objects: Objects, found: Found): Promise<Uint8Array | undefined> {
  if (found.kind === "absent" || found.kind === "folder" || found.kind === "gitlink") return undefined;
  return (await objects.get(found.object))?.bytes;
}

async function treeOf(objects: Objects, commit: string): Promise<string> {
  const tree = await objects.get(`${checkObjectName(commit)}^{tree}`);
  if (tree !== undefined) return tree.name;
  throw new RepositoryError(`${commit} is no commit here: open the repository with it first`);
}

/** Cut at 1 MiB with a line that says so; a cut diff is an answer here, not a failure. */
async function diffBetween(git: Git, gitDir: string, from: string, to: string): Promise<string> {
  const mark = "\n[… the rest of the diff is cut …]\n";
  const ran = await git.run({
    gitDir,
    arguments: [
      "diff-tree",
      "-r",
      "-p",
      "--no-ext-diff",
      "--no-textconv",
      "--no-color",
      "--find-renames",
      "--src-prefix=a/",
      "--dst-prefix=b/",
      checkObjectName(from),
      checkObjectName(to),
      "--",
    ],
    outputBytesMax: diffBytesMax - Buffer.byteLength(mark),
  });
  if (ran.limit === "output") return ran.stdout.toString("utf8") + mark;
  if (ran.exitCode === 0) return ran.stdout.toString("utf8");
  throw new RepositoryError(
    `git could not compare ${from} with ${to}: check that both are commits of this repository`,
  );
}
