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
  const tracked = new Map<string, Tracked>();
  for (const entry of (await repository.list(commit)).slice(0, filesMax)) {
    if (entry.kind === "gitlink") continue;
    if (entry.kind === "link") tracked.set(entry.path, { kind: "binary" });
    else if (entry.bytes > textBytesMax) tracked.set(entry.path, { kind: "large" });
    else tracked.set(entry.path, asText(await repository.read(commit, entry.path)));
  }
  return tracked;
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
