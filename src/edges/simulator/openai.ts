import * as z from "zod";
import type { Finish } from "../../domain/reply.ts";
import type { Message } from "../../ports/model.ts";
import type { Said } from "./desk.ts";
import type { FaultName } from "./scenario.ts";
import { complaint, type ErrorAnswer, type ErrorWish, type ReadBody, type Sent, type Wire } from "./wire.ts";

/** OpenAI's chat completions, as its clients read them; headers after rate-limits.md 1.3. */
export const openaiWire: Wire = {
  name: "openai",
  read: readBody,
  keyIn: (headers) => /^Bearer\s+(.+)$/i.exec(headers.get("authorization") ?? "")?.[1]?.trim() ?? "",
  body(said, request, at) {
    const message = { role: "assistant", content: said.text, refusal: null, annotations: [] };
    const choice = { index: 0, message, logprobs: null, finish_reason: finishes[said.finish] };
    return { ...head("chat.completion", said, request, at), choices: [choice], usage: usageOf(said) };
  },
  opening: (said, request, at) => [
    chunk(said, request, at, { role: "assistant", content: "", refusal: null }, null),
  ],
  piece: (said, request, at, text) => chunk(said, request, at, { content: text }, null),
  closing(said, request, at) {
    const end = chunk(said, request, at, {}, finishes[said.finish]);
    const done: Sent = { event: undefined, data: "[DONE]" };
    if (!request.wantsUsage) return [end, done];
    const usage = { ...head("chat.completion.chunk", said, request, at), choices: [], usage: usageOf(said) };
    return [end, { event: undefined, data: JSON.stringify(usage) }, done];
  },
  limits(levels) {
    const { requests, input, output } = levels;
    const tokensLeft = Math.max(0, input.remaining - (output.limit - output.remaining));
    return {
      "x-ratelimit-limit-requests": String(requests.limit),
      "x-ratelimit-remaining-requests": String(requests.remaining),
      "x-ratelimit-reset-requests": goDuration(requests.resetMs),
      "x-ratelimit-limit-tokens": String(input.limit),
      "x-ratelimit-remaining-tokens": String(tokensLeft),
      "x-ratelimit-reset-tokens": goDuration(Math.max(input.resetMs, output.resetMs)),
    };
  },
  error: errorAnswer,
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

function head(object: string, said: Said, request: ReadBody, at: number) {
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

function chunk(said: Said, request: ReadBody, at: number, delta: object, finish: string | null): Sent {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
  const usage = request.wantsUsage ? { usage: null } : {};
  const body = { ...head("chat.completion.chunk", said, request, at), choices: [choice], ...usage };
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

/** Go's notation, as in `6m0s`, `1.5s` or `12ms`. */
export function goDuration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = ms / 1000;
  const rest = Number((seconds % 60).toFixed(3));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${rest}s`;
  return minutes < 60 ? `${minutes}m${rest}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}s`;
}

interface Shape {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function errorAnswer(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const { status, type, code, message, headers } = shapes[fault](wish);
  const param = fault === "too-large" ? "messages" : null;
  return {
    status,
    headers: { "x-request-id": wish.requestId, ...headers },
    body: { error: { message: wish.message ?? message, type, param, code } },
  };
}

const invalid = "invalid_request_error";
const secondsOf = (wish: ErrorWish, usual: number): number => wish.retryAfterSeconds ?? usual;

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => Shape>> = {
  "rate-limit": (wish) => {
    const wait = goDuration(secondsOf(wish, 1) * 1000);
    const message = `Rate limit reached for ${wish.model} on requests per min (RPM): Limit 1000, Used 1000, Requested 1. Please try again in ${wait}.`;
    return {
      status: 429,
      type: "requests",
      code: "rate_limit_exceeded",
      message,
      headers: {
        "retry-after": String(Math.ceil(secondsOf(wish, 1))),
        "retry-after-ms": String(Math.ceil(secondsOf(wish, 1) * 1000)),
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": wait,
      },
    };
  },
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
