/** Repositories in memory: commits of plain files, named by their content. For the simulation. */
import { createHash } from "node:crypto";
import type { Commit } from "../../src/domain/id.ts";
import { checkPath } from "../../src/domain/path.ts";
import type { Contradiction } from "../../src/domain/resolution.ts";
import {
  type Change,
  type Repositories,
  type Repository,
  RepositoryError,
  type TreeEntry,
} from "../../src/ports/repository.ts";

export type Files = ReadonlyMap<string, string>;

interface Kept {
  readonly tree: string;
  readonly parent: Commit | undefined;
  readonly files: Files;
}

export interface MemoryRepositories extends Repositories {
  /** A user's repository with one commit. */
  create(top: string, files: Readonly<Record<string, string>>): Commit;
  /** The bare clone a verifier reads. */
  clone(gitDir: string): Repository;
  filesOf(commit: Commit): Files;
  parentOf(commit: Commit): Commit | undefined;
  /** The private clones are gone; the users' repositories keep what was there and what was delivered to them. */
  lose(): void;
  /** What the user's repository has under this branch. */
  branch(top: string, name: string): Commit | undefined;
}

const gitPrefix = "/clones";

/** `delivered` hears of every delivery before the branch moves. */
export function memoryRepositories(
  delivered: (top: string, branch: string, commit: Commit) => void = () => {},
): MemoryRepositories {
  /** Every commit there ever was, for those who look from outside. */
  const all = new Map<Commit, Kept>();
  /** What the clones have. */
  const commits = new Map<Commit, Kept>();
  const refs = new Map<string, Commit>();
  const branches = new Map<string, Commit>();
  const heads = new Map<string, Commit>();
  let written = 0;

  function keep(files: Files, parent: Commit | undefined, salt: string): Commit {
    const tree = treeOf(files);
    const commit = hash(`${tree} ${parent ?? ""} ${salt}`) as Commit;
    for (const each of [all, commits]) each.set(commit, { tree, parent, files });
    return commit;
  }

  function ever(commit: Commit): Kept {
    const kept = all.get(commit);
    if (kept === undefined) throw new RepositoryError(`there never was a commit ${commit}`);
    return kept;
  }

  /** A commit of the user's repository with all it leads to. */
  function bring(top: string, commit: Commit): void {
    if (commits.has(commit)) return;
    const tips = [...branches].filter(([name]) => name.startsWith(`${top} `)).map(([, tip]) => tip);
    const line = (tip: Commit | undefined): readonly Commit[] => {
      const found: Commit[] = [];
      for (let at = tip; at !== undefined; at = ever(at).parent) found.push(at);
      return found;
    };
    if ([heads.get(top), ...tips].some((tip) => line(tip).includes(commit)))
      for (const each of line(commit)) commits.set(each, ever(each));
  }

  function known(commit: Commit): Kept {
    const kept = commits.get(commit);
    if (kept === undefined) throw new RepositoryError(`there is no commit ${commit}`);
    return kept;
  }

  /** The newest commit that both lead to. */
  function parting(one: Commit, other: Commit): Commit {
    const line = new Set<Commit>();
    for (let at: Commit | undefined = one; at !== undefined; at = known(at).parent) line.add(at);
    for (let at: Commit | undefined = other; at !== undefined; at = known(at).parent)
      if (line.has(at)) return at;
    throw new RepositoryError("they have nothing in common");
  }

  function repository(top: string): Repository {
    return {
      gitDir: gitPrefix + top,
      list: async (commit) => entriesOf(known(commit).files),
      async read(commit, path) {
        const text = known(commit).files.get(path);
        return text === undefined ? undefined : new TextEncoder().encode(text);
      },
      changes: async (from, to) => changesOf(known(from).files, known(to).files),
      async diff(from, to) {
        const [before, after] = [known(from).files, known(to).files];
        return changesOf(before, after)
          .map(({ path }) => diffOf(path, before.get(path), after.get(path)))
          .join("");
      },
      treeOf: async (commit) => known(commit).tree,
      checkout: () => Promise.reject(new RepositoryError("a repository in memory has no folders")),
      async write({ parent, files, message, ref }) {
        const next = new Map(known(parent).files);
        for (const [path, bytes] of files) {
          const checked = checkPath(path);
          if (checked.kind !== "safe" || checked.path !== path)
            throw new RepositoryError(`${path} is no path for a file`);
          if (bytes === undefined) next.delete(path);
          else next.set(path, new TextDecoder().decode(bytes));
        }
        refuseClashes(next);
        const commit = keep(next, parent, `${message} ${++written}`);
        refs.set(ref, commit);
        return { commit, tree: treeOf(next), changes: changesOf(known(parent).files, next) };
      },
      async squash({ tree, parent, message, ref }) {
        const found = [...commits.values()].find((each) => each.tree === tree);
        if (found === undefined) throw new RepositoryError(`there is no tree ${tree}`);
        const commit = keep(found.files, parent, `${message} ${++written}`);
        refs.set(ref, commit);
        return commit;
      },
      async merge(ours, theirs) {
        const base = known(parting(ours, theirs)).files;
        const [left, right] = [known(ours).files, known(theirs).files];
        const merged = new Map(left);
        const at: Contradiction[] = [];
        for (const { path } of changesOf(base, right)) {
          const [was, here, there] = [base.get(path), left.get(path), right.get(path)];
          if (here !== was && here !== there) {
            at.push({ path, kind: contradiction(here, there) });
            const text = here === undefined || there === undefined ? (here ?? there) : woven(here, there);
            if (text !== undefined) merged.set(path, text);
          } else if (there === undefined) merged.delete(path);
          else merged.set(path, there);
        }
        keep(merged, ours, `merge ${ours} ${theirs}`);
        const tree = treeOf(merged);
        if (at.length === 0) return { kind: "merged", tree };
        return { kind: "conflict", tree, paths: at.map(({ path }) => path), at };
      },
      async deliver(commit, branch) {
        known(commit);
        delivered(top, branch, commit);
        branches.set(`${top} ${branch}`, commit);
      },
    };
  }

  return {
    create(top, files) {
      const commit = keep(new Map(Object.entries(files)), undefined, top);
      heads.set(top, commit);
      return commit;
    },
    clone: (gitDir) => repository(gitDir.slice(gitPrefix.length)),
    filesOf: (commit) => ever(commit).files,
    parentOf: (commit) => ever(commit).parent,
    lose: () => commits.clear(),
    branch: (top, name) => branches.get(`${top} ${name}`),
    async survey(folder) {
      const head = heads.get(folder);
      if (head === undefined) throw new RepositoryError(`${folder} is not in a git repository`);
      return { top: folder, head, author: "Ada Example <ada@example.org>", dirty: [], untracked: [] };
    },
    snapshot: async (top) => heads.get(top) ?? Promise.reject(new RepositoryError(`${top} has no commit`)),
    async open(top, commit) {
      bring(top, commit);
      known(commit);
      return repository(top);
    },
  };
}

function contradiction(here: string | undefined, there: string | undefined): Contradiction["kind"] {
  if (here === undefined) return "deleted-by-ours";
  return there === undefined ? "deleted-by-theirs" : "text";
}

/** Lines that both sides begin and end with once, what differs between markers. */
function woven(ours: string, theirs: string): string {
  const [left, right] = [ours, theirs].map((text) => text.split("\n").slice(0, -1)) as [string[], string[]];
  let head = 0;
  while (head < left.length && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < Math.min(left.length, right.length) - head && left.at(-1 - tail) === right.at(-1 - tail))
    tail++;
  const between = (lines: readonly string[]) => lines.slice(head, lines.length - tail);
  const lines = [
    ...left.slice(0, head),
    ...["<<<<<<< ours", ...between(left), "=======", ...between(right), ">>>>>>> theirs"],
    ...left.slice(left.length - tail),
  ];
  return `${lines.join("\n")}\n`;
}

function hash(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

function treeOf(files: Files): string {
  return hash(JSON.stringify([...files].sort(([left], [right]) => (left < right ? -1 : 1))));
}

function entriesOf(files: Files): readonly TreeEntry[] {
  return [...files]
    .map(([path, text]) => ({ path, kind: "file" as const, bytes: Buffer.byteLength(text) }))
    .sort((left, right) => (left.path < right.path ? -1 : 1));
}

function changesOf(before: Files, after: Files): readonly Change[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): Change[] => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === now) return [];
    if (old === undefined) return [{ path, kind: "added", before: undefined, after: "file" }];
    if (now === undefined) return [{ path, kind: "deleted", before: "file", after: undefined }];
    return [{ path, kind: "modified", before: "file", after: "file" }];
  });
}

function diffOf(path: string, before = "", after = ""): string {
  const marked = (text: string, mark: string) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `${mark}${line}\n`)
      .join("");
  return `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n${marked(before, "-")}${marked(after, "+")}`;
}

/** A file cannot stand where a folder is needed. */
function refuseClashes(files: Files): void {
  for (const path of files.keys())
    for (let stop = path.lastIndexOf("/"); stop > 0; stop = path.lastIndexOf("/", stop - 1))
      if (files.has(path.slice(0, stop)))
        throw new RepositoryError(`${path} cannot be written: ${path.slice(0, stop)} is a file`);
}
