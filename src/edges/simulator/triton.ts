import * as z from "zod";
import type { FaultName } from "./scenario.ts";
import {
  bearerIn,
  complaint,
  type ErrorAnswer,
  type ErrorWish,
  type Place,
  type Telling,
  type Wire,
} from "./wire.ts";

/**
 * Triton's generate and generate_stream: one text in, one out, no usage, and in a stream an error may follow a 200
 * (rate-limits.md 1.6).
 */
export const tritonWire: Wire = {
  name: "triton",
  framing: "events",
  idHeader: "triton-request-id",
  limits: "none",
  keepAlive: undefined,
  read: readBody,
  keyIn: bearerIn,
  body: (telling) => outputs(telling, telling.said.text),
  opening: () => [],
  piece: (telling, text) => ({ event: undefined, data: JSON.stringify(outputs(telling, text)) }),
  closing: () => [],
  error: errorAnswer,
  broken: (body) => ({ event: undefined, data: JSON.stringify(body) }),
  models: (profiles) => profiles.map(({ name }) => ({ name, version: "1", state: "READY" })),
};

const settings = {
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: z.int().min(1).optional(),
};
/** Further keys are inputs of the model: bound and temperature may stand among them. */
const Body = z.looseObject({
  text_input: z.string(),
  parameters: z.looseObject(settings).optional(),
  ...settings,
});

const temperatureUsual = 1;

function readBody(json: unknown, _headers: Headers, { model, isStream }: Place): ReturnType<Wire["read"]> {
  if (model === undefined || isStream === undefined) return { kind: "refused", message: "no model is named" };
  const parsed = Body.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const { text_input: text, parameters = {}, temperature, max_tokens } = parsed.data;
  return {
    kind: "read",
    model,
    asked: {
      ...{ system: "", messages: [{ from: "user", text }] },
      temperature: parameters.temperature ?? temperature ?? temperatureUsual,
      outputTokensMax: parameters.max_tokens ?? max_tokens ?? Number.MAX_SAFE_INTEGER,
    },
    isStream,
    wantsUsage: false,
    wantsCache: false,
  };
}

function outputs({ request }: Telling, text: string) {
  return { model_name: request.model, model_version: "1", text_output: text };
}

function errorAnswer(fault: FaultName, wish: ErrorWish): ErrorAnswer {
  const isFull = fault === "rate-limit" && wish.limit?.resource === "slots";
  const [status, message] = isFull ? shapes.overloaded(wish) : shapes[fault](wish);
  return { status, headers: {}, body: { error: wish.message ?? message } };
}

const shapes: Readonly<Record<FaultName, (wish: ErrorWish) => readonly [status: number, message: string]>> = {
  "rate-limit": () => [429, "Too many requests"],
  "rate-limit-bare": () => [429, "Too many requests"],
  quota: () => [429, "Quota exceeded"],
  overloaded: () => [503, "Exceeds maximum queue size"],
  "server-error": () => [500, "Internal inference error"],
  unauthorized: () => [401, "Unauthorized"],
  billing: () => [402, "Payment required"],
  "bad-request": () => [400, "The request is not valid"],
  "not-found": ({ model }) => [404, `Request for unknown model: '${model}' is not found`],
  "too-large": () => [400, "Prompt length exceeds maximum input length"],
  "body-too-large": () => [413, "Request body too large"],
};
