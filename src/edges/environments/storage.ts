/**
 * Where installations live: `<root>/<key>/` when complete, `<root>/building-<pid>-<chance>/` before that.
 *
 * 1. An installation is complete when its folder has its final name; it gets it by one rename, after everything else.
 * 2. What the jails write lies in folders below; `complete.json` beside them is out of their reach.
 * 3. A building folder whose process is gone is nobody's and is swept.
 * 4. What is kept has a bound. Over it the least recently asked for goes, but never what this process was asked for:
 *    a goal may run in it. It first gets a building folder's name, by one rename, so that half of it is never found.
 */
import { randomBytes } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isAlive } from "../alive.ts";
import { remove } from "./folder.ts";

const Record = z.object({
  key: z.string(),
  /** node_modules folders, relative to the work folder. */
  modules: z.array(z.string()),
  hasEnvironment: z.boolean(),
  bytes: z.number(),
  builtAt: z.number(),
});

/** What `complete.json` says. */
export type Installation = z.infer<typeof Record>;

export interface Storage {
  readonly root: string;
  /** From now on the key is in use, also when it is not there yet. */
  find(key: string): Promise<Installation | undefined>;
  /** A new building folder, closed to others but for passing through. */
  begin(): Promise<string>;
  /** Gives the folder its final name; one that was there first stays. */
  keep(folder: string, installation: Installation): Promise<void>;
  discard(folder: string): Promise<void>;
  /** Removes building folders that nobody builds in any more, and what is over the bound. */
  sweep(): Promise<void>;
}

/** Folders that this process builds in: a process number alone may have been another process's before. */
const building = new Set<string>();
const namePattern = /^building-([1-9]\d*)-[0-9a-f]+$/;
/** Folders that this process was asked for. Goals hold them for as long as it lives. */
const inUse = new Set<string>();

/** What installations may take together, as they were measured: four of the largest, or dozens of usual ones. */
export const keptBytesMax = 8 * 1024 ** 3;

export function openStorage(root: string, bytesMax: number): Storage {
  return {
    root,
    async find(key) {
      const folder = join(root, key);
      inUse.add(folder);
      const found = await findInstallation(folder, key);
      // When it was last asked for. Somebody who may only read it goes without the mark.
      const now = new Date();
      if (found !== undefined) await utimes(recordOf(folder), now, now).catch(() => undefined);
      return found;
    },
    async begin() {
      const folder = newFolder(root);
      building.add(folder);
      await mkdir(folder, { mode: 0o711 });
      return folder;
    },
    async keep(folder, installation) {
      await writeDurably(recordOf(folder), `${JSON.stringify(installation)}\n`);
      try {
        await rename(folder, join(root, installation.key));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
      }
    },
    async discard(folder) {
      await remove(folder);
      building.delete(folder);
    },
    async sweep() {
      await sweep(root);
      await evict(root, bytesMax);
    },
  };
}

function newFolder(root: string): string {
  return join(root, `building-${process.pid}-${randomBytes(8).toString("hex")}`);
}

function recordOf(folder: string): string {
  return join(folder, "complete.json");
}

async function findInstallation(folder: string, key: string): Promise<Installation | undefined> {
  const text = await readFile(recordOf(folder), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = Record.safeParse(parseOr(text));
  return parsed.success && parsed.data.key === key ? parsed.data : undefined;
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function sweep(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const pid = Number(namePattern.exec(name)?.[1] ?? Number.NaN);
    const folder = join(root, name);
    if (Number.isNaN(pid) || building.has(folder)) continue;
    if (pid === process.pid || !isAlive(pid)) await remove(folder);
  }
}

async function evict(root: string, bytesMax: number): Promise<void> {
  const kept: { readonly folder: string; readonly bytes: number; readonly askedAt: number }[] = [];
  for (const name of await readdir(root)) {
    const folder = join(root, name);
    const bytes = (await findInstallation(folder, name))?.bytes;
    const askedAt = (await stat(recordOf(folder)).catch(() => undefined))?.mtimeMs;
    if (bytes !== undefined && askedAt !== undefined) kept.push({ folder, bytes, askedAt });
  }
  let sum = kept.reduce((total, { bytes }) => total + bytes, 0);
  for (const { folder, bytes } of kept.toSorted((left, right) => left.askedAt - right.askedAt)) {
    if (sum <= bytesMax) return;
    // Looked at and taken away in one go: nobody can ask for it in between.
    if (inUse.has(folder)) continue;
    const away = newFolder(root);
    building.add(away);
    if (renamed(folder, away)) await remove(away);
    building.delete(away);
    sum -= bytes;
  }
}

/** False when it has gone already: two builds that end together both make room. */
function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}
