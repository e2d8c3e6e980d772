/** Who asks over HTTP: ours, and what people use instead, each as its makers mean it to be used. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import { rankStepMs } from "../../src/domain/fairness.ts";
import { loadSizeOf } from "../../src/edges/tokens.ts";
import type { Clock } from "../../src/kit/clock.ts";
import { seeded } from "../../src/kit/random.ts";
import { Capacity } from "../../src/work/capacity.ts";
import { Estimates } from "../../src/work/estimates.ts";
import { sourceOf } from "./house.ts";
import type { Call } from "./jobs.ts";
import { failureOf, type Provider, readingsOf } from "./provider.ts";
import { atOnce, atOnceOf, limited } from "./rivals.ts";

/** Where a caller finds its providers, and what it may know of them and of the calls to come. */
export interface Site {
  readonly url: string;
  readonly seed: number;
  readonly providers: readonly Provider[];
  /** Calls like those to come, for whoever learns from such. */
  readonly before: readonly Call[];
  /** Aborted when the race is over. */
  readonly signal: AbortSignal;
}

export interface Caller {
  /** So many calls of it are out at once. */
  readonly atOnce: number;
  /** `drawn`: where whoever does not choose sends it. Rejects when it is given up: whoever asked may ask again. */
  ask(call: Call, drawn: Provider): Promise<void>;
  /** What is wrong afterwards. */
  wrong(): readonly string[];
}

export interface Rival {
  readonly name: string;
  open(site: Site): Promise<Caller>;
}

const sentence = "Say hello to everybody who reads these words, wherever they may be. ";
const size = await loadSizeOf();
const sentenceTokens = size(sentence.repeat(100)) / 100;

/** What a call's answer is found by; nothing of it is alike in two prompts, so that no cache makes them cheaper. */
export const markOf = ({ name }: Call) => `<${name}>`;

function promptOf(call: Call): string {
  return markOf(call) + sentence.repeat(Math.max(1, Math.round(call.input / sentenceTokens)));
}

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal.addEventListener("abort", stop, { once: true });
    }),
};

const isClaude = ({ settings }: Provider) => settings.counting === "anthropic";

function post({ url, signal }: Site, provider: Provider, call: Call): Promise<Response> {
  const { name } = provider;
  const messages = [{ role: "user", content: promptOf(call) }];
  return fetch(`${url}${isClaude(provider) ? "/v1/messages" : "/v1/chat/completions"}`, {
    ...{ method: "POST", signal },
    headers: {
      "content-type": "application/json",
      ...(isClaude(provider)
        ? { "x-api-key": name, "anthropic-version": "2023-06-01" }
        : { authorization: `Bearer ${name}` }),
    },
    body: JSON.stringify({ model: name, max_tokens: call.outputMax, messages }),
  });
}

function usageIn(body: string) {
  const { usage } = JSON.parse(body) as { usage: Record<string, number> };
  const input = usage.input_tokens ?? usage.prompt_tokens ?? 0;
  return { input, cachedInput: 0, output: usage.output_tokens ?? usage.completion_tokens ?? 0 };
}

/** The capacity of `src/work`, asked as workers ask it: it decides when, and with whom. */
export const ours: Rival = { name: "ours", open: async (site) => oursAt(site) };

function oursAt(site: Site): Caller {
  const { providers, signal } = site;
  const now = () => realClock.now();
  const capacity = new Capacity({
    estimates: new Estimates(),
    ...{ clock: realClock, random: seeded(site.seed), callMsMax: 600_000, patienceMs: 30_000 },
    patience: () => ({ baseMs: 1_000, maxMs: 60_000 }),
    read: (outcome) => [
      ...readingsOf(outcome.headers, now()),
      ...(outcome.kind === "failed" ? outcome.readings : []),
    ],
    changed: () => {},
  });
  for (const provider of providers) {
    // How much comes at once is configured, as the servers have it.
    capacity.offer(sourceOf(provider, 10));
    // A fleet that worked before knows about how much calls of a kind write.
    for (const { kind, output } of site.before)
      capacity.learn(provider.name, kind, { input: 1, cachedInput: 0, output });
  }
  const wishOf = (call: Call, input: number) => {
    const { outputMax, kind, name, level } = call;
    const expected = providers.map((each) => capacity.expected(each.name, kind, outputMax));
    return {
      id: name,
      // A level is a step of priority, as on the virtual clock.
      tenant: "goal",
      rank: now() + (level - 1) * rankStepMs,
      candidates: providers.map((each, at) => ({
        ...{ provider: each.name, floor: 0 },
        draft: { input, cachedInput: 0, output: expected[at]?.output ?? outputMax, outputMax },
      })),
      outputLikely: expected[0]?.likely ?? outputMax,
      ...{ series: name, end: undefined },
    };
  };
  return {
    atOnce: Number.POSITIVE_INFINITY,
    async ask(call) {
      const input = size(promptOf(call));
      for (;;) {
        const place = await capacity.enter(wishOf(call, input), signal);
        if (place.kind === "never") throw new Error(place.why);
        if (place.kind === "later") {
          await realClock.sleep(Math.max(1, place.until - now()), signal);
          continue;
        }
        const provider = providers.find(({ name }) => name === place.provider) as Provider;
        try {
          const response = await post(site, provider, call);
          const headers = Object.fromEntries(response.headers);
          const { status } = response;
          const body = await response.text();
          if (status !== 200) {
            place.end(failureOf({ status, headers, body, isOwn: true }, now()));
            continue;
          }
          const usage = usageIn(body);
          capacity.learn(provider.name, call.kind, usage);
          place.end({ kind: "said", usage, headers });
          return;
        } finally {
          place.end({ kind: "lost" });
        }
      }
    },
    wrong() {
      const leaked = [...capacity.tanks().values()].reduce((sum, { leases }) => sum + leases.length, 0);
      return leaked === 0 ? [] : [`${leaked} reservations never given back`];
    },
  };
}

/** The AI SDK's own retries, two by default, against the provider that was drawn. */
export const aiSdkOverHttp: Rival = {
  name: "AI SDK, default retries",
  async open({ url, signal }) {
    const baseURL = `${url}/v1`;
    const modelOf = (provider: Provider) => {
      const { name } = provider;
      if (isClaude(provider)) return createAnthropic({ baseURL, apiKey: name })(name);
      return createOpenAICompatible({ name, baseURL, apiKey: name })(name);
    };
    return {
      atOnce,
      async ask(call, drawn) {
        const [model, prompt] = [modelOf(drawn), promptOf(call)];
        await generateText({ model, prompt, maxOutputTokens: call.outputMax, abortSignal: signal });
      },
      wrong: () => [],
    };
  },
};

/** Each call goes to whom it loads least, through that provider's limiter (rivals.ts). */
export const bottleneckOverHttp: Rival = {
  name: "bottleneck, least loaded first",
  async open(site) {
    const { ask, close } = limited(
      site.providers,
      "least loaded",
      async (call, provider) => {
        const response = await post(site, provider, call);
        await response.text();
        return response.status === 200 ? "answered" : "refused";
      },
      (ms) => realClock.sleep(ms, site.signal),
    );
    site.signal.addEventListener("abort", close, { once: true });
    return { atOnce: atOnceOf("least loaded"), ask, wrong: () => [] };
  },
};

/**
 * Portkey's gateway chooses by weights and asks the same provider again, at most 5 times: after 1, 2, 4, 8 and 16 s, or,
 * `isTold`, after what `retry-after` says, where it says so. Without its hosted service it has no queue and counts no limits:
 * the providers say who is let in, so refusals are how it works. What it gives up it hands back as the provider's 429.
 */
export function portkeyOverHttp(gateway: string, isTold: boolean): Rival {
  return {
    name: `Portkey 1.15.2, 5 retries${isTold ? " as told" : ""}`,
    async open({ url, signal, providers }) {
      // As those without a choice of their own are drawn (rivals.ts).
      const weights = [0.4, 0.35, 0.2, 0.05];
      const config = JSON.stringify({
        strategy: { mode: "loadbalance" },
        targets: providers.map((provider, at) => ({
          provider: isClaude(provider) ? "anthropic" : "openai",
          ...{ custom_host: `${url}/v1`, api_key: provider.name, weight: weights[at] },
          override_params: { model: provider.name },
          retry: { attempts: 5, on_status_codes: [429], use_retry_after_header: isTold },
        })),
      });
      return {
        atOnce,
        async ask(call) {
          const messages = [{ role: "user", content: promptOf(call) }];
          const response = await fetch(`${gateway}/v1/chat/completions`, {
            ...{ method: "POST", signal },
            headers: { "content-type": "application/json", "x-portkey-config": config },
            body: JSON.stringify({ model: "any", max_tokens: call.outputMax, messages }),
          });
          const body = await response.text();
          if (response.status !== 200) throw new Error(`${response.status}: ${body.slice(0, 200)}`);
        },
        wrong: () => [],
      };
    },
  };
}
