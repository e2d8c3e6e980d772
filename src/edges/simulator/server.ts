import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { assert } from "../../kit/assert.ts";
import type { Clock } from "../../kit/clock.ts";
import { accountsOf } from "./accounts.ts";
import { allowance } from "./allowance.ts";
import { anthropicWire } from "./anthropic.ts";
import { type RequestSummary, requestBook } from "./book.ts";
import { deskFault, deskOf } from "./desk.ts";
import { geminiWire } from "./gemini.ts";
import { metricsText, nobodyBusy } from "./metrics.ts";
import { ollamaChatWire, ollamaGenerateWire } from "./ollama.ts";
import { openaiWire } from "./openai.ts";
import type { ProfileSettings } from "./profile.ts";
import { responsesWire } from "./responses.ts";
import type { Scenario } from "./scenario.ts";
import { type Counter, isAllowed, plainly, refuse, serve } from "./serving.ts";
import { emptyTaskSet, type TaskSet } from "./taskset.ts";
import { tritonWire } from "./triton.ts";
import type { Place, Wire } from "./wire.ts";

export type { RequestRecord, RequestSummary } from "./book.ts";

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
  const scenario = options.scenario ?? { models: {}, rules: [], accounts: [] };
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
  const { clock } = options;
  const counter: Counter = {
    ...{ desk, book, clock, allowance: allowance(), busy: nobodyBusy(), key: options.key },
    accounts: accountsOf(scenario.accounts, () => clock.now()),
    begunAt: clock.now(),
    closed: stop.signal,
  };
  const server = createServer(getRequestListener(routes(counter, options).fetch));
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

const bodyBytesUsual = 8 * 1024 * 1024;

interface Route {
  readonly path: string;
  readonly wire: Wire;
  /** From what the address names. */
  place(named: string): Place;
}

const inBody = (): Place => ({ model: undefined, isStream: undefined });

const asked: readonly Route[] = [
  { path: "/v1/chat/completions", wire: openaiWire, place: inBody },
  { path: "/v1/responses", wire: responsesWire, place: inBody },
  { path: "/v1/messages", wire: anthropicWire, place: inBody },
  { path: "/v1beta/models/:named", wire: geminiWire, place: geminiPlace },
  { path: "/api/chat", wire: ollamaChatWire, place: inBody },
  { path: "/api/generate", wire: ollamaGenerateWire, place: inBody },
  ...["", "/versions/:version"].flatMap((version): readonly Route[] => [
    {
      path: `/v2/models/:named${version}/generate`,
      wire: tritonWire,
      place: (named) => ({ model: named, isStream: false }),
    },
    {
      path: `/v2/models/:named${version}/generate_stream`,
      wire: tritonWire,
      place: (named) => ({ model: named, isStream: true }),
    },
  ]),
];

/** "median:streamGenerateContent"; a model's own name may hold a colon. */
function geminiPlace(named: string): Place {
  const [, model, method] = /^(.*):(generateContent|streamGenerateContent)$/.exec(named) ?? [];
  return { model, isStream: method === undefined ? undefined : method === "streamGenerateContent" };
}

function routes(counter: Counter, options: SimulatorOptions): Hono {
  const maxSize = options.bodyBytesMax ?? bodyBytesUsual;
  assert(maxSize >= 1 && maxSize <= 256 * 1024 * 1024, "the body bound is 1 to 256 MiB");
  const app = new Hono();
  for (const { path, wire, place } of asked) {
    const onError = () => refuse(counter, wire, plainly("body-too-large"), "");
    app.post(path, bodyLimit({ maxSize, onError }), (context) =>
      serve(counter, wire, context, place(context.req.param("named") ?? "")),
    );
  }
  for (const [path, wireFor] of [
    ["/v1/models", (headers: Headers) => (headers.has("anthropic-version") ? anthropicWire : openaiWire)],
    ["/v1beta/models", () => geminiWire],
    ["/api/tags", () => ollamaChatWire],
    ["/api/ps", () => ollamaChatWire],
  ] as const)
    app.get(path, (context) => {
      const wire = wireFor(context.req.raw.headers);
      if (!isAllowed(counter, wire, context)) return refuse(counter, wire, plainly("unauthorized"), "");
      return Response.json(wire.models(counter.desk.models, counter.clock.now()));
    });
  app.get("/v2/health/ready", (context) => context.body(null, 200));
  app.get("/metrics", (context) =>
    context.text(
      metricsText(
        counter.busy,
        counter.desk.models.map(({ name }) => name),
      ),
    ),
  );
  app.notFound((context) => {
    const message = `No such address here: ${context.req.method} ${context.req.path}`;
    return context.json({ error: { message, type: "invalid_request_error", param: null, code: null } }, 404);
  });
  return app;
}
