/**
 * An answer on its way from a provider to a caller.
 *
 * 1. Nothing goes to the caller before the provider has said something that is no error: until then another may answer.
 * 2. Only whole events are passed on, so that an error inside of a stream comes in our words.
 * 3. A caller that reads slowly slows the provider down; an answer beyond its bound is cut.
 */
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { type Fault, noUsage, type Usage } from "../../domain/reply.ts";
import type { Upstream } from "../../ports/upstream.ts";
import { eventReader } from "./events.ts";
import { type Piece, spokenOf, type Writer } from "./piece.ts";
import { type Asked, parsed, readerOf, watchOf } from "./talk.ts";

/** `isSilent`: nothing of it has reached the caller. */
export type Relayed =
  | { readonly kind: "said"; readonly usage: Usage; readonly seenOutput: number }
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
  const pieces = piecesOf(() => readerOf(upstream.wire).read(JSON.parse(text)));
  if (pieces === undefined) return { kind: "failed", fault: strange, usage: noUsage, isSilent: true };
  const failed = pieces.find((piece) => piece.kind === "failed");
  if (failed !== undefined)
    return { kind: "failed", fault: upstream.faultIn(failed.body, headers), usage: noUsage, isSilent: true };
  const spoken = spokenOf(pieces);
  begin("application/json");
  reply.end(relay.isVerbatim ? bytes : JSON.stringify(writer.whole(spoken)));
  const letters = spoken.text.length + spoken.calls.reduce((sum, { input }) => sum + input.length, 0);
  return { kind: "said", usage: spoken.usage, seenOutput: Math.ceil(letters / 4) };
}

const strange: Fault = { kind: "capacity", why: "the answer could not be understood" };
const broken: Fault = { kind: "capacity", why: "the answer broke off" };

async function passedOn(relay: Relay): Promise<Relayed> {
  const { asked, upstream, headers, reply, begin } = relay;
  const events = eventReader();
  const watch = watchOf(upstream.wire, asked.wantsUsage);
  let isSilent = true;
  const cut = await drained(
    relay,
    (chunk) => {
      let text = "";
      for (const { raw, data } of events.push(chunk)) {
        const isTheirs = data === undefined || watch.see(data);
        if (watch.error !== undefined) break;
        if (isTheirs) text += raw;
      }
      if (text !== "" && (watch.events > 0 || !isSilent)) {
        if (isSilent) begin("text/event-stream");
        isSilent = false;
        return reply.write(text);
      }
      return true;
    },
    () => watch.error !== undefined,
  );
  const { usage } = watch;
  if (watch.error !== undefined)
    return { kind: "failed", fault: upstream.faultIn(watch.error, headers), usage, isSilent };
  if (cut !== undefined || !watch.isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  reply.end();
  return { kind: "said", usage, seenOutput: watch.events };
}

async function translated(relay: Relay): Promise<Relayed> {
  const { upstream, headers, reply, writer, begin } = relay;
  const events = eventReader();
  const reader = readerOf(upstream.wire);
  let usage = noUsage;
  let isSilent = true;
  let isOver = false;
  let letters = 0;
  let fault: Fault | undefined;
  const take = (piece: Piece): string => {
    if (piece.kind === "failed") {
      fault = upstream.faultIn(piece.body, headers);
      return "";
    }
    if (piece.kind === "usage") usage = piece.usage;
    if (piece.kind === "end") isOver = true;
    if (piece.kind === "text" || piece.kind === "input") letters += piece.text.length;
    return writer.piece(piece);
  };
  const cut = await drained(
    relay,
    (chunk) => {
      let text = "";
      for (const { data } of events.push(chunk)) {
        if (data === undefined || data === "[DONE]" || fault !== undefined) continue;
        const pieces = piecesOf(() => reader.read(parsed(data)));
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
    },
    () => fault !== undefined,
  );
  if (fault !== undefined) return { kind: "failed", fault, usage, isSilent };
  if (cut !== undefined || !isOver) return { kind: "failed", fault: cut ?? broken, usage, isSilent };
  reply.end(writer.close());
  return { kind: "said", usage, seenOutput: Math.ceil(letters / 4) };
}

/** A reader's complaint is about what came, and no bug of ours. */
function piecesOf(read: () => readonly Piece[]): readonly Piece[] | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

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
    const goOn = () => void body.resume();
    const settle = (fault: Fault | undefined) => {
      reply.off("drain", goOn);
      resolve(fault);
    };
    body.on("data", (chunk: Buffer) => {
      bytes += chunk.byteLength;
      try {
        if (bytes > answerBytesMax) throw new Error("too long");
        if (hear(chunk) === false) {
          body.pause();
          reply.once("drain", goOn);
        }
        if (isEnough()) {
          settle(undefined);
          body.destroy();
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
