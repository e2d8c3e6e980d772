/**
 * The calls that wait, and the tanks they draw from, in the one process that asks models.
 *
 * 1. Every change of the refinery happens here, between two awaits: nobody sees half of a reservation.
 * 2. Who enters leaves: with a place, which `leave` gives back; with a moment to come back at; or with `signal.reason`.
 * 3. One timer, at the earliest moment at which anything could begin; else it is woken by what enters or leaves.
 */
import {
  dispatch,
  type Job,
  lookAhead,
  noWorths,
  type Route,
  type Worths,
  worthsOf,
} from "../domain/dispatch.ts";
import type { Draft, LeaseId } from "../domain/meter.ts";
import {
  allMayBegin,
  allReadyAt,
  changed,
  giveBack,
  type Refinery,
  refineryAt,
  refineryOf,
  type ScopedClosure,
} from "../domain/refinery.ts";
import { type Ending, opened, type Readiness, type Reading, type Tank } from "../domain/tank.ts";
import { assert, present } from "../kit/assert.ts";
import type { Clock } from "../kit/clock.ts";

/** A call that wants a place. `rank`: the smaller goes first. */
export interface Ticket extends Omit<Job, "passedBy"> {
  readonly rank: number;
}

export type Place =
  | { readonly kind: "place"; readonly provider: string }
  /** Not before `until` can it begin with anybody; ms since the epoch. */
  | { readonly kind: "later"; readonly until: number; readonly why: string };

export interface Departure {
  readonly ending: Ending;
  readonly readings: readonly Reading[];
  readonly closure: ScopedClosure | undefined;
}

interface Waiting {
  job: Job;
  isNew: boolean;
  readonly rank: number;
  readonly place: PromiseWithResolvers<Place>;
}

export interface DispatcherTools {
  readonly clock: Clock;
  /** How long a call may be out before its lease runs out by itself, ms. */
  readonly leaseMs: number;
  /** Waits beyond this are handed back, so that whoever waits can do something else, ms. */
  readonly patienceMs: number;
}

/** A wait for something that comes back has no end that is known; it is looked at again after this. */
const unknownWaitMs = 60_000;
/** So many begin between two findings of what providers are worth. */
const startsPerWorths = 64;

export class Dispatcher {
  readonly #tools: DispatcherTools;
  readonly #routes = new Map<string, Route>();
  readonly #out = new Map<LeaseId, Route>();
  #refinery: Refinery = refineryOf([]);
  /** In the order of rank. */
  #waiting: Waiting[] = [];
  #worths: Worths = noWorths;
  #sinceWorths = startsPerWorths;
  #timer: AbortController | undefined;

  constructor(tools: DispatcherTools) {
    this.#tools = tools;
  }

  /** Makes a provider known, with tanks that are not known yet; what is out and waiting stays. */
  offer(route: Route, tanks: readonly Tank[]): void {
    const fresh = tanks.filter(({ name }) => !this.#refinery.has(name));
    if (fresh.length > 0) this.#refinery = new Map([...this.#refinery, ...refineryOf(fresh)]);
    this.#routes.set(route.provider, route);
  }

  /** A place with one of the ticket's providers, or when to come back. Rejects with `signal.reason` when aborted. */
  async enter(ticket: Ticket, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    assert(!this.#out.has(ticket.id), "a call enters once");
    const { rank, ...rest } = ticket;
    const waiting: Waiting = {
      job: { ...rest, passedBy: 0 },
      isNew: true,
      rank,
      place: Promise.withResolvers(),
    };
    const at = this.#waiting.findIndex((each) => each.rank > rank);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, waiting);
    const stop = () => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
      waiting.place.reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    this.#pump();
    try {
      return await waiting.place.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Gives the place back, with what the call took and what its reply said. A second time changes nothing. */
  leave(id: LeaseId, departure: Departure): void {
    const route = this.#out.get(id);
    if (route === undefined) return;
    this.#out.delete(id);
    const end = { id, ...departure };
    this.#refinery = giveBack(this.#refinery, route.tanks, end, this.#tools.clock.now());
    this.#pump();
  }

  /** The tanks as they stand now, to look at. */
  tanks(): Refinery {
    return refineryAt(this.#refinery, this.#tools.clock.now());
  }

  /** Opens tanks that were closed; what waits looks again. */
  reopen(names: readonly string[]): void {
    this.#refinery = changed(this.#refinery, names, opened);
    this.#pump();
  }

  /** Whether such a call could begin with this provider this very moment. */
  isFree(provider: string, draft: Draft, floor: number): boolean {
    const route = this.#routes.get(provider);
    if (route === undefined) return false;
    const call = { draft, perMs: route.perMs, floor };
    return allMayBegin(this.#refinery, route.tanks, call, this.#tools.clock.now());
  }

  /** When such a call could begin with this provider, as if nobody waited, and what it waits for. */
  readiness(provider: string, draft: Draft, floor: number): Readiness {
    const route = present(this.#routes.get(provider), "the provider is known");
    const call = { draft, perMs: route.perMs, floor };
    return allReadyAt(this.#refinery, route.tanks, call, this.#tools.clock.now());
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#waiting.length;
  }

  #pump(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    const { clock, leaseMs } = this.#tools;
    const now = clock.now();
    const routes = [...this.#routes.values()];
    const jobs = this.#waiting.map(({ job }) => job);
    if (routes.length > 1 && jobs.length > routes.length && this.#sinceWorths >= startsPerWorths) {
      this.#worths = worthsOf(jobs, routes, this.#refinery);
      this.#sinceWorths = 0;
    }
    const { starts, refinery, wakeAt } = dispatch(jobs, routes, this.#refinery, {
      ...{ now, leaseMs, worths: this.#worths },
    });
    this.#refinery = refinery;
    this.#sinceWorths += starts.length;
    const begun = new Map(starts.map(({ job, route }) => [job, route]));
    let behind = starts.length;
    this.#waiting = this.#waiting.filter((waiting) => {
      const route = begun.get(waiting.job);
      if (route === undefined) {
        if (behind > 0) waiting.job = { ...waiting.job, passedBy: waiting.job.passedBy + behind };
        return true;
      }
      behind -= 1;
      this.#out.set(waiting.job.id, route);
      waiting.place.resolve({ kind: "place", provider: route.provider });
      return false;
    });
    this.#sendAway(now);
    if (this.#waiting.length > 0 && wakeAt !== undefined) this.#wakeAt(wakeAt, now);
  }

  /** Hands back those that cannot begin for long. */
  #sendAway(now: number): void {
    const { patienceMs } = this.#tools;
    this.#waiting = this.#waiting.filter((waiting, index) => {
      // Those far behind are looked at when they enter and when their turn comes near.
      if (index >= lookAhead && !waiting.isNew) return true;
      waiting.isNew = false;
      const { at, waitsFor } = this.#earliest(waiting.job, now);
      if (at <= now + patienceMs) return true;
      if (at === Number.POSITIVE_INFINITY && this.#out.size > 0) return true;
      const until = at === Number.POSITIVE_INFINITY ? now + unknownWaitMs : at;
      waiting.place.resolve({ kind: "later", until, why: waitsFor ?? "no provider may do it" });
      return false;
    });
  }

  /** Over all providers that may do it, as if nobody else waited. */
  #earliest(job: Job, now: number): { readonly at: number; readonly waitsFor: string | undefined } {
    let best: { readonly at: number; readonly waitsFor: string | undefined } = {
      at: Number.POSITIVE_INFINITY,
      waitsFor: undefined,
    };
    for (const [provider, draft] of job.drafts) {
      const route = this.#routes.get(provider);
      if (route === undefined) continue;
      const call = { draft, perMs: route.perMs, floor: job.floors.get(provider) ?? 0 };
      const { at, waitsFor } = allReadyAt(this.#refinery, route.tanks, call, now);
      const why = waitsFor === undefined ? undefined : `${provider}: ${waitsFor}`;
      if (best.waitsFor === undefined || at < best.at) best = { at, waitsFor: why };
    }
    return best;
  }

  #wakeAt(at: number, now: number): void {
    const timer = new AbortController();
    this.#timer = timer;
    this.#tools.clock.sleep(Math.max(0, at - now), timer.signal).then(
      () => this.#pump(),
      () => undefined,
    );
  }

  /** Where a call that is out runs. */
  routeOf(id: LeaseId): Route {
    return present(this.#out.get(id), "the call is out");
  }
}
