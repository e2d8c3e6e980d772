/**
 * Which waiting call goes to which provider, now or later. Pure: the same values give the same decision.
 *
 * 1. Nothing begins before every tank it draws from lets it; what begins is reserved in the same decision.
 * 2. Of the first that wait, in the order of rank, a free provider takes what suits it best beside the others: long
 *    inputs go where input is plenty. Who is passed by is passed by at most `passedMax` times.
 * 3. Waiting is one moment: the earliest at which anything could begin.
 */
import { present } from "../kit/assert.ts";
import { costOf, type Draft, type LeaseId, type Measure } from "./meter.ts";
import { allMayBegin, allReadyAt, draw, type Refinery } from "./refinery.ts";
import { type Call, levelShare, type Tank } from "./tank.ts";

/** One way to a model: a provider and the tanks its calls draw from. */
export interface Route {
  readonly provider: string;
  readonly tanks: readonly string[];
  /** Output tokens a ms that it writes. */
  readonly perMs: number;
}

/** A call that waits. */
export interface Job {
  readonly id: LeaseId;
  /** What is reserved for it with each provider that may do it. */
  readonly drafts: ReadonlyMap<string, Draft>;
  /** Output tokens as they usually are, for weighing providers; what is reserved is more. */
  readonly outputLikely: number;
  /** Share of every window that it leaves untouched, by provider; absent: 0. */
  readonly floors: ReadonlyMap<string, number>;
  /** The provider whose cache holds its prefix; undefined: none. */
  readonly warm: string | undefined;
  /** How often others behind it began before it. */
  readonly passedBy: number;
}

export interface Start {
  readonly job: Job;
  readonly route: Route;
}

export interface Dispatching {
  readonly starts: readonly Start[];
  readonly refinery: Refinery;
  /** When to look again without being told of anything; undefined: only something that comes back helps. */
  readonly wakeAt: number | undefined;
}

/** Jobs looked at for one decision. */
export const lookAhead = 96;
/** Who was passed by so often goes before all others. */
export const passedMax = 50;
/** Of those that suit a provider best, so many are tried before it is left alone for now. */
const triesMax = 4;
/** What a warm cache leaves of a call's cost. */
const warmFactor = 0.5;

/**
 * Decides for `waiting`, which is in the order of rank; only its first `lookAhead` are seen. `leaseMs`: how long a call
 * may be out. `worths`: see `worthsOf`; empty is fine where little waits.
 */
export function dispatch(
  waiting: readonly Job[],
  routes: readonly Route[],
  refinery: Refinery,
  { now, leaseMs, worths }: { readonly now: number; readonly leaseMs: number; readonly worths: Worths },
): Dispatching {
  const prices = routes.map((route) => pricesOf(route, refinery, worths, now));
  const costs = new Map<Job, Costs>();
  for (const job of waiting.slice(0, lookAhead)) costs.set(job, costsOf(job, routes, prices));
  let current = refinery;
  const starts: Start[] = [];
  let wakeAt = Number.POSITIVE_INFINITY;
  let free = routes;
  while (costs.size > 0 && free.length > 0) {
    const still: Route[] = [];
    for (const route of free) {
      const suited = bestSuited(costs, route.provider);
      // Who was passed by often enough is waited for.
      const patient = suited.findIndex(({ passedBy }) => passedBy >= passedMax);
      const job = suited
        .slice(0, patient < 0 ? triesMax : patient + 1)
        .find((each) => allMayBegin(current, route.tanks, callOf(each, route), now));
      if (job === undefined) {
        const [first] = suited;
        if (first !== undefined)
          wakeAt = Math.min(wakeAt, allReadyAt(current, route.tanks, callOf(first, route), now).at);
        continue;
      }
      current = draw(current, route.tanks, { id: job.id, call: callOf(job, route), leaseMs }, now);
      starts.push({ job, route });
      costs.delete(job);
      still.push(route);
    }
    free = still;
  }
  return { starts, refinery: current, wakeAt: wakeAt === Number.POSITIVE_INFINITY ? undefined : wakeAt };
}

function callOf(job: Job, { provider, perMs }: Route): Call {
  const draft = present(job.drafts.get(provider), "a job has a draft for each provider that may do it");
  return { draft, perMs, floor: job.floors.get(provider) ?? 0 };
}

type Costs = ReadonlyMap<string, number>;

/** Those that cost least here beside what they would cost elsewhere, best first; of equals who waits longest. */
function bestSuited(left: ReadonlyMap<Job, Costs>, provider: string): readonly Job[] {
  const best: { readonly job: Job; readonly fit: number }[] = [];
  for (const [job, costs] of left) {
    const fit = fitOf(job, costs, provider);
    if (fit === undefined) continue;
    const worst = best.at(-1);
    if (best.length === triesMax && worst !== undefined && worst.fit <= fit) continue;
    const at = best.findIndex((each) => each.fit > fit);
    best.splice(at < 0 ? best.length : at, 0, { job, fit });
    if (best.length > triesMax) best.pop();
  }
  return best.map(({ job }) => job);
}

/** Below 1 it belongs here; 0 where nobody else may do it or it was passed by often; undefined where this provider may not. */
function fitOf({ passedBy }: Job, costs: Costs, provider: string): number | undefined {
  const here = costs.get(provider);
  if (here === undefined) return undefined;
  let elsewhere = Number.POSITIVE_INFINITY;
  for (const [other, cost] of costs) if (other !== provider && cost < elsewhere) elsewhere = cost;
  return elsewhere === Number.POSITIVE_INFINITY || passedBy >= passedMax ? 0 : here / elsewhere;
}

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

function limitsOf({ meters, slots, leases }: Tank, now: number): readonly Limit[] {
  const limits = meters.flatMap((meter): readonly Limit[] => {
    if (meter.kind === "window") return [];
    const amount = meter.kind === "stream" ? "output" : meter.measure;
    return [{ amount, perMs: meter.perMinute / 60_000, strain: 1 - levelShare(meter, now) }];
  });
  if (slots.limit >= slotsMax) return limits;
  const strain = Math.min(1, leases.length / slots.limit);
  return [...limits, { amount: "slot-ms", perMs: slots.limit, strain }];
}

function tanksOf(route: Route, refinery: Refinery): readonly Tank[] {
  return route.tanks.map((name) => present(refinery.get(name), `tank ${name} is known`));
}

interface Price {
  readonly amount: Amount;
  readonly price: number;
}

/** What is left of a price where a limit is not felt at all. */
const leastStrain = 0.05;

/** What a unit of each limit costs: the provider's worth, shared among its limits as they are felt, so that the one that binds is dear. */
function pricesOf(route: Route, refinery: Refinery, worths: Worths, now: number): readonly Price[] {
  const limits = tanksOf(route, refinery).flatMap((tank) => limitsOf(tank, now));
  const sum = limits.reduce((total, { strain }) => total + leastStrain + strain, 0);
  const worth = worths.get(route.provider) ?? 1;
  return limits.map(({ amount, perMs, strain }) => ({
    amount,
    price: (worth * (leastStrain + strain)) / sum / perMs,
  }));
}

function costsOf(job: Job, routes: readonly Route[], prices: readonly (readonly Price[])[]): Costs {
  const costs = new Map<string, number>();
  for (const [index, { provider, perMs }] of routes.entries()) {
    const draft = job.drafts.get(provider);
    if (draft === undefined) continue;
    let cost = 0;
    for (const { amount, price } of prices[index] ?? []) cost += amountOf(amount, job, draft, perMs) * price;
    costs.set(provider, job.warm === provider ? cost * warmFactor : cost);
  }
  return costs;
}

function amountOf(amount: Amount, { outputLikely }: Job, draft: Draft, perMs: number): number {
  if (amount === "slot-ms") return outputLikely / perMs;
  return amount === "output" ? outputLikely : costOf(amount, draft);
}

/** What each provider's time is worth beside the others', by name. */
export type Worths = ReadonlyMap<string, number>;

export const noWorths: Worths = new Map();

/** Rounds of finding worths, and jobs that stand for all: a few ms of work, good for many decisions. */
const rounds = 300;
const sampleMax = 160;

/**
 * Worths under which jobs, each done where it is cheapest, use all limits alike: multiplicative updates of the dual of
 * "finish all of these soonest" (reference on rate limits, section 6). Worth finding anew when the mix of what waits changes.
 */
export function worthsOf(waiting: readonly Job[], routes: readonly Route[], refinery: Refinery): Worths {
  const limits = routes.flatMap((route, index) =>
    tanksOf(route, refinery).flatMap((tank) => limitsOf(tank, tank.at).map((limit) => ({ ...limit, index }))),
  );
  // ms of each limit that each job would take of each provider.
  const demands = waiting.slice(0, sampleMax).map((job) =>
    routes.flatMap(({ provider, perMs }, index) => {
      const draft = job.drafts.get(provider);
      if (draft === undefined) return [];
      return [
        limits.map((limit) =>
          limit.index === index ? amountOf(limit.amount, job, draft, perMs) / limit.perMs : 0,
        ),
      ];
    }),
  );
  const best = soonest(demands, limits.length);
  return new Map(
    routes.map(({ provider }, index) => [
      provider,
      limits.reduce((sum, limit, at) => sum + (limit.index === index ? (best[at] ?? 0) : 0), 0),
    ]),
  );
}

/** Weights of the limits, in sum 1, under which the cheapest way of doing everything costs most. */
function soonest(demands: readonly (readonly (readonly number[])[])[], count: number): readonly number[] {
  let weights = Array.from({ length: count }, () => 1 / count);
  let best = { bound: 0, weights };
  for (let round = 0; round < rounds; round++) {
    const used = weights.map(() => 0);
    let bound = 0;
    for (const demand of demands) {
      const [cheapest, least] = cheapestOf(demand, weights);
      if (cheapest === undefined) continue;
      bound += least;
      for (let at = 0; at < count; at++) used[at] = (used[at] ?? 0) + (cheapest[at] ?? 0);
    }
    if (bound > best.bound) best = { bound, weights };
    const most = Math.max(...used, 1e-9);
    const step = 0.7 / Math.sqrt(round + 1);
    const next = weights.map((each, at) => each * Math.exp((step * (used[at] ?? 0)) / most));
    const sum = next.reduce((left, right) => left + right, 0);
    weights = next.map((each) => each / sum);
  }
  return best.weights;
}

function cheapestOf(
  demand: readonly (readonly number[])[],
  weights: readonly number[],
): readonly [readonly number[] | undefined, number] {
  let cheapest: readonly number[] | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const each of demand) {
    let cost = 0;
    for (let at = 0; at < each.length; at++) cost += (each[at] ?? 0) * (weights[at] ?? 0);
    if (cost < least) [least, cheapest] = [cost, each];
  }
  return [cheapest, least];
}
