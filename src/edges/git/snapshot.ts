import { constants } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { RepositoryError } from "../../ports/repository.ts";
import { bytesOf, pathFault, shown } from "./path.ts";
import type { Edit } from "./revision.ts";
import type { Status } from "./survey.ts";

const fileBytesMax = 256 * 1024 * 1024;
const totalBytesMax = 2 * 1024 * 1024 * 1024;

/**
 * The edits that turn HEAD into the work folder as it is. Files are read here, byte for byte and without following a
 * link, and never by git: no filter, no index, no object of the user's is touched.
 */
export async function editsOf(top: string, status: Status): Promise<readonly Edit[]> {
  const isFolder = openFolders(top);
  const budget = { bytes: totalBytesMax };
  const edits: Edit[] = [];
  // A repository in the repository is listed as "name/" and stays out.
  for (const path of [...status.dirty, ...status.untracked.filter((name) => !name.endsWith("/"))]) {
    const fault = pathFault(path);
    if (fault !== undefined)
      throw new RepositoryError(`${shown(path)} ${fault}: rename it, or leave --include-dirty out`);
    edits.push((await isFolder(parentOf(path))) ? await editOf(top, path, budget) : { kind: "delete", path });
  }
  return edits;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function under(top: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${top}/`), bytesOf(path)]);
}

/** Says whether every part of a path is a real folder: a tracked file "below" a link is somebody else's file. */
function openFolders(top: string): (path: string) => Promise<boolean> {
  const known = new Map<string, boolean>([["", true]]);
  const isFolder = async (path: string): Promise<boolean> => {
    const before = known.get(path);
    if (before !== undefined) return before;
    const found = (await isFolder(parentOf(path)))
      ? await lstat(under(top, path)).catch(() => undefined)
      : undefined;
    known.set(path, found?.isDirectory() ?? false);
    return found?.isDirectory() ?? false;
  };
  return isFolder;
}

async function editOf(top: string, path: string, budget: { bytes: number }): Promise<Edit> {
  const place = under(top, path);
  const found = await lstat(place).catch(() => undefined);
  if (found?.isSymbolicLink()) {
    return { kind: "put", path, mode: "120000", bytes: () => readlink(place, { encoding: "buffer" }) };
  }
  if (!found?.isFile()) return { kind: "delete", path };
  budget.bytes -= found.size;
  if (found.size > fileBytesMax || budget.bytes < 0) {
    throw new RepositoryError(
      `${shown(path)} makes the work folder too large to copy: ignore it (.gitignore), or leave --include-dirty out`,
    );
  }
  const mode = (found.mode & 0o100) === 0 ? "100644" : "100755";
  return { kind: "put", path, mode, bytes: () => contentOf(place, path) };
}

async function contentOf(place: Buffer, path: string): Promise<Uint8Array> {
  // Not blocking: a pipe put in the file's place must not hold us for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(place, flags).catch(() => undefined);
  if (file === undefined)
    throw new RepositoryError(`${shown(path)} cannot be read: check its rights, or ignore it`);
  await using opened = file;
  const { size } = await opened.stat();
  if (size > fileBytesMax)
    throw new RepositoryError(`${shown(path)} grows while it is read: try again when it rests`);
  return opened.readFile();
}
