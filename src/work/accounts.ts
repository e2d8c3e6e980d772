/** The providers of one process as their tanks know them: whose account they draw on, within which limits, how fast they write. */
import type { Route } from "../domain/job.ts";
import {
  type Account,
  type Limits,
  lowerOf,
  type MeteringKind,
  tanksFor,
  withinLimits,
} from "../domain/profile.ts";
import type { Reading } from "../domain/reading.ts";
import { boundless } from "../domain/slots.ts";
import type { Tank } from "../domain/tank.ts";
import { present } from "../kit/assert.ts";

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

/** Output tokens a ms that are expected of a provider that was never heard: whoever is taken for slow is let write too much. */
const firstPerMs = 0.1;
/** How much of all that was heard of a provider's speed is left beside the newest reply. */
const heardPart = 0.95;

export class Accounts {
  readonly #sources = new Map<string, Source>();
  /** The limits that each model's tank was made or changed with. */
  readonly #configured = new Map<string, string>();
  /** What each provider wrote and how long it took: of a short reply most is waiting, so the long ones tell the speed. */
  readonly #heard = new Map<string, { readonly tokens: number; readonly ms: number }>();

  /**
   * Takes note of a provider, or of its other limits. Of providers that share a tank the lowest limits count. Its tanks as
   * the configuration alone has them, and whether another configuration of them was known.
   */
  add(source: Source, now: number): { readonly tanks: readonly Tank[]; readonly isOther: boolean } {
    this.#sources.set(source.provider, source);
    const shared = { ...source, limits: this.#limitsOf(source) };
    const [, name] = namesOf(source.account);
    const words = JSON.stringify(shared.limits);
    const known = this.#configured.get(name);
    this.#configured.set(name, words);
    return { tanks: freshTanks(shared, now), isOther: known !== undefined && known !== words };
  }

  /** What is configured for the model of an account, by whichever provider. */
  #limitsOf({ account }: Source): Limits {
    const [, name] = namesOf(account);
    return [...this.#sources.values()]
      .filter((each) => namesOf(each.account)[1] === name)
      .map(({ limits }) => limits)
      .reduce(lowerOf);
  }

  /** Undefined: nobody knows the provider. */
  sourceOf(provider: string): Source | undefined {
    return this.#sources.get(provider);
  }

  providers(): readonly string[] {
    return [...this.#sources.keys()];
  }

  /** The tanks that a provider draws from, the account's first; none of one that is not known. */
  tanksOf(provider: string): readonly string[] {
    const source = this.#sources.get(provider);
    return source === undefined ? [] : namesOf(source.account);
  }

  /** Where calls of a provider that is known run. */
  routeOf(provider: string): Route {
    const { account } = present(this.#sources.get(provider), "the provider is known");
    const heard = this.#heard.get(provider);
    const perMs = heard === undefined ? firstPerMs : heard.tokens / heard.ms;
    return { provider, tanks: namesOf(account), perMs };
  }

  /** Takes note of a reply of `output` tokens that took so long, ms. */
  wrote(provider: string, output: number, wallMs: number): void {
    const { tokens, ms } = this.#heard.get(provider) ?? { tokens: 0, ms: 0 };
    this.#heard.set(provider, { tokens: tokens * heardPart + output, ms: ms * heardPart + wallMs });
  }

  /** What a provider says of its limits, where a person configured lower ones no higher than those. */
  bounded(provider: string, readings: readonly Reading[]): readonly Reading[] {
    const source = this.#sources.get(provider);
    if (source === undefined || source.metering === "none") return readings;
    const { metering } = source;
    const limits = this.#limitsOf(source);
    return readings.map((reading) => withinLimits(reading, metering, limits));
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

function namesOf({ account, model }: Account): readonly [account: string, model: string] {
  return [account, `${account} ${model}`];
}
