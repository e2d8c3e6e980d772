/**
 * The calls that wait, and the tanks they draw from, in the one process that asks models.
 *
 * 1. Every change of the refinery happens here, between two awaits: nobody sees half of a reservation.
 * 2. Who enters leaves: with a place, which `leave` gives back; with a moment to come back at; or with `signal.reason`.
 * 3. One timer, at the earliest moment at which anything could begin; else it is woken by what enters or leaves.
 */
import { dispatch, type Held, lookAhead, lookAheadLast, noneHeld, type Start } from "../domain/dispatch.ts";
import { serviceOf, stepsAhead } from "../domain/fairness.ts";
import type { Floor } from "../domain/floor.ts";
import { reconfigured } from "../domain/handover.ts";
import type { Job, Route } from "../domain/job.ts";
import type { Draft, LeaseId } from "../domain/meter.ts";
import { informed, type Reading } from "../domain/reading.ts";
import {
  allMayBegin,
  allReadyAt,
  allSoonestAt,
  changed,
  giveBack,
  type Refinery,
  refineryAt,
  refineryOf,
  type ScopedClosure,
} from "../domain/refinery.ts";
import { type Ending, opened, type Readiness, type Tank } from "../domain/tank.ts";
import { noWorths, type Worths, worthsOf } from "../domain/worths.ts";
import { assert, present } from "../kit/assert.ts";
import type { Clock } from "../kit/clock.ts";
import { Line, type Stand } from "./line.ts";

/** A call that wants a place. */
export interface Ticket extends Omit<Job, "passedBy" | "ahead"> {
  /** Of one tenant the smaller goes first, ms; a step of priority is `rankStepMs`. */
  readonly rank: number;
  /** Whose call it is: all tenants are given alike. */
  readonly tenant: string;
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

/** A job and who waits for it. */
interface Waiting extends Ticket {
  readonly ahead: number;
  /** What it is expected to take. */
  readonly service: number;
  readonly enteredAt: number;
  /** Grows while it waits. */
  passedBy: number;
  /** When it was last asked whether it has to wait for long, and under which outlook. */
  askedAt: number;
  outlook: number;
  readonly place: PromiseWithResolvers<Place>;
}

/** A call that is out, and what its tenant was charged for it. */
interface Out {
  readonly route: Route;
  readonly tenant: string;
  readonly service: number;
}

export interface DispatcherTools {
  readonly clock: Clock;
  /** How long a call may be out before its lease runs out by itself, ms. */
  readonly leaseMs: number;
  /** Waits beyond this are handed back, so that whoever waits can do something else, ms. */
  readonly patienceMs: number;
}

/** Who is passed by for another tenant's call is passed by as for so many of its own: matching costs nobody its turn for long. */
const foreignPasses = 16;
/** A wait for something that comes back has no end that is known; it is looked at again after this. */
const unknownWaitMs = 60_000;
/** So many begin between two findings of what providers are worth. */
const startsPerWorths = 64;
/** Those in view are asked again whether they have to wait for long after this part of the patience, so many at once. */
const askAgainPart = 0.5;
const askedMax = 2;
/** An error would cost more than the timer it stops. */
const replaced = "replaced";

export class Dispatcher {
  readonly #tools: DispatcherTools;
  readonly #routes = new Map<string, Route>();
  readonly #decide: typeof dispatch;
  readonly #out = new Map<LeaseId, Out>();
  #refinery: Refinery = refineryOf([]);
  #seen: { readonly of: Refinery; readonly now: number; readonly tanks: Refinery } | undefined;
  readonly #line = new Line<Waiting>(lookAhead, lookAheadLast);
  readonly #stands = new Map<LeaseId, Stand<Waiting>>();
  #worths: Worths = noWorths;
  #sinceWorths = startsPerWorths;
  #held: ReadonlyMap<string, Held> = noneHeld;
  #pumpedAt = Number.NEGATIVE_INFINITY;
  /** `arrivals` of the line when `#held` was found. */
  #heldAt = 0;
  /** Grows when a provider is found to be shut for long. */
  #outlook = 0;
  #shut: ReadonlySet<string> = new Set();
  #timer: { readonly at: number; readonly stop: AbortController } | undefined;

  /** `decide`: which of those in view goes where; whatever it says, it keeps the laws of `dispatch`. */
  constructor(tools: DispatcherTools, decide: typeof dispatch = dispatch) {
    this.#tools = tools;
    this.#decide = decide;
  }

  /** Tanks that are known already, as another configuration has them; what waits looks again. */
  reconfigure(tanks: readonly Tank[]): void {
    const now = this.#tools.clock.now();
    for (const fresh of tanks)
      if (this.#refinery.has(fresh.name))
        this.#refinery = changed(this.#refinery, [fresh.name], (tank) => reconfigured(tank, fresh, now));
    this.#pump();
  }

  /** Makes a provider known, with tanks that are not known yet; what is out and waiting stays. */
  offer(route: Route, tanks: readonly Tank[]): void {
    const fresh = tanks.filter(({ name }) => !this.#refinery.has(name));
    if (fresh.length > 0) this.#refinery = new Map([...this.#refinery, ...refineryOf(fresh)]);
    if (this.#routes.get(route.provider)?.tanks.join() !== route.tanks.join()) this.#held = noneHeld;
    this.#routes.set(route.provider, route);
  }

  /** A place with one of the ticket's providers, or when to come back. Rejects with `signal.reason` when aborted. */
  async enter(ticket: Ticket, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    assert(!this.#out.has(ticket.id), "a call enters once");
    assert(!this.#stands.has(ticket.id), "a call waits once");
    const now = this.#tools.clock.now();
    const waiting: Waiting = {
      ...ticket,
      ...{ service: likelyService(ticket), enteredAt: now, ahead: stepsAhead(ticket.rank, now) },
      ...{ passedBy: 0, askedAt: Number.NEGATIVE_INFINITY, outlook: -1, place: Promise.withResolvers() },
    };
    const stand = this.#line.add(waiting, now);
    this.#stands.set(ticket.id, stand);
    const stop = () => {
      this.#goes(stand);
      waiting.place.reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    if (stand.where === "in view") this.#pump();
    else this.#ask(waiting, this.#tools.clock.now());
    try {
      return await waiting.place.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Gives the place back, with what the call took and what its reply said. A second time changes nothing. */
  leave(id: LeaseId, departure: Departure): void {
    const out = this.#out.get(id);
    if (out === undefined) return;
    this.#out.delete(id);
    this.#line.correct(out.tenant, takenBy(departure.ending, out.service) - out.service);
    const end = { id, ...departure };
    this.#refinery = giveBack(this.#refinery, out.route.tanks, end, this.#tools.clock.now());
    this.#pump();
  }

  /** The tanks as they stand now, to look at. */
  tanks(): Refinery {
    const now = this.#tools.clock.now();
    // Asked for many times at one moment.
    if (this.#seen?.of !== this.#refinery || this.#seen.now !== now)
      this.#seen = { of: this.#refinery, now, tanks: refineryAt(this.#refinery, now) };
    return this.#seen.tanks;
  }

  /** Opens tanks that were closed; what waits looks again. */
  reopen(names: readonly string[]): void {
    this.#refinery = changed(this.#refinery, names, opened);
    this.#pump();
  }

  /** What was said of limits outside of a call. */
  inform(names: readonly string[], readings: readonly Reading[]): void {
    const now = this.#tools.clock.now();
    this.#refinery = changed(this.#refinery, names, (tank) => informed(tank, readings, now, now));
    this.#pump();
  }

  /** Whether such a call could begin with this provider this very moment. */
  isFree(provider: string, draft: Draft, floor: Floor): boolean {
    const route = this.#routes.get(provider);
    if (route === undefined) return false;
    const call = { draft, perMs: route.perMs, floor };
    return allMayBegin(this.#refinery, route.tanks, call, this.#tools.clock.now());
  }

  /** When such a call could begin with this provider, as if nobody waited, and what it waits for. */
  readiness(provider: string, draft: Draft, floor: Floor): Readiness {
    const route = present(this.#routes.get(provider), "the provider is known");
    const call = { draft, perMs: route.perMs, floor };
    return allReadyAt(this.#refinery, route.tanks, call, this.#tools.clock.now());
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#line.size;
  }

  #goes(stand: Stand<Waiting>): void {
    this.#line.remove(stand);
    this.#gone(stand);
  }

  #gone({ item }: Stand<Waiting>): void {
    this.#stands.delete(item.id);
    if (this.#line.size === 0) this.#stopTimer();
  }

  #pump(): void {
    if (this.#line.size === 0) return;
    const now = this.#tools.clock.now();
    // Moments of a clock that was set back lie too far ahead.
    if (now < this.#pumpedAt) this.#held = noneHeld;
    this.#pumpedAt = now;
    let wakeAt = this.#begin(now);
    // Who took a place made room in view for somebody who was not looked at yet.
    while (this.#isIdle() && this.#line.arrivals !== this.#heldAt) wakeAt = this.#begin(now);
    this.#sendAway(now);
    if (this.#line.size > 0 && wakeAt !== undefined) this.#wakeAt(wakeAt, now);
  }

  /** Whether a provider waits for nobody of those that were in view. */
  #isIdle(): boolean {
    if (this.#line.size === 0) return false;
    for (const provider of this.#routes.keys()) if (this.#held.get(provider)?.job === undefined) return true;
    return false;
  }

  /** Gives places to those in view that can begin; when to look again. */
  #begin(now: number): number | undefined {
    const view = this.#line.view();
    const routes = [...this.#routes.values()];
    if (routes.length > 1 && view.length > routes.length && this.#sinceWorths >= startsPerWorths) {
      this.#worths = worthsOf(view, routes, this.#refinery, this.#worths);
      this.#sinceWorths = 0;
    }
    const { arrivals } = this.#line;
    const { starts, refinery, wakeAt, held } = this.#decide(view, routes, this.#refinery, {
      ...{ now, leaseMs: this.#tools.leaseMs, worths: this.#worths, count: this.#line.size },
      ...{ held: this.#held, isViewNew: arrivals !== this.#heldAt },
    });
    this.#refinery = refinery;
    this.#held = held;
    this.#heldAt = arrivals;
    this.#sinceWorths += starts.length;
    if (starts.length > 0) this.#start(view, starts, now);
    return wakeAt;
  }

  #start(view: readonly Waiting[], starts: readonly Start[], now: number): void {
    for (const { job } of starts) {
      const { item } = present(this.#stands.get(job.id), "who begins has waited");
      for (const waiting of view) {
        if (waiting === item) break;
        // Of those that one tenant asked for at the same moment any may be the last.
        if (waiting.tenant !== item.tenant) waiting.passedBy += foreignPasses;
        else if (waiting.enteredAt < item.enteredAt) waiting.passedBy += 1;
      }
    }
    for (const { job, route } of starts) {
      const stand = present(this.#stands.get(job.id), "who begins has waited");
      this.#line.begin(stand, now);
      this.#gone(stand);
      const { tenant, service } = stand.item;
      this.#out.set(job.id, { route, tenant, service });
      stand.item.place.resolve({ kind: "place", provider: route.provider });
    }
  }

  /** Hands back those in view that cannot begin for long: all when a provider was shut, else some at a time. */
  #sendAway(now: number): void {
    const { patienceMs } = this.#tools;
    const shut = new Set<string>();
    for (const [provider, { until, job }] of this.#held) {
      if (until <= now + patienceMs || job === undefined) continue;
      // Late only because of what is out: nobody is sent away for that.
      if (this.#soonestWith(provider, job, now).at > now + patienceMs) shut.add(provider);
    }
    if (!shut.isSubsetOf(this.#shut)) this.#outlook += 1;
    this.#shut = shut;
    let asked = 0;
    for (const waiting of this.#line.view()) {
      const isStale = now - waiting.askedAt >= patienceMs * askAgainPart;
      if (waiting.outlook === this.#outlook && (!isStale || asked >= askedMax)) continue;
      if (waiting.outlook === this.#outlook) asked += 1;
      this.#ask(waiting, now);
    }
  }

  #ask(waiting: Waiting, now: number): void {
    waiting.askedAt = now;
    waiting.outlook = this.#outlook;
    const { at, waitsFor } = this.#soonest(waiting, now);
    if (at <= now + this.#tools.patienceMs) return;
    const stand = present(this.#stands.get(waiting.id), "who is asked waits");
    this.#goes(stand);
    const until = at === Number.POSITIVE_INFINITY ? now + unknownWaitMs : at;
    waiting.place.resolve({ kind: "later", until, why: waitsFor ?? "no provider may do it" });
  }

  /**
   * Over all providers that may do it, as if nobody else waited and all that is out came back now: what waits for open calls
   * waits here, because nobody knows when they end.
   */
  #soonest(job: Job, now: number): { readonly at: number; readonly waitsFor: string | undefined } {
    let best: { readonly at: number; readonly waitsFor: string | undefined } | undefined;
    for (const provider of job.drafts.keys()) {
      if (!this.#routes.has(provider)) continue;
      const { at, waitsFor } = this.#soonestWith(provider, job, now);
      const why = waitsFor === undefined ? undefined : `${provider}: ${waitsFor}`;
      // One that could begin now waits for nothing: that is no reason to take the next.
      if (best === undefined || at < best.at) best = { at, waitsFor: why };
    }
    return best ?? { at: Number.POSITIVE_INFINITY, waitsFor: undefined };
  }

  #soonestWith(provider: string, job: Job, now: number): Readiness {
    const route = present(this.#routes.get(provider), "the provider is known");
    const draft = present(job.drafts.get(provider), "the provider may do it");
    const call = { draft, perMs: route.perMs, floor: job.floors.get(provider) ?? 0 };
    return allSoonestAt(this.#refinery, route.tanks, call, now);
  }

  #wakeAt(at: number, now: number): void {
    // One that rings earlier looks again and sets the next.
    if (this.#timer !== undefined && this.#timer.at <= at && this.#timer.at > now) return;
    this.#stopTimer();
    const stop = new AbortController();
    const timer = { at, stop };
    this.#timer = timer;
    this.#tools.clock.sleep(Math.max(0, Math.ceil(at - now)), stop.signal).then(
      () => {
        if (this.#timer === timer) this.#timer = undefined;
        this.#pump();
      },
      () => undefined,
    );
  }

  #stopTimer(): void {
    this.#timer?.stop.abort(replaced);
    this.#timer = undefined;
  }

  /** Where a call that is out runs. */
  routeOf(id: LeaseId): Route {
    return present(this.#out.get(id), "the call is out").route;
  }
}

/** Of all providers that may do it the least: who asks is not charged for how they count. */
function likelyService({ drafts, outputLikely }: Pick<Ticket, "drafts" | "outputLikely">): number {
  let input = Number.POSITIVE_INFINITY;
  for (const draft of drafts.values()) input = Math.min(input, draft.input);
  return Math.max(1, serviceOf({ input: Number.isFinite(input) ? input : 0, output: outputLikely }));
}

/** `likely`: what counts where nobody knows what it took. */
function takenBy({ how, used }: Ending, likely: number): number {
  if (how === "unmade") return 0;
  return used === undefined ? likely : serviceOf(used);
}
