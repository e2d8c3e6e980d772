/** The kinds of providers: what each needs and whether this version can drive it. */

export const providerKinds = [
  "openai",
  "anthropic",
  "gemini",
  "deepseek",
  "ollama",
  "triton",
  "gguf",
  "openai-compatible",
  "scripted",
  "claude-code",
  "codex",
  "gemini-cli",
  "opencode",
  "acp",
] as const;

export type ProviderKind = (typeof providerKinds)[number];

/** Agent CLIs that a section's name may stand for, if they are installed. */
export type AgentKind = Extract<ProviderKind, "claude-code" | "codex">;

export interface KindFacts {
  /** The wire's own server; undefined where the configuration must name one. */
  readonly baseUrl: string | undefined;
  /** The variable that usually holds the key; used only towards the kind's own server. */
  readonly keyName: string | undefined;
}

/** Ollama listens here unless told otherwise; DeepSeek speaks OpenAI's chat wire. */
const facts: Readonly<Partial<Record<ProviderKind, KindFacts>>> = {
  openai: { baseUrl: "https://api.openai.com/v1", keyName: "OPENAI_API_KEY" },
  anthropic: { baseUrl: "https://api.anthropic.com/v1", keyName: "ANTHROPIC_API_KEY" },
  gemini: { baseUrl: "https://generativelanguage.googleapis.com/v1beta", keyName: "GEMINI_API_KEY" },
  deepseek: { baseUrl: "https://api.deepseek.com", keyName: "DEEPSEEK_API_KEY" },
  ollama: { baseUrl: "http://127.0.0.1:11434", keyName: undefined },
};

export function factsOfKind(kind: ProviderKind): KindFacts {
  return facts[kind] ?? { baseUrl: undefined, keyName: undefined };
}

/** Tokens a prompt may take where the configuration does not say. Models on this machine set memory aside for each. */
export function contextTokensOf(kind: ProviderKind): number {
  return kind === "ollama" || kind === "gguf" ? 32_768 : 128_000;
}

/** Kinds with a wire of their own that serve OpenAI's chat wire as well, and below which path. */
const compatiblePaths: Readonly<Partial<Record<ProviderKind, string>>> = { gemini: "/openai", ollama: "/v1" };

/** Where a provider serves OpenAI's chat wire, if it does and where anybody knows. */
export function compatibleUrlOf(provider: {
  readonly kind: ProviderKind;
  readonly baseUrl: string | undefined;
}): string | undefined {
  const url = provider.baseUrl ?? factsOfKind(provider.kind).baseUrl;
  const path = compatiblePaths[provider.kind];
  return url === undefined || path === undefined || url.endsWith(path) ? url : `${url}${path}`;
}

/** Whether a base URL names that endpoint itself, as configurations of earlier versions do. */
export function isCompatibleUrl(kind: ProviderKind, baseUrl: string | undefined): boolean {
  const path = compatiblePaths[kind];
  return path !== undefined && baseUrl?.endsWith(path) === true;
}

/**
 * What a section's name stands for when it gives no `kind`. `installed` are the agent CLIs that this version can drive
 * and that were found; undefined when the name says nothing.
 */
export function kindOfName(name: string, installed: ReadonlySet<AgentKind>): ProviderKind | undefined {
  if (name === "claude") return installed.has("claude-code") ? "claude-code" : "anthropic";
  if (name === "codex") return installed.has("codex") ? "codex" : "openai";
  return providerKinds.find((kind) => kind === name);
}
