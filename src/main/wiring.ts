/** What the foreman needs, opened once for one owner of one home. */
import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GoalId, PolecatId } from "../domain/id.ts";
import { defaultPolicy, type Policy } from "../domain/move.ts";
import { withheld } from "../domain/secrets.ts";
import type { Config } from "../edges/config/config.ts";
import { openEnvironments } from "../edges/environments/environments.ts";
import { findInterpreters, systemFolders } from "../edges/environments/interpreters.ts";
import { readRegistries } from "../edges/environments/registries.ts";
import { repository as repositoryLimits } from "../edges/jails/limits.ts";
import { openJail } from "../edges/jails/selftest.ts";
import { unisolatedJail } from "../edges/jails/unisolated.ts";
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
import type { Enclosure, EnclosureKind, Sight } from "../work/tools.ts";
import { withholding } from "../work/withholding.ts";
import { openOffers } from "./offers.ts";
import { markWorkRoot, type Places } from "./places.ts";
import type { ShopTools } from "./shop.ts";

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
  const { config, repositories, clock, places } = options;
  const enclosures = new Map<EnclosureKind, Promise<Enclosure & AsyncDisposable>>();
  const signer = openSigner(places.keys);
  const offers = await openOffers(store, options);
  const known = () => offers.secrets();
  const hands = { secrets: known, answered: openCleansing(places.results, known) };
  return {
    store,
    clock,
    repositories,
    enclosure(kind) {
      const open = enclosures.get(kind) ?? openShown(kind, options, hands);
      enclosures.set(kind, open);
      return open;
    },
    offer: offers.offer,
    capacity: offers.capacity,
    get secrets() {
      return known();
    },
    admit: offers.admit,
    refresh: offers.refresh,
    signer,
    evidence: evidenceIn(places.evidence, known),
    ...{ policy: policyOf(config), contextTokensMax: config.polecat.contextTokensMax },
    ...{ size: roughSize, readPlan },
    readSuite: async (path, text) => (await import("../edges/control/provenance.ts")).readSuite(path, text),
    polecat: `p@${process.pid}` as PolecatId,
    leaseMs,
    watch(sight) {
      if (sight.kind === "recorded" && sight.recorded.event.type === "goal-ended")
        offers.forget(sight.recorded.event.goal);
      watch(sight);
    },
    async [Symbol.asyncDispose]() {
      for (const each of enclosures.values())
        await each.then((open) => open[Symbol.asyncDispose]()).catch(() => undefined);
      await offers[Symbol.asyncDispose]();
    },
  };
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
