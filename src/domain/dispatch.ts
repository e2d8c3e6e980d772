/**
 * Which waiting call goes to which provider, now or later. Pure: the same values give the same decision.
 *
 * 1. Nothing begins before every tank it draws from lets it; what begins is reserved in the same decision.
 * 2. Of the first that wait, in the order of rank, a free provider takes what suits it best beside the others: long
 *    inputs go where input is plenty. A step of priority counts as suiting it twice as well. Who is passed by is passed by at
 *    most `passedMax` times.
 * 3. Waiting is one moment: the earliest at which anything could begin.
 */
import { present } from "../kit/assert.ts";
import type { Job, Route } from "./job.ts";
import type { Refinery } from "./refinery.ts";
import { type Call, isFull, mayBegin, readyAt, reserved, type Tank, tankAt } from "./tank.ts";
import { priceOf, pricesOf, type Worths } from "./worths.ts";

export interface Start {
  readonly job: Job;
  readonly route: Route;
}

export interface Dispatching {
  readonly starts: readonly Start[];
  readonly refinery: Refinery;
  /** When to look again without being told of anything; undefined: only something that comes back helps. */
  readonly wakeAt: number | undefined;
  /** For the next decision. */
  readonly held: ReadonlyMap<string, Held>;
}

/** A route that waits for what suits it best: while that waits too and its tanks stay as they are, it is left alone before `until`. */
export interface Held {
  readonly until: number;
  /** Undefined: nobody suits it now. */
  readonly job: Job | undefined;
  readonly tanks: readonly Tank[];
}

export interface Outlook {
  readonly now: number;
  /** How long a call may be out, ms. */
  readonly leaseMs: number;
  /** See `worthsOf`; `noWorths` is fine where little waits. */
  readonly worths: Worths;
  /** How many wait in all. */
  readonly count: number;
  /** Of the decision before; `noneHeld` is always right. */
  readonly held: ReadonlyMap<string, Held>;
  /** Whether anybody came into view since. */
  readonly isViewNew: boolean;
}

export const noneHeld: ReadonlyMap<string, Held> = new Map();

/** Jobs looked at for one decision. */
export const lookAhead = 96;
/** While so few are left, all are looked at: of the last ones it matters most who goes where. */
export const lookAheadLast = 200;
/** Who was passed by so often is waited for by the provider that suits it best. */
export const passedMax = 400;
/** Of those that suit a provider best, so many are tried before it is left alone for now. */
const triesMax = 4;
/** Longer than this nobody is waited for, whoever was passed by. */
const duePatienceMs = 60_000;
/** A call a step of priority ahead suits a provider so many times as well. */
const stepWorth = 2;
/** What a warm cache leaves of a call's cost. */
const warmFactor = 0.5;

/** Decides for `waiting`, which is in the order of rank; only its first `lookAheadLast` are seen. */
export function dispatch(
  waiting: readonly Job[],
  routes: readonly Route[],
  refinery: Refinery,
  { now, leaseMs, worths, count, held, isViewNew }: Outlook,
): Dispatching {
  const desk = deskOf(refinery, now);
  const still = new Map<string, Held>();
  const awake = routes.filter((route) => {
    const next = stillHeld(held.get(route.provider), route, waiting, { refinery, desk, isViewNew });
    if (next !== undefined) still.set(route.provider, next);
    return next === undefined;
  });
  const starts: Start[] = [];
  if (awake.length > 0 && waiting.length > 0) {
    const board = boardOf(waiting.slice(0, lookAheadLast), routes, desk, { worths, count });
    let free = awake;
    while (free.length > 0 && board.left > 0) {
      const next: Route[] = [];
      for (const route of free) {
        const found = foundFor(board, routes.indexOf(route), desk);
        if (found.kind === "later") {
          still.set(route.provider, { until: found.at, job: found.job, tanks: [] });
          continue;
        }
        const job = take(board, found.index);
        for (const other of routes)
          if (still.get(other.provider)?.job === job) {
            still.delete(other.provider);
            next.push(other);
          }
        const call = callOf(job, route);
        for (const name of route.tanks) desk.put(reserved(desk.tank(name), job.id, call, { now, leaseMs }));
        starts.push({ job, route });
        next.push(route);
      }
      free = next;
    }
  }
  const after = desk.refinery();
  let wakeAt = Number.POSITIVE_INFINITY;
  const holding = new Map<string, Held>();
  for (const [provider, each] of still) {
    const route = routes.find((one) => one.provider === provider) as Route;
    holding.set(provider, { ...each, tanks: route.tanks.map((name) => after.get(name) as Tank) });
    wakeAt = Math.min(wakeAt, each.until);
  }
  return {
    starts,
    refinery: after,
    wakeAt: wakeAt === Number.POSITIVE_INFINITY ? undefined : wakeAt,
    held: holding,
  };
}

/** Whoever is waited for longer than this is passed by newcomers that may begin sooner. */
const newcomerMs = 1_000;

/** What a route goes on waiting for; undefined: it chooses anew. */
function stillHeld(
  before: Held | undefined,
  route: Route,
  waiting: readonly Job[],
  {
    refinery,
    desk,
    isViewNew,
  }: { readonly refinery: Refinery; readonly desk: Desk; readonly isViewNew: boolean },
): Held | undefined {
  if (before === undefined || before.until <= desk.now) return undefined;
  const { job, tanks } = before;
  if (isViewNew) {
    if (job === undefined) return undefined;
    // Where there is no room at all, newcomers find none either.
    const isFullNow = route.tanks.some((name) => isFull(desk.tank(name)));
    if (before.until > desk.now + newcomerMs && !isFullNow) return undefined;
  }
  if (job !== undefined && !waiting.includes(job)) return undefined;
  if (route.tanks.every((name, index) => refinery.get(name) === tanks[index])) return before;
  if (job === undefined) return undefined;
  const until = readyAtIn(route, callOf(job, route), desk);
  return until <= desk.now ? undefined : { ...before, until };
}

/** The tanks of one decision, brought to its moment once; only those that changed are put back. */
interface Desk {
  readonly now: number;
  tank(name: string): Tank;
  put(tank: Tank): void;
  refinery(): Refinery;
}

function deskOf(refinery: Refinery, now: number): Desk {
  const current = new Map<string, Tank>();
  const changed: Tank[] = [];
  let isChanged = false;
  return {
    now,
    tank(name) {
      const known = current.get(name);
      if (known !== undefined) return known;
      const before = present(refinery.get(name), "the tank is known");
      const tank = tankAt(before, now);
      current.set(name, tank);
      // A clock that was set back is followed once, from there on.
      if (tank.at < before.at) {
        isChanged = true;
        changed.push(tank);
      }
      return tank;
    },
    put(tank) {
      isChanged = true;
      current.set(tank.name, tank);
      changed.push(tank);
    },
    refinery() {
      if (!isChanged) return refinery;
      const next = new Map(refinery);
      for (const tank of changed) next.set(tank.name, tank);
      return next;
    },
  };
}

function callOf(job: Job, { provider, perMs }: Route): Call {
  const draft = present(job.drafts.get(provider), "a job has a draft for each provider that may do it");
  return { draft, perMs, floor: job.floors.get(provider) ?? 0 };
}

/** Who is in view and what each would cost with each route. */
interface Board {
  readonly routes: readonly Route[];
  readonly jobs: (Job | undefined)[];
  /** By job, then route; Infinity where the provider may not. */
  readonly costs: Float64Array;
  /** Of each job, the cheapest route, its cost, and the next cheapest. */
  readonly cheapest: Int32Array;
  readonly least: Float64Array;
  readonly second: Float64Array;
  /** Of each job, so many times less than a usual one it suits, for its priority. */
  readonly delays: readonly number[];
  left: number;
  readonly worths: Worths;
  readonly count: number;
}

const never = Number.POSITIVE_INFINITY;

function boardOf(
  jobs: readonly Job[],
  routes: readonly Route[],
  desk: Desk,
  { worths, count }: Pick<Outlook, "worths" | "count">,
): Board {
  const width = routes.length;
  const costs = new Float64Array(jobs.length * width).fill(never);
  const cheapest = new Int32Array(jobs.length).fill(-1);
  const least = new Float64Array(jobs.length).fill(never);
  const second = new Float64Array(jobs.length).fill(never);
  for (let index = 0; index < width; index++) {
    const route = routes[index] as Route;
    const tanks = route.tanks.map((name) => desk.tank(name));
    const prices = pricesOf(route, tanks, desk.now, worths);
    for (let at = 0; at < jobs.length; at++) {
      const job = jobs[at] as Job;
      const draft = job.drafts.get(route.provider);
      if (draft === undefined) continue;
      const price = priceOf(prices, job, draft, route.perMs);
      const cost = job.warm === route.provider ? price * warmFactor : price;
      costs[at * width + index] = cost;
      if (cost < (least[at] as number)) {
        second[at] = least[at] as number;
        least[at] = cost;
        cheapest[at] = index;
      } else if (cost < (second[at] as number)) second[at] = cost;
    }
  }
  const delays = jobs.map(({ ahead }) => (ahead === 0 ? 1 : stepWorth ** -ahead));
  return {
    routes,
    jobs: [...jobs],
    costs,
    cheapest,
    least,
    second,
    delays,
    left: jobs.length,
    worths,
    count,
  };
}

function take(board: Board, index: number): Job {
  const job = present(board.jobs[index], "the job is in view");
  board.jobs[index] = undefined;
  board.left -= 1;
  return job;
}

type Found =
  | { readonly kind: "now"; readonly index: number }
  | { readonly kind: "later"; readonly at: number; readonly job: Job | undefined };

/** What begins with a route now; or when to look again. */
function foundFor(board: Board, index: number, desk: Desk): Found {
  const route = board.routes[index] as Route;
  let waitsUntil = Number.POSITIVE_INFINITY;
  let first: Job | undefined;
  for (const at of suitedTo(board, index)) {
    const job = board.jobs[at] as Job;
    const call = callOf(job, route);
    if (endsSoonerElsewhere(board, at, index, desk)) continue;
    if (route.tanks.every((name) => mayBegin(desk.tank(name), call, desk.now)))
      return { kind: "now", index: at };
    const isDue = job.passedBy >= passedMax && board.cheapest[at] === index;
    if (first !== undefined && !isDue) continue;
    first ??= job;
    const readyAt = readyAtIn(route, call, desk);
    waitsUntil = Math.min(waitsUntil, readyAt);
    if (isDue && readyAt <= desk.now + duePatienceMs) break;
  }
  return { kind: "later", at: waitsUntil, job: first };
}

function readyAtIn(route: Route, call: Call, desk: Desk): number {
  let at = desk.now;
  for (const name of route.tanks) at = Math.max(at, readyAt(desk.tank(name), call, desk.now).at);
  if (at < never) return at;
  // What is out and never comes back comes back by itself.
  for (const name of route.tanks) for (const { until } of desk.tank(name).leases) at = Math.min(at, until);
  return at;
}

/** Those that cost least here beside what they would cost elsewhere, best first; of equals who waits longest. */
function suitedTo(board: Board, index: number): readonly number[] {
  const { jobs, costs, cheapest, least, second, delays, routes } = board;
  const best: number[] = [];
  const fits: number[] = [];
  for (let at = 0; at < jobs.length; at++) {
    const job = jobs[at];
    if (job === undefined) continue;
    const here = costs[at * routes.length + index] as number;
    if (here === Number.POSITIVE_INFINITY) continue;
    const isCheapest = cheapest[at] === index;
    const elsewhere = isCheapest ? (second[at] as number) : (least[at] as number);
    const fit =
      elsewhere === Number.POSITIVE_INFINITY || (isCheapest && job.passedBy >= passedMax)
        ? 0
        : (here / elsewhere) * (delays[at] as number);
    let place = best.length;
    while (place > 0 && (fits[place - 1] as number) > fit) place -= 1;
    if (place >= triesMax) continue;
    best.splice(place, 0, at);
    fits.splice(place, 0, fit);
    if (best.length > triesMax) {
      best.pop();
      fits.pop();
    }
  }
  return best;
}

/**
 * Whether quicker providers would end all that waits sooner than this one ends the job: of the last calls none is given to a
 * slow provider. A provider's worth is its part of the work.
 */
function endsSoonerElsewhere(board: Board, at: number, index: number, desk: Desk): boolean {
  const { routes, costs, worths, count } = board;
  const job = board.jobs[at] as Job;
  const lasts = lastsMs(job, routes[index] as Route);
  const allMs = worths.msEach * count;
  if (allMs >= lasts) return false;
  for (let other = 0; other < routes.length; other++) {
    const route = routes[other] as Route;
    if (other === index || costs[at * routes.length + other] === never) continue;
    const there = lastsMs(job, route);
    if (there >= lasts || allMs + there >= lasts) continue;
    if (readyAtIn(route, callOf(job, route), desk) - desk.now > lasts - there) continue;
    // All that waits, done by this one and those that are quicker still.
    let part = 0;
    for (const each of routes)
      if (lastsMs(job, each) <= there) part += worths.byProvider.get(each.provider) ?? 0;
    if (part > 0 && allMs / part + there < lasts) return true;
  }
  return false;
}

/** A call that writes more than usual, as some of the last do. */
const longPart = 2;

function lastsMs({ outputLikely }: Job, { perMs }: Route): number {
  return (outputLikely * longPart) / perMs;
}
