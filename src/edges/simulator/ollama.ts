import * as z from "zod";
import type { Message } from "../../ports/model.ts";
import type { FaultName } from "./scenario.ts";
import { bearerIn, complaint, type ErrorAnswer, type ErrorWish, type Telling, type Wire } from "./wire.ts";

/** What both of Ollama's ways share: lines of JSON, spans in ns, no word of limits (rate-limits.md 1.6). */
const both = {
  name: "ollama",
  framing: "lines",
  idHeader: "x-request-id",
  limits: "none",
  keepAlive: undefined,
  keyIn: bearerIn,
  opening: () => [],
  error: errorAnswer,
  broken: (body: unknown) => ({ event: undefined, data: JSON.stringify(body) }),
  models: (profiles, at) => ({
    models: profiles.map(({ name }) => ({
      ...{ name: `${name}:latest`, model: `${name}:latest`, modified_at: new Date(at).toISOString() },
      ...{ size: 1_000_000_000, digest: "0".repeat(64) },
      details: { format: "gguf", family: "simulated", parameter_size: "7B", quantization_level: "Q4_0" },
    })),
  }),
} as const satisfies Partial<Wire>;

/** POST /api/chat. */
export const ollamaChatWire: Wire = {
  ...both,
  read: readChat,
  body: (telling) => ({ ...head(telling), message: messageOf(telling.said.text), ...ended(telling) }),
  piece: (telling, text) => line({ ...head(telling), message: messageOf(text), done: false }),
  closing: (telling) => [line({ ...head(telling), message: messageOf(""), ...ended(telling) })],
};

/** POST /api/generate. */
export const ollamaGenerateWire: Wire = {
  ...both,
  read: readGenerate,
  body: (telling) => ({ ...head(telling), response: telling.said.text, ...ended(telling) }),
  piece: (telling, text) => line({ ...head(telling), response: text, done: false }),
  closing: (telling) => [line({ ...head(telling), response: "", ...ended(telling) })],
};

const common = {
  model: z.string().min(1),
  stream: z.boolean().optional(),
  options: z
    .looseObject({ temperature: z.number().min(0).max(2).optional(), num_predict: z.int().optional() })
    .optional(),
};
const Chat = z.looseObject({
  ...common,
  messages: z
    .array(z.looseObject({ role: z.enum(["system", "user", "assistant", "tool"]), content: z.string() }))
    .min(1)
    .max(10_000),
});
const Generate = z.looseObject({ ...common, prompt: z.string(), system: z.string().optional() });

function readChat(json: unknown): ReturnType<Wire["read"]> {
  const parsed = Chat.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const { messages } = parsed.data;
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  const rest = messages
    .filter(({ role }) => role !== "system")
    .map(({ role, content }): Message => ({ from: role === "assistant" ? "model" : "user", text: content }));
  return readAs(parsed.data, system.join("\n\n"), rest);
}

function readGenerate(json: unknown): ReturnType<Wire["read"]> {
  const parsed = Generate.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  return readAs(parsed.data, parsed.data.system ?? "", [{ from: "user", text: parsed.data.prompt }]);
}

/** The server's own default when the request sets none. */
const temperatureUsual = 0.8;

function readAs(
  { model, stream, options }: Pick<z.infer<typeof Chat>, "model" | "stream" | "options">,
  system: string,
  messages: readonly Message[],
): ReturnType<Wire["read"]> {
  const bound = options?.num_predict ?? -1;
  return {
    kind: "read",
    model: model.replace(/:latest$/, ""),
    asked: {
      ...{ system, messages, temperature: options?.temperature ?? temperatureUsual },
      outputTokensMax: bound > 0 ? bound : Number.MAX_SAFE_INTEGER,
    },
    // Unlike all others it streams unless it is told not to.
    isStream: stream ?? true,
    wantsUsage: true,
    wantsCache: false,
  };
}

function messageOf(content: string) {
  return { role: "assistant", content };
}

function head({ request, at }: Telling) {
  return { model: request.model, created_at: new Date(at).toISOString() };
}

const nsPerMs = 1_000_000;

function ended({ said }: Telling) {
  const { usage, profile, finish } = said;
  const prompt = profile.firstTokenMs * nsPerMs;
  const speed = profile.tokensPerSecond > 0 ? profile.tokensPerSecond : 1_000;
  const writing = Math.round((usage.output / speed) * 1000 * nsPerMs);
  return {
    done: true,
    done_reason: finish === "length" ? "length" : "stop",
    total_duration: prompt + writing,
    load_duration: 0,
    prompt_eval_count: usage.input,
    prompt_eval_duration: prompt,
    eval_count: usage.output,
    eval_duration: writing,
  };
}

function line(body: object) {
  return { event: undefined, data: JSON.stringify(body) };
}

function errorAnswer(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const isFull = fault === "rate-limit" && wish.limit?.resource === "slots";
  const [status, message] = isFull ? shapes.overloaded(wish) : shapes[fault](wish);
  return { status, headers: {}, body: { error: wish.message ?? message } };
}

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => readonly [status: number, message: string]>> = {
  "rate-limit": () => [429, "too many requests"],
  "rate-limit-bare": () => [429, "too many requests"],
  quota: () => [429, "you have reached your usage limit"],
  overloaded: () => [503, "server busy, please try again.  maximum pending requests exceeded"],
  "server-error": () => [500, "llama runner process has terminated"],
  unauthorized: () => [401, "unauthorized"],
  billing: () => [402, "payment required"],
  "bad-request": () => [400, "invalid request"],
  "not-found": ({ model }) => [404, `model '${model}' not found`],
  "too-large": () => [400, "the prompt exceeds the context length of the model"],
  "body-too-large": () => [413, "request body too large"],
};
