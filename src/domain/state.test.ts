import { expect, test } from "vitest";
import { type Start, wholeContract } from "./bead.ts";
import { unbounded } from "./budget.ts";
import type { Event } from "./event.ts";
import type { BaseResult, Check } from "./gate.ts";
import { acceptanceBehind, type Goal, landsWith } from "./goal.ts";
import { attemptId, beadId, callId, type GoalId, type PolecatId } from "./id.ts";
import {
  blobOf,
  commitOf,
  createBead,
  createGoal,
  evaluationOf,
  goalEnd,
  proof,
  settledBy,
  type Unstamped,
} from "./sample.case.ts";
import { apply, emptyWorld, fold, touches, type World } from "./state.ts";

type NewEvent = { readonly [Type in Event["type"]]: Unstamped<Type> }[Event["type"]];

const goal = "aaaaaaaa" as GoalId;
const bead = beadId(goal, 1);
const attempt = attemptId(bead, 1);
const call = callId(attempt, 1);
const by = "p1@1" as PolecatId;
const about = { goal, bead, attempt };
const commit = commitOf(1);
const papers = { commit, proof, statement: blobOf(2), evidence: blobOf(3) };

const claimed = (token: number, number = 1): NewEvent => ({
  type: "bead-claimed",
  goal,
  bead,
  attempt: attemptId(bead, number),
  by,
  token,
});
const released = (token: number): NewEvent => ({ type: "bead-released", goal, bead, token, why: "" });
const waiting = (token: number): NewEvent => ({ type: "bead-waiting", goal, bead, token, until: 9, why: "" });
const ready: NewEvent = { type: "bead-ready", goal, bead, why: "" };
const reserved: NewEvent = {
  ...about,
  type: "call-reserved",
  call,
  step: "draft",
  provider: "scripted",
  model: "m",
  estimate: { tokens: 7, usd: 0.5 },
  prompt: blobOf(1),
  insteadOf: undefined,
};
const settled: NewEvent = { ...about, type: "call-settled", call, ...settledBy(2) };
const proving: NewEvent = { ...about, type: "proof-started", commit };
const proved = (isAccepted: boolean): NewEvent => ({ ...about, type: "proof-ended", ...papers, isAccepted });
const integrating: NewEvent = { type: "bead-integrating", goal, bead };
const integrated: NewEvent = {
  type: "bead-integrated",
  goal,
  bead,
  commit: commitOf(2),
  statement: blobOf(8),
};
const parked: NewEvent = { type: "bead-parked", goal, bead, cause: "work", reason: "", best: undefined };
const cancelled: NewEvent = { type: "bead-cancelled", goal, bead, by: "goal", why: "" };
const asking: NewEvent = { type: "bead-needs-answer", goal, bead, question: "which?" };
const check: Check = {
  ...{ name: "1.1-1", command: "pytest", cwd: ".", role: "acceptance", timeoutMs: 1000 },
  report: { kind: "recognise" },
};
const start = [createGoal(goal), createBead(bead, goal)];

function after(...events: readonly NewEvent[]): World {
  const world = emptyWorld();
  for (const [at, event] of events.entries()) fold(world, { ...event, at } as Event);
  return world;
}

test("a bead goes from ready to integrated by these events and no shorter way", () => {
  const steps = [...start, claimed(1), proving, proved(true), integrating, integrated];
  const kinds = steps.map((_, index) => after(...steps.slice(0, index + 1)).beads.get(bead)?.state.kind);
  expect(kinds).toEqual([undefined, "ready", "claimed", "proving", "proven", "integrating", "integrated"]);
  expect(after(...steps).goals.get(goal)).toMatchObject({ version: 7, beads: { integrated: 1 } });
  for (let skipped = 0; skipped < steps.length - 1; skipped++)
    expect(() => after(...steps.toSpliced(skipped, 1)), `without step ${skipped}`).toThrow("not so");
});

test("a task that a convoy took over is in it, and counted as nothing else", () => {
  const convoy = "bbbbbbbb" as GoalId;
  const taken = after(...start, { ...cancelled, why: landsWith(convoy) });
  expect(taken.beads.get(bead)?.state).toEqual({ kind: "joined", convoy });
  expect(taken.goals.get(goal)?.beads).toEqual({ joined: 1 });
  const back = after(...start, { ...cancelled, why: landsWith(convoy) }, ready);
  expect(back.beads.get(bead)?.state.kind).toBe("ready");
});

test("an event that cannot have happened throws", () => {
  const check = (words: string, ...events: readonly NewEvent[]) =>
    expect(() => after(...start, ...events)).toThrow(words);
  check("a goal is created once", createGoal(goal));
  check("a bead is created once", createBead(bead, goal));
  check("begins with its goal", { ...createBead(beadId("bbbbbbbb" as GoalId, 1), goal) });
  check("fencing tokens grow by one", claimed(2));
  check("only a ready bead is claimed", claimed(1), claimed(2));
  check("an unfinished attempt is gone on with", claimed(1), released(1), claimed(2, 2));
  check("only the holder's claim is released", released(0));
  check("only the holder's claim is released", claimed(1), parked, released(1));
  check("only the holder's claim is released", claimed(1), released(2));
  check("only the holder lets a bead wait", claimed(1), released(1), waiting(1));
  check("a held bead is released", claimed(1), ready);
  check("one call out at a time", claimed(1), reserved, reserved);
  check("a settled call was reserved", claimed(1), settled);
  check("a settled call was reserved", claimed(1), reserved, settled, settled);
  check("the call that is out", claimed(1), reserved, { ...settled, call: callId(attempt, 2) } as NewEvent);
  check("only a claimed bead is proved", claimed(1), released(1), proving);
  check("a proof ends only where one was started", claimed(1), proved(true));
  check("only a proven bead is integrated", claimed(1), integrating);
  check("integration was announced", claimed(1), proving, proved(true), integrated);
  const done = [claimed(1), proving, proved(true), integrating, integrated];
  for (const late of [ready, parked, cancelled, asking]) check("stays integrated", ...done, late);
  const stranger = beadId(goal, 2);
  check("names the bead its attempt belongs to", createBead(stranger, goal), claimed(1), {
    ...reserved,
    bead: stranger,
  } as NewEvent);
});

test("a released or waiting bead goes on with its attempt, a parked one starts anew", () => {
  const check = (number: number, ...events: readonly NewEvent[]) => {
    const world = after(...start, claimed(1), ...events, claimed(2, number));
    expect(world.beads.get(bead)).toMatchObject({
      attempts: number,
      token: 2,
      unfinished: attemptId(bead, number),
    });
  };
  check(1, released(1));
  check(1, waiting(1), ready);
  check(1, asking, ready);
  check(2, parked, ready);
});

test("a resumed goal keeps what its checks did on base, unless one could not run", () => {
  const result = (kind: BaseResult["kind"]): BaseResult => ({
    ...{ check: "c", kind, runner: "", passed: 0, failed: 0, wallMs: 0, why: "" },
  });
  const baseAfter = (...results: readonly BaseResult[]) => {
    const surveyed: NewEvent = { type: "base-surveyed", goal, results, runs: blobOf(1) };
    const ended: NewEvent = { type: "goal-ended", goal, end: goalEnd };
    return after(createGoal(goal), surveyed, ended, { type: "goal-resumed", goal }).goals.get(goal)?.base;
  };
  expect(baseAfter(result("red"), result("green"))).toHaveLength(2);
  expect(baseAfter(result("red"), result("could-not-run"))).toBeUndefined();
});

test("what waits for a person is begun by the first resumption, and never again", () => {
  const made = createGoal(goal);
  const laid: NewEvent = { ...made, order: { ...made.order, begins: "when-run" } };
  const isUnbegun = (...events: readonly NewEvent[]) => after(...events).goals.get(goal)?.isUnbegun;
  const ended: NewEvent = { type: "goal-ended", goal, end: goalEnd };
  expect(isUnbegun(made)).toBe(false);
  expect(isUnbegun(laid, createBead(bead, goal))).toBe(true);
  expect(isUnbegun(laid, { type: "goal-resumed", goal })).toBe(false);
  expect(isUnbegun(laid, { type: "goal-resumed", goal }, ended)).toBe(false);
});

test("new bounds take the place of the order's; workers stay where none are given", () => {
  const changed = (workersMax: number | undefined): NewEvent => ({
    ...{ type: "budget-changed", goal, budget: { ...unbounded, tokensMax: 5 }, workersMax },
  });
  const orderAfter = (...events: readonly NewEvent[]) =>
    after(createGoal(goal), ...events).goals.get(goal)?.order;
  expect(orderAfter(changed(3), changed(undefined))).toMatchObject({
    workersMax: 3,
    budget: { tokensMax: 5 },
  });
});

test("a refuted proof gives the bead back to its holder", () => {
  const world = after(...start, claimed(1), proving, proved(false));
  expect(world.beads.get(bead)?.state).toEqual({ kind: "claimed", by, attempt, token: 1 });
  expect(world.attempts.get(attempt)?.trail).toMatchObject([{ kind: "proved", commit }]);
});

test("a person's yes makes proven what was asked about, and only that", () => {
  const asked = [...start, claimed(1), proving, proved(false), asking];
  const yes = { ...about, type: "bead-consented", commit, question: "which?" } as const;
  const world = after(...asked, yes);
  const { statement, proof } = papers;
  expect(world.beads.get(bead)).toMatchObject({
    state: { kind: "proven", commit, statement, verdict: proof.verdict },
    unfinished: undefined,
  });
  expect(world.attempts.get(attempt)?.trail.at(-1)).toEqual({
    ...{ kind: "consented", commit, question: "which?", at: asked.length },
  });
  const check = (words: string, ...events: readonly NewEvent[]) =>
    expect(() => after(...events)).toThrow(words);
  check("only a bead that asks", ...start, claimed(1), proving, proved(false), yes);
  check("only a bead that asks", ...asked, yes, yes);
  check("only a bead that asks", ...asked, ready, yes);
  check("the question that was asked", ...asked, { ...yes, question: "that one?" });
  check("the commit that was proved", ...asked, { ...yes, commit: commitOf(9) });
  check("the commit that was proved", ...start, claimed(1), asking, yes);
  const again = [ready, claimed(2), { ...proving, commit: commitOf(9) }] as readonly NewEvent[];
  const anew = { ...proved(false), commit: commitOf(9) } as NewEvent;
  check("the commit that was proved", ...asked, ...again, anew, asking, yes);
  const refuted = { ...proved(false), proof: { ...proof, verdict: "refuted" } } as NewEvent;
  check("only what is worth delivering", ...start, claimed(1), proving, refuted, asking, yes);
});

test("a reservation is held until its call is settled, lost calls included", () => {
  const out = after(...start, claimed(1), reserved);
  expect(out.goals.get(goal)?.spend).toMatchObject({ reservedTokens: 7, reservedUsd: 0.5, requests: 0 });
  expect(out.attempts.get(attempt)).toMatchObject({ calls: 1, open: { call } });
  const back = after(...start, claimed(1), reserved, released(1), claimed(2), settled);
  expect(back.goals.get(goal)?.spend).toMatchObject({ reservedTokens: 0, reservedUsd: 0, requests: 1 });
  expect(back.attempts.get(attempt)?.trail).toMatchObject([
    { kind: "unanswered", fault: "lost", step: "draft" },
  ]);
});

test("a bead with dependencies is blocked until it is made ready, and ages from then", () => {
  const child = { ...createBead(beadId(goal, 2), goal), dependsOn: [bead] };
  expect(after(...start, child).beads.get(child.bead)?.state).toEqual({ kind: "blocked" });
  const free = after(...start, child, { ...ready, bead: child.bead });
  expect(free.beads.get(child.bead)).toMatchObject({ state: { kind: "ready" }, readyAt: 3 });
  expect(free.goals.get(goal)?.beads).toEqual({ ready: 2 });
});

test("only the rows that an event names are read and changed", () => {
  const world = after(...start, claimed(1));
  const revised = { revision: `${attempt}/r1`, commit, parent: commit, tree: "t", step: "draft", files: [] };
  const event = {
    ...about,
    at: 9,
    type: "revision-recorded",
    ...revised,
    evaluation: evaluationOf(0),
  } as unknown;
  expect(touches(event as Event)).toEqual(about);
  const slice = {
    goal: world.goals.get(goal),
    bead: world.beads.get(bead),
    attempt: world.attempts.get(attempt),
  };
  const frozen = structuredClone(slice);
  const next = apply(slice, event as Event);
  expect(slice, "apply is pure").toEqual(frozen);
  expect(next.attempt).toMatchObject({ revisions: 1, trail: [{ kind: "revised" }] });
  expect(next.bead).toBe(slice.bead);
});

const returned = (start: Start | undefined, why = "red"): NewEvent => ({
  ...{ type: "bead-returned", goal, bead, why, start },
});
const blocked: NewEvent = { type: "bead-blocked", goal, bead, why: "" };
const split: NewEvent = {
  type: "bead-split",
  goal,
  bead,
  plan: blobOf(2),
  head: commitOf(5),
  checks: [check],
};
const part = beadId(bead, 1);
const partCreated: NewEvent = {
  ...{ ...createBead(part, goal), parent: bead },
  contract: wholeContract("", [check.name]),
};
const partClaimed: NewEvent = { ...claimed(1), bead: part, attempt: attemptId(part, 1) } as NewEvent;

test("a split bead waits, its head and checks are the goal's, and its parts stand on that head", () => {
  const world = after(...start, split, partCreated, partClaimed);
  expect(world.beads.get(bead)).toMatchObject({ state: { kind: "split" }, isParent: true });
  expect(world.goals.get(goal)).toMatchObject({
    head: commitOf(5),
    checks: [check],
    beads: { split: 1, claimed: 1 },
  });
  expect(world.attempts.get(attemptId(part, 1))).toMatchObject({
    base: commitOf(5),
    start: undefined,
    keeps: [],
  });
  expect(() => after(...start, split, ready, split)).toThrow("a bead is split again only for what is left");
  const again = after(...start, split, ready, { ...split, head: undefined, checks: [] } as NewEvent);
  expect(again.goals.get(goal), "what stands, stands").toMatchObject({ head: commitOf(5), checks: [check] });
  const bare = after(...start, { ...split, head: undefined } as NewEvent);
  expect(bare.goals.get(goal)?.head, "no skeleton: the base").toBeUndefined();
});

test("tests by a model are the ground of all that comes after, by whichever commit they are kept", () => {
  const written: NewEvent = {
    ...{ ...about, type: "tests-written", call, commit: commitOf(7), files: ["test_a.py"], checks: [check] },
    ...{ red: 2, green: 1 },
  };
  const asked = [...start, claimed(1), reserved, settled, written];
  const world = after(...asked);
  expect(world.goals.get(goal)).toMatchObject({ tests: commitOf(7), checks: [check], head: undefined });
  expect(world.beads.get(bead)?.contract.checks).toContain(check.name);
  expect(world.attempts.get(attempt)?.base).toBe(commitOf(7));
  expect(world.attempts.get(attempt)?.trail.at(-1)).toMatchObject({
    kind: "tests-written",
    red: 2,
    green: 1,
  });
  expect(world.goals.get(goal)?.order.allowChange, "nothing was allowed").toEqual([]);
  const created = createGoal(goal);
  const allowed = { ...created, order: { ...created.order, allowChange: ["tests/**"] } };
  const allowing = after(allowed, ...asked.slice(1)).goals.get(goal);
  expect(allowing?.order.allowChange, "no leave reaches them").toEqual(["tests/**", "!/test_a.py"]);
  const again: NewEvent = { type: "tests-rewritten", goal, commit: commitOf(8) };
  const anew = after(
    ...asked,
    released(1),
    { ...split, head: undefined } as NewEvent,
    again,
    partCreated,
    partClaimed,
  );
  expect(anew.attempts.get(attemptId(part, 1))?.base, "a part stands on the tests").toBe(commitOf(8));
  expect(() => after(...asked, written)).toThrow("tests are written before any work");
  expect(() => after(...start, again)).toThrow("only tests that were written");
});

test("a proof says whose acceptance it is: of the whole the goal's, of a part whoever made the plan", () => {
  const { order } = createGoal(goal);
  const plan = { skeleton: {}, beads: [] };
  const check = (facts: Partial<Goal["order"]>, tests: Goal["tests"], expected: readonly string[]) => {
    const known = { order: { ...order, ...facts }, tests };
    expect([undefined, bead].map((parent) => acceptanceBehind(known, { parent }))).toEqual(expected);
  };
  const fleet = (given: typeof plan | undefined) =>
    ({ kind: "fleet", why: "", plan: given, lines: undefined }) as const;
  check({ acceptance: "user", mode: fleet(undefined) }, undefined, ["user", "model"]);
  check({ acceptance: "user", mode: fleet(plan) }, undefined, ["user", "user"]);
  check({ acceptance: "model", mode: fleet(plan) }, commitOf(7), ["model", "user"]);
  check({ acceptance: "model", mode: fleet(undefined) }, undefined, ["none", "model"]);
});

test("a parent's turn begins with what its parts brought and is measured on the goal's base", () => {
  const world = after(...start, split, ready, claimed(1));
  expect(world.attempts.get(attempt)).toMatchObject({ base: undefined, start: commitOf(5), keeps: [] });
});

test("what is integrated becomes the head, and its acceptance has to be kept by whoever is claimed after", () => {
  const about = (event: NewEvent): NewEvent =>
    ({ ...event, bead: part, ...("attempt" in event ? { attempt: attemptId(part, 1) } : {}) }) as NewEvent;
  const landed = [partClaimed, about(proving), about(proved(true)), about(integrating), about(integrated)];
  const other = beadId(bead, 2);
  const otherClaimed = { ...claimed(1), bead: other, attempt: attemptId(other, 1) } as NewEvent;
  const world = after(...start, split, partCreated, ...landed, createBead(other, goal), otherClaimed);
  expect(world.goals.get(goal)).toMatchObject({ head: commitOf(2), landed: [check.name] });
  expect(world.attempts.get(attemptId(other, 1))).toMatchObject({ base: commitOf(2), keeps: [check.name] });
  const lost = after(...start, split, partCreated, ...landed, {
    type: "head-lost",
    goal,
    head: undefined,
    why: "",
  });
  expect(lost.goals.get(goal)).toMatchObject({ head: undefined, landed: [] });
});

test("what comes back from the queue begins with the red merge, on the head it was merged with, once", () => {
  const merged: Start = { commit: commitOf(7), base: commitOf(6), keeps: ["1.2-1"] };
  const back = [claimed(1), proving, proved(true), integrating, returned(merged)];
  expect(after(...start, ...back).beads.get(bead)).toMatchObject({
    ...{ state: { kind: "ready" }, start: merged, returned: "red", unfinished: undefined },
  });
  const moved: NewEvent = { ...split, bead: beadId(goal, 2), head: commitOf(9) } as NewEvent;
  const world = after(...start, createBead(beadId(goal, 2), goal), ...back, moved, claimed(2, 2));
  const second = attemptId(bead, 2);
  expect(world.attempts.get(second), "though the head has moved on").toMatchObject({
    ...{ base: commitOf(6), start: commitOf(7), keeps: ["1.2-1"] },
  });
  const parkedThen = [parked, ready, claimed(3, 3)];
  const third = after(...start, ...back, claimed(2, 2), ...parkedThen).attempts.get(attemptId(bead, 3));
  expect(third).toMatchObject({ start: undefined });
  expect(() => after(...start, returned(undefined))).toThrow("only what is being integrated is returned");
});

test("what waits again has left what it had; a parent waits for its parts", () => {
  const check = (kind: string, ...events: readonly NewEvent[]) =>
    expect(after(...start, ...events, blocked).beads.get(bead)).toMatchObject({
      ...{ state: { kind }, unfinished: undefined, start: undefined },
    });
  check("blocked", claimed(1), released(1));
  check("blocked", parked);
  check("blocked", claimed(1), proving, proved(true), integrating, integrated);
  check("split", split, ready, parked);
  expect(() => after(...start, claimed(1), blocked)).toThrow("a held bead is released");
});
