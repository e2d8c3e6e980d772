/**
 * Walking a folder that untrusted code may have written: never through a link, however deep or many the entries are.
 * Each folder is opened without following a link and its entries are reached through that descriptor
 * (/proc/self/fd/N/name), so nothing swapped in meanwhile can lead out, and no path grows too long.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
} from "node:fs";
import { setImmediate as breathe } from "node:timers/promises";

/** One open descriptor a level. A tree that is deeper than this was made to be a nuisance. */
const depthMax = 200;
/** Entries between two pauses, so that a big tree does not hold up everything else. */
const entriesAtOnce = 1_000;

export class DepthError extends Error {
  override readonly name = "DepthError";
}

export interface Usage {
  /** Allocated bytes; each entry counts at least 4 KiB, so that many empty files are not free either. */
  readonly bytes: number;
}

/** Size of all trees together. `bytesMax`: stop counting there. Rejects with DepthError for a tree nested too deep. */
export async function usageOf(folders: readonly string[], bytesMax: number): Promise<Usage> {
  let bytes = 0;
  const severalNames = new Set<bigint>();
  for (const folder of folders)
    await walk(folder, (_path, about) => {
      if (about.nlink > 1n && !about.isDirectory()) {
        if (severalNames.has(about.ino)) return "go on";
        severalNames.add(about.ino);
      }
      bytes += Math.max(4096, Number(about.blocks) * 512);
      return bytes > bytesMax ? "stop" : "go on";
    });
  return { bytes };
}

/** Gives the folder and all in it to the user and group; links themselves, never what they point to. */
export async function own(
  folder: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  await walk(folder, (path, about) => {
    if (Number(about.uid) !== owner.uid || Number(about.gid) !== owner.gid)
      lchownSync(path, owner.uid, owner.gid);
    return "go on";
  });
}

type Visit = (path: string, about: BigIntStats) => "go on" | "stop";

async function walk(folder: string, visit: Visit): Promise<void> {
  let seen = 0;
  const into = async (path: string, depth: number): Promise<"go on" | "stop"> => {
    if (depth > depthMax) throw new DepthError(`folders nested more than ${depthMax} deep below ${folder}`);
    const descriptor = openFolder(path);
    if (descriptor === undefined) return "go on";
    try {
      const here = `/proc/self/fd/${descriptor}`;
      for (const name of readdirSync(here, { encoding: "buffer" })) {
        const entry = Buffer.concat([Buffer.from(`${here}/`), name]) as unknown as string;
        const about = lstatSync(entry, { bigint: true, throwIfNoEntry: false });
        if (about === undefined) continue;
        if (visit(entry, about) === "stop") return "stop";
        if (++seen % entriesAtOnce === 0) await breathe();
        if (about.isDirectory() && (await into(entry, depth + 1)) === "stop") return "stop";
      }
      return "go on";
    } finally {
      closeSync(descriptor);
    }
  };
  const about = lstatSync(folder, { bigint: true });
  if (visit(folder, about) === "stop" || !about.isDirectory()) return;
  await into(folder, 0);
}

/** Undefined for what has gone, turned into something else, or may not be read. */
function openFolder(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "EACCES") return undefined;
    throw error;
  }
}
