import * as z from "zod";
import type { Finish } from "../../domain/reply.ts";
import type { Message } from "../../ports/model.ts";
import type { QuotaRefusal, QuotaResource } from "./quota.ts";
import type { FaultName } from "./scenario.ts";
import {
  complaint,
  type ErrorAnswer,
  type ErrorWish,
  type Place,
  type Sent,
  type Telling,
  type Wire,
} from "./wire.ts";

/**
 * Gemini's generateContent and streamGenerateContent (always with `alt=sse`); its refusals say in their bodies what no
 * header says (rate-limits.md 1.5).
 */
export const geminiWire: Wire = {
  name: "gemini",
  framing: "events",
  idHeader: "x-request-id",
  limits: "none",
  keepAlive: undefined,
  read: readBody,
  keyIn: (headers) => headers.get("x-goog-api-key")?.trim() ?? "",
  body: (telling) => chunk(telling, telling.said.text, true),
  opening: () => [],
  piece: (telling, text) => sent(chunk(telling, text, false)),
  closing: (telling) => [sent(chunk(telling, "", true))],
  error: errorAnswer,
  broken: sent,
  models: (profiles) => ({
    models: profiles.map(({ name, contextTokensMax, outputTokensMax }) => ({
      name: `models/${name}`,
      displayName: name,
      inputTokenLimit: contextTokensMax,
      outputTokenLimit: outputTokensMax,
      supportedGenerationMethods: ["generateContent", "streamGenerateContent"],
    })),
  }),
};

const Content = z.looseObject({
  role: z.enum(["user", "model"]).optional(),
  parts: z.array(z.looseObject({ text: z.string().optional() })).max(10_000),
});
const Body = z.looseObject({
  contents: z.array(Content).min(1).max(10_000),
  systemInstruction: Content.omit({ role: true }).optional(),
  generationConfig: z
    .looseObject({
      temperature: z.number().min(0).max(2).optional(),
      maxOutputTokens: z.int().min(1).optional(),
    })
    .optional(),
});

/** The provider's own default when the request sets none. */
const temperatureUsual = 1;

function readBody(json: unknown, _headers: Headers, { model, isStream }: Place): ReturnType<Wire["read"]> {
  if (model === undefined || isStream === undefined)
    return { kind: "refused", message: "the address ends in :generateContent or :streamGenerateContent" };
  const parsed = Body.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const { contents, systemInstruction, generationConfig } = parsed.data;
  const messages = contents.map(({ role, parts }): Message => {
    return { from: role === "model" ? "model" : "user", text: textOf(parts) };
  });
  return {
    kind: "read",
    model,
    asked: {
      system: textOf(systemInstruction?.parts ?? []),
      messages,
      temperature: generationConfig?.temperature ?? temperatureUsual,
      outputTokensMax: generationConfig?.maxOutputTokens ?? Number.MAX_SAFE_INTEGER,
    },
    isStream,
    wantsUsage: true,
    wantsCache: true,
  };
}

function textOf(parts: readonly { readonly text?: string | undefined }[]): string {
  return parts.map(({ text }) => text ?? "").join("");
}

const finishes: Readonly<Record<Finish, string>> = {
  stop: "STOP",
  length: "MAX_TOKENS",
  refused: "SAFETY",
  other: "OTHER",
};

function chunk({ said, request }: Telling, text: string, isLast: boolean) {
  const { input, cachedInput, output } = said.usage;
  const cached = cachedInput === 0 ? {} : { cachedContentTokenCount: cachedInput };
  const candidates = isLast ? { candidatesTokenCount: output, totalTokenCount: input + output } : {};
  return {
    candidates: [
      {
        content: { parts: [{ text }], role: "model" },
        ...(isLast ? { finishReason: finishes[said.finish] } : {}),
        index: 0,
      },
    ],
    usageMetadata: { promptTokenCount: input, ...cached, totalTokenCount: input, ...candidates },
    modelVersion: request.model,
    responseId: said.id,
  };
}

function sent(body: unknown): Sent {
  return { event: undefined, data: JSON.stringify(body) };
}

interface Shape {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly details?: readonly object[];
}

function errorAnswer(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const { code, status, message, details } = shapes[fault](wish);
  const error = {
    code,
    message: wish.message ?? message,
    status,
    ...(details === undefined ? {} : { details }),
  };
  return { status: code, headers: {}, body: { error } };
}

const help = {
  "@type": "type.googleapis.com/google.rpc.Help",
  links: [
    {
      description: "Learn more about Gemini API quotas",
      url: "https://ai.google.dev/gemini-api/docs/rate-limits",
    },
  ],
};

/** The metric, and what its id says of it. */
const quotas: Readonly<Record<QuotaResource, readonly [metric: string, id: string]>> = {
  requests: ["generate_content_requests", "GenerateRequestsPerMinutePerProjectPerModel"],
  tokens: ["generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute"],
  input: ["generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute"],
  output: ["generate_content_output_token_count", "GenerateContentOutputTokensPerModelPerMinute"],
  day: ["generate_content_requests", "GenerateRequestsPerDayPerProjectPerModel"],
  slots: ["concurrent_requests", "ConcurrentRequestsPerProjectPerModel"],
  window: ["generate_content_requests", "GenerateRequestsPerWindowPerProject"],
};

/** Quota, and the wait where one helps. */
function throttled(wish: ErrorWish, { resource, limit, retryAfterMs }: QuotaRefusal): Shape {
  const [metric, quotaId] = quotas[resource];
  const quotaMetric = `generativelanguage.googleapis.com/${metric}`;
  const isOver = retryAfterMs === undefined || retryAfterMs === Number.POSITIVE_INFINITY;
  const seconds = isOver ? undefined : Number((retryAfterMs / 1000).toFixed(3));
  const hint = seconds === undefined ? "" : `\nPlease retry in ${seconds}s.`;
  const violation = {
    quotaMetric,
    quotaId,
    quotaDimensions: { location: "global", model: wish.model },
    quotaValue: String(limit),
  };
  return {
    code: 429,
    status: "RESOURCE_EXHAUSTED",
    message: `You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: ${quotaMetric}, limit: ${limit}, model: ${wish.model}${hint}`,
    details: [
      { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [violation] },
      help,
      ...(seconds === undefined
        ? []
        : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${seconds}s` }]),
    ],
  };
}

/** A scenario's throttle names a quota of its own. */
function limitOf({ limit, retryAfterSeconds }: ErrorWish): QuotaRefusal {
  if (limit !== undefined) return limit;
  const figures = { limit: 15, used: 15, requested: 1, retryAfterMs: (retryAfterSeconds ?? 1) * 1000 };
  return { kind: "refused", resource: "requests", name: "requests", ...figures };
}

const errorInfo = (reason: string) => [
  { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "googleapis.com", metadata: {} },
];

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => Shape>> = {
  "rate-limit": (wish) => throttled(wish, limitOf(wish)),
  "rate-limit-bare": () => ({
    code: 429,
    status: "RESOURCE_EXHAUSTED",
    message: "Resource has been exhausted (e.g. check quota).",
  }),
  quota: () => ({
    code: 429,
    status: "RESOURCE_EXHAUSTED",
    message: "You exceeded your current quota, please check your plan and billing details.",
    details: errorInfo("QUOTA_EXHAUSTED"),
  }),
  overloaded: () => ({
    code: 503,
    status: "UNAVAILABLE",
    message: "The model is overloaded. Please try again later.",
  }),
  "server-error": () => ({ code: 500, status: "INTERNAL", message: "An internal error has occurred." }),
  unauthorized: () => ({
    code: 401,
    status: "UNAUTHENTICATED",
    message: "Request had invalid authentication credentials.",
    details: errorInfo("API_KEY_INVALID"),
  }),
  billing: () => ({
    code: 402,
    status: "FAILED_PRECONDITION",
    message: "This project has no billing account.",
    details: errorInfo("BILLING_DISABLED"),
  }),
  "bad-request": () => ({ code: 400, status: "INVALID_ARGUMENT", message: "The request is not valid." }),
  "not-found": ({ model }) => ({
    code: 404,
    status: "NOT_FOUND",
    message: `models/${model} is not found for API version v1beta.`,
  }),
  "too-large": () => ({
    code: 400,
    status: "INVALID_ARGUMENT",
    message: "The input token count exceeds the maximum number of tokens allowed.",
  }),
  "body-too-large": () => ({
    code: 413,
    status: "INVALID_ARGUMENT",
    message: "Request payload size exceeds the limit.",
  }),
};
