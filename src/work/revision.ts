import { parseAnswer } from "../domain/answer.ts";
import type { Rejection, Step } from "../domain/attempt.ts";
import { assignmentOf } from "../domain/bead.ts";
import { applyEdits, wishOf } from "../domain/edit.ts";
import { evaluate } from "../domain/failure.ts";
import { coversAny } from "../domain/glob.ts";
import { type CallId, type Commit, type RevisionId, revisionId } from "../domain/id.ts";
import type { Move } from "../domain/move.ts";
import { isProtected, scriptsOf } from "../domain/protected.ts";
import { findSecrets } from "../domain/secrets.ts";
import { present } from "../kit/assert.ts";
import { RepositoryError, type Revised } from "../ports/repository.ts";
import { namedIn, readTracked, textsOf } from "./files.ts";
import { despiteLosses } from "./losses.ts";
import { deliverableOf } from "./proving.ts";
import { keep, keptAt, parked, type Scene } from "./scene.ts";
import { checksInForce, checksInLoop, enclosureOf, holdsInLoop, trialOf } from "./survey.ts";

/** From an answer to a revision that was run, or to the reason why it could not become one. */
export async function takeAnswer(
  scene: Scene,
  move: Extract<Move, { kind: "take" }>,
): Promise<"over" | "goes-on"> {
  const { goal, site, tools, attempt } = scene;
  const text = new TextDecoder().decode(
    present(await tools.store.blobs.get(move.answer), "an answer is kept while its bead is worked on"),
  );
  const last = attempt.trail.findLast((entry) => entry.kind === "answered");
  const parent = move.from ?? scene.ground;
  const tracked = await readTracked(site.repository, parent, namedIn(text));
  const files = textsOf(tracked);
  const answer = parseAnswer(text, { files, finish: last?.finish ?? "stop" });
  if (answer.kind === "malformed") return reject(scene, move, answer.reason, answer.detail);
  const common = { goal: goal.id, bead: scene.lease.bead, attempt: attempt.id };
  if (answer.kind === "read") {
    await scene.append({ type: "files-asked", ...common, call: move.call, paths: answer.paths });
    return "goes-on";
  }
  const base = new Set((await site.repository.list(keptAt(scene))).map((entry) => entry.path));
  const owned = answer.files.filter((file) => !isOffLimits(scene, file.path, base));
  const barred = answer.files.filter((file) => isOffLimits(scene, file.path, base)).map((file) => file.path);
  if (owned.length === 0)
    return reject(
      scene,
      move,
      "forbidden-path",
      `${barred.join(", ")} may not be changed: tests, gates and what others own are read-only`,
    );
  const applied = applyEdits(files, owned, wishOf(assignmentOf(goal.order.text, scene.bead.contract)));
  if (applied.kind === "rejected") return reject(scene, move, applied.reason, applied.detail);
  if (hasSecret([...applied.files], tools.secrets)) {
    const reason = "the answer holds one of your secrets, so it was not kept";
    await scene.append(parked(scene.lease, goal.id, { cause: "work", reason, best: undefined }));
    return "over";
  }
  return revise(scene, move, { parent, files: applied.files, barred });
}

/** Whether an edit of this path is left out of an answer. `base`: the files of `keptAt`. */
export function isOffLimits(
  { goal, bead }: Pick<Scene, "goal" | "bead">,
  path: string,
  base: ReadonlySet<string>,
): boolean {
  const { allowChange } = goal.order;
  if (!coversAny(bead.contract.owns, path)) return true;
  // The verifier has these as base has them: a change would never be judged.
  const protect = [...goal.order.protect, ...goal.checks.flatMap(scriptsOf)];
  return isProtected(path, { protect, allowChange, existsOnBase: base.has(path) });
}

function hasSecret(
  files: readonly (readonly [string, string | undefined])[],
  secrets: readonly string[],
): boolean {
  return files.some(
    ([path, text]) => findSecrets(path, secrets).length > 0 || findSecrets(text ?? "", secrets).length > 0,
  );
}

async function reject(
  scene: Scene,
  move: Extract<Move, { kind: "take" }>,
  reason: Rejection,
  detail: string,
): Promise<"goes-on"> {
  await scene.append({
    type: "answer-rejected",
    goal: scene.goal.id,
    bead: scene.lease.bead,
    attempt: scene.attempt.id,
    call: move.call,
    reason,
    detail: detail.slice(0, 2000),
  });
  return "goes-on";
}

interface Written {
  readonly parent: Parameters<Scene["site"]["repository"]["changes"]>[0];
  readonly files: ReadonlyMap<string, string | undefined>;
  readonly barred: readonly string[];
}

async function revise(
  scene: Scene,
  move: Extract<Move, { kind: "take" }>,
  { parent, files, barred }: Written,
): Promise<"goes-on"> {
  const { goal, site, tools, attempt, lease } = scene;
  const revision = revisionId(attempt.id, attempt.revisions + 1);
  const bytes = new Map(
    [...files].map(([path, text]) => [path, text === undefined ? undefined : new TextEncoder().encode(text)]),
  );
  const note = barred.length === 0 ? "" : `\n\nLeft out, because it may not be changed: ${barred.join(", ")}`;
  const written = await site.repository
    .write({
      parent,
      files: bytes,
      message: `${move.step} ${revision}${note}`,
      author: goal.order.author,
      ref: `refs/rigs/${revision}`,
    })
    .catch((error: unknown) => {
      if (error instanceof RepositoryError) return error;
      throw error;
    });
  if (written instanceof RepositoryError) return reject(scene, move, "forbidden-path", written.message);
  if (written.changes.length === 0 || written.tree === (await site.repository.treeOf(parent)))
    return reject(scene, move, "unchanged", "the files are already as the answer has them");
  tools.watch({ kind: "running", bead: lease.bead, what: "checks" });
  await tried(scene, {
    ...{ ...written, revision, parent, step: move.step },
    barred: { call: move.call, paths: barred },
  });
  return "goes-on";
}

/** Runs what is there already, before anybody is asked: what children brought, or what the merge queue gave back. */
export async function tryStart(scene: Scene, start: Commit): Promise<void> {
  const { site, attempt, base, tools, lease } = scene;
  const revision = revisionId(attempt.id, attempt.revisions + 1);
  const [tree, changes] = await Promise.all([
    site.repository.treeOf(start),
    site.repository.changes(base, start),
  ]);
  tools.watch({ kind: "running", bead: lease.bead, what: "checks" });
  await tried(scene, {
    commit: start,
    tree,
    changes,
    revision,
    parent: base,
    step: "join",
    barred: undefined,
  });
}

interface Try extends Revised {
  readonly revision: RevisionId;
  readonly parent: Commit;
  readonly step: Step;
  /** Files of the answer that were left out; undefined where there was no answer. */
  readonly barred: { readonly call: CallId; readonly paths: readonly string[] } | undefined;
}

/** Runs a commit as the first part of its proof, and records what that showed. */
async function tried(
  scene: Scene,
  { commit, tree, changes, revision, parent, step, barred }: Try,
): Promise<void> {
  const { goal, bead, site, tools, attempt, lease, base, signal } = scene;
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  const deliverable = await deliverableOf(scene, tree);
  const checks = checksInForce(goal, bead, attempt);
  const trial = trialOf(goal, site, { commit: deliverable.commit, base, checks });
  const wager = { verifier, trial, proofId: deliverable.proofId, loop: checksInLoop(goal, bead, attempt) };
  const [{ result: runs, losses }, entries] = await Promise.all([
    despiteLosses(goal.id, () => scene.speculation.begin(wager, tree, signal)),
    site.repository.list(commit),
  ]);
  const isGreen = runs.length > 0 && runs.every((run) => holdsInLoop(goal, run));
  if (!isGreen) scene.speculation[Symbol.dispose]();
  const paths = entries.map((entry) => entry.path);
  const common = { goal: goal.id, bead: lease.bead, attempt: attempt.id };
  const leftOut =
    barred === undefined || barred.paths.length === 0
      ? []
      : [{ type: "edits-left-out", ...common, ...barred } as const];
  await scene.append(...losses, ...leftOut, {
    type: "revision-recorded",
    ...common,
    revision,
    commit,
    parent,
    tree,
    step,
    files: changes.map((change) => change.path).slice(0, 200),
    evaluation: {
      ...evaluate(runs, await keep(tools, JSON.stringify(runs)), paths),
      isGreen,
    },
  });
}
