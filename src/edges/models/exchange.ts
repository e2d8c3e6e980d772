/**
 * One HTTP request and what came of it. The AI SDK sends through `fetchOnce`, so the facts that decide (status, headers,
 * error body, bytes, number of requests) are read here from the response itself and never from the SDK's errors.
 */
import type { Answer } from "./facts.ts";

/** Bounds of one exchange; bytes are counted after decompression. */
export interface ExchangeBounds {
  readonly answerBytesMax: number;
  readonly errorBytesMax: number;
}

/** Filled in while the request runs. `refusal` is the answer when it was no success. */
export interface Exchange {
  sent: boolean;
  headers: Readonly<Record<string, string>>;
  status: number | undefined;
  refusal: Answer | undefined;
  isOversized: boolean;
}

export function newExchange(): Exchange {
  return { sent: false, headers: {}, status: undefined, refusal: undefined, isOversized: false };
}

/** Thrown through the SDK to end a call early; the exchange says why. */
export class ExchangeEnded extends Error {
  override readonly name = "ExchangeEnded";
}

/**
 * A `fetch` for exactly one request: a second one is refused before it leaves, redirects are not followed (they would
 * be a second request and could carry the key to another host), and the body is bounded.
 */
export function fetchOnce(
  exchange: Exchange,
  bounds: ExchangeBounds,
  conceal: (text: string) => string,
): typeof fetch {
  return async (input, init) => {
    if (exchange.sent) throw new ExchangeEnded("a call makes one request");
    exchange.sent = true;
    const response = await fetch(input, { ...init, redirect: "manual" });
    exchange.status = response.status;
    exchange.headers = headersOf(response.headers, conceal);
    if (!response.ok) {
      const body = await readStart(response, bounds.errorBytesMax);
      exchange.refusal = { status: response.status, headers: exchange.headers, body };
      throw new ExchangeEnded("the server refused");
    }
    return new Response(response.body?.pipeThrough(gauge(exchange, bounds.answerBytesMax)) ?? null, {
      status: response.status,
      headers: response.headers,
    });
  };
}

/** Lower-case names; cookies are credentials and stay out. */
function headersOf(headers: Headers, conceal: (text: string) => string): Readonly<Record<string, string>> {
  const kept = [...headers].filter(([name]) => name !== "set-cookie");
  return Object.fromEntries(kept.map(([name, value]) => [name, conceal(value)]));
}

/** The first bytes of a body as text; the rest is refused. A body that breaks off gives what came. */
async function readStart(response: Response, bytesMax: number): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    while (bytes < bytesMax) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value.subarray(0, bytesMax - bytes), { stream: true });
      bytes += value.byteLength;
    }
  } catch {
    // The status and headers are known by now and say more than the missing rest.
  }
  await reader.cancel().catch(() => undefined);
  return text;
}

function gauge(exchange: Exchange, bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) {
        exchange.isOversized = true;
        controller.error(new ExchangeEnded("the answer is larger than its bound"));
        return;
      }
      controller.enqueue(chunk);
    },
  });
}
