import { chmod, lstat, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Entry, History, Workshop } from "../../ports/gates.ts";
import type { Jail } from "../../ports/jail.ts";
import type { Change } from "../../ports/repository.ts";
import { writeOut } from "../git/checkout.ts";
import { type Git, openGit } from "../git/command.ts";
import { openMemory } from "../git/memory.ts";
import { openObjects } from "../git/objects.ts";
import { bytesOf } from "../git/path.ts";
import { changesBetween, changesFrom, type Finder, type Leaf, leaves, openFinder } from "../git/tree.ts";

/** Entries of all listings and comparisons that are kept in memory for one clone, some 200 bytes each. */
const entriesKeptMax = 200_000;
/** Commits whose folders are kept as they were read. */
const findersMax = 2;

/** Folders below the jail's work root. `git` is the program, found on the system's own path: the verifier has no environment. */
export function openWorkshop(jail: Jail, options: { readonly git?: string } = {}): Workshop {
  const git = openGit(options.git ?? "git", "/usr/local/bin:/usr/bin:/bin");
  const histories = new Map<string, History>();
  return {
    history: (gitDir) => {
      const known = histories.get(gitDir) ?? openHistory(git, gitDir);
      histories.set(gitDir, known);
      return known;
    },
    checkout: async ({ history, commit, put }, signal) => {
      const path = await mkdtemp(join(await realpath(jail.workRoot), `proof-${process.pid}-`));
      const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3 });
      try {
        await history.checkout(commit, path);
        for (const [name, entry] of put) await place(path, name, entry);
        await chmod(path, 0o755);
        await jail.adopt(path);
        signal.throwIfAborted();
      } catch (error) {
        await remove();
        throw error;
      }
      return { path, [Symbol.asyncDispose]: remove };
    },
  };
}

/** The reading half of a bare clone. */
function openHistory(git: Git, gitDir: string): History {
  const objects = openObjects(git, gitDir);
  const lists = openMemory<readonly Leaf[]>((entries) => entries.length + 1, entriesKeptMax);
  const differences = openMemory<readonly Change[]>((changes) => changes.length + 1, entriesKeptMax);
  const finders = openMemory<Finder>(() => 1, findersMax);
  const leavesOf = (commit: string) => lists.get(commit, () => leaves(git, gitDir, commit));
  return {
    list: async (commit) => (await leavesOf(commit)).map(({ path, kind, bytes }) => ({ path, kind, bytes })),
    read: async (commit, path) => {
      const found = await (await finders.get(commit, () => openFinder(objects, commit)))(path);
      if (found.kind === "absent" || found.kind === "folder" || found.kind === "gitlink") return undefined;
      return (await objects.get(found.object))?.bytes;
    },
    changes: (from, to) =>
      differences.get(`${from} ${to}`, async () => {
        const listed = [lists.peek(from), lists.peek(to)] as const;
        if (listed[0] === undefined || listed[1] === undefined)
          return changesBetween(git, gitDir, { from, to });
        return changesFrom(await listed[0], await listed[1]);
      }),
    treeOf: async (commit) => (await objects.get(`${commit}^{tree}`))?.name ?? "",
    checkout: async (commit, folder) =>
      writeOut({ git, gitDir, objects }, { commit, leaves: await leavesOf(commit) }, folder),
  };
}

/**
 * Puts one file above what the commit has. Each part of its way becomes a real folder first: the commit may have put a
 * link or a file where base has a folder. Undefined takes away what is there.
 */
async function place(folder: string, name: string, entry: Entry | undefined): Promise<void> {
  const parts = name.split("/");
  let parent: Buffer = Buffer.from(folder);
  for (const part of parts.slice(0, -1)) {
    parent = below(parent, part);
    const kind = await kindAt(parent);
    if (kind === "folder") continue;
    if (entry === undefined) return;
    if (kind === "other") await rm(parent, { force: true });
    await mkdir(parent, { mode: 0o755 });
  }
  const path = below(parent, parts.at(-1) ?? "");
  await rm(path, { recursive: true, force: true });
  if (entry === undefined) return;
  if (entry.kind === "link") return symlink(Buffer.from(entry.bytes), path);
  const mode = entry.kind === "executable" ? 0o755 : 0o644;
  await writeFile(path, entry.bytes, { flag: "wx", mode });
  await chmod(path, mode);
}

function below(folder: Buffer, part: string): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), bytesOf(part)]);
}

async function kindAt(path: Buffer): Promise<"folder" | "other" | "absent"> {
  try {
    return (await lstat(path)).isDirectory() ? "folder" : "other";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw error;
  }
}
