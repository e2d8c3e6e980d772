/**
 * What every model over HTTP has in common: one request, one Reply, whatever happens on the way.
 *
 * 1. Exactly one request leaves for an `ask` (`fetchOnce`, `maxRetries: 0`): retries belong to the foreman, who counts them.
 * 2. Every failure of the provider or the network becomes a Fault; only an abort by `signal` rejects, with its reason.
 * 3. Messages are composed from the response and a table, never from a client's error, which may carry the request.
 */
import type { Fault, Finish, Reply, Usage } from "../../domain/reply.ts";
import { noUsage } from "../../domain/reply.ts";
import type { Model, Price, Prompt } from "../../ports/model.ts";
import type { Secret } from "../config/secret.ts";
import { type Exchange, fetchOnce, newExchange } from "./exchange.ts";
import type { Answer } from "./facts.ts";
import { type Circumstance, faultOf, networkFault } from "./faults.ts";
import { readingsOfRefusal } from "./refusals.ts";
import type { Seen } from "./seen.ts";

export interface WireSettings {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** The model id on the wire. */
  readonly name: string;
  readonly price: Price | undefined;
  /** Absolute http(s) URL without credentials; the wire's own path is appended. */
  readonly baseUrl: string;
  readonly key: Secret | undefined;
  /** The variable the key came from, for advice in messages. */
  readonly keyName: string | undefined;
  /** From sending to the last byte; 1 to 2^31-1 ms. Without `onText`, Node's own 300 s until the first header also holds. */
  readonly timeoutMs: number;
  /** Bound of one answer's body, decompressed. */
  readonly answerBytesMax: number;
  /** Milliseconds since the epoch, for the moments in faults. */
  readonly now: () => number;
}

export const defaultTimeoutMs = 600_000;
/** 128,000 tokens at up to 400 bytes of stream each, with room. */
export const defaultAnswerBytesMax = 64 * 1024 * 1024;
const errorBytesMax = 64 * 1024;

/** What a wire is asked to do, and where it notes what it has seen so far. */
export interface Talk {
  readonly settings: WireSettings;
  readonly prompt: Prompt;
  /** For exactly one request. */
  readonly send: typeof fetch;
  readonly signal: AbortSignal;
  readonly seen: Seen;
  /** Present where the answer is to be streamed. */
  readonly onText: ((textSoFar: string) => void) | undefined;
}

export interface End {
  readonly text: string;
  readonly finish: Finish;
  readonly usage: Usage;
}

/** How one wire asks. Throws whatever keeps it from a whole answer. */
export interface Way {
  converse(talk: Talk): Promise<End>;
  /** What a base URL of this wire lacks most often, such as "/v1". */
  readonly path: string;
}

export function modelOver(settings: WireSettings, way: Way): Model {
  const { provider, name, price } = settings;
  const ask: Model["ask"] = (prompt, signal, onText) => askOnce(settings, way, { prompt, signal, onText });
  return { provider, name, price, ask };
}

async function askOnce(
  settings: WireSettings,
  way: Way,
  { prompt, signal, onText }: Pick<Talk, "prompt" | "signal" | "onText">,
): Promise<Reply> {
  signal.throwIfAborted();
  const startedAt = performance.now();
  const exchange = newExchange();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer in time")), settings.timeoutMs);
  const seen: Seen = { text: "", usage: noUsage, error: undefined, watcherError: undefined };
  try {
    const bounds = { answerBytesMax: settings.answerBytesMax, errorBytesMax };
    const send = fetchOnce(exchange, bounds, concealer(settings));
    const either = AbortSignal.any([signal, late.signal]);
    const end = await way.converse({ settings, prompt, send, signal: either, seen, onText });
    return { kind: "said", ...end, headers: exchange.headers, wallMs: elapsedMs(startedAt) };
  } catch (error) {
    if (seen.watcherError !== undefined) throw seen.watcherError.error;
    if (signal.aborted) throw signal.reason;
    const failure: Failure = { error, exchange, seen, isLate: late.signal.aborted };
    const answer = answerOf(failure);
    return {
      kind: "failed",
      fault: faultOfFailure(failure, answer, { settings, path: way.path }),
      usage: seen.usage,
      headers: exchange.headers,
      readings: answer === undefined ? [] : readingsOfRefusal(answer, settings.now()),
      wallMs: elapsedMs(startedAt),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** An error of the watcher is the caller's bug and must not look like a failure of the provider. */
export function hear(delta: string, { seen, onText }: Pick<Talk, "seen" | "onText">): void {
  seen.text += delta;
  try {
    onText?.(seen.text);
  } catch (error) {
    seen.watcherError = { error };
    throw error;
  }
}

/** The stream or answer ended without saying that it was complete. */
export class Truncated extends Error {
  override readonly name = "Truncated";
}

/** A success whose body is no answer: an error object, a web page, nothing. */
export class Misunderstood extends Error {
  override readonly name = "Misunderstood";
  readonly responseBody: string;

  constructor(responseBody: string) {
    super("the answer is none");
    this.responseBody = responseBody;
  }
}

interface Failure {
  readonly error: unknown;
  readonly exchange: Exchange;
  readonly seen: Seen;
  readonly isLate: boolean;
}

/** The words of the server that say what went wrong; undefined where there are none. */
function answerOf({ error, exchange, seen, isLate }: Failure): Answer | undefined {
  if (exchange.refusal !== undefined) return exchange.refusal;
  if (isLate || exchange.isOversized || exchange.status === undefined) return undefined;
  const body = seen.error ?? bodyOf(error);
  return body === undefined ? undefined : { status: exchange.status, headers: exchange.headers, body };
}

function faultOfFailure(
  { error, exchange, isLate }: Failure,
  answer: Answer | undefined,
  { settings, path }: { readonly settings: WireSettings; readonly path: string },
): Fault {
  const { key, keyName, now, timeoutMs, answerBytesMax, baseUrl } = settings;
  const conceal = concealer(settings);
  if (answer !== undefined) {
    const circumstance: Circumstance = { keyName: key && keyName, now: now(), conceal };
    const fault = concealed(faultOf(answer, circumstance), conceal);
    return { ...fault, why: `${fault.why}${pathAdvice(answer.status, baseUrl, path)}` };
  }
  if (isLate) return { kind: "capacity", why: `no complete answer within ${timeoutMs / 1000} s` };
  if (exchange.isOversized)
    return { kind: "request", why: `the answer is larger than ${answerBytesMax} bytes and was cut off` };
  const code = networkCode(error);
  const target = new URL(baseUrl).host;
  if (exchange.status === undefined) return concealed(networkFault(code ?? "unknown", target), conceal);
  if (code !== undefined) return concealed(networkFault(code, target), conceal);
  return { kind: "capacity", why: "the answer broke off or could not be understood" };
}

/** What most servers call their first version is what a base URL lacks most often: vendors document theirs without it. */
function pathAdvice(status: number, baseUrl: string, path: string): string {
  const { pathname } = new URL(baseUrl);
  const isLacking = status === 404 && path !== "" && !/\/v\d/.test(pathname);
  return isLacking ? ` (base_url may lack ${path}: ${baseUrl}${path})` : "";
}

function concealed(fault: Fault, conceal: (text: string) => string): Fault {
  return { ...fault, why: conceal(fault.why) };
}

/** Node names network failures by a code somewhere down the chain of causes; ten links are more than it ever makes. */
export function networkCode(error: unknown): string | undefined {
  let link = error;
  for (let depth = 0; depth < 10 && link instanceof Error; depth++) {
    const { code } = link as { code?: unknown };
    if (typeof code === "string") return code;
    // What fetch says of the ports that it never asks, without a code.
    if (link.message === "bad port") return "bad port";
    link = link.cause;
  }
  return undefined;
}

/** A success whose body is no answer, or a stream that opens with an error: `Misunderstood` and the SDK keep the text of it. */
function bodyOf(error: unknown): string | undefined {
  const { responseBody } = (error ?? {}) as { responseBody?: unknown };
  return typeof responseBody === "string" ? responseBody : undefined;
}

function concealer({ key }: WireSettings): (text: string) => string {
  return (text) => key?.conceal(text) ?? text;
}

function elapsedMs(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
