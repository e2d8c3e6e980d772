/** What tokens take of a window whose allowance nobody publishes, learned from one reading to the next. Pure. */
import type { Draft } from "./meter.ts";
import {
  deviationOf,
  levelled,
  moved,
  type Regression,
  regressionOf,
  sumOf,
  type Three,
  taught,
} from "./regression.ts";

/** Thousands of tokens of two sorts, whose weights nobody tells; what a cache had is a tenth of an input token, as lists have it. */
export interface Weighed {
  readonly input: number;
  readonly output: number;
}

/** What is known of the share that tokens take. */
export interface Weight {
  /** The share that was used when the window began for us, and what a thousand tokens take, input and output. */
  readonly learned: Regression;
  /** What was settled since the window began. */
  readonly settled: Weighed;
  /** The newest share that was told, and what stood settled at the moment it spoke of. */
  readonly reading: number | undefined;
  readonly settledAtReading: Weighed;
}

/**
 * Before anything is learned a thousand input tokens are taken for a tenth of a point, one point if all goes wrong: larger calls
 * than an allowance of 100,000 is good for are not known. Output usually costs five times as much.
 */
const unlearned = regressionOf([0, 0.001, 0.005], [0, 0.003, 0.015]);
/** What is counted on is this many deviations above the mean. */
export const caution = 3;
/** Providers round shares to a point or finer. */
export const roundedBy = 0.01;
/** What somebody else may take from one reading to the next without showing. */
const unseen = roundedBy / 20;
/** Tokens are counted by so many. */
export const thousand = 1_000;
const cachedWeight = 0.1;

/** No tokens. */
export const nothing: Weighed = { input: 0, output: 0 };

/** Of a window nobody has used or heard of. */
export const unweighed: Weight = {
  learned: unlearned,
  ...{ settled: nothing, reading: undefined, settledAtReading: nothing },
};

/** What a call took or is expected to take. */
export function weighed({ input, cachedInput, output }: Draft): Weighed {
  const cached = Math.min(input, cachedInput);
  return { input: (input - cached + cachedWeight * cached) / thousand, output: output / thousand };
}

/** If no cache has anything and the answer is as long as it may be. */
export function mostOf({ input, output, outputMax }: Draft): Weighed {
  return { input: input / thousand, output: Math.max(output, outputMax) / thousand };
}

/** Both together. */
export function plus(left: Weighed, right: Weighed): Weighed {
  return { input: left.input + right.input, output: left.output + right.output };
}

/** What is left, at least none of either sort. */
export function minus(left: Weighed, right: Weighed): Weighed {
  return { input: Math.max(0, left.input - right.input), output: Math.max(0, left.output - right.output) };
}

/** What these take, without the level they are taken from. */
export function shareOfTokens({ learned }: Weight, { input, output }: Weighed): number {
  return Math.max(0, sumOf(learned, [0, input, output]));
}

/** The most that these are believed to take, so many deviations above the mean. */
export function mostOfTokens({ learned }: Weight, { input, output }: Weighed, deviations: number): number {
  const times: Three = [0, input, output];
  return Math.max(0, sumOf(learned, times) + deviations * deviationOf(learned, times));
}

/** Where it stood when so much was settled. */
export function levelWhen({ learned }: Weight, { input, output }: Weighed): number {
  return Math.max(0, sumOf(learned, [1, input, output]));
}

/** What is known when another window begins: of the level nothing, of tokens all. */
export function begun({ learned }: Weight): Weight {
  const fresh = { settled: nothing, reading: undefined, settledAtReading: nothing };
  return { learned: levelled(learned, 0, 0), ...fresh };
}

/** What a share teaches that was told of the moment at which so much was settled. */
export function taughtBy(weight: Weight, share: number, then: Weighed): Weight {
  const { reading, settledAtReading: last } = weight;
  const isNewest = then.input >= last.input && then.output >= last.output;
  const told = isNewest ? Math.max(share, reading ?? 0) : share;
  const times: Three = [1, then.input, then.output];
  // The first of a window tells where it stands, whoever took that.
  const open = moved(weight.learned, 0, reading === undefined ? 1 : unseen);
  const learned = taught(open, times, { told, deviation: roundedBy / 2 });
  // It is used so far at least, however sure we were of less.
  const missing = told - sumOf(learned, times);
  const isFar = reading === undefined || missing > roundedBy / 2;
  const sure = { ...weight, learned: isFar ? moved(learned, missing, 0) : learned };
  return isNewest ? { ...sure, reading: told, settledAtReading: then } : sure;
}
