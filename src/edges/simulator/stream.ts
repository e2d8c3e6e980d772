import type { Clock } from "../../kit/clock.ts";
import type { Said } from "./desk.ts";
import type { ReadBody, Sent, Wire } from "./wire.ts";

export interface Speed {
  readonly clock: Clock;
  /** Aborted when nobody listens any more. */
  readonly signal: AbortSignal;
}

interface Sending extends Speed {
  readonly at: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer as server-sent events, at the profile's speed; breaks off where the scenario wants it. */
export function streamed(wire: Wire, request: ReadBody, said: Said, sending: Sending): Response {
  const events = eventsOf(wire, request, said, sending);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await events.next();
        if (next.done) controller.close();
        else controller.enqueue(encoder.encode(lines(next.value)));
      } catch (error) {
        controller.error(error);
      }
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

/** An answer that began and never ends: the connection is torn. */
export function broken(): Response {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(" ")),
    pull: (controller) => controller.error(new Error("the scenario breaks the connection here")),
  });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

async function* eventsOf(
  wire: Wire,
  request: ReadBody,
  said: Said,
  { clock, signal, at }: Sending,
): AsyncGenerator<Sent, void, undefined> {
  const { profile, delayMs, cutAfter, text } = said;
  const wait = async (ms: number): Promise<void> => {
    if (ms > 0) await clock.sleep(ms, signal);
  };
  await wait(delayMs + profile.firstTokenMs);
  yield* wire.opening(said, request, at);
  let sentCharacters = 0;
  const pieces = piecesOf(cutAfter === undefined ? text : text.slice(0, cutAfter));
  const perPieceMs = profile.tokensPerSecond > 0 ? spanMs(said, pieces.length) : 0;
  for (const piece of pieces) {
    await wait(perPieceMs);
    yield wire.piece(said, request, at, piece);
    sentCharacters += piece.length;
  }
  if (cutAfter !== undefined) throw new Error(`the scenario breaks the connection after ${sentCharacters}`);
  yield* wire.closing(said, request, at);
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
