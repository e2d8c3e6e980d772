/** From a plan to beads: the skeleton is committed and tried, then the whole tree stands in one append. */
import { type Bead, type Contract, type Priority, wholeContract } from "../domain/bead.ts";
import { ended } from "../domain/decision.ts";
import { checkTimeoutMs } from "../domain/discovery.ts";
import type { Check } from "../domain/gate.ts";
import { type Goal, groundOf, type Order } from "../domain/goal.ts";
import { type BeadId, beadId, type Commit } from "../domain/id.ts";
import {
  areasOf,
  chainLengths,
  groundOver,
  type Place,
  type Placed,
  type Plan,
  type PlanFault,
  placedBeads,
  placeName,
  planBounds,
  planFaults,
  waitsFor,
} from "../domain/plan.ts";
import { present } from "../kit/assert.ts";
import type { Repository } from "../ports/repository.ts";
import type { NewEvent } from "../ports/store.ts";
import { despiteLosses } from "./losses.ts";
import { type Planned, rehearse } from "./rehearsal.ts";
import { enclosureOf, openSite, type Site, trialOf } from "./survey.ts";
import type { Tools } from "./tools.ts";

/** The events that make the tree, or why it cannot be: one line a fault. */
export type Splitting =
  | { readonly kind: "tree"; readonly events: readonly NewEvent[] }
  | { readonly kind: "refused"; readonly faults: readonly string[] };

/** The first bead of a goal: all of it. */
export function rootBead(
  goal: Pick<Goal, "id" | "order">,
): Extract<NewEvent, { readonly type: "bead-created" }> {
  return {
    type: "bead-created",
    goal: goal.id,
    bead: beadId(goal.id, 1),
    parent: undefined,
    dependsOn: [],
    contract: wholeContract(
      goal.order.text,
      goal.order.checks.map((check) => check.name),
    ),
    priority: goal.order.priority,
  };
}

/** The first bead, and where the user gave a plan the whole tree. A plan that cannot be worked on ends the goal, with every fault. */
export async function firstBeads(
  goal: Goal,
  tools: Tools,
  signal: AbortSignal,
): Promise<readonly NewEvent[]> {
  const root = rootBead(goal);
  const { mode } = goal.order;
  // Tests by a model come before any tree: the polecat splits when they are there.
  const isLater = goal.order.acceptance === "model";
  if (mode.kind === "solo" || mode.plan === undefined || isLater) return [root];
  const refused = (why: string): readonly NewEvent[] => [
    { type: "goal-ended", goal: goal.id, end: ended("failed", why, "input") },
  ];
  const opened = await openSite(goal, tools, signal);
  if (opened.kind === "failed") return refused(opened.why);
  const where = linesOf(mode);
  const tree = await splitting(goal, root.bead, mode.plan, { site: opened.site, tools, signal, where });
  return tree.kind === "tree"
    ? [root, ...tree.events]
    : refused(`the plan cannot be worked on: ${tree.faults.join("; ")}`);
}

/** The line of a place in the user's plan, as far as it is kept. */
export function linesOf(mode: Order["mode"]): (at: Place) => string {
  const lines = mode.kind === "fleet" ? mode.lines : undefined;
  return (at) => lines?.[placeName(at)] ?? placeName(at);
}

/** Splits a bead that owns everything. `where` gives the line of a place. Nothing is appended here; rejects with `signal.reason`, or like the verifier. */
export async function splitting(
  goal: Goal,
  bead: Bead["id"],
  plan: Plan,
  place: {
    readonly site: Site;
    readonly tools: Tools;
    readonly signal: AbortSignal;
    where(at: Place): string;
  },
): Promise<Splitting> {
  const { site, tools } = place;
  const paths = (await site.repository.list(goal.head ?? groundOf(goal))).map((entry) => entry.path);
  const before = (await tools.store.view.beads({ goal: goal.id, countMax: 1_000 })).filter(
    ({ parent }) => parent === bead,
  );
  const faults = planFaults(plan, groundOver(paths, goal.order));
  const told = (all: readonly PlanFault[]) => all.map(({ at, why }) => `${place.where(at)}: ${why}`);
  if (faults.length > 0) return { kind: "refused", faults: told(faults) };
  const fault = before.length === 0 ? undefined : faultOfMore(plan, before.length);
  if (fault !== undefined) return { kind: "refused", faults: [fault] };
  const skeleton = await skeletonOf(goal, bead, plan, place);
  if (skeleton.kind === "broken") return { kind: "refused", faults: skeleton.faults };
  const placed = placedBeads(plan);
  const ids = idsOf(bead, placed, before);
  const planned = placed.flatMap((each) =>
    checksOf(each, ids, goal).map((check, index): Planned => {
      return { check, at: [...each.at, "checks", index], placed: each, all: placed };
    }),
  );
  const start = skeleton.commit ?? goal.head ?? groundOf(goal);
  const rehearsal = await rehearse(goal, planned, start, place);
  if (rehearsal.faults.length > 0) return { kind: "refused", faults: told(rehearsal.faults) };
  for (const text of rehearsal.notes) tools.watch({ kind: "note", goal: goal.id, text });
  const checks = planned.map(({ check }) => check);
  const kept = await tools.store.blobs.put(new TextEncoder().encode(JSON.stringify(plan)));
  const guards = goal.order.checks.filter(({ role }) => role === "guard").map(({ name }) => name);
  const chains = chainLengths(plan);
  const created = placed.map((each): NewEvent => {
    const { name, intent, reads, exports, behaviours } = each.bead;
    const own = checksOf(each, ids, goal).map(({ name }) => name);
    const owns = areasOf(each.bead);
    const idOf = (name: string) => present(ids.get(name), "every name of a good plan is a bead's");
    const below = placed.filter(({ at }) => isBelow(at, each.at)).map(({ bead: { name } }) => idOf(name));
    const budget = each.bead.budget && { ...each.bead.budget, below };
    const promised = { name, intent, owns, reads, exports, behaviours, budget };
    const contract: Contract = { ...promised, checks: [...own, ...guards] };
    return {
      type: "bead-created",
      goal: goal.id,
      bead: idOf(each.bead.name),
      parent: bead,
      dependsOn: waitsFor(each.bead).map(idOf),
      contract,
      priority: priorityOf(each, chains, goal.order.priority),
    };
  });
  const split = {
    type: "bead-split",
    goal: goal.id,
    bead,
    plan: kept,
    head: skeleton.commit,
    checks,
  } as const;
  return { kind: "tree", events: [...rehearsal.losses, split, ...created] };
}

function isBelow(place: Place, above: Place): boolean {
  return place.length > above.length && above.every((step, index) => place[index] === step);
}

/** What holds up the most work goes first. */
function priorityOf({ bead }: Placed, chains: ReadonlyMap<string, number>, usual: Priority): Priority {
  const longest = Math.max(...chains.values());
  const isLongest = (chains.get(bead.name) ?? 0) >= longest && longest > 1;
  return isLongest ? (Math.min(4, usual + 1) as Priority) : usual;
}

/** What is wrong with a plan of what is left, beside what is wrong with any. */
function faultOfMore(plan: Plan, before: number): string | undefined {
  const all = before + placedBeads(plan).length;
  if (Object.keys(plan.skeleton).length > 0)
    return "skeleton: work stands already: leave the skeleton files out, let a task write them";
  return all > planBounds.beadsMax
    ? `beads: ${all} with those there were, at most ${planBounds.beadsMax}: join small ones`
    : undefined;
}

/** Numbers below the bead that is split, in the order of the plan, after those that are given: an id is never used twice. */
function idsOf(
  root: BeadId,
  placed: readonly Placed[],
  before: readonly Bead[],
): ReadonlyMap<string, BeadId> {
  const last = Math.max(0, ...before.map(({ id }) => Number(id.slice(root.length + 1))));
  return new Map(placed.map(({ bead }, index) => [bead.name, beadId(root, last + index + 1)]));
}

function checksOf({ bead }: Placed, ids: ReadonlyMap<string, BeadId>, { order }: Goal): readonly Check[] {
  const id = present(ids.get(bead.name), "every bead of a plan has an id");
  return bead.checks.map((command, index) => ({
    name: `${id.slice(id.indexOf(".") + 1)}-${index + 1}`,
    command,
    cwd: ".",
    role: "acceptance",
    // A command that the whole is judged by too means the same here: `--check-exit` stays an exit code.
    ...{ timeoutMs: checkTimeoutMs, report: { kind: "recognise" } as const },
    ...meaningOf(order.checks.find((each) => each.role === "acceptance" && each.command === command)),
  }));
}

function meaningOf(check: Check | undefined): Partial<Pick<Check, "timeoutMs" | "report">> {
  return check === undefined ? {} : { timeoutMs: check.timeoutMs, report: check.report };
}

type Skeleton =
  | { readonly kind: "stands"; readonly commit: Commit | undefined }
  | { readonly kind: "broken"; readonly faults: readonly string[] };

/** One commit on the ground; undefined where the plan has no skeleton. */
export async function writeSkeleton(
  goal: Pick<Goal, "order" | "tests">,
  bead: BeadId,
  plan: Plan,
  repository: Repository,
): Promise<Commit | undefined> {
  const entries = Object.entries(plan.skeleton);
  if (entries.length === 0) return undefined;
  const { commit } = await repository.write({
    parent: groundOf(goal),
    files: new Map(entries.map(([path, text]) => [path, new TextEncoder().encode(text)])),
    message: `Skeleton of ${bead}\n\nRigs-Bead: ${bead}\n`,
    author: goal.order.author,
    ref: `refs/rigs/${bead}/skeleton`,
  });
  return commit;
}

/** One commit on the ground. Nobody starts before it parses and breaks no test that was green. */
async function skeletonOf(
  goal: Goal,
  bead: BeadId,
  plan: Plan,
  { site, tools, signal }: { readonly site: Site; readonly tools: Tools; readonly signal: AbortSignal },
): Promise<Skeleton> {
  const base = groundOf(goal);
  const commit = await writeSkeleton(goal, bead, plan, site.repository);
  if (commit === undefined) return { kind: "stands", commit };
  const guards = goal.order.checks.filter(
    ({ name, role }) =>
      role === "guard" && goal.base?.some(({ check, kind }) => check === name && kind === "green"),
  );
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  // Without a guard one check still runs: what does not parse is told by any of them.
  const checks = guards.length > 0 ? guards : goal.checks.slice(0, 1);
  const trial = trialOf(goal, site, { commit, base, checks });
  const { result: runs } = await despiteLosses(goal.id, () => verifier.run(trial, signal));
  const faults = runs.flatMap((run) =>
    run.kind === "no-report" && run.runner === "syntax" ? [`skeleton: ${run.why}`] : [],
  );
  const broken = runs.flatMap((run) => {
    const { passed = 0 } = goal.base?.find(({ check }) => check === run.check) ?? {};
    const now = run.kind === "counted" ? run.tests.filter(({ status }) => status === "passed").length : 0;
    return guards.some(({ name }) => name === run.check) && now < passed
      ? [`skeleton: ${run.check} passes ${now} tests with it, ${passed} without`]
      : [];
  });
  const all = [...new Set([...faults, ...broken])];
  return all.length === 0 ? { kind: "stands", commit } : { kind: "broken", faults: all };
}
