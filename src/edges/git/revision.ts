import { RepositoryError } from "../../ports/repository.ts";
import { answer, type Git } from "./command.ts";
import type { Objects } from "./objects.ts";
import { bytesOf, checkObjectName, isObjectName, isPlainReference, pathFault, shown } from "./path.ts";
import { type Found, leaves, openFinder } from "./tree.ts";

/** One step of a commit. Bytes are asked for when their turn comes, so that one file at a time is held. */
export type Edit =
  /** The whole tree, by its object name. */
  | { readonly kind: "tree"; readonly tree: string }
  | { readonly kind: "delete"; readonly path: string }
  | {
      readonly kind: "put";
      readonly path: string;
      readonly mode: Mode;
      readonly bytes: () => Promise<Uint8Array>;
    };

export type Mode = "100644" | "100755" | "120000";

export interface Draft {
  readonly parent: string;
  readonly message: string;
  readonly author: string;
  readonly ref: string;
}

const messageCharactersMax = 1_000_000;
const linkBytesMax = 4_095;

/**
 * Commits edits on a parent through `git fast-import`: only the folders that change are read, so the cost does not grow
 * with the repository. Deletions come first. The reference moves last, in one step.
 */
export async function commitEdits(
  git: Git,
  gitDir: string,
  draft: Draft,
  edits: readonly Edit[],
): Promise<string> {
  const said = await answer(
    git,
    {
      gitDir,
      arguments: ["fast-import", "--quiet", "--force", "--done", "--date-format=now"],
      input: importStream(draft, edits),
    },
    `write a commit on ${draft.parent}`,
    "check the free space of the disk",
  );
  return checkObjectName(said.toString("utf8").trim());
}

/** The wire: git-fast-import(1), "INPUT FORMAT". */
async function* importStream(draft: Draft, edits: readonly Edit[]): AsyncGenerator<Uint8Array> {
  const message = messageOf(draft.message);
  const person = personOf(draft.author);
  yield Buffer.from(
    [
      "feature done",
      `commit ${checkReference(draft.ref)}`,
      "mark :1",
      `author ${person.name} <${person.mail}> now`,
      `committer ${person.name} <${person.mail}> now`,
      `data ${message.length}`,
      "",
    ].join("\n"),
  );
  yield message;
  yield Buffer.from(`\nfrom ${checkObjectName(draft.parent)}\n`);
  for (const edit of edits) if (edit.kind === "tree") yield Buffer.from(`M 040000 ${edit.tree} ""\n`);
  for (const edit of edits) if (edit.kind === "delete") yield Buffer.from(`D ${quoted(edit.path)}\n`);
  for (const edit of edits) if (edit.kind === "put") yield* put(edit);
  yield Buffer.from("\nget-mark :1\ndone\n");
}

async function* put(edit: Edit & { readonly kind: "put" }): AsyncGenerator<Uint8Array> {
  const bytes = await edit.bytes();
  yield Buffer.from(`M ${edit.mode} inline ${quoted(edit.path)}\ndata ${bytes.length}\n`);
  yield bytes;
  yield Buffer.from("\n");
}

/** C-style quoting; every byte that is not plain ASCII is octal. */
function quoted(path: string): string {
  const text = Array.from(bytesOf(path), (byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\${byte.toString(8).padStart(3, "0")}`,
  );
  return `"${text.join("")}"`;
}

function messageOf(message: string): Buffer {
  const text = message.slice(0, messageCharactersMax).toWellFormed().replaceAll("\0", "");
  return Buffer.from(text.endsWith("\n") ? text : `${text}\n`);
}

export interface Person {
  readonly name: string;
  readonly mail: string;
}

/** Reads "Name <mail>". */
export function personOf(author: string): Person {
  const [, name = author, mail = ""] = /^(.*?)<([^>]*)>/s.exec(author) ?? [];
  return plainPerson({ name, mail });
}

/** What cannot stand in a commit's header is left out; what is missing then is "Rigs" and "rigs@localhost". */
export function plainPerson({ name, mail }: Person): Person {
  return { name: plain(name) || "Rigs", mail: plain(mail).replace(/\s/g, "") || "rigs@localhost" };
}

function plain(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(/[\u0000-\u001f\u007f<>]/g, "")
      // Git itself takes these away at both ends, and refuses what is empty then.
      .replace(/^[\s.,:;"'\\]+|[\s.,:;"'\\]+$/g, "")
      .slice(0, 200)
  );
}

/** Only below refs/rigs/, and not where the clone keeps its own names. */
export function checkReference(ref: string): string {
  const isOurs = ref.startsWith("refs/rigs/") && isPlainReference(ref);
  if (isOurs && !/^refs\/rigs\/(base|delivered)(\/|$)/.test(ref)) return ref;
  throw new RepositoryError(`${shown(ref)} is no reference of a goal: name one below refs/rigs/`);
}

/** The edits that give `files` their bytes on `parent`, and nothing else. Rejects with RepositoryError for paths that cannot be. */
export async function editsFor(
  clone: { readonly git: Git; readonly gitDir: string; readonly objects: Objects },
  parent: string,
  files: ReadonlyMap<string, Uint8Array | undefined>,
): Promise<readonly Edit[]> {
  const find = await openFinder(clone.objects, parent);
  refuseNested(files);
  const edits: Edit[] = [];
  for (const [path, bytes] of files) {
    const fault = pathFault(path);
    if (fault !== undefined)
      throw new RepositoryError(`${shown(path)} ${fault}: no file can be written there`);
    const found = await find(path);
    if (bytes === undefined) {
      if (found.kind === "folder") throw unwritable(path, "is a folder; delete its files by name");
      if (found.kind !== "absent") edits.push({ kind: "delete", path });
      continue;
    }
    if (found.blockedBy !== undefined && !isDeleted(files, found.blockedBy)) {
      throw unwritable(path, `would replace ${shown(found.blockedBy)}, which is no folder`);
    }
    if (found.kind === "folder") await refuseFullFolder(clone, { parent, path, files });
    edits.push({ kind: "put", path, mode: modeFor(found, path, bytes), bytes: async () => bytes });
  }
  return edits;
}

function isDeleted(files: ReadonlyMap<string, Uint8Array | undefined>, path: string): boolean {
  return files.has(path) && files.get(path) === undefined;
}

/** Two files of one ask, one where the other needs a folder: the later would silently replace the earlier. */
function refuseNested(files: ReadonlyMap<string, Uint8Array | undefined>): void {
  for (const [path, bytes] of files) {
    if (bytes === undefined) continue;
    for (let stop = path.indexOf("/"); stop !== -1; stop = path.indexOf("/", stop + 1)) {
      const folder = path.slice(0, stop);
      if (files.get(folder) !== undefined)
        throw unwritable(folder, `cannot be a file and hold ${shown(path)}`);
    }
  }
}

function modeFor(found: Found, path: string, bytes: Uint8Array): Mode {
  if (found.kind === "gitlink") throw unwritable(path, "is a submodule");
  if (found.kind === "executable") return "100755";
  if (found.kind !== "link") return "100644";
  if (bytes.length === 0 || bytes.length > linkBytesMax || bytes.includes(0)) {
    throw unwritable(path, "is a link, and these bytes are no target");
  }
  return "120000";
}

/** A file may take a folder's place only when the same ask deletes everything in it. */
async function refuseFullFolder(
  clone: { readonly git: Git; readonly gitDir: string },
  ask: {
    readonly parent: string;
    readonly path: string;
    readonly files: ReadonlyMap<string, Uint8Array | undefined>;
  },
): Promise<void> {
  const below = (await leaves(clone.git, clone.gitDir, ask.parent)).filter((leaf) =>
    leaf.path.startsWith(`${ask.path}/`),
  );
  if (!below.every((leaf) => isDeleted(ask.files, leaf.path)))
    throw unwritable(ask.path, "is a folder with files");
}

function unwritable(path: string, why: string): RepositoryError {
  return new RepositoryError(`${shown(path)} ${why}: choose another path`);
}

/** A commit with a whole tree on a parent. */
export async function commitTree(git: Git, gitDir: string, tree: string, draft: Draft): Promise<string> {
  if (!isObjectName(tree)) throw new RepositoryError(`${shown(tree)} is no tree: give its full name`);
  return commitEdits(git, gitDir, draft, [{ kind: "tree", tree }]);
}
