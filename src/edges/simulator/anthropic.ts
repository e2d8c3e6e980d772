import * as z from "zod";
import type { Finish } from "../../domain/reply.ts";
import type { Message } from "../../ports/model.ts";
import type { Said } from "./desk.ts";
import type { QuotaResource } from "./quota.ts";
import type { FaultName } from "./scenario.ts";
import { rfc3339 } from "./told.ts";
import {
  bearerIn,
  complaint,
  type ErrorAnswer,
  type ErrorWish,
  type Sent,
  type Wire,
  waitSeconds,
} from "./wire.ts";

/** Anthropic's Messages, version 2023-06-01, as its clients read them; headers after rate-limits.md 1.1. */
export const anthropicWire: Wire = {
  name: "anthropic",
  framing: "events",
  idHeader: "request-id",
  limits: "anthropic",
  keepAlive: { stream: 'event: ping\ndata: {"type":"ping"}\n\n', body: "" },
  read: readBody,
  keyIn: (headers) => headers.get("x-api-key")?.trim() || bearerIn(headers),
  body: ({ said, request }) => ({
    ...messageOf(said, request.model),
    content: [{ type: "text", text: said.text }],
    stop_reason: finishes[said.finish],
    usage: { ...inputOf(said, request.wantsCache), output_tokens: said.usage.output },
  }),
  opening({ said, request }) {
    const message = {
      ...messageOf(said, request.model),
      content: [],
      stop_reason: null,
      usage: { ...inputOf(said, request.wantsCache), output_tokens: 1 },
    };
    return [
      sent("message_start", { message }),
      sent("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      sent("ping", {}),
    ];
  },
  piece: (_telling, text) => sent("content_block_delta", { index: 0, delta: { type: "text_delta", text } }),
  closing: ({ said, request }) => [
    sent("content_block_stop", { index: 0 }),
    sent("message_delta", {
      delta: { stop_reason: finishes[said.finish], stop_sequence: null },
      usage: { ...inputOf(said, request.wantsCache), output_tokens: said.usage.output },
    }),
    sent("message_stop", {}),
  ],
  error: errorAnswer,
  broken: (body) => ({ event: "error", data: JSON.stringify(body) }),
  models: (profiles, at) => ({
    data: profiles.map(({ name }) => {
      return { type: "model", id: name, display_name: name, created_at: rfc3339(at) };
    }),
    first_id: profiles[0]?.name ?? null,
    last_id: profiles.at(-1)?.name ?? null,
    has_more: false,
  }),
};

const cacheMark = z.looseObject({ type: z.string() }).nullish();
const Block = z.looseObject({ type: z.string(), text: z.string().optional(), cache_control: cacheMark });
const Content = z.union([z.string(), z.array(Block)]);
const Body = z.looseObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  messages: z
    .array(z.looseObject({ role: z.enum(["user", "assistant"]), content: Content }))
    .min(1)
    .max(10_000),
  system: Content.optional(),
  temperature: z.number().min(0).max(1).optional(),
  stream: z.boolean().optional(),
  cache_control: cacheMark,
});

/** The provider's own default when the request sets none. */
const temperatureUsual = 1;

function readBody(json: unknown, headers: Headers): ReturnType<Wire["read"]> {
  if (!headers.has("anthropic-version"))
    return { kind: "refused", message: "anthropic-version: header is required" };
  const parsed = Body.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const body = parsed.data;
  const messages: Message[] = body.messages.map(({ role, content }) => {
    return { from: role === "assistant" ? "model" : "user", text: textOf(content) };
  });
  const contents = [body.system ?? "", ...body.messages.map(({ content }) => content)];
  const isMarked = contents.some((content) => typeof content !== "string" && content.some(isMarkedBlock));
  return {
    kind: "read",
    model: body.model,
    asked: {
      system: textOf(body.system ?? ""),
      messages,
      temperature: body.temperature ?? temperatureUsual,
      outputTokensMax: body.max_tokens,
    },
    isStream: body.stream ?? false,
    wantsUsage: true,
    wantsCache: isMarked || Boolean(body.cache_control),
  };
}

const isMarkedBlock = (block: z.infer<typeof Block>): boolean => Boolean(block.cache_control);

function textOf(content: z.infer<typeof Content>): string {
  if (typeof content === "string") return content;
  return content.map((block) => block.text ?? "").join("\n");
}

const finishes: Readonly<Record<Finish, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  refused: "refusal",
  other: "end_turn",
};

function messageOf(said: Said, model: string) {
  return { id: `msg_${said.id}`, type: "message", role: "assistant", model, stop_sequence: null };
}

/** `input_tokens` excludes what was read from the cache; nothing is cached that the client did not mark. */
function inputOf({ usage }: Said, wantsCache: boolean) {
  const read = wantsCache ? usage.cachedInput : 0;
  return {
    input_tokens: usage.input - read,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: read,
    service_tier: "standard",
  };
}

function sent(type: string, rest: object): Sent {
  return { event: type, data: JSON.stringify({ type, ...rest }) };
}

interface Shape {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function errorAnswer(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const { status, type, message, code, headers } = shapes[fault](wish);
  const detail = { type, message: wish.message ?? message, ...(code === undefined ? {} : { code }) };
  return {
    status,
    headers: { "request-id": wish.requestId, ...headers },
    body: { type: "error", error: detail, request_id: wish.requestId },
  };
}

/** A scenario's throttle names no other limit. */
const usedUp = {
  "anthropic-ratelimit-requests-limit": "1000",
  "anthropic-ratelimit-requests-remaining": "0",
};

function retryAfter(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { "retry-after": String(seconds) };
}

const limitNames: Readonly<Record<QuotaResource, string>> = {
  requests: "requests per minute",
  tokens: "tokens per minute",
  input: "input tokens per minute",
  output: "output tokens per minute",
  day: "requests per day",
  slots: "concurrent connections",
  window: "weighted tokens",
};

function limitMessage({ limit }: ErrorWish): string {
  const general = "This request would exceed your organization's rate limit. Please try again later.";
  if (limit === undefined || limit.resource === "window") return general;
  return `This request would exceed your organization's rate limit of ${limit.limit} ${limitNames[limit.resource]}.`;
}

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => Shape>> = {
  "rate-limit": (wish) => ({
    status: 429,
    type: "rate_limit_error",
    message: limitMessage(wish),
    headers: {
      ...retryAfter(wish.limit === undefined ? Math.ceil(wish.retryAfterSeconds ?? 1) : waitSeconds(wish)),
      "x-should-retry": "true",
      ...(wish.limit === undefined ? usedUp : {}),
    },
  }),
  "rate-limit-bare": () => ({
    status: 429,
    type: "rate_limit_error",
    message: "Error",
    headers: { "x-should-retry": "true" },
  }),
  quota: (wish) => ({
    status: 429,
    type: "rate_limit_error",
    code: "enforced_spend_limit_reached",
    message: "You have reached your specified API usage limits.",
    headers: {
      "x-should-retry": "false",
      ...retryAfter(wish.retryAfterSeconds),
    },
  }),
  overloaded: (wish) => ({
    status: 529,
    type: "overloaded_error",
    message: "Overloaded",
    headers: retryAfter(wish.retryAfterSeconds),
  }),
  "server-error": () => ({ status: 500, type: "api_error", message: "Internal server error" }),
  unauthorized: () => ({ status: 401, type: "authentication_error", message: "invalid x-api-key" }),
  billing: () => ({
    status: 402,
    type: "billing_error",
    message: "Your credit balance is too low to access the API.",
  }),
  "bad-request": () => ({
    status: 400,
    type: "invalid_request_error",
    message: "The request is not valid.",
  }),
  "not-found": ({ model }) => ({ status: 404, type: "not_found_error", message: `model: ${model}` }),
  "too-large": () => ({ status: 400, type: "invalid_request_error", message: "prompt is too long" }),
  "body-too-large": () => ({
    status: 413,
    type: "request_too_large",
    message: "Request exceeds the maximum allowed number of bytes.",
  }),
};
