/**
 * The bounds above a call, from its goal down to its bead. An attempt may take what its bead has left.
 *
 * 1. A call is asked for where every level has room for it, with all that is reserved there.
 * 2. What was looked at is what the store guards: every reservation below a goal changes that goal's spend, so whoever
 *    reserves under the guard "spending" finds all levels as they were looked at (the goal first, then its beads).
 */
import type { Bead } from "./bead.ts";
import {
  addSpend,
  type Budget,
  type Estimate,
  type Fit,
  fitting,
  type Overrun,
  outOfBudget,
  overrun,
  reserve,
  type Spend,
  type Wanted,
  withCommand,
} from "./budget.ts";
import type { Goal } from "./goal.ts";
import type { BeadId } from "./id.ts";

/** One bound and what counts against it. */
export interface Level {
  /** Undefined: the whole goal. */
  readonly bead: BeadId | undefined;
  /** Beads whose calls count here; undefined: all of them do. */
  readonly counts: readonly BeadId[] | undefined;
  /** With the moment that its minutes count from. */
  readonly budget: Budget;
  readonly spend: Spend;
  /** ms that count against its minutes. */
  readonly elapsedMs: number;
}

export type Levels = readonly [Level, ...Level[]];

/** The goal's level first, then those of beads that the bead lies below in its plan, then its own. `beads`: all of the goal's, or all that have bounds with what lies below them. */
export function levelsAbove(
  bead: Pick<Bead, "id">,
  goal: Pick<Goal, "order" | "createdAt" | "spend">,
  beads: readonly Bead[],
  now: number,
): Levels {
  const { wallFrom = goal.createdAt } = goal.order.budget;
  const whole: Level = {
    ...{ bead: undefined, spend: goal.spend, counts: undefined },
    ...{ budget: { ...goal.order.budget, wallFrom }, elapsedMs: now - wallFrom },
  };
  const above = beads.filter(({ contract }) => contract.budget?.below.includes(bead.id) === true);
  const own = beads.filter(({ id, contract }) => id === bead.id && contract.budget !== undefined);
  return [
    whole,
    ...above.map((each) => ({ ...levelOf(each, beads, now), elapsedMs: 0 })),
    ...own.map((each) => levelOf(each, beads, now)),
  ];
}

/** What a bead may take and has taken, with what lies below it. */
export function levelOf(bead: Bead, beads: readonly Bead[], now: number): Level {
  const { id, contract, minutesFrom = now } = bead;
  const { usdMax, tokensMax, wallMsMax, below = [] } = contract.budget ?? {};
  return {
    ...{ bead: id, counts: [id, ...below] },
    budget: { usdMax, tokensMax, wallMsMax, wallFrom: minutesFrom },
    spend: beads
      .filter((each) => below.includes(each.id))
      .reduce((sum, each) => addSpend(sum, each.spend), bead.spend),
    elapsedMs: now - minutesFrom,
  };
}

/** A `Fit` in all levels. over: the reason to park with, which names the level and the command that gives it more. */
export type Affordable =
  | Exclude<Fit, { readonly kind: "over" }>
  | { readonly kind: "over"; readonly reason: string };

/** The shortest answer that any level has room for decides; what is over is told of the outermost level. */
export function affordable(
  goal: Pick<Goal, "id">,
  levels: Levels,
  wanted: Omit<Wanted, "elapsedMs">,
): Affordable {
  const fits = levels.map((level) => {
    const fit = fitting(level.budget, level.spend, { ...wanted, elapsedMs: level.elapsedMs });
    return { level, fit };
  });
  for (const { level, fit } of fits)
    if (fit.kind === "over") return { kind: "over", reason: overReason(goal, level, fit.overrun) };
  const later = fits.flatMap(({ level, fit }) => (fit.kind === "later" ? [{ level, fit }] : []));
  const [first] = later;
  if (first !== undefined) {
    const needs = later.map(({ fit }) => fit.needs).reduce(lesser);
    return { kind: "later", needs, why: `${prefixOf(first.level)}${first.fit.why}` };
  }
  return fits.flatMap(({ fit }) => (fit.kind === "fits" ? [fit] : [])).reduce(shorter);
}

type Fitting = Extract<Fit, { readonly kind: "fits" }>;

function shorter(left: Fitting, right: Fitting): Fitting {
  return right.outputTokensMax < left.outputTokensMax ? right : left;
}

/** What a level with little left asks for is less than what the others would. */
function lesser(left: Estimate, right: Estimate): Estimate {
  return right.tokens < left.tokens ? right : left;
}

/** Why work stops whose level has no room: with the command that gives that level more. */
export function overReason(goal: Pick<Goal, "id">, level: Level, { why, raise }: Overrun): string {
  if (level.bead === undefined) return outOfBudget({ why, raise }, goal.id);
  return withCommand(`${prefixOf(level)}${why}`, `rigs bead retry ${level.bead} ${raise}`);
}

function prefixOf({ bead }: Level): string {
  return bead === undefined ? "" : `bead ${bead}: `;
}

/** What a bead's next call takes at least. */
export interface Need {
  readonly bead: BeadId;
  readonly needs: Estimate;
}

/**
 * Whether a call has to wait: a level has no room for it beside those that may go before it, and what is out there may
 * still leave some.
 */
export function mustWait(levels: Levels, needs: Estimate, before: readonly Need[]): boolean {
  return levels.some(({ budget, spend, counts }) => {
    if (spend.reservedTokens === 0 && spend.reservedUsd === 0) return false;
    const counted = before.filter(({ bead }) => counts?.includes(bead) ?? true);
    const promised = counted.reduce((sum, each) => reserve(sum, each.needs), spend);
    return overrun(budget, promised, { estimate: needs, elapsedMs: 0 }) !== undefined;
  });
}
