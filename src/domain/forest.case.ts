/** A goal that is a tree, as its events could be: three parts, one that waits for the others, one that is parked. */
import type { Event } from "./event.ts";
import type { BeadId, GoalId } from "./id.ts";
import { blobOf, commitOf, evaluationOf, orderOf } from "./sample.case.ts";

const theGoal = "k7m2q9xd" as GoalId;

const names = ["price", "cart", "checkout"];
const intents = [
  "Write total(prices) in shop/price.py: the sum of a list of prices.",
  "Write Cart in shop/cart.py: add(name, price) keeps items in order.",
  "Write bill(items) in shop/checkout.py with total and Cart.",
];

/** The goal is made, surveyed and split into `count` parts; the last waits for all the others. */
export function planted(count = 3, goal: GoalId = theGoal): readonly Event[] {
  const root = `${goal}.1`;
  const ids = Array.from({ length: count }, (_, index) => `${root}.${index + 1}`);
  const whole = { intent: "A shop", owns: ["**"], reads: ["**"], checks: ["acceptance-1"] };
  return stamped(goal, [
    { type: "goal-created", order: { ...orderOf("A shop\nwith a bill"), acceptance: "user" } },
    { type: "base-surveyed", runs: "b", results: [] },
    {
      type: "bead-created",
      bead: root,
      parent: undefined,
      dependsOn: [],
      contract: { ...whole, ...nothing },
      priority: 2,
    },
    { type: "bead-split", bead: root, plan: blobOf(1), head: commitOf(9), checks: ids.map(checkOf) },
    ...ids.map((bead, index) => ({
      type: "bead-created",
      bead,
      parent: root,
      dependsOn: index > 0 && index === count - 1 ? ids.slice(0, -1) : [],
      contract: {
        name: names[index],
        intent: intents[index % intents.length],
        owns: [`shop/part${index + 1}.py`],
        reads: ["shop/kinds.py"],
        checks: [`1.${index + 1}-1`],
        exports: [`shop/part${index + 1}.py: name(text: str) -> str`],
        behaviours: ["An empty text gives an empty one."],
      },
      priority: 2,
    })),
  ]);
}

const nothing = { exports: [], behaviours: [] };

function checkOf(id: string) {
  const name = `${id.slice(id.indexOf(".") + 1)}-1`;
  const command = `python3 -m pytest -q tests/test_${name.replace(/\W/g, "_")}.py`;
  return { name, command, cwd: ".", role: "acceptance", timeoutMs: 1_000, report: { kind: "recognise" } };
}

/** One part is claimed, asked about and run once; with `isGreen` it is proven and integrated. */
export function worked(number: number, isGreen: boolean, goal: GoalId = theGoal): readonly Event[] {
  const bead = `${goal}.1.${number}`;
  const attempt = `${bead}/a1`;
  const call = `${attempt}/c1`;
  const about = { bead, attempt };
  const commit = commitOf(number);
  const usage = { input: 1_000 * number, cachedInput: 0, output: 100 };
  const score = { runs: true, collects: true, testsPassed: isGreen ? 3 : 1, testsFailed: isGreen ? 0 : 2 };
  const evaluation = { ...evaluationOf(1), isGreen, score: { ...score, lintFindings: 0 } };
  const step = { step: "draft", provider: "work", model: "some-model" };
  const proved = { ...about, commit, proof, isAccepted: true, statement: blobOf(7), evidence: blobOf(8) };
  const revision = `${attempt}/r1`;
  return stamped(goal, [
    { type: "bead-claimed", ...about, by: "p@7", token: 1 },
    { type: "call-reserved", ...about, call, ...step, estimate: { tokens: 900, usd: 0 }, prompt: blobOf(3) },
    {
      ...{ type: "call-settled", ...about, call, usage, usd: 0, wallMs: 2_000 },
      settled: { kind: "said", finish: "stop", answer: blobOf(4) },
    },
    {
      ...{
        type: "revision-recorded",
        ...about,
        revision,
        commit,
        parent: commitOf(9),
        tree: "t",
        step: "draft",
      },
      ...{ files: [`shop/part${number}.py`], evaluation },
    },
    ...(isGreen
      ? [
          { type: "proof-started", ...about, commit },
          { type: "proof-ended", ...proved },
          { type: "bead-integrating", bead },
          { type: "bead-integrated", bead, commit, statement: blobOf(7) },
        ]
      : [{ type: "bead-parked", bead, cause: "work", reason: "the tries are spent", best: revision }]),
  ]);
}

const proof = {
  verdict: "proven",
  acceptance: "user",
  isolation: "bubblewrap",
  testsRun: 3,
  testsPassed: 3,
  failToPass: 3,
  passToPass: 0,
  reasons: [],
};

export function partOf(number: number, goal: GoalId = theGoal): BeadId {
  return `${goal}.1.${number}` as BeadId;
}

function stamped(goal: GoalId, steps: readonly object[]): readonly Event[] {
  return steps.map((step) => ({ at: 1_000, goal, ...step }) as Event);
}
