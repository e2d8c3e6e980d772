import type { Commit } from "../domain/id.ts";
import { nameOf } from "../domain/path.ts";
import type { Tracked } from "../domain/selection.ts";
import { type Repository, RepositoryError, type TreeEntry } from "../ports/repository.ts";

/** Larger files are named in prompts, never shown. */
export const textBytesMax = 256 * 1024;
/** Files read for one prompt, and their bytes; a larger repository needs the Library. */
const filesMax = 5_000;
const bytesMax = 128 * 1024 * 1024;

/**
 * Every tracked file at the commit, in the order of the tree; gitlinks are left out. Where there are too many to read, those
 * that come first are, and the others are named: "large" says of them only that nobody has read them.
 */
export async function readTracked(
  repository: Pick<Repository, "list" | "read">,
  commit: Commit,
  isFirst: (path: string) => boolean,
): Promise<ReadonlyMap<string, Tracked>> {
  const entries = (await repository.list(commit)).filter(({ kind }) => kind !== "gitlink");
  const read = chosen(entries, isFirst);
  // All at once: they are asked of one process, which answers in order.
  const files = await Promise.all(
    entries.map(async ({ path, kind }): Promise<readonly [string, Tracked]> => {
      if (kind === "link") return [path, { kind: "binary" }];
      if (!read.has(path)) return [path, { kind: "large" }];
      return [path, asText(await repository.read(commit, path))];
    }),
  );
  return new Map(files);
}

function chosen(entries: readonly TreeEntry[], isFirst: (path: string) => boolean): ReadonlySet<string> {
  const small = entries.filter(({ kind, bytes }) => kind !== "link" && bytes <= textBytesMax);
  const isAll = small.length <= filesMax;
  const first = isAll ? [] : small.filter(({ path }) => isFirst(path));
  const read = new Set<string>();
  let left = bytesMax;
  for (const { path, bytes } of [...first, ...small]) {
    if (read.size >= filesMax || left < bytes) break;
    if (read.has(path)) continue;
    read.add(path);
    left -= bytes;
  }
  return read;
}

/** Characters of each text that are looked at for names. */
const charactersMax = 1_000_000;

/** Whether texts name a file: a whole text that is its path, or in it its path, its name, or its name without an ending. */
export function namedIn(...texts: readonly string[]): (path: string) => boolean {
  const words = texts
    .flatMap((text) => text.slice(0, charactersMax).split(/[^\p{L}\p{N}_./-]+/u))
    .map((word) => word.replace(/^\.\/|[.]$/g, ""));
  const known = new Set([...texts, ...words]);
  return (path) => {
    const name = nameOf(path);
    const stem = name.split(".", 1)[0] ?? "";
    return known.has(path) || known.has(name) || (stem.length >= 3 && known.has(stem));
  };
}

/** These files at the commit, as far as they are texts that prompts show. */
export async function readTexts(
  repository: Repository,
  commit: Commit,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(paths);
  const shown = (await repository.list(commit)).filter(
    ({ path, kind, bytes }) =>
      wanted.has(path) && kind !== "gitlink" && kind !== "link" && bytes <= textBytesMax,
  );
  const files = await Promise.all(
    shown.map(async ({ path }) => [path, asText(await repository.read(commit, path))] as const),
  );
  return textsOf(new Map(files));
}

/** Only the texts, for edits. */
export function textsOf(tracked: ReadonlyMap<string, Tracked>): ReadonlyMap<string, string> {
  return new Map(
    [...tracked].flatMap(([path, file]) => (file.kind === "text" ? [[path, file.text] as const] : [])),
  );
}

function asText(bytes: Uint8Array | undefined): Tracked {
  if (bytes === undefined) return { kind: "binary" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? { kind: "binary" } : { kind: "text", text };
  } catch {
    return { kind: "binary" };
  }
}

/** Whether the repository has all these commits: a private clone may have been lost since they were made. */
export async function hasAll(repository: Repository, commits: readonly Commit[]): Promise<boolean> {
  for (const commit of commits)
    try {
      await repository.treeOf(commit);
    } catch (error) {
      if (error instanceof RepositoryError) return false;
      throw error;
    }
  return true;
}
