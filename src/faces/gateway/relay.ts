/**
 * An answer on its way from a provider to a caller.
 *
 * 1. Nothing goes to the caller before the provider has said something that is no error: until then another may answer.
 * 2. Only whole events are passed on, so that an error inside of a stream comes in our words.
 * 3. A caller that reads slowly slows the provider down; an answer beyond its bound is cut.
 * 4. A stream is over when its wire says so, whatever the connection does then; nothing comes behind that.
 */
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { type Fault, noUsage, type Usage } from "../../domain/reply.ts";
import { exactJson } from "../../kit/exact.ts";
import type { Upstream, UpstreamWire } from "../../ports/upstream.ts";
import { eventReader, type ServerEvent } from "./events.ts";
import { type Piece, spokenOf, type Writer } from "./piece.ts";
import { type Asked, parsed, readerOf, watchOf } from "./talk.ts";

/** `isSilent`: nothing of it has reached the caller. `isCut`: it broke off before what it took was said. */
export type Relayed =
  | {
      readonly kind: "said";
      readonly usage: Usage;
      readonly seenOutput: number;
      readonly isCut: boolean;
    }
  | { readonly kind: "failed"; readonly fault: Fault; readonly usage: Usage; readonly isSilent: boolean };

export interface Relay {
  readonly asked: Asked;
  readonly upstream: Upstream;
  readonly isVerbatim: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
  readonly writer: Writer;
  /** Writes the head of the answer; once. */
  begin(contentType: string): void;
  readonly reply: ServerResponse;
}

const answerBytesMax = 64 * 1_048_576;

/** Rejects with what breaks the body off when the caller has gone. */
export function relayed(relay: Relay): Promise<Relayed> {
  if (!relay.asked.isStream) return whole(relay);
  return relay.isVerbatim ? passedOn(relay) : translated(relay);
}

async function whole(relay: Relay): Promise<Relayed> {
  const { upstream, headers, writer, reply, begin } = relay;
  const parts: Buffer[] = [];
  const cut = await drained(relay, (chunk) => void parts.push(chunk));
  if (cut !== undefined) return { kind: "failed", fault: cut, usage: noUsage, isSilent: true };
  const bytes = Buffer.concat(parts);
  const text = bytes.toString("utf8");
  const reader = readerOf(upstream.wire);
  const pieces = piecesOf(() => [...reader.read(exactJson(text)), ...reader.end()]);
  if (pieces === undefined) return { kind: "failed", fault: strange, usage: noUsage, isSilent: true };
  const failed = pieces.find((piece) => piece.kind === "failed");
  if (failed !== undefined)
    return { kind: "failed", fault: upstream.faultIn(failed.body, headers), usage: noUsage, isSilent: true };
  const unsayable = pieces.find((piece) => piece.kind === "unsayable");
  if (unsayable !== undefined && !relay.isVerbatim)
    return { kind: "failed", fault: notSaid(unsayable), usage: noUsage, isSilent: true };
  const spoken = spokenOf(pieces);
  begin("application/json");
  reply.end(relay.isVerbatim ? bytes : JSON.stringify(writer.whole(spoken)));
  const letters = spoken.text.length + spoken.calls.reduce((sum, { input }) => sum + input.length, 0);
  return { kind: "said", usage: spoken.usage, seenOutput: Math.ceil(letters / 4), isCut: false };
}

const strange: Fault = { kind: "capacity", why: "the answer could not be understood" };
const notSaid = ({ why }: Extract<Piece, { readonly kind: "unsayable" }>): Fault => {
  return { kind: "request", why: `the answer holds what the caller's wire has no word for: ${why}` };
};
const broken: Fault = { kind: "capacity", why: "the answer broke off" };

async function passedOn(relay: Relay): Promise<Relayed> {
  const { asked, upstream, headers, reply, begin } = relay;
  const events = eventReader();
  const watch = watchOf(upstream.wire, asked.wantsUsage);
  let isSilent = true;
  let isLast = false;
  const pass = (found: readonly ServerEvent[]): boolean => {
    let text = "";
    for (const { raw, data } of found) {
      if (isLast) break;
      const isTheirs = data === undefined || watch.see(data);
      if (watch.error !== undefined) break;
      if (isTheirs) text += raw;
      isLast = isLastOf(upstream.wire, data);
    }
    if (text !== "" && (watch.events > 0 || !isSilent)) {
      if (isSilent) begin("text/event-stream");
      isSilent = false;
      return reply.write(text);
    }
    return true;
  };
  const cut = await drained(
    relay,
    (chunk) => pass(events.push(chunk)),
    () => isLast || watch.error !== undefined,
  );
  if (cut === undefined && watch.error === undefined) pass(lastOf(events));
  const { usage } = watch;
  if (watch.error !== undefined)
    return { kind: "failed", fault: upstream.faultIn(watch.error, headers), usage, isSilent };
  // What breaks off behind a good answer is no business of its caller.
  if (!watch.isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  reply.end();
  const isCut = cut !== undefined && !isCounted(usage);
  return { kind: "said", usage, seenOutput: watch.events, isCut };
}

async function translated(relay: Relay): Promise<Relayed> {
  const { upstream, headers, reply, writer, begin } = relay;
  const events = eventReader();
  const reader = readerOf(upstream.wire);
  let usage = noUsage;
  let isSilent = true;
  let isOver = false;
  let isLast = false;
  let letters = 0;
  let fault: Fault | undefined;
  const take = (piece: Piece): string => {
    if (piece.kind === "failed") {
      fault = upstream.faultIn(piece.body, headers);
      return "";
    }
    if (piece.kind === "unsayable") fault = notSaid(piece);
    if (piece.kind === "usage") usage = piece.usage;
    if (piece.kind === "end") isOver = true;
    if (piece.kind === "text" || piece.kind === "input") letters += piece.text.length;
    return writer.piece(piece);
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
      begin("text/event-stream");
      isSilent = false;
      text = writer.open() + text;
    }
    return text === "" ? true : reply.write(text);
  };
  const cut = await drained(
    relay,
    (chunk) => pass(events.push(chunk)),
    () => isLast || fault !== undefined,
  );
  if (cut === undefined && fault === undefined) pass(lastOf(events));
  if (fault !== undefined) return { kind: "failed", fault, usage, isSilent };
  if (!isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  reply.end(writer.close());
  const isCut = cut !== undefined && !isCounted(usage);
  return { kind: "said", usage, seenOutput: Math.ceil(letters / 4), isCut };
}

/** An event that the stream's end cut short is none. */
function lastOf(events: ReturnType<typeof eventReader>): readonly ServerEvent[] {
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

/** What is heard no more may end by itself for a moment: its connection can be used again then. */
function lingered(body: Readable): void {
  const timer = setTimeout(() => body.destroy(), lingerMs);
  body.once("close", () => clearTimeout(timer));
  body.resume();
}

const lingerMs = 250;

/**
 * Hears the body to its end; undefined: all of it came. `hear` gives false where the caller's side is full, then it waits
 * for its drain. `isEnough` ends it early.
 */
function drained(
  { body, reply, upstream }: Relay,
  hear: (chunk: Buffer) => unknown,
  isEnough: () => boolean = () => false,
): Promise<Fault | undefined> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let isSettled = false;
    const goOn = () => void body.resume();
    const settle = (fault: Fault | undefined) => {
      isSettled = true;
      reply.off("drain", goOn);
      resolve(fault);
    };
    body.on("data", (chunk: Buffer) => {
      if (isSettled) return;
      bytes += chunk.byteLength;
      try {
        if (bytes > answerBytesMax) throw new Error("too long");
        if (hear(chunk) === false) {
          body.pause();
          reply.once("drain", goOn);
        }
        if (isEnough()) {
          settle(undefined);
          lingered(body);
        }
      } catch (error) {
        body.destroy();
        if (error instanceof RangeError || error instanceof TypeError) reject(error);
        else
          settle({
            kind: "request",
            why: `the answer is larger than ${answerBytesMax} bytes and was cut off`,
          });
      }
    });
    body.once("end", () => settle(undefined));
    body.once("error", (error) => settle(upstream.faultOfBreak(error)));
    body.once("close", () => settle(broken));
  });
}
