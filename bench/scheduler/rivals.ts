/**
 * What people use instead, the real packages on the same virtual clock against the same providers: `setTimeout` and
 * `Date.now` are the bench's while they run. Calls that a package gives up are asked again, as a caller has to.
 */
import { APICallError, generateText } from "ai";
import Bottleneck from "bottleneck";
import { seeded } from "../../src/kit/random.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import { boundOf } from "./house.ts";
import type { Call } from "./jobs.ts";
import { type Asked, type Faults, noFaults, type Provider, Server } from "./provider.ts";
import { install } from "./time.ts";

export interface RivalRun {
  readonly makespanMs: number;
  readonly boundMs: number;
  readonly made: number;
  readonly refused: number;
  readonly jobs: number;
}

export interface RivalPlan {
  readonly seed: number;
  readonly providers: readonly Provider[];
  readonly calls: readonly Call[];
  readonly faults: Readonly<Record<string, Faults>>;
}

const start = 1_700_000_000_000;
/** So many calls are out at once, as a careful program does it. */
export const atOnce = 64;

interface World {
  readonly time: VirtualClock;
  readonly servers: ReadonlyMap<string, Server>;
  readonly made: { count: number; refused: number };
}

type Maker = (world: World, plan: RivalPlan) => (call: Call, provider: Provider) => Promise<void>;

async function raced(plan: RivalPlan, maker: Maker, bound = atOnce): Promise<RivalRun> {
  const time = new VirtualClock(start);
  const servers = new Map(
    plan.providers.map((each) => [
      each.name,
      new Server(each, plan.faults[each.name] ?? noFaults, seeded(plan.seed + 99), start),
    ]),
  );
  const made = { count: 0, refused: 0 };
  const putBack = install(time);
  try {
    const ask = maker({ time, servers, made }, plan);
    const random = seeded(plan.seed + 7);
    let done = 0;
    let endsAt = start;
    let out = 0;
    const queue: Call[] = [];
    const next = () => {
      while (out < bound) {
        const call = queue.shift();
        if (call === undefined) return;
        out += 1;
        void ask(call, chosen(plan.providers, random)).then(
          () => {
            out -= 1;
            done += 1;
            endsAt = time.now();
            next();
          },
          () => {
            out -= 1;
            queue.push(call);
            next();
          },
        );
      }
    };
    for (const call of plan.calls)
      time.at(start + call.comesAt, () => {
        queue.push(call);
        next();
      });
    await time.run(() => done === plan.calls.length);
    return {
      ...{ makespanMs: endsAt - start, boundMs: boundOf(plan.calls, plan.providers) },
      ...{ made: made.count, refused: made.refused, jobs: plan.calls.length },
    };
  } finally {
    putBack();
  }
}

/** 40, 35, 20 and 5 %, as the reference has it: about what each of the four can take. */
export function chosen(providers: readonly Provider[], random: () => number): Provider {
  const parts = [0.4, 0.75, 0.95, 1];
  const drawn = random();
  const at = providers.length === 1 ? 0 : parts.findIndex((part) => drawn < part);
  return providers[Math.max(0, at)] as Provider;
}

function sent({ time, servers, made }: World, call: Call, { name }: Provider): Asked {
  made.count += 1;
  const asked = (servers.get(name) as Server).ask(call, time.now());
  if (asked.kind === "refused") made.refused += 1;
  return asked;
}

async function answered(
  { time, servers }: World,
  asked: Extract<Asked, { kind: "answering" }>,
  call: Call,
  name: string,
) {
  const lasts = (servers.get(name) as Server).lastsMs(call);
  await new Promise<void>((resolve) => void time.at(time.now() + lasts, resolve));
  asked.end(time.now());
}

/** The AI SDK's own retries; `maxRetries` undefined: its default of 2. Its model is a few lines that throw what an HTTP edge throws. */
export function aiSdk(plan: RivalPlan, maxRetries: number | undefined): Promise<RivalRun> {
  return raced(plan, (world) => async (call, provider) => {
    await generateText({
      model: {
        ...{ specificationVersion: "v4", provider: provider.name, modelId: "model", supportedUrls: {} },
        doStream: () => Promise.reject(new Error("not asked for")),
        async doGenerate() {
          const asked = sent(world, call, provider);
          if (asked.kind === "refused") throw callError(asked.answer);
          await answered(world, asked, call, provider.name);
          return said;
        },
      } as never,
      prompt: "x",
      ...(maxRetries === undefined ? {} : { maxRetries }),
    });
  });
}

const said = {
  content: [{ type: "text", text: "ok" }],
  finishReason: { unified: "stop", raw: "stop" },
  usage: {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  },
  warnings: [],
};

function callError({
  status,
  headers,
  body,
}: {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}) {
  return new APICallError({
    ...{ message: "refused", url: "http://127.0.0.1", requestBodyValues: {} },
    ...{ statusCode: status, responseHeaders: { ...headers }, responseBody: body },
    isRetryable: status === 429 || status >= 500,
  });
}

/** So often a reservoir is filled up, ms; its size is a fifth of a minute's tenth, below the servers' burst. */
const refillMs = 2_000;

/** Asks once: what a limit refuses is over at once, else it lasts as long as its answer. */
export type Attempt = (call: Call, provider: Provider) => Promise<"answered" | "refused">;

/** Its own queues hold what waits: a bound on what is out would let those of one full provider keep out the others. */
export const atOnceOf = (choice: Choice) => (choice === "split" ? atOnce : 4 * atOnce);

export type Choice = "split" | "least loaded";

/** Bottleneck's own retries wait for nobody: what is refused is asked again after this, through the same limiter. */
const againMs = 1_000;

export interface Limited {
  ask(call: Call, drawn: Provider): Promise<void>;
  /** Drops what still waits. */
  close(): void;
}

/**
 * bottleneck, tuned as well as it can be: for each provider a reservoir of its binding limit, in small steps that stay below
 * the server's burst, `minTime` for requests, `maxConcurrent` for slots, the input as weight, and failed calls asked again.
 */
export function limited(
  providers: readonly Provider[],
  choice: Choice,
  attempt: Attempt,
  pause: (ms: number) => Promise<void>,
): Limited {
  const loads = new Map<string, number>(providers.map(({ name }) => [name, 0]));
  const limiters = new Map(providers.map((each) => [each.name, limiterFor(each)]));
  async function asked(call: Call, provider: Provider): Promise<void> {
    const weight = Math.min(weightOf(provider, call), 3 * (stepOf(provider) ?? 1));
    const limiter = limiters.get(provider.name) as Bottleneck;
    for (;;) {
      const kind = await limiter.schedule({ weight }, () => attempt(call, provider));
      if (kind === "answered") return;
      await pause(againMs);
    }
  }
  return {
    async ask(call, drawn) {
      const provider = choice === "split" ? drawn : leastLoaded(providers, loads, call);
      const part = partOf(provider, call);
      loads.set(provider.name, (loads.get(provider.name) ?? 0) + part);
      try {
        await asked(call, provider);
      } finally {
        loads.set(provider.name, (loads.get(provider.name) ?? 0) - part);
      }
    },
    close() {
      for (const limiter of limiters.values()) void limiter.stop({ dropWaitingJobs: true });
    },
  };
}

/** Tokens of one filling; undefined: it counts none. */
function stepOf({ settings: { itpm, tpm } }: Provider): number | undefined {
  const perMinute = itpm ?? tpm;
  return perMinute === undefined ? undefined : Math.floor((perMinute * refillMs) / 60_000);
}

function limiterFor(provider: Provider): Bottleneck {
  const { rpm, concurrency } = provider.settings;
  const step = stepOf(provider);
  return new Bottleneck({
    ...(rpm === undefined ? {} : { minTime: Math.ceil(60_000 / rpm) }),
    ...(concurrency === undefined ? {} : { maxConcurrent: concurrency }),
    ...(step === undefined
      ? {}
      : {
          reservoir: step,
          reservoirIncreaseAmount: step,
          reservoirIncreaseInterval: refillMs,
          // A call heavier than this is clipped to it, or it would never begin.
          reservoirIncreaseMaximum: 3 * step,
        }),
  });
}

function weightOf(provider: Provider, { input, outputMax }: Call): number {
  if (stepOf(provider) === undefined) return 1;
  return provider.settings.counting === "openai" ? Math.max(input, outputMax) : input;
}

export function bottleneck(plan: RivalPlan, choice: Choice): Promise<RivalRun> {
  return raced(
    plan,
    (world, { providers }) =>
      limited(
        providers,
        choice,
        async (call, provider) => {
          const one = sent(world, call, provider);
          if (one.kind === "refused") return "refused";
          await answered(world, one, call, provider.name);
          return "answered";
        },
        (ms) => new Promise((resolve) => void world.time.at(world.time.now() + ms, resolve)),
      ).ask,
    atOnceOf(choice),
  );
}

/** Minutes of its limits that a call takes of a provider: the larger of its tokens' and its request's part, or of its slot's. */
function partOf({ settings, perMs, firstMs }: Provider, { input, outputMax }: Call): number {
  const { itpm, tpm, rpm, counting, concurrency } = settings;
  const perMinute = itpm ?? tpm;
  const weight = counting === "openai" ? Math.max(input, outputMax) : input;
  return Math.max(
    perMinute === undefined ? 0 : weight / perMinute,
    rpm === undefined ? 0 : 1 / rpm,
    concurrency === undefined ? 0 : (firstMs + usualOutput / perMs) / 60_000 / concurrency,
  );
}

/** Tokens that an answer usually has; how many this one will have nobody knows. */
const usualOutput = 600;

function leastLoaded(
  providers: readonly Provider[],
  loads: ReadonlyMap<string, number>,
  call: Call,
): Provider {
  const after = (each: Provider) => (loads.get(each.name) ?? 0) + partOf(each, call);
  return providers.reduce((best, each) => (after(each) < after(best) ? each : best));
}
