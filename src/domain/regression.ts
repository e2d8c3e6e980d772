/**
 * What cannot be seen, learned from sums of it that are told roughly: a level and two weights, as a bell curve over all three
 * (Bayesian linear regression, one sum at a time). It says how sure it is, and less so after it was surprised.
 */
import { assert } from "../kit/assert.ts";

/** Of the level and of the two weights. */
export type Three = readonly [level: number, first: number, second: number];

export interface Regression {
  readonly mean: Three;
  /** The covariances of the three, symmetric. */
  readonly spread: readonly [Three, Three, Three];
}

export function regressionOf(mean: Three, deviations: Three): Regression {
  const [level, first, second] = deviations;
  return {
    mean,
    spread: [
      [level ** 2, 0, 0],
      [0, first ** 2, 0],
      [0, 0, second ** 2],
    ],
  }; // prettier-ignore
}

/** What the sum of the three, each so many times, comes to. */
export function sumOf({ mean }: Regression, times: Three): number {
  return dot(mean, times);
}

/** One standard deviation of that sum. */
export function deviationOf({ spread }: Regression, times: Three): number {
  return Math.sqrt(Math.max(0, dot(times, appliedTo(spread, times))));
}

/** Further off than so many deviations is no chance: what was believed is less sure than it was said to be. */
const surprise = 3;
/** By so much at most one sum unsettles all that was learned. */
const unsettlingMax = 100;

/** Learns from one sum that was told, `deviation` of it being rounding. */
export function taught(
  known: Regression,
  times: Three,
  { told, deviation }: { readonly told: number; readonly deviation: number },
): Regression {
  assert(deviation > 0, "nothing is told exactly");
  const off = told - sumOf(known, times);
  const noise = deviation ** 2;
  const expected = deviationOf(known, times) ** 2 + noise;
  const excess = off ** 2 / (surprise ** 2 * expected);
  const spread = excess <= 1 ? known.spread : scaled(known.spread, Math.min(unsettlingMax, excess));
  const applied = appliedTo(spread, times);
  const total = dot(times, applied) + noise;
  const gain = (at: 0 | 1 | 2) => applied[at] / total;
  const row = (at: 0 | 1 | 2): Three => [
    spread[at][0] - gain(at) * applied[0],
    spread[at][1] - gain(at) * applied[1],
    spread[at][2] - gain(at) * applied[2],
  ];
  const { mean } = known;
  return {
    mean: [mean[0] + gain(0) * off, mean[1] + gain(1) * off, mean[2] + gain(2) * off],
    spread: [row(0), row(1), row(2)],
  };
}

/** The level moved by so much, give or take a deviation; the weights stay. */
export function moved({ mean, spread }: Regression, by: number, deviation: number): Regression {
  const [[variance, first, second], ...rest] = spread;
  return {
    mean: [mean[0] + by, mean[1], mean[2]],
    spread: [[variance + deviation ** 2, first, second], ...rest],
  };
}

/** Another level, known so well, with the same weights. */
export function levelled({ mean, spread }: Regression, level: number, deviation: number): Regression {
  const [, first, second] = spread;
  return {
    mean: [level, mean[1], mean[2]],
    spread: [
      [deviation ** 2, 0, 0],
      [0, first[1], first[2]],
      [0, second[1], second[2]],
    ],
  };
}

function dot(left: Three, right: Three): number {
  return left[0] * right[0] + left[1] * right[1] + left[2] * right[2];
}

function appliedTo(spread: Regression["spread"], times: Three): Three {
  return [dot(spread[0], times), dot(spread[1], times), dot(spread[2], times)];
}

function scaled([level, first, second]: Regression["spread"], by: number): Regression["spread"] {
  const row = ([left, middle, right]: Three): Three => [left * by, middle * by, right * by];
  return [row(level), row(first), row(second)];
}
