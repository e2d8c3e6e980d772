/** OpenAI's chat completions, requests: read for another wire, and written for a provider on this one. */
import { z } from "zod";
import { unreachable } from "../../kit/assert.ts";
import type { Upstream } from "../../ports/upstream.ts";
import {
  type Choice,
  type Conversation,
  type Image,
  type Part,
  type Tool,
  type Turn,
  Untranslatable,
  withTools,
} from "./conversation.ts";
import { ignored, only, shaped } from "./shape.ts";

const TextPart = z.strictObject({ type: z.literal("text"), text: z.string(), cache_control: ignored });
const ImagePart = z.strictObject({
  type: z.literal("image_url"),
  image_url: z.strictObject({ url: z.string(), detail: z.string().nullish() }),
});
const RefusalPart = z.strictObject({ type: z.literal("refusal"), refusal: z.string() });
const Words = z.union([z.string(), z.array(TextPart)]);
const ToolCall = z.strictObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string(), arguments: z.string(), parsed_arguments: ignored }),
  index: ignored,
});
const Message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content: Words }),
  z.strictObject({ role: z.literal("developer"), content: Words }),
  z.strictObject({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [TextPart, ImagePart]))]),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [TextPart, RefusalPart]))]).nullish(),
    tool_calls: z.array(ToolCall).nullish(),
    refusal: z.string().nullish(),
    // What OpenAI's own client adds to what it received.
    parsed: ignored,
    ...{
      audio: only(),
      function_call: only(),
      annotations: ignored,
      reasoning_content: ignored,
      reasoning: ignored,
    },
  }),
  z.strictObject({ role: z.literal("tool"), tool_call_id: z.string(), content: Words }),
]);
const FunctionTool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: z.string(),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});
const ToolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
]);

/** What Anthropic's wire can say. What is missing here is refused by its name. */
const Body = z.strictObject({
  model: z.string(),
  messages: z.array(Message).min(1),
  ...{ stream: z.boolean().nullish(), stream_options: ignored },
  tools: z.array(FunctionTool).nullish(),
  tool_choice: ToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  n: only(1),
  ...{ logprobs: only(false), store: only(false), presence_penalty: only(0), frequency_penalty: only(0) },
  response_format: z.strictObject({ type: z.literal("text") }).nullish(),
  modalities: z.array(z.literal("text")).nullish(),
  ...{ user: ignored, metadata: ignored, service_tier: only("auto", "default") },
  ...{ prompt_cache_key: ignored, prompt_cache_retention: ignored, safety_identifier: ignored },
});

/** Throws Untranslatable for what Anthropic's wire has no word for. */
export function readChat(json: unknown): Conversation {
  const body = shaped(Body, json);
  const head = body.messages.findIndex(({ role }) => role !== "system" && role !== "developer");
  const leading = head < 0 ? body.messages : body.messages.slice(0, head);
  const system = leading.map(({ content }) => textOf(content as z.infer<typeof Words>)).join("\n\n");
  const turns = body.messages.slice(leading.length).map((message, index): Turn => {
    return turnOf(message, `messages.${leading.length + index}`);
  });
  const { stop } = body;
  return {
    system: leading.length === 0 ? undefined : system,
    turns,
    tools: (body.tools ?? []).map(({ function: each }) => toolOf(each)),
    choice: choiceOf(body.tool_choice),
    isParallel: body.parallel_tool_calls ?? undefined,
    outputTokensMax: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    stops: typeof stop === "string" ? [stop] : (stop ?? []),
    openai: {},
  };
}

function textOf(content: z.infer<typeof Words>): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}

function turnOf(message: z.infer<typeof Message>, path: string): Turn {
  switch (message.role) {
    case "system":
    case "developer":
      throw new Untranslatable(
        `${path}.role`,
        "is of the system behind other messages, which Anthropic's wire has no place for",
      );
    case "user":
      return { from: "user", parts: partsOf(message.content) };
    case "assistant":
      return {
        from: "model",
        parts: [
          ...wordsOf(message.content ?? "", message.refusal ?? ""),
          ...(message.tool_calls ?? []).map(({ id, function: { name, arguments: input } }): Part => {
            return { kind: "call", id, name, input };
          }),
        ],
      };
    case "tool": {
      const parts = [{ kind: "text", text: textOf(message.content) }] as const;
      return { from: "user", parts: [{ kind: "result", id: message.tool_call_id, parts, isError: false }] };
    }
    default:
      return unreachable(message);
  }
}

function wordsOf(content: string | readonly { readonly type: string }[], refusal: string): readonly Part[] {
  const parts = typeof content === "string" ? [content] : content.map(saidIn);
  return [...parts, refusal].filter((text) => text !== "").map((text) => ({ kind: "text", text }));
}

function saidIn(part: { readonly type: string; readonly text?: string; readonly refusal?: string }): string {
  return part.text ?? part.refusal ?? "";
}

function partsOf(
  content: Extract<z.infer<typeof Message>, { readonly role: "user" }>["content"],
): readonly Part[] {
  if (typeof content === "string") return [{ kind: "text", text: content }];
  return content.map((part): Part => {
    if (part.type === "text") return { kind: "text", text: part.text };
    return { kind: "image", image: imageOf(part.image_url.url), detail: part.image_url.detail ?? undefined };
  });
}

/** A data URL, or one that the provider fetches. */
export function imageOf(url: string): Image {
  const [, mediaType, base64] = /^data:([\w/+.-]+);base64,(.*)$/s.exec(url) ?? [];
  if (mediaType === undefined || base64 === undefined) return { kind: "url", url };
  return { kind: "data", mediaType, base64 };
}

function toolOf(each: z.infer<typeof FunctionTool>["function"]): Tool {
  const { name, description, parameters, strict } = each;
  const schema = parameters ?? { type: "object", properties: {} };
  return { name, description: description ?? undefined, schema, isStrict: strict === true };
}

function choiceOf(choice: z.infer<typeof ToolChoice> | null | undefined): Choice | undefined {
  if (choice === undefined || choice === null) return undefined;
  return typeof choice === "string" ? { kind: choice } : { kind: "one", name: choice.function.name };
}

/** The body for a provider on this wire. Throws Untranslatable. */
export function writeChat(asked: Conversation, upstream: Upstream, isStream: boolean): object {
  const { system, tools, isParallel, temperature, topP, stops, openai } = asked;
  const choice = withTools(asked);
  return {
    model: upstream.model,
    messages: [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      ...asked.turns.flatMap(messagesOf),
    ],
    ...(tools.length === 0 ? {} : { tools: tools.map(writtenTool) }),
    ...(choice === undefined ? {} : { tool_choice: writtenChoice(choice) }),
    ...(isParallel === undefined || tools.length === 0 ? {} : { parallel_tool_calls: isParallel }),
    [upstream.boundName]: asked.outputTokensMax ?? upstream.outputTokensMax,
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(stops.length === 0 ? {} : { stop: stops }),
    ...openai,
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}

function writtenTool({ name, description, schema, isStrict }: Tool): object {
  const strict = isStrict ? { strict: true } : {};
  const about = description === undefined ? {} : { description };
  return { type: "function", function: { name, ...about, parameters: schema, ...strict } };
}

function writtenChoice(choice: Choice): unknown {
  return choice.kind === "one" ? { type: "function", function: { name: choice.name } } : choice.kind;
}

function messagesOf({ from, parts }: Turn): readonly object[] {
  if (from === "model") return [spokenBy(parts)];
  const results = parts.filter((part) => part.kind === "result");
  const rest = parts.filter((part) => part.kind !== "result");
  return [
    ...results.map(resultOf),
    ...(rest.length === 0 ? [] : [{ role: "user", content: contentOf(rest) }]),
  ];
}

function spokenBy(parts: readonly Part[]): object {
  const text = parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])).join("");
  const calls = parts.flatMap((part) =>
    part.kind === "call"
      ? [{ id: part.id, type: "function", function: { name: part.name, arguments: part.input } }]
      : [],
  );
  if (calls.length === 0) return { role: "assistant", content: text };
  return { role: "assistant", content: text === "" ? null : text, tool_calls: calls };
}

function resultOf({ id, parts, isError }: Extract<Part, { readonly kind: "result" }>): object {
  const texts = parts.map((part) => {
    if (part.kind === "image")
      throw new Untranslatable(
        "messages",
        "hold an image as the result of a tool, which OpenAI's chat wire cannot",
      );
    return part.text;
  });
  const text = texts.join("\n");
  // This wire has no mark for it, and the model has to know.
  return {
    role: "tool",
    tool_call_id: id,
    content: isError && !/^\W*error/i.test(text) ? `Error: ${text}` : text,
  };
}

function contentOf(parts: readonly Part[]): unknown {
  const [only] = parts;
  if (parts.length === 1 && only?.kind === "text") return only.text;
  return parts.map((part) => {
    if (part.kind === "text") return { type: "text", text: part.text };
    if (part.kind !== "image") throw new Untranslatable("messages", "hold a call of a tool by the user");
    const { image, detail } = part;
    const url = image.kind === "url" ? image.url : `data:${image.mediaType};base64,${image.base64}`;
    return { type: "image_url", image_url: { url, ...(detail === undefined ? {} : { detail }) } };
  });
}
