/**
 * An answer on its way from a provider to a caller.
 *
 * 1. Nothing goes to the caller before the provider has said something that is no error: until then another may answer.
 * 2. Only whole events are passed on, so that an error inside of a stream comes in our words.
 * 3. A caller that reads slowly slows the provider down; an answer beyond its bound is cut.
 * 4. A stream is over when its wire says so, whatever the connection does then; nothing comes behind that.
 */
import { type Fault, noUsage, type Usage } from "../../domain/reply.ts";
import { exactJson } from "../../kit/exact.ts";
import type { Body, Spread, Upstream, UpstreamWire } from "../../ports/upstream.ts";
import { bytesOf, EndlessEvent, type EventReader, eventReader, type ServerEvent, textOf } from "./events.ts";
import type { Hold } from "./hold.ts";
import { type Piece, spokenOf, type Writer } from "./piece.ts";
import { type Sieve, sieveOf } from "./sieve.ts";
import type { EventStream } from "./stream.ts";
import { type Asked, isClosing, parsed, plainEventsIn, readerOf, watchOf } from "./talk.ts";

/**
 * `isSilent`: nothing of it has reached the caller. `isCut`: it broke off before what it took was said. `full`: there is no
 * memory left to hold it in.
 */
export type Relayed =
  | {
      readonly kind: "said";
      readonly usage: Usage;
      readonly seenOutput: number;
      readonly isCut: boolean;
    }
  | { readonly kind: "failed"; readonly fault: Fault; readonly usage: Usage; readonly isSilent: boolean }
  | { readonly kind: "full"; readonly isSilent: boolean };

export interface Relay {
  readonly asked: Asked;
  readonly upstream: Upstream;
  readonly isVerbatim: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly spread: Spread | undefined;
  readonly writer: Writer;
  readonly hold: Hold;
  /** Writes the head of a stream; once. */
  begin(): void;
  readonly stream: EventStream;
  /** Answers with a whole body, bytes. */
  answer(body: string): void;
}

const answerBytesMax = 64 * 1_048_576;

/** Never rejects for what a provider does. */
export function relayed(relay: Relay): Promise<Relayed> {
  if (!relay.asked.isStream) return whole(relay);
  return relay.isVerbatim ? passedOn(relay) : translated(relay);
}

async function whole(relay: Relay): Promise<Relayed> {
  const { upstream, headers, writer, hold } = relay;
  const parts: string[] = [];
  const cut = await heard(relay, (part) => {
    if (!hold.more(part.length)) return "too much";
    parts.push(part);
    return "more";
  });
  if (cut === "too much") return { kind: "full", isSilent: true };
  const failed = (fault: Fault): Relayed => ({ kind: "failed", fault, usage: noUsage, isSilent: true });
  if (cut !== undefined) return failed(cut);
  const bytes = parts.join("");
  const text = textOf(bytes);
  if (!hold.moreFor(text)) return { kind: "full", isSilent: true };
  const reader = readerOf(upstream.wire);
  const pieces = piecesOf(() => [...reader.read(exactJson(text)), ...reader.end()]);
  if (pieces === undefined) return failed(strange);
  const fault = pieces.find((piece) => piece.kind === "failed");
  if (fault !== undefined) return failed(upstream.faultIn(fault.body, headers));
  const unsayable = pieces.find((piece) => piece.kind === "unsayable");
  if (unsayable !== undefined && !relay.isVerbatim) return failed(notSaid(unsayable));
  const spoken = spokenOf(pieces);
  relay.answer(relay.isVerbatim ? bytes : bytesOf(JSON.stringify(writer.whole(spoken))));
  const letters = spoken.text.length + spoken.calls.reduce((sum, { input }) => sum + input.length, 0);
  return { kind: "said", usage: spoken.usage, seenOutput: Math.ceil(letters / 4), isCut: false };
}

const strange: Fault = { kind: "capacity", why: "the answer could not be understood" };
const notSaid = ({ why }: Extract<Piece, { readonly kind: "unsayable" }>): Fault => {
  return { kind: "request", why: `the answer holds what the caller's wire has no word for: ${why}` };
};
const broken: Fault = { kind: "capacity", why: "the answer broke off" };

async function passedOn(relay: Relay): Promise<Relayed> {
  const { asked, upstream, headers, spread, stream, begin } = relay;
  const events = eventReader();
  const watch = watchOf(upstream.wire, asked.wantsUsage);
  const sieve = spread === undefined ? undefined : sieveOf(spread);
  let isSilent = true;
  let isLast = false;
  const pass = (found: readonly ServerEvent[]): boolean => {
    let shown = "";
    for (const { raw, data } of found) {
      if (isLast) break;
      const isTheirs = data === undefined || watch.see(data);
      if (watch.error !== undefined) break;
      if (isTheirs) shown += sifted(sieve, raw);
      isLast = isLastOf(upstream.wire, data);
    }
    if (shown === "" || (watch.events === 0 && isSilent)) return true;
    if (isSilent) begin();
    isSilent = false;
    return stream.write(shown);
  };
  const cut = await streamed(
    relay,
    events,
    (part) => {
      // Most of a stream is words alone: these are passed on as they are.
      const plain = isSilent || events.held > 0 ? 0 : plainEventsIn(part);
      if (plain === 0) return pass(events.push(part));
      watch.pass(plain);
      const shown = sieve === undefined ? part : sieve.pass(part);
      return shown === "" || stream.write(shown);
    },
    () => isLast || watch.error !== undefined,
  );
  if (cut === "too much") return { kind: "full", isSilent };
  if (cut === undefined && watch.error === undefined) pass(lastOf(events));
  const { usage } = watch;
  const rest = isSilent ? "" : (sieve?.end() ?? "");
  if (rest !== "") stream.write(rest);
  if (watch.error !== undefined)
    return { kind: "failed", fault: upstream.faultIn(watch.error, headers), usage, isSilent };
  // What breaks off behind a good answer is no business of its caller.
  if (!watch.isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  stream.end();
  const isCut = cut !== undefined && !isCounted(usage);
  return { kind: "said", usage, seenOutput: watch.events, isCut };
}

function sifted(sieve: Sieve | undefined, raw: string): string {
  if (sieve === undefined) return raw;
  return isClosing(raw) ? sieve.last(raw) : sieve.pass(raw);
}

async function translated(relay: Relay): Promise<Relayed> {
  const { upstream, headers, stream, writer, begin, spread } = relay;
  const events = eventReader();
  const reader = readerOf(upstream.wire);
  let usage = noUsage;
  let isSilent = true;
  let isOver = false;
  let isLast = false;
  let letters = 0;
  let fault: Fault | undefined;
  const written =
    spread === undefined ? (piece: Piece) => writer.piece(piece) : writtenWithout(spread, writer);
  const take = (piece: Piece): string => {
    if (piece.kind === "failed") {
      fault = upstream.faultIn(piece.body, headers);
      return "";
    }
    if (piece.kind === "unsayable") fault = notSaid(piece);
    if (piece.kind === "usage") usage = piece.usage;
    if (piece.kind === "end") isOver = true;
    if (piece.kind === "text" || piece.kind === "input") letters += piece.text.length;
    return written(piece);
  };
  const pass = (found: readonly ServerEvent[]): boolean => {
    let text = "";
    for (const { data } of found) {
      if (data === undefined || fault !== undefined || isLast) continue;
      isLast = isLastOf(upstream.wire, data);
      const pieces = piecesOf(() => (data === "[DONE]" ? reader.end() : reader.read(parsed(data))));
      if (pieces === undefined) fault = strange;
      else for (const piece of pieces) text += take(piece);
    }
    if (fault !== undefined && isSilent) return true;
    if (isSilent) {
      begin();
      isSilent = false;
      text = writer.open() + text;
    }
    return text === "" ? true : stream.writeText(text);
  };
  const cut = await streamed(
    relay,
    events,
    (part) => pass(events.push(part)),
    () => isLast || fault !== undefined,
  );
  if (cut === "too much") return { kind: "full", isSilent };
  if (cut === undefined && fault === undefined) pass(lastOf(events));
  if (fault !== undefined) return { kind: "failed", fault, usage, isSilent };
  if (!isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  stream.end(writer.close());
  const isCut = cut !== undefined && !isCounted(usage);
  return { kind: "said", usage, seenOutput: Math.ceil(letters / 4), isCut };
}

/** Writes pieces without the key that their words may hold together. What waits of one kind comes before the other. */
function writtenWithout(spread: Spread, writer: Writer): (piece: Piece) => string {
  const waiting = (kind: "text" | "input"): string => {
    const text = spread.end(kind);
    return text === "" ? "" : writer.piece({ kind, text });
  };
  return (piece) => {
    if (piece.kind === "text" || piece.kind === "input") {
      if (piece.text === "") return writer.piece(piece);
      const before = waiting(piece.kind === "text" ? "input" : "text");
      const text = spread.push(piece.kind, piece.text);
      return text === "" ? before : before + writer.piece({ ...piece, text });
    }
    if (piece.kind === "usage") return writer.piece(piece);
    return waiting("text") + waiting("input") + writer.piece(piece);
  };
}

/** An event that the stream's end cut short is none. */
function lastOf(events: EventReader): readonly ServerEvent[] {
  return events.end().filter(({ data = "" }) => data === "[DONE]" || parsed(data) !== undefined);
}

/** The event behind which a stream says nothing more. */
function isLastOf(wire: UpstreamWire, data: string | undefined): boolean {
  if (data === undefined) return false;
  if (wire === "chat") return data.trim() === "[DONE]";
  return data.includes("message_stop") && parsed(data)?.type === "message_stop";
}

/** Both sides are known: only an answer's end tells what it took. */
function isCounted({ input, output }: Usage): boolean {
  return input > 0 && output > 0;
}

/** A reader's complaint is about what came, and no bug of ours. */
function piecesOf(read: () => readonly Piece[]): readonly Piece[] | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** What is to be done behind a part. "too much": there is no memory for it. */
type Next = "more" | "wait" | "enough" | "too much";

/** Hears a stream by `hear`, which gives false where the caller's side is full. `isEnough` ends it early. */
function streamed(
  relay: Relay,
  events: EventReader,
  hear: (part: string) => boolean,
  isEnough: () => boolean,
): Promise<Fault | "too much" | undefined> {
  let held = 0;
  return heard(relay, (part) => {
    const hasRoom = hear(part);
    if (isEnough()) return "enough";
    if (events.held > held) {
      if (!relay.hold.more(events.held - held)) return "too much";
      held = events.held;
    }
    return hasRoom ? "more" : "wait";
  });
}

/** Hears the body to its end; undefined: all of it came, or enough. */
function heard(
  { body, stream }: Relay,
  hear: (part: string) => Next,
): Promise<Fault | "too much" | undefined> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const left = (how: Fault | "too much" | undefined) => {
      body.leave();
      resolve(how);
    };
    body.hear({
      part(part) {
        bytes += part.length;
        if (bytes > answerBytesMax) return left(tooLong);
        try {
          const next = hear(part);
          if (next === "enough") left(undefined);
          else if (next === "too much") left(next);
          else if (next === "wait") {
            body.pause();
            stream.drained(() => body.goOn());
          }
        } catch (error) {
          if (error instanceof EndlessEvent) return left(tooLong);
          body.leave();
          reject(error);
        }
      },
      end: resolve,
    });
  });
}

const tooLong: Fault = {
  kind: "request",
  why: `the answer is larger than ${answerBytesMax} bytes and was cut off`,
};
