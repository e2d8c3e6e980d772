import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { RepositoryError } from "../../ports/repository.ts";
import { answer, complaintOf, exitOf, type Git, type Owner, refusal } from "./command.ts";
import { holding } from "./lock.ts";
import { openObjects } from "./objects.ts";
import { isObjectName, shown } from "./path.ts";
import { commonFolder, type Source } from "./source.ts";

/**
 * A private bare clone.
 *
 * 1. Made by us from an empty template: no hook, no alternate, no remote; HEAD is never born, so that no tree's
 *    attributes apply to it.
 * 2. An object is there only with everything it leads to (up to `shallow`): packs arrive whole or not at all, nothing
 *    is ever collected. So "the commit is there" means "the commit can be checked out".
 * 3. `refs/rigs/base/<commit>` names what was copied, `refs/rigs/delivered/<branch>/<commit>` what was delivered.
 */
export interface Clone {
  readonly gitDir: string;
  readonly lock: string;
  readonly source: Source;
}

const wallMsMax = 3_600_000;
const havesMax = 256;

/** The clone of a source below `root`, made when it is missing. */
export async function openClone(git: Git, root: string, source: Source): Promise<Clone> {
  const gitDir = cloneFolder(root, source);
  const clone = { gitDir, lock: `${gitDir}.lock`, source };
  await mkdir(root, { recursive: true });
  if ((await stat(join(gitDir, "HEAD")).catch(() => undefined)) === undefined) await make(git, clone);
  return clone;
}

/** Where the clone of a source lies below `root`; it need not be there. */
export function cloneFolder(
  root: string,
  { top, objectFormat }: Pick<Source, "top" | "objectFormat">,
): string {
  const suffix = objectFormat === "sha256" ? ".sha256.git" : ".git";
  return join(root, createHash("sha256").update(top).digest("hex").slice(0, 32) + suffix);
}

/** Built aside and renamed, so that a kill leaves no half clone under the name. */
async function make(git: Git, { gitDir, source }: Clone): Promise<void> {
  const draft = `${gitDir}.${randomBytes(6).toString("hex")}.new`;
  try {
    await answer(
      git,
      {
        gitDir: undefined,
        arguments: [
          "init",
          "--quiet",
          "--bare",
          "--template=",
          "--initial-branch=none",
          `--object-format=${source.objectFormat}`,
          "--",
          draft,
        ],
      },
      `make ${shown(draft)}`,
      "check that its parent can be written",
    );
    await chmod(draft, 0o700);
    await writeFile(join(draft, "description"), `Rigs' private clone of ${source.top}\n`);
    await rename(draft, gitDir);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if ((await stat(join(gitDir, "HEAD")).catch(() => undefined)) === undefined) throw error;
  }
}

/** Copies a commit with all it leads to into the clone, unless it is there. Only reads the source. */
export async function bring(git: Git, clone: Clone, commit: string): Promise<void> {
  if (await isBase(clone, commit)) return;
  await holding(clone.lock, async () => {
    const [isHere, isThere, theirs, ours] = await Promise.all([
      hasCommit(git, clone.gitDir, commit),
      hasCommit(git, clone.source.gitDir, commit),
      shallowOf(clone.source.gitDir),
      shallowOf(clone.gitDir),
    ]);
    if (isHere) return;
    if (!isThere) {
      throw new RepositoryError(
        `the commit ${commit} is not in ${shown(clone.source.top)}: fetch it, or start the goal again from HEAD`,
      );
    }
    // What was cut at another depth may lack parents that the source now takes as known to us.
    const isSameDepth = theirs.join() === ours.join();
    const haves = isSameDepth ? await shared(git, clone, clone.source.gitDir) : [];
    await send(git, { from: clone.source.gitDir, to: clone.gitDir, commit, haves, owner: undefined });
    if (!isSameDepth) await keepShallow(git, clone.gitDir, [...new Set([...theirs, ...ours])]);
    await keepBase(clone.gitDir, commit);
  });
}

/** A loose reference, as git writes one (gitrepository-layout(5), "refs"): a file with the name, whole or not there. */
async function keepBase(gitDir: string, commit: string): Promise<void> {
  const folder = join(gitDir, "refs/rigs/base");
  const draft = join(gitDir, `${randomBytes(6).toString("hex")}.new`);
  await mkdir(folder, { recursive: true });
  await writeFile(draft, `${commit}\n`, { flush: true });
  await rename(draft, join(folder, commit));
}

/** The name of a base commit is written when all of it is there; a look at the file costs no process. */
async function isBase({ gitDir }: Clone, commit: string): Promise<boolean> {
  const name = await readFile(join(gitDir, "refs/rigs/base", commit), "utf8").catch(() => "");
  return name.trim() === commit;
}

export async function hasCommit(git: Git, gitDir: string, commit: string): Promise<boolean> {
  const found = await existing(git, gitDir, [commit]);
  return found.length === 1;
}

/** Those of `names` that are commits of the repository. */
export async function existing(
  git: Git,
  gitDir: string,
  names: readonly string[],
): Promise<readonly string[]> {
  if (names.length === 0) return [];
  const said = await answer(
    git,
    {
      gitDir,
      arguments: ["cat-file", "--batch-check=%(objectname) %(objecttype)"],
      input: names.map((name) => `${name}\n`).join(""),
    },
    `read ${shown(gitDir)}`,
    "run `git fsck` there and mend what it says",
  );
  const lines = said.toString("utf8").split("\n");
  return lines.filter((line) => line.endsWith(" commit")).map((line) => line.slice(0, -" commit".length));
}

/** Base commits of ours that the other repository also has, newest first: what a pack may leave out. */
export async function shared(git: Git, clone: Clone, gitDir: string): Promise<readonly string[]> {
  const isNew = (await stat(join(clone.gitDir, "refs/rigs/base")).catch(() => undefined)) === undefined;
  if (isNew) return [];
  const said = await answer(
    git,
    {
      gitDir: clone.gitDir,
      arguments: [
        "for-each-ref",
        "--sort=-committerdate",
        `--count=${havesMax}`,
        "--format=%(objectname)",
        "refs/rigs/base/",
      ],
    },
    "list the base commits",
    `remove ${shown(clone.gitDir)} when it is damaged; it is made again`,
  );
  const names = said.toString("utf8").split("\n").filter(isObjectName);
  return existing(git, gitDir, names);
}

/**
 * Moves a commit and what it leads to, but for what `haves` lead to, from one repository into another: no transport,
 * no remote, no hook. `index-pack` checks every object and keeps the pack only when it is whole.
 */
export async function send(
  git: Git,
  ask: {
    readonly from: string;
    readonly to: string;
    readonly commit: string;
    readonly haves: readonly string[];
    readonly owner: Owner | undefined;
  },
): Promise<void> {
  const packing = git.start({
    gitDir: ask.from,
    arguments: ["pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset"],
  });
  const keeping = git.start({ gitDir: ask.to, arguments: ["index-pack", "--stdin"], owner: ask.owner });
  const complaints = [complaintOf(packing), complaintOf(keeping)] as const;
  const timer = setTimeout(() => packing.kill("SIGKILL"), wallMsMax);
  packing.stdin.on("error", () => {});
  packing.stdin.end([ask.commit, ...ask.haves.map((have) => `^${have}`), ""].join("\n"));
  keeping.stdout.resume();
  const [packed, kept] = await Promise.all([
    exitOf(packing),
    exitOf(keeping),
    // A broken pipe is told by the exit codes.
    pipeline(packing.stdout, keeping.stdin).catch(() => {}),
  ]).finally(() => clearTimeout(timer));
  // Whoever cannot keep what comes ends the pipe, and with it the packing; who gets too little says so.
  const isCutShort = /early EOF|end of (file|input|pack)|eof before/i.test(complaints[1]());
  if (packed !== 0 && (kept === 0 || isCutShort)) {
    const ran = { exitCode: packed, stderr: complaints[0](), limit: undefined };
    throw refusal(
      ran,
      `copy ${ask.commit} from ${shown(ask.from)}`,
      "it lacks objects; run `git fsck` there and `git fetch` what is missing",
    );
  }
  if (kept !== 0) {
    const ran = { exitCode: kept, stderr: complaints[1](), limit: undefined };
    throw refusal(
      ran,
      `keep ${ask.commit} in ${shown(ask.to)}`,
      "check that it can be written and the free space of its disk",
    );
  }
}

/** Commits whose parents the repository does not have, on purpose; sorted. */
async function shallowOf(gitDir: string): Promise<readonly string[]> {
  const text = await readFile(join(await commonFolder(gitDir), "shallow"), "utf8").catch(() => "");
  return text.split("\n").filter(isObjectName).sort();
}

/** Keeps the marks that are still needed: those of commits we have, with a parent that we have not. */
async function keepShallow(git: Git, gitDir: string, marks: readonly string[]): Promise<void> {
  const objects = openObjects(git, gitDir);
  const commits = (await Promise.all(marks.map((mark) => objects.get(mark)))).filter(
    (found) => found !== undefined,
  );
  const parents = new Map(commits.map(({ name, bytes }) => [name, parentsOf(bytes.toString("latin1"))]));
  const here = new Set(await existing(git, gitDir, [...new Set([...parents.values()].flat())]));
  const needed = [...parents]
    .filter(([, names]) => !names.every((name) => here.has(name)))
    .map(([mark]) => mark);
  const draft = join(gitDir, "shallow.new");
  await writeFile(draft, needed.map((mark) => `${mark}\n`).join(""));
  await rename(draft, join(gitDir, "shallow"));
}

function parentsOf(commit: string): readonly string[] {
  const [headers = ""] = commit.split("\n\n", 1);
  return [...headers.matchAll(/^parent ([0-9a-f]+)$/gm)].map(([, name = ""]) => name);
}
