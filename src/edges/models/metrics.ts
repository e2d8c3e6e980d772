/**
 * What servers that one runs oneself say of their load: vLLM and llama.cpp, in the text format of Prometheus and, llama.cpp,
 * as a list of its slots. Pure and total. Requests that wait there are the sign that more would only wait longer.
 */
import type { Reading } from "../../domain/reading.ts";

/** Over all models and engines of the server. */
export interface Load {
  readonly running: number;
  readonly waiting: number;
  /** Of the cache of keys and values, 0 to 1, of the fullest engine; undefined: it does not say. */
  readonly cacheShare: number | undefined;
}

const names = {
  running: ["vllm:num_requests_running", "llamacpp:requests_processing"],
  waiting: ["vllm:num_requests_waiting", "llamacpp:requests_deferred"],
  // The second until vLLM's version 0.10, the third until llama.cpp dropped it.
  cache: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "llamacpp:kv_cache_usage_ratio"],
} as const;

/** Undefined where the text speaks of no requests. */
export function loadOf(text: string): Load | undefined {
  const found = samplesOf(text);
  const of = (wanted: readonly string[]) =>
    found.filter(([name]) => wanted.includes(name)).map(([, value]) => value);
  const sum = (values: readonly number[]) => Math.round(values.reduce((total, value) => total + value, 0));
  const [running, waiting, cache] = [of(names.running), of(names.waiting), of(names.cache)];
  if (running.length === 0 && waiting.length === 0) return undefined;
  const cacheShare = cache.length === 0 ? undefined : Math.min(1, Math.max(...cache));
  return { running: sum(running), waiting: sum(waiting), cacheShare };
}

export function isCongested({ waiting }: Load): boolean {
  return waiting > 0;
}

/** How many requests llama.cpp takes at once: the length of the list at `/slots`. */
export function slotsOf(json: unknown): readonly Reading[] {
  if (!Array.isArray(json) || json.length === 0) return [];
  const isSlot = (each: unknown) => typeof each === "object" && each !== null && "id" in each;
  return json.every(isSlot) ? [{ kind: "slots", max: Math.min(slotsMax, json.length) }] : [];
}

const slotsMax = 100_000;
const linesMax = 100_000;
const valueMax = 1e9;

/** `name{label="…"} value time`: names and values that are amounts; comments and anything else are skipped. */
function samplesOf(text: string): readonly (readonly [string, number])[] {
  return text.split("\n", linesMax).flatMap((line) => {
    const [, name = "", value = ""] =
      /^([a-zA-Z_:][\w:]{0,200})(?:\{[^\n]*\})?[ \t]+(\S{1,40})/.exec(line) ?? [];
    const amount = /^\d/.test(value) ? Number(value) : Number.NaN;
    return amount >= 0 && amount <= valueMax ? [[name, amount] as const] : [];
  });
}
