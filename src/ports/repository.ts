import type { Commit } from "../domain/id.ts";
import type { Contradiction } from "../domain/resolution.ts";

export interface TreeEntry {
  /** Relative, "/" between parts. */
  readonly path: string;
  readonly kind: "file" | "executable" | "link" | "gitlink";
  readonly bytes: number;
}

export interface Change {
  readonly path: string;
  readonly kind: "added" | "modified" | "deleted" | "mode" | "type";
  readonly before: TreeEntry["kind"] | undefined;
  readonly after: TreeEntry["kind"] | undefined;
}

export interface Revised {
  readonly commit: Commit;
  readonly tree: string;
  readonly changes: readonly Change[];
}

/** Two lines of work put together: the tree that has both; or where they contradict each other, with a tree that has both as far as that goes. */
export type Merge =
  | { readonly kind: "merged"; readonly tree: string }
  | {
      readonly kind: "conflict";
      readonly tree: string;
      readonly paths: readonly string[];
      /** The same paths in the same order. */
      readonly at: readonly Contradiction[];
    };

/**
 * The private bare clone of one source repository. No hook, filter, attribute, fsmonitor or nested repository of the
 * source or of a work folder is ever run or read as configuration. Names and links are bytes; nothing follows a link
 * out of a folder. Rejects with RepositoryError (one line for people) for what git or the disk refuses.
 */
export interface Repository {
  /** Absolute path of the bare repository. */
  readonly gitDir: string;
  list(commit: Commit): Promise<readonly TreeEntry[]>;
  /** Undefined when there is no such file at the commit; a link's bytes are its target. */
  read(commit: Commit, path: string): Promise<Uint8Array | undefined>;
  changes(from: Commit, to: Commit): Promise<readonly Change[]>;
  /** A unified diff for people, at most 1 MiB. */
  diff(from: Commit, to: Commit): Promise<string>;
  treeOf(commit: Commit): Promise<string>;
  /** Writes the commit's files into `folder` (made, or emptied first). The folder has no `.git`. */
  checkout(commit: Commit, folder: string): Promise<void>;
  /** A commit on `parent` where these files have these bytes (undefined: deleted); nothing else changes. Kept under `ref`. */
  write(ask: {
    readonly parent: Commit;
    readonly files: ReadonlyMap<string, Uint8Array | undefined>;
    readonly message: string;
    readonly author: string;
    readonly ref: string;
  }): Promise<Revised>;
  /** A commit with `tree` on `parent`: one commit per bead for delivery. */
  squash(ask: {
    readonly tree: string;
    readonly parent: Commit;
    readonly message: string;
    readonly author: string;
    readonly ref: string;
  }): Promise<Commit>;
  /**
   * What `theirs` did since the two lines parted, on top of `ours`. Nothing is written but objects; no driver, filter or
   * attribute of the repository has a part in it. At most 100 paths.
   */
  merge(ours: Commit, theirs: Commit): Promise<Merge>;
  /** Points `branch` of the user's repository at the commit with one fetch; the checked-out branch and index are untouched. */
  deliver(commit: Commit, branch: string): Promise<void>;
}

/** Finds, clones and refreshes private bare clones. */
export interface Repositories {
  /** The source's own view: top folder, HEAD, author, and whether files differ from HEAD. Rejects with RepositoryError outside a repository or without a commit. */
  survey(folder: string): Promise<{
    readonly top: string;
    readonly head: Commit;
    readonly author: string;
    readonly dirty: readonly string[];
    readonly untracked: readonly string[];
  }>;
  /** A commit of the work folder as it is (tracked changes and untracked, unignored files), made through a temporary index and object store. */
  snapshot(top: string): Promise<Commit>;
  /** The private clone that holds `commit`, made or refreshed. */
  open(top: string, commit: Commit): Promise<Repository>;
}

/** What git or the disk refused, in one line that says what to do next. */
export class RepositoryError extends Error {
  override readonly name = "RepositoryError";
}
