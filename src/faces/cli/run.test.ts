/** What is only recorded, joined, and run: tasks of their own, convoys, and one part of a tree. */
import { describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import { partOf, planted, worked } from "../../domain/forest.case.ts";
import type { Check } from "../../domain/gate.ts";
import { landsWith } from "../../domain/goal.ts";
import { beadId, type GoalId } from "../../domain/id.ts";
import { createBead, goalEnd, orderOf } from "../../domain/sample.case.ts";
import type { Sight } from "../../work/tools.ts";
import type { Hands } from "../house.ts";
import { exits } from "./exit.ts";
import { type HouseSetting, laidGoal, openFakeHouse, runOver } from "./house.case.ts";
import { delivered, theGoal } from "./story.case.ts";

const first = "aaaaaaaa" as GoalId;
const second = "bbbbbbbb" as GoalId;
const check: Check = {
  ...{ name: "acceptance-1", command: "pytest t", cwd: ".", role: "acceptance", timeoutMs: 1_000 },
  report: { kind: "recognise" },
};

/** Tasks of their own, as they are recorded. */
function recorded(...goals: readonly GoalId[]): readonly Event[] {
  return goals.flatMap((goal) => [
    {
      ...{ at: 1, type: "goal-created" as const, goal },
      order: {
        ...orderOf(`mend ${goal}`),
        checks: [check],
        providers: ["work"],
        begins: "when-run" as const,
      },
    },
    { at: 1, ...createBead(beadId(goal, 1), goal) },
  ]);
}
const two: HouseSetting = { events: recorded(first, second) };
const run = (setting: HouseSetting, ...words: readonly string[]) => runOver(openFakeHouse(setting), words);

describe("bead create", () => {
  test("records a task of its own, and says how it is run", async () => {
    const fake = openFakeHouse();
    const { code, out, err } = await runOver(fake, [
      ...["bead", "create", "Mend add()", "--check", "pytest t", "--owns", "src/a.py", "--max-minutes", "3"],
    ]);
    const bead = `${laidGoal}.1`;
    expect({ code, out, err }).toEqual({
      code: exits.done,
      out: [
        `bead ${bead} is recorded; nothing is worked on before you run it`,
        `run it:      rigs bead run ${bead}`,
        `with others: rigs convoy create "…" --bead ${bead} --bead …`,
      ],
      err: ["one file is not included", "solo: it fits"],
    });
    expect(fake.wishes).toMatchObject([
      {
        text: "Mend add()",
        mode: "task",
        plan: undefined,
        checks: ["pytest t"],
        budget: { wallMsMax: 180_000 },
      },
      { kind: "task", owns: ["src/a.py"] },
    ]);
  });
  test("as JSON; refused as goal execute is", async () => {
    const { out } = await run({}, "bead", "create", "x", "--json");
    expect(JSON.parse(out[0] ?? "")).toMatchObject({ bead: `${laidGoal}.1`, goal: laidGoal, begun: false });
    expect((await run({}, "bead", "create", " ")).refused).toBe("the goal is empty");
    expect((await run({}, "bead", "create", "x", "--provider", "nobody")).refused).toMatch(/"nobody"/);
  });
});

describe("what is not begun", () => {
  test("is shown with the command that runs it, everywhere", async () => {
    expect((await run(two, "status")).out.slice(2)).toEqual([
      `${second}  not begun, run it with: rigs bead run ${second}.1  mend ${second}`,
      `${first}  not begun, run it with: rigs bead run ${first}.1  mend ${first}`,
    ]);
    const { out } = await run(two);
    expect(out).toContain(`  ${first}  not begun  mend ${first}`);
    expect(out.slice(out.indexOf("next:") + 1)[0]).toBe(`  rigs bead run ${second}.1`);
    expect((await run(two, "goal", "show", first)).out.at(-1)).toBe(`  run it:     rigs bead run ${first}.1`);
    expect((await run(two, "bead", "show", `${first}.1`)).out.at(-1)).toBe(
      `  run it: rigs bead run ${first}.1`,
    );
  });
  test("bead run works on it, to the end of its goal", async () => {
    const fake = openFakeHouse({ ...two, work: { end: delivered } });
    const { code, err } = await runOver(fake, ["bead", "run", `${first}.1`]);
    expect(code).toBe(exits.done);
    expect(err).toContain(`goal ${first} (Ctrl-C stops it cleanly)`);
    expect((await runOver(fake, ["status", "--json"])).out[0]).not.toContain(first);
  });
});

describe("a task that a convoy took over", () => {
  const reason = landsWith(theGoal);
  const end = { ...delivered, outcome: "cancelled", reason, branch: undefined, proof: undefined } as const;
  const taken = [
    ...recorded(first),
    { type: "bead-cancelled", at: 2, goal: first, bead: `${first}.1`, why: reason },
    { type: "goal-ended", at: 2, goal: first, end },
  ] as unknown as readonly Event[];
  const told = async (...words: readonly string[]) => (await run({ events: taken }, ...words)).out;
  test("is said to be in it on every page, and counted nowhere as cancelled", async () => {
    const where = `in convoy ${theGoal}`;
    expect(await told("bead", "list")).toEqual([`${first}.1  ${where}  make it work`]);
    expect((await told("bead", "show", `${first}.1`))[0]).toBe(`bead ${first}.1: ${where}`);
    expect((await told("goal", "list"))[0]).toContain(where);
    expect((await told("goal", "show", first))[0]).toBe(`goal ${first}: ${where}`);
    expect(await told("status")).toContain("beads: 1 in a convoy");
    expect((await told("logs")).map((line) => line.slice(9)).slice(-2)).toEqual([
      `${first} bead ${first}.1 is ${where}`,
      `${first} ${where}`,
    ]);
    for (const words of [["bead", "list"], ["status"], ["goal", "show", first], ["logs"]])
      expect((await told(...words)).join(" ")).not.toContain("cancelled");
  });
});

describe("convoy", () => {
  const create = (...words: readonly string[]) => [
    "convoy",
    "create",
    "both",
    "--bead",
    `${first}.1`,
    ...words,
  ];
  test("create: the tasks as one goal that waits to be run", async () => {
    const fake = openFakeHouse(two);
    const { out } = await runOver(
      fake,
      create("--bead", `${second}.1`, "--check", "pytest all", "--workers", "3"),
    );
    expect(out).toEqual([
      `convoy ${laidGoal}: 2 tasks land together, from 000000000000; nothing is begun`,
      `run it:  rigs convoy run ${laidGoal}`,
    ]);
    expect(fake.wishes).toMatchObject([
      { text: "both", checks: ["pytest t", "pytest all"], providers: ["work"], workersMax: 3 },
      { kind: "convoy", beads: [`${first}.1`, `${second}.1`] },
    ]);
    const shown = (await runOver(fake, ["convoy", "show", laidGoal])).out;
    expect(shown).toEqual([
      `convoy ${laidGoal}: not begun, 0 of 2 parts in, joined by hand`,
      `  1.1  not begun  ${first.slice(0, 8)}: mend ${first}`,
      `  1.2  not begun  ${second.slice(0, 8)}: mend ${second}`,
      `  run it: rigs convoy run ${laidGoal}`,
    ]);
    expect((await runOver(fake, ["convoy", "list"])).out).toEqual([
      `${laidGoal}  not begun  0 of 2 parts in  both`,
    ]);
  });
  test("create: refused in one line for what cannot be joined", async () => {
    expect((await run(two, ...create())).refused).toMatch(/^a convoy joins 2 to 5 tasks, not 1/);
    expect((await run(two, ...create("--bead", "x"))).refused).toMatch(/there is no bead "x"/);
  });
  test("a task that lands with a convoy says so, and cannot be told from its list otherwise", async () => {
    const end = { ...goalEnd, reason: `it lands with convoy ${laidGoal}` };
    const taken = { at: 2, type: "goal-ended", goal: first, end } as const;
    const setting = { events: [...recorded(first), taken] };
    expect((await run(setting, "goal", "list")).out).toEqual([
      `${first}  in convoy ${laidGoal}  mend ${first}`,
    ]);
    expect((await run(setting, "goal", "show", first)).out.at(-1)).toBe(
      `  go on with: rigs convoy run ${laidGoal}`,
    );
  });
  test("run: with other bounds, as a goal is gone on with; one task is no convoy", async () => {
    const fake = openFakeHouse({ events: planted(), work: { end: delivered } });
    expect((await runOver(fake, ["convoy", "run", theGoal, "--workers", "4"])).code).toBe(exits.done);
    const orders = JSON.parse((await runOver(fake, ["goal", "show", theGoal, "--json"])).out.at(-1) ?? "");
    expect(orders.order.workersMax).toBe(4);
    expect((await run(two, "convoy", "run", first)).refused).toMatch(/is one task, no convoy: rigs bead run/);
  });
});

describe("bead run, of a part of a tree", () => {
  const tree = [...planted(), ...worked(1, true), ...worked(2, false)];
  const sight = (sequence: number, event: object): Sight => ({
    kind: "recorded",
    recorded: { sequence, event: { at: 5, goal: theGoal, ...event } } as never,
  });
  const tried = (event: object) => [sight(1_000, { bead: partOf(2), ...event })];
  const check = async (
    work: { readonly sights: readonly Sight[]; readonly end: NonNullable<HouseSetting["work"]>["end"] },
    standing: Hands["standing"] = "owner",
  ) => runOver(openFakeHouse({ events: tree, work, standing }), ["bead", "run", partOf(2)]);
  test("stops when it is settled, and the exit code is the bead's", async () => {
    const parked = { type: "bead-parked", cause: "work", reason: "the tries are spent", best: undefined };
    const { code, out } = await check({ sights: tried(parked), end: "waits" });
    expect({ code, out }).toEqual({
      code: exits.failed,
      out: [
        `bead ${partOf(2)}: parked: the tries are spent`,
        `the goal is not over; go on with: rigs goal resume ${theGoal}`,
      ],
    });
    const spent = { ...parked, cause: "budget" };
    expect((await check({ sights: tried(spent), end: "waits" })).code).toBe(exits.outOfBudget);
    const cancelled = { type: "bead-cancelled", by: "person", why: "by the user" };
    expect((await check({ sights: tried(cancelled), end: "waits" })).code).toBe(exits.interrupted);
  });
  test("an older try of it settles nothing; as a guest the goal goes on elsewhere", async () => {
    const parked = { type: "bead-parked", bead: partOf(2), cause: "work", reason: "no", best: undefined };
    const end = async (sequence: number) => {
      const sights = [sight(sequence, parked)];
      const fake = openFakeHouse({ events: tree, work: { sights, end: "waits" }, standing: "guest" });
      const stop = new AbortController();
      let isOver = false;
      const running = runOver(fake, ["bead", "run", partOf(2)], { stop }).finally(() => {
        isOver = true;
      });
      await fake.working;
      // All that follows by itself has followed.
      await new Promise(setImmediate);
      const wasOver = isOver;
      stop.abort();
      return { wasOver, last: (await running).out.at(-1) };
    };
    const last = `the goal goes on: rigs goal show ${theGoal}`;
    expect(await end(1)).toEqual({ wasOver: false, last });
    expect(await end(1_000)).toEqual({ wasOver: true, last });
  });
  test("a goal that is over is reported too", async () => {
    const { code, out } = await check({ sights: [], end: delivered });
    expect(out.join("\n")).toContain("delivered");
    // It was parked before, and nobody has changed that here.
    expect(code).toBe(exits.failed);
  });
  test("as JSON the last line is the bead's", async () => {
    const parked = tried({ type: "bead-parked", cause: "work", reason: "spent", best: undefined });
    const fake = openFakeHouse({ events: tree, work: { sights: parked, end: "waits" } });
    const { out } = await runOver(fake, ["bead", "run", partOf(2), "--json"]);
    expect(JSON.parse(out.at(-1) ?? "")).toEqual({
      ...{ type: "bead-end", goal: theGoal, bead: partOf(2), state: "parked", commit: null },
      ...{ reason: "spent", outcome: null },
    });
  });
  test("refused where nothing is left to do", async () => {
    expect((await run({ events: tree }, "bead", "run", partOf(1))).refused).toMatch(/is in already, as/);
    const asks = {
      at: 6,
      type: "bead-needs-answer",
      goal: theGoal,
      bead: partOf(2),
      question: "sure?",
    } as const;
    expect((await run({ events: [...tree, asks] }, "bead", "run", partOf(2))).refused).toBe(
      `bead ${partOf(2)} asks: sure? Say rigs goal answer ${theGoal} yes, or no`,
    );
  });
});
