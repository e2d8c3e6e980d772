import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { noUsage, type Usage } from "../../domain/reply.ts";
import { assert } from "../../kit/assert.ts";
import type { Clock } from "../../kit/clock.ts";
import { seedOf } from "../../kit/random.ts";
import { type Allowance, allowance } from "./allowance.ts";
import { anthropicWire } from "./anthropic.ts";
import { type Desk, deskFault, deskOf, type Refusal, type Said } from "./desk.ts";
import type { EnvelopeFault } from "./envelope.ts";
import type { Truth } from "./noise.ts";
import { openaiWire } from "./openai.ts";
import type { ProfileSettings } from "./profile.ts";
import type { Scenario } from "./scenario.ts";
import { type Speed, streamed } from "./stream.ts";
import { emptyTaskSet, type TaskSet } from "./taskset.ts";
import type { ReadBody, Wire } from "./wire.ts";

export interface SimulatorOptions {
  /** 0 for any free port; always on 127.0.0.1. */
  readonly port?: number;
  readonly taskSet?: TaskSet | undefined;
  readonly scenario?: Scenario | undefined;
  /** Any whole number; the same seed and requests give the same answers. */
  readonly seed?: number;
  /** The only key that is accepted; absent: any, or none. */
  readonly key?: string | undefined;
  /** Wait before an answer starts, ms; for every model. */
  readonly firstTokenMs?: number;
  /** Speed of every model's answer; 0 (when absent): all at once. */
  readonly tokensPerSecond?: number;
  /** Changes to single profiles, by name on the wire. */
  readonly profiles?: Readonly<Record<string, ProfileSettings>>;
  /** 1 to 256 MiB; 8 MiB when absent. */
  readonly bodyBytesMax?: number;
  /** Shorter shared prompt beginnings are not reported as cached; 1,024 when absent, as with both vendors. */
  readonly cacheTokensMin?: number;
  readonly clock: Clock;
}

/** One request as it went, with what the simulator alone knows of its answer. */
export interface RequestRecord {
  readonly call: number;
  readonly at: number;
  readonly wire: Wire["name"];
  /** "" when the body could not be read. */
  readonly model: string;
  /** 0: nothing was sent (hang). */
  readonly status: number;
  readonly isStream: boolean;
  readonly usage: Usage;
  readonly truths: readonly Truth[];
  readonly envelope: readonly EnvelopeFault[];
}

export interface RequestSummary {
  readonly total: number;
  /** Requests by status, as text: {"200": 7, "429": 1}. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly usage: Usage;
  /** The newest 1,000. */
  readonly recent: readonly RequestRecord[];
}

export interface Simulator {
  /** Without a path: "http://127.0.0.1:4242". Clients take `url + "/v1"`. */
  readonly url: string;
  readonly port: number;
  requests(): RequestSummary;
  /** Ends every open connection. */
  close(): Promise<void>;
}

/** Rejects when the port is taken or the scenario names an unknown profile. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const scenario = options.scenario ?? { models: {}, rules: [] };
  const fault = deskFault(scenario);
  if (fault !== undefined) throw new Error(`scenario: ${fault}`);
  const desk = deskOf({
    taskSet: options.taskSet ?? (await emptyTaskSet()),
    scenario,
    seed: options.seed ?? 1,
    profiles: options.profiles ?? {},
    everyProfile: { firstTokenMs: options.firstTokenMs ?? 0, tokensPerSecond: options.tokensPerSecond ?? 0 },
    cacheTokensMin: options.cacheTokensMin ?? 1_024,
  });
  const stop = new AbortController();
  const book = requestBook();
  const counter = { desk, book, allowance: allowance(), options, closed: stop.signal };
  const server = createServer(getRequestListener(routes(counter).fetch));
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, requests: book.summary, close: () => close(server, stop) };
}

async function close(server: Server, stop: AbortController): Promise<void> {
  if (!server.listening) return;
  stop.abort(new Error("the simulator is closed"));
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

interface Counter {
  readonly desk: Desk;
  readonly book: RequestBook;
  readonly allowance: Allowance;
  readonly options: SimulatorOptions;
  readonly closed: AbortSignal;
}

const bodyBytesUsual = 8 * 1024 * 1024;

function routes(counter: Counter): Hono {
  const maxSize = counter.options.bodyBytesMax ?? bodyBytesUsual;
  assert(maxSize >= 1 && maxSize <= 256 * 1024 * 1024, "the body bound is 1 to 256 MiB");
  const app = new Hono();
  for (const [path, wire] of [
    ["/v1/chat/completions", openaiWire],
    ["/v1/messages", anthropicWire],
  ] as const) {
    const onError = () => refuse(counter, wire, plainly("body-too-large"), "");
    app.post(path, bodyLimit({ maxSize, onError }), (context) => serve(counter, wire, context));
  }
  app.get("/v1/models", (context) => {
    const wire = context.req.header("anthropic-version") === undefined ? openaiWire : anthropicWire;
    if (!isAllowed(counter, wire, context)) return refuse(counter, wire, plainly("unauthorized"), "");
    return Response.json(wire.models(counter.desk.models, counter.options.clock.now()));
  });
  app.notFound((context) => {
    const message = `No such address here: ${context.req.method} ${context.req.path}`;
    return context.json({ error: { message, type: "invalid_request_error", param: null, code: null } }, 404);
  });
  return app;
}

function plainly(fault: Refusal["fault"], message?: string): Refusal {
  return { kind: "refused", fault, message, retryAfterSeconds: undefined };
}

function isAllowed({ options }: Counter, wire: Wire, context: Context): boolean {
  return options.key === undefined || wire.keyIn(context.req.raw.headers) === options.key;
}

async function serve(counter: Counter, wire: Wire, context: Context): Promise<Response> {
  if (!isAllowed(counter, wire, context)) return refuse(counter, wire, plainly("unauthorized"), "");
  const headers = context.req.raw.headers;
  const request = wire.read(await jsonOf(context), headers);
  if (request.kind === "refused") return refuse(counter, wire, plainly("bad-request", request.message), "");
  const owner = seedOf(wire.keyIn(headers)).toString(36);
  const reply = counter.desk.answer({ wire: wire.name, model: request.model, owner, asked: request.asked });
  if (reply.kind === "refused") return refuse(counter, wire, reply, request.model);
  if (reply.kind === "hung") return hang(counter, wire, context, request);
  return tell(counter, wire, context, { request, said: reply.said, owner });
}

/** Undefined for what is no JSON: no wire's schema accepts it. */
async function jsonOf(context: Context): Promise<unknown> {
  try {
    return (await context.req.json()) as unknown;
  } catch {
    return undefined;
  }
}

function refuse(counter: Counter, wire: Wire, refusal: Refusal, model: string): Response {
  const call = counter.book.next();
  const { message, retryAfterSeconds } = refusal;
  const requestId = `req_${String(call).padStart(8, "0")}`;
  const error = wire.error(refusal.fault, { model, message, retryAfterSeconds, requestId });
  const at = counter.options.clock.now();
  counter.book.add({ ...silent, call, at, wire: wire.name, model, status: error.status });
  return Response.json(error.body, { status: error.status, headers: error.headers });
}

const silent = { isStream: false, usage: noUsage, truths: [], envelope: [] };
const hangMsMax = 600_000;

async function hang(counter: Counter, wire: Wire, context: Context, { model }: ReadBody): Promise<Response> {
  const { clock } = counter.options;
  const call = counter.book.next();
  counter.book.add({ ...silent, call, at: clock.now(), wire: wire.name, model, status: 0 });
  await clock.sleep(hangMsMax, leaving(counter, context)).catch(() => undefined);
  return broken(context);
}

/** No answer: the connection is torn. The adapter prints what a stream throws, hence not by an error. */
async function broken(context: Context): Promise<Response> {
  await tear(context);
  return RESPONSE_ALREADY_SENT;
}

async function tear(context: Context): Promise<void> {
  const { outgoing } = context.env as HttpBindings;
  const { socket } = outgoing;
  if (socket === null || socket.destroyed) return;
  const gone = once(socket, "close");
  socket.destroySoon();
  await gone;
}

/** Aborted when the client leaves or the simulator is closed. */
function leaving(counter: Counter, context: Context): AbortSignal {
  return AbortSignal.any([context.req.raw.signal, counter.closed]);
}

async function tell(
  counter: Counter,
  wire: Wire,
  context: Context,
  { request, said, owner }: { readonly request: ReadBody; readonly said: Said; readonly owner: string },
): Promise<Response> {
  const { clock } = counter.options;
  const call = counter.book.next();
  const at = clock.now();
  const usage = request.wantsCache ? said.usage : { ...said.usage, cachedInput: 0 };
  const { truths, envelope } = said;
  const { model, isStream } = request;
  counter.book.add({ call, at, wire: wire.name, model, status: 200, isStream, usage, truths, envelope });
  const levels = counter.allowance.draw(`${owner}/${model}`, usage, at);
  const idHeader = wire.name === "openai" ? "x-request-id" : "request-id";
  const headers = { ...wire.limits(levels, at), [idHeader]: `req_${String(call).padStart(8, "0")}` };
  const speed: Speed = { clock, signal: leaving(counter, context) };
  if (isStream) return streamed(wire, request, said, { ...speed, at, headers, tear: () => tear(context) });
  if (said.cutAfter !== undefined) return broken(context);
  const isThere = await waited(said, speed);
  return isThere ? Response.json(wire.body(said, request, at), { headers }) : broken(context);
}

/** The time a whole answer takes; false when the client left meanwhile. */
async function waited({ profile, usage, delayMs }: Said, { clock, signal }: Speed): Promise<boolean> {
  const speaking = profile.tokensPerSecond > 0 ? (usage.output / profile.tokensPerSecond) * 1000 : 0;
  const ms = delayMs + profile.firstTokenMs + speaking;
  if (ms === 0) return true;
  return clock.sleep(ms, signal).then(
    () => true,
    () => false,
  );
}

interface RequestBook {
  next(): number;
  add(record: RequestRecord): void;
  summary(): RequestSummary;
}

const recordsMax = 1_000;

function requestBook(): RequestBook {
  const recent: RequestRecord[] = [];
  const byStatus: Record<string, number> = {};
  let usage: Usage = noUsage;
  let total = 0;
  return {
    next() {
      total += 1;
      return total;
    },
    add(record) {
      recent.push(record);
      if (recent.length > recordsMax) recent.shift();
      byStatus[record.status] = (byStatus[record.status] ?? 0) + 1;
      usage = {
        input: usage.input + record.usage.input,
        cachedInput: usage.cachedInput + record.usage.cachedInput,
        output: usage.output + record.usage.output,
      };
    },
    summary: () => ({ total, byStatus: { ...byStatus }, usage, recent: [...recent] }),
  };
}
