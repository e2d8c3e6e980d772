/** What the gateway answers itself: the models there are, its figures, refusals before a call began. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller } from "../../domain/caller.ts";
import { type Problem, refusalOf, type WireName } from "./problem.ts";
import { namesOf } from "./route.ts";
import type { GatewayTools } from "./tools.ts";

export function sendJson(reply: ServerResponse, body: object): void {
  reply.writeHead(200, { "content-type": "application/json" });
  reply.end(JSON.stringify(body));
}

/** Before anything of a call began. `now` in ms. */
export function refuseEarly(
  request: IncomingMessage,
  reply: ServerResponse,
  { wire, problem, now }: { readonly wire: WireName; readonly problem: Problem; readonly now: number },
): void {
  const { status, headers, body } = refusalOf(problem, wire, now);
  // A body that was not read to its end would be taken for the next request.
  const end = request.complete ? {} : { connection: "close" };
  reply.writeHead(status, { "content-type": "application/json", ...headers, ...end });
  reply.end(JSON.stringify(body));
}

/** A bug of ours: its words are for nobody outside. */
export function broken(reply: ServerResponse): void {
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

/** In the form of whoever asks. */
export function modelsFor({ upstreams, clock }: GatewayTools, wire: WireName): object {
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

/** Names of callers are for whoever runs the gateway: every other one sees its own series. `callsOut`: not over. */
export function sendMetrics(
  { capacity, metrics }: GatewayTools,
  reply: ServerResponse,
  { name }: Caller,
  callsOut: number,
): void {
  const gauges = {
    rigs_gateway_calls_out: { help: "Calls that are not over.", value: callsOut },
    rigs_gateway_waiting: { help: "Calls that wait for a place in the tanks.", value: capacity.waiting },
  };
  const page = metrics.page(gauges, name === ownersName ? undefined : name);
  reply.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  reply.end(page);
}
