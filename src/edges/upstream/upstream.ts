/**
 * Requests to providers in their own words, over connections that are kept. Node's own client and not `fetch`: fewer layers
 * lie between two sockets, and what is added to every call is what the gateway is measured by.
 *
 * 1. The key is filled in here, at the last moment, and taken out of everything that comes back, answers too.
 * 2. One request for one `ask`; a redirect is a failure, because it would carry the key elsewhere.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Fault } from "../../domain/reply.ts";
import type { Price } from "../../ports/model.ts";
import type { Answer, Sending, Upstream, UpstreamWire } from "../../ports/upstream.ts";
import type { ProviderConfig } from "../config/config.ts";
import { compatibleUrlOf, type ProviderKind } from "../config/kind.ts";
import { Secret } from "../config/secret.ts";
import { faultOf, networkFault } from "../models/faults.ts";
import { keyNameOf } from "../models/open.ts";
import { readingsOfRefusal } from "../models/refusals.ts";
import { bodyOf } from "./body.ts";
import { coverOf } from "./veil.ts";

export interface UpstreamWorld {
  /** USD for a million tokens, where anybody knows. */
  readonly price: Price | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type OpenedUpstream =
  | { readonly kind: "opened"; readonly upstream: Upstream }
  /** Not one that a gateway can pass requests on to, and why. */
  | { readonly kind: "unusable"; readonly why: string };

const wires: Readonly<Partial<Record<ProviderKind, UpstreamWire>>> = {
  anthropic: "messages",
  ...{ openai: "chat", "openai-compatible": "chat", deepseek: "chat", ollama: "chat", gemini: "chat" },
};
const paths: Readonly<Record<UpstreamWire, string>> = { chat: "/chat/completions", messages: "/messages" };

/** Connections of one provider; more wait in the tanks long before. */
const connectionsMax = 1_024;
const idleMsMax = 30_000;
const errorBytesMax = 64 * 1024;
const agentOptions = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: 256, timeout: idleMsMax };
const httpAgent = new HttpAgent(agentOptions);
const httpsAgent = new HttpsAgent(agentOptions);

/** Makes no request. */
export function openUpstream(provider: ProviderConfig, world: UpstreamWorld): OpenedUpstream {
  const { name, kind, model, tier, outputTokensMax } = provider;
  const wire = wires[kind];
  if (!provider.enabled) return unusable("it is switched off");
  if (wire === undefined) return unusable(`kind ${kind} has no wire that requests are passed on to`);
  if (model === undefined) return unusable(`no model is named under [providers.${name}]`);
  const base = compatibleUrlOf(provider);
  if (base === undefined) return unusable(`no base_url is named under [providers.${name}]`);
  const keyName = keyNameOf(provider);
  const value = keyName === undefined ? undefined : world.variables[keyName];
  if (keyName !== undefined && (value === undefined || value.trim() === ""))
    return unusable(`the variable ${keyName} is not set`);
  const key = value === undefined ? undefined : new Secret(value);
  if (key !== undefined && !key.isSendable()) return unusable(`${keyName} holds characters that no key has`);
  const wired = wiredTo(new URL(`${base}${paths[wire]}`), provider, { wire, key, keyName, now: world.now });
  const isOpenAi = kind === "openai" && provider.baseUrl === undefined;
  const boundName = isOpenAi ? "max_completion_tokens" : "max_tokens";
  return {
    kind: "opened",
    upstream: { provider: name, model, tier, wire, price: world.price, outputTokensMax, boundName, ...wired },
  };
}

function unusable(why: string): OpenedUpstream {
  return { kind: "unusable", why };
}

interface Keyed {
  readonly wire: UpstreamWire;
  readonly key: Secret | undefined;
  readonly keyName: string | undefined;
  readonly now: () => number;
}

type Wired = Pick<Upstream, "ask" | "faultIn">;

function wiredTo(url: URL, { timeoutMs }: ProviderConfig, keyed: Keyed): Wired {
  const { key, keyName, now } = keyed;
  const conceal = (text: string) => key?.conceal(text) ?? text;
  const cover = key === undefined ? undefined : coverOf(key.reveal());
  const options = optionsOf(url, keyed);
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const concealed = (fault: Fault): Fault => ({ ...fault, why: conceal(fault.why) });
  const faultFrom = (status: number, headers: Readonly<Record<string, string>>, body: string) =>
    concealed(
      faultOf(
        { status, headers, body },
        { keyName: key === undefined ? undefined : keyName, now: now(), conceal },
      ),
    );
  const faultOfBreak = (error: unknown): Fault => {
    if (error instanceof TooLate)
      return { kind: "capacity", why: `no complete answer within ${timeoutMs / 1_000} s` };
    return concealed(networkFault(codeOf(error), url.host));
  };
  return {
    faultIn: (body, headers) => faultFrom(200, headers, body),
    async ask(sending, signal): Promise<Answer> {
      signal.throwIfAborted();
      let response: IncomingMessage;
      try {
        response = await responseTo(send, options, sending, { timeoutMs, signal });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const isPaid = error instanceof Unanswered;
        const fault = faultOfBreak(isPaid ? error.cause : error);
        return { kind: "failed", headers: {}, fault, readings: [], isPaid };
      }
      const headers = headersOf(response, conceal);
      const status = response.statusCode ?? 0;
      if (status === 200) {
        const body = bodyOf(response, cover?.veil(), faultOfBreak);
        return { kind: "answering", headers, body, spread: cover?.spread() };
      }
      const body = await startOf(response);
      if (signal.aborted) throw signal.reason;
      const readings = readingsOfRefusal({ status, headers, body }, now());
      return { kind: "failed", headers, fault: faultFrom(status, headers, body), readings, isPaid: false };
    },
  };
}

function optionsOf(url: URL, { wire, key }: Keyed): RequestOptions {
  const value = key?.reveal();
  const auth =
    value === undefined
      ? {}
      : wire === "chat"
        ? { authorization: `Bearer ${value}` }
        : { "x-api-key": value };
  return {
    protocol: url.protocol,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? undefined : Number(url.port),
    path: url.pathname + url.search,
    method: "POST",
    agent: url.protocol === "https:" ? httpsAgent : httpAgent,
    headers: { "content-type": "application/json", "accept-encoding": "identity", ...auth },
  };
}

class TooLate extends Error {
  override readonly name = "TooLate";
}

/** The request went out over a connection, and no head came back. */
class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** The response's head; the abort and the time that is over reach on to its body. */
function responseTo(
  send: typeof httpRequest,
  options: RequestOptions,
  sending: Sending,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { body } = sending;
    const bytes = Buffer.byteLength(body);
    const headers = { ...(options.headers as object), ...sending.headers, "content-length": bytes };
    const request = send({ ...options, headers });
    const stop = () => request.destroy(signal.reason instanceof Error ? signal.reason : undefined);
    const timer = setTimeout(() => request.destroy(new TooLate("no answer in time")), timeoutMs);
    signal.addEventListener("abort", stop, { once: true });
    request.once("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    });
    let isOut = false;
    request.once("socket", (socket) => {
      if (!socket.connecting) isOut = true;
      else socket.once(options.protocol === "https:" ? "secureConnect" : "connect", () => (isOut = true));
    });
    request.on("error", (error) => {
      // A kept connection that the server had closed meanwhile took nothing.
      const isStale = request.reusedSocket && codeOf(error) === "ECONNRESET";
      reject(isOut && !isStale ? new Unanswered("no answer came", { cause: error }) : error);
    });
    request.once("response", resolve);
    // As a text it goes out in one write with the head.
    request.end(body, bytes === body.length ? "latin1" : "utf8");
  });
}

/** Lower-case names, one value each; cookies are credentials and stay out. */
function headersOf(response: IncomingMessage, conceal: (text: string) => string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers))
    if (name !== "set-cookie" && value !== undefined)
      found[name] = Array.isArray(value) ? value.join(", ") : value;
  // Nearly no answer repeats a key: one look for all.
  const all = Object.values(found).join("\n");
  if (conceal(all) !== all) for (const name of Object.keys(found)) found[name] = conceal(found[name] ?? "");
  return found;
}

/** The first bytes of a refusal; what breaks off gives what came. */
async function startOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.byteLength;
      if (bytes >= errorBytesMax) break;
    }
  } catch {
    // Status and headers are known by now and say more than the missing rest.
  }
  return Buffer.concat(parts).subarray(0, errorBytesMax).toString("utf8");
}

/** Node names network failures by a code, some of them in a cause. */
function codeOf(error: unknown): string {
  let link = error;
  for (let depth = 0; depth < 5 && link instanceof Error; depth++) {
    const { code } = link as { code?: unknown };
    if (typeof code === "string") return code;
    link = link.cause;
  }
  return "unknown";
}
