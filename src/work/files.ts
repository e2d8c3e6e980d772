import type { Commit } from "../domain/id.ts";
import type { Tracked } from "../domain/selection.ts";
import type { Repository } from "../ports/repository.ts";

/** Larger files are named in prompts, never shown. */
export const textBytesMax = 256 * 1024;
/** Files read for one prompt; a larger repository needs the Library. */
const filesMax = 5_000;

/** Every tracked file at the commit, in the order of the tree; gitlinks are left out. */
export async function readTracked(
  repository: Repository,
  commit: Commit,
): Promise<ReadonlyMap<string, Tracked>> {
  const entries = (await repository.list(commit)).slice(0, filesMax).filter(({ kind }) => kind !== "gitlink");
  // All at once: they are asked of one process, which answers in order.
  const files = await Promise.all(
    entries.map(async ({ path, kind, bytes }): Promise<readonly [string, Tracked]> => {
      if (kind === "link") return [path, { kind: "binary" }];
      if (bytes > textBytesMax) return [path, { kind: "large" }];
      return [path, asText(await repository.read(commit, path))];
    }),
  );
  return new Map(files);
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
