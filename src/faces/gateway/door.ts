/**
 * The gateway's HTTP server.
 *
 * 1. Whoever has no token gets no further than that, but for `/healthz`.
 * 2. Heads, bodies, their times, connections, calls and the memory of all requests together are bounded; a request counts
 *    until its call is over, so those that wait do too.
 * 3. No cross-origin headers: a web page cannot read what it is answered.
 * 4. A caller that leaves aborts its call; so does a gateway that has waited long enough at its stop.
 */
import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Caller } from "../../domain/caller.ts";
import {
  type Bucket,
  bucketOf,
  bucketReadyAt,
  charged,
  type LeaseId,
  settledIn,
} from "../../domain/meter.ts";
import { answerCall, type Call } from "./call.ts";
import { promptTokensOf, shapeOf } from "./measure.ts";
import { type Problem, refusalOf, type WireName } from "./problem.ts";
import { namesOf } from "./route.ts";
import { type Asked, type Json, parsed } from "./talk.ts";
import type { GatewayTools } from "./tools.ts";

export interface Door {
  /** "http://127.0.0.1:4100", without a path. */
  readonly url: string;
  /** Takes no more; calls that are out have `graceMs` to end, then they are aborted. */
  close(graceMs: number): Promise<void>;
}

const headBytesMax = 16 * 1_024;
const headersMax = 100;
const headMsMax = 10_000;
/** From the first byte to the last of a request. */
const requestMsMax = 60_000;
const idleMsMax = 65_000;
const connectionsMax = 2_048;
/** As much as Anthropic takes. */
const bodyBytesMax = 32 * 1_048_576;
/** What all requests hold at one moment. */
const allBytesMax = 512 * 1_048_576;
/** Of a request that was read: a byte or two for a character of its text, the same of what is made of it, some for each value. */
const bytesOfCharacter = 2;
const bytesOfValue = 64;
/** Calls that wait or are out. */
const callsMax = 1_024;
/** Objects and lists in one another: far more than any schema of a tool has. */
const depthMax = 200;
/** What a caller is told that comes when there is too much already, ms. */
const fullWaitMs = 5_000;

export interface DoorBounds {
  readonly allBytesMax: number;
  readonly callsMax: number;
}
/** So much of a body names its series, by a hash: a piece of the text would hold on to all of it. */
const seriesCharacters = 512;

const wires: Readonly<Record<string, WireName>> = {
  "/v1/chat/completions": "chat",
  "/v1/responses": "responses",
  "/v1/messages": "messages",
};

/** Rejects with the system's error where the port cannot be had. */
export async function openDoor(
  tools: GatewayTools,
  { host, port }: { readonly host: string; readonly port: number },
  bounds: DoorBounds = { allBytesMax, callsMax },
): Promise<Door> {
  const state: State = {
    ...{ tools, bounds, out: new Set(), rates: new Map(), heldBytes: 0 },
    ...{ seenAt: 0, setBackMs: 0 },
  };
  const server = createServer(
    {
      ...{ maxHeaderSize: headBytesMax, headersTimeout: headMsMax, requestTimeout: requestMsMax },
      ...{ keepAliveTimeout: idleMsMax, connectionsCheckingInterval: 2_000 },
    },
    (request, reply) => {
      served(state, request, reply).catch(() => broken(reply));
    },
  );
  server.maxHeadersCount = headersMax;
  server.maxConnections = connectionsMax;
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return { url: `http://${shown}:${address.port}`, close: (graceMs) => close(server, state, graceMs) };
}

interface State {
  readonly tools: GatewayTools;
  readonly bounds: DoorBounds;
  /** Calls that are not over. */
  readonly out: Set<AbortController>;
  readonly rates: Map<string, Bucket>;
  heldBytes: number;
  /** The clock when it was last looked at, ms, and by how much it was set back since the beginning. */
  seenAt: number;
  setBackMs: number;
}

async function close(server: Server, { out }: State, graceMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const late = setTimeout(() => {
    for (const stop of out) stop.abort(new Error("the gateway stops"));
    // What was aborted says so in its last words; then nothing is left to wait for.
    setTimeout(() => server.closeAllConnections(), 500).unref();
  }, graceMs);
  await closed;
  clearTimeout(late);
}

/** A bug of ours: its words are for nobody outside. */
function broken(reply: ServerResponse): void {
  if (reply.headersSent) {
    reply.destroy();
    return;
  }
  reply.writeHead(500, { "content-type": "application/json" });
  reply.end(
    JSON.stringify({
      error: { message: "the gateway failed", type: "server_error", param: null, code: null },
    }),
  );
}

async function served(state: State, request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const { tools } = state;
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (path === "/healthz" && request.method === "GET") return sendJson(reply, { status: "ok" });
  // Some clients look whether anybody is there.
  if (path === "/" && request.method === "HEAD") return void reply.writeHead(200).end();
  const wire = wires[path];
  const speaks = wire ?? (request.headers["anthropic-version"] === undefined ? "chat" : "messages");
  const token = tokenIn(request);
  const caller = token === undefined ? undefined : tools.callerOf(token);
  if (token === undefined || caller === undefined) {
    const why = "no valid token: send one of rigs gateway token create as a bearer token or x-api-key";
    return refuseEarly(state, request, reply, speaks, { kind: "no-token", why });
  }
  if (request.method === "GET" && path === "/v1/models") return sendJson(reply, modelsFor(tools, speaks));
  if (request.method === "GET" && path === "/metrics") return sendMetrics(state, reply, caller);
  const isCount = path === "/v1/messages/count_tokens";
  if (request.method !== "POST" || (wire === undefined && !isCount)) {
    const why = `there is nothing at ${String(request.method)} ${path.slice(0, 100)}`;
    return refuseEarly(state, request, reply, speaks, { kind: "no-page", why });
  }
  const held = holdOf(state);
  try {
    const read = await requestIn(state, request, held);
    if ("kind" in read) return refuseEarly(state, request, reply, speaks, read);
    if (isCount) return sendJson(reply, { input_tokens: read.inputTokens });
    if (wire === undefined) return;
    const limited = state.out.size >= state.bounds.callsMax ? full(state) : rateOf(state, caller);
    if (limited !== undefined) return refuseEarly(state, request, reply, wire, limited);
    const isWelcome = () => tools.callerOf(token) !== undefined;
    await called(state, request, reply, { ...read, wire, caller, isWelcome });
  } finally {
    held.drop();
  }
}

function full({ tools }: State): Problem {
  const until = tools.clock.now() + fullWaitMs;
  return { kind: "overloaded", why: "the gateway holds all the requests that it can hold", until };
}

function tokenIn({ headers }: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const token = bearer ?? headers["x-api-key"];
  return typeof token === "string" && token.length <= 200 ? token : undefined;
}

/** Requests a minute: as many at once, and then as they come back. */
function rateOf(state: State, { hash: who, name, rpm }: Caller): Problem | undefined {
  if (rpm === undefined) return undefined;
  const { tools, rates } = state;
  const now = steadyOf(state);
  const known = rates.get(who);
  const bucket =
    known?.perMinute === rpm ? known : bucketOf("requests", "fixed", { perMinute: rpm, burst: rpm }, now);
  const until = bucketReadyAt(bucket, 1, now);
  if (until > now) {
    const why = `token ${name} may make ${rpm} requests a minute`;
    return { kind: "limited", why, until: tools.clock.now() + until - now };
  }
  const lease = "request" as LeaseId;
  rates.set(who, settledIn(charged(bucket, lease, 1, now), lease, undefined));
  return undefined;
}

/** A time, ms, that never goes back: a clock that is set back makes nobody wait for it. */
function steadyOf(state: State): number {
  const now = state.tools.clock.now();
  state.setBackMs += Math.max(0, state.seenAt - now);
  state.seenAt = now;
  return now + state.setBackMs;
}

/** A request as it was read. `series` names its beginning. */
interface Read {
  readonly body: Json;
  readonly inputTokens: number;
  readonly series: string;
}

interface Heard extends Read {
  readonly wire: WireName;
  readonly caller: Caller;
  isWelcome(): boolean;
}

async function called(
  { tools, out }: State,
  request: IncomingMessage,
  reply: ServerResponse,
  { wire, body, caller, isWelcome, inputTokens, series }: Heard,
): Promise<void> {
  const stop = new AbortController();
  out.add(stop);
  const gone = () => {
    if (!reply.writableFinished) stop.abort(new Error("the caller is gone"));
  };
  reply.once("close", gone);
  const options = body.stream_options as { include_usage?: unknown } | null | undefined;
  const asked: Asked = {
    wire,
    body,
    isStream: body.stream === true,
    wantsUsage: options?.include_usage === true,
  };
  const call: Call = {
    ...{ id: tools.newId(), asked, caller, reply, stop },
    ...{ inputTokens, series, isWelcome },
    headers: headersOf(wire, request),
  };
  try {
    await answerCall(tools, call);
  } finally {
    out.delete(stop);
    if (!reply.writableEnded) reply.destroy();
  }
}

/** What belongs to the wire and not to the connection or the caller. */
function headersOf(wire: WireName, { headers }: IncomingMessage): Readonly<Record<string, string>> {
  if (wire !== "messages") return {};
  const beta = headers["anthropic-beta"];
  const version = headers["anthropic-version"];
  return {
    "anthropic-version": typeof version === "string" ? version : "2023-06-01",
    ...(typeof beta === "string" ? { "anthropic-beta": beta } : {}),
  };
}

/** What one request holds of the memory of all. */
interface Hold {
  /** All that it holds from now on, bytes. False: there is no room for that, and it holds what it held. */
  take(bytes: number): boolean;
  drop(): void;
}

function holdOf(state: State): Hold {
  let held = 0;
  return {
    take(bytes) {
      if (state.heldBytes - held + bytes > state.bounds.allBytesMax) return false;
      state.heldBytes += bytes - held;
      held = bytes;
      return true;
    },
    drop() {
      state.heldBytes -= held;
      held = 0;
    },
  };
}

/** The whole request, or why not. Its text is not kept. */
async function requestIn(state: State, request: IncomingMessage, held: Hold): Promise<Read | Problem> {
  const { "content-encoding": encoding, "content-length": length } = request.headers;
  if (encoding !== undefined && encoding !== "identity")
    return {
      kind: "bad-request",
      why: `a body in ${encoding.slice(0, 20)} is not read here`,
      field: "content-encoding",
    };
  const tooLarge: Problem = { kind: "body-too-large", why: `a request has at most ${bodyBytesMax} bytes` };
  if (Number(length ?? 0) > bodyBytesMax) return tooLarge;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > bodyBytesMax) return tooLarge;
    if (!held.take(bytes)) return full(state);
    parts.push(part);
  }
  return understood(state, Buffer.concat(parts).toString("utf8"), held);
}

function understood(state: State, text: string, held: Hold): Read | Problem {
  const bad = (why: string): Problem => ({ kind: "bad-request", why, field: undefined });
  const { depth, values } = shapeOf(text);
  if (depth > depthMax) return bad(`the body has more than ${depthMax} objects and lists in one another`);
  const weight = text.length * bytesOfCharacter + values * bytesOfValue;
  if (weight > state.bounds.allBytesMax)
    return { kind: "body-too-large", why: `the body has too many values: ${values}` };
  if (!held.take(weight)) return full(state);
  const body = parsed(text);
  if (body === undefined) return bad("the body is no JSON object");
  return {
    body,
    inputTokens: promptTokensOf(text, body, (words) => state.tools.size(words)),
    series: hash("sha1", text.slice(0, seriesCharacters)),
  };
}

function refuseEarly(
  { tools }: State,
  request: IncomingMessage,
  reply: ServerResponse,
  wire: WireName,
  problem: Problem,
): void {
  const { status, headers, body } = refusalOf(problem, wire, tools.clock.now());
  // A body that was not read to its end would be taken for the next request.
  const end = request.complete ? {} : { connection: "close" };
  reply.writeHead(status, { "content-type": "application/json", ...headers, ...end });
  reply.end(JSON.stringify(body));
}

function sendJson(reply: ServerResponse, body: object): void {
  reply.writeHead(200, { "content-type": "application/json" });
  reply.end(JSON.stringify(body));
}

function modelsFor({ upstreams, clock }: GatewayTools, wire: WireName): object {
  const names = namesOf(upstreams);
  const at = clock.now();
  if (wire !== "messages") {
    const created = Math.floor(at / 1_000);
    return { object: "list", data: names.map((id) => ({ id, object: "model", created, owned_by: "rigs" })) };
  }
  const created_at = new Date(at).toISOString();
  const data = names.map((id) => ({ type: "model", id, display_name: id, created_at }));
  return { data, first_id: names[0] ?? null, last_id: names.at(-1) ?? null, has_more: false };
}

/** The token that the gateway made itself; whoever runs it has it. */
const ownersName = "first";

/** Names of callers are for whoever runs the gateway: every other one sees its own series. */
function sendMetrics({ tools, out }: State, reply: ServerResponse, { name }: Caller): void {
  const gauges = {
    rigs_gateway_calls_out: { help: "Calls that are not over.", value: out.size },
    rigs_gateway_waiting: {
      help: "Calls that wait for a place in the tanks.",
      value: tools.capacity.waiting,
    },
  };
  const page = tools.metrics.page(gauges, name === ownersName ? undefined : name);
  reply.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  reply.end(page);
}
