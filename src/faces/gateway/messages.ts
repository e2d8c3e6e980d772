/** Anthropic's messages, requests: read for another wire, and written for a provider on this one. */
import { hash } from "node:crypto";
import { z } from "zod";
import { unreachable } from "../../kit/assert.ts";
import { exactJson } from "../../kit/exact.ts";
import type { Upstream } from "../../ports/upstream.ts";
import {
  type Choice,
  type Conversation,
  merged,
  type Part,
  type Tool,
  type Turn,
  Untranslatable,
  withTools,
} from "./conversation.ts";
import { ignored, only, shaped } from "./shape.ts";

const TextBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  cache_control: ignored,
  citations: ignored,
});
const ImageBlock = z.strictObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("base64"), media_type: z.string(), data: z.string() }),
    z.strictObject({ type: z.literal("url"), url: z.string() }),
  ]),
  cache_control: ignored,
});
const CallBlock = z.strictObject({
  type: z.literal("tool_use"),
  ...{ id: z.string(), name: z.string(), input: z.unknown() },
  ...{ cache_control: ignored, caller: ignored },
});
const ResultBlock = z.strictObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(z.discriminatedUnion("type", [TextBlock, ImageBlock]))]).nullish(),
  is_error: z.boolean().nullish(),
  cache_control: ignored,
});
/** What a model thought before is for that model alone, and may be left out of what is sent again. */
const ThoughtBlock = z.strictObject({ type: z.literal("thinking"), thinking: ignored, signature: ignored });
const HiddenThoughtBlock = z.strictObject({ type: z.literal("redacted_thinking"), data: ignored });
const Block = z.discriminatedUnion("type", [
  TextBlock,
  ImageBlock,
  CallBlock,
  ResultBlock,
  ThoughtBlock,
  HiddenThoughtBlock,
]);
const OwnTool = z.strictObject({
  type: z.literal("custom").nullish(),
  name: z.string(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
  cache_control: ignored,
});
const isSingle = { disable_parallel_tool_use: z.boolean().nullish() };
const ToolChoice = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("auto"), ...isSingle }),
  z.strictObject({ type: z.literal("any"), ...isSingle }),
  z.strictObject({ type: z.literal("tool"), name: z.string(), ...isSingle }),
  z.strictObject({ type: z.literal("none") }),
]);

/** What OpenAI's chat wire can say. What is missing here is refused by its name. */
const Body = z.strictObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  messages: z
    .array(
      z.strictObject({ role: z.enum(["user", "assistant"]), content: z.union([z.string(), z.array(Block)]) }),
    )
    .min(1),
  system: z.union([z.string(), z.array(TextBlock)]).nullish(),
  stream: z.boolean().nullish(),
  tools: z.array(OwnTool).nullish(),
  tool_choice: ToolChoice.nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  thinking: z.strictObject({ type: z.literal("disabled") }).nullish(),
  ...{ metadata: ignored, cache_control: ignored, service_tier: only("auto") },
});

/** Throws Untranslatable for what OpenAI's chat wire has no word for. */
export function readMessages(json: unknown): Conversation {
  const body = shaped(Body, json);
  const turns = body.messages.map(({ role, content }): Turn => {
    const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
    return { from: role === "user" ? "user" : "model", parts: blocks.flatMap(partsOf) };
  });
  if (turns.at(-1)?.from === "model")
    throw new Untranslatable(
      `messages.${turns.length - 1}`,
      "is the beginning of the answer, which OpenAI's chat wire has no place for",
    );
  const { system, tool_choice: choice } = body;
  return {
    system: typeof system === "string" ? system : system?.map(({ text }) => text).join("\n\n"),
    turns,
    tools: (body.tools ?? []).map(toolOf),
    choice: choiceOf(choice),
    isParallel:
      choice && "disable_parallel_tool_use" in choice && choice.disable_parallel_tool_use ? false : undefined,
    outputTokensMax: body.max_tokens,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    stops: body.stop_sequences ?? [],
    openai: {},
  };
}

function partsOf(block: z.infer<typeof Block>): readonly Part[] {
  switch (block.type) {
    case "text":
      return [{ kind: "text", text: block.text }];
    case "image":
      return [imageOf(block)];
    case "tool_use":
      return [{ kind: "call", id: block.id, name: block.name, input: JSON.stringify(block.input ?? {}) }];
    case "tool_result": {
      const { content, tool_use_id: id } = block;
      const texts =
        typeof content === "string" ? [{ type: "text" as const, text: content }] : (content ?? []);
      const parts = texts.map((each) =>
        each.type === "text" ? ({ kind: "text", text: each.text } as const) : imageOf(each),
      );
      return [{ kind: "result", id, parts, isError: block.is_error === true }];
    }
    case "thinking":
    case "redacted_thinking":
      return [];
    default:
      return unreachable(block);
  }
}

function imageOf({ source }: z.infer<typeof ImageBlock>): Extract<Part, { readonly kind: "image" }> {
  const image =
    source.type === "url"
      ? ({ kind: "url", url: source.url } as const)
      : ({ kind: "data", mediaType: source.media_type, base64: source.data } as const);
  return { kind: "image", image, detail: undefined };
}

function toolOf({ name, description, input_schema, strict }: z.infer<typeof OwnTool>): Tool {
  return { name, description: description ?? undefined, schema: input_schema, isStrict: strict === true };
}

function choiceOf(choice: z.infer<typeof ToolChoice> | null | undefined): Choice | undefined {
  if (choice === undefined || choice === null) return undefined;
  if (choice.type === "tool") return { kind: "one", name: choice.name };
  return { kind: choice.type === "any" ? "required" : choice.type };
}

/** The body for a provider on this wire. Throws Untranslatable. */
export function writeMessages(asked: Conversation, upstream: Upstream, isStream: boolean): object {
  const { system, tools, isParallel, temperature, topP, stops } = asked;
  const choice = withTools(asked);
  const [foreign] = Object.keys(asked.openai);
  if (foreign !== undefined)
    throw new Untranslatable(foreign, "cannot be passed on to a provider of another kind");
  if (temperature !== undefined && temperature > 1)
    throw new Untranslatable("temperature", "is above 1, where Anthropic's wire ends");
  const turns = merged(asked.turns);
  if (turns.at(-1)?.from === "model")
    throw new Untranslatable(
      "messages",
      "end with the model's own words, which Anthropic's wire would go on with",
    );
  return {
    model: upstream.model,
    max_tokens: asked.outputTokensMax ?? upstream.outputTokensMax,
    ...(system === undefined || system === "" ? {} : { system }),
    messages: turns.map(({ from, parts }) => ({
      role: from === "user" ? "user" : "assistant",
      content: [
        ...parts.filter(({ kind }) => kind === "result"),
        ...parts.filter(({ kind }) => kind !== "result"),
      ].map(blockOf),
    })),
    ...(tools.length === 0 ? {} : { tools: tools.map(writtenTool) }),
    ...(tools.length === 0 ? {} : writtenChoice(choice, isParallel)),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(stops.length === 0 ? {} : { stop_sequences: stops }),
    ...(isStream ? { stream: true } : {}),
  };
}

function writtenTool({ name, description, schema, isStrict }: Tool, index: number): object {
  if (isStrict)
    throw new Untranslatable(
      `tools.${index}.strict`,
      `promises that the input of ${name} follows its schema, which is not passed on to this wire: send strict false (the default of the responses wire is true)`,
    );
  return { name, ...(description === undefined ? {} : { description }), input_schema: schema };
}

function writtenChoice(choice: Choice | undefined, isParallel: boolean | undefined): object {
  if (choice === undefined && isParallel !== false) return {};
  const single = isParallel === false && choice?.kind !== "none" ? { disable_parallel_tool_use: true } : {};
  const { kind } = choice ?? { kind: "auto" };
  if (choice?.kind === "one") return { tool_choice: { type: "tool", name: choice.name, ...single } };
  return { tool_choice: { type: kind === "required" ? "any" : kind, ...single } };
}

/** This wire takes ids of these characters only; the same id stays the same, and two stay two. */
function idOf(id: string): string {
  if (/^[\w-]+$/.test(id)) return id;
  return `${id.slice(0, 40).replaceAll(/[^\w-]/g, "_")}_${hash("sha256", id).slice(0, 16)}`;
}

function blockOf(part: Part): object {
  switch (part.kind) {
    case "text":
      return { type: "text", text: part.text };
    case "image": {
      const { image, detail } = part;
      if (detail !== undefined && detail !== "auto")
        throw new Untranslatable(
          "messages",
          `hold an image in detail "${detail}", which Anthropic's wire has no word for`,
        );
      if (image.kind === "url") return { type: "image", source: { type: "url", url: image.url } };
      return { type: "image", source: { type: "base64", media_type: image.mediaType, data: image.base64 } };
    }
    case "call":
      return { type: "tool_use", id: idOf(part.id), name: part.name, input: inputOf(part.input) };
    case "result": {
      const marks = part.isError ? { is_error: true } : {};
      return { type: "tool_result", tool_use_id: idOf(part.id), content: part.parts.map(blockOf), ...marks };
    }
    default:
      return unreachable(part);
  }
}

function inputOf(text: string): unknown {
  const input = objectIn(text);
  if (input === undefined)
    throw new Untranslatable("messages", "hold a call of a tool whose arguments are no JSON object");
  return input;
}

/** The JSON object that a text is, with its numbers as they are written; of nothing, an empty one. Undefined: it is none. */
export function objectIn(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return {};
  if (!trimmed.startsWith("{")) return undefined;
  try {
    return exactJson(trimmed);
  } catch {
    return undefined;
  }
}
