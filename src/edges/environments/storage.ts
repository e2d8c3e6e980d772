/**
 * Where installations live: `<root>/<key>/` when complete, `<root>/building-<pid>-<chance>/` before that.
 *
 * 1. An installation is complete when its folder has its final name; it gets it by one rename, after everything else.
 * 2. What the jails write lies in folders below; `complete.json` beside them is out of their reach.
 * 3. A building folder whose process is gone is nobody's and is swept.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
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
  find(key: string): Promise<Installation | undefined>;
  /** A new building folder, closed to others but for passing through. */
  begin(): Promise<string>;
  /** Gives the folder its final name; one that was there first stays. */
  keep(folder: string, installation: Installation): Promise<void>;
  discard(folder: string): Promise<void>;
  /** Removes building folders that nobody builds in any more. */
  sweep(): Promise<void>;
}

/** Folders that this process builds in: a process number alone may have been another process's before. */
const building = new Set<string>();
const namePattern = /^building-([1-9]\d*)-[0-9a-f]+$/;

export function openStorage(root: string): Storage {
  return {
    root,
    find: (key) => findInstallation(join(root, key), key),
    async begin() {
      const folder = join(root, `building-${process.pid}-${randomBytes(8).toString("hex")}`);
      building.add(folder);
      await mkdir(folder, { mode: 0o711 });
      return folder;
    },
    async keep(folder, installation) {
      await writeDurably(join(folder, "complete.json"), `${JSON.stringify(installation)}\n`);
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
    sweep: () => sweep(root),
  };
}

async function findInstallation(folder: string, key: string): Promise<Installation | undefined> {
  const text = await readFile(join(folder, "complete.json"), "utf8").catch(() => undefined);
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}
