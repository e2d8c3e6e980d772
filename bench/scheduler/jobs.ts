/** What is asked of the providers: calls with sizes nobody knows beforehand, and when each comes. Seeded. */
import { type Random, seeded } from "../../src/kit/random.ts";

export interface Call {
  readonly name: string;
  /** ms after the beginning. */
  readonly comesAt: number;
  readonly input: number;
  /** What it really writes. */
  readonly output: number;
  readonly outputMax: number;
  /** What it is for; calls of one kind write about alike. */
  readonly kind: string;
  /** 0 urgent, 1 usual, 2 whenever there is room. */
  readonly level: 0 | 1 | 2;
}

export const outputMax = 4_096;

/** A review is short, an edit is not, a plan or a set of tests is long: 600 tokens in the mean, 20 to 4,096. */
const kinds = [
  { kind: "review", part: 0.4, output: 150 },
  { kind: "edit", part: 0.45, output: 650 },
  { kind: "plan", part: 0.15, output: 1_500 },
] as const;

/** Box and Muller's way from even chance to a bell. */
function bell(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Half of all lie below `median`. */
function lognormal(random: Random, median: number, sigma: number): number {
  return median * Math.exp(sigma * bell(random));
}

/** `perMs`: calls a ms, Poisson; undefined: all at once. */
export function callsOf(seed: number, count: number, perMs: number | undefined): readonly Call[] {
  const random = seeded(seed * 7_919 + 17);
  let at = 0;
  return Array.from({ length: count }, (_, index): Call => {
    if (perMs !== undefined) at += -Math.log(1 - random()) / perMs;
    const chance = random();
    const drawn = random();
    const { kind, output } =
      kinds.find((_, at) => drawn < kinds.slice(0, at + 1).reduce((sum, { part }) => sum + part, 0)) ??
      kinds[1];
    return {
      name: `c${index}`,
      comesAt: at,
      input: Math.round(Math.min(100_000, Math.max(50, lognormal(random, 6_000, 0.8)))),
      output: Math.round(Math.min(outputMax, Math.max(20, lognormal(random, output, 0.4)))),
      outputMax,
      kind,
      level: chance < 0.1 ? 0 : chance < 0.8 ? 1 : 2,
    };
  });
}

/**
 * The reference's mixed workload (rate limits, section 6), all at once: half of the inputs lie below 6,000 tokens and half of
 * the answers below 600, lognormal with heavy tails, of one kind, so that nobody can tell a long answer beforehand. Its bound
 * is around the 382 s of the reference; with 6,000 as the mean it would be 244.
 */
export function referenceCalls(seed: number, count: number): readonly Call[] {
  const random = seeded(seed * 7_919 + 17);
  return Array.from({ length: count }, (_, index): Call => {
    const chance = random();
    return {
      ...{ name: `c${index}`, comesAt: 0, outputMax, kind: "job" },
      input: Math.round(Math.min(200_000, Math.max(50, lognormal(random, 6_000, 1)))),
      output: Math.round(Math.min(outputMax, Math.max(20, lognormal(random, 600, 0.8)))),
      level: chance < 0.1 ? 0 : chance < 0.8 ? 1 : 2,
    };
  });
}
