/** From a provider in the configuration to a model that can be asked, or the one line that says why not. */
import { readFile, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import type { BlobHash } from "../../domain/id.ts";
import type { Model } from "../../ports/model.ts";
import type { ProviderConfig } from "../config/config.ts";
import { factsOfKind, isCompatibleUrl, type ProviderKind } from "../config/kind.ts";
import { Secret } from "../config/secret.ts";
import { pricingOf } from "../prices/price.ts";
import type { WireSettings } from "./wire.ts";

/** What main knows of the world. */
export interface World {
  /** The process's environment, read by main only. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths of transcripts and model files start from. */
  readonly folder: string;
  /** What `~` stands for. */
  readonly userFolder: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hashes of answers the log knows as settled for this provider in goals that go on; only a scripted model looks. */
  readonly given: readonly BlobHash[];
}

export type Opened =
  | { readonly kind: "opened"; readonly model: Model }
  | { readonly kind: "unusable"; readonly why: string };

/** Reads a transcript where the provider is scripted; makes no request. */
export async function openModel(provider: ProviderConfig, world: World): Promise<Opened> {
  if (!provider.enabled)
    return unusable(`switched off; set enabled = true under [providers.${provider.name}]`);
  const opener = openers[provider.kind];
  if (opener === undefined)
    return unusable(
      `kind "${provider.kind}" is configured, not usable in this version${insteadOf(provider.kind)}`,
    );
  return await opener(provider, world);
}

/** The keys of all enabled providers that are set: what must never leave this process in a commit. */
export function secretsOf(
  providers: readonly ProviderConfig[],
  variables: World["variables"],
): readonly Secret[] {
  return Object.values(keyVariables(providers, variables)).map((value) => new Secret(value));
}

/** The variables that hold the keys of these providers, those that are enabled and set, with their values in plain. */
export function keyVariables(
  providers: readonly ProviderConfig[],
  variables: World["variables"],
): Readonly<Record<string, string>> {
  const found: [string, string][] = [];
  for (const provider of providers) {
    const name = provider.enabled ? keyNameOf(provider) : undefined;
    const value = name === undefined ? undefined : variables[name];
    if (name !== undefined && value !== undefined && value.trim() !== "") found.push([name, value]);
  }
  return Object.fromEntries(found);
}

/**
 * The variable the provider's key is read from, or undefined when none is sent. A kind's usual variable is used only
 * towards the kind's own server: another address gets a key only when it is named for it.
 */
export function keyNameOf({ apiKeyEnv, baseUrl, kind }: ProviderConfig): string | undefined {
  return apiKeyEnv ?? (baseUrl === undefined ? factsOfKind(kind).keyName : undefined);
}

type Opener = (provider: ProviderConfig, world: World) => Promise<Opened>;

const openers: Readonly<Partial<Record<ProviderKind, Opener>>> = {
  openai: overWire(async (settings, provider) => {
    const { compatibleModel, openaiModel } = await import("./openai.ts");
    return provider.baseUrl === undefined ? openaiModel(settings) : compatibleModel(settings);
  }),
  anthropic: overWire(async (settings) => (await import("./anthropic.ts")).anthropicModel(settings)),
  "openai-compatible": overWire(compatible),
  deepseek: overWire(compatible),
  ollama: overWire(async (settings, { kind, baseUrl, contextTokens, outputTokensMax }) => {
    if (isCompatibleUrl(kind, baseUrl)) return await compatible(settings);
    const { ollamaModel } = await import("./ollama.ts");
    return ollamaModel({ ...settings, contextTokens: contextTokens + outputTokensMax });
  }),
  gemini: overWire(async (settings, { kind, baseUrl }) => {
    if (isCompatibleUrl(kind, baseUrl)) return await compatible(settings);
    return (await import("./gemini.ts")).geminiModel(settings);
  }),
  triton: overWire(async (settings) => (await import("./triton.ts")).tritonModel(settings)),
  gguf: openFile,
  scripted: openScripted,
};

/** Whether this version can ask a provider of this kind. */
export function isUsable(kind: ProviderKind): boolean {
  return openers[kind] !== undefined;
}

async function compatible(settings: WireSettings): Promise<Model> {
  return (await import("./openai.ts")).compatibleModel(settings);
}

function overWire(make: (settings: WireSettings, provider: ProviderConfig) => Promise<Model>): Opener {
  return async (provider, world) => {
    const { name, model, kind, timeoutMs } = provider;
    if (model === undefined)
      return unusable(`no model is named; add model = "..." under [providers.${name}]`);
    const baseUrl = provider.baseUrl ?? factsOfKind(kind).baseUrl;
    if (baseUrl === undefined)
      return unusable(
        `kind "${kind}" has no server of its own; add base_url = "http://..." under [providers.${name}]`,
      );
    const keyName = keyNameOf(provider);
    const found = keyOf(keyName, name, world.variables);
    if (found.kind === "unusable") return found;
    const { defaultAnswerBytesMax } = await import("./wire.ts");
    const bounds = { timeoutMs, answerBytesMax: defaultAnswerBytesMax };
    const pricing = await pricingOf(provider, world.now());
    const settings = {
      provider: name,
      name: model,
      price: pricing.kind === "known" ? pricing.price : undefined,
      baseUrl,
      key: found.key,
      keyName,
      ...bounds,
      now: world.now,
    };
    return { kind: "opened", model: await make(settings, provider) };
  };
}

type Key = { readonly kind: "key"; readonly key: Secret | undefined } | Extract<Opened, { kind: "unusable" }>;

/** The key itself, none where none is sent, or why there is none. */
export function keyOf(keyName: string | undefined, provider: string, variables: World["variables"]): Key {
  if (keyName === undefined) return { kind: "key", key: undefined };
  const value = variables[keyName];
  if (value === undefined || value.trim() === "")
    return unusable(
      `the variable ${keyName} is not set; export ${keyName}=... with the key of provider ${provider}`,
    );
  const key = new Secret(value);
  if (!key.isSendable())
    return unusable(`${keyName} holds characters that no key has; copy the key of ${provider} again`);
  return { kind: "key", key };
}

async function openFile(provider: ProviderConfig, world: World): Promise<Opened> {
  const { name, model, price, contextTokens, outputTokensMax, timeoutMs } = provider;
  if (model === undefined)
    return unusable(`no model is named; add model = "/path/to/model.gguf" under [providers.${name}]`);
  const path = pathOf(model, world);
  const { whyNotFile } = await import("./gguffile.ts");
  const why = await whyNotFile(path);
  if (why !== undefined) return unusable(why);
  const { ggufModel } = await import("./gguf.ts");
  const { variables } = world;
  const settings = { provider: name, name: model, price, path, timeoutMs, variables };
  return {
    kind: "opened",
    model: ggufModel({ ...settings, contextTokens: contextTokens + outputTokensMax }),
  };
}

/** Transcripts are text written by people; this is far beyond any. */
const transcriptBytesMax = 64 * 1024 * 1024;

async function openScripted(provider: ProviderConfig, world: World): Promise<Opened> {
  const { name, script, model, price } = provider;
  if (script === undefined)
    return unusable(`no transcript is named; add script = "file.json" under [providers.${name}]`);
  const path = pathOf(script, world);
  const text = await transcriptText(path);
  if (text.kind === "unusable") return text;
  const { parseTranscript } = await import("./transcript.ts");
  const { scriptedModel } = await import("./scripted.ts");
  const parsed = parseTranscript(text.text, path);
  if (parsed.kind === "refused") return unusable(parsed.why);
  const { given, now } = world;
  const { transcript } = parsed;
  return {
    kind: "opened",
    model: scriptedModel({ provider: name, name: model ?? "scripted", price, transcript, given, now }),
  };
}

type Text = { readonly kind: "text"; readonly text: string } | Extract<Opened, { kind: "unusable" }>;

async function transcriptText(path: string): Promise<Text> {
  try {
    const { size } = await stat(path);
    if (size > transcriptBytesMax)
      return unusable(`the transcript ${path} is larger than ${transcriptBytesMax} bytes`);
    return { kind: "text", text: await readFile(path, "utf8") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return unusable(`the transcript ${path} cannot be read (${code})`);
  }
}

function pathOf(file: string, { folder, userFolder }: World): string {
  if (file.startsWith("~/")) return join(userFolder, file.slice(2));
  return isAbsolute(file) ? file : resolve(folder, file);
}

/** "; with an API key, …": the kind that reaches the same vendor's models; empty where there is none. */
export function insteadOf(kind: ProviderKind): string {
  if (kind === "claude-code") return `; with an API key, set kind = "anthropic"`;
  if (kind === "codex") return `; with an API key, set kind = "openai"`;
  if (kind === "gemini-cli") return `; with an API key, set kind = "gemini"`;
  return "";
}

function unusable(why: string): Extract<Opened, { kind: "unusable" }> {
  return { kind: "unusable", why };
}
