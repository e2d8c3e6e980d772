import type { Asked } from "./conversation.ts";
import type { Said } from "./desk.ts";
import type { Profile } from "./profile.ts";
import type { QuotaRefusal } from "./quota.ts";
import type { FaultName, WireName } from "./scenario.ts";

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

/** What the address says, on wires where the body does not; undefined: the body says it. */
export interface Place {
  readonly model: string | undefined;
  readonly isStream: boolean | undefined;
}

/** One server-sent event, or one line; `event` undefined where the wire names none. */
export interface Sent {
  readonly event: string | undefined;
  readonly data: string;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What is told to whom; `at`: when it began, ms since the epoch. */
export interface Telling {
  readonly said: Said;
  readonly request: ReadBody;
  readonly at: number;
}

/** A provider's protocol: how a request is read and an answer, a stream and an error are written. All pure. */
export interface Wire {
  readonly name: WireName;
  /** Server-sent events, or a line each (NDJSON). */
  readonly framing: "events" | "lines";
  /** The header that names a request. */
  readonly idHeader: string;
  /** How limits are told where nothing else is set. */
  readonly limits: "anthropic" | "openai" | "none";
  /** What is sent while a call waits in line: in a stream, before a body. Undefined: nothing. */
  readonly keepAlive: { readonly stream: string; readonly body: string } | undefined;
  /** Headers first: a wire may require some. `json` is the parsed body. */
  read(json: unknown, headers: Headers, place: Place): Reading;
  /** The key of a request, "" when there is none. */
  keyIn(headers: Headers): string;
  body(telling: Telling): unknown;
  opening(telling: Telling): readonly Sent[];
  /** `index`: of the piece, from 0. */
  piece(telling: Telling, text: string, index: number): Sent;
  /** After so many pieces. */
  closing(telling: Telling, pieces: number): readonly Sent[];
  error(fault: FaultName, error: ErrorWish): ErrorAnswer;
  /** An error in a stream that began well, from the body that it would have had as an answer. */
  broken(body: unknown): Sent;
  models(profiles: readonly Profile[], at: number): unknown;
}

export interface ErrorWish {
  readonly model: string;
  /** Undefined: the usual text. */
  readonly message: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly requestId: string;
  /** The limit that refused it; undefined: a fault of the scenario. */
  readonly limit: QuotaRefusal | undefined;
  /** ms since the epoch. */
  readonly at: number;
}

/** One line a place, for a body that is not as the wire wants it. */
export function complaint(issues: readonly { path: readonly PropertyKey[]; message: string }[]): string {
  const [first] = issues;
  const place = first?.path.map(String).join(".") || "body";
  return `${place}: ${first?.message ?? "invalid"}`;
}

export function bearerIn(headers: Headers): string {
  return /^Bearer\s+(.+)$/i.exec(headers.get("authorization") ?? "")?.[1]?.trim() ?? "";
}

/** Whole seconds to wait, at least 1; undefined where waiting does not help or nobody can say. */
export function waitSeconds({ limit, retryAfterSeconds }: ErrorWish): number | undefined {
  if (limit === undefined) return retryAfterSeconds;
  if (limit.retryAfterMs === undefined || limit.retryAfterMs === Number.POSITIVE_INFINITY) return undefined;
  return Math.max(1, Math.ceil(limit.retryAfterMs / 1000));
}
