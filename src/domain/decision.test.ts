import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bead, type BeadState, beadStateKinds, isSettledKind } from "./bead.ts";
import { nothingSpent, unbounded } from "./budget.ts";
import { decide, ended, whyUnanswered } from "./decision.ts";
import type { BaseResult } from "./gate.ts";
import type { Goal } from "./goal.ts";
import type { AttemptId, BeadId, BlobHash, Commit, GoalId, PolecatId } from "./id.ts";

const id = "k7m2q9xd" as GoalId;
const commit = "c0ffee" as Commit;
const statement = "5e" as BlobHash;

const states: Readonly<Record<BeadState["kind"], BeadState>> = {
  blocked: { kind: "blocked" },
  ready: { kind: "ready" },
  claimed: { kind: "claimed", by: "p" as PolecatId, attempt: "a" as AttemptId, token: 1 },
  waiting: { kind: "waiting", until: 500, why: "limit" },
  "needs-answer": { kind: "needs-answer", question: "may it?" },
  proving: { kind: "proving", by: "p" as PolecatId, attempt: "a" as AttemptId, commit, token: 1 },
  proven: { kind: "proven", commit, statement, verdict: "proven" },
  integrating: { kind: "integrating", commit, statement, verdict: "proven" },
  integrated: { kind: "integrated", commit, statement, verdict: "proven" },
  split: { kind: "split" },
  parked: { kind: "parked", cause: "work", reason: "spent", best: undefined },
  cancelled: { kind: "cancelled" },
};

function bead(state: BeadState, number = 1): Bead {
  return {
    id: `${id}.${number}` as BeadId,
    goal: id,
    parent: undefined,
    dependsOn: [],
    contract: { intent: "", owns: ["**"], reads: ["**"], checks: [] },
    priority: 2,
    state,
    readyAt: 0,
    attempts: 1,
    token: 1,
    unfinished: undefined,
  };
}

const red: BaseResult = {
  check: "acceptance-1",
  kind: "red",
  runner: "pytest",
  passed: 0,
  failed: 1,
  wallMs: 5,
  why: "",
};

function goal(beads: readonly Bead[], facts: Partial<Goal> = {}): Goal {
  const counts: Record<string, number> = {};
  for (const each of beads) counts[each.state.kind] = (counts[each.state.kind] ?? 0) + 1;
  return {
    id,
    order: {
      text: "t",
      repository: "/r",
      base: commit,
      checks: [
        {
          name: "acceptance-1",
          command: "pytest",
          cwd: ".",
          role: "acceptance",
          timeoutMs: 1000,
          report: { kind: "recognise" },
        },
        {
          name: "guard-pytest",
          command: "pytest",
          cwd: ".",
          role: "guard",
          timeoutMs: 1000,
          report: { kind: "recognise" },
        },
      ],
      protect: [],
      allowChange: [],
      allowDependencies: false,
      setup: undefined,
      providers: ["p"],
      budget: unbounded,
      strategy: "balanced",
      author: "A <a@b>",
      unsafeNoSandbox: false,
      acceptance: "user",
    },
    createdAt: 0,
    version: 1,
    spend: nothingSpent,
    beads: counts,
    cancelAsked: false,
    base: [red],
    end: undefined,
    ...facts,
  };
}

const kinds = (beads: readonly Bead[], facts: Partial<Goal> = {}, now = 0) =>
  decide({ goal: goal(beads, facts), beads, now }).map((decision) => decision.kind);

describe("what the foreman does next", () => {
  test("survey, then one bead, then claim", () => {
    expect(kinds([], { base: undefined })).toEqual(["survey"]);
    expect(kinds([])).toEqual(["create-bead"]);
    expect(kinds([bead(states.ready)])).toEqual(["claim"]);
    expect(kinds([bead(states.claimed)])).toEqual([]);
  });

  test("an acceptance check that cannot run is the input's fault; a guard that cannot run or is red blocks nothing", () => {
    const broken: BaseResult = { ...red, kind: "could-not-run", why: "pytest is not installed" };
    const [end] = decide({ goal: goal([], { base: [broken] }), beads: [], now: 0 });
    expect(end).toMatchObject({
      kind: "end",
      end: { outcome: "failed", isInputFault: true, reason: "pytest is not installed" },
    });
    expect(kinds([], { base: [red, { ...broken, check: "guard-pytest" }] })).toEqual(["create-bead"]);
    expect(kinds([], { base: [red, { ...red, check: "guard-pytest" }] })).toEqual(["create-bead"]);
  });

  test("waiting is one moment, the earliest, and ends in a wake", () => {
    const beads = [bead(states.waiting), bead({ kind: "waiting", until: 300, why: "" }, 2)];
    expect(decide({ goal: goal(beads), beads, now: 200 })).toEqual([{ kind: "wait", until: 300 }]);
    expect(kinds(beads, {}, 400)).toEqual(["wake", "wait"]);
  });

  test("proven is integrated, integrated is delivered", () => {
    expect(kinds([bead(states.proven)])).toEqual(["integrate"]);
    expect(kinds([bead(states.integrating)])).toEqual(["integrate"]);
    expect(kinds([bead(states.integrated)])).toEqual(["deliver"]);
  });

  test("what cannot be delivered ends by its cause", () => {
    const outcome = (state: BeadState) => {
      const [first] = decide({ goal: goal([bead(state)]), beads: [bead(state)], now: 0 });
      return first?.kind === "end" ? first.end.outcome : first?.kind;
    };
    expect(outcome(states.parked)).toBe("failed");
    expect(outcome({ kind: "parked", cause: "budget", reason: "", best: undefined })).toBe("out-of-budget");
    expect(outcome({ kind: "parked", cause: "capacity", reason: "", best: undefined })).toBe("out-of-budget");
    for (const reason of ["a: busy", "no provider can answer: a: busy"]) {
      const parked = bead({ kind: "parked", cause: "capacity", reason, best: undefined });
      const [end] = decide({ goal: goal([parked]), beads: [parked], now: 0 });
      expect(end?.kind === "end" && whyUnanswered(end.end)).toBe("a: busy");
    }
    expect(whyUnanswered(ended("out-of-budget", "7 tokens"))).toBeUndefined();
    expect(outcome(states["needs-answer"])).toBe("needs-answer");
    expect(outcome(states.cancelled)).toBe("cancelled");
  });

  test("cancelling comes before everything, an ended goal wants nothing", () => {
    expect(kinds([bead(states.ready)], { cancelAsked: true })).toEqual(["cancel"]);
    const [deliver] = decide({
      goal: goal([bead(states.integrated)]),
      beads: [bead(states.integrated)],
      now: 0,
    });
    expect(deliver?.kind).toBe("deliver");
    expect(
      kinds([bead(states.ready)], {
        end: {
          outcome: "failed",
          reason: "",
          isInputFault: false,
          branch: undefined,
          commit: undefined,
          proof: undefined,
          statement: undefined,
        },
      }),
    ).toEqual([]);
  });
});

test("law: a goal ends or delivers only when every bead is settled, and never sits still with nobody working", () => {
  const some = fc.array(fc.constantFrom(...beadStateKinds), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(some, fc.nat(1000), (chosen, now) => {
      const beads = chosen.map((kind, index) => bead(states[kind], index + 1));
      const found = kinds(beads, {}, now);
      const isOver = found.includes("end") || found.includes("deliver");
      expect(isOver).toBe(chosen.every(isSettledKind));
      const inHands = chosen.some((kind) => kind === "claimed" || kind === "proving" || kind === "blocked");
      if (found.length === 0) expect(inHands).toBe(true);
    }),
  );
});

test("guards of which nothing passes on base judge nothing, so nobody is asked where they are all there is", () => {
  const { order } = goal([]);
  const decided = (acceptance: Goal["order"]["acceptance"], ...base: readonly BaseResult[]) =>
    decide({ goal: goal([], { order: { ...order, acceptance }, base }), beads: [], now: 0 })[0];
  const guard = { ...red, check: "guard-pytest" };
  expect(decided("none", guard)).toMatchObject({
    kind: "end",
    end: { outcome: "failed", isInputFault: true, reason: expect.stringContaining("guard-pytest") },
  });
  expect(decided("none", { ...guard, passed: 1 })).toEqual({ kind: "create-bead" });
  expect(decided("none", guard, { ...guard, kind: "green", passed: 2 })).toEqual({ kind: "create-bead" });
  expect(decided("user", guard)).toEqual({ kind: "create-bead" });
});
