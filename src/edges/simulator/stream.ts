import type { Clock } from "../../kit/clock.ts";
import type { Said } from "./desk.ts";
import type { Sent, Telling, Wire } from "./wire.ts";

/** How an answer leaves: as fast as its model writes, and told to whoever counts. */
export interface Pace {
  readonly clock: Clock;
  /** Aborted when nobody listens any more. */
  readonly signal: AbortSignal;
  /** Resolves when the call's turn has come; undefined: it has. */
  readonly turn: Promise<void> | undefined;
  /** So many tokens more were written. */
  wrote(tokens: number): void;
}

interface Sending extends Pace {
  /** Breaks the connection once all that was sent is out; resolves when it is gone. */
  readonly tear: () => Promise<void>;
  /** The error in a stream that began well. */
  readonly failure: Sent | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** While a call waits in line, its client is told so as often. */
const keepAliveMs = 1_000;

/** Called once, when the last byte is out or nobody listens any more. */
type Over = (isFailed: boolean) => void;

/** The answer in the wire's framing, at the profile's speed; breaks off where the scenario wants it. */
export function streamed(wire: Wire, telling: Telling, sending: Sending, over: Over): Response {
  const type = wire.framing === "lines" ? "application/x-ndjson" : "text/event-stream; charset=utf-8";
  const headers = { ...sending.headers, "content-type": type, "cache-control": "no-cache" };
  return new Response(bodyOf(eventsOf(wire, telling, sending), sending.signal, over), { headers });
}

/** A body that is told to wait before it comes: blank lines, as DeepSeek sends them. `told` gives it. */
export function delayed(
  wire: Wire,
  told: () => Promise<unknown>,
  pace: Pace,
  headers: Readonly<Record<string, string>>,
  over: Over,
): Response {
  async function* texts(): AsyncGenerator<string, void, undefined> {
    yield* waiting(pace, wire.keepAlive?.body ?? "");
    yield JSON.stringify(await told());
  }
  const typed = { ...headers, "content-type": "application/json" };
  return new Response(bodyOf(texts(), pace.signal, over), { headers: typed });
}

function bodyOf(
  texts: AsyncGenerator<string, void, undefined>,
  signal: AbortSignal,
  over: Over,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isOver = false;
  const end = (isFailed: boolean) => {
    if (!isOver) over(isFailed);
    isOver = true;
  };
  // A stream that nobody pulls any more hears of its reader's leaving by this alone.
  signal.addEventListener("abort", () => end(true), { once: true });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await texts.next().catch((error: unknown) => {
        end(true);
        if (signal.aborted) return { done: true, value: undefined } as const;
        throw error;
      });
      if (next.done) {
        end(false);
        controller.close();
      } else controller.enqueue(encoder.encode(next.value));
    },
    async cancel() {
      end(true);
      await texts.return(undefined);
    },
  });
}

async function* eventsOf(
  wire: Wire,
  telling: Telling,
  sending: Sending,
): AsyncGenerator<string, void, undefined> {
  const { said } = telling;
  const { broken, text } = said;
  const frame = (sent: Sent): string => framed(wire, sent);
  yield* waiting(sending, wire.keepAlive?.stream ?? "");
  await wait(said.delayMs + said.profile.firstTokenMs, sending);
  for (const sent of wire.opening(telling)) yield frame(sent);
  const pieces = piecesOf(broken === undefined ? text : text.slice(0, broken.after));
  const step = stepOf(said, pieces.length);
  for (const [index, piece] of pieces.entries()) {
    await wait(step.ms, sending);
    sending.wrote(step.tokens);
    yield frame(wire.piece(telling, piece, index));
  }
  if (broken === undefined) for (const sent of wire.closing(telling, pieces.length)) yield frame(sent);
  else if (sending.failure !== undefined) yield frame(sending.failure);
  else await sending.tear();
}

/** Takes the time a whole answer takes, its tokens told as they are written. Rejects when the client has left. */
export async function written(said: Said, pace: Pace): Promise<void> {
  await wait(said.delayMs + said.profile.firstTokenMs, pace);
  const pieces = piecesOf(said.text).length;
  const step = stepOf(said, pieces);
  for (let index = 0; index < pieces; index++) {
    await wait(step.ms, pace);
    pace.wrote(step.tokens);
  }
}

/** Until the turn has come; `text` is sent meanwhile, unless it is empty. */
async function* waiting({ clock, signal, turn }: Pace, text: string): AsyncGenerator<string> {
  if (turn === undefined) return;
  let isOver = false;
  const over = turn.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const pause = new AbortController();
    const either = AbortSignal.any([signal, pause.signal]);
    await Promise.race([over, clock.sleep(keepAliveMs, either).catch(() => undefined)]);
    pause.abort();
    signal.throwIfAborted();
    if (!isOver && text !== "") yield text;
  }
}

async function wait(ms: number, { clock, signal }: Pace): Promise<void> {
  if (ms > 0) await clock.sleep(ms, signal);
}

/** What one piece takes of the time and of the tokens. */
function stepOf({ usage, profile }: Said, pieces: number): { readonly ms: number; readonly tokens: number } {
  const tokens = usage.output / Math.max(1, pieces);
  return { tokens, ms: profile.tokensPerSecond > 0 ? (tokens / profile.tokensPerSecond) * 1000 : 0 };
}

/** About a dozen tokens each; never through the middle of a character. */
function piecesOf(text: string): readonly string[] {
  return text.match(/[\s\S]{1,48}/gu) ?? [];
}

function framed({ framing }: Wire, { event, data }: Sent): string {
  if (framing === "lines") return `${data}\n`;
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}
