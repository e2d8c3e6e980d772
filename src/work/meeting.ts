/**
 * Work that met other work: what its worker is told, what it may change for it, and what is held against the result.
 *
 * 1. Everything here follows from the log, the attempt and its commits, so a killed worker is told the same again.
 * 2. The laws of `domain/resolution` are asked of a worker's proof and of the queue's own alike.
 */
import type { Attempt } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import { type Goal, groundOf } from "../domain/goal.ts";
import type { BeadId, Commit } from "../domain/id.ts";
import { storiesOf } from "../domain/judge.ts";
import { isAllowed, isTestFile } from "../domain/protected.ts";
import type { Remark } from "../domain/remark.ts";
import {
  type Landed,
  leftText,
  lineRemarks,
  markerRemarks,
  markersLeft,
  meetingText,
  partRemarks,
  type Rewritten,
  residueRemarks,
  testRemarks,
} from "../domain/resolution.ts";
import { isWorthDelivering, type ProofFacts, type TestStory } from "../domain/verdict.ts";
import { present } from "../kit/assert.ts";
import type { Repository } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import type { Scene } from "./scene.ts";

/** A stretch of a goal's line: from the ground where `from` is undefined. */
export interface Stretch {
  readonly from: Commit | undefined;
  readonly upTo: Commit;
  /** Only what changed any of these. */
  readonly paths: readonly string[];
}

/** Beads that landed there, oldest first. */
export async function landedIn(
  goal: Goal,
  { from, upTo, paths }: Stretch,
  { repository, store }: { readonly repository: Repository; readonly store: Store },
): Promise<readonly Landed[]> {
  const landed: Landed[] = [];
  const line = await lineOf(goal, upTo, store);
  const at = line.findIndex(({ parent }) => parent === from);
  for (const { bead, parent, commit } of line.slice(Math.max(0, at))) {
    const changed = (await repository.changes(parent, commit)).map(({ path }) => path);
    if (!changed.some((path) => paths.includes(path))) continue;
    const { contract } = present(await store.view.bead(bead), "a bead that landed exists");
    landed.push({ bead, intent: contract.intent });
  }
  return landed;
}

interface Step {
  readonly bead: BeadId;
  readonly parent: Commit;
  readonly commit: Commit;
}

/** What landed on the goal's ground, one on the other; a tree that began anew leaves what it had. */
async function lineOf(goal: Goal, upTo: Commit, { log }: Store): Promise<readonly Step[]> {
  let head = groundOf(goal);
  let line: Step[] = [];
  for (let from = 1; ; ) {
    const page = await log.read(from, 1_000, goal.id);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type === "bead-split") head = event.head ?? head;
      if (event.type === "head-lost") [head, line] = [event.head ?? groundOf(goal), []];
      if (event.type !== "bead-integrated") continue;
      line.push({ bead: event.bead, parent: head, commit: event.commit });
      head = event.commit;
    }
    if (page.length > 0) continue;
    const end = line.findIndex(({ commit }) => commit === upTo);
    return end < 0 ? line : line.slice(0, end + 1);
  }
}

/** The texts that a commit has otherwise than its ground. */
async function rewrittenIn(
  repository: Repository,
  ground: Commit,
  commit: Commit,
): Promise<readonly Rewritten[]> {
  const changed = (await repository.changes(ground, commit)).filter(
    ({ after }) => after === "file" || after === "executable",
  );
  const texts: Rewritten[] = [];
  for (const { path, before } of changed) {
    const after = await textAt(repository, commit, path);
    // Most files hold no marker at all.
    if (!/^[<>]{7}/m.test(after)) continue;
    texts.push({ path, before: before === undefined ? "" : await textAt(repository, ground, path), after });
  }
  return texts;
}

/** Whether it holds markers that its ground does not. */
function isMarked(text: Rewritten): boolean {
  return markersLeft([text]).length > 0;
}

async function textAt(repository: Repository, commit: Commit, path: string): Promise<string> {
  return new TextDecoder("latin1").decode((await repository.read(commit, path)) ?? new Uint8Array());
}

/** What a bead's last accepted proof saw before this attempt; undefined where it has none. */
async function acceptedBefore(
  { id, bead }: Pick<Attempt, "id" | "bead">,
  store: Store,
): Promise<{ readonly commit: Commit; readonly stories: readonly TestStory[] } | undefined> {
  const attempts = await store.view.attempts(bead);
  const at = attempts.findIndex((each) => each.id === id);
  return accepted(attempts.slice(0, at < 0 ? undefined : at), store);
}

/** What the newest accepted proof of these attempts saw. */
export async function accepted(
  attempts: readonly Attempt[],
  store: Store,
): Promise<{ readonly commit: Commit; readonly stories: readonly TestStory[] } | undefined> {
  const proved = attempts
    .flatMap(({ trail }) => trail)
    .findLast((entry) => entry.kind === "proved" && isWorthDelivering(entry.proof));
  if (proved?.kind !== "proved") return undefined;
  const bytes = present(await store.blobs.get(proved.evidence), "the evidence of an open goal is kept");
  const { stories } = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly stories: readonly TestStory[];
  };
  return { commit: proved.commit, stories };
}

/** Came back from the merge queue, and goes on from there. */
function isMeeting({ bead, attempt }: Pick<Scene, "bead" | "attempt">): boolean {
  return attempt.start !== undefined && !bead.isParent;
}

/**
 * Test files that two lines of work both wrote: in the way from `ground` to `commit`, where the ground has them. Protected
 * as all that the ground has, but for the hands that put both together. Without those that the user gave leave to change.
 */
export async function sharedTests(
  { order }: Goal,
  { ground, commit }: { readonly ground: Commit; readonly commit: Commit },
  repository: Repository,
): Promise<readonly string[]> {
  return (await repository.changes(ground, commit))
    .filter(({ path, before }) => before !== undefined && isTestFile(path))
    .map(({ path }) => path)
    .filter((path) => !isAllowed(order.allowChange, path));
}

/** Those of an attempt that goes on from a merge. */
export async function sharedBy(
  goal: Goal,
  { isParent }: Bead,
  { base, start }: Pick<Attempt, "base" | "start">,
  repository: Repository,
): Promise<readonly string[]> {
  if (start === undefined || base === undefined || isParent) return [];
  return sharedTests(goal, { ground: base, commit: start }, repository);
}

/** The goal as it is for whoever puts these tests together. */
export function withLeave(goal: Goal, tests: readonly string[]): Goal {
  if (tests.length === 0) return goal;
  const allowChange = [...goal.order.allowChange, ...tests];
  return { ...goal, order: { ...goal.order, allowChange } };
}

/** Law 1 of `domain/resolution`, for any head. */
export async function markersOn(
  repository: Repository,
  ground: Commit,
  commit: Commit,
): Promise<readonly Remark[]> {
  return markerRemarks(await rewrittenIn(repository, ground, commit));
}

/** What is held against a worker's commit beside its runs. */
export async function remarksOn(scene: Scene, facts: ProofFacts): Promise<readonly Remark[]> {
  const { attempt, base, site, tools } = scene;
  const remarks = [
    ...(await markersOn(site.repository, base, facts.commit)),
    ...(scene.bead.isParent ? await brokenIn(scene.goal, facts, tools.store) : []),
  ];
  const own = isMeeting(scene) ? await acceptedBefore(attempt, tools.store) : undefined;
  if (own === undefined) return remarks;
  const textIn = (commit: Commit, path: string) => textAt(site.repository, commit, path);
  const shared = await Promise.all(
    scene.shared.map(async (path) => {
      const sides = [await textIn(base, path), await textIn(own.commit, path)] as const;
      return { path, sides, after: await textIn(facts.commit, path) };
    }),
  );
  const start = present(attempt.start, "what came back starts somewhere");
  const marked = (await rewrittenIn(site.repository, base, start)).filter(isMarked);
  const unmarked = await Promise.all(
    marked.map(async ({ path, after }) => ({ path, start: after, after: await textIn(facts.commit, path) })),
  );
  const lines = [...lineRemarks(shared), ...residueRemarks(unmarked)];
  return [...remarks, ...testRemarks(own.stories, storiesOf(facts)), ...lines];
}

/** What the proofs of the parts that are in saw pass, and the whole does not. */
async function brokenIn(goal: Goal, facts: ProofFacts, store: Store): Promise<readonly Remark[]> {
  const parts = await store.view.beads({ goal: goal.id, state: "integrated", countMax: 1_000 });
  const proofs = await Promise.all(
    parts.map(async ({ id }) => accepted(await store.view.attempts(id), store)),
  );
  return partRemarks(
    proofs.map((proof) => proof?.stories ?? []),
    storiesOf(facts),
    { asked: goal.checks, run: facts.gates.map(({ check }) => check) },
  );
}

/** Stands in the question after the goal: what came back, or what parts left undone; "" for all other work. */
export async function standingOf(scene: Scene): Promise<string> {
  const { goal, bead, attempt, base, site, tools } = scene;
  if (bead.isParent) return leftOf(goal, bead, tools.store);
  if (attempt.start === undefined) return "";
  const texts = await rewrittenIn(site.repository, base, attempt.start);
  const marked = texts.filter(isMarked).map(({ path }) => path);
  const paths = (await site.repository.changes(base, attempt.start)).map(({ path }) => path);
  const stretch = { from: undefined, upTo: base, paths };
  const landed = await landedIn(goal, stretch, { ...site, store: tools.store });
  return meetingText({ why: bead.returned ?? "it has to stand on what was integrated", marked, landed });
}

/** Parts that were not done, and why; "" where all are. */
export async function leftOf(goal: Goal, bead: Bead, { view }: Store): Promise<string> {
  const parts = (await view.beads({ goal: goal.id, countMax: 1_000 })).filter(
    ({ id, state }) => id !== bead.id && (state.kind === "parked" || state.kind === "cancelled"),
  );
  return leftText(
    parts.map(({ id, contract, state }) => ({
      ...{ bead: id, intent: contract.intent, owns: contract.owns },
      why: state.kind === "parked" ? state.reason : "it was cancelled",
    })),
  );
}
