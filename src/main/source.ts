/** Providers of the configuration as their tanks know them. */
import { createHash } from "node:crypto";
import type { Refinery } from "../domain/refinery.ts";
import type { Tank } from "../domain/tank.ts";
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import { factsOfKind, type ProviderKind } from "../edges/config/kind.ts";
import { keyNameOf } from "../edges/models/open.ts";
import { doubtsOf, readingsOf, zeroLimitsOf } from "../edges/models/readings.ts";
import { dayEndAt } from "../edges/models/waits.ts";
import type { Source } from "../work/accounts.ts";
import { Capacity, type CapacityTools } from "../work/capacity.ts";

/** How each kind of provider counts; kinds that are not here are never limited by one that is asked over the wire. */
const meterings: Readonly<Record<ProviderKind, Source["metering"]>> = {
  anthropic: "anthropic",
  openai: "openai",
  gemini: "gemini",
  deepseek: "slots",
  ollama: "slots",
  triton: "slots",
  gguf: "slots",
  "openai-compatible": "plain",
  scripted: "none",
  "claude-code": "plain",
  codex: "plain",
  "gemini-cli": "plain",
  opencode: "plain",
  acp: "plain",
};

/** A second request to a local model that cannot run two makes Ollama load it anew, for seconds; a file's runs one. */
const concurrencyUsual: Readonly<Partial<Record<ProviderKind, number>>> = { ollama: 1, gguf: 1 };

type Variables = Readonly<Record<string, string | undefined>>;

/** Providers at the same server with the same key share an account, whatever they and the variables are called. */
export function sourceOf(provider: ProviderConfig, now: number, variables: Variables): Source {
  const { name, kind, model, limits } = provider;
  const host = hostOf(provider);
  const account = `${host} ${keyWords(provider, variables)}`;
  return {
    provider: name,
    account: { account, model: model ?? "default" },
    metering: meterings[kind],
    limits: { ...limits, concurrency: limits.concurrency ?? concurrencyUsual[kind] },
    dayEndsAt: dayOf(kind, host, now),
  };
}

function hostOf({ name, kind, baseUrl }: ProviderConfig): string {
  const address = baseUrl ?? factsOfKind(kind).baseUrl;
  if (address === undefined) return name;
  const { hostname, port, protocol } = new URL(address);
  const host = /^(localhost|\[::1\])$/.test(hostname) ? "127.0.0.1" : hostname;
  return port === "" && protocol === "https:" ? host : `${host}:${port === "" ? "80" : port}`;
}

/** A key by a mark of its own, which says nothing of it; where it is not at hand, that. */
function keyWords(provider: ProviderConfig, variables: Variables): string {
  const keyName = keyNameOf(provider);
  if (keyName === undefined) return "without key";
  const value = variables[keyName]?.trim() ?? "";
  if (value === "") return unknownKey;
  return `key ${createHash("sha256").update(`rigs account\n${value}`).digest("hex").slice(0, 8)}`;
}

const unknownKey = "key unknown";

/**
 * The saved tank of this name; where the key is not at hand, the one of the same server and model that was used last: it is
 * mostly the only one.
 */
export function savedTank(saved: Refinery, name: string): Tank | undefined {
  const known = saved.get(name);
  if (known !== undefined || !name.includes(unknownKey)) return known;
  const [before = "", after = ""] = name.split(unknownKey);
  const isMeant = (each: string) =>
    each.startsWith(`${before}key `) && each.slice(before.length + "key 12345678".length) === after;
  return [...saved.values()]
    .filter((tank) => isMeant(tank.name))
    .reduce<Tank | undefined>((newest, tank) => (newest && newest.at > tank.at ? newest : tank), undefined);
}

/** Vendors' own days: Google's end at midnight in California, OpenRouter's in Greenwich. */
function dayOf(kind: ProviderKind, host: string, now: number): number | undefined {
  if (kind === "gemini") return dayEndAt("America/Los_Angeles", now);
  return /(^|\.)openrouter\.ai$/.test(host) ? dayEndAt("UTC", now) : undefined;
}

/** Beyond a provider's own bound of a call: its lease must outlive it, ms. */
const callSlackMs = 60_000;
/** A worker waits so long for a place before it gives its bead back, ms. */
const patienceMs = 30_000;

interface CapacityWorld extends Pick<CapacityTools, "clock" | "random" | "estimates" | "changed"> {
  /** As it is now. */
  config(): Config;
  /** A reply told limits that are not believed: "a limit of 0.5 requests a minute". */
  doubted(provider: string, what: readonly string[]): void;
}

/** Nobody's tanks yet. */
export function openCapacity({
  clock,
  random,
  estimates,
  config,
  changed,
  doubted,
}: CapacityWorld): Capacity {
  return new Capacity({
    ...{ clock, random, estimates, patienceMs, changed },
    callMsMax: Math.max(0, ...config().providers.map(({ timeoutMs }) => timeoutMs)) + callSlackMs,
    patience(name) {
      const retry = config().providers.find((provider) => provider.name === name)?.retry;
      return { baseMs: retry?.baseMs ?? 1_000, maxMs: retry?.maxMs ?? 60_000 };
    },
    read(outcome, provider) {
      const { kind, headers } = outcome;
      // Of a refusal a limit of 0 is why it is closed.
      const isZero =
        kind === "failed" && outcome.fault.kind === "throttle" && zeroLimitsOf(headers).length > 0;
      const doubts = isZero ? [] : doubtsOf(headers);
      if (doubts.length > 0) doubted(provider, doubts);
      return [...readingsOf(headers, clock.now()), ...(kind === "failed" ? outcome.readings : [])];
    },
  });
}
