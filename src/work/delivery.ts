import { type Bead, partlyIn } from "../domain/bead.ts";
import { partsOf, withCommand } from "../domain/budget.ts";
import { ended, fewOf, nameOf, whyNot } from "../domain/decision.ts";
import { renderEvidence } from "../domain/evidence.ts";
import { type Check, isGreen } from "../domain/gate.ts";
import { type Goal, type GoalEnd, groundOf, isRefusedIn, refusalOf } from "../domain/goal.ts";
import type { BeadId, BlobHash, Commit } from "../domain/id.ts";
import type { Proof, ProofFacts } from "../domain/verdict.ts";
import { assert, present } from "../kit/assert.ts";
import type { Repository } from "../ports/repository.ts";
import { questionIn, questionsOf } from "./consent.ts";
import { unkept } from "./keeping.ts";
import { partsOfGoal, writeStatements } from "./pack.ts";
import { record } from "./record.ts";
import type { Tools } from "./tools.ts";

/**
 * Hands the integrated commit over: branch, evidence pack, end of the goal. Parts without their whole, whose proofs were about
 * each of them alone, are asked about first. Repeating it after a crash changes nothing: the branch already points there,
 * the files are the same, and the goal ends once.
 */
export async function deliver(goal: Goal, bead: Bead, tools: Tools): Promise<void> {
  const { state } = bead;
  assert(state.kind === "integrated", "only an integrated bead is delivered");
  const repository = await tools.repositories.open(goal.order.repository, goal.order.base);
  const beads = await tools.store.view.beads({ goal: goal.id, countMax: 1_000 });
  const unchanged = { kind: "unchanged", goal: goal.id, version: goal.version } as const;
  const instead =
    bead.parent === undefined ? undefined : await withheld(goal, beads, state.commit, { repository, tools });
  if (instead !== undefined)
    return void (await record(tools, [{ type: "goal-ended", goal: goal.id, end: instead }], unchanged));
  const branch = `rigs/${goal.id}`;
  await repository.deliver(state.commit, branch);
  const attempts = await tools.store.view.attempts(bead.id);
  const proved = present(
    attempts.flatMap((attempt) => attempt.trail).findLast((entry) => entry.kind === "proved"),
    "an integrated bead was proved",
  );
  const envelope = new TextDecoder().decode(
    present(await tools.store.blobs.get(state.statement), "the statement is kept until the goal ends"),
  );
  const diff = await repository.diff(goal.order.base, state.commit);
  await tools.evidence.write(goal.id, "statement.json", envelope);
  await tools.evidence.write(goal.id, "key.pem", tools.signer.publicKey);
  await tools.evidence.write(goal.id, "change.diff", diff);
  const facts = await textOf(tools, proved.evidence);
  await tools.evidence.write(goal.id, "evidence.json", facts);
  const { facts: provenFacts } = JSON.parse(facts) as { readonly facts: ProofFacts };
  const seen = { goal, beads, proof: proved.proof, gates: provenFacts.gates };
  const parts = await partsOfGoal(goal, tools);
  if (parts.length > 1) await writeStatements(goal, parts, tools);
  await tools.evidence.write(
    goal.id,
    "evidence.md",
    renderEvidence({
      goal,
      bead,
      attempts,
      parts,
      proof: proved.proof,
      facts: provenFacts,
      branch,
      commit: state.commit,
      doneByWhole: doneByWhole(bead, seen),
      unkept: await leftOutOf(goal, beads, { repository, tools }),
    }),
  );
  const why = whyNotWhole(bead, seen);
  const end: GoalEnd = {
    outcome: why === undefined ? "delivered" : "partial",
    reason: why,
    isInputFault: false,
    branch,
    commit: state.commit,
    proof: proved.proof,
    statement: state.statement,
  };
  await record(tools, [{ type: "goal-ended", goal: goal.id, end }], unchanged);
}

interface Hands {
  readonly repository: Repository;
  readonly tools: Tools;
}

/**
 * The end of a goal whose parts are not handed over as they are: what they hold was refused already, or needs the user's
 * word. Undefined where nothing does, or the user gave it.
 */
async function withheld(
  goal: Goal,
  beads: readonly Bead[],
  commit: Commit,
  { repository, tools }: Hands,
): Promise<GoalEnd | undefined> {
  if (goal.partsWord?.word === "yes" && goal.partsWord.commit === commit) return undefined;
  const findings = await questionsOf(goal, { from: groundOf(goal), to: commit }, repository);
  if (findings.length === 0) return undefined;
  const refused = findings.filter((finding) =>
    beads.some(({ state }) => state.kind === "parked" && isRefusedIn(state.reason, finding)),
  );
  if (refused.length > 0)
    return ended(
      "failed",
      `${refusalOf(refused.join("; "))}; the parts that stand hold it, so none is delivered`,
    );
  await tools.evidence.write(goal.id, "change.diff", await repository.diff(goal.order.base, commit));
  return {
    ...ended("needs-answer", `only parts of it stand, and they hold: ${questionIn(findings)}`),
    commit,
  };
}

/** What the histories of the beads that are in lack, said to who watches too. */
async function leftOutOf(
  goal: Goal,
  beads: readonly Bead[],
  { repository, tools }: Hands,
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const bead of beads)
    if (bead.state.kind === "integrated")
      for (const { revision, why } of await unkept(goal, bead, { repository, store: tools.store }))
        lines.push(`${revision} (${why.join(", ")})`);
  for (const line of lines)
    tools.watch({ kind: "note", goal: goal.id, text: `not kept in the branch's history: ${line}` });
  return lines;
}

/** Why what is handed over is less than what was promised; undefined where it is all of it. */
function whyNotWhole(
  bead: Bead,
  seen: {
    readonly goal: Goal;
    readonly beads: readonly Bead[];
    readonly proof: Proof;
    readonly gates: ProofFacts["gates"];
  },
): string | undefined {
  const { state } = bead;
  if (bead.parent !== undefined) return partialReason(seen.beads);
  if (state.kind === "integrated" && state.verdict !== "proven")
    return `the verdict is ${state.verdict}: ${whyPartial(seen.proof)}`;
  const missing = seen.beads.filter((each) => each.parent !== undefined && isMissing(each, seen));
  if (missing.length === 0) return undefined;
  const list = missing.map((each) => `${nameOf(each)} ${whyNot(each)}`).join("; ");
  return `the whole is proven; not in, as planned: ${list}`;
}

/** Parts that were parked, and whose work the whole does that is handed over. */
function doneByWhole(
  whole: Bead,
  seen: Pick<Parameters<typeof whyNotWhole>[1], "goal" | "beads" | "gates">,
): readonly BeadId[] {
  if (whole.parent !== undefined) return [];
  return seen.beads
    .filter((each) => each.parent !== undefined && each.state.kind === "parked" && !isMissing(each, seen))
    .map(({ id }) => id);
}

/** It is not integrated, the user did not take it off, and the whole does not do its work either: one of its checks is red at the end. */
function isMissing(
  { state, contract }: Bead,
  { goal, gates }: { readonly goal: Goal; readonly gates: ProofFacts["gates"] },
): boolean {
  if (state.kind === "integrated" || state.kind === "cancelled") return false;
  const promises = goal.checks.filter(
    ({ name, role }) => role === "acceptance" && contract.checks.includes(name),
  );
  const isKept = ({ command, cwd }: Check) =>
    gates.some(({ check, head }) => check.command === command && check.cwd === cwd && isGreen(head));
  return !promises.every(isKept);
}

/** Which parts of a tree are on the branch, and which are not and why; last the command that goes on, where a bound was in the way. */
function partialReason(beads: readonly Bead[]): string {
  const parts = beads.filter(({ parent }) => parent !== undefined);
  const isIn = ({ state }: Bead) => state.kind === "integrated";
  const missing = parts.filter((bead) => !isIn(bead)).map((bead) => `${nameOf(bead)} ${whyNot(bead)}`);
  const whole = beads.filter(({ parent }) => parent === undefined).map((bead) => `the whole ${whyNot(bead)}`);
  const why = [
    present(partlyIn(beads), "the whole is not in"),
    `not in: ${[...fewOf(missing), ...whole].join("; ")}`,
    `in: ${fewOf(parts.filter(isIn).map(nameOf)).join(", ")}`,
  ].join("; ");
  const [command] = beads.flatMap(({ state }) =>
    state.kind === "parked" ? (partsOf(state.reason).command ?? []) : [],
  );
  return command === undefined ? why : withCommand(why, command);
}

function whyPartial({ verdict, reasons }: Proof): string {
  if (verdict === "unisolated-pass") return "the checks ran outside a jail, as --unsafe-no-sandbox asked";
  return reasons[0] ?? "no acceptance stands behind it";
}

async function textOf(tools: Tools, hash: BlobHash): Promise<string> {
  return new TextDecoder().decode(
    present(await tools.store.blobs.get(hash), `blob ${hash} is kept until the goal ends`),
  );
}
