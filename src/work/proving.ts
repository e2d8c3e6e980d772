import type { TrailEntry } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import { acceptanceBehind, acceptanceOf, type Goal } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import { type Judgement, judge } from "../domain/judge.ts";
import type { Remark } from "../domain/remark.ts";
import { findSecrets } from "../domain/secrets.ts";
import { statementOf, statementType } from "../domain/statement.ts";
import { isWorthDelivering, type ProofFacts } from "../domain/verdict.ts";
import { assert, present } from "../kit/assert.ts";
import { questionIn, questionsOf } from "./consent.ts";
import { keptBelow } from "./keeping.ts";
import { despiteLosses } from "./losses.ts";
import { remarksOn } from "./meeting.ts";
import { keep, parked, type Scene } from "./scene.ts";
import { checksInForce, enclosureOf, trialOf } from "./survey.ts";

type Revised = Extract<TrailEntry, { readonly kind: "revised" }>;

/**
 * Proves the commit that would be delivered: the revision's tree as one commit on the base, checked out clean by the
 * verifier. The facts are checked against what was asked, judged here, signed and kept; only then are they an event.
 */
export async function prove(scene: Scene, revision: Revised): Promise<"over" | "goes-on"> {
  const { goal, site, tools, lease, attempt, signal } = scene;
  const begun = scene.speculation.take(proofIdOf(scene), revision.tree);
  const { proofId, commit } =
    begun === undefined
      ? await deliverableOf(scene, revision.tree)
      : { proofId: proofIdOf(scene), commit: begun.commit };
  const common = { goal: goal.id, bead: lease.bead, attempt: attempt.id, commit };
  await scene.append({ type: "proof-started", ...common });
  tools.watch({ kind: "running", bead: lease.bead, what: "proof" });
  if (await holdsSecret(scene, commit)) {
    const reason = "the change holds one of your secrets; it is kept in the private clone only";
    await scene.append(parked(lease, goal.id, { cause: "work", reason, best: revision.revision }));
    return "over";
  }
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  const trial = trialOf(goal, site, {
    commit,
    base: scene.base,
    checks: checksInForce(goal, scene.bead, attempt),
  });
  let underWay = begun?.facts;
  const going = () => {
    const facts = underWay ?? verifier.prove(trial, signal);
    underWay = undefined;
    return facts;
  };
  const [{ result: facts, losses }, questions] = await Promise.all([
    despiteLosses(goal.id, going),
    questionsOf(goal, { from: scene.base, to: commit }, site.repository),
  ]);
  assert(
    facts.commit === commit && facts.base === scene.base,
    "the verifier answers for the commit it was asked about",
  );
  assert(facts.tree === revision.tree, "the verifier saw the tree of the revision");
  const { proof, stories } = judgement(facts, scene, await remarksOn(scene, facts));
  const isAccepted = isWorthDelivering(proof) && questions.length === 0;
  const statement = statementOf({ facts, proof, stories, proofId });
  const envelope = tools.signer.sign(new TextEncoder().encode(statement), statementType);
  await scene.append(
    ...losses,
    {
      type: "proof-ended",
      ...common,
      proof,
      isAccepted,
      statement: await keep(tools, JSON.stringify(envelope)),
      evidence: await keep(tools, JSON.stringify({ facts, stories, questions })),
    },
    ...(isWorthDelivering(proof) && questions.length > 0
      ? [
          {
            type: "bead-needs-answer" as const,
            goal: goal.id,
            bead: lease.bead,
            question: questionIn(questions),
          },
        ]
      : []),
  );
  if (questions.length > 0)
    await tools.evidence.write(goal.id, "change.diff", await site.repository.diff(scene.base, commit));
  return isWorthDelivering(proof) ? "over" : "goes-on";
}

/**
 * What a proof of one bead is worth. Where the user's own check decides about the whole, a part's tests by a model are taken
 * as they are; everywhere else they have to notice mutants. The proof says whose they are.
 */
export function judgement(
  facts: ProofFacts,
  { goal, bead }: { readonly goal: Goal; readonly bead: Bead },
  remarks: readonly Remark[],
): Judgement {
  const acceptance = acceptanceBehind(goal, bead);
  const judged = judge(facts, acceptanceOf(goal) === "user" ? "user" : acceptance, remarks);
  return { ...judged, proof: { ...judged.proof, acceptance } };
}

/** What would be delivered of a revision: its tree as one commit on what the work stands on, kept under the name of its proof. */
export async function deliverableOf(
  scene: Scene,
  tree: string,
): Promise<{ readonly proofId: string; readonly commit: Commit }> {
  const { goal, site, bead } = scene;
  const proofId = proofIdOf(scene);
  // A parent adds to what its children brought, if anything; it never puts their commits into one.
  const parent = bead.isParent ? scene.ground : scene.base;
  if (bead.isParent && tree === (await site.repository.treeOf(parent))) return { proofId, commit: parent };
  const ref = `refs/rigs/${proofId}`;
  const place = { repository: site.repository, store: scene.tools.store };
  const commit = await site.repository.squash({
    tree,
    parent: await keptBelow({ goal, bead, parent, tree, ref }, place),
    message: commitMessage(goal, bead, proofId),
    author: goal.order.author,
    ref,
  });
  return { proofId, commit };
}

/** Counts the proofs that ended: one that was cut gives its name on. */
function proofIdOf({ attempt }: Scene): string {
  return `${attempt.id}/p${attempt.trail.filter((entry) => entry.kind === "proved").length + 1}`;
}

/**
 * A proof that stood but for the user's word, met again after the goal was resumed: the same question is put again.
 * Nothing is asked of a model and nothing runs.
 */
export async function askAgain({ tools, attempt, goal, lease, append }: Scene): Promise<"over"> {
  const proved = attempt.trail.findLast((entry) => entry.kind === "proved");
  const { evidence } = present(proved, "what was accepted was proved");
  const bytes = present(await tools.store.blobs.get(evidence), "blobs of an unfinished attempt are kept");
  const { questions } = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly questions: readonly string[];
  };
  const question = questionIn(questions);
  await append({ type: "bead-needs-answer", goal: goal.id, bead: lease.bead, question });
  return "over";
}

/** The message of the commit that is delivered for a bead: its title and body, and the trailers that lead to its proof. */
export function commitMessage(goal: Goal, bead: Bead, proofId: string): string {
  const text = bead.parent === undefined ? goal.order.text : bead.contract.intent;
  const [first = "", ...rest] = text.trim().split("\n");
  const title = first.length <= 72 ? first : `${first.slice(0, 71)}…`;
  const body = (first.length <= 72 ? rest.join("\n") : text).trim().slice(0, 4000);
  return [
    title,
    ...(body === "" ? [] : ["", body]),
    "",
    `Rigs-Bead: ${bead.id}`,
    `Rigs-Proof: ${proofId}`,
    "",
  ].join("\n");
}

async function holdsSecret({ base, site, tools }: Scene, commit: Commit): Promise<boolean> {
  if (tools.secrets.length === 0) return false;
  const diff = await site.repository.diff(base, commit);
  return findSecrets(diff, tools.secrets).length > 0;
}
