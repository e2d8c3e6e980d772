/**
 * The merge queue: proven beads land on the goal's head, several at once where several wait.
 *
 * 1. What was proven on this very head lands as it is. Anything else is moved there and proven again, a batch as one,
 *    with the checks of all that has landed before; then each lands as its own commit.
 * 2. What does not merge, or is refuted there, goes back to its worker with both sides in one commit; nobody mends in a
 *    merge, and no conflict marker lands.
 * 3. Each append lands or gives back whole beads, guarded by their own state: done again after a kill, it gives the same.
 */
import { givenBack, type Line, landed, nextStep, refuted } from "../domain/batch.ts";
import type { Bead, Start } from "../domain/bead.ts";
import type { Check } from "../domain/gate.ts";
import { type Goal, groundOf } from "../domain/goal.ts";
import type { BeadId, BlobHash, Commit } from "../domain/id.ts";
import { storiesOf } from "../domain/judge.ts";
import { type PlannedBead, placedBeads, planBounds } from "../domain/plan.ts";
import { names } from "../domain/remark.ts";
import { contradictionWords, testRemarks } from "../domain/resolution.ts";
import { statementOf, statementType } from "../domain/statement.ts";
import { isWorthDelivering } from "../domain/verdict.ts";
import { present } from "../kit/assert.ts";
import type { Merge } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { keptBelow } from "./keeping.ts";
import { despiteLosses } from "./losses.ts";
import { accepted, landedIn, markersOn, sharedTests, withLeave } from "./meeting.ts";
import { commitMessage, judgement } from "./proving.ts";
import { record } from "./record.ts";
import { keep } from "./scene.ts";
import { checksInForce, enclosureOf, openSite, type Site, trialOf } from "./survey.ts";
import type { Tools } from "./tools.ts";

/**
 * Returns of one bead after which it does not fit for good: its contract is wrong, and more work will not mend that. As many
 * as lie side by side in a plan, for all of them may write at one place and land one after the other.
 */
const returnsMax = planBounds.fanOutMax;

/** One bead as it would land: its commit on the one before it. */
interface Link {
  readonly bead: Bead;
  readonly commit: Commit;
  /** Of the proof that a worker made of this very commit; undefined where it was moved. */
  readonly statement: BlobHash | undefined;
}

/** The queue's place: where beads land, and what holds there. */
interface Queue {
  readonly goal: Goal;
  readonly site: Site;
  readonly tools: Tools;
  readonly signal: AbortSignal;
  /** What is landed on. */
  readonly head: Commit;
  /** Names of checks that hold on the head and have to go on holding. */
  readonly keeps: readonly string[];
}

type Verdict =
  | { readonly kind: "green"; readonly losses: readonly NewEvent[]; readonly statement: BlobHash }
  | { readonly kind: "red"; readonly losses: readonly NewEvent[]; readonly why: string };

/** Performs the next step for a batch: announces it, or lands and gives back all of it. Rejects with `signal.reason`, or like the verifier. */
export async function integrate(
  goal: Goal,
  ids: readonly BeadId[],
  tools: Tools,
  signal: AbortSignal,
): Promise<void> {
  const beads = await Promise.all(
    ids.map(async (id) => present(await tools.store.view.bead(id), "a bead in the queue exists")),
  );
  if (beads.every(({ state }) => state.kind === "proven")) {
    const announced = ids.map((bead): NewEvent => ({ type: "bead-integrating", goal: goal.id, bead }));
    return void (await record(tools, announced, { kind: "standing", beads: ids, state: "proven" }));
  }
  if (!beads.every(({ state }) => state.kind === "integrating")) return;
  const opened = await openSite(goal, tools, signal);
  // The environment is the goal's: whoever works next says why it does not stand.
  if (opened.kind === "failed") return void (await giveBack(beads, opened.why, { goal, tools }));
  const { site } = opened;
  const head = goal.head ?? groundOf(goal);
  await landAll({ goal, site, tools, signal, head, keeps: goal.landed }, beads);
}

async function landAll(from: Queue, beads: readonly Bead[]): Promise<void> {
  let queue = from;
  let line: Line<Bead> = { waiting: beads, redTo: 0 };
  let chain: readonly Link[] = [];
  let red = "";
  for (;;) {
    queue.signal.throwIfAborted();
    if (line.waiting.length > 0 && chain.length === 0) {
      const grown = await chainOf(queue, line.waiting);
      if (grown.kind === "conflict") {
        const { why, start } = await contradiction(queue, grown);
        if ((await giveBack([grown.bead], why, queue, start)) === "refused") return;
        line = givenBack(line);
        continue;
      }
      chain = grown.links;
    }
    const step = nextStep(line, chain.length);
    if (step.kind === "over") return;
    if (step.kind === "give-back") {
      const [first] = chain;
      const start = first && { commit: first.commit, base: queue.head, keeps: queue.keeps };
      if ((await giveBack(line.waiting.slice(0, 1), red, queue, start)) === "refused") return;
      [line, chain] = [givenBack(line), []];
      continue;
    }
    const links = chain.slice(0, step.count);
    const verdict = await tried(queue, links);
    if (verdict.kind === "red") {
      if (verdict.losses.length > 0) await record(queue.tools, verdict.losses, { kind: "none" });
      red = verdict.why;
      line = refuted(line, step.count);
      continue;
    }
    if ((await land(queue, links, verdict)) === "refused") return;
    const newest = present(links.at(-1), "something was tried");
    queue = {
      ...queue,
      head: newest.commit,
      keeps: [...queue.keeps, ...links.flatMap((link) => promisesOf(queue.goal, link.bead))],
    };
    line = landed(line, step.count);
    chain = chain.slice(step.count);
  }
}

/** The first of a line does not merge with the head. */
type Clash = Extract<Merge, { readonly kind: "conflict" }> & { readonly bead: Bead };

/** What it contradicts, by name, and both sides as one commit on the head: its worker goes on from there. */
async function contradiction(
  { goal, site, tools, head, keeps }: Queue,
  { bead, tree, paths, at }: Clash,
): Promise<{ readonly why: string; readonly start: Start }> {
  const { base } = present((await tools.store.view.attempts(bead.id)).at(-1), "what is proven was tried");
  const range = { from: base, upTo: head, paths };
  const landed = await landedIn(goal, range, { ...site, store: tools.store });
  const whom = landed.length === 0 ? "what was integrated" : names(landed.map((each) => `bead ${each.bead}`));
  const proofId = proofIdOf(goal, bead);
  const commit = await site.repository.squash({
    ...{
      tree,
      parent: head,
      message: `Both sides of ${bead.id}, contradictions and all\n\nRigs-Bead: ${bead.id}\n`,
    },
    ...{ author: goal.order.author, ref: `refs/rigs/${proofId}` },
  });
  const why = `it contradicts what was integrated by ${whom}: ${contradictionWords(at)}`;
  return { why, start: { commit, base: head, keeps } };
}

/** The waiting as commits one on the other, up to the first that contradicts those before it; that one's turn comes when they have landed. */
async function chainOf(
  { goal, site, tools, head }: Queue,
  waiting: readonly Bead[],
): Promise<{ readonly kind: "links"; readonly links: readonly Link[] } | Clash> {
  const links: Link[] = [];
  let on = head;
  for (const bead of waiting) {
    const { state } = bead;
    if (state.kind !== "integrating") break;
    const attempt = (await tools.store.view.attempts(bead.id)).at(-1);
    // A parent was proven with everything its children brought, on the goal's own base.
    const stands = bead.isParent ? attempt?.start : (attempt?.base ?? groundOf(goal));
    if (stands === on) {
      // Claimed on this head, so proven with the checks of all that had landed there.
      links.push({ bead, commit: state.commit, statement: state.statement });
      on = state.commit;
      continue;
    }
    const merge = await site.repository.merge(on, state.commit);
    if (merge.kind === "conflict" && links.length === 0) return { ...merge, bead };
    if (merge.kind === "conflict") break;
    const proofId = proofIdOf(goal, bead);
    const { tree } = merge;
    const ref = `refs/rigs/${proofId}`;
    const place = { repository: site.repository, store: tools.store };
    on = await site.repository.squash({
      parent: await keptBelow({ goal, bead, parent: on, tree, ref }, place),
      ...{ tree, message: commitMessage(goal, bead, proofId), author: goal.order.author, ref },
    });
    links.push({ bead, commit: on, statement: undefined });
  }
  return { kind: "links", links };
}

function proofIdOf({ version }: Goal, { id }: Bead): string {
  return `${id}/m${version}`;
}

/** Proves what would be the new head, unless it is what a worker has proven there. */
async function tried(
  { goal, site, tools, signal, head, keeps }: Queue,
  links: readonly Link[],
): Promise<Verdict> {
  const { bead, commit, statement: own } = present(links.at(-1), "something is tried");
  if (links.length === 1 && own !== undefined) return { kind: "green", losses: [], statement: own };
  const checks = new Map<string, Check>();
  for (const link of links)
    for (const check of checksInForce(goal, link.bead, { keeps }))
      if (checks.get(check.name)?.role !== "acceptance") checks.set(check.name, check);
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  // Every change was accepted where its bead stood; a test file that two of them wrote is nobody's to restore.
  const shared = await sharedTests(goal, { ground: head, commit }, site.repository);
  const trial = trialOf(withLeave(goal, shared), site, { commit, base: head, checks: [...checks.values()] });
  tools.watch({ kind: "running", bead: bead.id, what: "proof" });
  const { result: facts, losses } = await despiteLosses(goal.id, () => verifier.prove(trial, signal));
  const alone = await Promise.all(
    links.map(async ({ bead: { id } }) => accepted(await tools.store.view.attempts(id), tools.store)),
  );
  const remarks = [
    ...(await markersOn(site.repository, head, commit)),
    ...alone.flatMap((each) => testRemarks(each?.stories ?? [], storiesOf(facts))),
  ];
  const { proof, stories } = judgement(facts, { goal, bead }, remarks);
  if (!isWorthDelivering(proof))
    return {
      kind: "red",
      losses,
      why: `together with what was integrated: ${proof.reasons[0] ?? proof.verdict}`,
    };
  const statement = statementOf({ facts, proof, stories, proofId: proofIdOf(goal, bead) });
  const envelope = tools.signer.sign(new TextEncoder().encode(statement), statementType);
  return { kind: "green", losses, statement: await keep(tools, JSON.stringify(envelope)) };
}

function land(
  { goal, tools }: Queue,
  links: readonly Link[],
  { losses, statement }: Extract<Verdict, { readonly kind: "green" }>,
): Promise<"recorded" | "refused"> {
  const events = links.map(
    ({ bead, commit }): NewEvent => ({
      ...{ type: "bead-integrated", goal: goal.id, bead: bead.id, commit, statement },
    }),
  );
  const beads = links.map(({ bead }) => bead.id);
  return record(tools, [...losses, ...events], { kind: "standing", beads, state: "integrating" });
}

/** Acceptance checks of a bead: from now on nobody may break them. */
function promisesOf(goal: Goal, { contract }: Bead): readonly string[] {
  return goal.checks
    .filter(({ name, role }) => role === "acceptance" && contract.checks.includes(name))
    .map(({ name }) => name);
}

/** A tree of an older Rigs does not know what its plan calls its beads. */
function isOf({ name, intent }: Bead["contract"], planned: PlannedBead): boolean {
  return name === undefined ? planned.intent === intent : planned.name === name;
}

/** A person's plan is left to the person: which of its beads, and what to change. */
function advice({ order: { mode } }: Goal, { contract }: Bead): string {
  const plan = mode.kind === "fleet" ? mode.plan : undefined;
  const planned = plan && placedBeads(plan).find(({ bead }) => isOf(contract, bead));
  if (planned === undefined) return "";
  return `; in the plan, let ${planned.bead.name} wait for those (dependsOn), or give what both write to one bead`;
}

async function giveBack(
  beads: readonly Bead[],
  why: string,
  { goal, tools }: Pick<Queue, "goal" | "tools">,
  start?: Start,
): Promise<"recorded" | "refused"> {
  const tried = await Promise.all(beads.map(({ id }) => tools.store.view.attempts(id)));
  const events = beads.map((bead, index): NewEvent => {
    // One that began anew since, as where a clone was lost, has not been tried with what it met.
    const isAgain = bead.returned === why && tried[index]?.at(-1)?.start !== undefined;
    const about = { goal: goal.id, bead: bead.id } as const;
    // Each return begins an attempt with what it met; those that began anew, after a kill or a lost clone, say nothing.
    const returns = 1 + (tried[index] ?? []).filter((attempt) => attempt.start !== undefined).length;
    const given = isAgain ? "twice, for the same reason" : `${returns} times`;
    if (!isAgain && returns < returnsMax) return { type: "bead-returned", ...about, why, start };
    const reason = `it came back from the merge queue ${given}, so its contract does not fit: ${why}${advice(goal, bead)}`;
    return { type: "bead-parked", ...about, cause: "work", reason, best: undefined };
  });
  return record(tools, events, { kind: "standing", beads: beads.map(({ id }) => id), state: "integrating" });
}
