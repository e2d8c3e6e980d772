/** A provider of the configuration as its tanks know it. */
import type { ProviderConfig } from "../edges/config/config.ts";
import { factsOfKind, type ProviderKind } from "../edges/config/kind.ts";
import { keyNameOf } from "../edges/models/open.ts";
import type { Source } from "../work/capacity.ts";

/** How each kind of provider counts; kinds that are not here are never limited by one that is asked over the wire. */
const meterings: Readonly<Record<ProviderKind, Source["metering"]>> = {
  anthropic: "anthropic",
  openai: "openai",
  gemini: "gemini",
  deepseek: "slots",
  ollama: "slots",
  triton: "slots",
  "openai-compatible": "plain",
  scripted: "none",
  "claude-code": "plain",
  codex: "plain",
  "gemini-cli": "plain",
  opencode: "plain",
  acp: "plain",
};

/** A second request to a local model that cannot run two makes Ollama load it anew, for seconds. */
const concurrencyUsual: Readonly<Partial<Record<ProviderKind, number>>> = { ollama: 1 };

/** Providers with the same kind, server and key share an account, whatever they are called. */
export function sourceOf(provider: ProviderConfig): Source {
  const { name, kind, model, limits } = provider;
  const baseUrl = provider.baseUrl ?? factsOfKind(kind).baseUrl;
  const host = baseUrl === undefined ? name : new URL(baseUrl).host;
  const account = [kind, host, keyNameOf(provider) ?? "without-key"].join(" ");
  return {
    provider: name,
    account: { account, model: model ?? "default" },
    metering: meterings[kind],
    limits: { ...limits, concurrency: limits.concurrency ?? concurrencyUsual[kind] },
  };
}
