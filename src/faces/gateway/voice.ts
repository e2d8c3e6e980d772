/** How the gateway speaks to a caller beside the answer itself: heads, comments while it waits, refusals. */
import type { Clock } from "../../kit/clock.ts";
import type { Call } from "./call.ts";
import { brokenStream, type Problem, refusalOf } from "./problem.ts";

const aliveEveryMs = 5_000;

export function headOf({ id, asked: { wire } }: Call, provider: string, contentType: string) {
  const name = wire === "messages" ? "request-id" : "x-request-id";
  const stream = contentType === "text/event-stream" ? { "cache-control": "no-cache" } : {};
  return { "content-type": contentType, [name]: `req_${id}`, "x-rigs-provider": provider, ...stream };
}

export interface Alive {
  /** Says that it waits after this time, ms, and then every few seconds. */
  after(ms: number): void;
  stop(): void;
}

/** Comments in a stream, which every client passes over. */
export function keepAlive(call: Call): Alive {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearTimeout(timer);
  const after = (ms: number) => {
    stop();
    timer = setTimeout(() => {
      const { stream } = call;
      if (!stream.isOpen) stream.open(headOf(call, "-", "text/event-stream"));
      stream.writeText(": keep-alive\n\n");
      after(aliveEveryMs);
    }, ms);
  };
  return call.asked.isStream ? { after, stop } : { after: () => undefined, stop };
}

/** Inside of a stream that has begun, too; `sequence`: of its events so far. */
export function refuse(
  clock: Clock,
  { reply, stream, asked: { wire }, id }: Call,
  problem: Problem,
  sequence = 0,
): void {
  if (reply.writableEnded || reply.destroyed) return;
  if (stream.isOpen) {
    stream.end(brokenStream(problem, wire, sequence));
    return;
  }
  const { status, headers, body } = refusalOf(problem, wire, clock.now());
  const name = wire === "messages" ? "request-id" : "x-request-id";
  reply.writeHead(status, { "content-type": "application/json", [name]: `req_${id}`, ...headers });
  reply.end(JSON.stringify(body));
}
