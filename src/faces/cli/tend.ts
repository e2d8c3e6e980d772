/** Commands that change one bead: retry, cancel, create; and `goal rollback`, which makes a branch of a revision. */
import { parseBeadId } from "../../domain/id.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { findBead } from "./bead.ts";
import { findRevision } from "./deeper.ts";
import { followGoal } from "./execute.ts";
import { exits } from "./exit.ts";
import { findGoal } from "./goal.ts";
import { oneLine } from "./sentences.ts";

interface Format {
  readonly json?: boolean;
}

/** Makes a parked bead ready for a new attempt, and works on its goal as `goal resume` does. */
export async function retryBead(
  typed: string,
  options: Format,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { id, goal } = await namedBead(typed, house);
  const { order } = await findGoal(goal, house);
  const hands = await house.hands();
  try {
    await hands.tend({ kind: "retry", bead: id }, order);
    if (options.json !== true) terminal.err(`bead ${id} is tried again`);
    return await followGoal(goal, order.base, options.json === true, { hands, house, terminal, signal });
  } finally {
    await hands.close();
  }
}

export async function cancelBead(
  typed: string,
  options: Format,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const { id, goal } = await namedBead(typed, house);
  const { order } = await findGoal(goal, house);
  const hands = await house.hands();
  try {
    await hands.tend({ kind: "cancel", bead: id }, order);
  } finally {
    await hands.close();
  }
  terminal.out(
    options.json
      ? JSON.stringify({ bead: id, cancelled: true })
      : `bead ${id} is cancelled; what needs it is given up`,
  );
  return exits.done;
}

export interface CreateOptions extends Format {
  readonly intent: string;
  readonly owns: readonly string[];
  readonly check: readonly string[];
  readonly after: readonly string[];
}

export async function createBead(
  typed: string,
  { json, intent, owns, check, after }: CreateOptions,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  const dependsOn = after.map((each) => {
    const id = parseBeadId(each);
    if (id === undefined) throw new UsageError(`"${oneLine(each)}" is not a bead's id: --after 12345678.1.2`);
    return id;
  });
  const hands = await house.hands();
  try {
    const wish = { intent, owns, checks: check, dependsOn };
    const bead = await hands.tend({ kind: "create", goal: goal.id, wish }, goal.order);
    if (json) terminal.out(JSON.stringify({ bead }));
    else {
      terminal.out(`bead ${bead} is added`);
      if ((await house.atWork()).kind !== "process" || hands.standing === "owner")
        terminal.out(`nobody works on the goal; go on with: rigs goal resume ${goal.id}`);
    }
    return exits.done;
  } finally {
    await hands.close();
  }
}

async function namedBead(typed: string, house: House) {
  const reader = await house.reader();
  try {
    return await findBead(typed, reader);
  } finally {
    await reader?.close();
  }
}

/**
 * A checkpoint: the branch rigs/<goal>-at-<revision> of the user's repository points at that revision. Nothing else
 * moves; a revision is proven only where it was the one that a proof was made of.
 */
export async function rollBack(
  typed: string,
  { to, json }: Format & { readonly to: string },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const goal = await findGoal(typed, house);
  const reader = await house.reader();
  const beads = (await reader?.view.beads({ goal: goal.id, countMax: 10_000 })) ?? [];
  const attempts = (await Promise.all(beads.map(({ id }) => reader?.view.attempts(id) ?? []))).flat();
  await reader?.close();
  const { revision, commit } = findRevision(to, attempts);
  const trail = attempts.find(({ id }) => revision.startsWith(`${id}/`))?.trail ?? [];
  const at = trail.findIndex((entry) => entry.kind === "revised" && entry.revision === revision);
  // A proof is of the newest revision before it, and of no other.
  const next = trail.slice(at + 1).find((entry) => entry.kind === "revised" || entry.kind === "proved");
  const verdict = next?.kind === "proved" ? next.proof.verdict : "unproven";
  const name = revision.slice(goal.id.length + 1).replace(/^1\/(a1\/)?/, "");
  const branch = `rigs/${goal.id}-at-${name.replaceAll("/", "-")}`;
  await house.branch(goal.order, commit, branch);
  if (json) terminal.out(JSON.stringify({ goal: goal.id, revision, commit, branch, verdict }));
  else {
    terminal.out(`branch ${branch} points at ${revision} (${commit.slice(0, 12)}): ${verdictWords(verdict)}`);
    terminal.out(`look: git log -p ${branch}`);
  }
  return exits.done;
}

function verdictWords(verdict: string): string {
  if (verdict === "unproven") return "nothing was proven of it";
  return verdict === "proven"
    ? "its code was proven, as a commit of its own"
    : `the verdict on its code was ${verdict}`;
}
