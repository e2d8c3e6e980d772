/** One goal's events as they could be, for tests of what people are told. */
import { type Event, firstHash } from "../../domain/event.ts";
import type { GoalEnd } from "../../domain/goal.ts";
import type { GoalId } from "../../domain/id.ts";
import { blobOf, commitOf, orderOf } from "../../domain/sample.case.ts";
import type { Proof } from "../../domain/verdict.ts";
import type { Sight } from "../../work/tools.ts";

/** The goal that a fake house's hands create. */
export const theGoal = "k7m2q9xd" as GoalId;

/** A story of one goal: a try that fails, one that is worse and reverted, one that is proven and delivered. */
export function storyOf(goal: GoalId = theGoal): readonly Event[] {
  const bead = `${goal}.1`;
  const attempt = `${bead}/a1`;
  const at = 1_000;
  const base = commitOf(0);
  const steps: unknown[] = [
    { type: "environment-prepared", key: "e", installed: false, wallMs: 4, notes: [] },
    { type: "base-surveyed", runs: "b", results: [onBase] },
    { type: "bead-created", bead, parent: undefined, dependsOn: [], contract, priority: 2 },
    { type: "bead-claimed", bead, attempt, by: "p@7", token: 1 },
    ...round(1, "draft", { passed: 4, failed: 1, headline: 'test: empty: got "TypeError"' }),
    ...round(2, "repair", { passed: 1, failed: 4, headline: "test: one unit: ReferenceError" }),
    {
      type: "revision-reverted",
      bead,
      attempt,
      from: `${attempt}/r2`,
      to: commitOf(1),
      why: `it scores below ${attempt}/r1`,
    },
    ...round(3, "repair", { passed: 5, failed: 0, headline: "green: 5 passed" }),
    { type: "proof-started", bead, attempt, commit: commitOf(4) },
    {
      type: "proof-ended",
      bead,
      attempt,
      commit: commitOf(4),
      proof,
      isAccepted: true,
      statement: "s",
      evidence: "v",
    },
    { type: "bead-integrating", bead },
    { type: "bead-integrated", bead, commit: commitOf(4) },
  ];
  return steps.map((step) => ({ at, goal, ...(step as object) }) as Event);

  function round(
    number: number,
    step: string,
    { passed, failed, headline }: { passed: number; failed: number; headline: string },
  ): readonly unknown[] {
    const call = `${attempt}/c${number}`;
    const common = { bead, attempt, call };
    const score = { runs: true, collects: true, testsPassed: passed, testsFailed: failed, lintFindings: 0 };
    const evaluation = {
      isGreen: failed === 0,
      score,
      failureClass: failed === 0 ? undefined : "test",
      headline,
      failureHash: headline,
      couldNotRun: [],
      runs: "r",
    };
    return [
      {
        type: "call-reserved",
        ...common,
        step,
        provider: "work",
        model: "some-model",
        estimate: { tokens: 900, usd: 0.01 },
        prompt: "p",
      },
      {
        type: "call-settled",
        ...common,
        settled: { kind: "said", finish: "stop", answer: `answer-${number}` },
        usage: { input: 1_234, cachedInput: 0, output: 100 },
        usd: 0.0021,
        wallMs: 2_500,
      },
      {
        type: "revision-recorded",
        bead,
        attempt,
        revision: `${attempt}/r${number}`,
        commit: commitOf(number),
        parent: base,
        tree: `t${number}`,
        step,
        files: ["src/parse.js"],
        evaluation,
      },
    ];
  }
}

const onBase = {
  check: "acceptance-1",
  kind: "red",
  runner: "node:test",
  passed: 0,
  failed: 1,
  wallMs: 90,
  why: "0 passed, 1 failed",
};
const contract = {
  intent: "Add parse(text)",
  owns: ["**"],
  reads: ["**"],
  checks: ["acceptance-1"],
  exports: [],
  behaviours: [],
};
const proof: Proof = {
  verdict: "proven",
  acceptance: "user",
  isolation: "bubblewrap",
  testsRun: 7,
  testsPassed: 7,
  failToPass: 5,
  passToPass: 2,
  reasons: [],
};

/** How the story ends. */
export const delivered: GoalEnd = {
  outcome: "delivered",
  reason: undefined,
  isInputFault: false,
  branch: `rigs/${theGoal}`,
  commit: commitOf(4),
  proof,
  statement: blobOf(7),
};

/** The whole of it, as a store would hold it. */
export function historyOf(goal: GoalId = theGoal, end: GoalEnd = delivered): readonly Event[] {
  return [
    {
      type: "goal-created",
      at: 999,
      goal,
      order: { ...orderOf("Add parse(text)\nand more"), acceptance: "user" },
    },
    ...storyOf(goal),
    { type: "goal-ended", at: 1_001, goal, end },
  ];
}

/** Events as those who watch see them. */
export function sightsOf(events: readonly Event[]): readonly Sight[] {
  return events.map((event, index) => ({
    kind: "recorded",
    recorded: { sequence: index + 2, version: 1, previousHash: firstHash, hash: firstHash, event },
  }));
}
