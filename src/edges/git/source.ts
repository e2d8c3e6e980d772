import { lstat, open, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RepositoryError } from "../../ports/repository.ts";
import { answer, type Git, type Owner } from "./command.ts";
import { shown } from "./path.ts";

/** The user's repository as found: never written to but by `deliver`. */
export interface Source {
  /** The real path of the folder with the files. */
  readonly top: string;
  readonly gitDir: string;
  readonly objectFormat: "sha1" | "sha256";
}

const levelsMax = 256;
const gitFileBytesMax = 65_536;

/**
 * Finds the repository around `folder` without asking git, so that neither `core.worktree` nor an environment
 * variable can move it. Rejects with RepositoryError when there is none, it is bare, or its files live elsewhere.
 */
export async function findSource(git: Git, folder: string): Promise<Source> {
  const place = await locate(await realFolder(folder));
  if (place.kind === "none") {
    throw new RepositoryError(
      `${shown(folder)} is not in a git repository: run \`git init\` and commit there, or \`rigs init --git\``,
    );
  }
  if (place.kind === "bare") {
    throw new RepositoryError(
      `${shown(place.gitDir)} is a bare repository or git's own folder: run in a clone with files (git clone ${shown(place.gitDir)})`,
    );
  }
  if (await isPlain(place.gitDir)) return { top: place.top, gitDir: place.gitDir, objectFormat: "sha1" };
  await refuseOtherWorkTree(git, place);
  const objectFormat = await formatOf(git, place.gitDir);
  return { top: place.top, gitDir: place.gitDir, objectFormat };
}

/**
 * A configuration that nowhere has these words sets neither `core.worktree` nor an object format, and takes in no other
 * file that could: names of settings cannot be escaped or broken over lines. Saves two processes for almost everybody.
 */
async function isPlain(gitDir: string): Promise<boolean> {
  const text = await readFile(join(gitDir, "config"), "utf8").catch(() => "include");
  return !/worktree|include|extensions/i.test(text);
}

/** The real path of a folder. Rejects with RepositoryError when there is none. */
export async function realFolder(folder: string): Promise<string> {
  try {
    const path = await realpath(resolve(folder));
    if ((await stat(path)).isDirectory()) return path;
  } catch {
    // The one message below fits every cause.
  }
  throw new RepositoryError(`${shown(folder)} is no folder that can be read: check the path`);
}

export type Place =
  | { readonly kind: "work"; readonly top: string; readonly gitDir: string }
  | { readonly kind: "bare"; readonly gitDir: string }
  | { readonly kind: "none" };

/** Walks up from a real path to the first `.git`, or to the first folder that is one itself. */
export async function locate(folder: string): Promise<Place> {
  let top = folder;
  for (let level = 0; level < levelsMax; level++) {
    const gitDir = await gitDirOf(top);
    if (gitDir !== undefined) return { kind: "work", top, gitDir };
    if (await isGitDir(top)) return { kind: "bare", gitDir: top };
    if (dirname(top) === top) break;
    top = dirname(top);
  }
  return { kind: "none" };
}

async function gitDirOf(top: string): Promise<string | undefined> {
  const path = join(top, ".git");
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isDirectory()) return (await isGitDir(path)) ? realpath(path) : undefined;
  if (!found.isFile()) return undefined;
  const target = /^gitdir: (.+?)\r?\n?$/s.exec(await head(path))?.[1];
  const gitDir = target === undefined ? undefined : resolve(top, target);
  if (gitDir !== undefined && (await isGitDir(gitDir))) return realpath(gitDir);
  throw new RepositoryError(
    `${shown(path)} points to a repository that is not there: run \`git worktree repair\` or \`git submodule update --init\``,
  );
}

async function head(path: string): Promise<string> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(gitFileBytesMax), 0, gitFileBytesMax, 0);
  return buffer.toString("utf8", 0, bytesRead);
}

/** Git's own test, near enough: a HEAD, and objects and refs here or in the common folder. */
async function isGitDir(path: string): Promise<boolean> {
  const exists = async (name: string) => (await lstat(join(path, name)).catch(() => undefined)) !== undefined;
  if (!(await exists("HEAD"))) return false;
  return (await exists("commondir")) || ((await exists("objects")) && (await exists("refs")));
}

/** Where a linked worktree keeps what it shares with the others; any other repository's own folder. */
export async function commonFolder(gitDir: string): Promise<string> {
  const common = await readFile(join(gitDir, "commondir"), "utf8").catch(() => undefined);
  return common === undefined ? gitDir : resolve(gitDir, common.trim());
}

/**
 * A branch "rigs" leaves no room for the branches rigs/…: said before anybody is paid. Looks where git keeps references
 * as files; what another kind of storage has in the way is told at delivery.
 */
export async function refuseRigsBranch({ gitDir, top }: Source): Promise<void> {
  const common = await commonFolder(gitDir);
  const loose = await stat(join(common, "refs/heads/rigs")).catch(() => undefined);
  const packed = await readFile(join(common, "packed-refs"), "utf8").catch(() => "");
  if (loose?.isFile() === true || / refs\/heads\/rigs$/m.test(packed))
    throw new RepositoryError(
      `the branch rigs of ${shown(top)} stands where branches like rigs/k7m2q9xd are delivered: rename it (git branch -m rigs rigs-mine)`,
    );
}

/** `core.worktree` may point anywhere, say to "/": its files would be taken for the repository's. */
async function refuseOtherWorkTree(git: Git, place: { top: string; gitDir: string }): Promise<void> {
  // A linked worktree has a common folder, and git ignores the setting there.
  if (await readFile(join(place.gitDir, "commondir"), "utf8").catch(() => undefined)) return;
  const asked = await git.run({ gitDir: place.gitDir, arguments: ["config", "--get", "core.worktree"] });
  if (asked.exitCode !== 0) return;
  const target = resolve(place.gitDir, asked.stdout.toString("utf8").trimEnd());
  if ((await realpath(target).catch(() => target)) === place.top) return;
  throw new RepositoryError(
    `${shown(place.top)} keeps its files elsewhere (core.worktree): run \`git config --unset core.worktree\`, or run in a plain clone`,
  );
}

async function formatOf(git: Git, gitDir: string): Promise<Source["objectFormat"]> {
  const advice = "run `git status` there and mend what it says";
  const said = await answer(
    git,
    { gitDir, arguments: ["rev-parse", "--show-object-format"] },
    `read the repository ${shown(gitDir)}`,
    advice,
  );
  return said.toString("utf8").trim() === "sha256" ? "sha256" : "sha1";
}

/** Root writes into somebody's repository as its owner, or they could not delete the branch again. */
export async function ownerOf(source: Source): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = await stat(source.gitDir);
  return uid === 0 ? undefined : { uid, gid };
}
