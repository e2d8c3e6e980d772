/**
 * What a provider's model costs: as configured, else as the price list says that comes with this version. A list price is
 * the vendor's own and holds at its own server only: whoever else serves a model of that name asks what he likes.
 */
import type { ModelPrice } from "@pydantic/genai-prices";
import type { Price, Pricing } from "../../ports/model.ts";
import type { ProviderConfig } from "../config/config.ts";
import { factsOfKind } from "../config/kind.ts";

/** The package's version, and the day it was published: it dates no single price. Both change together (see the test). */
export const priceList = { version: "0.1.8", dated: "2026-09-23" } as const;

/** What the list calls whoever serves at these hosts. */
const vendors: Readonly<Record<string, string>> = {
  "api.anthropic.com": "anthropic",
  "api.deepseek.com": "deepseek",
  "api.groq.com": "groq",
  "api.mistral.ai": "mistral",
  "api.openai.com": "openai",
  "api.x.ai": "x-ai",
  "generativelanguage.googleapis.com": "google",
  "openrouter.ai": "openrouter",
};

type Priced = Pick<ProviderConfig, "kind" | "model" | "baseUrl" | "price" | "contextTokens">;

/** Never rejects. Loads the list (about 30 ms) only where nothing nearer tells. `now`: ms since the epoch. */
export async function pricingOf(provider: Priced, now: number): Promise<Pricing> {
  const { kind, model, price, contextTokens } = provider;
  if (price !== undefined) return { kind: "known", price, source: "configuration" };
  if (kind === "scripted" || kind === "gguf") return { kind: "nothing" };
  const server = new URL(provider.baseUrl ?? factsOfKind(kind).baseUrl ?? "http://unknown.invalid");
  // Ollama passes models of that name on to its makers' own servers.
  const isLocal = kind === "ollama" && isLoopback(server) && model?.endsWith("cloud") !== true;
  if (isLocal) return { kind: "nothing" };
  const vendor = server.protocol === "https:" ? vendors[server.host] : undefined;
  if (vendor === undefined || model === undefined)
    return { kind: "unknown", why: `no price list speaks of ${server.host}` };
  const listed = await listPrice({ vendor, model, contextTokens }, now);
  if (listed === undefined)
    return { kind: "unknown", why: `the price list of ${priceList.dated} has no ${model} of ${vendor}` };
  return { kind: "known", price: listed, source: `list of ${priceList.dated}` };
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

const hourMs = 3_600_000;

/** The dearest of the day, where the hour decides: a goal may go on through the night. */
async function listPrice(
  ask: { readonly vendor: string; readonly model: string; readonly contextTokens: number },
  now: number,
): Promise<Price | undefined> {
  const { calcPrice } = await import("@pydantic/genai-prices");
  const atHour = (hour: number) =>
    calcPrice({ input_tokens: 1, output_tokens: 1 }, ask.model, {
      ...{ providerId: ask.vendor, timestamp: new Date(now + hour * hourMs) },
    })?.model_price;
  try {
    const prices = Array.from({ length: 24 }, (_, hour) => plainOf(atHour(hour), ask.contextTokens));
    return prices.reduce(dearer);
  } catch {
    // The package throws for prices that do not fit together: then nobody knows this one.
    return undefined;
  }
}

function dearer(left: Price | undefined, right: Price | undefined): Price | undefined {
  return left !== undefined && right !== undefined && left.outputUsd >= right.outputUsd ? left : right;
}

/** Undefined where it is not a price of text by tokens. */
function plainOf(price: ModelPrice | undefined, contextTokens: number): Price | undefined {
  const inputUsd = usdOf(price?.input_mtok, contextTokens);
  const outputUsd = usdOf(price?.output_mtok, contextTokens);
  if (inputUsd === undefined || outputUsd === undefined) return undefined;
  const cachedInputUsd = usdOf(price?.cache_read_mtok, contextTokens) ?? inputUsd;
  return { inputUsd, cachedInputUsd, outputUsd };
}

/** Where long prompts cost more, what the longest one allowed would. */
function usdOf(price: ModelPrice[string], contextTokens: number): number | undefined {
  if (price === undefined || typeof price === "number") return price;
  const reached = price.tiers.filter(({ start }) => start < contextTokens);
  return Math.max(price.base, ...reached.map((tier) => tier.price));
}
