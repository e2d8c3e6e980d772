/**
 * Whether and where a call may be made now: every provider's tanks, who waits for them, and what replies said of them. One
 * for each process that asks models.
 *
 * 1. Whoever is granted a place ends it, whatever happens: the leases are the calls in flight.
 * 2. A limit or an overload of one provider costs no other provider's work.
 * 3. What was named by a provider holds; what was only assumed gives way to the end of a goal's minutes.
 */
import { dispatch } from "../domain/dispatch.ts";
import { type Drift, driftsOf } from "../domain/drift.ts";
import type { Floor } from "../domain/floor.ts";
import { handedOver } from "../domain/handover.ts";
import type { Draft, LeaseId } from "../domain/meter.ts";
import type { Reading } from "../domain/reading.ts";
import type { Refinery } from "../domain/refinery.ts";
import type { Usage } from "../domain/reply.ts";
import type { Lease, Tank } from "../domain/tank.ts";
import { present } from "../kit/assert.ts";
import { Accounts, type Source } from "./accounts.ts";
import { Closures, type ClosuresTools } from "./closures.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Estimates, Expected } from "./estimates.ts";
import { endingOf, type Failed, type Outcome, type Said } from "./outcome.ts";

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
  /** Of one tenant the smaller goes first, ms; a step of priority is `rankStepMs`. */
  readonly rank: number;
  /** Whose call it is, a goal or a caller: all tenants are given alike (`domain/fairness`). */
  readonly tenant: string;
  /** In the order of preference: the first that is free takes it; where none is, the one that suits it best. */
  readonly candidates: readonly Candidate[];
  /** Output tokens as they usually are. */
  readonly outputLikely: number;
  /** Calls of one series begin alike: whoever had the last of them has its beginning in a cache. */
  readonly series: string;
  /** When it must be over, ms since the epoch: a wait that was only assumed is shortened to fit. */
  readonly end: number | undefined;
}

export interface Granted {
  readonly kind: "granted";
  readonly provider: string;
  /** Why it is not the first of the candidates; undefined: it is. */
  readonly insteadOf: { readonly provider: string; readonly why: string } | undefined;
  /** Gives the place back. A second time changes nothing. */
  end(outcome: Outcome): void;
}

/** A call that stands in line for a place. */
export interface Queued {
  /** That of its wish. */
  readonly id: string;
  /** ms since the epoch. */
  readonly since: number;
  /** "claude, gemini: requests; work: a free slot". */
  readonly why: string;
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

export interface CapacityTools extends ClosuresTools {
  /** How long a call may be out at most, ms. */
  readonly callMsMax: number;
  /** Longer waits are handed back, ms. */
  readonly patienceMs: number;
  /** What calls take, as far as it is known. */
  readonly estimates: Estimates;
  /** What a reply's headers and error say of limits. */
  read(outcome: Said | Failed, provider: string): readonly Reading[];
  /** Something of the tanks is other than before. `begun`: a call that begins when this returns. */
  changed(begun?: { readonly tanks: readonly string[]; readonly lease: Lease }): void;
}

const seriesMax = 10_000;

export class Capacity {
  readonly #tools: CapacityTools;
  readonly #dispatcher: Dispatcher;
  readonly #accounts = new Accounts();
  readonly #closures: Closures;
  /** Who had the last call of a series. */
  readonly #warm = new Map<string, string>();
  #entered = 0;
  /** Who stands in line, by the name of the lease it wants. */
  readonly #queued = new Map<LeaseId, { readonly id: string; readonly since: number; why(): string }>();
  readonly #drifts = new Map<string, Drift>();

  /** `decide`: see `Dispatcher`. */
  constructor(tools: CapacityTools, decide: typeof dispatch = dispatch) {
    this.#tools = tools;
    const { clock, callMsMax: leaseMs, patienceMs } = tools;
    this.#dispatcher = new Dispatcher({ clock, leaseMs, patienceMs }, decide);
    this.#closures = new Closures(tools, this.#accounts, this.#dispatcher);
  }

  /**
   * Makes a provider known, or known anew with other limits. Of providers that share a tank the lowest limits count.
   * `saved`: its tanks as an earlier process left them.
   */
  offer(source: Source, saved: readonly Tank[] = []): void {
    const now = this.#tools.clock.now();
    const { tanks: configured, isOther } = this.#accounts.add(source, now);
    const tanks = configured.map((tank) => {
      const known = saved.find(({ name }) => name === tank.name);
      return known === undefined ? tank : handedOver(known, tank, now);
    });
    this.#dispatcher.offer(this.#accounts.routeOf(source.provider), tanks);
    if (isOther) this.#dispatcher.reconfigure(configured);
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
    const until = this.#closures.closedUntil(provider, end);
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
    const mends = wish.candidates.map(({ provider }) => this.#closures.whyForGood(provider));
    const candidates = wish.candidates.filter((_, index) => mends[index] === undefined);
    const [first] = candidates;
    if (first === undefined) return { kind: "never", why: mends.join("; ") || "no provider may do it" };
    for (const { provider } of candidates) this.#closures.hurry(provider, wish.end);
    const warm = this.#warm.get(wish.series);
    const preferred = this.#preferred(warm, candidates);
    const open = preferred === undefined ? candidates : [preferred];
    // A worker that lost its claim may still be out when the next one asks the same.
    const id = `${wish.id} ${++this.#entered}` as LeaseId;
    if (preferred === undefined) {
      const why = () => this.#whyQueued(candidates);
      queued(why());
      this.#queued.set(id, { id: wish.id, since: this.#tools.clock.now(), why });
    }
    const entering = this.#dispatcher.enter(
      {
        ...{ id, rank: wish.rank, tenant: wish.tenant, outputLikely: wish.outputLikely, warm },
        drafts: new Map(open.map(({ provider, draft }) => [provider, draft])),
        floors: new Map(open.map(({ provider, floor }) => [provider, floor])),
      },
      signal,
    );
    const place = await entering.finally(() => this.#queued.delete(id));
    if (place.kind === "later") return this.#later(place, candidates, wish.end);
    const { provider } = place;
    const chosen = present(
      candidates.find((each) => each.provider === provider),
      "a place is with a candidate",
    );
    this.#tools.changed(this.#begun(id, chosen));
    const why = this.#whyNot(first, chosen, warm);
    this.#remember(wish.series, provider);
    return {
      kind: "granted",
      provider,
      insteadOf: why === undefined ? undefined : { provider: first.provider, why },
      end: this.#ending(id, provider, chosen.draft),
    };
  }

  #begun(id: LeaseId, { provider, draft }: Candidate) {
    const { tanks, perMs } = this.#accounts.routeOf(provider);
    const startedAt = this.#tools.clock.now();
    return { tanks, lease: { id, draft, perMs, startedAt, until: startedAt + this.#tools.callMsMax } };
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  /** Who stands in line, and what for as it is now. */
  queued(): readonly Queued[] {
    return [...this.#queued.values()].map(({ id, since, why }) => ({ id, since, why: why() }));
  }

  /** The tanks as they stand now. */
  tanks(): Refinery {
    return this.#dispatcher.tanks();
  }

  /** What a closed provider waits for, by provider; nothing of those that are open. */
  closures(): ReadonlyMap<string, Later> {
    const found = new Map<string, Later>();
    for (const provider of this.#accounts.providers()) {
      const closure = this.#closures.of(provider);
      if (closure !== undefined) found.set(provider, { kind: "later", ...closure });
    }
    return found;
  }

  /** A person did something: what waited for that is tried again. */
  mended(): void {
    this.#closures.mended();
    this.#tools.changed();
  }

  /** The same of one provider, of which a person wants to know; `isAsked`: by a call that follows. */
  tryAgain(provider: string, isAsked: boolean): void {
    if (this.#closures.tryAgain(provider, isAsked)) this.#tools.changed();
  }

  /** What a provider said of its limits outside of a call. */
  inform(provider: string, readings: readonly Reading[]): void {
    const tanks = this.#accounts.tanksOf(provider);
    if (tanks.length === 0 || readings.length === 0) return;
    this.#dispatcher.inform(tanks, this.#accounts.bounded(provider, readings));
    this.#tools.changed();
  }

  /** The newest sign of each tank that more is gone than was taken here, by tank. */
  get drifts(): ReadonlyMap<string, Drift> {
    return this.#drifts;
  }

  #compare(provider: string, readings: readonly Reading[]): void {
    if (readings.length === 0) return;
    const refinery = this.#dispatcher.tanks();
    for (const name of this.#accounts.tanksOf(provider)) {
      const tank = refinery.get(name);
      const drift = tank && driftsOf(tank, readings, this.#tools.clock.now()).at(-1);
      if (drift !== undefined) this.#drifts.set(name, drift);
    }
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

  /** "claude, gemini: requests; work: a free slot". */
  #whyQueued(candidates: readonly Candidate[]): string {
    const whys = Map.groupBy(candidates, ({ provider, draft, floor }) => {
      const { waitsFor } = this.#dispatcher.readiness(provider, draft, floor);
      return waitsFor ?? "others go first";
    });
    return [...whys]
      .map(([why, group]) => `${group.map(({ provider }) => provider).join(", ")}: ${why}`)
      .join("; ");
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
    const sooner = candidates.flatMap(({ provider }) => this.#closures.closedUntil(provider, end) ?? []);
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
      const closure = this.#closures.heard(outcome, provider, startedAt);
      if (outcome.kind === "said") this.#timed(provider, outcome.usage.output, startedAt);
      const isReply = outcome.kind === "said" || outcome.kind === "failed";
      const told = isReply ? this.#tools.read(outcome, provider) : [];
      const readings = this.#accounts.bounded(provider, told);
      this.#compare(provider, readings);
      this.#dispatcher.leave(id, { ending: endingOf(outcome, draft), readings, closure });
      this.#tools.changed();
    };
  }

  #timed(provider: string, output: number, startedAt: number): void {
    const wallMs = this.#tools.clock.now() - startedAt;
    if (wallMs <= 0 || output === 0) return;
    this.#accounts.wrote(provider, output, wallMs);
    this.#dispatcher.offer(this.#accounts.routeOf(provider), []);
  }

  /** Takes note of what a call of a kind really took; `counted`: our own count of its prompt, 0 where nobody counted. */
  learn(provider: string, kind: string, usage: Usage, counted = 0): void {
    this.#tools.estimates.heard(provider, kind, counted, usage);
  }
}
