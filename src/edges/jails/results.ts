/** Reading what a jail wrote. Call it only after the run has ended: nothing may change the folder meanwhile. */
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";

export type Result =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  /** Something is there that must not be read: a link, a FIFO, a folder, too much. */
  | { readonly kind: "refused"; readonly why: string };

/**
 * The bytes of `path` (relative, "/" between parts, no "..") below `folder`. No link is followed in any part below
 * `folder`, only regular files with one name are read, and never more than `bytesMax`. Rejects only for a failing disk.
 */
export async function readResult(folder: string, path: string, bytesMax: number): Promise<Result> {
  const parts = path.split("/");
  if (path.includes("\0") || parts.some((part) => part === "" || part === "." || part === ".."))
    return { kind: "refused", why: `not a plain relative path: ${JSON.stringify(path)}` };
  try {
    let parent = folder;
    for (const part of parts.slice(0, -1)) {
      parent = join(parent, part);
      if (!(await lstat(parent)).isDirectory())
        return { kind: "refused", why: `${JSON.stringify(path)} lies behind something that is not a folder` };
    }
    return await readFile(join(folder, path), bytesMax);
  } catch (error) {
    return failure(error, path);
  }
}

async function readFile(path: string, bytesMax: number): Promise<Result> {
  // NONBLOCK: opening a FIFO would otherwise wait for a writer for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
  await using file = await open(path, flags);
  const about = await file.stat();
  if (!about.isFile()) return { kind: "refused", why: "not a regular file" };
  if (about.nlink !== 1) return { kind: "refused", why: "a file with several names (hard link)" };
  if (about.size > bytesMax)
    return { kind: "refused", why: `${about.size} bytes, at most ${bytesMax} are read` };
  const bytes = new Uint8Array(about.size);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return { kind: "read", bytes: bytes.subarray(0, filled) };
}

function failure(error: unknown, path: string): Result {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent" };
  if (code === "ELOOP") return { kind: "refused", why: `${JSON.stringify(path)} is a symbolic link` };
  // ENXIO: a socket, or a FIFO nobody reads.
  if (code === "ENXIO") return { kind: "refused", why: "not a regular file" };
  if (code === "ENAMETOOLONG" || code === "EACCES")
    return { kind: "refused", why: `cannot be opened (${code})` };
  throw error;
}
