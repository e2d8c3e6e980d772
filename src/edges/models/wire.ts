/**
 * What every model over HTTP has in common: one request, one Reply, whatever happens on the way.
 *
 * 1. Exactly one request leaves for an `ask` (`fetchOnce`, `maxRetries: 0`): retries belong to the foreman, who counts them.
 * 2. Every failure of the provider or the network becomes a Fault; only an abort by `signal` rejects, with its reason.
 * 3. Messages are composed from the response and a table, never from an SDK error, which may carry the request.
 */
import type { LanguageModel } from "ai";
import type { Fault, Finish, Reply, Usage } from "../../domain/reply.ts";
import { noUsage } from "../../domain/reply.ts";
import type { Model, Price, Prompt } from "../../ports/model.ts";
import type { Secret } from "../config/secret.ts";
import { type Exchange, fetchOnce, newExchange } from "./exchange.ts";
import { type Circumstance, faultOf, networkFault } from "./faults.ts";
import { cleanUsage, type Seen, watch } from "./seen.ts";

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

/** Makes the SDK's handle of one model that sends through the given fetch; imports its package when called. */
export type Connect = (settings: WireSettings, send: typeof fetch) => Promise<LanguageModel>;

/** What the wire does to the temperature: `undefined` leaves it out. */
export type Warmth = (temperature: number) => number | undefined;

export function wireModel(settings: WireSettings, connect: Connect, warmth: Warmth): Model {
  const { provider, name, price } = settings;
  return {
    provider,
    name,
    price,
    ask: (prompt, signal, onText) => ask({ settings, connect, warmth }, prompt, signal, onText),
  };
}

interface Wire {
  readonly settings: WireSettings;
  readonly connect: Connect;
  readonly warmth: Warmth;
}

async function ask(
  { settings, connect, warmth }: Wire,
  prompt: Prompt,
  signal: AbortSignal,
  onText: ((textSoFar: string) => void) | undefined,
): Promise<Reply> {
  signal.throwIfAborted();
  const startedAt = performance.now();
  const exchange = newExchange();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer in time")), settings.timeoutMs);
  const seen: Seen = { text: "", usage: noUsage, error: undefined, watcherError: undefined };
  try {
    const send = fetchOnce(
      exchange,
      { answerBytesMax: settings.answerBytesMax, errorBytesMax },
      concealer(settings),
    );
    const temperature = warmth(prompt.temperature);
    const call: Call = {
      model: await connect(settings, send),
      instructions: prompt.system,
      messages: prompt.messages.map(({ from, text }) => ({
        role: from === "user" ? ("user" as const) : ("assistant" as const),
        content: text,
      })),
      maxOutputTokens: prompt.outputTokensMax,
      ...(temperature === undefined ? {} : { temperature }),
      maxRetries: 0,
      abortSignal: AbortSignal.any([signal, late.signal]),
    };
    const end = onText === undefined ? await whole(call, seen) : await streamed(call, seen, onText);
    return { kind: "said", ...end, headers: exchange.headers, wallMs: elapsedMs(startedAt) };
  } catch (error) {
    if (seen.watcherError !== undefined) throw seen.watcherError.error;
    if (signal.aborted) throw signal.reason;
    const fault = faultOfFailure({ error, exchange, seen, isLate: late.signal.aborted }, settings);
    return {
      kind: "failed",
      fault,
      usage: seen.usage,
      headers: exchange.headers,
      readings: [],
      wallMs: elapsedMs(startedAt),
    };
  } finally {
    clearTimeout(timer);
  }
}

interface Call {
  readonly model: LanguageModel;
  readonly instructions: string;
  readonly messages: { readonly role: "user" | "assistant"; readonly content: string }[];
  readonly maxOutputTokens: number;
  readonly temperature?: number;
  readonly maxRetries: 0;
  readonly abortSignal: AbortSignal;
}

interface End {
  readonly text: string;
  readonly finish: Finish;
  readonly usage: Usage;
}

async function whole(call: Call, seen: Seen): Promise<End> {
  const { generateText } = await loadSdk();
  const result = await generateText(call);
  seen.usage = cleanUsage(result.usage);
  return { text: result.text, finish: finishOf(result.finishReason), usage: seen.usage };
}

async function streamed(call: Call, seen: Seen, onText: (textSoFar: string) => void): Promise<End> {
  const { streamText } = await loadSdk();
  // Without a handler of our own the SDK prints errors, request and all, to the console.
  const result = streamText({ ...call, include: { rawChunks: true }, onError: () => undefined });
  let finish: Finish | undefined;
  for await (const part of result.stream) {
    if (part.type === "raw") watch(part.rawValue, seen);
    else if (part.type === "error") throw part.error;
    else if (part.type === "text-delta") hear(part.text, seen, onText);
    else if (part.type === "finish-step") {
      finish = finishOf(part.finishReason);
      seen.usage = cleanUsage(part.usage);
    }
  }
  if (finish === undefined) throw new Truncated("the stream ended early");
  return { text: seen.text, finish, usage: seen.usage };
}

/** An error of the watcher is the caller's bug and must not look like a failure of the provider. */
function hear(delta: string, seen: Seen, onText: (textSoFar: string) => void): void {
  seen.text += delta;
  try {
    onText(seen.text);
  } catch (error) {
    seen.watcherError = { error };
    throw error;
  }
}

/** The stream or answer ended without saying that it was complete. */
class Truncated extends Error {
  override readonly name = "Truncated";
}

/** The SDK takes a tenth of a second to load, so only a first question pays for it. Its warnings are for its own users. */
async function loadSdk(): Promise<typeof import("ai")> {
  globalThis.AI_SDK_LOG_WARNINGS = false;
  return await import("ai");
}

/** Throws Truncated where the provider reports a broken end. */
function finishOf(reason: string): Finish {
  switch (reason) {
    case "stop":
      return "stop";
    case "length":
      return "length";
    case "content-filter":
      return "refused";
    case "error":
    case "interrupted":
      throw new Truncated("the provider broke off");
    default:
      return "other";
  }
}

interface Failure {
  readonly error: unknown;
  readonly exchange: Exchange;
  readonly seen: Seen;
  readonly isLate: boolean;
}

function faultOfFailure({ error, exchange, seen, isLate }: Failure, settings: WireSettings): Fault {
  const { keyName, now, timeoutMs, answerBytesMax } = settings;
  const conceal = concealer(settings);
  const circumstance: Circumstance = { keyName: settings.key && keyName, now: now(), conceal };
  if (exchange.refusal !== undefined) {
    const fault = concealed(faultOf(exchange.refusal, circumstance), conceal);
    return { ...fault, why: `${fault.why}${pathAdvice(exchange.refusal.status, settings.baseUrl)}` };
  }
  if (isLate) return { kind: "capacity", why: `no complete answer within ${timeoutMs / 1000} s` };
  if (exchange.isOversized)
    return {
      kind: "request",
      why: `the answer is larger than ${answerBytesMax} bytes and was cut off`,
    };
  const code = networkCode(error);
  const target = new URL(settings.baseUrl).host;
  if (exchange.status === undefined) return concealed(networkFault(code ?? "unknown", target), conceal);
  const body = seen.error ?? bodyOf(error);
  if (body !== undefined)
    return concealed(
      faultOf({ status: exchange.status, headers: exchange.headers, body }, circumstance),
      conceal,
    );
  if (code !== undefined) return concealed(networkFault(code, target), conceal);
  return { kind: "capacity", why: "the answer broke off or could not be understood" };
}

/** What most servers call their first version is what a base URL lacks most often: vendors document theirs without it. */
function pathAdvice(status: number, baseUrl: string): string {
  const { pathname } = new URL(baseUrl);
  return status === 404 && !/\/v\d/.test(pathname) ? ` (base_url may lack /v1: ${baseUrl}/v1)` : "";
}

function concealed(fault: Fault, conceal: (text: string) => string): Fault {
  return { ...fault, why: conceal(fault.why) };
}

/** Node names network failures by a code somewhere down the chain of causes; ten links are more than it ever makes. */
function networkCode(error: unknown): string | undefined {
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

/** A success whose body is no answer, or a stream that opens with an error: the SDK keeps the text of it. */
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
