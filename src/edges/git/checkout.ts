import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, createWriteStream, fchmodSync, openSync, writeFileSync } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rm, symlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { RepositoryError } from "../../ports/repository.ts";
import { complaintOf, exitOf, type Git, refusal } from "./command.ts";
import type { Objects } from "./objects.ts";
import { bytesOf, shown } from "./path.ts";
import { foldersOf, type Leaf, leaves } from "./tree.ts";

/** Larger files go from git to the disk as a stream and are never held. */
const heldBytesMax = 4 * 1024 * 1024;
/** Smaller ones are written without asking the thread pool four times each: half the time of a checkout of 100,000 files. */
const atOnceBytesMax = 64 * 1024;
const writersMax = 16;
const totalBytesMax = 32 * 1024 * 1024 * 1024;

/**
 * Writes a commit's files as they are stored: no filter, no attribute, no line ending is applied. Links come last, so
 * that nothing can be written through one.
 */
export async function checkOut(
  clone: { readonly git: Git; readonly gitDir: string; readonly objects: Objects },
  commit: string,
  folder: string,
): Promise<void> {
  await writeOut(clone, { commit, leaves: await leaves(clone.git, clone.gitDir, commit) }, folder);
}

/** The same for a commit whose files are known. */
export async function writeOut(
  clone: { readonly git: Git; readonly gitDir: string; readonly objects: Objects },
  { commit, leaves: all }: { readonly commit: string; readonly leaves: readonly Leaf[] },
  folder: string,
): Promise<void> {
  const bytes = all.reduce((sum, leaf) => sum + leaf.bytes, 0);
  if (bytes > totalBytesMax) {
    throw new RepositoryError(
      `the commit ${commit} has ${bytes} bytes of files, more than 32 GiB: use a smaller one`,
    );
  }
  await disk(`write the files of ${commit} to ${shown(folder)}`, async () => {
    await makeEmpty(folder);
    for (const path of foldersOf(all)) await mkdir(inside(folder, path), { mode: 0o755 });
    await eachOf(
      all.filter((leaf) => leaf.kind !== "link"),
      (leaf) => place(clone, leaf, inside(folder, leaf.path)),
    );
    await eachOf(
      all.filter((leaf) => leaf.kind === "link"),
      async (leaf) => symlink(await targetOf(clone.objects, leaf), inside(folder, leaf.path)),
    );
  });
}

function inside(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), bytesOf(path)]);
}

async function place(
  clone: { readonly git: Git; readonly gitDir: string; readonly objects: Objects },
  leaf: Leaf,
  path: Buffer,
): Promise<void> {
  if (leaf.kind === "gitlink") return mkdir(path, { mode: 0o755 });
  const mode = leaf.kind === "executable" ? 0o755 : 0o644;
  if (leaf.bytes <= atOnceBytesMax) return writeAtOnce(path, mode, await contentOf(clone.objects, leaf));
  // "wx" neither follows a link nor overwrites.
  await using file = await open(path, "wx", mode);
  await file.chmod(mode);
  if (leaf.bytes > heldBytesMax) await stream(clone, leaf, path);
  else await file.writeFile(await contentOf(clone.objects, leaf));
}

function writeAtOnce(path: Buffer, mode: number, bytes: Buffer): void {
  const file = openSync(path, "wx", mode);
  try {
    // What the mask of this process takes away comes back.
    fchmodSync(file, mode);
    writeFileSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

async function contentOf(objects: Objects, leaf: Leaf): Promise<Buffer> {
  const found = await objects.get(leaf.object, heldBytesMax);
  if (found !== undefined) return found.bytes;
  throw new RepositoryError(
    `the content of ${shown(leaf.path)} is missing: run \`git fsck\` in the repository`,
  );
}

async function targetOf(objects: Objects, leaf: Leaf): Promise<Buffer> {
  const target = await contentOf(objects, leaf);
  if (target.length > 0 && !target.includes(0)) return target;
  throw new RepositoryError(`the link ${shown(leaf.path)} has no target: start from a commit without it`);
}

async function stream(
  { git, gitDir }: { readonly git: Git; readonly gitDir: string },
  leaf: Leaf,
  path: Buffer,
): Promise<void> {
  const child = git.start({ gitDir, arguments: ["cat-file", "blob", leaf.object] });
  const complaint = complaintOf(child);
  child.stdin.end();
  const [exitCode] = await Promise.all([
    exitOf(child),
    pipeline(child.stdout, createWriteStream(path, { flags: "r+" })),
  ]);
  if (exitCode === 0) return;
  throw refusal(
    { exitCode, stderr: complaint(), limit: undefined },
    `read ${shown(leaf.path)}`,
    "run `git fsck`",
  );
}

/** A few at a time: the disk gains nothing by more, and memory has a bound. */
async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  const work = async () => {
    for (const item of rest) await act(item);
  };
  await Promise.all(Array.from({ length: writersMax }, work));
}

/** Makes the folder, or empties it without following a link. Rejects when the folder itself is a link. */
export async function makeEmpty(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined) return void (await mkdir(folder, { recursive: true, mode: 0o755 }));
  if (!found.isDirectory()) throw new RepositoryError(`${shown(folder)} is no folder: move it away`);
  await chmod(folder, 0o755);
  for (const name of await readdir(folder, { encoding: "buffer" })) {
    const path = Buffer.concat([Buffer.from(`${folder}/`), name]);
    await rm(path, { recursive: true, force: true }).catch(() => removeHard(folder));
  }
}

/** What work left behind may be deeper than a path can be long, or closed to us; `rm` and `chmod` walk by descriptors. */
async function removeHard(folder: string): Promise<void> {
  await tool("chmod", ["-R", "u+rwX", "--", folder]);
  await tool("find", [folder, "-mindepth", "1", "-delete"]);
}

async function tool(program: string, argumentList: readonly string[]): Promise<void> {
  const child = spawn(program, argumentList, { stdio: "ignore", cwd: "/" });
  await once(child, "close");
}

/** Runs `act`; what the disk refuses becomes one line for people. */
export async function disk<Result>(what: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    throw new RepositoryError(`the disk could not ${what} (${code}): ${adviceFor(code)}`);
  }
}

function adviceFor(code: string): string {
  if (code === "ENOSPC" || code === "EDQUOT") return "make room and run it again";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return "check who owns the folder";
  return "check the folder and run it again";
}
