/**
 * What a provider says of its limits when it is asked for them, and not for an answer: `rigs tank refresh`. A look is free.
 * Some say nothing without a call; that is said, and the call is made only where whoever asks allows it.
 */
import { z } from "zod";
import type { Reading } from "../../domain/reading.ts";
import type { Fault, Usage } from "../../domain/reply.ts";
import { noUsage } from "../../domain/reply.ts";
import { printable } from "../../kit/bounded.ts";
import type { Prompt } from "../../ports/model.ts";
import type { ProviderConfig } from "../config/config.ts";
import { factsOfKind } from "../config/kind.ts";
import type { Secret } from "../config/secret.ts";
import { fetchOnce, newExchange } from "./exchange.ts";
import type { Answer } from "./facts.ts";
import { faultOf, networkFault } from "./faults.ts";
import { type Load, loadOf, slotsOf } from "./metrics.ts";
import { keyNameOf, keyOf, openModel, type World } from "./open.ts";
import { dayMs, readingsOf } from "./readings.ts";
import { readingsOfRefusal } from "./refusals.ts";
import { dayEndAt } from "./waits.ts";
import { networkCode } from "./wire.ts";

export type Refreshed =
  /** `usage`: what was paid for it; of a look, nothing. `says`: one line for people. */
  | {
      readonly kind: "told";
      readonly readings: readonly Reading[];
      readonly load: Load | undefined;
      readonly usage: Usage;
      readonly says: string;
    }
  /** It does not say, or not for nothing. */
  | { readonly kind: "silent"; readonly why: string }
  | {
      readonly kind: "failed";
      readonly fault: Fault;
      readonly readings: readonly Reading[];
      readonly usage: Usage;
    };

/** `look`: nothing that costs; `ask`: also one call of a few tokens, where only a reply tells. */
export type Effort = "look" | "ask";

/** At most two requests, each of at most `lookMsMax` (a call: the provider's own time). Rejects only with `signal.reason`. */
export async function refreshReadings(
  provider: ProviderConfig,
  world: World,
  effort: Effort,
  signal: AbortSignal,
): Promise<Refreshed> {
  signal.throwIfAborted();
  const { kind } = provider;
  if (kind === "scripted") return silent("a transcript has no limits");
  if (kind === "gguf") return silent("it runs on this machine, one question at a time");
  if (kind === "gemini")
    return silent("it says nothing of limits that are not used up; they are counted here");
  const base = provider.baseUrl ?? factsOfKind(kind).baseUrl;
  const key = keyOf(keyNameOf(provider), provider.name, world.variables);
  if (key.kind === "unusable") return silent(key.why);
  if (base === undefined) return silent(`no base_url is named under [providers.${provider.name}]`);
  const at: Place = { base, key: key.key, keyName: keyNameOf(provider), now: world.now(), signal };
  const seen = await looked(provider, at);
  return seen.kind === "silent" && effort === "ask" ? await asked(provider, world, signal) : seen;
}

function looked({ kind }: ProviderConfig, at: Place): Promise<Refreshed> | Refreshed {
  switch (kind) {
    case "deepseek":
      return balance(at);
    case "ollama":
      return loaded(at);
    case "openai-compatible":
      return new URL(at.base).hostname === "openrouter.ai" || /\/api\/v1$/.test(at.base)
        ? credit(at)
        : load(at);
    default:
      return silent("it says what is left only in the reply to a call");
  }
}

interface Place {
  readonly base: string;
  readonly key: Secret | undefined;
  readonly keyName: string | undefined;
  readonly now: number;
  readonly signal: AbortSignal;
}

/** OpenRouter's key: USD that it may still spend, by the day, the week or the month, or for good. */
const Key = z.object({
  data: z.object({
    limit: z.number().positive().nullish().catch(undefined),
    limit_remaining: z.number().nullish().catch(undefined),
    limit_reset: z.string().nullish().catch(undefined),
    is_free_tier: z.boolean().nullish().catch(undefined),
  }),
});

async function credit(at: Place): Promise<Refreshed> {
  const answer = await glance(at, `${at.base}/key`);
  if (answer.kind !== "answered")
    return answer.kind === "none" ? silent("it has no /key to look at") : answer;
  const parsed = Key.safeParse(jsonIn(answer.body));
  if (!parsed.success) return silent("its /key says nothing that is understood");
  const { limit, limit_remaining: left, limit_reset: reset, is_free_tier: isFree } = parsed.data.data;
  const tier = isFree === true ? "; free models only, by the day" : "";
  if (!limit || left === undefined || left === null)
    return told([], `the key has no limit of its own${tier}`);
  const says = `$${Math.max(0, left).toFixed(2)} of $${limit.toFixed(2)} are left to the key`;
  const period = periodOf(reset, at.now);
  const used = Math.min(1, Math.max(0, 1 - left / limit));
  if (period !== undefined)
    return told(
      [{ kind: "window", measure: "share", scope: "account", limit: 1, used, ...period }],
      `${says}${tier}`,
    );
  if (left > 0) return told([], `${says}${tier}`);
  const why = `${says}; raise its limit or use another key`;
  return { kind: "failed", fault: { kind: "billing", why }, readings: [], usage: noUsage };
}

/** By UTC; weeks begin on Monday. */
function periodOf(reset: string | null | undefined, now: number) {
  const midnight = dayEndAt("UTC", now);
  const next = new Date(midnight);
  switch (reset) {
    case "daily":
      return { name: "key credit", periodMs: dayMs, resetAt: midnight };
    case "weekly":
      return {
        name: "key credit",
        periodMs: 7 * dayMs,
        resetAt: midnight + ((8 - next.getUTCDay()) % 7) * dayMs,
      };
    case "monthly": {
      const today = new Date(now);
      const resetAt = Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + 1, 1);
      return { name: "key credit", periodMs: 30 * dayMs, resetAt };
    }
    default:
      return undefined;
  }
}

const Balance = z.object({
  is_available: z.boolean(),
  balance_infos: z
    .array(z.object({ currency: z.string().max(10), total_balance: z.string().max(30) }))
    .max(10),
});

/** DeepSeek's only limit that is published for an account is its money. */
async function balance(at: Place): Promise<Refreshed> {
  const answer = await glance(at, `${at.base.replace(/\/(?:v1|beta)$/, "")}/user/balance`);
  if (answer.kind !== "answered")
    return answer.kind === "none" ? silent("it has no balance to look at") : answer;
  const parsed = Balance.safeParse(jsonIn(answer.body));
  if (!parsed.success) return silent("its balance says nothing that is understood");
  const sums = parsed.data.balance_infos.filter(({ total_balance: sum }) => /^-?[\d.]+$/.test(sum));
  const words = sums.map(({ currency, total_balance: sum }) => `${sum} ${currency}`).join(", ") || "nothing";
  if (parsed.data.is_available) return told([], `balance: ${words}`);
  const why = `balance: ${words}, too little to be asked; add credit to this account`;
  return { kind: "failed", fault: { kind: "billing", why }, readings: [], usage: noUsage };
}

const Loaded = z.object({ models: z.array(z.object({ name: z.string().max(200) })).max(100) });

/** Ollama has no limits but one request at a time for each model, which the configuration says. */
async function loaded(at: Place): Promise<Refreshed> {
  const answer = await glance(at, `${at.base.replace(/\/(?:v1|api)$/, "")}/api/ps`);
  if (answer.kind !== "answered")
    return answer.kind === "none" ? silent("it has no /api/ps to look at") : answer;
  const parsed = Loaded.safeParse(jsonIn(answer.body));
  if (!parsed.success) return silent("its /api/ps says nothing that is understood");
  const models = parsed.data.models.map(({ name }) => name).join(", ");
  return told([], models === "" ? "up; no model is in memory" : `up; in memory: ${models}`);
}

/** vLLM serves its metrics always, llama.cpp with --metrics and --slots; both beside `/v1`. */
async function load(at: Place): Promise<Refreshed> {
  const root = at.base.replace(/\/v1$/, "");
  const metrics = await glance(at, `${root}/metrics`);
  if (metrics.kind === "failed" && metrics.fault.kind === "capacity") return metrics;
  const slots = await glance(at, `${root}/slots`);
  const load = metrics.kind === "answered" ? loadOf(metrics.body) : undefined;
  const readings = slots.kind === "answered" ? slotsOf(jsonIn(slots.body)) : [];
  if (load === undefined && readings.length === 0) return silent("it shows neither /metrics nor /slots");
  const requests = load === undefined ? [] : [`${load.running} running, ${load.waiting} waiting`];
  const places = readings.map((each) => (each.kind === "slots" ? `${each.max} at once` : ""));
  return { ...told(readings, [...requests, ...places].join(", ")), load };
}

/** The smallest call there is, for the headers of its reply. Reasoning models refuse a bound of one token. */
async function asked(provider: ProviderConfig, world: World, signal: AbortSignal): Promise<Refreshed> {
  const opened = await openModel(provider, world);
  if (opened.kind === "unusable") return silent(opened.why);
  const reply = await opened.model.ask(
    { ...smallest, outputTokensMax: provider.kind === "anthropic" ? 1 : 16 },
    signal,
  );
  const readings = readingsOf(reply.headers, world.now());
  const { usage } = reply;
  if (reply.kind === "failed")
    return { kind: "failed", fault: reply.fault, readings: [...readings, ...reply.readings], usage };
  const says = readings.length === 0 ? "it answers, and says nothing of limits" : "as its reply says";
  return { kind: "told", readings, load: undefined, usage, says };
}

const smallest: Omit<Prompt, "outputTokensMax"> = {
  role: "estimator",
  system: "Role: estimator",
  messages: [{ from: "user", text: "quota" }],
  temperature: 0,
};

type Glance =
  | { readonly kind: "answered"; readonly body: string }
  /** The server is there, this address is not. */
  | { readonly kind: "none" }
  | Extract<Refreshed, { kind: "failed" }>;

const lookMsMax = 5_000;
const bytesMax = 4 * 1024 * 1024;
const errorBytesMax = 64 * 1024;

/** One GET with the provider's own key, to the provider's own server. */
async function glance({ key, keyName, now, base, signal }: Place, url: string): Promise<Glance> {
  const exchange = newExchange();
  const conceal = (text: string) => key?.conceal(text) ?? text;
  const headers: Record<string, string> =
    key === undefined ? {} : { authorization: `Bearer ${key.reveal()}` };
  const failed = (fault: Fault, readings: readonly Reading[]): Glance => ({
    ...{ kind: "failed", readings, usage: noUsage },
    fault: { ...fault, why: conceal(fault.why) },
  });
  const late = AbortSignal.timeout(lookMsMax);
  try {
    const send = fetchOnce(exchange, { answerBytesMax: bytesMax, errorBytesMax }, conceal);
    const response = await send(url, { headers, signal: AbortSignal.any([signal, late]) });
    return { kind: "answered", body: conceal(await response.text()) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { refusal } = exchange;
    if (refusal === undefined) {
      const code = late.aborted ? "ETIMEDOUT" : (networkCode(error) ?? "unknown");
      return failed(networkFault(code, new URL(base).host), []);
    }
    if (isAbsent(refusal)) return { kind: "none" };
    const fault = faultOf(refusal, { keyName: key && keyName, now, conceal });
    return failed(fault, readingsOfRefusal(refusal, now));
  }
}

/** Not there, not switched on (llama.cpp says 501), or elsewhere. */
function isAbsent({ status }: Answer): boolean {
  return status < 400 || [404, 405, 501].includes(status);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function told(readings: readonly Reading[], says: string): Extract<Refreshed, { kind: "told" }> {
  return { kind: "told", readings, load: undefined, usage: noUsage, says: printable(says) };
}

function silent(why: string): Refreshed {
  return { kind: "silent", why };
}
