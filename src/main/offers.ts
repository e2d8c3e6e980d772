/** Whom an owner of a home may ask: models by goal, with the keys of whoever asked for it, and what their accounts let in. */
import { type BlobHash, type GoalId, goalId } from "../domain/id.ts";
import type { Account } from "../domain/profile.ts";
import type { Tank } from "../domain/tank.ts";
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import { openModel, secretsOf, type World } from "../edges/models/open.ts";
import type { Doubt } from "../faces/house.ts";
import type { Store } from "../ports/store.ts";
import type { Capacity } from "../work/capacity.ts";
import { Estimates } from "../work/estimates.ts";
import type { Offer } from "../work/tools.ts";
import { followFile } from "./following.ts";
import { doubtSection, driftSection, keepTanks } from "./kept.ts";
import type { ShopTools } from "./shop.ts";
import { openCapacity, sourceOf } from "./source.ts";
import type { WiringOptions } from "./wiring.ts";

/** What a goal's providers are opened with: the configuration, and the variables of whoever asked for the goal. */
interface Ground {
  readonly config: Config;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

function secretsIn({ config, variables }: Ground): readonly string[] {
  return secretsOf(config.providers, variables).map((secret) => secret.reveal());
}

function offerOf(provider: ProviderConfig) {
  const { contextTokens, outputTokensMax, thresholdYellow: yellow, thresholdRed: red } = provider;
  return { contextTokensMax: contextTokens, outputTokensMax, stance: { yellow, red } };
}

/** A provider whose tanks are known, with the variables that say whose account it is. */
interface Offered extends Pick<Ground, "variables"> {
  readonly name: string;
  readonly account: Account;
}

function tankName({ account, model }: Account): string {
  return `${account} ${model}`;
}

/**
 * Limits of a provider as they are configured now, where its tanks are known or shown; models that are open go on with the
 * server and the key that they were opened with.
 */
function takeOver(provider: ProviderConfig, { offered, clock, own, saved, known }: Taking): void {
  const nameWith = ({ variables }: Pick<Ground, "variables">) =>
    tankName(sourceOf(provider, clock.now(), variables).account);
  const here = [...offered.values()].filter(({ name }) => name === provider.name);
  for (const each of here) if (nameWith(each) === tankName(each.account)) known(provider, each);
  // Nobody has asked for it since this process began, but its tanks are shown.
  if (here.length === 0 && saved.some(({ name }) => name === nameWith(own))) known(provider, own);
}

interface Taking extends Pick<WiringOptions, "clock">, Pick<Tanks, "known"> {
  readonly offered: ReadonlyMap<string, Offered>;
  readonly own: Ground;
  readonly saved: readonly Tank[];
}

export interface Offers extends Pick<ShopTools, "offer" | "capacity" | "admit" | "refresh">, AsyncDisposable {
  /** Every key this process has been handed so far. */
  secrets(): readonly string[];
  /** The goal has ended. */
  forget(goal: GoalId): void;
}

/** Reads what an earlier owner knew of the tanks; opens no model yet. */
export async function openOffers(store: Store, options: WiringOptions): Promise<Offers> {
  const { config, variables, clock, places } = options;
  const own: Ground = { config, variables };
  let newest = own;
  /** Goals of guests that have not ended. */
  const grounds = new Map<GoalId, Ground>();
  const secrets = new Set(secretsIn(own));
  const offers = new Map<string, Promise<Offer>>();
  const tanks = await openTanks(options, own, () => newest.config);
  const { capacity, known } = tanks;
  return {
    capacity,
    secrets: () => [...secrets],
    forget,
    offer(name, goal) {
      const isScripted = config.providers.find((each) => each.name === name)?.kind === "scripted";
      const key = isScripted || grounds.has(goal) ? `${goal} ${name}` : name;
      const offer = offers.get(key) ?? openOffer(name, goal);
      offers.set(key, offer);
      return offer;
    },
    async admit(goal, theirs) {
      newest = await groundOf(theirs);
      forget(goal);
      grounds.set(goal, newest);
      capacity.mended();
    },
    async refresh(wish, theirs, signal) {
      const ground = await groundOf(theirs);
      const callName = () => `refresh ${goalId(options.random)}`;
      const tools = { capacity, config: ground.config, world: worldOf(ground), callName };
      const offer = (provider: ProviderConfig) => known(provider, ground);
      return (await import("./refresh.ts")).refreshAll(wish, { ...tools, offer }, signal);
    },
    [Symbol.asyncDispose]: () => tanks[Symbol.asyncDispose](),
  };

  async function groundOf(theirs: Ground["variables"]): Promise<Ground> {
    const ground = { config: await options.reread(), variables: { ...variables, ...theirs } };
    for (const secret of secretsIn(ground)) secrets.add(secret);
    return ground;
  }

  function forget(goal: GoalId): void {
    grounds.delete(goal);
    for (const key of offers.keys()) if (key.startsWith(`${goal} `)) offers.delete(key);
  }

  function worldOf({ variables }: Ground): World {
    const { home: folder } = places;
    return { variables, folder, userFolder: variables.HOME ?? "/", now: () => clock.now(), given: [] };
  }

  async function openOffer(name: string, goal: GoalId): Promise<Offer> {
    const { config, variables } = grounds.get(goal) ?? own;
    const provider = config.providers.find((each) => each.name === name);
    if (provider === undefined)
      return { kind: "unusable", why: `no provider "${name}" is configured: rigs provider list` };
    const given = provider.kind === "scripted" ? await givenAnswers(store, goal, name) : [];
    const opened = await openModel(provider, { ...worldOf({ config, variables }), given });
    if (opened.kind === "unusable") return opened;
    const source = known(provider, { variables });
    return { ...offerOf(provider), source, kind: "model", model: opened.model };
  }
}

interface Tanks extends AsyncDisposable {
  readonly capacity: Capacity;
  /** Makes a provider's tanks known, or known anew with other limits; what they call it. */
  known(provider: ProviderConfig, ground: Pick<Ground, "variables">): string;
}

/** As an earlier owner left them, under the configuration as its file has it from then on. `newest`: for what tanks ask for. */
async function openTanks(options: WiringOptions, own: Ground, newest: () => Config): Promise<Tanks> {
  const { clock, places, random } = options;
  const kept = await keepTanks(places, clock);
  /** By what the tanks call them. */
  const offered = new Map<string, Offered>();
  const doubts = new Map<string, Doubt>();
  const estimates = Estimates.restored(kept.sections.estimates);
  const capacity: Capacity = openCapacity({
    ...{ clock, random, estimates, config: newest },
    changed(begun) {
      if (begun !== undefined) kept.begun(begun, () => capacity.tanks());
      save();
    },
    doubted(id, what) {
      const account = offered.get(id)?.account;
      if (account !== undefined) doubts.set(tankName(account), { at: clock.now(), what: what.join(", ") });
    },
  });
  const nameOf = namesOfAccounts();
  const known: Tanks["known"] = (provider, { variables }) => {
    const source = sourceOf(provider, clock.now(), variables);
    const id = nameOf(provider.name, source.account.account);
    capacity.offer({ ...source, provider: id }, kept.saved);
    offered.set(id, { name: provider.name, variables, account: source.account });
    return id;
  };
  const following = followFile(places.config, async () => {
    const { providers } = await options.reread();
    for (const provider of providers) takeOver(provider, { offered, clock, own, saved: kept.saved, known });
    save();
  });
  return {
    ...{ capacity, known },
    async [Symbol.asyncDispose]() {
      await following.stop();
      await kept[Symbol.asyncDispose]();
    },
  };

  function save(): void {
    kept.changed(() => ({
      refinery: capacity.tanks(),
      sections: {
        ...{ ...kept.sections, ...driftSection(kept.sections, capacity.drifts) },
        ...{ ...doubtSection(kept.sections, doubts, clock.now()), estimates: estimates.saved() },
      },
    }));
  }
}

/** What the tanks call a provider: its name, for who was known first under it; a guest's other key or server is an account beside that. */
function namesOfAccounts(): (provider: string, account: string) => string {
  const first = new Map<string, string>();
  return (provider, account) => {
    const known = first.get(provider) ?? account;
    first.set(provider, known);
    return known === account ? provider : `${provider} (${account})`;
  };
}

/** Which answers of a script this goal has had already, so that a resumed goal gets the next one. */
async function givenAnswers(store: Store, goal: GoalId, provider: string): Promise<readonly BlobHash[]> {
  const asked = new Set<string>();
  const given: BlobHash[] = [];
  for (let from = 1; ; ) {
    const page = await store.log.read(from, 1000, goal);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type === "call-reserved" && event.provider === provider) asked.add(event.call);
      if (event.type === "call-settled" && asked.has(event.call) && event.settled.kind === "said")
        given.push(event.settled.answer);
    }
    if (page.length === 0) return given;
  }
}
