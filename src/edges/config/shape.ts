/** The file's own words, in snake case, and how they become a Config. Unknown keys are errors: a typo must not pass as a default. */
import { z } from "zod";
import { defaultPolicy } from "../../domain/move.ts";
import type { AssayerConfig, PolecatConfig, ProviderConfig } from "./config.ts";
import { contextTokensOf, type ProviderKind, providerKinds } from "./kind.ts";

const count = (max: number) =>
  z.int(`is a whole number from 1 to ${max}`).min(1, `is at least 1`).max(max, `is at most ${max}`);
const countOrNone = (max: number) =>
  z.int(`is a whole number from 0 to ${max}`).min(0, "is at least 0").max(max, `is at most ${max}`);
const amount = (max: number) => z.number("is a number").min(0, "is at least 0").max(max, `is at most ${max}`);
const line = z.string("is a text in quotes").min(1, "is empty").max(500, "is longer than 500 characters");
const flag = z.boolean("is true or false");
const choice = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, `is one of: ${words.join(", ")}`);
const table = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, { error: tableError });

/** Unknown keys are reported by `parse.ts`, which knows the lines. */
function tableError(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" ? "is a table" : undefined;
}

const Limits = table({
  rpm: count(1e9).optional(),
  rpd: count(1e9).optional(),
  tpm: count(1e12).optional(),
  itpm: count(1e12).optional(),
  otpm: count(1e12).optional(),
  concurrency: count(100_000).optional(),
  burst_seconds: count(60).optional(),
});

const PriceShape = table({ input: amount(1e6), cached_input: amount(1e6).optional(), output: amount(1e6) });

/** Received values are never repeated: people paste keys into the wrong place. */
const BaseUrl = line.refine(isHttpUrl, "is an http or https address without user name, query or fragment");
const Variable = line.regex(
  /^[A-Za-z_][A-Za-z0-9_]{0,99}$/,
  "is the name of an environment variable; the key itself never stands in this file",
);

export const ProviderShape = table({
  kind: choice(providerKinds).optional(),
  enabled: flag.optional(),
  model: line.optional(),
  base_url: BaseUrl.optional(),
  api_key_env: Variable.optional(),
  tier: choice(["cheap", "standard", "strong"]).optional(),
  limits: Limits.optional(),
  threshold_yellow: amount(1).optional(),
  threshold_red: amount(1).optional(),
  max_retries: countOrNone(20).optional(),
  retry_base_seconds: amount(3600).optional(),
  retry_max_seconds: amount(86_400).optional(),
  price: PriceShape.optional(),
  script: line.optional(),
  context_tokens: count(100_000_000).optional(),
  output_tokens_max: count(128_000).optional(),
  timeout_seconds: count(86_400).optional(),
});

const Host = line.regex(
  /^(https?:\/\/)?[A-Za-z0-9.-]+(:\d{1,5})?$/,
  "is a host name, with a port where it is not 443 (a plain http registry is written http://host:port)",
);

export const FileShape = table({
  general: table({
    workspace: line.optional(),
    log_level: choice(["trace", "debug", "info", "warn", "error"]).optional(),
  }).optional(),
  providers: z
    .record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), ProviderShape, { error: tableError })
    .optional(),
  assayer: table({
    planner_model: line.optional(),
    optimizer_model: line.optional(),
    estimator_model: line.optional(),
    use_ollama: flag.optional(),
  }).optional(),
  routing: table({ strategy: choice(["conservative", "balanced", "aggressive"]).optional() }).optional(),
  polecat: table({
    repairs: countOrNone(20).optional(),
    fresh_starts: countOrNone(20).optional(),
    calls_max: count(200).optional(),
    context_tokens_max: z.int("is a whole number").min(1000, "is at least 1000").max(10_000_000).optional(),
  }).optional(),
  environment: table({ registries: z.array(Host, "is a list of host names").max(100).optional() }).optional(),
});

export type FileWords = z.infer<typeof FileShape>;
export type ProviderWords = z.infer<typeof ProviderShape>;

/** The keys a table may have, for "did you mean"; `path` as in the file. Empty for what is no table. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const [top, , inner] = path;
  if (top === undefined) return Object.keys(FileShape.shape);
  if (top === "providers") {
    if (inner === "limits") return Object.keys(Limits.shape);
    if (inner === "price") return Object.keys(PriceShape.shape);
    return Object.keys(ProviderShape.shape);
  }
  const shape = FileShape.shape[top as keyof typeof FileShape.shape]?.unwrap();
  return shape !== undefined && "shape" in shape ? Object.keys(shape.shape) : [];
}

export function providerOf(name: string, kind: ProviderKind, words: ProviderWords): ProviderConfig {
  const { limits, price } = words;
  return {
    name,
    kind,
    enabled: words.enabled ?? true,
    model: words.model,
    baseUrl: words.base_url?.replace(/\/+$/, ""),
    apiKeyEnv: words.api_key_env,
    tier: words.tier ?? "standard",
    limits: {
      rpm: limits?.rpm,
      rpd: limits?.rpd,
      tpm: limits?.tpm,
      itpm: limits?.itpm,
      otpm: limits?.otpm,
      concurrency: limits?.concurrency,
      burstSeconds: limits?.burst_seconds,
    },
    thresholdYellow: words.threshold_yellow ?? Math.max(0.5, words.threshold_red ?? 0),
    thresholdRed: words.threshold_red ?? Math.min(0.2, words.threshold_yellow ?? 1),
    retry: {
      countMax: words.max_retries ?? 3,
      baseMs: Math.round((words.retry_base_seconds ?? Math.min(2, words.retry_max_seconds ?? 2)) * 1000),
      maxMs: Math.round((words.retry_max_seconds ?? Math.max(60, words.retry_base_seconds ?? 0)) * 1000),
    },
    // A cache nobody named a price for is counted in full, never for free.
    price: price && {
      inputUsd: price.input,
      cachedInputUsd: price.cached_input ?? price.input,
      outputUsd: price.output,
    },
    script: words.script,
    contextTokens: words.context_tokens ?? contextTokensOf(kind),
    outputTokensMax: words.output_tokens_max ?? 8_192,
    timeoutMs: (words.timeout_seconds ?? 600) * 1000,
  };
}

export function assayerOf(words: FileWords["assayer"]): AssayerConfig {
  return {
    plannerModel: words?.planner_model,
    optimizerModel: words?.optimizer_model,
    estimatorModel: words?.estimator_model,
    useOllama: words?.use_ollama ?? false,
  };
}

export function polecatOf(words: FileWords["polecat"]): PolecatConfig {
  return {
    repairsMax: words?.repairs ?? defaultPolicy.repairsMax,
    freshMax: words?.fresh_starts ?? defaultPolicy.freshMax,
    callsMax: words?.calls_max ?? defaultPolicy.callsMax,
    contextTokensMax: words?.context_tokens_max ?? 12_000,
  };
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "";
}
