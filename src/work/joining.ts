/**
 * Work that is recorded and waits for a person to run it: a task of its own, and tasks that a person joins into a convoy.
 *
 * 1. Nothing here begins: no check runs, no model is asked, nobody claims anything before `goal-resumed`.
 * 2. A convoy takes its tasks over in the append that makes it: each lands once, by itself or with the others.
 * 3. What a person allowed or bounded for one task is never lost by joining: it is added up, asked for, or refused.
 */
import type { Bead } from "../domain/bead.ts";
import { type Budget, isWish } from "../domain/budget.ts";
import { ended } from "../domain/decision.ts";
import type { Check } from "../domain/gate.ts";
import { convoyOf, type Goal, landsWith, type Order } from "../domain/goal.ts";
import type { BeadId, GoalId } from "../domain/id.ts";
import {
  groundOver,
  meet,
  type Place,
  type Plan,
  type PlannedBead,
  planBounds,
  planFaults,
} from "../domain/plan.ts";
import { present } from "../kit/assert.ts";
import type { Guard, NewEvent } from "../ports/store.ts";
import { type ChosenPlan, noProgram, type Wish } from "./intake.ts";
import { rootBead } from "./splitting.ts";
import type { Tools } from "./tools.ts";

/** What is recorded with an order that begins when it is run. `owns`: paths or "folder/**"; none: all that is not protected. */
export type Laying =
  | { readonly kind: "task"; readonly owns: readonly string[] }
  | { readonly kind: "convoy"; readonly beads: readonly BeadId[] };

/** `refused`: one line, what stands in the way and what to do. */
export type Laid =
  | { readonly kind: "done"; readonly events: readonly NewEvent[]; readonly guard: Guard }
  | { readonly kind: "refused"; readonly why: string };

/** A task of its own: a goal with one bead. */
export interface Task {
  readonly goal: Goal;
  readonly bead: Bead;
}

/** What it takes to record a task, or a convoy in place of its tasks; the caller appends it under the guard. */
export async function laid(
  id: GoalId,
  order: Order,
  laying: Laying,
  { store, repositories }: Pick<Tools, "store"> & { repositories(): Promise<Tools["repositories"]> },
): Promise<Laid> {
  const created = { type: "goal-created", goal: id, order } as const;
  if (laying.kind === "task") {
    const faults = laying.owns.length === 0 ? [] : await areaFaults(order, laying.owns, await repositories());
    if (faults.length > 0) return { kind: "refused", why: faults.join("; ") };
    const { contract, ...root } = rootBead({ id, order });
    const owns = laying.owns.length === 0 ? contract.owns : laying.owns;
    const bead: NewEvent = { ...root, contract: { ...contract, owns } };
    return { kind: "done", events: [created, bead], guard: { kind: "none" } };
  }
  const taken: NewEvent[] = [];
  for (const bead of laying.beads) {
    const known = await store.view.bead(bead);
    const goal = known === undefined ? undefined : await store.view.goal(known.goal);
    if (known === undefined || goal === undefined)
      return { kind: "refused", why: `there is no bead ${bead}; rigs bead list shows all` };
    const why = whyNotJoined({ goal, bead: known });
    if (why !== undefined) return { kind: "refused", why };
    const reason = landsWith(id);
    taken.push({ type: "bead-cancelled", goal: goal.id, bead, by: "goal", why: reason });
    taken.push({ type: "goal-ended", goal: goal.id, end: ended("cancelled", reason) });
  }
  const guard = { kind: "standing", beads: laying.beads, state: "ready" } as const;
  return { kind: "done", events: [created, ...taken], guard };
}

/** Why a bead cannot be joined with others, in one line; undefined when it can. */
export function whyNotJoined({ goal, bead }: Task): string | undefined {
  const convoy = convoyOf(goal.end);
  if (convoy !== undefined) return `bead ${bead.id} lands with convoy ${convoy} already`;
  if (bead.parent !== undefined)
    return `bead ${bead.id} is a part of goal ${goal.id}: only tasks of their own are joined (rigs bead create)`;
  if (goal.end !== undefined) return `bead ${bead.id} is over: its goal ended as ${goal.end.outcome}`;
  if (!goal.isUnbegun || goal.cancelAsked || bead.state.kind !== "ready")
    return `bead ${bead.id} was begun already: go on with it by rigs bead run ${bead.id}, and join others`;
  return undefined;
}

/** The plan's own faults, as far as they are about what the one task may write. */
async function areaFaults(
  order: Order,
  owns: readonly string[],
  repositories: Tools["repositories"],
): Promise<readonly string[]> {
  const { repository, base } = order;
  const paths = (await (await repositories.open(repository, base)).list(base)).map(({ path }) => path);
  const task = { ...plain, name: "the task", intent: "it", owns, checks: ["true"] };
  const faults = planFaults({ skeleton: {}, beads: [task] }, groundOver(paths, order));
  // What it is called here is nobody's name.
  return faults.filter(({ at }) => at[2] !== "name").map(({ why }) => why);
}

const plain = {
  ...{ shares: [], reads: [], exports: [], behaviours: [], dependsOn: [], beads: [] },
  ...{ tokens: { low: 500, high: 40_000 }, budget: undefined },
} as const;

/** What a person says of a convoy; undefined bounds are added up from its tasks. */
export interface Joining {
  readonly text: string;
  readonly checks: readonly string[];
  readonly checksByExit: readonly string[];
  readonly providers: readonly string[];
  readonly budget: Budget;
  readonly strategy: Wish["strategy"];
  readonly priority: Wish["priority"];
  readonly workersMax: number;
  readonly includeDirty: boolean;
  readonly keepRevisions: boolean;
}

/** `notes`: what people should know of it, one line each. */
export type Joined =
  | { readonly kind: "wish"; readonly wish: Wish; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Tasks of their own as one goal: each a bead that may write what it might before, the whole judged by the checks of all.
 * Its base is the newest commit, wherever the tasks were made.
 */
export function joined(tasks: readonly Task[], joining: Joining): Joined {
  const why = whyNotTogether(tasks, joining);
  if (why !== undefined) return { kind: "refused", why };
  const orders = tasks.map(({ goal }) => goal.order);
  const [first] = orders;
  const { repository, setup, unsafeNoSandbox } = present(first, "something is joined");
  const given = orders.flatMap(acceptanceIn);
  const commands = (kind: Check["report"]["kind"], more: readonly string[]) => [
    ...new Set([
      ...given.filter(({ report }) => report.kind === kind).map(({ command }) => command),
      ...more,
    ]),
  ];
  const program = given.find(({ report }) => report.kind === "run");
  const union = (field: "protect" | "allowChange") => [...new Set(orders.flatMap((order) => order[field]))];
  const allowChange = union("allowChange");
  const allowDependencies = orders.some((order) => order.allowDependencies);
  const wish: Wish = {
    ...joining,
    folder: repository,
    checks: commands("recognise", joining.checks),
    checksByExit: commands("exit-code", joining.checksByExit),
    guardsOnly: false,
    program:
      program?.report.kind === "run" ? { command: program.command, probe: program.report.probe } : noProgram,
    ...{ protect: union("protect"), allowChange, allowDependencies, setup, unsafeNoSandbox },
    budget: { ...joining.budget, ...summed(orders, joining.budget) },
    plan: handMade(tasks),
    mode: "auto",
  };
  const widened = orders.some(
    (order) => order.allowDependencies !== allowDependencies || order.allowChange.length < allowChange.length,
  );
  const notes = widened ? ["what one of the tasks was allowed to change, all of them may change now"] : [];
  return { kind: "wish", wish, notes };
}

const bounds = ["usdMax", "tokensMax", "wallMsMax"] as const;

function summed(orders: readonly Order[], budget: Budget): Pick<Budget, (typeof bounds)[number]> {
  const sum = (bound: (typeof bounds)[number]) => {
    if (budget[bound] !== undefined) return budget[bound];
    const all = orders.flatMap((order) => order.budget[bound] ?? []);
    return all.length === 0 ? undefined : all.reduce((total, each) => total + each, 0);
  };
  return { usdMax: sum("usdMax"), tokensMax: sum("tokensMax"), wallMsMax: sum("wallMsMax") };
}

function whyNotTogether(tasks: readonly Task[], { budget }: Joining): string | undefined {
  const most = planBounds.fanOutMax;
  const ids = tasks.map(({ bead }) => bead.id);
  if (ids.length < 2 || ids.length > most)
    return `a convoy joins 2 to ${most} tasks, not ${ids.length}: name each with --bead`;
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) return `bead ${twice} is named twice`;
  for (const task of tasks) {
    const why = whyNotJoined(task);
    if (why !== undefined) return why;
    if (acceptanceIn(task.goal.order).length === 0)
      return `bead ${task.bead.id} has no check of its own, and without one nothing it does in a convoy can be proven: create it anew with --check`;
  }
  const orders = tasks.map(({ goal }) => goal.order);
  const differ = (look: (order: Order) => string | boolean | undefined) => {
    const at = orders.findIndex((order) => look(order) !== look(present(orders[0], "one is there")));
    return at < 0 ? undefined : `bead ${ids[0]} and bead ${ids[at]}`;
  };
  const apart = (which: string | undefined, why: string) =>
    which === undefined ? undefined : `${which} ${why}`;
  const missing = bounds.find(
    (bound) =>
      budget[bound] === undefined && differ((order) => order.budget[bound] === undefined) !== undefined,
  );
  return (
    apart(
      differ((order) => order.repository),
      "are tasks of different repositories: a convoy lands in one",
    ) ??
    apart(
      differ((order) => order.setup),
      "are prepared by different --setup commands: create them alike",
    ) ??
    apart(
      differ((order) => order.unsafeNoSandbox),
      "do not run in the same jail (--unsafe-no-sandbox): create them alike",
    ) ??
    (missing === undefined
      ? undefined
      : `only some of the tasks have a budget: give the convoy one with ${optionOf[missing]}`) ??
    checksApart(orders)
  );
}

const optionOf = {
  usdMax: "--budget-usd",
  tokensMax: "--budget-tokens",
  wallMsMax: "--max-minutes",
} as const;

/** One command has one meaning in a goal, and there is one program that is started. */
function checksApart(orders: readonly Order[]): string | undefined {
  const known = new Map<string, string>();
  let program: string | undefined;
  for (const { command, report } of orders.flatMap(acceptanceIn)) {
    const meaning = JSON.stringify(report);
    if ((known.get(command) ?? meaning) !== meaning)
      return `the tasks read \`${command}\` differently (--check, --check-exit, --probe): create them alike`;
    known.set(command, meaning);
    if (report.kind !== "run") continue;
    if ((program ?? command) !== command)
      return "the tasks start different programs (--check-run), and a convoy can start one: give one of them another check";
    program = command;
  }
  return undefined;
}

function acceptanceIn({ checks }: Order): readonly Check[] {
  return checks.filter(({ role }) => role === "acceptance");
}

/** What a person gave one task is that task's in the convoy too. */
function budgetIn({ budget: { usdMax, tokensMax, wallMsMax } }: Order): PlannedBead["budget"] {
  const budget = { usdMax, tokensMax, wallMsMax };
  return isWish(budget) ? budget : undefined;
}

/** Areas that meet are shared: the merge queue puts together what both change there. */
function handMade(tasks: readonly Task[]): ChosenPlan {
  const isMet = (area: string, own: Bead) =>
    tasks.some(({ bead }) => bead.id !== own.id && bead.contract.owns.some((other) => meet(area, other)));
  const beads = tasks.map(({ goal, bead }): PlannedBead => {
    const { owns } = bead.contract;
    const isShared = (area: string) => area === "**" || isMet(area, bead);
    return {
      ...{ ...plain, name: goal.id, intent: goal.order.text },
      ...{ owns: owns.filter((area) => !isShared(area)), shares: owns.filter(isShared) },
      budget: budgetIn(goal.order),
      checks: acceptanceIn(goal.order).map(({ command }) => command),
    };
  });
  const plan: Plan = { skeleton: {}, beads };
  // Its places are the tasks themselves: nobody wrote a line of it.
  const where = ([, index]: Place) => `bead ${tasks[Number(index)]?.bead.id}`;
  return { plan, unread: [], why: "joined by hand", where };
}
