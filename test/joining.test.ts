import { describe, expect, test } from "vitest";
import { type Bead, wholeContract } from "../src/domain/bead.ts";
import { unbounded } from "../src/domain/budget.ts";
import type { Event } from "../src/domain/event.ts";
import type { Check } from "../src/domain/gate.ts";
import { convoyOf, type Goal, type Order } from "../src/domain/goal.ts";
import { type BeadId, beadId, type GoalId } from "../src/domain/id.ts";
import { groundOver, planFaults } from "../src/domain/plan.ts";
import { orderOf } from "../src/domain/sample.case.ts";
import { emptyWorld, fold } from "../src/domain/state.ts";
import { memoryStore } from "../src/edges/store/memory.ts";
import { present } from "../src/kit/assert.ts";
import type { NewEvent } from "../src/ports/store.ts";
import { type Joining, joined, laid, type Task } from "../src/work/joining.ts";
import { resumption, sameBounds } from "../src/work/resume.ts";

const ids: readonly string[] = ["aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee", "ffffffff"];
const convoy = "k7m2q9xd" as GoalId;

const check = (command: string, report: Check["report"] = { kind: "recognise" }): Check => ({
  ...{ name: command, command, cwd: ".", role: "acceptance", timeoutMs: 1_000, report },
});

/** A task of its own as it was recorded; `change` is what its order says otherwise. */
function task(index: number, change: Partial<Order> = {}, owns: readonly string[] = ["**"]): Task {
  const id = present(ids[index], "there is such a goal") as GoalId;
  const checks = [check(`pytest t${index}`)];
  const order: Order = { ...orderOf(`do ${index}`), begins: "when-run", checks, ...change };
  const world = emptyWorld();
  const contract = { ...wholeContract(order.text, []), owns };
  const created = {
    type: "bead-created",
    bead: beadId(id, 1),
    parent: undefined,
    dependsOn: [],
    contract,
    priority: 2,
  };
  for (const event of [{ type: "goal-created", order }, created])
    fold(world, { at: 1, goal: id, ...event } as Event);
  return { goal: world.goals.get(id) as Goal, bead: world.beads.get(beadId(id, 1)) as Bead };
}

const joining: Joining = {
  ...{ text: "all of it", checks: [], checksByExit: [], providers: ["work"], budget: unbounded },
  ...{ strategy: "balanced", workersMax: 2, includeDirty: false, keepRevisions: false, priority: 2 },
};

function wishFor(tasks: readonly Task[], change: Partial<Joining> = {}) {
  const done = joined(tasks, { ...joining, ...change });
  if (done.kind === "refused") throw new Error(done.why);
  return done;
}

const why = (tasks: readonly Task[], change: Partial<Joining> = {}) => {
  const done = joined(tasks, { ...joining, ...change });
  return done.kind === "refused" ? done.why : done.kind;
};

describe("tasks become one goal", () => {
  test("each a bead with its checks; the whole is judged by all of them and by what is given beside", () => {
    const exit = check("make", { kind: "exit-code" });
    const { wish } = wishFor([task(0), task(1, { checks: [exit] })], { checks: ["pytest all"] });
    expect(wish).toMatchObject({
      ...{
        text: "all of it",
        folder: "/somewhere/shop",
        checks: ["pytest t0", "pytest all"],
        checksByExit: ["make"],
      },
      ...{ providers: ["work"], mode: "auto", workersMax: 2 },
    });
    expect(wish.plan?.why).toBe("joined by hand");
    expect(wish.plan?.plan.beads.map(({ intent, checks }) => ({ intent, checks }))).toEqual([
      { intent: "do 0", checks: ["pytest t0"] },
      { intent: "do 1", checks: ["make"] },
    ]);
  });
  test("an area is owned where nobody else's meets it, and shared where one does: the plan has no fault", () => {
    const tasks = [task(0, {}, ["src/a.js", "src/b.js"]), task(1, {}, ["src/b.js"]), task(2)];
    const areas = (some: readonly Task[]) =>
      wishFor(some).wish.plan?.plan.beads.map(({ owns, shares }) => ({ owns, shares }));
    expect(areas(tasks.slice(0, 2))).toEqual([
      { owns: ["src/a.js"], shares: ["src/b.js"] },
      { owns: [], shares: ["src/b.js"] },
    ]);
    expect(areas(tasks)?.every(({ owns }) => owns.length === 0)).toBe(true);
    const { plan } = present(wishFor(tasks).wish.plan, "it has one");
    expect(planFaults(plan, groundOver(["src/b.js"], orderOf("t")))).toEqual([]);
  });
  test("what was allowed to one is allowed to all, and said; budgets add up, or the new one holds", () => {
    const bounded = (tokensMax: number) => ({ budget: { ...unbounded, tokensMax } });
    const tasks = [task(0, { ...bounded(10), allowChange: ["t/a"] }), task(1, bounded(20))];
    const { wish, notes } = wishFor(tasks);
    expect(wish).toMatchObject({ allowChange: ["t/a"], budget: { tokensMax: 30 } });
    expect(notes).toEqual(["what one of the tasks was allowed to change, all of them may change now"]);
    expect(wishFor(tasks, { budget: { ...unbounded, tokensMax: 5 } }).wish.budget.tokensMax).toBe(5);
    expect(wishFor([task(0), task(1)]).notes).toEqual([]);
    expect(why([task(0), task(1, bounded(20))])).toBe(
      "only some of the tasks have a budget: give the convoy one with --budget-tokens",
    );
  });
  test("refused: too few, too many, twice, no check, another place or jail, checks that contradict", () => {
    expect(why([task(0)])).toMatch(/joins 2 to 5 tasks, not 1/);
    expect(why(ids.map((_, index) => task(index)))).toMatch(/not 6/);
    expect(why([task(0), task(0)])).toMatch(/bead aaaaaaaa\.1 is named twice/);
    expect(why([task(0), task(1, { checks: [] })])).toMatch(/bbbbbbbb\.1 has no check of its own/);
    expect(why([task(0), task(1, { repository: "/other" })])).toMatch(/different repositories/);
    expect(why([task(0), task(1, { setup: "make" })])).toMatch(/different --setup/);
    expect(why([task(0), task(1, { unsafeNoSandbox: true })])).toMatch(/same jail/);
    const run = (command: string) => ({ checks: [check(command, { kind: "run", probe: "ask" })] });
    expect(why([task(0, run("a")), task(1, run("b"))])).toMatch(/different programs/);
    const exit = { checks: [check("pytest t0", { kind: "exit-code" })] };
    expect(why([task(0), task(1, exit)])).toMatch(/read `pytest t0` differently/);
  });
  test("refused: what was begun, is over, is a part, or lands with another convoy", () => {
    const { goal, bead } = task(1);
    const but = (change: { goal?: Partial<Goal>; bead?: Partial<Bead> }): Task => ({
      ...{ goal: { ...goal, ...change.goal }, bead: { ...bead, ...change.bead } },
    });
    const end = {
      outcome: "cancelled",
      reason: `it lands with convoy ${convoy}`,
      isInputFault: false,
    } as Goal["end"];
    expect(why([task(0), but({ goal: { isUnbegun: false } })])).toMatch(/was begun already/);
    expect(why([task(0), but({ goal: { cancelAsked: true } })])).toMatch(/was begun already/);
    expect(why([task(0), but({ goal: { end } })])).toMatch(/lands with convoy k7m2q9xd already/);
    expect(why([task(0), but({ bead: { parent: "x" as BeadId } })])).toMatch(/is a part of goal/);
  });
});

/** A store that holds these tasks, and what laying a convoy of them comes to. */
async function store(count: number) {
  const kept = memoryStore({ now: () => 1 });
  const tasks = Array.from({ length: count }, (_, index) => task(index));
  for (const { goal, bead } of tasks) {
    const { contract, id } = bead;
    const events: NewEvent[] = [
      { type: "goal-created", goal: goal.id, order: goal.order },
      {
        ...{ type: "bead-created", goal: goal.id, bead: id, parent: undefined, dependsOn: [] },
        contract,
        priority: 2,
      },
    ];
    await kept.log.append(events, { kind: "none" });
  }
  const beads = tasks.map(({ bead }) => bead.id);
  const lay = () =>
    laid(
      convoy,
      { ...orderOf("all"), begins: "when-run" },
      { kind: "convoy", beads },
      {
        store: kept,
        repositories: () => Promise.reject(new Error("no repository is needed")),
      },
    );
  return { kept, beads, lay };
}

describe("a convoy takes its tasks over", () => {
  test("in the append that makes it, and each says where it went", async () => {
    const { kept, lay } = await store(2);
    const done = await lay();
    if (done.kind === "refused") throw new Error(done.why);
    expect((await kept.log.append(done.events, done.guard)).kind).toBe("appended");
    const goals = await kept.view.goals({ countMax: 10 });
    expect(goals.map(({ id, end, isUnbegun }) => [id, convoyOf(end), isUnbegun])).toEqual([
      [convoy, undefined, true],
      ["bbbbbbbb", convoy, true],
      ["aaaaaaaa", convoy, true],
    ]);
    expect(await lay()).toEqual({
      kind: "refused",
      why: `bead aaaaaaaa.1 lands with convoy ${convoy} already`,
    });
  });
  test("not when one of them was claimed between the look and the append", async () => {
    const { kept, beads, lay } = await store(2);
    const done = await lay();
    if (done.kind === "refused") throw new Error(done.why);
    await kept.leases.claim({ by: "p@1" as never, leaseMs: 1_000 });
    expect(await kept.log.append(done.events, done.guard)).toEqual({ kind: "refused", why: "changed" });
    expect(await kept.view.goal(convoy)).toBeUndefined();
    expect((await kept.view.bead(beads[1] as BeadId))?.state.kind).toBe("ready");
  });
});

test("the minutes of what was recorded begin when it is run, and only then", async () => {
  const { kept, beads } = await store(1);
  const [bead] = beads;
  const id = (await kept.view.bead(present(bead, "one is there")))?.goal as GoalId;
  const recorded = present(await kept.view.goal(id), "it is recorded");
  const goal = { ...recorded, order: { ...recorded.order, budget: { ...unbounded, wallMsMax: 60_000 } } };
  const tools = {
    store: kept,
    repositories: { open: async () => ({}) } as never,
    clock: { now: () => 7_000 } as never,
  };
  const { events } = await resumption(goal, sameBounds, tools);
  const budget = { ...unbounded, wallMsMax: 60_000, wallFrom: 7_000 };
  expect(events).toEqual([
    { type: "goal-resumed", goal: id },
    { type: "budget-changed", goal: id, budget, workersMax: undefined },
  ]);
  expect((await resumption({ ...goal, isUnbegun: false }, sameBounds, tools)).events).toEqual([]);
});
