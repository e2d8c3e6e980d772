import { type Change, RepositoryError, type TreeEntry } from "../../ports/repository.ts";
import { answer, type Git } from "./command.ts";
import type { Objects } from "./objects.ts";
import { bytesOf, checkObjectName, pathFault, shown, textOf } from "./path.ts";

/** An entry with the name of its object. */
export interface Leaf extends TreeEntry {
  readonly object: string;
}

const depthMax = 1_024;

/**
 * Every file of a commit. Rejects with RepositoryError for a tree that git itself would never check out (names with
 * "..", ".git", or one name twice): such trees exist only to be written out of a folder.
 */
export async function leaves(git: Git, gitDir: string, commit: string): Promise<readonly Leaf[]> {
  const said = await answer(
    git,
    { gitDir, arguments: ["ls-tree", "-r", "-z", "-l", "--full-tree", checkObjectName(commit)] },
    `list the files of ${commit}`,
    "start from a commit that `git fsck` accepts, with fewer than some 500,000 files",
  );
  const all = recordsOf(said).map(leafOf);
  refuseClashes(all);
  return all;
}

/** Splits what `-z` ended with NUL. */
export function recordsOf(bytes: Buffer): readonly Buffer[] {
  const records: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const stop = bytes.indexOf(0, from);
    const to = stop === -1 ? bytes.length : stop;
    records.push(bytes.subarray(from, to));
    from = to + 1;
  }
  return records;
}

/** The wire: `<mode> <type> <object> <size>\t<path>`; git-ls-tree(1), "OUTPUT FORMAT". */
function leafOf(record: Buffer): Leaf {
  const tab = record.indexOf(9);
  const [mode = "", , object = "", size = ""] = record.toString("latin1", 0, tab).split(/ +/);
  const path = checkedPath(record.subarray(tab + 1));
  const kind = kindOf(mode);
  if (kind === undefined || (kind !== "gitlink" && !/^\d+$/.test(size))) {
    throw new RepositoryError(
      `the file ${shown(path)} is damaged in the repository: run \`git fsck\` and mend what it says`,
    );
  }
  return { path, kind, object, bytes: kind === "gitlink" ? 0 : Number(size) };
}

function checkedPath(bytes: Uint8Array): string {
  const path = textOf(bytes);
  const fault = pathFault(path);
  if (fault === undefined) return path;
  throw new RepositoryError(
    `the commit holds ${shown(path)}, which ${fault}: start from a commit that \`git fsck\` accepts`,
  );
}

/** Undefined for "absent" (000000) and for what git does not make. */
export function kindOf(mode: string): TreeEntry["kind"] | undefined {
  if (mode === "120000") return "link";
  if (mode === "160000") return "gitlink";
  if (!/^100[0-7]{3}$/.test(mode)) return undefined;
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? "file" : "executable";
}

/** A crafted tree can hold a link and a folder of one name: a file in that folder would be written through the link. */
function refuseClashes(all: readonly Leaf[]): void {
  const files = new Set<string>();
  for (const { path } of all) {
    if (files.has(path)) throw twice(path);
    files.add(path);
  }
  for (const folder of foldersOf(all)) if (files.has(folder)) throw twice(folder);
}

function twice(path: string): RepositoryError {
  return new RepositoryError(
    `the commit holds ${shown(path)} twice: start from a commit that \`git fsck\` accepts`,
  );
}

/** Every folder that the paths need, parents first. */
export function foldersOf(entries: Iterable<{ readonly path: string }>): ReadonlySet<string> {
  const folders = new Set<string>();
  for (const { path } of entries) {
    const missing: string[] = [];
    for (let stop = path.lastIndexOf("/"); stop > 0; stop = path.lastIndexOf("/", stop - 1)) {
      const folder = path.slice(0, stop);
      if (folders.has(folder)) break;
      missing.push(folder);
    }
    for (const folder of missing.reverse()) folders.add(folder);
  }
  return folders;
}

/** Differences between two commits, without looking for renames. */
export async function changesBetween(
  git: Git,
  gitDir: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<readonly Change[]> {
  if (from === to) return [];
  const said = await answer(
    git,
    {
      gitDir,
      arguments: [
        "diff-tree",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--no-ext-diff",
        "--no-textconv",
        "--ignore-submodules=none",
        checkObjectName(from),
        checkObjectName(to),
        "--",
      ],
    },
    `compare ${from} with ${to}`,
    "check that both are commits of this repository",
  );
  const records = recordsOf(said);
  const changes: Change[] = [];
  for (let index = 0; index + 1 < records.length; index += 2) {
    changes.push(changeOf(records[index]?.toString("latin1") ?? "", records[index + 1] ?? Buffer.alloc(0)));
  }
  return changes;
}

/** The wire: `:<mode> <mode> <object> <object> <status>` and the path; git-diff-tree(1), "RAW OUTPUT FORMAT". */
function changeOf(header: string, name: Buffer): Change {
  const [, before = "", after = "", left = "", right = "", status = ""] = header.split(/[: ]/);
  const entry = { path: checkedPath(name), before: kindOf(before), after: kindOf(after) };
  if (status === "A") return { ...entry, kind: "added" };
  if (status === "D") return { ...entry, kind: "deleted" };
  if (status === "T") return { ...entry, kind: "type" };
  return { ...entry, kind: left === right ? "mode" : "modified" };
}

/** The same from two listings that are at hand, without asking git. */
export function changesFrom(before: readonly Leaf[], after: readonly Leaf[]): readonly Change[] {
  const old = new Map(before.map((leaf) => [leaf.path, leaf]));
  const changes: Change[] = [];
  for (const { path, kind, object } of after) {
    const left = old.get(path);
    old.delete(path);
    if (left === undefined) changes.push({ path, kind: "added", before: undefined, after: kind });
    else if (left.kind !== kind || left.object !== object)
      changes.push({ path, kind: changeOfKind(left, { kind, object }), before: left.kind, after: kind });
  }
  for (const { path, kind } of old.values())
    changes.push({ path, kind: "deleted", before: kind, after: undefined });
  return changes.sort((left, right) => Buffer.compare(bytesOf(left.path), bytesOf(right.path)));
}

type Known = Pick<Leaf, "kind" | "object">;

function changeOfKind(before: Known, after: Known): Change["kind"] {
  const isRegular = ({ kind }: Known) => kind === "file" || kind === "executable";
  if (before.kind !== after.kind && !(isRegular(before) && isRegular(after))) return "type";
  return before.object === after.object ? "mode" : "modified";
}

/** What stands at one path: walks the tree objects, because names as bytes cannot be given on a command line. */
export interface Found {
  readonly kind: TreeEntry["kind"] | "folder" | "absent";
  readonly object: string;
  /** The first part of the way, where that is no folder: nothing can be below it. */
  readonly blockedBy: string | undefined;
}

export type Finder = (path: string) => Promise<Found>;

/** Finds paths in one commit; trees that were read once are kept for the next path. */
export async function openFinder(objects: Objects, commit: string): Promise<Finder> {
  const root = await objects.get(`${checkObjectName(commit)}^{tree}`);
  if (root === undefined)
    throw new RepositoryError(`${commit} is no commit here: open the repository with it first`);
  const trees = new Map<string, Promise<ReadonlyMap<string, Node>>>();
  const nodesOf = (object: string) => {
    const known = trees.get(object);
    if (known !== undefined) return known;
    const nodes = readTree(objects, object);
    trees.set(object, nodes);
    nodes.catch(() => trees.delete(object));
    return nodes;
  };
  return async (path) => {
    const parts = path.split("/").slice(0, depthMax);
    let folder = root.name;
    for (const [index, part] of parts.entries()) {
      const node = (await nodesOf(folder)).get(bytesOf(part).toString("latin1"));
      if (node === undefined) return { kind: "absent", object: "", blockedBy: undefined };
      if (index === parts.length - 1) return { ...node, blockedBy: undefined };
      if (node.kind !== "folder") {
        return { kind: "absent", object: "", blockedBy: parts.slice(0, index + 1).join("/") };
      }
      folder = node.object;
    }
    return { kind: "absent", object: "", blockedBy: undefined };
  };
}

interface Node {
  readonly kind: TreeEntry["kind"] | "folder";
  readonly object: string;
}

/** The bytes of a tree: `<mode> <name>\0<object>`, again and again; names are kept as Latin-1, one character a byte. */
async function readTree(objects: Objects, object: string): Promise<ReadonlyMap<string, Node>> {
  const tree = await objects.get(object);
  if (tree?.kind !== "tree") throw new RepositoryError(`the folder ${object} is missing: run \`git fsck\``);
  const nodes = new Map<string, Node>();
  const nameBytes = object.length / 2;
  for (let at = 0; at < tree.bytes.length; ) {
    const space = tree.bytes.indexOf(32, at);
    const stop = tree.bytes.indexOf(0, space);
    const mode = tree.bytes.toString("latin1", at, space);
    const kind = /^0?40000$/.test(mode) ? "folder" : (kindOf(mode) ?? "file");
    const end = stop + 1 + nameBytes;
    nodes.set(tree.bytes.toString("latin1", space + 1, stop), {
      kind,
      object: tree.bytes.toString("hex", stop + 1, end),
    });
    at = end;
  }
  return nodes;
}
