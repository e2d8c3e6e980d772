/** Commands that change one bead: retry, cancel, create; and `goal rollback`, which makes a branch of a revision. */
import type { Order } from "../../domain/goal.ts";
import { beadId, type GoalId, parseBeadId } from "../../domain/id.ts";
import type { Laying } from "../../work/joining.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { findBead } from "./bead.ts";
import { findRevision } from "./deeper.ts";
import { followGoal } from "./execute.ts";
import { exits } from "./exit.ts";
import { findGoal } from "./goal.ts";
import { type BudgetOptions, budgetOf, type OrderOptions, priceNotes, takenIn, wishOf } from "./order.ts";
import { say } from "./paint.ts";
import { oneLine } from "./sentences.ts";

interface Format {
  readonly json?: boolean;
}

/** Makes a parked bead ready for a new attempt, or with more budget for its last one, and works on its goal as `goal resume` does. */
export async function retryBead(
  typed: string,
  options: Format & BudgetOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { id, goal } = await namedBead(typed, house);
  const { order } = await findGoal(goal, house);
  const budget = budgetOf(options);
  if (budget.usdMax !== undefined) {
    const providers = await house.chooseProviders(order.providers);
    if (providers.kind === "none") throw new UsageError(providers.why);
    for (const note of priceNotes(budget, providers)) say(terminal, "err", { tone: "plain", text: note });
  }
  const hands = await house.hands();
  try {
    await hands.tend({ kind: "retry", bead: id, budget }, order);
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
      : `bead ${id} is cancelled, and what needs it is given up; rigs bead retry ${id} brings it back`,
  );
  return exits.done;
}

/** The options of `bead create`, as commander parses them; those of an order are for a task of its own. */
export interface CreateOptions extends Format, Partial<OrderOptions> {
  readonly goal?: string;
  readonly owns: readonly string[];
  readonly after: readonly string[];
}

/** A task of its own, which is only recorded; or with `--goal` one more part of a tree. */
export async function createBead(
  intent: string,
  options: CreateOptions,
  house: House,
  terminal: Terminal,
): Promise<number> {
  return options.goal === undefined
    ? createTask(intent, options, house, terminal)
    : createPart(intent, { ...options, goal: options.goal }, house, terminal);
}

async function createTask(
  intent: string,
  options: CreateOptions,
  house: House,
  terminal: Terminal,
): Promise<number> {
  if (options.after.length > 0)
    throw new UsageError("--after names a task of the same tree: say which with --goal, or leave it out");
  const given = { ...noOptions, ...options };
  const how = { plan: undefined, mode: "task", workersMax: 1 } as const;
  const { order, notes, course } = await takenIn(given.provider, house, (provider) =>
    wishOf(intent, { ...given, provider }, how, house),
  );
  const goal = await lay({ ...order, begins: "when-run" }, { kind: "task", owns: options.owns }, house);
  const bead = beadId(goal, 1);
  if (options.json) terminal.out(JSON.stringify({ bead, goal, base: order.base, begun: false }));
  else {
    for (const note of [...notes, ...course]) say(terminal, "err", { tone: "dim", text: oneLine(note) });
    terminal.out(`bead ${bead} is recorded; nothing is worked on before you run it`);
    terminal.out(`run it:      rigs bead run ${bead}`);
    terminal.out(`with others: rigs convoy create "…" --bead ${bead} --bead …`);
  }
  return exits.done;
}

const noOptions = {
  ...{ check: [], checkExit: [], protect: [], allowChange: [], provider: [] },
} as const;

/** What only a task of its own can have: a part has those of its goal. */
const ownOptions = [
  ...(["repo", "checkRun", "probe", "protect", "allowChange", "provider", "setup", "priority"] as const),
  ...(["includeDirty", "allowDeps", "guardsOnly"] as const),
  ...(["unsafeNoSandbox", "keepRevisions"] as const),
];

async function createPart(
  intent: string,
  options: CreateOptions & { readonly goal: string },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const { json, owns, after, check = [], checkExit = [] } = options;
  const strange = ownOptions.find((name) => options[name] !== undefined);
  if (strange !== undefined) {
    const flag = `--${strange.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new UsageError(`${flag} is for a task of its own; a part has what its goal has: leave it out`);
  }
  const goal = await findGoal(options.goal, house);
  const dependsOn = after.map((each) => {
    const id = parseBeadId(each);
    if (id === undefined) throw new UsageError(`"${oneLine(each)}" is not a bead's id: --after 12345678.1.2`);
    return id;
  });
  const hands = await house.hands();
  try {
    const bounds = { dependsOn, budget: budgetOf(options) };
    const wish = { intent, owns, checks: check, checksByExit: checkExit, ...bounds };
    const bead = await hands.tend({ kind: "create", goal: goal.id, wish }, goal.order);
    if (json) terminal.out(JSON.stringify({ bead, goal: goal.id }));
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

/** Records what begins when it is run. */
export async function lay(order: Order, laying: Laying, house: House): Promise<GoalId> {
  const hands = await house.hands();
  try {
    return await hands.lay(order, laying);
  } finally {
    await hands.close();
  }
}

export async function namedBead(typed: string, house: House) {
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
