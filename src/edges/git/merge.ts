import { type Merge, RepositoryError } from "../../ports/repository.ts";
import type { Git } from "./command.ts";
import { checkObjectName, isObjectName, textOf } from "./path.ts";
import { recordsOf } from "./tree.ts";

const pathsMax = 100;

/**
 * A three-way merge without a work tree. The wire: git-merge-tree(1), "OUTPUT": the tree's name, and after a conflict
 * (exit code 1) one NUL-ended path each, as `--name-only` asks.
 */
export async function mergeTrees(git: Git, gitDir: string, ours: string, theirs: string): Promise<Merge> {
  const [left, right] = [checkObjectName(ours), checkObjectName(theirs)];
  const words = ["merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", left, right];
  const ran = await git.run({ gitDir, arguments: words });
  const [tree = "", ...paths] = recordsOf(ran.stdout).map((record) => textOf(record));
  if (ran.exitCode === 0 && isObjectName(tree)) return { kind: "merged", tree };
  if (ran.exitCode === 1 && isObjectName(tree))
    return { kind: "conflict", paths: [...new Set(paths)].filter((path) => path !== "").slice(0, pathsMax) };
  const said = ran.stderr.trim().split("\n").at(-1) ?? "";
  throw new RepositoryError(
    `${right.slice(0, 12)} cannot be merged with ${left.slice(0, 12)} (${said}): Rigs needs git 2.38 or newer`,
  );
}
