import * as z from "zod";
import type { Message } from "../../ports/model.ts";
import { openaiManner } from "./openai.ts";
import { complaint, type Sent, type Telling, type Wire } from "./wire.ts";

/** OpenAI's responses, as its official client 7 reads them; limits and errors are those of chat. Tools are not simulated. */
export const responsesWire: Wire = {
  ...openaiManner,
  name: "responses",
  read: readBody,
  body: (telling) => whole(telling),
  opening: (telling) => [
    sent("response.created", 0, { response: begun(telling) }),
    sent("response.in_progress", 1, { response: begun(telling) }),
    sent("response.output_item.added", 2, { output_index: 0, item: item(telling, "in_progress", []) }),
    sent("response.content_part.added", 3, { ...placeOf(telling), part: part("") }),
  ],
  piece: (telling, text, index) =>
    sent("response.output_text.delta", openings + index, { ...placeOf(telling), delta: text, logprobs: [] }),
  closing(telling, pieces) {
    const { text } = telling.said;
    const at = openings + pieces;
    const done = whole(telling);
    return [
      sent("response.output_text.done", at, { ...placeOf(telling), text, logprobs: [] }),
      sent("response.content_part.done", at + 1, { ...placeOf(telling), part: part(text) }),
      sent("response.output_item.done", at + 2, { output_index: 0, item: done.output[0] }),
      sent(`response.${done.status}`, at + 3, { response: done }),
    ];
  },
  broken(body) {
    const { error } = body as { readonly error: { readonly code: string | null; readonly message: string } };
    // As the stream's own error, whose fields are not wrapped.
    return sent("error", openings, { code: error.code, message: error.message, param: null });
  },
  models: (_profiles, _at) => ({ object: "list", data: [] }),
};

/** Events before the first piece. */
const openings = 4;

const Part = z.looseObject({ type: z.string(), text: z.string().optional() });
const Item = z.looseObject({
  type: z.string().optional(),
  role: z.enum(["system", "developer", "user", "assistant"]).optional(),
  content: z.union([z.string(), z.array(Part)]).optional(),
});
const Body = z.looseObject({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(Item).min(1).max(10_000)]),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  stream: z.boolean().nullish(),
});

/** The provider's own default when the request sets none. */
const temperatureUsual = 1;

function readBody(json: unknown): ReturnType<Wire["read"]> {
  const parsed = Body.safeParse(json);
  if (!parsed.success) return { kind: "refused", message: complaint(parsed.error.issues) };
  const { model, input, instructions, max_output_tokens, temperature, stream } = parsed.data;
  const items = typeof input === "string" ? [{ role: "user" as const, content: input }] : input;
  const system = items.filter(({ role }) => isSystem(role)).map(({ content }) => textOf(content));
  const messages = items
    .filter(({ role }) => role !== undefined && !isSystem(role))
    .map(({ role, content }): Message => {
      return { from: role === "assistant" ? "model" : "user", text: textOf(content) };
    });
  return {
    kind: "read",
    model,
    asked: {
      system: [instructions ?? "", ...system].filter(Boolean).join("\n\n"),
      messages,
      temperature: temperature ?? temperatureUsual,
      outputTokensMax: max_output_tokens ?? Number.MAX_SAFE_INTEGER,
    },
    isStream: stream ?? false,
    wantsUsage: true,
    wantsCache: true,
  };
}

const isSystem = (role: string | undefined): boolean => role === "system" || role === "developer";

function textOf(content: z.infer<typeof Item>["content"]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text }) => text ?? "").join("");
}

function sent(type: string, sequence: number, rest: object): Sent {
  return { event: type, data: JSON.stringify({ type, sequence_number: sequence, ...rest }) };
}

function placeOf({ said }: Telling) {
  return { item_id: `msg_${said.id}`, output_index: 0, content_index: 0 };
}

function part(text: string) {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function item({ said }: Telling, status: string, content: readonly object[]) {
  return { id: `msg_${said.id}`, type: "message", status, role: "assistant", content };
}

function begun({ said, request, at }: Telling) {
  const { asked, model } = request;
  return {
    id: `resp_${said.id}`,
    object: "response",
    created_at: Math.floor(at / 1000),
    status: "in_progress",
    error: null,
    incomplete_details: null as { readonly reason: string } | null,
    instructions: asked.system || null,
    max_output_tokens: asked.outputTokensMax === Number.MAX_SAFE_INTEGER ? null : asked.outputTokensMax,
    model,
    output: [] as readonly object[],
    parallel_tool_calls: true,
    previous_response_id: null,
    service_tier: "default",
    store: false,
    temperature: asked.temperature,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    truncation: "disabled",
    usage: null as object | null,
    metadata: {},
  };
}

/** A bound that was met, or a filter, makes it incomplete. */
const reasons = { stop: undefined, other: undefined, length: "max_output_tokens", refused: "content_filter" };

function whole(telling: Telling) {
  const { text, usage, finish } = telling.said;
  const reason = reasons[finish];
  const status = reason === undefined ? "completed" : "incomplete";
  return {
    ...begun(telling),
    status,
    incomplete_details: reason === undefined ? null : { reason },
    output: [item(telling, status, [part(text)])],
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cachedInput },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.input + usage.output,
    },
  };
}
