/**
 * The gateway's HTTP server.
 *
 * 1. Whoever has no token gets no further than that, but for `/healthz`.
 * 2. Heads, bodies, their times, connections, calls and the memory of all requests and of answers held whole together are
 *    bounded; a request counts until its call is over, so those that wait do too.
 * 3. No cross-origin headers: a web page cannot read what it is answered.
 * 4. A caller that leaves aborts its call; so does a gateway that has waited long enough at its stop.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Caller } from "../../domain/caller.ts";
import { answerCall, type Call } from "./call.ts";
import { type Hold, type Memory, memoryOf } from "./hold.ts";
import { broken, modelsFor, refuseEarly, sendJson, sendMetrics } from "./pages.ts";
import type { Problem, WireName } from "./problem.ts";
import { openRates } from "./rate.ts";
import { headersOf, type Read, requestIn, tokenIn } from "./request.ts";
import { EventStream } from "./stream.ts";
import type { Asked } from "./talk.ts";
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
/** What all requests, and all answers that are held whole, hold at one moment. */
const allBytesMax = 512 * 1_048_576;
/** Calls that wait or are out. */
const callsMax = 1_024;
/** What a caller is told that comes when there is too much already, ms. */
const fullWaitMs = 5_000;

export interface DoorBounds {
  readonly allBytesMax: number;
  readonly callsMax: number;
}

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
  const memory = memoryOf(bounds.allBytesMax);
  const state: State = { tools, bounds, memory, out: new Set(), rateOf: openRates(tools.clock) };
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
  readonly memory: Memory;
  /** Calls that are not over. */
  readonly out: Set<AbortController>;
  /** Why this caller may make no request now. */
  rateOf(caller: Caller): Problem | undefined;
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

async function served(state: State, request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const { tools } = state;
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (path === "/healthz" && request.method === "GET") return sendJson(reply, { status: "ok" });
  // Some clients look whether anybody is there.
  if (path === "/" && request.method === "HEAD") return void reply.writeHead(200).end();
  const wire = wires[path];
  const refused = (wire: WireName, problem: Problem) =>
    refuseEarly(request, reply, { wire, problem, now: tools.clock.now() });
  const speaks = wire ?? (request.headers["anthropic-version"] === undefined ? "chat" : "messages");
  const token = tokenIn(request);
  const caller = token === undefined ? undefined : tools.callerOf(token);
  if (caller === undefined) {
    const why = "no valid token: send one of rigs gateway token create as a bearer token or x-api-key";
    return refused(speaks, { kind: "no-token", why });
  }
  if (request.method === "GET" && path === "/v1/models") return sendJson(reply, modelsFor(tools, speaks));
  if (request.method === "GET" && path === "/metrics")
    return sendMetrics(tools, reply, caller, state.out.size);
  const isCount = path === "/v1/messages/count_tokens";
  if (request.method !== "POST" || (wire === undefined && !isCount)) {
    const why = `there is nothing at ${String(request.method)} ${path.slice(0, 100)}`;
    return refused(speaks, { kind: "no-page", why });
  }
  const hold = state.memory.hold();
  try {
    const { allBytesMax } = state.bounds;
    const size = (text: string) => tools.size(text);
    const read = await requestIn(request, { hold, allBytesMax, full: () => full(state), size });
    if ("kind" in read) return refused(speaks, read);
    if (isCount) return sendJson(reply, { input_tokens: read.inputTokens });
    if (wire === undefined) return;
    const limited = state.out.size >= state.bounds.callsMax ? full(state) : state.rateOf(caller);
    if (limited !== undefined) return refused(wire, limited);
    const isWelcome = () => tools.isWelcome(caller);
    await called(state, request, reply, { ...read, wire, caller, isWelcome, hold });
  } finally {
    hold.drop();
  }
}

function full({ tools }: State): Problem {
  const until = tools.clock.now() + fullWaitMs;
  return { kind: "overloaded", why: "the gateway holds all the requests that it can hold", until };
}

interface Heard extends Read {
  readonly wire: WireName;
  readonly caller: Caller;
  readonly hold: Hold;
  isWelcome(): boolean;
}

async function called(
  { tools, out }: State,
  request: IncomingMessage,
  reply: ServerResponse,
  { wire, body, caller, isWelcome, hold, inputTokens, series }: Heard,
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
    ...{ id: tools.newId(), asked, caller, reply, stop, hold, stream: new EventStream(reply) },
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
