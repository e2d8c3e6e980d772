/** What the foreman needs, opened once for one owner of one home. */
import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BlobHash, type GoalId, goalId, type PolecatId } from "../domain/id.ts";
import { defaultPolicy, type Policy } from "../domain/move.ts";
import { withheld } from "../domain/secrets.ts";
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import { openEnvironments } from "../edges/environments/environments.ts";
import { findInterpreters, systemFolders } from "../edges/environments/interpreters.ts";
import { readRegistries } from "../edges/environments/registries.ts";
import { repository as repositoryLimits } from "../edges/jails/limits.ts";
import { openJail } from "../edges/jails/selftest.ts";
import { unisolatedJail } from "../edges/jails/unisolated.ts";
import { openModel, secretsOf, type World } from "../edges/models/open.ts";
import { readPlan } from "../edges/plan/file.ts";
import { openSigner } from "../edges/signer.ts";
import { roughSize } from "../edges/tokens.ts";
import { openVerifier } from "../edges/verifier/client.ts";
import { openCleansing } from "../edges/verifier/results.ts";
import { UsageError } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Random } from "../kit/random.ts";
import type { Jail } from "../ports/jail.ts";
import type { Repositories } from "../ports/repository.ts";
import type { Store } from "../ports/store.ts";
import type { Verifier } from "../ports/verifier.ts";
import type { Capacity } from "../work/capacity.ts";
import type { Enclosure, EnclosureKind, Offer, Sight } from "../work/tools.ts";
import { withholding } from "../work/withholding.ts";
import { keepTanks } from "./kept.ts";
import type { ShopTools } from "./owner.ts";
import { markWorkRoot, type Places } from "./places.ts";
import { openCapacity, sourceOf } from "./source.ts";

export interface WiringOptions {
  readonly places: Places;
  /** As it was when this process began. */
  readonly config: Config;
  /** As it is now: for the goals of guests. */
  reread(): Promise<Config>;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly repositories: Repositories;
}

/** A claim without a sign of life is void after this long, ms. */
const leaseMs = 60_000;
/** Wall clock of installing an environment, ms. */
const installMsMax = 1_800_000;

/** Opens everything. Rejects with UsageError when this machine has no jail, with the remedy. */
export async function openTools(
  store: Store,
  watch: (sight: Sight) => void,
  options: WiringOptions,
): Promise<ShopTools> {
  const { config, repositories, variables, clock, places } = options;
  const enclosures = new Map<EnclosureKind, Promise<Enclosure & AsyncDisposable>>();
  const signer = openSigner(places.keys);
  const own: Ground = { config, variables };
  let newest = own;
  /** Goals of guests that have not ended. */
  const grounds = new Map<GoalId, Ground>();
  const secrets = new Set(secretsIn(own));
  const known = () => [...secrets];
  const hands = { secrets: known, answered: openCleansing(places.results, known) };
  const kept = await keepTanks(places, clock);
  const capacity: Capacity = openCapacity({
    ...{ clock, random: options.random, config: () => newest.config },
    changed: () => kept.changed(() => ({ refinery: capacity.tanks(), sections: kept.sections })),
  });
  const offers = new Map<string, Promise<Offer>>();
  return {
    store,
    clock,
    repositories,
    enclosure(kind) {
      const open = enclosures.get(kind) ?? openShown(kind, options, hands);
      enclosures.set(kind, open);
      return open;
    },
    offer(name, goal) {
      const isScripted = config.providers.find((each) => each.name === name)?.kind === "scripted";
      const key = isScripted || grounds.has(goal) ? `${goal} ${name}` : name;
      const known = offers.get(key) ?? openOffer(name, goal);
      offers.set(key, known);
      return known;
    },
    capacity,
    get secrets() {
      return known();
    },
    async admit(goal, theirs) {
      newest = { config: await options.reread(), variables: { ...variables, ...theirs } };
      forget(goal);
      grounds.set(goal, newest);
      for (const secret of secretsIn(newest)) secrets.add(secret);
      capacity.mended();
    },
    async refresh(wish, theirs, signal) {
      const ground = { config: await options.reread(), variables: { ...variables, ...theirs } };
      for (const secret of secretsIn(ground)) secrets.add(secret);
      const offer = (provider: ProviderConfig) => capacity.offer(sourceOf(provider, clock.now()), kept.saved);
      const callName = () => `refresh ${goalId(options.random)}`;
      const tools = { capacity, config: ground.config, world: worldOf(ground), offer, callName };
      return (await import("./refresh.ts")).refreshAll(wish, tools, signal);
    },
    signer,
    evidence: evidenceIn(places.evidence, known),
    ...{ policy: policyOf(config), contextTokensMax: config.polecat.contextTokensMax },
    ...{ size: roughSize, readPlan },
    readSuite: async (path, text) => (await import("../edges/control/provenance.ts")).readSuite(path, text),
    polecat: `p@${process.pid}` as PolecatId,
    leaseMs,
    watch(sight) {
      if (sight.kind === "recorded" && sight.recorded.event.type === "goal-ended")
        forget(sight.recorded.event.goal);
      watch(sight);
    },
    async [Symbol.asyncDispose]() {
      for (const each of enclosures.values())
        await each.then((open) => open[Symbol.asyncDispose]()).catch(() => undefined);
      await kept[Symbol.asyncDispose]();
    },
  };

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
    capacity.offer(sourceOf(provider, clock.now()), kept.saved);
    return { ...offerOf(provider, config.routing), kind: "model", model: opened.model };
  }
}

/** What a goal's providers are opened with: the configuration, and the variables of whoever asked for the goal. */
interface Ground {
  readonly config: Config;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

function secretsIn({ config, variables }: Ground): readonly string[] {
  return secretsOf(config.providers, variables).map((secret) => secret.reveal());
}

function offerOf(provider: ProviderConfig, { strategy }: Config["routing"]) {
  const { contextTokens, outputTokensMax, thresholdYellow: yellow, thresholdRed: red } = provider;
  return { contextTokensMax: contextTokens, outputTokensMax, stance: { strategy, yellow, red } };
}

interface OpenEnclosure extends Enclosure {
  readonly verifier: Verifier & AsyncDisposable;
}

/** What comes out of it, and what it leaves in the home, holds no secret. */
async function openShown(
  kind: EnclosureKind,
  options: WiringOptions,
  hands: Parameters<typeof withholding>[1],
): Promise<Enclosure & AsyncDisposable> {
  const [{ environments, verifier }] = await Promise.all([openEnclosure(kind, options), hands.answered()]);
  const dispose = () => verifier[Symbol.asyncDispose]();
  return { environments, verifier: withholding(verifier, hands), [Symbol.asyncDispose]: dispose };
}

/** The jail is tried, interpreters are asked and verifiers start at the same time. */
async function openEnclosure(kind: EnclosureKind, options: WiringOptions): Promise<OpenEnclosure> {
  const { places, config, variables, clock } = options;
  // Workers mostly wait for models: jails are as many as there are cores, whatever workers there are.
  const machine = { cores: cpus().length, memoryBytes: totalmem(), workers: cpus().length };
  const root = join(places.workRoot, kind === "unsafe" ? "environments-unsafe" : "environments");
  const search = { root, path: variables.PATH ?? "", ownNode: process.execPath, systemFolders };
  const verifier = openVerifier({
    entry: fileURLToPath(
      new URL(`../verifier${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
    ),
    isolation: kind === "unsafe" ? "none" : "bubblewrap",
    workRoot: places.workRoot,
    resultFolder: places.results,
    // One more than processors: a run also waits for the disk. Head, control and witness then go together on two.
    runsMax: machine.cores + 1,
    proofsMax: machine.cores + 1,
    cores: machine.cores,
    memoryBytes: machine.memoryBytes,
  });
  try {
    const [jail, interpreters] = await Promise.all([
      kind === "unsafe" ? unisolatedJail({ workRoot: places.workRoot }) : jailOrSay(places, config),
      mkdir(root, { recursive: true, mode: 0o711 }).then(() => findInterpreters(search)),
    ]);
    markWorkRoot(places);
    const environments = openEnvironments({
      jail,
      root,
      now: () => clock.now(),
      interpreters,
      registries: () => readRegistries(variables, config.environment.registries),
      limits: repositoryLimits(machine, installMsMax),
    });
    return { environments, verifier };
  } catch (error) {
    await verifier[Symbol.asyncDispose]();
    throw error;
  }
}

/** Why this machine has no jail, with the remedy; undefined when it has one. */
export async function whyNoJail(places: Places, config: Config): Promise<string | undefined> {
  const jail = await triedJail(places, config);
  return typeof jail === "string" ? jail : undefined;
}

/** The tried jail of this machine; UsageError with cause and remedy where there is none. */
export async function jailOrSay(places: Places, config: Config): Promise<Jail> {
  const jail = await triedJail(places, config);
  if (typeof jail === "string") throw new UsageError(jail);
  return jail;
}

/** The jail, or why there is none and what to do. */
async function triedJail({ workRoot }: Places, { environment }: Config): Promise<Jail | string> {
  const opened = await openJail({ workRoot, privateHosts: environment.registries });
  return opened.kind === "ready"
    ? opened.jail
    : `no jail on this machine: ${opened.why}. Do: ${opened.remedy}`;
}

function policyOf({ polecat }: Config): Policy {
  return {
    ...defaultPolicy,
    repairsMax: polecat.repairsMax,
    freshMax: polecat.freshMax,
    callsMax: polecat.callsMax,
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

/** What is written for people holds no secret either: a diff shows lines that nobody changed. */
function evidenceIn(root: string, secrets: () => readonly string[]): ShopTools["evidence"] {
  return { write: (goal, name, text) => writeEvidence(root, goal, name, withheld(text, secrets())) };
}

/** Whole or absent: written beside and renamed. */
async function writeEvidence(root: string, goal: GoalId, name: string, text: string): Promise<string> {
  const path = join(root, goal, name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const passing = `${path}.${randomBytes(4).toString("hex")}`;
  await writeFile(passing, text, { mode: 0o600 });
  await rename(passing, path);
  return path;
}
