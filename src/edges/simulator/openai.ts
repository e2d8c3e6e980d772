import * as z from "zod";
import type { Finish } from "../../domain/reply.ts";
import type { Message } from "../../ports/model.ts";
import type { Said } from "./desk.ts";
import type { QuotaRefusal, QuotaResource } from "./quota.ts";
import type { FaultName } from "./scenario.ts";
import { goDuration } from "./told.ts";
import {
  bearerIn,
  complaint,
  type ErrorAnswer,
  type ErrorWish,
  type Sent,
  type Telling,
  type Wire,
  waitSeconds,
} from "./wire.ts";

/** What OpenAI's two wires share; headers after rate-limits.md 1.3. */
export const openaiManner = {
  framing: "events",
  idHeader: "x-request-id",
  limits: "openai",
  // As DeepSeek does it.
  keepAlive: { stream: ": keep-alive\n\n", body: "\n" },
  keyIn: bearerIn,
  error: openaiError,
} as const;

/** OpenAI's chat completions, as its clients read them. */
export const openaiWire: Wire = {
  ...openaiManner,
  name: "openai",
  read: readBody,
  body(telling) {
    const { said } = telling;
    const message = { role: "assistant", content: said.text, refusal: null, annotations: [] };
    const choice = { index: 0, message, logprobs: null, finish_reason: finishes[said.finish] };
    return { ...head("chat.completion", telling), choices: [choice], usage: usageOf(said) };
  },
  opening: (telling) => [chunk(telling, { role: "assistant", content: "", refusal: null }, null)],
  piece: (telling, text) => chunk(telling, { content: text }, null),
  closing(telling) {
    const { said, request } = telling;
    const end = chunk(telling, {}, finishes[said.finish]);
    const done: Sent = { event: undefined, data: "[DONE]" };
    if (!request.wantsUsage) return [end, done];
    const usage = { ...head("chat.completion.chunk", telling), choices: [], usage: usageOf(said) };
    return [end, { event: undefined, data: JSON.stringify(usage) }, done];
  },
  broken: (body) => ({ event: undefined, data: JSON.stringify(body) }),
  models: (profiles, at) => ({
    object: "list",
    data: profiles.map(({ name }) => {
      return { id: name, object: "model", created: Math.floor(at / 1000), owned_by: "simulator" };
    }),
  }),
};

const Content = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
  z.null(),
]);
const Body = z.looseObject({
  model: z.string().min(1),
  messages: z
    .array(
      z.looseObject({
        role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
        content: Content.optional(),
      }),
    )
    .min(1)
    .max(10_000),
  temperature: z.number().min(0).max(2).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.literal(1, "only one answer a request is simulated").nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
});

/** The provider's own default when the request sets none. */
const temperatureUsual = 1;

function readBody(json: unknown): ReturnType<Wire["read"]> {
  const parsed = Body.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const body = parsed.data;
  const system = body.messages.filter(({ role }) => isSystem(role)).map(({ content }) => textOf(content));
  const messages: Message[] = body.messages
    .filter(({ role }) => !isSystem(role))
    .map(({ role, content }) => ({ from: role === "assistant" ? "model" : "user", text: textOf(content) }));
  return {
    kind: "read",
    model: body.model,
    asked: {
      system: system.join("\n\n"),
      messages,
      temperature: body.temperature ?? temperatureUsual,
      outputTokensMax: body.max_completion_tokens ?? body.max_tokens ?? Number.MAX_SAFE_INTEGER,
    },
    isStream: body.stream ?? false,
    wantsUsage: body.stream_options?.include_usage ?? false,
    wantsCache: true,
  };
}

const isSystem = (role: string): boolean => role === "system" || role === "developer";

function textOf(content: z.infer<typeof Content> | undefined): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? "").join("");
}

const finishes: Readonly<Record<Finish, string>> = {
  stop: "stop",
  length: "length",
  refused: "content_filter",
  other: "stop",
};

function head(object: string, { said, request, at }: Telling) {
  const created = Math.floor(at / 1000);
  return {
    id: `chatcmpl-${said.id}`,
    object,
    created,
    model: request.model,
    service_tier: "default",
    system_fingerprint: "fp_simulator",
  };
}

function chunk(telling: Telling, delta: object, finish: string | null): Sent {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
  const usage = telling.request.wantsUsage ? { usage: null } : {};
  const body = { ...head("chat.completion.chunk", telling), choices: [choice], ...usage };
  return { event: undefined, data: JSON.stringify(body) };
}

/** `prompt_tokens` contains the cached ones. */
function usageOf({ usage }: Said) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cachedInput, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}

interface Shape {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further fields of the error. */
  readonly more?: object;
}

/** Also that of the responses. */
export function openaiError(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const { status, type, code, message, headers, more } = shapes[fault](wish);
  const param = fault === "too-large" ? "messages" : null;
  return {
    status,
    headers: { "x-request-id": wish.requestId, ...headers },
    body: { error: { message: wish.message ?? message, type, param, code, ...more } },
  };
}

const invalid = "invalid_request_error";
const secondsOf = (wish: ErrorWish, usual: number): number => wish.retryAfterSeconds ?? usual;

/** A scenario's throttle. */
function throttled(wish: ErrorWish): Shape {
  const seconds = secondsOf(wish, 1);
  const wait = goDuration(seconds * 1000);
  return {
    status: 429,
    type: "requests",
    code: "rate_limit_exceeded",
    message: `Rate limit reached for ${wish.model} on requests per min (RPM): Limit 1000, Used 1000, Requested 1. Please try again in ${wait}.`,
    headers: {
      "retry-after": String(Math.ceil(seconds)),
      "retry-after-ms": String(Math.ceil(seconds * 1000)),
      "x-ratelimit-limit-requests": "1000",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": wait,
    },
  };
}

const limitNames: Readonly<Record<Exclude<QuotaResource, "window" | "slots">, string>> = {
  requests: "requests per min (RPM)",
  tokens: "tokens per min (TPM)",
  input: "tokens per min (TPM)",
  output: "tokens per min (TPM)",
  day: "requests per day (RPD)",
};

/** What an account's limit refuses, with its true figures. */
function limited(wish: ErrorWish, limit: QuotaRefusal): Shape {
  const seconds = waitSeconds(wish);
  const ms = Math.ceil(limit.retryAfterMs ?? 0);
  if (limit.resource === "window") {
    const message = "The usage limit has been reached";
    const resets = { resets_at: Math.ceil((wish.at + ms) / 1000), resets_in_seconds: seconds };
    const more = { plan_type: "plus", ...(seconds === undefined ? {} : resets) };
    return { status: 429, type: "usage_limit_reached", code: null, message, more };
  }
  if (limit.resource === "slots") {
    const message = `Too many requests at once: ${limit.limit} may run. Please try again later.`;
    return { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded", message };
  }
  const hint = seconds === undefined ? "" : ` Please try again in ${goDuration(ms)}.`;
  const { resource, used, requested } = limit;
  return {
    status: 429,
    type: resource === "requests" || resource === "day" ? "requests" : "tokens",
    code: "rate_limit_exceeded",
    message: `Rate limit reached for ${wish.model} on ${limitNames[resource]}: Limit ${limit.limit}, Used ${used}, Requested ${requested}.${hint}`,
    headers: seconds === undefined ? {} : { "retry-after": String(seconds), "retry-after-ms": String(ms) },
  };
}

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => Shape>> = {
  "rate-limit": (wish) => (wish.limit === undefined ? throttled(wish) : limited(wish, wish.limit)),
  "rate-limit-bare": () => ({
    status: 429,
    type: "rate_limit_error",
    code: "slow_down",
    message: "Slow down.",
  }),
  quota: (wish) => ({
    status: 429,
    type: "insufficient_quota",
    code: "insufficient_quota",
    message: "You exceeded your current quota, please check your plan and billing details.",
    headers: {
      "x-should-retry": "false",
      ...(wish.retryAfterSeconds === undefined ? {} : { "retry-after": String(wish.retryAfterSeconds) }),
    },
  }),
  overloaded: (wish) => ({
    status: 503,
    type: "service_unavailable_error",
    code: "server_is_overloaded",
    message: "The server is overloaded. Please try again later.",
    headers: wish.retryAfterSeconds === undefined ? {} : { "retry-after": String(wish.retryAfterSeconds) },
  }),
  "server-error": () => ({
    status: 500,
    type: "server_error",
    code: null,
    message: "The server had an error while processing your request.",
  }),
  unauthorized: () => ({
    status: 401,
    type: invalid,
    code: "invalid_api_key",
    message: "Incorrect API key provided.",
  }),
  billing: () => ({
    status: 402,
    type: "insufficient_quota",
    code: "credit_balance_exhausted",
    message: "Your credit balance is used up.",
  }),
  "bad-request": () => ({ status: 400, type: invalid, code: null, message: "The request is not valid." }),
  "not-found": ({ model }) => ({
    status: 404,
    type: invalid,
    code: "model_not_found",
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
  }),
  "too-large": () => ({
    status: 400,
    type: invalid,
    code: "context_length_exceeded",
    message: "Your input exceeds the context window of this model.",
  }),
  "body-too-large": () => ({
    status: 413,
    type: invalid,
    code: "request_too_large",
    message: "The request body is too large.",
  }),
};
