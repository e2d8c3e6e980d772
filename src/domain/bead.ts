import type { Estimate, Ration, Spend } from "./budget.ts";
import type { AttemptId, BeadId, BlobHash, Commit, GoalId, PolecatId, RevisionId } from "./id.ts";
import type { Verdict } from "./verdict.ts";

/** A bead's interface to the rest of the goal. Solo: one bead that owns every unprotected file. */
export interface Contract {
  /** What its plan calls it; undefined for the whole and for what no plan names. */
  readonly name: string | undefined;
  readonly intent: string;
  /** Globs the bead may write. */
  readonly owns: readonly string[];
  /** Globs it may read. */
  readonly reads: readonly string[];
  /** Names of the goal's checks that decide about it. */
  readonly checks: readonly string[];
  /** What others may use of it, "path: symbol and type". */
  readonly exports: readonly string[];
  /** What it does, a sentence each. */
  readonly behaviours: readonly string[];
  /** Undefined: it may take what its goal has left. */
  readonly budget: Ration | undefined;
}

/** The contract of one bead that is the whole goal. */
export function wholeContract(intent: string, checks: readonly string[]): Contract {
  return {
    ...{ name: undefined, intent, owns: ["**"], reads: ["**"], checks },
    ...{ exports: [], behaviours: [], budget: undefined },
  };
}

/** "price: Write total(prices) in shop/price.py": how people know a bead, on one line. */
export function titleOf({ name, intent }: Pick<Contract, "name" | "intent">): string {
  const [line = ""] = intent.trim().split("\n", 1);
  return name === undefined ? line : `${name}: ${line}`;
}

/** Characters of the whole goal that travel with each of its parts. */
const missionCharactersMax = 2_000;

/** What a worker is told: the whole goal, or a part of it with its contract and the mission it belongs to. */
export function assignmentOf(goal: string, { intent, owns, exports, behaviours }: Contract): string {
  const isWhole = intent === goal;
  if (isWhole && owns.includes("**")) return goal;
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}\n${lines.map((line) => `- ${line}`).join("\n")}`];
  const mission = goal.length <= missionCharactersMax ? goal : `${goal.slice(0, missionCharactersMax - 1)}…`;
  return [
    intent,
    ...list("It does this:", behaviours),
    ...list("Others rely on these names:", exports),
    ...(owns.includes("**") ? [] : list("You may change only these files:", owns)),
    ...(isWhole
      ? []
      : [`It is one part of a larger piece of work, whose other parts are done by others: ${mission}`]),
  ].join("\n\n");
}

/**
 * Why work on a bead stopped without success. work: the tries are spent. budget: the user's bound. capacity: no provider
 * would answer. input: something the user gave cannot work here.
 */
export type ParkCause = "work" | "budget" | "capacity" | "input";

/** Where a bead stands; `verdict` says what "proven" is worth (a no-regression bead is integrated too, and called so). The table of who may enter what is in ARCHITECTURE.md. */
export type BeadState =
  | { readonly kind: "blocked" }
  | { readonly kind: "ready" }
  | { readonly kind: "claimed"; readonly by: PolecatId; readonly attempt: AttemptId; readonly token: number }
  | { readonly kind: "waiting"; readonly until: number; readonly why: string }
  /** Until other calls have given back what its next one needs of the budget, or none of them is out. */
  | { readonly kind: "waiting"; readonly until: number; readonly why: string; readonly needs: Estimate }
  | { readonly kind: "needs-answer"; readonly question: string }
  | {
      readonly kind: "proving";
      readonly by: PolecatId;
      readonly attempt: AttemptId;
      readonly commit: Commit;
      readonly token: number;
    }
  | {
      readonly kind: "proven";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: "integrating";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | {
      readonly kind: "integrated";
      readonly commit: Commit;
      readonly statement: BlobHash;
      readonly verdict: Verdict;
    }
  | { readonly kind: "split" }
  | {
      readonly kind: "parked";
      readonly cause: ParkCause;
      readonly reason: string;
      readonly best: RevisionId | undefined;
    }
  /** By a person: off until it is tried again. With the goal: back when that is resumed. */
  | { readonly kind: "cancelled"; readonly by: "person" | "goal" }
  /** A task of its own that a person joined with others: it lands with that goal. */
  | { readonly kind: "joined"; readonly convoy: GoalId };

export type BeadStateKind = BeadState["kind"];

export const beadStateKinds: readonly BeadStateKind[] = [
  "blocked",
  "ready",
  "claimed",
  "waiting",
  "needs-answer",
  "proving",
  "proven",
  "integrating",
  "integrated",
  "split",
  "parked",
  "cancelled",
  "joined",
];

/** 0 is the least urgent, 4 the most; 2 is usual. */
export type Priority = 0 | 1 | 2 | 3 | 4;

/** What a bead begins its next attempt with: a red merge, the head it was merged with, and whose checks hold there. */
export interface Start {
  readonly commit: Commit;
  readonly base: Commit;
  /** Names of checks of other beads that were green on `base` and have to stay it. */
  readonly keeps: readonly string[];
}

export interface Bead {
  readonly id: BeadId;
  readonly goal: GoalId;
  readonly parent: BeadId | undefined;
  readonly dependsOn: readonly BeadId[];
  readonly contract: Contract;
  readonly priority: Priority;
  readonly state: BeadState;
  /** When it last became ready; ageing counts from here. */
  readonly readyAt: number;
  readonly attempts: number;
  /** What its own calls took, in all its attempts. */
  readonly spend: Spend;
  /** When its minutes began: with its first claim, or the first one after they were given anew; undefined: not yet. */
  readonly minutesFrom: number | undefined;
  /** The newest fencing token ever given out for it; 0 before the first claim. */
  readonly token: number;
  /** True once it was split: its own turn comes after its children's. */
  readonly isParent: boolean;
  /** A commit that its next attempt tries before it asks anybody: what came back from the merge queue. */
  readonly start: Start | undefined;
  /** Why the merge queue gave it back last; undefined: it never did. */
  readonly returned: string | undefined;
  /** The attempt to go on with when a claim was cut short; undefined when the next claim starts a new one. */
  readonly unfinished: AttemptId | undefined;
}

/** A polecat has it: exactly these beads can have a lease. */
export function isHeld(state: BeadState): boolean {
  return state.kind === "claimed" || state.kind === "proving";
}

/** A person took it off: nothing but a new try of this very bead brings it back. */
export function isTakenOff({ state }: Pick<Bead, "state">): boolean {
  return state.kind === "cancelled" && state.by === "person";
}

/** Nothing more will happen to a bead in such a state by itself. */
export function isSettledKind(kind: BeadStateKind): boolean {
  return (
    kind === "integrated" ||
    kind === "parked" ||
    kind === "cancelled" ||
    kind === "joined" ||
    kind === "split" ||
    kind === "needs-answer"
  );
}

/**
 * "1 of 4 parts are in, each proven; the whole is not": what stands of a tree whose whole did not land. Undefined where
 * that did, and where there is no tree.
 */
export function partlyIn(beads: readonly Pick<Bead, "parent" | "state">[]): string | undefined {
  const parts = beads.filter(({ parent }) => parent !== undefined);
  const landed = parts.flatMap(({ state }) => (state.kind === "integrated" ? [state] : []));
  const isWhole = beads.some(({ parent, state }) => parent === undefined && state.kind === "integrated");
  if (isWhole || parts.length === 0) return undefined;
  const worth =
    landed.length > 0 && landed.every(({ verdict }) => verdict === "proven") ? ", each proven" : "";
  return `${landed.length} of ${parts.length} parts are in${worth}; the whole is not`;
}
