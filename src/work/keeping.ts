/**
 * `--keep-revisions`: what a bead lands on is its own history, a commit for each revision.
 *
 * 1. The history is made before the commit that is proven and stands below it, so every proof is about the very commit
 *    that is delivered; a commit that the merge queue moves gets its history there, and is proven after that.
 * 2. A revision stands there with its own tree, or as it merges with what landed meanwhile. What contradicts that, changes
 *    nothing, holds conflict markers, or is a merge that nobody wrote, is left out: it stays under its own reference. So
 *    is what went with a lost clone.
 * 3. Only the commit with `Rigs-Proof` was proven. The others say `Rigs-Revision` and no more.
 */
import type { Attempt, TrailEntry } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import type { Goal } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import type { Repository } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import { hasAll } from "./files.ts";
import { markersOn } from "./meeting.ts";

/** A bead's commit that is about to be made. */
export interface Landing {
  readonly goal: Goal;
  readonly bead: Bead;
  /** What it lands on. */
  readonly parent: Commit;
  /** Its tree: a newest revision that has it is that commit itself. */
  readonly tree: string;
  /** Where the history is kept until that commit is. */
  readonly ref: string;
}

interface Place {
  readonly repository: Repository;
  readonly store: Pick<Store, "view">;
}

type Revised = Extract<TrailEntry, { readonly kind: "revised" }>;

/** The commit to land on: the bead's revisions on `parent`, oldest first, where the order keeps them; else `parent`. */
export async function keptBelow(landing: Landing, { repository, store }: Place): Promise<Commit> {
  const { goal, bead, parent, tree, ref } = landing;
  if (goal.order.keepRevisions !== true) return parent;
  const steps: { readonly revised: Revised; readonly tree: string }[] = [];
  let before = await repository.treeOf(parent);
  for (const attempt of await store.view.attempts(bead.id))
    for (const revised of attempt.trail) {
      if (revised.kind !== "revised" || revised.step === "join") continue;
      const there = await treeOn(parent, { revised, attempt, bead }, repository);
      if (there === undefined || there === before) continue;
      steps.push({ revised, tree: there });
      before = there;
    }
  if (before === tree) steps.pop();
  let on = parent;
  for (const step of steps) {
    const message = messageOf(step.revised);
    on = await repository.squash({ tree: step.tree, parent: on, message, author: goal.order.author, ref });
  }
  return on;
}

/** A revision's tree where it stood on `parent`, else what it merges to; undefined where it cannot stand there. */
async function treeOn(
  parent: Commit,
  { revised, attempt, bead }: { readonly revised: Revised; readonly attempt: Attempt; readonly bead: Bead },
  repository: Repository,
): Promise<string | undefined> {
  const { base, start } = attempt;
  const stood = bead.isParent ? start : base;
  const { commit, tree } = revised;
  if (!(await hasAll(repository, [commit, ...(stood === undefined ? [] : [stood])]))) return undefined;
  if ((await markersOn(repository, stood ?? parent, commit)).length > 0) return undefined;
  if (stood === parent) return tree;
  const merge = await repository.merge(parent, commit);
  return merge.kind === "merged" ? merge.tree : undefined;
}

function messageOf({ revision, step, evaluation }: Revised): string {
  const { testsPassed, testsFailed } = evaluation.score;
  const score = `${testsPassed} of ${testsPassed + testsFailed} tests passed`;
  return `${step} ${revision}: ${score}\n\nNot proven by itself.\n\nRigs-Revision: ${revision}\n`;
}
