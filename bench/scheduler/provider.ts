/**
 * Providers as the simulator counts them (`src/edges/simulator/quota.ts`, which knows nothing of tanks), with the words they
 * answer in. Nothing waits here: a clock is an argument.
 */
import { faultOf } from "../../src/edges/models/faults.ts";
import { readingsOf } from "../../src/edges/models/readings.ts";
import { readingsOfRefusal } from "../../src/edges/models/refusals.ts";
import type { Counting, QuotaRefusal, QuotaSettings } from "../../src/edges/simulator/quota.ts";
import { Quota } from "../../src/edges/simulator/quota.ts";
import { goDuration, type HeaderForm, toldOf } from "../../src/edges/simulator/told.ts";
import type { Random } from "../../src/kit/random.ts";
import type { Resource } from "./bound.ts";
import type { Call } from "./jobs.ts";

export interface Provider {
  readonly name: string;
  readonly settings: QuotaSettings;
  /** Output tokens a ms, and ms before the first. */
  readonly perMs: number;
  readonly firstMs: number;
}

/** What goes wrong, and when; moments in ms after the beginning. */
export interface Faults {
  /** Part of all calls that get a 429 without a word. */
  readonly wordless: number;
  /** Overloaded between these. */
  readonly storm: readonly [from: number, to: number] | undefined;
  /** Limits from then on. */
  readonly change: { readonly at: number; readonly settings: QuotaSettings } | undefined;
}

export const noFaults: Faults = { wordless: 0, storm: undefined, change: undefined };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Refused by a limit that the caller could know of. */
  readonly isOwn: boolean;
}

export type Asked =
  | {
      readonly kind: "answering";
      readonly headers: Answer["headers"];
      end(now: number): void;
      wrote(tokens: number, now: number): void;
    }
  | { readonly kind: "refused"; readonly answer: Answer };

const forms: Readonly<Record<Counting, HeaderForm>> = {
  anthropic: "anthropic",
  subscription: "anthropic",
  openai: "openai",
  gemini: "none",
  concurrency: "none",
};

export class Server {
  readonly #provider: Provider;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #start: number;
  readonly #quota: Quota;
  #isChanged = false;

  constructor(provider: Provider, faults: Faults, random: Random, start: number) {
    this.#provider = provider;
    this.#faults = faults;
    this.#random = random;
    this.#start = start;
    this.#quota = new Quota(provider.settings, start);
  }

  ask(call: Call, now: number): Asked {
    const { wordless, storm, change } = this.#faults;
    if (change !== undefined && !this.#isChanged && now >= this.#start + change.at) {
      this.#isChanged = true;
      this.#quota.reshape(change.settings, now);
    }
    const at = now - this.#start;
    if (storm !== undefined && at >= storm[0] && at < storm[1])
      return { kind: "refused", answer: overloaded };
    if (wordless > 0 && this.#random() < wordless) return { kind: "refused", answer: without };
    const { input, outputMax, output } = call;
    const verdict = this.#quota.arrive(now, { input, cachedInput: 0, outputMax });
    const { counting } = this.#provider.settings;
    const headers = toldOf(forms[counting], this.#quota.levels(now), now, verdict.kind === "refused");
    if (verdict.kind === "refused") return { kind: "refused", answer: refusalIn(counting, verdict, headers) };
    const { id } = verdict;
    return {
      ...{ kind: "answering", headers },
      wrote: (tokens, then) => this.#quota.wrote(id, tokens, then),
      end: (then) => void this.#quota.end(id, { outputTokens: output, isFailed: false }, then),
    };
  }

  /** How full its fullest window is, 0 to 1 and above. */
  levels(now: number) {
    return this.#quota.levels(now);
  }

  lastsMs({ output }: Call): number {
    return this.#provider.firstMs + output / this.#provider.perMs;
  }
}

const overloaded: Answer = {
  ...{ status: 529, headers: {}, isOwn: false },
  body: '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
};

const without: Answer = {
  ...{ status: 429, headers: { "x-should-retry": "true" }, isOwn: false },
  body: '{"type":"error","error":{"type":"rate_limit_error","message":"Error"}}',
};

function refusalIn(counting: Counting, refusal: QuotaRefusal, told: Answer["headers"]): Answer {
  const waitMs = refusal.retryAfterMs;
  const headers =
    waitMs === undefined || counting === "gemini"
      ? told
      : { ...told, "retry-after": String(Math.ceil(waitMs / 1000)) };
  return { status: 429, headers, body: JSON.stringify(bodyOf(counting, refusal)), isOwn: true };
}

function bodyOf(counting: Counting, { retryAfterMs: waitMs = 1_000, limit, used, requested }: QuotaRefusal) {
  if (counting === "openai") {
    const message = `Rate limit reached: Limit ${limit}, Used ${used}, Requested ${requested}. Please try again in ${goDuration(waitMs)}.`;
    return { error: { type: "tokens", code: "rate_limit_exceeded", message } };
  }
  if (counting === "gemini") {
    const retry = {
      "@type": "type.googleapis.com/google.rpc.RetryInfo",
      retryDelay: `${(waitMs / 1000).toFixed(3)}s`,
    };
    return { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "quota", details: [retry] } };
  }
  return {
    type: "error",
    error: { type: "rate_limit_error", message: "This request would exceed your rate limit." },
  };
}

/** What a caller's edge reads in an answer. */
export function failureOf(answer: Answer, now: number) {
  return {
    kind: "failed" as const,
    fault: faultOf(answer, { keyName: undefined, now, conceal: (text) => text }),
    usage: { input: 0, cachedInput: 0, output: 0 },
    headers: answer.headers,
    readings: readingsOfRefusal(answer, now),
    wallMs: 1,
  };
}

export { readingsOf };

/** The limits of these providers as they really count, for the bound. */
export function resourcesOf(providers: readonly Provider[]): readonly Resource[] {
  return providers.flatMap(({ settings, perMs, firstMs }, provider) => {
    const { burstPart = 1 / 6, counting, foreign } = settings;
    const left = 1 - (foreign?.share ?? 0);
    const resource = (perMinute: number | undefined, demand: Resource["demand"]): readonly Resource[] =>
      perMinute === undefined
        ? []
        : [
            {
              provider,
              burst: Math.max(1, perMinute * burstPart),
              perMs: (left * perMinute) / 60_000,
              demand,
            },
          ];
    const lastsMs = ({ output }: Call) => firstMs + output / perMs;
    return [
      ...resource(settings.rpm, () => 1),
      ...resource(settings.itpm, ({ input }) => input),
      ...resource(settings.otpm, ({ output }) => output),
      ...resource(settings.tpm, ({ input, output, outputMax }) =>
        counting === "openai" ? Math.max(input, outputMax) : counting === "gemini" ? input : input + output,
      ),
      ...(settings.concurrency === undefined
        ? []
        : [{ provider, burst: 0, perMs: settings.concurrency, demand: lastsMs }]),
    ];
  });
}

const sixth = { burstPart: 1 / 6 };

/** The four of the reference (section 6): rich in requests, charged by the bound, rich in input, and slots. */
export const four: readonly Provider[] = [
  {
    name: "A",
    settings: { counting: "anthropic", rpm: 1_000, itpm: 450_000, otpm: 90_000, ...sixth },
    perMs: 0.08,
    firstMs: 800,
  },
  { name: "O", settings: { counting: "openai", rpm: 500, tpm: 500_000, ...sixth }, perMs: 0.1, firstMs: 500 },
  {
    name: "G",
    settings: { counting: "gemini", rpm: 150, itpm: 1_000_000, ...sixth },
    perMs: 0.15,
    firstMs: 600,
  },
  { name: "L", settings: { counting: "concurrency", concurrency: 4 }, perMs: 0.05, firstMs: 300 },
];
