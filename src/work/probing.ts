/**
 * Conflict probes: a revision is merged in memory with what others made last, so that both workers and people know of a
 * contradiction before either ends.
 *
 * 1. Nothing depends on it: what cannot be merged here is left to the merge queue, and no work waits for an answer.
 * 2. It runs when the newest entry of the trail is a revision, so a killed worker's probe is made again.
 * 3. What was told is looked up and told in one step of the goal: two workers that see each other do not both say so.
 */
import {
  type Clash,
  clashesIn,
  isTold,
  mayMeet,
  newestWork,
  opponentsOf,
  opponentText,
  type Work,
} from "../domain/conflict.ts";
import { type Goal, groundOf } from "../domain/goal.ts";
import type { Commit, GoalId } from "../domain/id.ts";
import { present } from "../kit/assert.ts";
import { RepositoryError } from "../ports/repository.ts";
import type { NewEvent, Store } from "../ports/store.ts";
import { landedIn } from "./meeting.ts";
import { record } from "./record.ts";
import type { Scene } from "./scene.ts";

/** Beads of one goal that are looked at. */
const beadsMax = 1_000;

/** Other goals of the same repository that are looked at, newest first. */
const goalsMax = 20;

/** Looks before it is left to whoever else sees it: another append came in between each time. */
const looksMax = 20;

/** What a worker has told people already of other goals. */
export type Noted = Set<string>;

/** Merges the newest revision with others' work and records what contradicts it, each once. Rejects as the scene's `append` does. */
export async function probe(scene: Scene, commit: Commit, noted: Noted): Promise<void> {
  const { bead } = scene;
  if (bead.isParent) return;
  if (bead.parent !== undefined) {
    const clashes = [...(await clashesBeside(scene, commit)), ...(await clashesWithHead(scene, commit))];
    await tell(scene, clashes);
  }
  await noteOtherGoals(scene, commit, noted);
}

/** With the newest work of every other bead of the goal that may write at the same place. */
async function clashesBeside(scene: Scene, commit: Commit): Promise<readonly Clash[]> {
  const { goal, bead, tools } = scene;
  const clashes: Clash[] = [];
  for (const other of await neighbours(scene, goal.id, tools.store)) {
    const paths = await contradicting(scene, commit, newestWork(other));
    if (paths.length > 0) clashes.push({ bead: bead.id, with: other.bead.id, paths });
  }
  return clashes;
}

async function neighbours({ bead }: Scene, goal: GoalId, { view }: Store): Promise<readonly Work[]> {
  const found = (await view.beads({ goal, countMax: beadsMax })).filter((each) => mayMeet(bead, each));
  return Promise.all(found.map(async (each) => ({ bead: each, attempts: await view.attempts(each.id) })));
}

/** With what landed since the work began; told of the newest that wrote there. */
async function clashesWithHead(scene: Scene, commit: Commit): Promise<readonly Clash[]> {
  const { bead, base, site, tools } = scene;
  const goal = present(await tools.store.view.goal(scene.goal.id), "the goal of a claim exists");
  const upTo = goal.head ?? groundOf(goal);
  if (upTo === base) return [];
  const landed = await tools.store.view.beads({ goal: goal.id, state: "integrated", countMax: beadsMax });
  if (!landed.some((each) => mayMeet(bead, each))) return [];
  const paths = await contradicting(scene, commit, upTo);
  if (paths.length === 0) return [];
  const writers = await landedIn(goal, { from: base, upTo, paths }, { ...site, store: tools.store });
  const newest = writers.at(-1);
  return newest === undefined ? [] : [{ bead: bead.id, with: newest.bead, paths }];
}

/** Paths where the two do not merge; none where git cannot tell. */
async function contradicting(
  { site, signal }: Scene,
  commit: Commit,
  other: Commit | undefined,
): Promise<readonly string[]> {
  signal.throwIfAborted();
  if (other === undefined || other === commit) return [];
  try {
    const merge = await site.repository.merge(other, commit);
    return merge.kind === "conflict" ? merge.paths : [];
  } catch (error) {
    if (error instanceof RepositoryError) return [];
    throw error;
  }
}

async function tell(scene: Scene, clashes: readonly Clash[]): Promise<void> {
  const {
    goal: { id },
    attempt,
    lease,
    tools,
  } = scene;
  const { view } = tools.store;
  for (let look = 0; look < looksMax && clashes.length > 0; look++) {
    const { version } = present(await view.goal(id), "the goal of a claim exists");
    const beads = [...new Set([lease.bead, ...clashes.map((clash) => clash.with)])];
    const told = clashesIn((await Promise.all(beads.map((bead) => view.attempts(bead)))).flat());
    const fresh = clashes.filter((clash) => !isTold(clash, told));
    if (fresh.length === 0) return;
    const about = { goal: id, bead: lease.bead, attempt: attempt.id };
    const events = fresh.map(
      ({ with: other, paths }): NewEvent => ({ type: "conflict-seen", ...about, with: other, paths }),
    );
    if ((await record(tools, events, { kind: "looked", lease, goal: id, version })) === "recorded") return;
    // Refused: the lease is lost, which this tells, or something was said meanwhile.
    await scene.append();
  }
}

/** The same for work on other open goals of the repository: people are told, and nothing is kept. */
async function noteOtherGoals(scene: Scene, commit: Commit, noted: Noted): Promise<void> {
  const { goal, tools } = scene;
  const { store } = tools;
  const open = await store.view.goals({ open: true, countMax: goalsMax });
  for (const other of open.filter((each) => isBeside(goal, each)))
    for (const work of await neighbours(scene, other.id, store)) {
      const paths = await contradicting(scene, commit, newestWork(work));
      const text = `bead ${work.bead.id} of goal ${other.id} changes the same lines: ${paths.join(", ")}; the branches of both goals will not merge by themselves`;
      if (paths.length === 0 || noted.has(text)) continue;
      noted.add(text);
      tools.watch({ kind: "note", goal: goal.id, text });
    }
}

function isBeside(goal: Goal, other: Goal): boolean {
  return other.id !== goal.id && other.order.repository === goal.order.repository;
}

/** The end of the next question: who changes the same lines; "" where nobody does. */
export async function newsOf(scene: Scene): Promise<string> {
  const { goal, bead, tools } = scene;
  if (bead.parent === undefined || bead.isParent) return "";
  const own = { bead, attempts: await tools.store.view.attempts(bead.id) };
  return opponentText(opponentsOf(own, await neighbours(scene, goal.id, tools.store)));
}
