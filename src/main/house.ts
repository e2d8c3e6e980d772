/** Everything the command line can reach, opened when a command asks for it and not before. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { setTimeout as after } from "node:timers/promises";
import { join } from "node:path";
import type { GoalId } from "../domain/id.ts";
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import type { BenchWish, Finding, House, ProviderLine, SimulateWish } from "../faces/house.ts";
import { UsageError } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Reader } from "../ports/store.ts";
import type { Wish } from "../work/intake.ts";
import { type Places, placesOf } from "./places.ts";

export interface HouseOptions {
  readonly home: string;
  readonly folder: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

/** Real time. Longer sleeps than a timer holds are cut; the sleeper decides anew. */
export const realClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    await after(Math.min(ms, 2_147_483_647), undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  },
};

export function openHouse(options: HouseOptions): House {
  const places = placesOf(options.home, process.getuid?.() === 0);
  const inside: Inside = { ...options, places, config: () => readConfigOf(places) };
  return {
    version: options.version,
    home: options.home,
    folder: options.folder,
    clock: realClock,
    reader: () => openReaderOf(places),
    hands: () => handsOf(inside),
    takeIn: (wish) => takeInOf(inside, wish),
    chooseProviders: (named) => chooseProvidersOf(inside, named),
    providers: () => providerLines(inside),
    addProvider: (name, settings) => editConfig(inside, name, { kind: "add", settings }),
    removeProvider: (name) => editConfig(inside, name, { kind: "remove" }),
    testProvider: (name, signal) => testProviderOf(inside, name, signal),
    initialise: async (ask) => (await import("./init.ts")).initialise(ask, inside),
    doctor: async (ask): Promise<readonly Finding[]> => (await import("./doctor.ts")).examine(ask, inside),
    simulate: async (wish: SimulateWish, ready, signal) =>
      (await import("./simulate.ts")).simulate(wish, options.folder, ready, signal),
    bench: async (wish: BenchWish, row, signal) =>
      (await import("./bench.ts")).bench(wish, row, inside, signal),
    evidenceFolder: (goal: GoalId) => join(places.evidence, goal),
  };
}

/** What the parts of the house share. */
export interface Inside extends HouseOptions {
  readonly places: Places;
  config(): Promise<Config>;
}

/** The configuration, or a UsageError with every fault of the file. */
export async function readConfigOf(places: Places): Promise<Config> {
  const { readConfig } = await import("../edges/config/read.ts");
  const parsed = await readConfig(places.config, new Set());
  if (parsed.kind === "refused") throw new UsageError(parsed.faults.join("\n"));
  return parsed.config;
}

async function openReaderOf(places: Places): Promise<Reader | undefined> {
  const { openReader, storeFile } = await import("../edges/store/sqlite.ts");
  return existsSync(storeFile(places.home)) ? openReader(places.home) : undefined;
}

/** Writing hands over the home's store. */
export async function handsOf(inside: Inside, workersMax = cpus().length) {
  const { openHands } = await import("./hands.ts");
  const { openReader, openStore } = await import("../edges/store/sqlite.ts");
  const config = await inside.config();
  return openHands({
    home: inside.places.home,
    clock: realClock,
    random: Math.random,
    workersMax,
    openStore: () => openStore(inside.places.home, { now: () => realClock.now() }),
    openReader: () => openReader(inside.places.home),
    async openTools(store, watch) {
      const { openTools } = await import("./wiring.ts");
      const { places, variables } = inside;
      return openTools(store, watch, {
        places,
        config,
        variables,
        clock: realClock,
        random: Math.random,
        workersMax,
      });
    },
  });
}

async function takeInOf(inside: Inside, wish: Wish) {
  const { openRepositories } = await import("../edges/git/repositories.ts");
  const { takeIn } = await import("../work/intake.ts");
  return takeIn(wish, openRepositories({ root: inside.places.repositories, surroundings: inside.variables }));
}

async function chooseProvidersOf(
  inside: Inside,
  named: readonly string[],
): ReturnType<House["chooseProviders"]> {
  const config = await inside.config();
  const notes = [...config.warnings];
  if (named.length > 0) {
    for (const name of named) {
      const provider = config.providers.find((each) => each.name === name);
      const known = config.providers.map((each) => each.name).join(", ") || "none";
      if (provider === undefined)
        return {
          kind: "none",
          why: `no provider "${name}" is configured (configured: ${known}); add it with: rigs provider add ${name}`,
        };
      const why = await whyUnusable(inside, provider);
      if (why !== undefined) return { kind: "none", why: `provider ${name} cannot be used: ${why}` };
      notes.push(...priceNote(provider));
    }
    return { kind: "chosen", names: named, notes };
  }
  const names: string[] = [];
  const reasons: string[] = [];
  for (const provider of config.providers) {
    const why = await whyUnusable(inside, provider);
    if (why === undefined) {
      names.push(provider.name);
      notes.push(...priceNote(provider));
    } else reasons.push(`${provider.name}: ${why}`);
  }
  if (names.length > 0) return { kind: "chosen", names, notes };
  const what =
    reasons.length === 0 ? "no provider is configured" : `no provider can be used (${reasons.join("; ")})`;
  return {
    kind: "none",
    why: `${what}; add one with: rigs provider add NAME --kind openai --model MODEL --api-key-env VARIABLE`,
  };
}

function priceNote({ name, price, kind }: ProviderConfig): readonly string[] {
  return price === undefined && kind !== "scripted"
    ? [`the price of ${name} is not known, so USD is not counted for it`]
    : [];
}

async function whyUnusable(inside: Inside, provider: ProviderConfig): Promise<string | undefined> {
  const opened = await open(inside, provider);
  return opened.kind === "unusable" ? opened.why : undefined;
}

async function open(inside: Inside, provider: ProviderConfig) {
  const { openModel } = await import("../edges/models/open.ts");
  return openModel(provider, {
    variables: inside.variables,
    folder: inside.places.home,
    userFolder: inside.variables.HOME ?? "/",
    now: () => realClock.now(),
    given: [],
  });
}

async function providerLines(inside: Inside): Promise<readonly ProviderLine[]> {
  const config = await inside.config();
  return Promise.all(
    config.providers.map(async (provider): Promise<ProviderLine> => {
      const why = provider.enabled ? await whyUnusable(inside, provider) : "switched off";
      return {
        name: provider.name,
        kind: provider.kind,
        model: provider.model ?? "-",
        tier: provider.tier,
        state: !provider.enabled ? "disabled" : why === undefined ? "usable" : "unusable",
        why: why ?? "",
        priceKnown: provider.price !== undefined,
      };
    }),
  );
}

type Change =
  | { readonly kind: "add"; readonly settings: Readonly<Record<string, string>> }
  | { readonly kind: "remove" };

async function editConfig({ places }: Inside, name: string, change: Change): Promise<string> {
  const { addProvider, removeProvider, saveConfig } = await import("../edges/config/write.ts");
  const ground = { place: places.config, installed: new Set<never>() };
  const text = await readFile(places.config, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new UsageError(`cannot read ${places.config}: ${error.code}; check its owner and mode`);
  });
  const edit =
    change.kind === "add"
      ? addProvider(text, name, settingsOf(change.settings), ground)
      : removeProvider(text, name, ground);
  if (edit.kind === "refused") throw new UsageError(edit.why);
  await saveConfig(places.config, edit.text).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`cannot write ${places.config}: ${error.code}; nothing was changed`);
  });
  return change.kind === "add"
    ? `added ${name} to ${places.config}; try it with: rigs provider test ${name}`
    : `removed ${name} from ${places.config}`;
}

/** From the command line's spelling to the file's. */
function settingsOf(settings: Readonly<Record<string, string>>) {
  const { kind, model, baseUrl, apiKeyEnv, tier, script } = settings;
  return { kind, model, base_url: baseUrl, api_key_env: apiKeyEnv, tier, script };
}

async function testProviderOf(inside: Inside, name: string, signal: AbortSignal) {
  const config = await inside.config();
  const provider = config.providers.find((each) => each.name === name);
  if (provider === undefined)
    throw new UsageError(`no provider "${name}" is configured; rigs provider list shows all`);
  const opened = await open(inside, provider);
  if (opened.kind === "unusable") return { isGood: false, text: `${name} cannot be used: ${opened.why}` };
  const reply = await opened.model.ask(
    {
      role: "coder",
      system: "Role: coder\nAnswer with the single word: ready",
      messages: [{ from: "user", text: "Are you there?" }],
      outputTokensMax: 256,
      temperature: 0,
    },
    signal,
  );
  if (reply.kind === "failed")
    return {
      isGood: false,
      text: `${name} (${opened.model.name}) did not answer: ${reply.fault.kind}: ${reply.fault.why}`,
    };
  const { input, output } = reply.usage;
  return {
    isGood: true,
    text: `${name} (${opened.model.name}) answered in ${reply.wallMs} ms: ${input} tokens in, ${output} out`,
  };
}
