import type { Price } from "../../ports/model.ts";
import { type CheatKind, cheatKinds } from "./cheat.ts";
import { faultClasses, type Mending } from "./mutation.ts";

/**
 * How a simulated model behaves.
 * - noisy: honest work with faults. `firstRate` = share of tasks right at the first answer; `repairRate` = share of
 *   failures mended by the first repair with full feedback; `decay` = factor on it for each further repair in one
 *   conversation; `isStubborn` = the same task is always answered the same way, whatever the conversation;
 *   `envelope` = factor on the rates of faults in the answer's form.
 * - stub: leaves the function empty. malformed: nothing it says can be applied. garbage: random words for ever.
 * - cheater: makes naive checks pass without doing the work; `cheat` undefined: one drawn for each task and round.
 */
export type Behaviour =
  | {
      readonly kind: "noisy";
      readonly firstRate: number;
      readonly repairRate: number;
      readonly decay: number;
      readonly isStubborn: boolean;
      readonly envelope: number;
    }
  | { readonly kind: "stub" }
  | { readonly kind: "malformed" }
  | { readonly kind: "garbage" }
  | { readonly kind: "cheater"; readonly cheat: CheatKind | undefined };

/** A model of the simulator: its name on the wire, how it behaves, what it costs and holds. */
export interface Profile {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly price: Price;
  /** 0 = the whole answer at once. */
  readonly tokensPerSecond: number;
  /** Wait before the first token. */
  readonly firstTokenMs: number;
  /** Prompt and answer together. */
  readonly contextTokensMax: number;
  /** Longest answer, whatever the request allows. */
  readonly outputTokensMax: number;
}

/** How often a failure of this kind is mended by a middling model with full feedback (methods.md B4). */
const mendingRates: Readonly<Record<Mending, number>> = {
  syntax: 0.9,
  import: 0.85,
  name: 0.77,
  assertion: 0.45,
  timeout: 0.35,
};

/** Spread of task difficulty in logits: at 2, one retry of a failed task succeeds about half as often as a coin flip would. */
const difficultySpread = 2;

/** Rates measured over 69 models (methods.md A1): first answers .10/.21/.45, repairs .19/.39/.53, decay .5. */
const honest = (firstRate: number, repairRate: number, envelope: number): Behaviour => {
  return { kind: "noisy", firstRate, repairRate, decay: 0.5, isStubborn: false, envelope };
};

const behaviours: Readonly<Record<string, { readonly behaviour: Behaviour; readonly price: Price }>> = {
  perfect: {
    behaviour: { kind: "noisy", firstRate: 1, repairRate: 1, decay: 1, isStubborn: false, envelope: 0 },
    price: { inputUsd: 3, cachedInputUsd: 0.3, outputUsd: 15 },
  },
  weak: {
    behaviour: honest(0.1, 0.19, 1.5),
    price: { inputUsd: 0.1, cachedInputUsd: 0.01, outputUsd: 0.4 },
  },
  median: {
    behaviour: honest(0.21, 0.39, 1),
    price: { inputUsd: 0.5, cachedInputUsd: 0.05, outputUsd: 2 },
  },
  strong: {
    behaviour: honest(0.45, 0.53, 0.5),
    price: { inputUsd: 3, cachedInputUsd: 0.3, outputUsd: 15 },
  },
  "never-fixes": {
    behaviour: { kind: "noisy", firstRate: 0.21, repairRate: 0, decay: 0.5, isStubborn: true, envelope: 0 },
    price: { inputUsd: 0.5, cachedInputUsd: 0.05, outputUsd: 2 },
  },
  "stub-only": {
    behaviour: { kind: "stub" },
    price: { inputUsd: 0.1, cachedInputUsd: 0.01, outputUsd: 0.4 },
  },
  "always-malformed": {
    behaviour: { kind: "malformed" },
    price: { inputUsd: 0.1, cachedInputUsd: 0.01, outputUsd: 0.4 },
  },
  cheater: {
    behaviour: { kind: "cheater", cheat: undefined },
    price: { inputUsd: 0.5, cachedInputUsd: 0.05, outputUsd: 2 },
  },
  garbage: {
    behaviour: { kind: "garbage" },
    price: { inputUsd: 0.1, cachedInputUsd: 0.01, outputUsd: 0.4 },
  },
};

export const profileNames: readonly string[] = Object.keys(behaviours);

/** What may be set on a profile; the rest is as its name says. */
export type ProfileSettings = Partial<Omit<Profile, "name">>;

/**
 * The profile with this name, changed as `settings` say, or undefined for a name nobody knows. `cheater:<kind>` is the
 * cheater that always plays that cheat.
 */
export function profileOf(name: string, settings: ProfileSettings = {}): Profile | undefined {
  const [base = "", kind] = name.split(":");
  const known = Object.hasOwn(behaviours, base) ? behaviours[base] : undefined;
  if (known === undefined) return undefined;
  const cheat = cheatKinds.find((each) => each === kind);
  if (kind !== undefined && (base !== "cheater" || cheat === undefined)) return undefined;
  const behaviour: Behaviour = base === "cheater" ? { kind: "cheater", cheat } : known.behaviour;
  return { ...usual, name, behaviour, price: known.price, ...settings };
}

const usual = { tokensPerSecond: 0, firstTokenMs: 0, contextTokensMax: 128_000, outputTokensMax: 32_000 };

/** Chance that the first answer is right, for a task of this difficulty in standard deviations (0 = average). */
export function firstChance(firstRate: number, difficulty: number): number {
  return sigmoid(skillFor(firstRate) - difficultySpread * difficulty);
}

/**
 * Chance that one repair mends the failure: measured rate of the class, scaled so that the model's own average over
 * the usual mix of faults is `repairRate`, times what the feedback is worth, times decay for each repair before it.
 */
export function repairChance(
  behaviour: Extract<Behaviour, { kind: "noisy" }>,
  repair: {
    readonly mends: Mending;
    readonly round: number;
    readonly factor: number;
    readonly isLong: boolean;
  },
): number {
  if (behaviour.repairRate >= 1) return 1;
  const scale = behaviour.repairRate / averageMending;
  const attention = repair.isLong ? 0.6 : 1;
  const decayed = behaviour.decay ** (repair.round - 1);
  return Math.min(0.98, mendingRates[repair.mends] * scale) * decayed * repair.factor * attention;
}

const parts = Object.values(faultClasses);
const averageMending =
  parts.reduce((sum, part) => sum + part.parts * mendingRates[part.mends], 0) /
  parts.reduce((sum, part) => sum + part.parts, 0);

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const skills = new Map<number, number>();

/** The skill at which the average over all difficulties is `rate`: halving an interval over a sum on a grid. */
function skillFor(rate: number): number {
  if (rate >= 1) return Number.POSITIVE_INFINITY;
  if (rate <= 0) return Number.NEGATIVE_INFINITY;
  const known = skills.get(rate);
  if (known !== undefined) return known;
  let low = -30;
  let high = 30;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (averageChance(middle) < rate) low = middle;
    else high = middle;
  }
  if (skills.size < 1_000) skills.set(rate, low);
  return low;
}

function averageChance(skill: number): number {
  let sum = 0;
  let weights = 0;
  for (let z = -5; z <= 5; z += 0.05) {
    const weight = Math.exp((-z * z) / 2);
    sum += weight * sigmoid(skill - difficultySpread * z);
    weights += weight;
  }
  return sum / weights;
}
