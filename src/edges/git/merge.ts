import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contradiction } from "../../domain/resolution.ts";
import { type Merge, RepositoryError } from "../../ports/repository.ts";
import { answer, type Command, type Git } from "./command.ts";
import { checkObjectName, isObjectName, textOf } from "./path.ts";
import { kindOf, recordsOf } from "./tree.ts";

const pathsMax = 100;

/**
 * A three-way merge without a work tree. The wire: git-merge-tree(1), "OUTPUT": the tree's name; after a conflict (exit
 * code 1) one `<mode> <object> <stage>\t<path>` for each side of each path, an empty record, and messages of the form
 * `<number of paths> <path>… <type> <text>`, each part ended by NUL.
 */
export async function mergeTrees(git: Git, gitDir: string, ours: string, theirs: string): Promise<Merge> {
  const sides = { ours: checkObjectName(ours), theirs: checkObjectName(theirs) };
  const words = ["merge-tree", "--write-tree", "--messages", "-z", sides.ours, sides.theirs];
  const ran = await git.run({ gitDir, arguments: words });
  const [name, ...records] = recordsOf(ran.stdout);
  const tree = textOf(name ?? Buffer.alloc(0));
  if (ran.exitCode === 0 && isObjectName(tree)) return { kind: "merged", tree };
  if (ran.exitCode === 1 && isObjectName(tree)) {
    const end = records.findIndex((record) => record.length === 0);
    const stages = records.slice(0, end < 0 ? undefined : end).map(stageOf);
    const bytes = binaries(end < 0 ? [] : records.slice(end + 1).map(textOf));
    const set = await withoutAsides(git, gitDir, { tree, stages, ...sides });
    const at = contradictions(stages, bytes, sides).slice(0, pathsMax);
    return { kind: "conflict", tree: set, paths: at.map(({ path }) => path), at };
  }
  const said = ran.stderr.trim().split("\n").at(-1) ?? "";
  throw new RepositoryError(
    `${sides.theirs.slice(0, 12)} cannot be merged with ${sides.ours.slice(0, 12)} (${said}): Rigs needs git 2.38 or newer`,
  );
}

/** What one side has at a path: "1" both had before, "2" is ours, "3" theirs. */
interface Stage {
  readonly mode: string;
  readonly object: string;
  readonly side: string;
  readonly path: string;
}

function stageOf(record: Buffer): Stage {
  const tab = record.indexOf(9);
  const [mode = "", object = "", side = ""] = record.toString("latin1", 0, tab).split(" ");
  return { mode, object, side, path: textOf(record.subarray(tab + 1)) };
}

/** Paths whose contents git could not read as lines. */
function binaries(messages: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (let at = 0; at < messages.length; ) {
    const count = Number(messages[at]);
    if (!Number.isSafeInteger(count) || count < 0) break;
    const type = messages[at + count + 1] ?? "";
    if (type === "CONFLICT (binary)")
      for (const path of messages.slice(at + 1, at + count + 1)) found.add(path);
    at += count + 3;
  }
  return found;
}

interface Sides {
  readonly ours: string;
  readonly theirs: string;
}

function contradictions(
  stages: readonly Stage[],
  bytes: ReadonlySet<string>,
  sides: Sides,
): readonly Contradiction[] {
  const paths = [...new Set(stages.map(({ path }) => plainOf(path, sides) ?? path))];
  return paths.map((path) => {
    const here = stages.filter((each) => each.path === path);
    const isAside = stages.some((each) => each.path !== path && plainOf(each.path, sides) === path);
    const [before, our, their] = ["1", "2", "3"].map((side) => here.find((each) => each.side === side));
    if (isAside) return { path, kind: "whole" };
    if (our === undefined && their !== undefined && before !== undefined)
      return { path, kind: "deleted-by-ours" };
    if (their === undefined && our !== undefined && before !== undefined)
      return { path, kind: "deleted-by-theirs" };
    if (our === undefined || their === undefined) return { path, kind: "moved" };
    const isFile = [our, their].every(({ mode }) => ["file", "executable"].includes(kindOf(mode) ?? ""));
    const isText = isFile && our.object !== their.object && !bytes.has(path);
    return { path, kind: isText ? "text" : "whole" };
  });
}

/** Where a file is in a folder's way, or another kind of entry, git puts it aside as "path~commit". */
function plainOf(path: string, { ours, theirs }: Sides): string | undefined {
  const [, plain, commit = ""] = /^(.+)~([0-9a-f]{40,64})(?:_\d+)?$/s.exec(path) ?? [];
  return commit === ours || commit === theirs ? plain : undefined;
}

/** The tree with nothing put aside: such paths are as ours has them. The wire: `update-index --index-info` reads what `ls-tree` says. */
async function withoutAsides(
  git: Git,
  gitDir: string,
  { tree, stages, ...sides }: Sides & { readonly tree: string; readonly stages: readonly Stage[] },
): Promise<string> {
  const plains = new Set(stages.flatMap(({ path }) => plainOf(path, sides) ?? []));
  if (plains.size === 0) return tree;
  const said = (words: readonly string[], more: Pick<Command, "input" | "variables"> = {}) =>
    answer(
      git,
      { gitDir, arguments: words, ...more },
      `put ${sides.theirs.slice(0, 12)} and ${sides.ours.slice(0, 12)} together`,
      "check the free space of the disk",
    );
  const entries = async (of: string, isWanted: (path: string) => boolean) =>
    recordsOf(await said(["ls-tree", "-r", "-z", "--full-tree", of])).filter((record) =>
      isWanted(textOf(record.subarray(record.indexOf(9) + 1))),
    );
  const isBelow = (path: string) =>
    plains.has(path) || [...plains].some((plain) => path.startsWith(`${plain}/`));
  const kept = await entries(tree, (path) => !isBelow(path) && plainOf(path, sides) === undefined);
  const own = await entries(sides.ours, isBelow);
  const folder = await mkdtemp(join(tmpdir(), "rigs-merge-"));
  try {
    const variables = { GIT_INDEX_FILE: join(folder, "index") };
    const input = Buffer.concat([...kept, ...own].flatMap((record) => [record, Buffer.from([0])]));
    await said(["update-index", "-z", "--index-info"], { input, variables });
    return (await said(["write-tree"], { variables })).toString("utf8").trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
