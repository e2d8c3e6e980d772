/** A model at a provider, spoken to in the provider's own words: what the gateway passes requests on to. */
import type { Readable } from "node:stream";
import type { Fault } from "../domain/reply.ts";
import type { Reading } from "../domain/tank.ts";
import type { Price } from "./model.ts";

/** `chat`: OpenAI's chat completions. `messages`: Anthropic's messages. */
export type UpstreamWire = "chat" | "messages";

/** `headers` are added to the upstream's own; a key never comes from here. */
export interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** `headers` have lower-case names and hold no cookie and no key. */
export type Answer =
  /** A success. `body` holds no key; it has to be read or destroyed; it fails with an error when the provider breaks off. */
  | {
      readonly kind: "answering";
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Readable;
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
 * then the connection is closed. An abort after the answer began destroys `body`.
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
  /** What the failure of a body says that had begun. */
  faultOfBreak(error: unknown): Fault;
}
