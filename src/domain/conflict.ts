/**
 * Work that does not merge with other work, noticed before either ends: who is worth a look, what each made last, what
 * of a pair has been told already, and what its worker is told.
 *
 * 1. Beads whose areas have no path in common cannot contradict each other, and cost nothing.
 * 2. A pair is told of one set of paths once, by whichever of the two saw it first.
 */
import type { Attempt, TrailEntry } from "./attempt.ts";
import type { Bead } from "./bead.ts";
import { oneLine } from "./fence.ts";
import type { BeadId, Commit } from "./id.ts";
import { meet } from "./plan.ts";

type Area = Pick<Bead, "id" | "contract">;
type Revised = Extract<TrailEntry, { readonly kind: "revised" }>;

/** Whether the two may write at one place. */
export function mayMeet(one: Area, other: Area): boolean {
  if (one.id === other.id) return false;
  return one.contract.owns.some((area) => other.contract.owns.some((each) => meet(area, each)));
}

/** A bead and all its attempts, oldest first. */
export interface Work {
  readonly bead: Bead;
  readonly attempts: readonly Attempt[];
}

/** The newest commit of a bead's own work that may still land; undefined where there is none, or it was given up. */
export function newestWork({ bead, attempts }: Work): Commit | undefined {
  const { state } = bead;
  switch (state.kind) {
    case "proven":
    case "integrating":
      return state.commit;
    case "claimed":
    case "proving":
    case "waiting":
    case "ready":
    case "needs-answer":
      break;
    default:
      return undefined;
  }
  if (bead.isParent) return undefined;
  // Between two claims an attempt counts where the next one goes on with it, or begins with what came of it.
  if (state.kind === "ready" && bead.unfinished === undefined && bead.start === undefined) return undefined;
  for (const { trail, start } of attempts.toReversed()) {
    const revised = standing(trail);
    if (revised !== undefined) return revised.commit;
    if (start === undefined && bead.start === undefined) return undefined;
  }
  return undefined;
}

/** The newest revision that was not taken back; what the merge queue put together is nobody's own. */
function standing(trail: readonly TrailEntry[]): Revised | undefined {
  const revisions: Revised[] = [];
  let found: Revised | undefined;
  for (const entry of trail) {
    if (entry.kind === "revised") {
      revisions.push(entry);
      found = entry;
    }
    if (entry.kind === "reverted") found = revisions.findLast(({ commit }) => commit === entry.to);
  }
  return found?.step === "join" ? undefined : found;
}

/** Two beads of one goal, and the paths where they contradict each other. */
export interface Clash {
  readonly bead: BeadId;
  readonly with: BeadId;
  readonly paths: readonly string[];
}

/** Everything that trails say of clashes, oldest first. */
export function clashesIn(attempts: readonly Attempt[]): readonly Clash[] {
  return attempts.flatMap(({ bead, trail }) =>
    trail.flatMap((entry) =>
      entry.kind === "clash" ? [{ bead, with: entry.with, paths: entry.paths }] : [],
    ),
  );
}

/** Whether this pair, in either order, was told of just these paths. */
export function isTold(clash: Clash, told: readonly Clash[]): boolean {
  const same = (paths: readonly string[]) =>
    new Set(paths).symmetricDifference(new Set(clash.paths)).size === 0;
  const pair = new Set<string>([clash.bead, clash.with]);
  return told.some(
    (each) => each.bead !== each.with && pair.has(each.bead) && pair.has(each.with) && same(each.paths),
  );
}

/** Another bead as one that contradicts it knows it. */
export interface Opponent {
  readonly bead: BeadId;
  readonly intent: string;
  readonly isIn: boolean;
  readonly paths: readonly string[];
}

/**
 * Whom a bead at work has to live with: what was told of it in its own trail or theirs, joined for each. `own` ends with
 * the attempt at work. Of those that landed only what that attempt saw, once it is not the first: a later one stands on them.
 */
export function opponentsOf(own: Work, others: readonly Work[]): readonly Opponent[] {
  const here = own.attempts.slice(-1);
  return others.flatMap(({ bead, attempts }) => {
    const { kind } = bead.state;
    if (bead.id === own.bead.id || isOut(kind)) return [];
    const isIn = kind === "integrated";
    const trails = isIn && own.attempts.length > 1 ? here : [...own.attempts, ...attempts];
    const told = clashesIn(trails).filter(
      (each) =>
        (each.bead === own.bead.id && each.with === bead.id) ||
        (each.bead === bead.id && each.with === own.bead.id),
    );
    const paths = [...new Set(told.flatMap((each) => each.paths))];
    return paths.length === 0 ? [] : [{ bead: bead.id, intent: bead.contract.intent, isIn, paths }];
  });
}

/** For each bead that is still to land those whose work contradicts its own, of all that was told of them. */
export function clashing(
  beads: readonly Pick<Bead, "id" | "state">[],
  told: readonly Clash[],
): ReadonlyMap<BeadId, readonly BeadId[]> {
  const kinds = new Map(beads.map(({ id, state }) => [id, state.kind]));
  const others = ({ id, state }: Pick<Bead, "id" | "state">): readonly BeadId[] => {
    if (isOut(state.kind) || state.kind === "integrated") return [];
    const found = told.flatMap((each) =>
      each.bead === id ? [each.with] : each.with === id ? [each.bead] : [],
    );
    return [...new Set(found)].filter((other) => !isOut(kinds.get(other) ?? "parked"));
  };
  return new Map(beads.map((bead) => [bead.id, others(bead)]));
}

/** Its work will not land. */
function isOut(kind: Bead["state"]["kind"]): boolean {
  return kind === "parked" || kind === "cancelled";
}

const opponentsMax = 5;
const pathsMax = 10;

/** Two lines for each of at most 5, at the end of the next question; "" where nobody is in the way. */
export function opponentText(opponents: readonly Opponent[]): string {
  return opponents
    .slice(0, opponentsMax)
    .map(({ bead, intent, isIn, paths }) => {
      const named = paths.slice(0, pathsMax).map((path) => oneLine(path, 200));
      const where = `${named.join(", ")}${paths.length > pathsMax ? ` and ${paths.length - pathsMax} more` : ""}`;
      const who = isIn ? "which was integrated meanwhile" : "which is worked on at the same time";
      return `Bead ${bead}, ${who}, changes the same lines in ${where}. It is for: ${oneLine(intent, 300)}\nBoth changes will have to stand together: keep yours small, and where your task asks for it.`;
    })
    .join("\n\n");
}
