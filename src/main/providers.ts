/** Providers as the command line meets them: choosing, listing, adding, removing, testing. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ProviderConfig } from "../edges/config/config.ts";
import { factsOfKind, kindOfName, type ProviderKind, providerKinds } from "../edges/config/kind.ts";
import { addAdvice, type House, type ProviderLine, type ProviderWish, UsageError } from "../faces/house.ts";
import { present } from "../kit/assert.ts";
import { remedyOf, requireHome } from "./home.ts";
import { handsOf, type Inside, realClock } from "./inside.ts";
import { looksLikeKey } from "./key.ts";

/** See House.chooseProviders. */
export async function chooseProviders(
  inside: Inside,
  named: readonly string[],
): ReturnType<House["chooseProviders"]> {
  const config = await inside.config();
  const notes = config.warnings;
  if (named.length > 0) {
    for (const name of named) {
      const provider = config.providers.find((each) => each.name === name);
      if (provider === undefined) return { kind: "none", why: unknown(name, config.providers) };
      const why = await whyUnusable(inside, provider);
      if (why !== undefined) return { kind: "none", why: `provider ${name} cannot be used: ${why}` };
    }
    return {
      kind: "chosen",
      strategy: config.routing.strategy,
      names: named,
      notes,
      ...(await pricedIn(config.providers, named)),
    };
  }
  const usable: ProviderConfig[] = [];
  const reasons: string[] = [];
  for (const provider of config.providers) {
    const why = await whyUnusable(inside, provider);
    if (why === undefined) usable.push(provider);
    else reasons.push(`${provider.name}: ${why}`);
  }
  const [first] = usable;
  if (first !== undefined) {
    const names = usable.filter(({ tier }) => tier === first.tier).map(({ name }) => name);
    const said = [...notes, ...otherTiers(first, usable)];
    return {
      kind: "chosen",
      strategy: config.routing.strategy,
      names,
      notes: said,
      ...(await pricedIn(config.providers, names)),
    };
  }
  if (reasons.length === 0)
    return { kind: "none", why: `no provider is configured; add one with: ${addAdvice}` };
  return { kind: "none", why: `no provider can be used (${reasons.join("; ")})` };
}

/** Nobody gets a weaker or a dearer model than the first without having named it. */
function otherTiers({ name, tier }: ProviderConfig, usable: readonly ProviderConfig[]): readonly string[] {
  const others = usable.filter((each) => each.tier !== tier).map((each) => `${each.name} (${each.tier})`);
  if (others.length === 0) return [];
  const verb = others.length === 1 ? "is" : "are";
  return [
    `${others.join(", ")} ${verb} not asked: another tier than ${name} (${tier}); allow more with --provider, in the order of preference`,
  ];
}

function unknown(name: string, providers: readonly ProviderConfig[]): string {
  const known = providers.map((each) => each.name).join(", ") || "none";
  return `no provider "${name}" is configured (configured: ${known}); rigs provider add --help shows how to add one`;
}

/** Whose cost nobody can count, and whose is counted at a list. */
async function pricedIn(providers: readonly ProviderConfig[], names: readonly string[]) {
  const { pricingOf } = await import("../edges/prices/price.ts");
  const unpriced: string[] = [];
  const listed: string[] = [];
  for (const provider of providers.filter(({ name }) => names.includes(name))) {
    const pricing = await pricingOf(provider, realClock.now());
    if (pricing.kind === "unknown") unpriced.push(provider.name);
    else if (pricing.kind === "known" && pricing.source !== "configuration")
      listed.push(`${provider.name} (${pricing.source})`);
  }
  return { unpriced, listed };
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

/** See House.providers. */
export async function providerLines(inside: Inside): Promise<readonly ProviderLine[]> {
  const config = await inside.config();
  const { pricingOf } = await import("../edges/prices/price.ts");
  return Promise.all(
    config.providers.map(async (provider): Promise<ProviderLine> => {
      const why = await whyUnusable(inside, provider);
      return {
        name: provider.name,
        kind: provider.kind,
        model: provider.model ?? "-",
        tier: provider.tier,
        state: !provider.enabled ? "disabled" : why === undefined ? "usable" : "unusable",
        why: why ?? "",
        price: await pricingOf(provider, realClock.now()),
      };
    }),
  );
}

/** See House.addProvider. Refuses what could never work; what is only missing yet (a key, a file) is said and kept. */
export async function addProvider(inside: Inside, name: string, wish: ProviderWish): Promise<string> {
  await requireSense(name, wish);
  const { addProvider: add } = await import("../edges/config/write.ts");
  const { kind, baseUrl, apiKeyEnv, tier } = wish;
  // Relative to where it was typed; the file would read it relative to the home.
  const script = wish.script === undefined ? undefined : resolve(inside.folder, wish.script);
  const isFile = (kind ?? name) === "gguf" && wish.model !== undefined;
  const model = isFile ? resolve(inside.folder, wish.model ?? "") : wish.model;
  const settings = { kind, model, base_url: baseUrl, api_key_env: apiKeyEnv, tier, script };
  await edit(inside, (text, ground) => add(text, name, settings, ground));
  const { config } = inside.places;
  const added = (await inside.config()).providers.find((each) => each.name === name);
  const why = added === undefined ? undefined : await whyUnusable(inside, added);
  return why === undefined
    ? `added ${name} to ${config}; try it with: rigs provider test ${name}`
    : `added ${name} to ${config}; it cannot be used yet: ${why}`;
}

async function requireSense(name: string, wish: ProviderWish): Promise<void> {
  if (wish.apiKeyEnv !== undefined) requireVariableName(wish.apiKeyEnv);
  const kind = providerKinds.find((each) => each === wish.kind) ?? kindOfName(name, new Set());
  const { insteadOf, isUsable } = await import("../edges/models/open.ts");
  const usable = providerKinds.filter(isUsable);
  if (wish.kind !== undefined && kind !== wish.kind)
    throw new UsageError(await kindAdvice(wish.kind, usable));
  if (kind === undefined)
    throw new UsageError(`provider ${shown(name)} needs --kind, one of: ${usable.join(", ")}`);
  if (!usable.includes(kind))
    throw new UsageError(
      `kind ${kind} cannot be used in this version${insteadOf(kind)}; --kind is one of ${usable.join(", ")}`,
    );
  if (kind === "scripted" && wish.script === undefined)
    throw new UsageError(`a scripted provider needs --script, the transcript that it plays`);
  if (kind !== "scripted" && wish.script !== undefined)
    throw new UsageError("--script belongs to --kind scripted: leave one of them out");
  if (kind === "gguf" && (wish.model === undefined || wish.model.trim() === ""))
    throw new UsageError(`provider ${shown(name)} needs --model, the path of the GGUF file`);
  if (!overWire.has(kind)) return;
  if (wish.model === undefined || wish.model.trim() === "")
    throw new UsageError(`provider ${shown(name)} needs --model, the model as ${kind} spells it`);
  if (wish.baseUrl === undefined && factsOfKind(kind).baseUrl === undefined)
    throw new UsageError(
      `kind ${kind} has no server of its own: add --base-url, such as http://127.0.0.1:8080/v1`,
    );
}

async function kindAdvice(typed: string, usable: readonly ProviderKind[]): Promise<string> {
  // Loaded when a kind is mistyped: the parser takes its time.
  const { nearest } = await import("../edges/config/parse.ts");
  const near = nearest(typed, usable);
  const known = `--kind is one of ${usable.join(", ")}`;
  return near === undefined ? known : `--kind: did you mean ${near}? ${known}`;
}

/** Kinds that speak to a server about one model; the others are programs and files. */
const overWire: ReadonlySet<ProviderKind> = new Set([
  "openai",
  "anthropic",
  "gemini",
  "deepseek",
  "ollama",
  "triton",
  "openai-compatible",
]);

/** Never repeats what was given: it may be the key itself. */
function requireVariableName(text: string): void {
  if (looksLikeKey(text))
    throw new UsageError(
      "--api-key-env takes the NAME of a variable, such as WORK_KEY, and what was given looks like a key: it was not kept; put it into a variable, and clear it from your shell's history",
    );
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text))
    throw new UsageError(
      "--api-key-env takes the NAME of a variable: letters, digits and _, such as WORK_KEY",
    );
}

function shown(name: string): string {
  return /^[\w-]{1,64}$/.test(name) ? name : "with this name";
}

/** See House.removeProvider. */
export async function removeProvider(inside: Inside, name: string): Promise<string> {
  const { removeProvider: remove } = await import("../edges/config/write.ts");
  await edit(inside, (text, ground) => remove(text, name, ground));
  return `removed ${name} from ${inside.places.config}`;
}

type Change = typeof import("../edges/config/write.ts")["removeProvider"];
type Edit = (text: string, ground: Parameters<Change>[2]) => ReturnType<Change>;

async function edit({ places }: Inside, change: Edit): Promise<void> {
  const { saveConfig } = await import("../edges/config/write.ts");
  const { config } = places;
  requireHome(places.home);
  const text = await readFile(config, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new UsageError(`cannot read ${config} (${error.code}): mend its owner and mode`);
  });
  const edited = change(text, { place: config, installed: new Set() });
  if (edited.kind === "refused") throw new UsageError(asOption(edited.why, text));
  await saveConfig(config, edited.text).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `cannot write ${config} (${error.code}): nothing was changed; ${remedyOf(error.code)}`,
    );
  });
}

/** A fault in lines that are not in the file yet is said of the option that would have written them. */
function asOption(why: string, text: string): string {
  const found = /:(\d+)(?::\d+)?: providers\.[\w-]+\.([a-z_]+) (.*)$/s.exec(why);
  if (found === null || Number(found[1]) <= text.split("\n").length) return why;
  return `--${found[2]?.replaceAll("_", "-")} ${found[3]}`;
}

/** See House.testProvider. */
export async function testProvider(inside: Inside, name: string, signal: AbortSignal) {
  const config = await inside.config();
  const provider = config.providers.find((each) => each.name === name);
  if (provider === undefined) throw new UsageError(unknown(name, config.providers));
  const opened = await open(inside, provider);
  if (opened.kind === "unusable") throw new UsageError(`provider ${name} cannot be used: ${opened.why}`);
  const hands = await handsOf(inside);
  try {
    const [came] = await hands.refresh({ names: [name], effort: "try" }, signal);
    const { kind, text } = present(came, "who was asked is told of");
    return { isGood: kind === "told", text: `${name} ${text}` };
  } finally {
    await hands.close();
  }
}
