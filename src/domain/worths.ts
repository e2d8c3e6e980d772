/**
 * What providers are worth beside each other, so that each call goes where it takes least of what is scarce: prices of their
 * limits, by what waits (the dual of "finish all of these soonest") and by how full each limit is at the moment. Pure.
 */
import { present } from "../kit/assert.ts";
import type { Job, Route } from "./job.ts";
import { costOf, type Draft, type Measure } from "./meter.ts";
import type { Refinery } from "./refinery.ts";
import { levelShare, type Tank } from "./tank.ts";

/** What is asked of a limit: an amount of a measure, or ms of a slot. */
type Amount = Measure | "slot-ms";

interface Limit {
  readonly amount: Amount;
  readonly perMs: number;
  /** 0 where it is not felt, 1 where it is used up. */
  readonly strain: number;
}

/** Slots that nobody ever fills are no limit. */
const slotsMax = 100_000;
const nearlyFull = 0.9;

function limitsOf({ meters, slots, leases }: Tank, now: number): readonly Limit[] {
  const limits = meters.flatMap((meter): readonly Limit[] => {
    if (meter.kind === "window") return [];
    const amount = meter.kind === "stream" ? "output" : meter.measure;
    return [{ amount, perMs: meter.perMinute / 60_000, strain: 1 - levelShare(meter, now) }];
  });
  const strain = Math.min(1, leases.length / slots.limit);
  // A number that is only tried is no limit before it is nearly reached.
  if (slots.limit >= slotsMax || (slots.max >= slotsMax && strain < nearlyFull)) return limits;
  return [...limits, { amount: "slot-ms", perMs: slots.limit, strain }];
}

function tanksOf(route: Route, refinery: Refinery): readonly Tank[] {
  return route.tanks.map((name) => present(refinery.get(name), `tank ${name} is known`));
}

/** What a unit of each amount costs with a provider. */
export type Prices = Readonly<Record<Amount, number>>;

/** What a call costs there; output as it usually is. */
export function priceOf(prices: Prices, { outputLikely }: Job, draft: Draft, perMs: number): number {
  const { input, cachedInput, output, outputMax } = draft;
  // Asked for every call in view at every decision: without a look at which limits there are.
  return (
    prices.requests +
    prices.input * input +
    prices["fresh-input"] * Math.max(0, input - cachedInput) +
    (prices.output + prices["slot-ms"] / perMs) * outputLikely +
    prices.sum * (input + output) +
    prices.greater * Math.max(input, outputMax)
  );
}

/** What is left of a price where a limit is not felt at all. */
const leastStrain = 0.02;

/** What a unit of each limit costs: the provider's worth, shared among its limits as they are felt, so that the one that binds is dear. */
export function pricesOf(route: Route, tanks: readonly Tank[], now: number, worths: Worths): Prices {
  const limits = tanks.flatMap((tank) => limitsOf(tank, now));
  const sum = limits.reduce((total, { strain }) => total + leastStrain + strain, 0);
  const worth = worths.byProvider.get(route.provider) ?? 1;
  const prices = {
    ...{ requests: 0, input: 0, "fresh-input": 0, output: 0, sum: 0, greater: 0, "slot-ms": 0 },
  };
  for (const { amount, perMs, strain } of limits)
    prices[amount] += (worth * (leastStrain + strain)) / sum / perMs;
  return prices;
}

/** What a call takes of it; output as it usually is. */
function amountOf(amount: Amount, { outputLikely }: Job, draft: Draft, perMs: number): number {
  if (amount === "slot-ms") return outputLikely / perMs;
  return amount === "output" ? outputLikely : costOf(amount, draft);
}

export interface Worths {
  /** What each provider's time is worth beside the others', by name. */
  readonly byProvider: ReadonlyMap<string, number>;
  /** ms that a call of those that wait takes of all providers together; 0 where nobody knows. */
  readonly msEach: number;
  /** Of each limit, in the order of routes and their limits: where to go on from. */
  readonly weights: Float64Array;
}

export const noWorths: Worths = { byProvider: new Map(), msEach: 0, weights: new Float64Array(0) };

/** Rounds of finding worths, fewer where there are some to go on from. */
const rounds = { cold: 300, warm: 40 };
/** Jobs that stand for all. */
const sampleMax = 160;

/**
 * Worths under which jobs, each done where it is cheapest, use all limits alike: multiplicative updates of the dual of
 * "finish all of these soonest" (reference on rate limits, section 6). Worth finding anew when the mix of what waits changes.
 */
export function worthsOf(
  waiting: readonly Job[],
  routes: readonly Route[],
  refinery: Refinery,
  before: Worths = noWorths,
): Worths {
  const owner: number[] = [];
  const limits: Limit[] = [];
  for (const [index, route] of routes.entries())
    for (const tank of tanksOf(route, refinery))
      for (const limit of limitsOf(tank, tank.at)) {
        owner.push(index);
        limits.push(limit);
      }
  const sample = waiting.slice(0, sampleMax);
  const count = limits.length;
  if (count === 0 || sample.length === 0) return noWorths;
  // ms of each limit that each job would take of each provider; below 0 where it may not.
  const demands = new Float64Array(sample.length * count);
  for (const [at, job] of sample.entries())
    for (let index = 0; index < count; index++) {
      const { provider, perMs } = routes[owner[index] as number] as Route;
      const limit = limits[index] as Limit;
      const draft = job.drafts.get(provider);
      demands[at * count + index] =
        draft === undefined ? -1 : amountOf(limit.amount, job, draft, perMs) / limit.perMs;
    }
  const isWarm = before.weights.length === count;
  const { weights, bound } = soonest(demands, owner, isWarm ? before.weights : undefined);
  const byProvider = new Map<string, number>(routes.map(({ provider }) => [provider, 0]));
  for (let index = 0; index < count; index++) {
    const { provider } = routes[owner[index] as number] as Route;
    byProvider.set(provider, (byProvider.get(provider) ?? 0) + (weights[index] as number));
  }
  return { byProvider, msEach: bound / sample.length, weights };
}

/** Weights of the limits, in sum 1, under which the cheapest way of doing everything costs most. */
function soonest(demands: Float64Array, owner: readonly number[], from: Float64Array | undefined) {
  const count = owner.length;
  const weights = from === undefined ? new Float64Array(count).fill(1 / count) : Float64Array.from(from);
  let best = { bound: 0, weights: Float64Array.from(weights) };
  const used = new Float64Array(count);
  const turns = from === undefined ? rounds.cold : rounds.warm;
  for (let round = 0; round < turns; round++) {
    used.fill(0);
    let bound = 0;
    for (let base = 0; base < demands.length; base += count) {
      let least = Number.POSITIVE_INFINITY;
      let cheapest = -1;
      let index = 0;
      while (index < count) {
        const first = index;
        const mine = owner[index] as number;
        let cost = 0;
        for (; index < count && owner[index] === mine; index++) {
          const demand = demands[base + index] as number;
          cost += demand < 0 ? Number.POSITIVE_INFINITY : demand * (weights[index] as number);
        }
        if (cost < least) [least, cheapest] = [cost, first];
      }
      if (cheapest < 0) continue;
      bound += least;
      for (let each = cheapest; each < count && owner[each] === owner[cheapest]; each++)
        used[each] = (used[each] as number) + (demands[base + each] as number);
    }
    if (bound > best.bound) best = { bound, weights: Float64Array.from(weights) };
    let most = 1e-9;
    for (let each = 0; each < count; each++) most = Math.max(most, used[each] as number);
    const step = (from === undefined ? 0.7 : 0.2) / Math.sqrt(round + 1);
    let sum = 0;
    for (let each = 0; each < count; each++) {
      weights[each] = (weights[each] as number) * Math.exp((step * (used[each] as number)) / most);
      sum += weights[each] as number;
    }
    for (let each = 0; each < count; each++) weights[each] = Math.max(1e-6, (weights[each] as number) / sum);
  }
  return best;
}
