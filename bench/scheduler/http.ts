/**
 * The same over real HTTP and in real time, small: two accounts of the simulator, 150 calls at once, about a quarter of a
 * minute. Ours and the AI SDK, each against a server of its own, one after the other.
 */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import { readScenario } from "../../src/edges/simulator/scenario.ts";
import { type Simulator, startSimulator } from "../../src/edges/simulator/server.ts";
import type { Clock } from "../../src/kit/clock.ts";
import { seeded } from "../../src/kit/random.ts";
import { Capacity } from "../../src/work/capacity.ts";
import { Estimates } from "../../src/work/estimates.ts";
import { print } from "../figure.ts";
import { sourceOf } from "./house.ts";
import { failureOf, type Provider, readingsOf } from "./provider.ts";

const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

const accounts: readonly Provider[] = [
  { name: "claude", settings: { counting: "anthropic", rpm: 180, itpm: 60_000 }, perMs: 0.2, firstMs: 50 },
  { name: "gpt", settings: { counting: "openai", rpm: 240, tpm: 120_000 }, perMs: 0.2, firstMs: 50 },
];
const count = 150;
/** Who was given up after this does not ask again: then the time that is printed is too short for what was done. */
const wallMsMax = 40_000;
const givenUpMs = 2_000;
const outputMax = 100;
/** About 250 tokens. */
const prompt = "Say hello to everybody who reads these words. ".repeat(25);

interface Raced {
  readonly wallMs: number;
  readonly made: number;
  readonly refused: number;
  /** Calls that came back with an error after the package's own retries. */
  readonly givenUp: number;
}

async function opened(): Promise<Simulator> {
  const limits = (at: number) => accounts[at]?.settings;
  const read = readScenario(
    JSON.stringify({
      accounts: [
        { key: "claude", limits: limits(0) },
        { key: "gpt", limits: limits(1) },
      ],
      rules: [{ times: "always", do: { kind: "say", text: "hello ".repeat(60) } }],
    }),
  );
  if (read.kind === "refused") throw new Error(read.why);
  return startSimulator({
    clock: realClock,
    scenario: read.scenario,
    firstTokenMs: 50,
    tokensPerSecond: 200,
  });
}

function post(url: string, name: string): Promise<Response> {
  const messages = [{ role: "user", content: prompt }];
  const isClaude = name === "claude";
  return fetch(`${url}${isClaude ? "/v1/messages" : "/v1/chat/completions"}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(isClaude
        ? { "x-api-key": name, "anthropic-version": "2023-06-01" }
        : { authorization: `Bearer ${name}` }),
    },
    body: JSON.stringify({ model: "perfect", max_tokens: outputMax, messages }),
  });
}

async function ours(url: string): Promise<Raced> {
  const capacity = new Capacity({
    estimates: new Estimates(),
    ...{ clock: realClock, random: seeded(1), callMsMax: 600_000, patienceMs: 30_000 },
    patience: () => ({ baseMs: 1_000, maxMs: 60_000 }),
    read: (outcome) => readingsOf(outcome.headers, Date.now()),
    changed: () => {},
  });
  for (const account of accounts) capacity.offer(sourceOf(account, false));
  const counts = { made: 0, refused: 0, givenUp: 0 };
  const startedAt = Date.now();
  const draft = { input: Math.ceil(prompt.length / 4), cachedInput: 0, output: outputMax, outputMax };
  const live = async (id: string): Promise<void> => {
    for (;;) {
      const candidates = accounts.map(({ name }) => ({ provider: name, floor: 0, draft }));
      const wish = { id, rank: startedAt, candidates, outputLikely: 80, series: id, end: undefined };
      const place = await capacity.enter(wish, new AbortController().signal);
      if (place.kind === "never") throw new Error(place.why);
      if (place.kind === "later") {
        await realClock.sleep(Math.max(1, place.until - Date.now()), new AbortController().signal);
        continue;
      }
      counts.made += 1;
      const response = await post(url, place.provider);
      const headers = Object.fromEntries(response.headers);
      const body = await response.text();
      if (response.status !== 200) {
        counts.refused += 1;
        place.end(failureOf({ status: response.status, headers, body, isOwn: true }, Date.now()));
        continue;
      }
      const usage = usageIn(body);
      capacity.learn(place.provider, "hello", usage);
      place.end({ kind: "said", usage, headers });
      return;
    }
  };
  await Promise.all(Array.from({ length: count }, (_, index) => live(`c${index}`)));
  const leaked = [...capacity.tanks().values()].reduce((sum, { leases }) => sum + leases.length, 0);
  if (leaked > 0) process.stdout.write(`over HTTP: ${leaked} reservations never given back\n`);
  return { wallMs: Date.now() - startedAt, ...counts };
}

function usageIn(body: string) {
  const { usage } = JSON.parse(body) as { usage: Record<string, number> };
  const input = usage.input_tokens ?? usage.prompt_tokens ?? 0;
  return { input, cachedInput: 0, output: usage.output_tokens ?? usage.completion_tokens ?? 0 };
}

async function aiSdk(url: string): Promise<Raced> {
  const counts = { made: 0, refused: 0, givenUp: 0 };
  const counting: typeof fetch = async (...words) => {
    counts.made += 1;
    const response = await fetch(...words);
    if (response.status !== 200) counts.refused += 1;
    return response;
  };
  const claude = createAnthropic({ baseURL: `${url}/v1`, apiKey: "claude", fetch: counting });
  const gpt = createOpenAICompatible({ name: "gpt", baseURL: `${url}/v1`, apiKey: "gpt", fetch: counting });
  const startedAt = Date.now();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      // By what each may take a minute; who is given up asks again.
      const model = index % 7 < 3 ? claude("perfect") : gpt("perfect");
      for (;;) {
        try {
          await generateText({ model, prompt, maxOutputTokens: outputMax });
          return;
        } catch {
          counts.givenUp += 1;
          if (Date.now() > startedAt + wallMsMax) return;
          // What the package gave up a careful caller asks again, and not at once.
          await realClock.sleep(givenUpMs, new AbortController().signal);
        }
      }
    }),
  );
  return { wallMs: Date.now() - startedAt, ...counts };
}

async function raced(run: (url: string) => Promise<Raced>): Promise<Raced> {
  const simulator = await opened();
  try {
    return await run(simulator.url);
  } finally {
    await simulator.close();
  }
}

export async function overHttp(): Promise<void> {
  const mine = await raced(ours);
  const theirs = await raced(aiSdk);
  const figure = (name: string, value: (run: Raced) => number, unit: "calls" | "a job" | "s", max?: number) =>
    print({
      ...{ name: `over HTTP, ${count} at once: ${name}`, ours: value(mine), unit },
      baseline: { name: "AI SDK, default retries", value: value(theirs) },
      goal: max === undefined ? { kind: "none" } : { kind: "at-most", max },
    });
  figure("refused", ({ refused }) => refused, "calls", 0);
  figure("given up, and asked again later", ({ givenUp }) => givenUp, "calls");
  figure("calls for a job", ({ made }) => made / count, "a job", 1.01);
  figure("until the last answer", ({ wallMs }) => wallMs / 1_000, "s");
}
