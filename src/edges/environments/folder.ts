/** Folders whose content package installs and setup commands wrote: measured and removed without following a link. */
import { execFile } from "node:child_process";
import { lstat, mkdir, rm } from "node:fs/promises";
import { DepthError, usageOf } from "../jails/folder.ts";

const commandMsMax = 600_000;

/** Bytes of all trees together, at least 4 KiB for each entry, counted until `bytesMax` is passed. Undefined: nested too deep to be honest. */
export async function sizeOf(folders: readonly string[], bytesMax: number): Promise<number | undefined> {
  try {
    return (await usageOf(folders, bytesMax)).bytes;
  } catch (error) {
    if (error instanceof DepthError) return undefined;
    throw error;
  }
}

/** Removes the tree if it is there, however deep. Links go, what they point to stays; other file systems are not entered. */
export async function remove(folder: string): Promise<void> {
  if ((await lstatOr(folder)) === undefined) return;
  const words = ["-rf", "--one-file-system", "--", folder];
  try {
    await command("/bin/rm", words);
  } catch {
    // An ordinary user cannot empty a folder whose owner took its own rights away.
    await command("/bin/chmod", ["-R", "u+rwX", "--", folder]).catch(() => undefined);
    await command("/bin/rm", words);
  }
}

/** Readable by the jail's user, writable by nobody but its owner. */
export async function openToAll(folder: string): Promise<void> {
  await command("/bin/chmod", ["-R", "a+rX,go-w", "--", folder]);
}

/** A real, empty or existing folder at this path: anything else that untrusted code left there goes first. */
export async function mountPoint(path: string): Promise<void> {
  const there = await lstatOr(path);
  if (there?.isDirectory()) return;
  if (there !== undefined) await rm(path, { force: true });
  await mkdir(path, { mode: 0o755 });
}

export async function isRealFolder(path: string): Promise<boolean> {
  return (await lstatOr(path))?.isDirectory() === true;
}

async function lstatOr(path: string) {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
}

function command(program: string, words: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(program, words, { timeout: commandMsMax, env: { LC_ALL: "C" } }, (error) =>
      error === null ? done() : fail(error),
    );
  });
}
