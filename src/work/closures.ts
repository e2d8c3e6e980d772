/** Which providers nobody asks for a while, why, and who opens them again. */
import type { ScopedClosure } from "../domain/refinery.ts";
import type { Fault } from "../domain/reply.ts";
import { present, unreachable } from "../kit/assert.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { Accounts } from "./accounts.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { askableAt, openLimits, type Patience } from "./limits.ts";
import type { Outcome } from "./outcome.ts";

/** `until` in ms since the epoch; infinite: a person has to mend something. */
export interface Closed {
  readonly until: number;
  readonly why: string;
}

export interface ClosuresTools {
  readonly clock: Clock;
  readonly random: Random;
  patience(provider: string): Patience;
}

/** Closed for longer than this, a person may want to know sooner whether it still holds, ms. */
const longMs = 12 * 3_600_000;

export class Closures {
  readonly #clock: Clock;
  readonly #accounts: Accounts;
  readonly #dispatcher: Dispatcher;
  readonly #limits: ReturnType<typeof openLimits>;
  /** Whose key is known to be good for something. */
  readonly #answered = new Set<string>();
  /** Accounts, and models on them, that wait for a person. */
  readonly #mendable = new Set<string>();

  constructor({ clock, random, patience }: ClosuresTools, accounts: Accounts, dispatcher: Dispatcher) {
    this.#clock = clock;
    this.#accounts = accounts;
    this.#dispatcher = dispatcher;
    this.#limits = openLimits(() => clock.now(), random, patience);
  }

  /** What a closed provider waits for; undefined: it is open. */
  of(provider: string): Closed | undefined {
    const refinery = this.#dispatcher.tanks();
    return this.#accounts
      .tanksOf(provider)
      .flatMap((name) => refinery.get(name)?.closure ?? [])
      .reduce<Closed | undefined>(
        (latest, each) => (latest === undefined || each.until > latest.until ? each : latest),
        undefined,
      );
  }

  /** When work that must be over at `end` may ask again: an assumed wait that would pass it gives way to it. */
  closedUntil(provider: string, end: number | undefined): number | undefined {
    const until = this.of(provider)?.until;
    const limit = this.#limits.limitOf(provider);
    if (until === undefined || limit === undefined || limit.until < until) return until;
    return askableAt(limit, end) ?? until;
  }

  /** What a person has to mend; undefined: nothing. */
  whyForGood(provider: string): string | undefined {
    const closure = this.of(provider);
    return closure?.until === Number.POSITIVE_INFINITY ? `${provider}: ${closure.why}` : undefined;
  }

  /** Opens what is closed by an assumption that work that must be over at `end` may not wait out. */
  hurry(provider: string, end: number | undefined): void {
    const until = this.closedUntil(provider, end);
    if (until !== undefined && until <= this.#clock.now())
      this.#dispatcher.reopen(this.#accounts.tanksOf(provider));
  }

  /** Takes note of what became of a call that began at `startedAt`; what its failure closes, and until when. */
  heard(outcome: Outcome, provider: string, startedAt: number): ScopedClosure | undefined {
    if (outcome.kind !== "said" && outcome.kind !== "failed") return undefined;
    this.#limits.heard(provider, outcome, startedAt);
    if (outcome.kind === "failed") return this.#closing(outcome.fault, provider);
    this.#answered.add(provider);
    return undefined;
  }

  /** A person did something: what waited for that is tried again. */
  mended(): void {
    this.#dispatcher.reopen([...this.#mendable]);
    this.#mendable.clear();
  }

  /**
   * The same of one provider's account; whether it waited for that. `isAsked`: a call follows, so what is closed for very
   * long is opened too, whoever closed it.
   */
  tryAgain(provider: string, isAsked: boolean): boolean {
    const until = this.of(provider)?.until;
    if (
      isAsked &&
      until !== undefined &&
      until !== Number.POSITIVE_INFINITY &&
      until > this.#clock.now() + longMs
    ) {
      this.#limits.forget(provider);
      this.#dispatcher.reopen(this.#accounts.tanksOf(provider));
      return true;
    }
    const names = this.#accounts.tanksOf(provider).filter((name) => this.#mendable.delete(name));
    this.#dispatcher.reopen(names);
    return names.length > 0;
  }

  #closing(fault: Fault, provider: string): ScopedClosure | undefined {
    const { why } = fault;
    switch (fault.kind) {
      case "auth":
      case "billing": {
        // One caller's forbidden feature is nobody else's.
        if (fault.kind === "auth" && fault.isOfUse && this.#answered.has(provider)) return undefined;
        const isModels = fault.kind === "billing" && fault.isOfModel === true;
        const name = this.#accounts.tanksOf(provider)[isModels ? 1 : 0];
        if (name !== undefined) this.#mendable.add(name);
        const scope = isModels ? "model" : "account";
        return { scope, opens: "at once", until: Number.POSITIVE_INFINITY, why };
      }
      case "throttle":
      case "capacity":
      case "window": {
        const limit = present(this.#limits.limitOf(provider), "a limit was just heard");
        // A vendor's day is one model's, a subscription's hours are the account's.
        const metering = this.#accounts.sourceOf(provider)?.metering;
        const isModels = fault.kind !== "window" || metering === "gemini";
        const opens = isNamed(fault) ? "at once" : "with one";
        return { scope: isModels ? "model" : "account", opens, until: limit.until, why };
      }
      case "request":
      case "too-large":
        return undefined;
      default:
        return unreachable(fault);
    }
  }
}

/** Whether the provider itself named the end. */
function isNamed(fault: Extract<Fault, { readonly kind: "throttle" | "capacity" | "window" }>): boolean {
  if (fault.kind === "window") return fault.resetAt !== undefined;
  return fault.kind === "throttle" && fault.retryAt !== undefined;
}
