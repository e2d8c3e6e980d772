/** What a person's "go on with it", "yes" and "no" are in events: whose turn it is again, from where, and with which bounds. */
import type { Attempt } from "../domain/attempt.ts";
import { type Bead, isHeld, isTakenOff } from "../domain/bead.ts";
import { type BudgetWish, isWish, rebudgeted } from "../domain/budget.ts";
import { nameOf } from "../domain/decision.ts";
import { type Goal, refusalOf } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import type { Plan } from "../domain/plan.ts";
import { upcastPlan } from "../domain/upcast.ts";
import { isWorthDelivering } from "../domain/verdict.ts";
import { assert, present } from "../kit/assert.ts";
import { type Repository, RepositoryError } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { hasAll } from "./files.ts";
import { lostCall } from "./record.ts";
import { writeSkeleton } from "./splitting.ts";
import { rewriteTests } from "./testing.ts";
import type { Tools } from "./tools.ts";

/** `notes`: what people should know of it, one line each. */
export interface Resumption {
  readonly events: readonly NewEvent[];
  readonly notes: readonly string[];
}

/** New bounds of a goal that is gone on with; undefined leaves one as it is. */
export interface Bounds extends BudgetWish {
  /** Beads worked on side by side, 1 or more. */
  readonly workersMax: number | undefined;
}

export const sameBounds: Bounds = {
  usdMax: undefined,
  tokensMax: undefined,
  wallMsMax: undefined,
  workersMax: undefined,
};

/**
 * Looks where the goal stands. What a person took off stays off, with what needs it. What was parked for the user's budget goes on where it was; what was given up otherwise
 * begins anew, after what it waits for; and so does what stood on commits that the private clone does not have any
 * more, a whole tree where what is integrated is gone with it. The clone itself, and tests by a model, are made again
 * where they are missing: RepositoryError when the repository, its base commit or the answer that held the tests is gone too.
 */
export async function resumption(
  goal: Goal,
  wish: Bounds,
  tools: Pick<Tools, "store" | "repositories" | "clock">,
): Promise<Resumption> {
  const { order, id } = goal;
  const repository = await tools.repositories.open(order.repository, order.base);
  const events: NewEvent[] = [];
  const notes: string[] = [];
  if (goal.end !== undefined || goal.cancelAsked || goal.isUnbegun)
    events.push({ type: "goal-resumed", goal: id });
  // The minutes of what was only recorded begin now.
  const wallMsMax = wish.wallMsMax ?? (goal.isUnbegun ? order.budget.wallMsMax : undefined);
  if (isWish({ ...wish, wallMsMax }) || wish.workersMax !== undefined) {
    const budget = rebudgeted(order.budget, { ...wish, wallMsMax }, tools.clock.now());
    events.push({ type: "budget-changed", goal: id, budget, workersMax: wish.workersMax });
  }
  const beads = await tools.store.view.beads({ goal: id, countMax: 10_000 });
  notes.push(...beads.filter(isTakenOff).map(offNote));
  await bringDelivered(goal, repository, tools);
  const tests = await lostTests(goal, beads, repository, tools);
  if (tests !== undefined) {
    events.push({ type: "tests-rewritten", goal: id, commit: tests });
    notes.push("the tests that a model wrote were gone with Rigs' clone: the same ones are written again");
  }
  const standing = { ...goal, tests: tests ?? goal.tests };
  const lost = await lostHead(standing, beads, repository, tools);
  if (lost !== undefined) {
    const isTree = beads.some(({ isParent }) => isParent);
    const why = isTree
      ? "what the tree stood on is gone with Rigs' clone: it begins anew"
      : "what was integrated is gone with Rigs' clone: it begins anew";
    events.push({ type: "head-lost", goal: id, head: lost.head, why });
    for (const bead of beads) if (!isTakenOff(bead)) events.push(...(await setBack(bead, reason, tools)));
    return { events, notes: [...notes, why] };
  }
  for (const bead of beads) {
    if (!isResumable(bead, beads)) continue;
    const { commits, attempt } = await standsOn(bead, tools);
    const ready = { goal: id, bead: bead.id, why: reason } as const;
    const waits = waitsAgain(bead, beads);
    if (waits !== undefined) events.push(...(await setBack(bead, waits, tools)));
    else if (!(await hasAll(repository, commits))) {
      notes.push(`what bead ${bead.id} had reached is gone with Rigs' clone: it begins anew`);
      if (attempt?.open !== undefined) events.push(lostCall(attempt, attempt.open));
      events.push({ type: "bead-resumed", ...ready, goesOnWith: undefined });
    } else if (attempt?.id !== bead.unfinished)
      events.push({ type: "bead-resumed", ...ready, goesOnWith: attempt?.id });
    else if (isOver(bead)) events.push({ type: "bead-ready", ...ready });
  }
  return { events, notes };
}

/** A person's word on the question that was read to them. */
export interface Answer {
  readonly word: "yes" | "no";
  readonly question: string;
}

/** `refused`: in one line, why this word cannot be taken. No events: it was taken before. */
export type Answering =
  | { readonly kind: "taken"; readonly events: readonly NewEvent[] }
  | { readonly kind: "refused"; readonly why: string };

/**
 * A yes makes the commit that was asked about proven; a no parks its bead, and the best revision stays. Of parts without
 * their whole, a yes hands them over and a no hands nothing over. Only the question
 * that stands is answered. Rejects with RepositoryError when repository and clone are gone.
 */
export async function answering(
  goal: Goal,
  { word, question }: Answer,
  { store, repositories }: Pick<Tools, "store" | "repositories">,
): Promise<Answering> {
  const { id, order, end, cancelAsked } = goal;
  const isKept = async (commit: Commit) =>
    hasAll(await repositories.open(order.repository, order.base), [commit]);
  const gone = refused(
    `what goal ${id} asks about is gone with Rigs' clone: begin anew with rigs goal resume ${id}`,
  );
  if (end?.outcome === "needs-answer" && end.commit !== undefined && end.reason === question) {
    if (word === "yes" && !(await isKept(end.commit))) return gone;
    const said = { type: "parts-answered", goal: id, commit: end.commit, question, word } as const;
    return { kind: "taken", events: [{ type: "goal-resumed", goal: id }, said] };
  }
  const [bead] = await store.view.beads({ goal: id, state: "needs-answer", countMax: 1 });
  if (bead?.state.kind !== "needs-answer")
    return (await wasTaken(goal, { word, question }, store))
      ? { kind: "taken", events: [] }
      : refused(`goal ${id} asks nothing now: see rigs goal show ${id}`);
  if (bead.state.question !== question)
    return refused(
      `goal ${id} asks something else now: read it with rigs goal show ${id}, then answer again`,
    );
  const attempt = (await store.view.attempts(bead.id)).find((each) => each.id === bead.unfinished);
  const proved = attempt?.trail.findLast((entry) => entry.kind === "proved");
  const resumed: NewEvent[] = end !== undefined || cancelAsked ? [{ type: "goal-resumed", goal: id }] : [];
  if (word === "no") {
    const best = attempt?.trail.findLast((entry) => entry.kind === "revised")?.revision;
    const parked = { type: "bead-parked", goal: id, bead: bead.id, cause: "work", best } as const;
    return { kind: "taken", events: [...resumed, { ...parked, reason: refusalOf(question) }] };
  }
  if (attempt === undefined || proved === undefined || !isWorthDelivering(proved.proof))
    return refused(
      `goal ${id} has no proof that a yes could deliver: begin anew with rigs goal resume ${id}`,
    );
  const { commit } = proved;
  if (!(await isKept(commit))) return gone;
  const consent = { type: "bead-consented", goal: id, bead: bead.id, attempt: attempt.id } as const;
  return { kind: "taken", events: [...resumed, { ...consent, commit, question }] };
}

function refused(why: string): Answering {
  return { kind: "refused", why };
}

/** The same word to the same question, asked again of an owner whose first answer was lost on its way. */
async function wasTaken(goal: Goal, { word, question }: Answer, { view }: Tools["store"]): Promise<boolean> {
  if (goal.partsWord?.word === word && goal.partsWord.question === question) return true;
  for (const { id, state } of await view.beads({ goal: goal.id, countMax: 10_000 })) {
    if (word === "no" && state.kind === "parked" && state.reason === refusalOf(question)) return true;
    const last = (await view.attempts(id)).at(-1)?.trail.at(-1);
    if (word === "yes" && last?.kind === "consented" && last.question === question) return true;
  }
  return false;
}

const reason = "the goal was resumed";

function offNote(bead: Bead): string {
  return `${nameOf(bead)} stays off, as you said: rigs bead retry ${bead.id} brings it back`;
}

/** Everything that nobody holds and that is not over for good: a part is, once its whole is integrated without it. */
function isResumable(bead: Bead, beads: readonly Bead[]): boolean {
  const whole = beads.find(({ id }) => id === bead.parent);
  if (whole?.state.kind === "integrated" || staysOff(bead, beads)) return false;
  return (resumable as readonly string[]).includes(bead.state.kind);
}

/** A person took it off, or it was given up for want of such a one. What a plan needs goes in no circle. */
function staysOff(bead: Bead, beads: readonly Bead[]): boolean {
  if (isTakenOff(bead)) return true;
  if (bead.state.kind !== "parked") return false;
  return beads.some((each) => bead.dependsOn.includes(each.id) && staysOff(each, beads));
}

const resumable = [
  "ready",
  "waiting",
  "proven",
  "integrating",
  "parked",
  "needs-answer",
  "cancelled",
  "joined",
] as const satisfies readonly Bead["state"]["kind"][];

function isOver({ state }: Bead): boolean {
  return ["parked", "needs-answer", "cancelled", "joined"].includes(state.kind);
}

/** Why a bead cannot have its turn yet: a parent has it after its parts, any other after what it needs. */
function waitsAgain(bead: Bead, beads: readonly Bead[]): string | undefined {
  const isOpen = (each: Bead) => each.state.kind !== "integrated" && !staysOff(each, beads);
  const parts = beads.filter(({ parent }) => parent === bead.id);
  if (bead.isParent && parts.some(isOpen)) return "its parts are worked on again";
  const needed = beads.filter(({ id }) => bead.dependsOn.includes(id));
  return isOver(bead) && needed.some(isOpen) ? "what it needs is worked on again" : undefined;
}

/** A call that was out is counted; a bead in somebody's hands stays there. */
async function setBack(
  bead: Bead,
  why: string,
  { store }: Pick<Tools, "store">,
): Promise<readonly NewEvent[]> {
  if (isHeld(bead.state)) return [];
  const attempt = bead.unfinished === undefined ? undefined : await store.view.attempt(bead.unfinished);
  return [
    ...(attempt?.open === undefined ? [] : [lostCall(attempt, attempt.open)]),
    { type: "bead-blocked", goal: bead.goal, bead: bead.id, why },
  ];
}

/** Parts that were delivered are in the user's repository: where the clone is lost, the tree goes on from there. */
async function bringDelivered(
  { head, order }: Goal,
  repository: Repository,
  { repositories }: Pick<Tools, "repositories">,
): Promise<void> {
  if (head === undefined || (await hasAll(repository, [head]))) return;
  await repositories.open(order.repository, head).catch((error: unknown) => {
    if (!(error instanceof RepositoryError)) throw error;
  });
}

/** The tests as a new commit where the clone has lost them; undefined where it has them, or there are none to write. */
async function lostTests(
  goal: Goal,
  beads: readonly Bead[],
  repository: Repository,
  tools: Pick<Tools, "store">,
): Promise<Commit | undefined> {
  if (goal.tests === undefined || beads.some(({ state }) => isHeld(state))) return undefined;
  return (await hasAll(repository, [goal.tests])) ? undefined : rewriteTests(goal, repository, tools);
}

/** Where the work begins anew when the clone has lost what is integrated, also the whole of it; undefined when it has not. */
async function lostHead(
  goal: Goal,
  beads: readonly Bead[],
  repository: Repository,
  tools: Pick<Tools, "store">,
): Promise<{ readonly head: Commit | undefined } | undefined> {
  const whole = beads.find(({ parent }) => parent === undefined);
  if (goal.head === undefined || whole === undefined || beads.some(({ state }) => isHeld(state)))
    return undefined;
  if (await hasAll(repository, [goal.head])) return undefined;
  if (!whole.isParent) return { head: undefined };
  return { head: await writeSkeleton(goal, whole.id, await planOf(goal, tools), repository) };
}

async function planOf(goal: Goal, { store }: Pick<Tools, "store">): Promise<Plan> {
  for (let from = 1; ; ) {
    const page = await store.log.read(from, 1_000, goal.id);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type !== "bead-split") continue;
      const bytes = present(await store.blobs.get(event.plan), "a plan is kept until its goal ends");
      return upcastPlan(JSON.parse(new TextDecoder().decode(bytes))) as unknown as Plan;
    }
    assert(page.length > 0, "a parent was split");
  }
}

/** The attempt to go on with, if any, and the commits without which nothing can. */
export async function standsOn(
  bead: Bead,
  { store }: Pick<Tools, "store">,
): Promise<{ readonly attempt: Attempt | undefined; readonly commits: readonly Commit[] }> {
  const { state, unfinished } = bead;
  const isBudget = state.kind === "parked" && state.cause === "budget";
  const attempts = await store.view.attempts(bead.id);
  const attempt = isBudget ? attempts.at(-1) : attempts.find((each) => each.id === unfinished);
  const revised = (attempt?.trail ?? []).flatMap((entry) => (entry.kind === "revised" ? [entry.commit] : []));
  const commits = [...revised, attempt?.base, attempt?.start, bead.start?.commit, bead.start?.base];
  return { attempt, commits: [...commits, "commit" in state ? state.commit : undefined].filter(isThere) };
}

function isThere(commit: Commit | undefined): commit is Commit {
  return commit !== undefined;
}
