import { RepositoryError } from "../../ports/repository.ts";
import { type Clone, existing, hasCommit, send, shared } from "./clone.ts";
import { answer, type Git, type Owner } from "./command.ts";
import { holding } from "./lock.ts";
import { checkObjectName, isObjectName, isPlainReference, shown } from "./path.ts";
import { ownerOf } from "./source.ts";

const none = { sha1: "0".repeat(40), sha256: "0".repeat(64) } as const;

/**
 * Points a branch of the user's repository at the commit.
 *
 * 1. Nothing but that branch, its log and one pack of objects is written: HEAD, index, files and other branches stay.
 * 2. The branch moves by compare-and-swap, and only from nothing, from an ancestor, or from what Rigs delivered before.
 * 3. What is delivered is noted in the clone first, so that a kill in between cannot make our branch look like theirs.
 */
export async function deliverBranch(git: Git, clone: Clone, commit: string, branch: string): Promise<void> {
  const { source } = clone;
  const ref = `refs/heads/${branch}`;
  if (!isPlainReference(ref))
    throw new RepositoryError(`${shown(branch)} is no name for a branch: choose another`);
  if (!(await hasCommit(git, clone.gitDir, checkObjectName(commit)))) {
    throw new RepositoryError(`the commit ${commit} is not in Rigs' clone: run the goal again`);
  }
  await holding(clone.lock, async () => {
    await refuseCheckedOut(git, clone, branch);
    const old = await currentOf(git, clone, branch);
    if (old === commit) return;
    if (old !== undefined) await refuseStranger(git, clone, { branch, old, commit });
    const owner = await ownerOf(source);
    await sendWhole(git, clone, commit, owner);
    const noted = `refs/rigs/delivered/${branch}/${commit}`;
    await answer(
      git,
      { gitDir: clone.gitDir, arguments: ["update-ref", noted, commit] },
      "note the delivery",
      "check the free space of the disk",
    );
    await answer(
      git,
      {
        gitDir: source.gitDir,
        arguments: [
          "update-ref",
          "--no-deref",
          "-m",
          "rigs: deliver",
          ref,
          commit,
          old ?? none[source.objectFormat],
        ],
        owner,
      },
      `point the branch ${branch} of ${shown(source.top)} at ${commit}`,
      `see \`git branch --list '${branch.split("/")[0]}*'\` there, rename what is in the way, and deliver again`,
    );
  });
}

async function refuseCheckedOut(git: Git, { source }: Clone, branch: string): Promise<void> {
  const said = await answer(
    git,
    { gitDir: source.gitDir, arguments: ["worktree", "list", "--porcelain"] },
    `list the worktrees of ${shown(source.top)}`,
    "run `git worktree list` there and mend what it says",
  );
  if (!said.toString("utf8").split("\n").includes(`branch refs/heads/${branch}`)) return;
  throw new RepositoryError(
    `the branch ${branch} is checked out in ${shown(source.top)}: switch to another (git switch -) and deliver again`,
  );
}

async function currentOf(git: Git, { source }: Clone, branch: string): Promise<string | undefined> {
  const ref = `refs/heads/${branch}`;
  const symbolic = await git.run({ gitDir: source.gitDir, arguments: ["symbolic-ref", "--quiet", ref] });
  if (symbolic.exitCode === 0) {
    throw new RepositoryError(
      `the branch ${branch} only points to another one: remove it (git symbolic-ref --delete ${ref}) and deliver again`,
    );
  }
  const asked = await git.run({
    gitDir: source.gitDir,
    arguments: ["rev-parse", "--verify", "--quiet", ref],
  });
  const name = asked.stdout.toString("utf8").trim();
  return asked.exitCode === 0 && isObjectName(name) ? name : undefined;
}

/** Refuses to move a branch away from commits that Rigs did not make. */
async function refuseStranger(
  git: Git,
  clone: Clone,
  { branch, old, commit }: { readonly branch: string; readonly old: string; readonly commit: string },
): Promise<void> {
  const { gitDir } = clone;
  if (await hasCommit(git, gitDir, old)) {
    const forward = await git.run({ gitDir, arguments: ["merge-base", "--is-ancestor", old, commit] });
    if (forward.exitCode === 0) return;
  }
  const noted = `refs/rigs/delivered/${branch}/${old}`;
  const ours = await git.run({ gitDir, arguments: ["rev-parse", "--verify", "--quiet", noted] });
  if (ours.exitCode === 0) return;
  throw new RepositoryError(
    `the branch ${branch} has commits that Rigs did not deliver: rename it (git branch -m ${branch} ${branch}-mine) and deliver again`,
  );
}

/** What the user already has is left out; when theirs turns out to have holes, everything is sent. */
async function sendWhole(git: Git, clone: Clone, commit: string, owner: Owner | undefined): Promise<void> {
  const { gitDir } = clone.source;
  for (const haves of [await shared(git, clone, gitDir), []]) {
    await send(git, { from: clone.gitDir, to: gitDir, commit, haves, owner });
    if (await isWhole(git, gitDir, commit)) return;
  }
  throw new RepositoryError(
    `${shown(clone.source.top)} lacks objects that ${commit} needs: run \`git fsck\` there and \`git fetch\` what is missing`,
  );
}

async function isWhole(git: Git, gitDir: string, commit: string): Promise<boolean> {
  if ((await existing(git, gitDir, [commit])).length === 0) return false;
  const walked = await git.run({
    gitDir,
    arguments: ["rev-list", "--objects", "--quiet", commit, "--not", "--all"],
  });
  return walked.exitCode === 0;
}
