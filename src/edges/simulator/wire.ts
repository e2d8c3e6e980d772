import type { Levels } from "./allowance.ts";
import type { Asked } from "./conversation.ts";
import type { Said } from "./desk.ts";
import type { Profile } from "./profile.ts";
import type { FaultName } from "./scenario.ts";

/** A body as a wire reads it. */
export type Reading =
  | {
      readonly kind: "read";
      readonly model: string;
      readonly asked: Asked;
      readonly isStream: boolean;
      /** The client wants usage in the stream (OpenAI), or marked something to be cached (Anthropic). */
      readonly wantsUsage: boolean;
      readonly wantsCache: boolean;
    }
  | { readonly kind: "refused"; readonly message: string };

export type ReadBody = Extract<Reading, { kind: "read" }>;

/** One server-sent event; `event` undefined where the wire names none. */
export interface Sent {
  readonly event: string | undefined;
  readonly data: string;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A provider's protocol: how a request is read and an answer, a stream, an error and limits are written. All pure. */
export interface Wire {
  readonly name: "openai" | "anthropic";
  /** Headers first: a wire may require some. `json` is the parsed body. */
  read(json: unknown, headers: Headers): Reading;
  /** The key of a request, "" when there is none. */
  keyIn(headers: Headers): string;
  body(said: Said, request: ReadBody, at: number): unknown;
  opening(said: Said, request: ReadBody, at: number): readonly Sent[];
  piece(said: Said, request: ReadBody, at: number, text: string): Sent;
  closing(said: Said, request: ReadBody, at: number): readonly Sent[];
  limits(levels: Levels, now: number): Readonly<Record<string, string>>;
  error(fault: FaultName, error: ErrorWish): ErrorAnswer;
  models(profiles: readonly Profile[], at: number): unknown;
}

export interface ErrorWish {
  readonly model: string;
  /** Undefined: the usual text. */
  readonly message: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly requestId: string;
}

/** One line a place, for a body that is not as the wire wants it. */
export function complaint(issues: readonly { path: readonly PropertyKey[]; message: string }[]): string {
  const [first] = issues;
  const place = first?.path.map(String).join(".") || "body";
  return `${place}: ${first?.message ?? "invalid"}`;
}
