import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bead, type BeadState, beadStateKinds, isSettledKind, partlyIn, wholeContract } from "./bead.ts";
import { nothingSpent, unbounded } from "./budget.ts";
import { decide, ended, nameOf, whyUnanswered } from "./decision.ts";
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
  cancelled: { kind: "cancelled", by: "goal" },
  joined: { kind: "joined", convoy: "abcdefgh" as GoalId },
};

function bead(state: BeadState, number = 1): Bead {
  return {
    id: `${id}.${number}` as BeadId,
    goal: id,
    parent: undefined,
    dependsOn: [],
    contract: wholeContract("", []),
    isParent: false,
    start: undefined,
    returned: undefined,
    priority: 2,
    state,
    readyAt: 0,
    attempts: 1,
    spend: nothingSpent,
    minutesFrom: 0,
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
      mode: { kind: "solo", why: "a test" },
      workersMax: 1,
      begins: "at-once",
      keepRevisions: false,
      priority: 2,
    },
    checks: [],
    isUnbegun: false,
    tests: undefined,
    head: undefined,
    landed: [],
    createdAt: 0,
    version: 1,
    spend: nothingSpent,
    beads: counts,
    cancelAsked: false,
    base: [red],
    partsWord: undefined,
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

  test("what nothing can judge ends before anybody is asked, also where its bead was recorded before", () => {
    const unjudged = { order: { ...goal([]).order, acceptance: "none" } } as const;
    expect(kinds([], unjudged)).toEqual(["end"]);
    expect(kinds([bead(states.ready)], unjudged)).toEqual(["end"]);
    expect(kinds([bead(states.claimed)], unjudged)).toEqual([]);
    expect(kinds([], { ...unjudged, base: [] })).toEqual(["end"]);
    const asks = { order: { ...goal([]).order, acceptance: "model" } } as const;
    expect(kinds([], { ...asks, base: [] }), "tests by a model come later").toEqual(["create-bead"]);
    expect(kinds([bead(states.ready)], { ...unjudged, base: [{ ...red, passed: 1 }] })).toEqual(["claim"]);
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

  test("what was held back goes on when there is room, the oldest first and no more than that; or when no call is out", () => {
    const needs = { tokens: 1_000, usd: 0 };
    const back = { kind: "waiting", until: 500, why: "calls are out", needs } as const;
    const beads = [2, 1, 3].map((number) => ({ ...bead(back, number), readyAt: 10 - number }));
    const woken = (reservedTokens: number, tokensMax: number) => {
      const spend = { ...nothingSpent, reservedTokens };
      const known = goal(beads, { spend });
      const order = { ...known.order, budget: { ...unbounded, tokensMax } };
      return decide({ goal: { ...known, order }, beads, now: 200 }).flatMap((each) =>
        each.kind === "wake" ? [each.bead.slice(-1)] : [],
      );
    };
    expect(woken(4_001, 5_000)).toEqual([]);
    expect(woken(4_000, 5_000)).toEqual(["3"]);
    expect(woken(2_500, 5_000)).toEqual(["2", "3"]);
    expect(woken(100, 50_000)).toEqual(["2", "1", "3"]);
    expect(woken(0, 500), "nothing will come back: each looks for itself").toEqual(["2", "1", "3"]);
  });

  test("what the budget of a bead above holds back is not woken for room that only the goal has", () => {
    const needs = { tokens: 1_000, usd: 0 };
    const back = { kind: "waiting", until: 500, why: "calls are out", needs } as const;
    const woken = (out: number, tokensMax: number) => {
      const spent = (reservedTokens: number) => ({ spend: { ...nothingSpent, reservedTokens } });
      const [waits, works, above] = [
        bead(back, 2),
        { ...bead(states.claimed, 3), ...spent(out) },
        bead(states.blocked),
      ];
      const budget = { ...unbounded, tokensMax, below: [waits.id, works.id] };
      const beads = [waits, works, { ...above, contract: { ...above.contract, budget } }];
      return decide({ goal: goal(beads, spent(9_000)), beads, now: 200 }).some(({ kind }) => kind === "wake");
    };
    expect(woken(2_001, 3_000)).toBe(false);
    expect(woken(2_000, 3_000)).toBe(true);
    expect(woken(0, 500), "nothing will come back below it: it looks for itself").toBe(true);
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

  test("a tree that fails names the parts that did, and why", () => {
    const whole = bead({ kind: "parked", cause: "work", reason: "the tries are spent", best: undefined });
    const part = (number: number, state: BeadState): Bead => ({ ...bead(state, number), parent: whole.id });
    const red = { kind: "parked", cause: "work", reason: "2 of 3 tests fail", best: undefined } as const;
    const beads = [whole, part(2, red), part(3, states.cancelled)];
    const [end] = decide({ goal: goal(beads), beads, now: 0 });
    expect(end?.kind === "end" && end.end.reason).toMatch(
      /^the tries are spent; of its parts: bead \S+ \(.*\) is parked \(2 of 3 tests fail\); bead \S+ \(.*\) is cancelled$/,
    );
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

const root = `${id}.1` as BeadId;

/** A parent and its parts, each needing parts that come before it. */
const trees = fc
  .array(
    fc.record({ kind: fc.constantFrom(...beadStateKinds), needs: fc.array(fc.nat(5), { maxLength: 3 }) }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .chain((parts) => {
    const isSettled = parts.every(({ kind }) => isSettledKind(kind) && kind !== "split");
    const own = isSettled ? fc.constantFrom(...beadStateKinds) : fc.constant("split" as const);
    return own.map((kind): readonly Bead[] => [
      { ...bead(states[kind]), isParent: true },
      ...parts.map(({ kind: of, needs }, index) => ({
        ...bead(of === "split" ? states.ready : states[of]),
        id: `${root}.${index + 1}` as BeadId,
        parent: root,
        dependsOn: [...new Set(needs)]
          .filter((need) => need < index)
          .map((need) => `${root}.${need + 1}` as BeadId),
      })),
    ]);
  });

const working: ReadonlySet<string> = new Set([
  "ready",
  "claimed",
  "proving",
  "waiting",
  "proven",
  "integrating",
]);

test("law: every bead is in somebody's hands, in a queue, or decided upon; a tree never sits still", () => {
  fc.assert(
    fc.property(trees, fc.nat(1000), fc.integer({ min: 1, max: 3 }), (beads, now, workersMax) => {
      const facts = goal(beads, {});
      const look = { goal: { ...facts, order: { ...facts.order, workersMax } }, beads, now };
      const found = decide(look);
      const isOver = found.some(({ kind }) => kind === "end" || kind === "deliver");
      const isAnybodyBusy = beads.some(({ state }) => working.has(state.kind));
      if (isAnybodyBusy) expect(isOver, "nothing ends while somebody works").toBe(false);
      const inHands = beads.some(({ state }) => state.kind === "claimed" || state.kind === "proving");
      if (!inHands) expect(found.length, "nobody works, so something is decided").toBeGreaterThan(0);
      if (!isAnybodyBusy) expect(found.some(({ kind }) => kind !== "wait")).toBe(true);
    }),
  );
});

test("law: one batch is integrated at a time, what was begun first; no more is claimed than the order allows", () => {
  fc.assert(
    fc.property(trees, fc.integer({ min: 1, max: 3 }), (beads, workersMax) => {
      const facts = goal(beads, {});
      const found = decide({ goal: { ...facts, order: { ...facts.order, workersMax } }, beads, now: 0 });
      const of = (kind: string) => beads.filter(({ state }) => state.kind === kind).map((each) => each.id);
      const batches = found.flatMap((each) => (each.kind === "integrate" ? [each.beads] : []));
      expect(batches.length).toBeLessThanOrEqual(1);
      const queue = of("integrating").length > 0 ? of("integrating") : of("proven");
      expect([...(batches[0] ?? [])].sort()).toEqual([...queue].sort());
      const claims = found.reduce((sum, each) => sum + (each.kind === "claim" ? each.count : 0), 0);
      const held = of("claimed").length + of("proving").length;
      if (claims > 0) expect(held + claims).toBeLessThanOrEqual(workersMax);
      expect(claims).toBeLessThanOrEqual(of("ready").length);
    }),
  );
});

test("law: a parent has its turn exactly when its parts are settled, no question is open and none is blocked", () => {
  fc.assert(
    fc.property(trees, (beads) => {
      const [parent, ...parts] = beads;
      if (parent?.state.kind !== "split") return;
      const isJoined = decide({ goal: goal(beads), beads, now: 0 }).some(({ kind }) => kind === "join");
      const done = new Set(["integrated", "parked", "cancelled", "joined"]);
      expect(isJoined).toBe(parts.every(({ state }) => done.has(state.kind)));
    }),
  );
});

test("what needs a bead that a person took off says so, and how it comes back", () => {
  const off = { ...bead({ kind: "cancelled", by: "person" }, 2), parent: bead(states.split).id };
  const failed = { ...bead(states.parked, 3), parent: off.parent };
  const needing = { ...bead(states.blocked, 4), parent: off.parent, dependsOn: [failed.id, off.id] };
  const beads = [bead(states.split), off, failed, needing];
  const why = (all: readonly Bead[]) =>
    decide({ goal: goal(all), beads: all, now: 0 }).flatMap((each) =>
      each.kind === "give-up" ? [each.why] : [],
    );
  expect(why(beads)).toEqual([
    expect.stringMatching(
      `needs bead ${off.id} .*was taken off by you: rigs bead retry ${off.id} brings it back`,
    ),
  ]);
  const given = [bead(states.split), { ...off, state: states.cancelled }, needing];
  expect(why(given)).toEqual([expect.stringMatching(`needs bead ${off.id} .*which is cancelled$`)]);
});

test("law: giving up cascades: whatever needs a parked bead, however far, is parked by name, and nothing else is", () => {
  fc.assert(
    fc.property(trees, (before) => {
      let beads = before.map((each) =>
        each.state.kind === "cancelled" ? { ...each, state: states.parked } : each,
      );
      for (let round = 0; round < 8; round++)
        for (const found of decide({ goal: goal(beads), beads, now: 0 })) {
          if (found.kind !== "give-up") continue;
          const lost = beads.find((each) => found.why.includes(`bead ${each.id} (`));
          expect(lost?.state.kind, "by the name of what is lost").toBe("parked");
          const state: BeadState = { kind: "parked", cause: "work", reason: found.why, best: undefined };
          beads = beads.map((each) => (each.id === found.bead ? { ...each, state } : each));
        }
      const kindOf = (of: BeadId) => beads.find((each) => each.id === of)?.state.kind;
      for (const each of before) {
        if (each.state.kind !== "blocked") continue;
        const isLost = each.dependsOn.some((need) => kindOf(need) === "parked");
        expect(kindOf(each.id)).toBe(isLost ? "parked" : "blocked");
      }
    }),
  );
});

test("a question stops what waits for it, and the goal asks; a circle is said and not waited for", () => {
  const part = (number: number, state: BeadState, ...needs: readonly number[]): Bead => ({
    ...{ ...bead(state), id: `${root}.${number}` as BeadId, parent: root },
    dependsOn: needs.map((need) => `${root}.${need}` as BeadId),
  });
  const whole: Bead = { ...bead(states.split), isParent: true };
  const endOf = (...parts: readonly Bead[]) => {
    const beads = [whole, ...parts];
    const [first] = decide({ goal: goal(beads), beads, now: 0 });
    return first?.kind === "end" ? first.end : first?.kind;
  };
  expect(endOf(part(1, states["needs-answer"]), part(2, states.blocked, 1))).toMatchObject({
    ...{ outcome: "needs-answer", reason: "may it?" },
  });
  const circle = endOf(part(1, states.blocked, 2), part(2, states.blocked, 1));
  expect(circle).toMatchObject({ outcome: "failed", reason: expect.stringContaining("wait for each other") });
});

test("what stands is delivered when the whole was given up: the newest part that is integrated", () => {
  const [older, newer] = ["0a", "0b"] as [Commit, Commit];
  const part = (number: number, of: Commit): Bead => ({
    ...{
      ...bead({ ...states.integrated, commit: of } as BeadState),
      id: `${root}.${number}` as BeadId,
      parent: root,
    },
  });
  const beads = [{ ...bead(states.parked), isParent: true }, part(1, newer), part(2, older)];
  const [first] = decide({ goal: goal(beads, { head: newer }), beads, now: 0 });
  expect(first).toMatchObject({ kind: "deliver", bead: { id: `${root}.1` } });
});

test("law: a goal ends or delivers only when every bead is settled, and never sits still with nobody working", () => {
  const some = fc.array(fc.constantFrom(...beadStateKinds), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(some, fc.nat(1000), (chosen, now) => {
      const beads = chosen.map((kind, index) => bead(states[kind], index + 1));
      const found = kinds(beads, {}, now);
      const isOver = found.includes("end") || found.includes("deliver");
      expect(isOver).toBe(chosen.every(isSettledKind));
      const inHands = chosen.some((kind) => kind === "claimed" || kind === "proving");
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

test("a bead is called what its plan calls it, else the beginning of what it is for", () => {
  const named = (name: string | undefined, intent: string) =>
    nameOf({ ...bead(states.ready), contract: { ...wholeContract(intent, []), name } });
  expect(named("price", "Write total(prices)")).toBe(`bead ${id}.1 (price)`);
  expect(named(undefined, "Write total(prices)\nand more")).toBe(`bead ${id}.1 (Write total(prices))`);
  expect(named(undefined, "x".repeat(61))).toBe(`bead ${id}.1 (${"x".repeat(59)}…)`);
});

test("what stands of a tree is said in parts, and what each is worth only where all are proven", () => {
  const part = (state: BeadState) => ({ state, parent: `${id}.1` as BeadId });
  const whole = (state: BeadState) => ({ state, parent: undefined });
  const { integrated, parked, split, ready } = states;
  const weak: BeadState = { kind: "integrated", commit, statement, verdict: "no-regression" };
  expect(partlyIn([whole(parked), part(integrated), part(parked)])).toBe(
    "1 of 2 parts are in, each proven; the whole is not",
  );
  expect(partlyIn([whole(parked), part(integrated), part(weak)])).toBe(
    "2 of 2 parts are in; the whole is not",
  );
  expect(partlyIn([whole(split), part(ready)])).toBe("0 of 1 parts are in; the whole is not");
  expect(partlyIn([whole(integrated), part(parked)])).toBeUndefined();
  expect(partlyIn([whole(weak)])).toBeUndefined();
});
