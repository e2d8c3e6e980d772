import type { Reply } from "../domain/reply.ts";

export type ModelRole =
  | "coder"
  | "planner"
  | "clarifier"
  | "test-writer"
  | "reviewer"
  | "estimator"
  | "optimizer";

export interface Message {
  readonly from: "user" | "model";
  readonly text: string;
}

/** One question. The first line of `system` is `Role: <role>`. */
export interface Prompt {
  readonly role: ModelRole;
  readonly system: string;
  /** Alternating, first and last from the user. */
  readonly messages: readonly Message[];
  /** Bound of the answer, 1 to 128,000 tokens. */
  readonly outputTokensMax: number;
  /** 0 to 2. */
  readonly temperature: number;
}

/** USD for a million tokens; undefined where nobody knows. */
export interface Price {
  readonly inputUsd: number;
  readonly cachedInputUsd: number;
  readonly outputUsd: number;
}

/** What is known of a model's price, and from where; "list of 2026-09-23" is the vendor's own that came with this version. */
export type Pricing =
  | { readonly kind: "known"; readonly price: Price; readonly source: "configuration" | `list of ${string}` }
  | { readonly kind: "nothing" }
  /** `why` in one line. */
  | { readonly kind: "unknown"; readonly why: string };

/**
 * One model at one provider. `ask` makes exactly one request (no retry inside) and never rejects for what a provider
 * does: every failure is a Reply. It rejects only with `signal.reason` when aborted, and then the connection is closed.
 * `onText` sees the growing answer where the wire streams; it is for people to watch and may be skipped.
 */
export interface Model {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** The model id on the wire. */
  readonly name: string;
  readonly price: Price | undefined;
  ask(prompt: Prompt, signal: AbortSignal, onText?: (textSoFar: string) => void): Promise<Reply>;
}
