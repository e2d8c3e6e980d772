import { existsSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError } from "../../ports/store.ts";

/**
 * Makes a folder and its missing parents with mode 0700; what exists stays as it is. Throws StoreError. Step by step,
 * because Node's own recursive mkdir turns for ever where nothing can be made (seen in Node 24 below /proc).
 */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another process may have made it meanwhile.
    if (code === "EEXIST") return;
    throw new StoreError(`cannot make the folder ${folder} (${code}): choose another --home`, {
      cause: error,
    });
  }
}

/** Makes a folder of mode 0700 or requires that it is one: a real folder, ours, closed to others. Throws StoreError. */
export function makePrivateFolder(folder: string): void {
  makeFolder(folder);
  requirePrivateFolder(folder);
}

/** Throws StoreError unless the folder is a real one, ours, and closed to others; ENOENT where there is none. */
export function requirePrivateFolder(folder: string): void {
  const found = lstatSync(folder);
  const isOurs = process.getuid === undefined || found.uid === process.getuid();
  if (found.isDirectory() && isOurs && (found.mode & 0o077) === 0) return;
  throw new StoreError(`${folder} must be a folder of yours with mode 0700: remove it and try again`);
}
