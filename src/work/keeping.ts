/**
 * `--keep-revisions`: what a bead lands on is its own history, a commit for each revision.
 *
 * 1. The history is made before the commit that is proven and stands below it, so every proof is about the very commit
 *    that is delivered; a commit that the merge queue moves gets its history there, and is proven after that.
 * 2. A revision stands there with its own tree, or as it merges with what landed meanwhile. What contradicts that, changes
 *    nothing, holds conflict markers, or is a merge that nobody wrote, is left out: it stays under its own reference. So
 *    is what went with a lost clone.
 * 3. A revision that nobody delivered was put to nobody either: one that brings what needs the user's word is left out, and
 *    the evidence says so.
 * 4. Only the commit with `Rigs-Proof` was proven. The others say `Rigs-Revision` and no more.
 */
import type { Attempt, TrailEntry } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import { type Goal, groundOf } from "../domain/goal.ts";
import type { Commit, RevisionId } from "../domain/id.ts";
import type { Repository } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import { needsOf } from "./consent.ts";
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
      const there = await treeOn(parent, { revised, attempt, bead, goal }, repository);
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

/** A revision that is left out for what it brings. */
export interface Unkept {
  readonly revision: RevisionId;
  /** ".envrc: runs or loads by itself", at least one. */
  readonly why: readonly string[];
}

/** What law 3 leaves out of a bead's history; none where the order keeps no revisions. */
export async function unkept(
  goal: Goal,
  bead: Bead,
  { repository, store }: Place,
): Promise<readonly Unkept[]> {
  if (goal.order.keepRevisions !== true) return [];
  const all: Unkept[] = [];
  const attempts = await store.view.attempts(bead.id);
  const proved = attempts.flatMap(({ trail }) => trail).findLast((entry) => entry.kind === "proved");
  const isThere = proved?.kind === "proved" && (await hasAll(repository, [proved.commit]));
  // What was delivered with the user's yes is the proven commit itself.
  const delivered = isThere ? await repository.treeOf(proved.commit) : undefined;
  for (const attempt of attempts)
    for (const revised of attempt.trail) {
      if (revised.kind !== "revised" || revised.step === "join" || revised.tree === delivered) continue;
      const from = stoodOn({ attempt, bead, goal });
      if (!(await hasAll(repository, [revised.commit, from]))) continue;
      const needs = await needsOf(goal, { from, to: revised.commit }, repository);
      const why = needs.map((need) => `${need.path}: ${need.why}`);
      if (why.length > 0) all.push({ revision: revised.revision, why });
    }
  return all;
}

/** What an attempt's revisions were made on. */
function stoodOn({ attempt, bead, goal }: Omit<Past, "revised">): Commit {
  return (bead.isParent ? attempt.start : attempt.base) ?? groundOf(goal);
}

interface Past {
  readonly revised: Revised;
  readonly attempt: Attempt;
  readonly bead: Bead;
  readonly goal: Goal;
}

/** A revision's tree where it stood on `parent`, else what it merges to; undefined where it cannot stand there. */
async function treeOn(parent: Commit, past: Past, repository: Repository): Promise<string | undefined> {
  const { commit, tree } = past.revised;
  const stood = stoodOn(past);
  if (!(await hasAll(repository, [commit, stood]))) return undefined;
  if ((await markersOn(repository, stood, commit)).length > 0) return undefined;
  if ((await needsOf(past.goal, { from: stood, to: commit }, repository)).length > 0) return undefined;
  if (stood === parent) return tree;
  const merge = await repository.merge(parent, commit);
  return merge.kind === "merged" ? merge.tree : undefined;
}

function messageOf({ revision, step, evaluation }: Revised): string {
  const { testsPassed, testsFailed } = evaluation.score;
  const score = `${testsPassed} of ${testsPassed + testsFailed} tests passed`;
  return `${step} ${revision}: ${score}\n\nNot proven by itself.\n\nRigs-Revision: ${revision}\n`;
}
