/**
 * The merge queue: proven beads land on the goal's head, several at once where several wait.
 *
 * 1. What was proven on this very head lands as it is. Anything else is moved there and proven again, a batch as one,
 *    with the checks of all that has landed before; then each lands as its own commit.
 * 2. What does not merge, or is refuted there, goes back to a worker, with what it ran into; nobody mends in a merge.
 * 3. Each append lands or gives back whole beads, guarded by their own state: done again after a kill, it gives the same.
 */
import { givenBack, type Line, landed, nextStep, refuted } from "../domain/batch.ts";
import type { Bead, Start } from "../domain/bead.ts";
import type { Check } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import type { BeadId, BlobHash, Commit } from "../domain/id.ts";
import { judge } from "../domain/judge.ts";
import { statementOf, statementType } from "../domain/statement.ts";
import { isWorthDelivering } from "../domain/verdict.ts";
import { present } from "../kit/assert.ts";
import type { NewEvent } from "../ports/store.ts";
import { despiteLosses } from "./losses.ts";
import { commitMessage } from "./proving.ts";
import { record } from "./record.ts";
import { keep } from "./scene.ts";
import { checksInForce, enclosureOf, openSite, type Site, trialOf } from "./survey.ts";
import type { Tools } from "./tools.ts";

/** Claims of one bead after which it does not fit for good: its contract is wrong, and more work will not mend that. */
const attemptsMax = 4;

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
  const head = goal.head ?? goal.order.base;
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
        const why = `it contradicts what was integrated: ${grown.paths.join(", ")}`;
        if ((await giveBack(line.waiting.slice(0, 1), why, queue)) === "refused") return;
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

/** The waiting as commits one on the other, up to the first that contradicts those before it; that one's turn comes when they have landed. */
async function chainOf(
  { goal, site, tools, head }: Queue,
  waiting: readonly Bead[],
): Promise<
  | { readonly kind: "links"; readonly links: readonly Link[] }
  | { readonly kind: "conflict"; readonly paths: readonly string[] }
> {
  const links: Link[] = [];
  let on = head;
  for (const bead of waiting) {
    const { state } = bead;
    if (state.kind !== "integrating") break;
    const attempt = (await tools.store.view.attempts(bead.id)).at(-1);
    // A parent was proven with everything its children brought, on the goal's own base.
    const stands = bead.isParent ? attempt?.start : (attempt?.base ?? goal.order.base);
    if (stands === on) {
      // Claimed on this head, so proven with the checks of all that had landed there.
      links.push({ bead, commit: state.commit, statement: state.statement });
      on = state.commit;
      continue;
    }
    const merge = await site.repository.merge(on, state.commit);
    if (merge.kind === "conflict" && links.length === 0) return merge;
    if (merge.kind === "conflict") break;
    const proofId = proofIdOf(goal, bead);
    on = await site.repository.squash({
      ...{ tree: merge.tree, parent: on, message: commitMessage(goal, bead, proofId) },
      ...{ author: goal.order.author, ref: `refs/rigs/${proofId}` },
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
  const trial = trialOf(goal, site, { commit, base: head, checks: [...checks.values()] });
  tools.watch({ kind: "running", bead: bead.id, what: "proof" });
  const { result: facts, losses } = await despiteLosses(goal.id, () => verifier.prove(trial, signal));
  const { proof, stories } = judge(facts, goal.order.acceptance);
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

function giveBack(
  beads: readonly Bead[],
  why: string,
  { goal, tools }: Pick<Queue, "goal" | "tools">,
  start?: Start,
): Promise<"recorded" | "refused"> {
  const events = beads.map((bead): NewEvent => {
    const about = { goal: goal.id, bead: bead.id } as const;
    const given = bead.returned === why ? "twice, for the same reason" : `${attemptsMax} times`;
    if (bead.returned !== why && bead.attempts < attemptsMax)
      return { type: "bead-returned", ...about, why, start };
    const reason = `it came back from the merge queue ${given}, so its contract does not fit: ${why}`;
    return { type: "bead-parked", ...about, cause: "work", reason, best: undefined };
  });
  return record(tools, events, { kind: "standing", beads: beads.map(({ id }) => id), state: "integrating" });
}
