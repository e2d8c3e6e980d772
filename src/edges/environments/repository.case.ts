import type { Commit } from "../../domain/id.ts";
import type { Repository, TreeEntry } from "../../ports/repository.ts";

export const someCommit = "0".repeat(40) as Commit;

/** A repository of one commit, for reading only. A value that begins with "-> " is a link. */
export function repositoryOf(files: Readonly<Record<string, string>>): Repository {
  const bytesOf = (text: string) => Buffer.from(text.replace(/^-> /, ""));
  const refuse = async (): Promise<never> => {
    throw new Error("this repository is for reading only");
  };
  return {
    gitDir: "/nonexistent",
    list: async () =>
      Object.entries(files).map(([path, text]): TreeEntry => {
        return { path, kind: text.startsWith("-> ") ? "link" : "file", bytes: bytesOf(text).length };
      }),
    read: async (_commit, path) => {
      const text = files[path];
      return text === undefined ? undefined : bytesOf(text);
    },
    ...{ changes: refuse, diff: refuse, treeOf: refuse, checkout: refuse, write: refuse },
    ...{ squash: refuse, merge: refuse, deliver: refuse },
  };
}
