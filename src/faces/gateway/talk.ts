/**
 * A request as it is put to one provider, and how its answer is read: word for word where caller and provider share a
 * wire, translated where they do not.
 */
import { noUsage, type Usage } from "../../domain/reply.ts";
import { exactJson } from "../../kit/exact.ts";
import type { Upstream, UpstreamWire } from "../../ports/upstream.ts";
import { readChat, writeChat } from "./chat.ts";
import { chatReader, chatWriter, usageInChat } from "./chat-answer.ts";
import { type Conversation, Untranslatable } from "./conversation.ts";
import { readMessages, writeMessages } from "./messages.ts";
import { messagesReader, messagesWriter, usageInMessages } from "./messages-answer.ts";
import type { Heading, Reader, Writer } from "./piece.ts";
import type { WireName } from "./problem.ts";
import { readResponses } from "./responses.ts";
import { responsesWriter } from "./responses-answer.ts";

export type Json = Readonly<Record<string, unknown>>;

/** A request as it came; `body` is a JSON object. */
export interface Asked {
  readonly wire: WireName;
  readonly body: Json;
  readonly isStream: boolean;
  /** Chat only: usage is a part of the stream that the caller wants. */
  readonly wantsUsage: boolean;
}

/** What wires call the bound of an answer. */
export const boundNames = ["max_completion_tokens", "max_tokens", "max_output_tokens"] as const;

/** What the caller bounds the answer by, tokens; undefined: nothing. Of several the largest. */
export function boundIn({ body }: Asked): number | undefined {
  const bounds = boundNames.map((name) => body[name]).filter((each) => typeof each === "number");
  return bounds.length === 0 ? undefined : Math.max(...bounds);
}

const readers: Readonly<Record<WireName, (json: unknown) => Conversation>> = {
  ...{ chat: readChat, messages: readMessages, responses: readResponses },
};
const writers: Readonly<Record<UpstreamWire, typeof writeChat>> = {
  chat: writeChat,
  messages: writeMessages,
};

export type Written =
  | { readonly kind: "written"; readonly body: string; readonly isVerbatim: boolean }
  | { readonly kind: "untranslatable"; readonly field: string; readonly why: string };

/** Puts one request to several providers: it is read once. */
export function talkOf(asked: Asked): (upstream: Upstream) => Written {
  let read: Conversation | Untranslatable | undefined;
  const conversation = (): Conversation => {
    read ??= readOnce(asked);
    if (read instanceof Untranslatable) throw read;
    return read;
  };
  return (upstream) => {
    if (asked.wire === upstream.wire)
      return { kind: "written", body: verbatim(asked, upstream), isVerbatim: true };
    try {
      const body = JSON.stringify(writers[upstream.wire](conversation(), upstream, asked.isStream));
      return { kind: "written", body, isVerbatim: false };
    } catch (error) {
      if (!(error instanceof Untranslatable)) throw error;
      return { kind: "untranslatable", field: error.field, why: error.message };
    }
  };
}

function readOnce({ wire, body }: Asked): Conversation | Untranslatable {
  try {
    return readers[wire](body);
  } catch (error) {
    if (error instanceof Untranslatable) return error;
    throw error;
  }
}

/** Model and bounds are the gateway's; all else is the caller's own. */
function verbatim(asked: Asked, upstream: Upstream): string {
  const { body, isStream, wire } = asked;
  // One bound goes out, and it is the one that is reserved: by the caller's own name for it where it has one.
  const given = boundNames.filter((name) => typeof body[name] === "number");
  const isTheirs = wire === "chat" && given.length === 1 && given[0] !== "max_output_tokens";
  const [name = upstream.boundName] = isTheirs ? given : [];
  const sent: Record<string, unknown> = { ...body, model: upstream.model };
  for (const each of boundNames) if (each in sent) sent[each] = undefined;
  sent[name] = boundIn(asked) ?? upstream.outputTokensMax;
  // Without it nobody knows what a stream on this wire has cost.
  if (isStream && wire === "chat") sent.stream_options = { ...optionsIn(body), include_usage: true };
  return JSON.stringify(sent);
}

function optionsIn({ stream_options: options }: Json): object {
  return typeof options === "object" && options !== null ? options : {};
}

export function readerOf(wire: UpstreamWire): Reader {
  return wire === "chat" ? chatReader() : messagesReader();
}

export function writerOf({ wire, wantsUsage, body }: Asked, heading: Heading): Writer {
  if (wire === "chat") return chatWriter(heading, wantsUsage);
  return wire === "messages" ? messagesWriter(heading) : responsesWriter(heading, body);
}

/** What passing a stream on has shown: usage, the end, and an error that came inside of it. */
export interface Watch {
  /** False: the event is the gateway's own and no business of the caller. Looks into JSON only where there may be something. */
  see(data: string): boolean;
  /** So many events of words alone. */
  pass(events: number): void;
  readonly usage: Usage;
  readonly isOver: boolean;
  /** Events with data: about as many tokens, where the provider counts none. */
  readonly events: number;
  readonly error: string | undefined;
}

/** Events without it say nothing of usage, an end or an error; most are words alone. */
const telling = /"usage"\s*:\s*\{|_reason"\s*:\s*"|_stop"|"message_start"|"error"|\[DONE\]/;
/** Behind such an event the words before it do not go on. */
const closing = /_reason"\s*:\s*"|_stop"|"error"|\[DONE\]/;

export function isClosing(raw: string): boolean {
  return closing.test(raw);
}

/** How many events these bytes are, where they are whole ones and words alone; 0: each has to be looked at. */
export function plainEventsIn(bytes: string): number {
  if (!bytes.endsWith("\n\n") || telling.test(bytes) || bytes.includes("\r")) return 0;
  let events = 0;
  for (let from = 0; from < bytes.length; from = bytes.indexOf("\n\n", from) + 2) {
    if (!bytes.startsWith("data:", from) && !bytes.startsWith("event:", from)) return 0;
    events += 1;
  }
  return events;
}

export function watchOf(wire: UpstreamWire, wantsUsage: boolean): Watch {
  let usage = noUsage;
  let isOver = false;
  let events = 0;
  let error: string | undefined;
  const seen = (data: string): boolean => {
    if (data === "[DONE]") {
      isOver = true;
      return true;
    }
    events += 1;
    if (!telling.test(data)) return true;
    const json = parsed(data);
    if (json === undefined) return true;
    if (wire === "messages") {
      if (json.type === "error") error = data;
      if (json.type === "message_start") usage = usageInMessages((json.message as Json | null)?.usage, usage);
      if (json.type === "message_delta") usage = usageInMessages(json.usage, usage);
      if (json.type === "message_stop") isOver = true;
      return true;
    }
    if (json.error !== undefined && json.error !== null) error = data;
    usage = usageInChat(json) ?? usage;
    const [choice] = Array.isArray(json.choices) ? (json.choices as Json[]) : [];
    if (choice?.finish_reason === "error") error = data;
    if (typeof choice?.finish_reason === "string") isOver = true;
    return wantsUsage || choice !== undefined || !Array.isArray(json.choices);
  };
  return {
    see: seen,
    pass(count) {
      events += count;
    },
    get usage() {
      return usage;
    },
    get isOver() {
      return isOver;
    },
    get events() {
      return events;
    },
    get error() {
      return error;
    },
  };
}

/** Numbers that no double holds stay as they are written. Undefined: no JSON object. */
export function parsed(text: string): Json | undefined {
  try {
    const json = exactJson(text);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Json) : undefined;
  } catch {
    return undefined;
  }
}
