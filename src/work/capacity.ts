/**
 * Whether and where a call may be made now: every provider's tanks, who waits for them, and what replies said of them. One
 * for each process that asks models.
 *
 * 1. Whoever is granted a place ends it, whatever happens: the leases are the calls in flight.
 * 2. A limit or an overload of one provider costs no other provider's work.
 * 3. What was named by a provider holds; what was only assumed gives way to the end of a goal's minutes.
 */
import type { Route } from "../domain/dispatch.ts";
import { type Drift, driftsOf } from "../domain/drift.ts";
import type { Floor } from "../domain/floor.ts";
import { handedOver } from "../domain/handover.ts";
import type { Draft, LeaseId } from "../domain/meter.ts";
import {
  type Account,
  type Limits,
  lowerOf,
  type MeteringKind,
  tanksFor,
  withinLimits,
} from "../domain/profile.ts";
import type { Refinery, ScopedClosure } from "../domain/refinery.ts";
import { atMostPossible, type Fault, type Reply, type Usage } from "../domain/reply.ts";
import { boundless } from "../domain/slots.ts";
import type { Reading, Tank } from "../domain/tank.ts";
import { assert, present, unreachable } from "../kit/assert.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Estimates, Expected } from "./estimates.ts";
import { askableAt, openLimits, type Patience } from "./limits.ts";

/** A provider as its tanks know it. */
export interface Source {
  /** Its name in the configuration. */
  readonly provider: string;
  readonly account: Account;
  /** `none`: nothing of it is ever limited. */
  readonly metering: MeteringKind | "none";
  readonly limits: Limits;
  /** When its day ends, ms since the epoch; undefined: nobody knows. */
  readonly dayEndsAt: number | undefined;
}

/** One provider that may do it. */
export interface Candidate {
  readonly provider: string;
  readonly draft: Draft;
  /** What the call leaves of every window. */
  readonly floor: Floor;
}

/** A call that is to be made. */
export interface Wish {
  /** What it is about, for people; a lease of it has a name of its own. */
  readonly id: string;
  /** The smaller goes first, ms. */
  readonly rank: number;
  /** In the order of preference: the first that is free takes it; where none is, the one that suits it best. */
  readonly candidates: readonly Candidate[];
  /** Output tokens as they usually are. */
  readonly outputLikely: number;
  /** Calls of one series begin alike: whoever had the last of them has its beginning in a cache. */
  readonly series: string;
  /** When it must be over, ms since the epoch: a wait that was only assumed is shortened to fit. */
  readonly end: number | undefined;
}

type Said = Pick<Extract<Reply, { readonly kind: "said" }>, "kind" | "usage" | "headers">;
type Failed = Pick<
  Extract<Reply, { readonly kind: "failed" }>,
  "kind" | "fault" | "usage" | "headers" | "readings"
>;

/** What became of a call: a reply, or that it never left, or that nobody knows. */
export type Outcome = Said | Failed | { readonly kind: "unmade" } | { readonly kind: "lost" };

export interface Granted {
  readonly kind: "granted";
  readonly provider: string;
  /** Why it is not the first of the candidates; undefined: it is. */
  readonly insteadOf: { readonly provider: string; readonly why: string } | undefined;
  /** Gives the place back. A second time changes nothing. */
  end(outcome: Outcome): void;
}

/** Not before `until` can it begin with anybody. */
export interface Later {
  readonly kind: "later";
  readonly until: number;
  readonly why: string;
}

/** Nobody of the candidates will ever do it, unless a person mends something. */
export interface Never {
  readonly kind: "never";
  readonly why: string;
}

export interface CapacityTools {
  readonly clock: Clock;
  readonly random: Random;
  /** How long a call may be out at most, ms. */
  readonly callMsMax: number;
  /** Longer waits are handed back, ms. */
  readonly patienceMs: number;
  patience(provider: string): Patience;
  /** What calls take, as far as it is known. */
  readonly estimates: Estimates;
  /** What a reply's headers and error say of limits. */
  read(outcome: Said | Failed, provider: string): readonly Reading[];
  /** Something of the tanks is other than before. */
  changed(): void;
}

/** Output tokens a ms that are expected of a provider that was never heard. */
const firstPerMs = 0.05;
/** How much the newest reply counts in the speed of a provider. */
const speedLearning = 0.2;
const seriesMax = 10_000;

export class Capacity {
  readonly #tools: CapacityTools;
  readonly #dispatcher: Dispatcher;
  readonly #sources = new Map<string, Source>();
  /** The limits that each model's tank was made or changed with. */
  readonly #configured = new Map<string, string>();
  readonly #speeds = new Map<string, number>();
  readonly #limits: ReturnType<typeof openLimits>;
  /** Who had the last call of a series. */
  readonly #warm = new Map<string, string>();
  /** Whose key is known to be good for something. */
  readonly #answered = new Set<string>();
  #entered = 0;
  readonly #drifts = new Map<string, Drift>();
  /** Accounts and models that wait for a person, by tank. */
  readonly #mendable = new Map<string, string>();

  constructor(tools: CapacityTools) {
    this.#tools = tools;
    const { clock, callMsMax: leaseMs, patienceMs } = tools;
    this.#dispatcher = new Dispatcher({ clock, leaseMs, patienceMs });
    this.#limits = openLimits(() => clock.now(), tools.random, tools.patience);
  }

  /**
   * Makes a provider known, or known anew with other limits. Of providers that share a tank the lowest limits count.
   * `saved`: its tanks as an earlier process left them.
   */
  offer(source: Source, saved: readonly Tank[] = []): void {
    const now = this.#tools.clock.now();
    this.#sources.set(source.provider, source);
    const shared = { ...source, limits: this.#limitsOf(source) };
    const configured = freshTanks(shared, now);
    const tanks = configured.map((tank) => {
      const known = saved.find(({ name }) => name === tank.name);
      return known === undefined ? tank : handedOver(known, tank, now);
    });
    const [, name] = tanksOf(source.account);
    const words = JSON.stringify(shared.limits);
    const isOther = this.#configured.has(name) && this.#configured.get(name) !== words;
    this.#configured.set(name, words);
    this.#dispatcher.offer(this.#routeOf(source), tanks);
    if (isOther) this.#dispatcher.reconfigure(configured);
  }

  /** What is configured for the model of an account, by whichever provider. */
  #limitsOf({ account }: Source): Limits {
    const [, name] = tanksOf(account);
    return [...this.#sources.values()]
      .filter((each) => tanksOf(each.account)[1] === name)
      .map(({ limits }) => limits)
      .reduce(lowerOf);
  }

  #routeOf({ provider, account }: Source): Route {
    const perMs = this.#speeds.get(provider) ?? firstPerMs;
    return { provider, tanks: tanksOf(account), perMs };
  }

  /** Output tokens to reserve for a call of this kind, and as they usually are. */
  expected(provider: string, kind: string, outputMax: number) {
    const { reserved, likely } = this.#tools.estimates.outputOf(provider, kind, outputMax);
    return { output: reserved, likely };
  }

  /** Tokens of a prompt that we count as so many, as this provider would. */
  inputOf(provider: string, counted: number): Expected {
    return this.#tools.estimates.inputOf(provider, counted);
  }

  /** Whether a provider would let anybody in within a short wait, as far as is known. */
  isOpen(provider: string, end: number | undefined): boolean {
    const { clock, patienceMs } = this.#tools;
    const until = this.#closedUntil(provider, end);
    return until === undefined || until <= clock.now() + patienceMs;
  }

  /**
   * A place; or the moment to come back at; or that it makes no sense to. Rejects with `signal.reason` when aborted. `queued`
   * hears what it waits for, where it has to.
   */
  async enter(
    wish: Wish,
    signal: AbortSignal,
    queued: (why: string) => void = () => undefined,
  ): Promise<Granted | Later | Never> {
    const mends = wish.candidates.map(({ provider }) => this.#whyClosedForGood(provider));
    const candidates = wish.candidates.filter((_, index) => mends[index] === undefined);
    const [first] = candidates;
    if (first === undefined) return { kind: "never", why: mends.join("; ") || "no provider may do it" };
    for (const { provider } of candidates) this.#hurry(provider, wish.end);
    const warm = this.#warm.get(wish.series);
    const preferred = this.#preferred(warm, candidates);
    const open = preferred === undefined ? candidates : [preferred];
    if (preferred === undefined) queued(this.#whyQueued(first));
    // A worker that lost its claim may still be out when the next one asks the same.
    const id = `${wish.id} ${++this.#entered}` as LeaseId;
    const place = await this.#dispatcher.enter(
      {
        ...{ id, rank: wish.rank, outputLikely: wish.outputLikely, warm },
        drafts: new Map(open.map(({ provider, draft }) => [provider, draft])),
        floors: new Map(open.map(({ provider, floor }) => [provider, floor])),
      },
      signal,
    );
    if (place.kind === "later") return this.#later(place, candidates, wish.end);
    this.#tools.changed();
    const { provider } = place;
    const chosen = present(
      candidates.find((each) => each.provider === provider),
      "a place is with a candidate",
    );
    const why = this.#whyNot(first, chosen, warm);
    this.#remember(wish.series, provider);
    return {
      kind: "granted",
      provider,
      insteadOf: why === undefined ? undefined : { provider: first.provider, why },
      end: this.#ending(id, provider, chosen.draft),
    };
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  /** The tanks as they stand now. */
  tanks(): Refinery {
    return this.#dispatcher.tanks();
  }

  /** What a closed provider waits for, by provider; nothing of those that are open. */
  closures(): ReadonlyMap<string, Later> {
    const found = new Map<string, Later>();
    for (const provider of this.#sources.keys()) {
      const closure = this.#closureOf(provider);
      if (closure !== undefined) found.set(provider, { kind: "later", ...closure });
    }
    return found;
  }

  /** A person did something: what waited for that is tried again. */
  mended(): void {
    for (const name of this.#mendable.keys()) this.#dispatcher.reopen([name]);
    this.#mendable.clear();
    this.#tools.changed();
  }

  /** The same of one provider, of which a person wants to know. */
  tryAgain(provider: string): void {
    const account = this.#sources.get(provider)?.account.account;
    if (account === undefined || !this.#mendable.delete(account)) return;
    this.#dispatcher.reopen([account]);
    this.#tools.changed();
  }

  /** What a provider said of its limits outside of a call. */
  inform(provider: string, readings: readonly Reading[]): void {
    const source = this.#sources.get(provider);
    if (source === undefined || readings.length === 0) return;
    this.#dispatcher.inform(tanksOf(source.account), this.#bounded(provider, readings));
    this.#tools.changed();
  }

  /** The newest sign of each tank that more is gone than was taken here, by tank. */
  get drifts(): ReadonlyMap<string, Drift> {
    return this.#drifts;
  }

  #compare(provider: string, readings: readonly Reading[]): void {
    const source = this.#sources.get(provider);
    if (source === undefined || readings.length === 0) return;
    const refinery = this.#dispatcher.tanks();
    for (const name of tanksOf(source.account)) {
      const tank = refinery.get(name);
      const drift = tank && driftsOf(tank, readings, this.#tools.clock.now()).at(-1);
      if (drift !== undefined) this.#drifts.set(name, drift);
    }
  }

  #closureOf(provider: string): Pick<Later, "until" | "why"> | undefined {
    const source = this.#sources.get(provider);
    if (source === undefined) return undefined;
    const refinery = this.#dispatcher.tanks();
    return tanksOf(source.account)
      .flatMap((name) => refinery.get(name)?.closure ?? [])
      .reduce<Pick<Later, "until" | "why"> | undefined>(
        (latest, each) => (latest === undefined || each.until > latest.until ? each : latest),
        undefined,
      );
  }

  #closedUntil(provider: string, end: number | undefined): number | undefined {
    const closure = this.#closureOf(provider);
    if (closure === undefined) return undefined;
    return this.#shortened(provider, closure.until, end);
  }

  /** An assumed wait that would pass the end gives way to it. */
  #shortened(provider: string, until: number, end: number | undefined): number {
    const limit = this.#limits.limitOf(provider);
    if (limit === undefined || limit.until < until) return until;
    return askableAt(limit, end) ?? until;
  }

  #whyClosedForGood(provider: string): string | undefined {
    const closure = this.#closureOf(provider);
    return closure?.until === Number.POSITIVE_INFINITY ? `${provider}: ${closure.why}` : undefined;
  }

  /** Opens what is closed by an assumption that this call may not wait out. */
  #hurry(provider: string, end: number | undefined): void {
    const until = this.#closedUntil(provider, end);
    const source = this.#sources.get(provider);
    if (until !== undefined && until <= this.#tools.clock.now() && source !== undefined)
      this.#dispatcher.reopen(tanksOf(source.account));
  }

  /** The first that could begin this very moment, its warm cache before all; undefined: none could, or others wait already. */
  #preferred(warm: string | undefined, candidates: readonly Candidate[]): Candidate | undefined {
    if (this.#dispatcher.waiting > 0) return undefined;
    const ordered = [
      ...candidates.filter(({ provider }) => provider === warm),
      ...candidates.filter(({ provider }) => provider !== warm),
    ];
    return ordered.find(({ provider, draft, floor }) => this.#dispatcher.isFree(provider, draft, floor));
  }

  #whyQueued({ provider, draft, floor }: Candidate): string {
    const { waitsFor } = this.#dispatcher.readiness(provider, draft, floor);
    return `${provider}: ${waitsFor ?? "others go first"}`;
  }

  /** The newest series only: of an older one the vendor has forgotten the beginning too. */
  #remember(series: string, provider: string): void {
    this.#warm.delete(series);
    this.#warm.set(series, provider);
    const oldest = this.#warm.size > seriesMax ? this.#warm.keys().next().value : undefined;
    if (oldest !== undefined) this.#warm.delete(oldest);
  }

  #whyNot(first: Candidate, chosen: Candidate, warm: string | undefined): string | undefined {
    if (first.provider === chosen.provider) return undefined;
    const { at, waitsFor } = this.#dispatcher.readiness(first.provider, first.draft, first.floor);
    if (waitsFor !== undefined && at > this.#tools.clock.now()) return waitsFor;
    return warm === chosen.provider ? "it remembers what came before" : "the other suits it better now";
  }

  #later(place: Later, candidates: readonly Candidate[], end: number | undefined): Later {
    const sooner = candidates.flatMap(({ provider }) => this.#closedUntil(provider, end) ?? []);
    const now = this.#tools.clock.now();
    const until = Math.max(now, Math.min(place.until, ...sooner.filter((each) => each > now)));
    return { ...place, until };
  }

  #ending(id: LeaseId, provider: string, draft: Draft): Granted["end"] {
    const startedAt = this.#tools.clock.now();
    let isOver = false;
    return (outcome) => {
      if (isOver) return;
      isOver = true;
      this.#heard(outcome, { provider, startedAt });
      const isReply = outcome.kind === "said" || outcome.kind === "failed";
      const readings = isReply ? this.#bounded(provider, this.#tools.read(outcome, provider)) : [];
      this.#compare(provider, readings);
      this.#dispatcher.leave(id, {
        ending: endingOf(outcome, draft),
        readings,
        closure: outcome.kind === "failed" ? this.#closing(outcome.fault, provider) : undefined,
      });
      this.#tools.changed();
    };
  }

  #bounded(provider: string, readings: readonly Reading[]): readonly Reading[] {
    const source = this.#sources.get(provider);
    if (source === undefined || source.metering === "none") return readings;
    const { metering } = source;
    const limits = this.#limitsOf(source);
    return readings.map((reading) => withinLimits(reading, metering, limits));
  }

  #heard(outcome: Outcome, { provider, startedAt }: { provider: string; startedAt: number }): void {
    if (outcome.kind !== "said" && outcome.kind !== "failed") return;
    this.#limits.heard(provider, outcome, startedAt);
    if (outcome.kind === "said") this.#answered.add(provider);
    const wallMs = this.#tools.clock.now() - startedAt;
    if (outcome.kind !== "said" || wallMs <= 0 || outcome.usage.output === 0) return;
    const perMs = outcome.usage.output / wallMs;
    const before = this.#speeds.get(provider) ?? perMs;
    this.#speeds.set(provider, before + speedLearning * (perMs - before));
    const source = this.#sources.get(provider);
    if (source !== undefined) this.#dispatcher.offer(this.#routeOf(source), []);
  }

  /** Takes note of what a call of a kind really took; `counted`: our own count of its prompt, 0 where nobody counted. */
  learn(provider: string, kind: string, usage: Usage, counted = 0): void {
    this.#tools.estimates.heard(provider, kind, counted, usage);
  }

  /** What a failure closes, and until when. */
  #closing(fault: Fault, provider: string): ScopedClosure | undefined {
    const { why } = fault;
    switch (fault.kind) {
      case "auth":
      case "billing": {
        // One caller's forbidden feature is nobody else's.
        if (fault.kind === "auth" && fault.isOfUse && this.#answered.has(provider)) return undefined;
        const source = this.#sources.get(provider);
        if (source !== undefined) this.#mendable.set(source.account.account, why);
        return { scope: "account", until: Number.POSITIVE_INFINITY, why };
      }
      case "throttle":
      case "capacity":
      case "window": {
        const limit = present(this.#limits.limitOf(provider), "a limit was just heard");
        // A vendor's day is one model's, a subscription's hours are the account's.
        const isModels = fault.kind !== "window" || this.#sources.get(provider)?.metering === "gemini";
        return { scope: isModels ? "model" : "account", until: limit.until, why };
      }
      case "request":
      case "too-large":
        return undefined;
      default:
        return unreachable(fault);
    }
  }
}

/** The tanks of a provider as its configuration alone has them, the account's first. */
export function freshTanks({ account, metering, limits, dayEndsAt }: Source, now: number): readonly Tank[] {
  const times = { now, dayEndsAt };
  if (metering !== "none") return tanksFor(account, metering, limits, times);
  return tanksFor(account, "plain", limits, times).map((tank) => ({
    ...tank,
    slots: boundless,
    untold: [],
  }));
}

function tanksOf({ account, model }: Account): readonly [account: string, model: string] {
  return [account, `${account} ${model}`];
}

/** Refused before it was counted; what a provider charges for that all the same, it charges at the door. */
function endingOf(outcome: Outcome, draft: Draft) {
  switch (outcome.kind) {
    case "unmade":
      return { how: "unmade", used: undefined } as const;
    case "lost":
      return { how: "else", used: undefined } as const;
    case "said":
      return { how: "well", used: usedOf(outcome.usage, draft) } as const;
    case "failed": {
      const isBusy = outcome.fault.kind === "throttle" || outcome.fault.kind === "capacity";
      // Without a word from the server nobody knows what it counted.
      const isUnknown = Object.keys(outcome.headers).length === 0 && outcome.usage.output === 0;
      const used = isUnknown ? undefined : usedOf(outcome.usage, draft);
      return { how: isBusy ? "busy" : "else", used } as const;
    }
    default:
      return unreachable(outcome);
  }
}

/** A server that reports what no such call can take would shut its account for years. */
function usedOf(usage: Usage, { input, outputMax }: Draft): Draft {
  const possible = atMostPossible(usage, { input, outputMax });
  assert(possible.input >= 0 && possible.output >= 0, "usage is not below 0");
  return { ...possible, outputMax };
}
