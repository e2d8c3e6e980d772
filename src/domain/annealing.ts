/**
 * Dispatch as a batch: which of the first that wait begin where is one binary quadratic problem (QUBO), solved by simulated
 * annealing. A variant of `dispatch` with its signature and its laws; what it costs and gains stands in bench/README.
 *
 * x(job, route) is 1 where the job begins there. The energy is the sum of
 * - x times what it costs there beyond what it would cost elsewhere, by the worths of providers;
 * - a penalty for each pair of routes of one job;
 * - for each limit, with h the part of what it lets in until the horizon that is left: -pull h + push h^2, which stands for
 *   "h >= 0" without slack variables (unbalanced penalties: Montanez-Barrera et al., 2022).
 *
 * The solver only proposes: what begins is what every tank lets begin, reserved one after the other.
 */
import { present } from "../kit/assert.ts";
import type { Random } from "../kit/random.ts";
import {
  type Dispatching,
  type dispatch,
  type Held,
  lookAhead,
  type Outlook,
  passedMax,
  type Start,
} from "./dispatch.ts";
import type { Job, Route } from "./job.ts";
import { costOf } from "./meter.ts";
import type { Refinery } from "./refinery.ts";
import { type Call, levelShare, mayBegin, readyAt, reserved, type Tank, tankAt } from "./tank.ts";

/** Jobs in one problem. */
const jobsMax = 48;
/** What comes back until then may be planned with, ms. */
const horizonMs = 1_000;
/** Each variable is looked at so often in one problem, from hot to cold. */
const sweeps = 24;
const heat = { from: 1, to: 0.02 };
/** What a job would cost elsewhere counts so much more: a place that is free is used though another suits a little better. */
const patience = 1.3;
const twice = 4;
const pull = 0.5;
const push = 2;
/** Longer than this nobody is waited for, whoever was passed by. */
const duePatienceMs = 60_000;

/** `dispatch` with a solver behind it. `random`: the same chance gives the same decisions. */
export function annealing(random: Random): typeof dispatch {
  return (waiting, routes, refinery, outlook) => {
    const table = tableOf(waiting.slice(0, lookAhead), routes, refinery, outlook);
    beginDue(table, outlook.held);
    while (table.left.size > 0 && (beginProposed(table, proposed(table, random)) || beginFree(table)));
    return decided(table);
  };
}

/** One decision while it is made. */
interface Table {
  readonly now: number;
  readonly leaseMs: number;
  readonly routes: readonly Route[];
  readonly left: Set<Job>;
  readonly tanks: Map<string, Tank>;
  readonly before: Refinery;
  readonly worths: Outlook["worths"];
  readonly starts: Start[];
  /** Routes that wait for somebody who was passed by too often. */
  readonly kept: Map<Route, Held>;
}

function tableOf(
  waiting: readonly Job[],
  routes: readonly Route[],
  before: Refinery,
  outlook: Outlook,
): Table {
  const { now, leaseMs, worths } = outlook;
  const tanks = new Map<string, Tank>();
  for (const { tanks: names } of routes)
    for (const name of names)
      if (!tanks.has(name)) tanks.set(name, tankAt(present(before.get(name), "the tank is known"), now));
  return { now, leaseMs, routes, left: new Set(waiting), tanks, before, worths, starts: [], kept: new Map() };
}

function tankOf({ tanks }: Table, name: string): Tank {
  return present(tanks.get(name), "the tank is known");
}

function callOf(job: Job, { provider, perMs }: Route): Call | undefined {
  const draft = job.drafts.get(provider);
  return draft && { draft, perMs, floor: job.floors.get(provider) ?? 0 };
}

/** Whether it began. */
function begin(table: Table, job: Job, route: Route): boolean {
  const { now, leaseMs } = table;
  const call = callOf(job, route);
  if (call === undefined || !table.left.has(job)) return false;
  if (!route.tanks.every((name) => mayBegin(tankOf(table, name), call, now))) return false;
  for (const name of route.tanks)
    table.tanks.set(name, reserved(tankOf(table, name), job.id, call, { now, leaseMs }));
  table.left.delete(job);
  table.starts.push({ job, route });
  return true;
}

/** When it could begin there; undefined: the provider may not do it. */
function readyWith(table: Table, job: Job, route: Route): number | undefined {
  const call = callOf(job, route);
  if (call === undefined) return undefined;
  let at = table.now;
  for (const name of route.tanks) at = Math.max(at, readyAt(tankOf(table, name), call, table.now).at);
  if (at < Number.POSITIVE_INFINITY) return at;
  // What is out and never comes back comes back by itself.
  for (const name of route.tanks)
    for (const { until } of tankOf(table, name).leases) at = Math.min(at, until);
  return at;
}

/** Those who were waited for until now; and who was passed by too often begins, or is waited for where it is cheapest. */
function beginDue(table: Table, held: Outlook["held"]): void {
  for (const route of table.routes) {
    const before = held.get(route.provider);
    if (before?.job !== undefined && before.until <= table.now) begin(table, before.job, route);
  }
  for (const job of [...table.left]) {
    if (job.passedBy < passedMax) continue;
    const costs = table.routes.map((route) => costWith(table, job, route));
    const route = table.routes[costs.indexOf(Math.min(...costs))];
    const until = route && readyWith(table, job, route);
    if (route === undefined || until === undefined || table.kept.has(route) || begin(table, job, route))
      continue;
    if (until <= table.now + duePatienceMs) table.kept.set(route, { until, job, tanks: [] });
  }
}

function beginProposed(table: Table, pairs: readonly Start[]): boolean {
  return pairs.filter(({ job, route }) => begin(table, job, route)).length > 0;
}

/** A place is not left free for what the solver would rather have there. */
function beginFree(table: Table): boolean {
  return table.routes.some((route) => {
    const next = table.kept.has(route) ? undefined : soonest(table, route);
    return next?.job !== undefined && next.until <= table.now && begin(table, next.job, route);
  });
}

/** A limit of a route, in one problem. */
interface Limit {
  /** Of what it lets in until the horizon, the part that a job takes. */
  partOf(job: Job): number;
  /** Part that is left by what the solver has chosen. */
  left: number;
}

interface Bit {
  readonly job: number;
  readonly route: Route;
  readonly linear: number;
  readonly limits: readonly { readonly limit: Limit; readonly part: number }[];
  isOn: boolean;
}

/** What the solver would begin; of what it chose for later nothing. */
function proposed(table: Table, random: Random): readonly Start[] {
  const free = table.routes.filter((route) => !table.kept.has(route));
  const jobs: Job[] = [];
  for (const job of table.left) if (jobs.push(job) === jobsMax) break;
  const bits = bitsOf(table, jobs, free);
  solve(bits, jobs.length, random);
  return bits.flatMap(({ isOn, job, route }) =>
    isOn ? { job: present(jobs[job], "a bit is of a job"), route } : [],
  );
}

function bitsOf(table: Table, jobs: readonly Job[], routes: readonly Route[]): readonly Bit[] {
  const costs = jobs.map((job) => table.routes.map((route) => costWith(table, job, route)));
  const least = costs.map((row) => Math.min(...row)).filter(Number.isFinite);
  const scale = least.reduce((sum, each) => sum + each, 0) / Math.max(1, least.length) || 1;
  return routes.flatMap((route) => {
    const at = table.routes.indexOf(route);
    const limits = limitsOf(table, route);
    return jobs.flatMap((job, index): readonly Bit[] => {
      const row = costs[index] as readonly number[];
      const here = row[at] as number;
      if (here === Number.POSITIVE_INFINITY) return [];
      const until = readyWith(table, job, route);
      if (until === undefined || until > table.now + horizonMs) return [];
      const elsewhere = row.reduce(
        (best, each, other) => (other === at ? best : Math.min(best, each)),
        3 * here,
      );
      const linear = Math.max(-3, Math.min(3, (here - patience * elsewhere) / scale));
      const parts = limits.map((limit) => ({ limit, part: limit.partOf(job) }));
      return [{ job: index, route, linear, limits: parts, isOn: false }];
    });
  });
}

/** Metropolis, cooling down by the same factor each time all bits were looked at. */
function solve(bits: readonly Bit[], jobs: number, random: Random): void {
  const chosen = new Int32Array(jobs);
  const factor = (heat.to / heat.from) ** (1 / (sweeps - 1));
  let heatNow = heat.from;
  for (let sweep = 0; sweep < sweeps; sweep++, heatNow *= factor)
    for (const bit of bits) {
      const sign = bit.isOn ? -1 : 1;
      const others = (chosen[bit.job] as number) - (bit.isOn ? 1 : 0);
      let change = sign * (bit.linear + twice * others);
      for (const { limit, part } of bit.limits) {
        const after = limit.left - sign * part;
        change += energyOf(after) - energyOf(limit.left);
      }
      if (change > 0 && random() >= Math.exp(-change / heatNow)) continue;
      bit.isOn = !bit.isOn;
      chosen[bit.job] = (chosen[bit.job] as number) + sign;
      for (const { limit, part } of bit.limits) limit.left -= sign * part;
    }
}

function energyOf(left: number): number {
  return left * (push * left - pull);
}

/** More than all that it lets in nobody takes: who is larger goes when it is full. */
const partMax = 1;

function limitsOf(table: Table, route: Route): readonly Limit[] {
  return route.tanks.flatMap((name) => {
    const { meters, slots, leases } = tankOf(table, name);
    const found = meters.flatMap((meter): readonly Limit[] => {
      if (meter.kind === "window") return [];
      const refill = (meter.perMinute / 60_000) * horizonMs;
      const room = Math.max(1, levelShare(meter, table.now) * meter.burst + refill);
      const amount = (job: Job) => amountOf(meter, job, route);
      return [{ left: 1, partOf: (job) => Math.min(partMax, amount(job) / room) }];
    });
    const free = Math.max(1, slots.limit - leases.length);
    return slots.limit > 1_000 ? found : [...found, { left: 1, partOf: () => 1 / free }];
  });
}

type Meter = Exclude<Tank["meters"][number], { readonly kind: "window" }>;

function amountOf(meter: Meter, job: Job, { provider }: Route): number {
  const draft = present(job.drafts.get(provider), "the provider may do it");
  return meter.kind === "stream" ? job.outputLikely : costOf(meter.measure, draft);
}

/** What is left of a price where a limit is not felt at all, and of a cost where the beginning is in a cache. */
const leastStrain = 0.05;
const warmFactor = 0.5;

/** What a job takes of a provider's time, by what that is worth; limits count as they are felt. Infinity: it may not. */
function costWith(table: Table, job: Job, route: Route): number {
  if (!job.drafts.has(route.provider)) return Number.POSITIVE_INFINITY;
  let cost = 0;
  let strains = 0;
  for (const name of route.tanks) {
    const { meters, slots, leases } = tankOf(table, name);
    for (const meter of meters) {
      if (meter.kind === "window") continue;
      const strain = leastStrain + 1 - levelShare(meter, table.now);
      strains += strain;
      cost += (strain * amountOf(meter, job, route) * 60_000) / meter.perMinute;
    }
    if (slots.limit > 1_000) continue;
    const strain = leastStrain + Math.min(1, leases.length / slots.limit);
    strains += strain;
    cost += (strain * job.outputLikely) / route.perMs / slots.limit;
  }
  const worth = table.worths.byProvider.get(route.provider) ?? 1;
  const whole = strains === 0 ? 0 : (worth * cost) / strains;
  return job.warm === route.provider ? whole * warmFactor : whole;
}

/** What began; and when to look again: as soon as somebody of the first could begin. */
function decided(table: Table): Dispatching {
  const { starts, before, tanks, kept, routes, now } = table;
  const refinery = starts.length === 0 ? before : new Map([...before, ...tanks]);
  const held = new Map<string, Held>();
  let wakeAt = Number.POSITIVE_INFINITY;
  for (const route of routes) {
    const next = kept.get(route) ?? soonest(table, route);
    if (next === undefined) continue;
    wakeAt = Math.min(wakeAt, next.until);
    held.set(route.provider, next);
  }
  return {
    starts,
    refinery,
    wakeAt: wakeAt === Number.POSITIVE_INFINITY ? undefined : Math.max(wakeAt, now),
    held,
  };
}

function soonest(table: Table, route: Route): Held | undefined {
  let best: Held | undefined;
  let count = 0;
  for (const job of table.left) {
    if (count++ === jobsMax) break;
    const until = readyWith(table, job, route);
    if (until !== undefined && (best === undefined || until < best.until)) best = { until, job, tanks: [] };
  }
  return best;
}
