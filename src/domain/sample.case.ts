/** Values that could be real, for tests and benches; `choice` is any whole number from 0 and varies them. */
import type { Evaluation } from "./attempt.ts";
import { wholeContract } from "./bead.ts";
import { unbounded } from "./budget.ts";
import type { Event } from "./event.ts";
import type { GoalEnd, Order } from "./goal.ts";
import type { BeadId, BlobHash, Commit, GoalId } from "./id.ts";
import type { Proof } from "./verdict.ts";

/** An order that could have been given; `text` tells goals apart. */
export function orderOf(text: string): Order {
  return {
    text,
    repository: "/somewhere/shop",
    base: commitOf(0),
    checks: [],
    protect: [],
    allowChange: [],
    setup: undefined,
    providers: ["scripted"],
    budget: unbounded,
    strategy: "balanced",
    author: "Somebody <somebody@example.org>",
    unsafeNoSandbox: false,
    allowDependencies: false,
    acceptance: "none",
    mode: { kind: "solo", why: "a test" },
    workersMax: 1,
    begins: "at-once",
    keepRevisions: false,
    priority: 2,
  };
}

/** An event of one type before a store has stamped its time. */
export type Unstamped<Type extends Event["type"]> = Omit<Extract<Event, { readonly type: Type }>, "at">;

export function createGoal(goal: GoalId): Unstamped<"goal-created"> {
  return { type: "goal-created", goal, order: orderOf(`make ${goal} work`) };
}

export function createBead(bead: BeadId, goal: GoalId): Unstamped<"bead-created"> {
  const contract = wholeContract("make it work", []);
  return { type: "bead-created", goal, bead, parent: undefined, dependsOn: [], contract, priority: 2 };
}

export function commitOf(choice: number): Commit {
  return (choice % 1_000).toString(16).padStart(40, "0") as Commit;
}

export function blobOf(number: number): BlobHash {
  return number.toString(16).padStart(64, "0") as BlobHash;
}

export function evaluationOf(choice: number): Evaluation {
  return {
    isGreen: choice % 2 === 0,
    score: { runs: true, collects: true, testsPassed: choice % 5, testsFailed: choice % 3, lintFindings: 0 },
    failureClass: choice % 2 === 0 ? undefined : "test",
    headline: 'test: test_add: assert "3" == 4 – ünïcode',
    failureHash: String(choice % 3),
    couldNotRun: [],
    runs: blobOf(4),
  };
}

export function settledBy(choice: number) {
  const usage = { input: choice % 8_000, cachedInput: 0, output: choice % 900 };
  const rest = { usage, usd: (choice % 811) * 0.000_017, wallMs: choice % 5_000 };
  switch (choice % 3) {
    case 0:
      return { ...rest, settled: { kind: "said", finish: "stop", answer: blobOf(5) } } as const;
    case 1:
      return { ...rest, settled: { kind: "failed", fault: { kind: "capacity", why: "busy" } } } as const;
    default:
      return { ...rest, settled: { kind: "lost" } } as const;
  }
}

export const proof: Proof = {
  verdict: "proven",
  acceptance: "user",
  isolation: "bubblewrap",
  testsRun: 3,
  testsPassed: 3,
  failToPass: 1,
  passToPass: 2,
  reasons: [],
};

export const goalEnd = {
  outcome: "cancelled",
  reason: "asked",
  branch: undefined,
  commit: undefined,
  proof: undefined,
  statement: undefined,
  isInputFault: false,
} as const satisfies GoalEnd;
