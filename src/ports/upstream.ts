/** A model at a provider, spoken to in the provider's own words: what the gateway passes requests on to. */

import type { Reading } from "../domain/reading.ts";
import type { Fault } from "../domain/reply.ts";
import type { Price } from "./model.ts";

/** `chat`: OpenAI's chat completions. `messages`: Anthropic's messages. */
export type UpstreamWire = "chat" | "messages";

/** `headers` are added to the upstream's own; a key never comes from here. */
export interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Hears a body. Nothing is heard before `Body.hear`, and nothing behind `end`. */
export interface Ears {
  /** Bytes as they come, one character for each (latin1); no key is in them. */
  part(bytes: string): void;
  /** Once. Undefined: all of it came. */
  end(fault: Fault | undefined): void;
}

/** Plain calls and no stream: what is done for every few words is what the gateway is measured by. */
export interface Body {
  /** Once. */
  hear(ears: Ears): void;
  /** Nothing more for now: the provider is slowed down. Something may still come. */
  pause(): void;
  goOn(): void;
  /** Nothing more is wanted, or heard. */
  leave(): void;
}

/** Stands where a key stood. */
export const secretMark = "[secret]";

/** A part of a text, in characters: `end` is behind it. */
export interface Stretch {
  readonly at: number;
  readonly end: number;
}

/**
 * What a text holds of a key. `keys`: whole ones, in order. From `begins` on it may be the beginning of one, so many letters
 * of it (`size`; 0: none), and up to `open` it may be said all the same: the first two letters are in many words.
 */
export interface Look {
  readonly keys: readonly Stretch[];
  readonly begins: number;
  readonly size: number;
  readonly open: number;
}

/**
 * Finds a key in text that comes part by part, each part on its own in an event of its stream, where nobody sees it in the
 * bytes. Channels are texts that go on beside each other. Letters may stand in JSON's escapes, at any depth.
 */
export interface Spread {
  look(text: string): Look;
  /** What of it can be said now; an end that may be the beginning of a key waits for more, but for its first two letters. */
  push(channel: string, text: string): string;
  /** What was held back, where nothing more comes. */
  end(channel: string): string;
}

/** `headers` have lower-case names and hold no cookie and no key. */
export type Answer =
  /** A success. `body` has to be heard or left. `spread` undefined: there is no key that could be in it. */
  | {
      readonly kind: "answering";
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Body;
      readonly spread: Spread | undefined;
    }
  /**
   * `readings`: what the refusal's body says of limits, beside its headers. `isPaid`: it went out and nothing came back, so
   * it may have been worked on.
   */
  | {
      readonly kind: "failed";
      readonly headers: Readonly<Record<string, string>>;
      readonly fault: Fault;
      readonly readings: readonly Reading[];
      readonly isPaid: boolean;
    };

/**
 * `ask` makes exactly one request and never rejects for what a provider does; it rejects only with `signal.reason`, and
 * then the connection is closed. An abort after the answer began breaks `body` off.
 */
export interface Upstream {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** The model id on the wire. */
  readonly model: string;
  readonly tier: "cheap" | "standard" | "strong";
  readonly wire: UpstreamWire;
  readonly price: Price | undefined;
  /** Bound of an answer where the caller names none, tokens. */
  readonly outputTokensMax: number;
  /** What the wire calls that bound. */
  readonly boundName: "max_tokens" | "max_completion_tokens";
  ask(sending: Sending, signal: AbortSignal): Promise<Answer>;
  /** What an error says that came inside of a success: its JSON. */
  faultIn(body: string, headers: Readonly<Record<string, string>>): Fault;
}
