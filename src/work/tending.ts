/** What a person may do to one bead of a tree, as events: try it again, take it off, add another. Decided from what the store says. */
import type { Bead, Contract } from "../domain/bead.ts";
import { type BudgetWish, isWish } from "../domain/budget.ts";
import { checkTimeoutMs } from "../domain/discovery.ts";
import type { Check } from "../domain/gate.ts";
import { type Goal, groundOf } from "../domain/goal.ts";
import { type BeadId, beadId, type GoalId, goalOf } from "../domain/id.ts";
import { groundOver, type PlannedBead, planBounds, planFaults } from "../domain/plan.ts";
import type { NewEvent } from "../ports/store.ts";
import { hasAll } from "./files.ts";
import { lostCall } from "./record.ts";
import { standsOn } from "./resume.ts";
import type { Tools } from "./tools.ts";

/** What a person wants of one bead. */
export type Tending =
  /** With other bounds, where the budget says any. */
  | { readonly kind: "retry"; readonly bead: BeadId; readonly budget: BudgetWish }
  | { readonly kind: "cancel"; readonly bead: BeadId }
  | { readonly kind: "create"; readonly goal: GoalId; readonly wish: BeadWish };

export interface BeadWish {
  readonly intent: string;
  readonly owns: readonly string[];
  /** Commands that decide about it. */
  readonly checks: readonly string[];
  /** Commands whose exit code does. */
  readonly checksByExit: readonly string[];
  readonly dependsOn: readonly BeadId[];
  readonly budget: BudgetWish;
}

/** `refused`: one line, what stands in the way and what to do. */
export type Tended =
  | { readonly kind: "done"; readonly bead: BeadId; readonly events: readonly NewEvent[] }
  | { readonly kind: "refused"; readonly why: string };

type Ground = Pick<Tools, "store" | "repositories">;

/** The goal that a wish is about. */
export function goalTended(tending: Tending): GoalId {
  return tending.kind === "create" ? tending.goal : goalOf(tending.bead);
}

/** What it takes; the caller appends it where nothing happened to the goal meanwhile. */
export async function tended(tending: Tending, goal: Goal, ground: Ground): Promise<Tended> {
  const beads = await ground.store.view.beads({ goal: goal.id, countMax: 10_000 });
  if (goal.end?.outcome === "delivered") return refused(`goal ${goal.id} is delivered already`);
  if (goal.cancelAsked && goal.end === undefined) return refused(`goal ${goal.id} is being cancelled`);
  if (tending.kind === "create") return creation(tending.wish, goal, beads, ground);
  const bead = beads.find(({ id }) => id === tending.bead);
  if (bead === undefined) return refused(`there is no bead ${tending.bead}; rigs bead list shows all`);
  return tending.kind === "retry"
    ? retrial(bead, tending.budget, { goal, beads, ground })
    : cancellation(bead, goal, ground);
}

function refused(why: string): Tended {
  return { kind: "refused", why };
}

/** With a budget, those below it in its plan that were parked for want of one are tried again as well. */
async function retrial(
  bead: Bead,
  budget: BudgetWish,
  { goal, beads, ground }: { readonly goal: Goal; readonly beads: readonly Bead[]; readonly ground: Ground },
): Promise<Tended> {
  const { id, state, contract } = bead;
  const isBounded = isWish(budget);
  const below = beads.filter(
    (each) => isBounded && contract.budget?.below.includes(each.id) === true && isOutOfBudget(each),
  );
  const own = state.kind === "parked" || state.kind === "cancelled" || state.kind === "joined" ? [bead] : [];
  if (own.length + below.length === 0)
    return refused(`bead ${id} is ${state.kind}: only what is parked or cancelled is tried again`);
  const tried = [...own, ...below];
  const again = [...new Set([...tried, ...tried.flatMap((each) => givenUpFor(each, beads))])];
  const above = beads.find((each) => each.id === bead.parent);
  if (above !== undefined && !again.includes(above)) {
    if (isAtItsTurn(above))
      return refused(`the whole of bead ${id} is ${above.state.kind}: wait until goal ${goal.id} has ended`);
    if (above.state.kind !== "split") again.push(above);
  }
  const why = "it is tried again";
  const events: NewEvent[] = isBounded
    ? [{ type: "bead-budget-changed", goal: goal.id, bead: id, budget }]
    : [];
  for (const each of again) {
    const about = { goal: goal.id, bead: each.id, why };
    const goesOnWith = isBounded ? await goneOnWith(each, { goal, beads, ground }) : undefined;
    // What needs others goes back to waiting for them; the foreman frees it when they are there.
    const waits = goesOnWith === undefined && (each.isParent || each.dependsOn.length > 0);
    events.push(waits ? { type: "bead-blocked", ...about } : { type: "bead-resumed", ...about, goesOnWith });
  }
  const opened: readonly NewEvent[] = goal.end === undefined ? [] : [{ type: "goal-resumed", goal: goal.id }];
  return { kind: "done", bead: id, events: [...opened, ...events] };
}

function isOutOfBudget({ state }: Bead): boolean {
  return state.kind === "parked" && state.cause === "budget";
}

/** The attempt of a bead that only its budget stopped, where what it needs and what it reached are there. */
async function goneOnWith(
  bead: Bead,
  { goal, beads, ground }: { readonly goal: Goal; readonly beads: readonly Bead[]; readonly ground: Ground },
): Promise<Bead["unfinished"]> {
  const needed = beads.filter(({ id }) => bead.dependsOn.includes(id));
  if (!isOutOfBudget(bead) || bead.isParent || needed.some(({ state }) => state.kind !== "integrated"))
    return undefined;
  const { attempt, commits } = await standsOn(bead, ground);
  if (attempt === undefined) return undefined;
  const { repository, base } = goal.order;
  return (await hasAll(await ground.repositories.open(repository, base), commits)) ? attempt.id : undefined;
}

/** Its own turn has come, which another try of a part would pull the ground from. */
function isAtItsTurn({ state }: Bead): boolean {
  return ["claimed", "proving", "proven", "integrating", "integrated"].includes(state.kind);
}

/** Those that were parked untried because they need this one, directly or through each other. */
function givenUpFor(bead: Bead, beads: readonly Bead[]): readonly Bead[] {
  const found: Bead[] = [bead];
  for (const each of found)
    for (const other of beads)
      if (
        other.state.kind === "parked" &&
        other.attempts === 0 &&
        other.dependsOn.includes(each.id) &&
        !found.includes(other)
      )
        found.push(other);
  return found.slice(1);
}

async function cancellation(bead: Bead, goal: Goal, { store }: Ground): Promise<Tended> {
  const { id, state, parent, unfinished } = bead;
  if (goal.end !== undefined) return refused(`goal ${goal.id} has ended already: ${goal.end.outcome}`);
  if (parent === undefined) return refused(`bead ${id} is the whole goal: rigs goal cancel ${goal.id}`);
  if (state.kind === "integrated" || state.kind === "cancelled" || state.kind === "split")
    return refused(`bead ${id} is ${state.kind} already`);
  const attempt = unfinished === undefined ? undefined : await store.view.attempt(unfinished);
  const lost = attempt?.open === undefined ? [] : [lostCall(attempt, attempt.open)];
  const cancelled = { type: "bead-cancelled", goal: goal.id, bead: id, by: "person" } as const;
  return { kind: "done", bead: id, events: [...lost, { ...cancelled, why: "by the user" }] };
}

async function creation(
  wish: BeadWish,
  goal: Goal,
  beads: readonly Bead[],
  { repositories }: Ground,
): Promise<Tended> {
  const root = beads.find(({ parent }) => parent === undefined);
  if (goal.end !== undefined)
    return refused(`goal ${goal.id} has ended; it can be gone on with: rigs goal resume ${goal.id}`);
  if (goal.isUnbegun) return refused(`goal ${goal.id} is not begun: run it first, then add to it`);
  if (root?.isParent !== true)
    return refused(`goal ${goal.id} is one bead, no tree: give it a plan with rigs goal execute --plan`);
  if (root.state.kind !== "split")
    return refused(`all parts of goal ${goal.id} are settled: nothing is added any more`);
  if (beads.length > planBounds.beadsMax)
    return refused(`goal ${goal.id} has ${beads.length} beads, which is as many as a tree may have`);
  const numbers = beads.filter(({ parent }) => parent === root.id).map(({ id }) => lastNumber(id));
  const id = beadId(root.id, Math.max(0, ...numbers) + 1);
  const faults = await faultsOf(wish, { goal, beads, repositories });
  if (faults.length > 0) return refused(faults.join("; "));
  const checks = checksOf(wish, id, goal);
  const guards = goal.order.checks.filter(({ role }) => role === "guard").map(({ name }) => name);
  const names = [...checks.map(({ name }) => name), ...guards];
  const { intent, owns, dependsOn } = wish;
  const given = { name: undefined, intent, owns, checks: names };
  const budget = isWish(wish.budget) ? { ...wish.budget, below: [] } : undefined;
  const contract: Contract = { ...given, reads: [], exports: [], behaviours: [], budget };
  return {
    kind: "done",
    bead: id,
    events: [
      { type: "checks-added", goal: goal.id, checks },
      {
        ...{ type: "bead-created", goal: goal.id, bead: id, parent: root.id, dependsOn, contract },
        priority: goal.order.priority,
      },
    ],
  };
}

function lastNumber(id: BeadId): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}

function checksOf({ checks, checksByExit }: BeadWish, id: BeadId, goal: Goal): readonly Check[] {
  return [...checks, ...checksByExit].map((command, index) => ({
    name: `${id.slice(goal.id.length + 1)}-${index + 1}`,
    command,
    cwd: ".",
    role: "acceptance",
    timeoutMs: checkTimeoutMs,
    report: { kind: index < checks.length ? "recognise" : "exit-code" },
  }));
}

/** The plan's own faults, as far as they are the new bead's: it may own nothing that another one does. */
async function faultsOf(
  wish: BeadWish,
  {
    goal,
    beads,
    repositories,
  }: { readonly goal: Goal; readonly beads: readonly Bead[] } & Pick<Ground, "repositories">,
): Promise<readonly string[]> {
  const stranger = wish.dependsOn.find((id) => !beads.some((bead) => bead.id === id));
  if (stranger !== undefined) return [`there is no bead ${stranger} in goal ${goal.id}`];
  const { repository, base } = goal.order;
  const clone = await repositories.open(repository, base);
  // What has landed is there too, unless the clone was lost.
  const { head } = goal;
  const newest = head !== undefined && (await hasAll(clone, [head])) ? head : groundOf(goal);
  const paths = (await clone.list(newest)).map(({ path }) => path);
  const others = beads
    .filter(({ parent }) => parent !== undefined)
    .map(({ id, contract }) => planned(id, contract));
  const { intent, owns } = wish;
  const checks = [...wish.checks, ...wish.checksByExit];
  const budget = isWish(wish.budget) ? wish.budget : undefined;
  const added = { ...planned("the new task", { intent, owns, checks, budget }), dependsOn: wish.dependsOn };
  const faults = planFaults({ skeleton: {}, beads: [...others, added] }, groundOver(paths, goal.order));
  return (
    faults
      // What it is called here is nobody's name.
      .filter(
        ({ at: [list, index, field] }) => list === "beads" && index === others.length && field !== "name",
      )
      .map(({ why }) => why)
  );
}

function planned(
  name: string,
  contract: Pick<PlannedBead, "intent" | "owns" | "checks" | "budget">,
): PlannedBead {
  const rest = { shares: [], reads: [], exports: [], behaviours: [], dependsOn: [], beads: [] };
  return { ...contract, ...rest, name, tokens: { low: 1, high: 1 } };
}
