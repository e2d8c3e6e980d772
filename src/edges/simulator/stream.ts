import type { Clock } from "../../kit/clock.ts";
import type { Said } from "./desk.ts";
import type { ReadBody, Sent, Wire } from "./wire.ts";

export interface Speed {
  readonly clock: Clock;
  /** Aborted when nobody listens any more. */
  readonly signal: AbortSignal;
}

interface Sending extends Speed {
  /** Breaks the connection once all that was sent is out; resolves when it is gone. */
  readonly tear: () => Promise<void>;
  readonly at: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer as server-sent events, at the profile's speed; breaks off where the scenario wants it. */
export function streamed(wire: Wire, request: ReadBody, said: Said, sending: Sending): Response {
  const events = eventsOf(wire, request, said, sending);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await events.next().catch((error: unknown) => {
        if (sending.signal.aborted) return { done: true, value: undefined } as const;
        throw error;
      });
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(lines(next.value)));
    },
    async cancel() {
      await events.return(undefined);
    },
  });
  return new Response(body, {
    headers: {
      ...sending.headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
    },
  });
}

async function* eventsOf(
  wire: Wire,
  request: ReadBody,
  said: Said,
  { clock, signal, at, tear }: Sending,
): AsyncGenerator<Sent, void, undefined> {
  const { profile, delayMs, cutAfter, text } = said;
  const wait = async (ms: number): Promise<void> => {
    if (ms > 0) await clock.sleep(ms, signal);
  };
  await wait(delayMs + profile.firstTokenMs);
  yield* wire.opening(said, request, at);
  const pieces = piecesOf(cutAfter === undefined ? text : text.slice(0, cutAfter));
  const perPieceMs = profile.tokensPerSecond > 0 ? spanMs(said, pieces.length) : 0;
  for (const piece of pieces) {
    await wait(perPieceMs);
    yield wire.piece(said, request, at, piece);
  }
  if (cutAfter === undefined) yield* wire.closing(said, request, at);
  else await tear();
}

function spanMs({ usage, profile }: Said, pieces: number): number {
  return ((usage.output / profile.tokensPerSecond) * 1000) / Math.max(1, pieces);
}

/** About a dozen tokens each; never through the middle of a character. */
function piecesOf(text: string): readonly string[] {
  return text.match(/[\s\S]{1,48}/gu) ?? [];
}

function lines({ event, data }: Sent): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}
