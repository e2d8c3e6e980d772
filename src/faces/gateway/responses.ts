/** OpenAI's responses, requests: read for a provider on another wire. Nothing is stored, so all that is meant is in the request. */
import { z } from "zod";
import { unreachable } from "../../kit/assert.ts";
import { imageOf } from "./chat.ts";
import {
  type Choice,
  type Conversation,
  type Part,
  type Tool,
  type Turn,
  Untranslatable,
} from "./conversation.ts";
import { ignored, only, shaped } from "./shape.ts";

const TextPart = z.strictObject({
  type: z.enum(["input_text", "output_text"]),
  text: z.string(),
  // `parsed`: what OpenAI's own client adds to what it received.
  ...{ annotations: ignored, logprobs: ignored, parsed: ignored },
});
const ImagePart = z.strictObject({
  type: z.literal("input_image"),
  image_url: z.string(),
  detail: z.string().nullish(),
  file_id: only(),
});
const RefusalPart = z.strictObject({ type: z.literal("refusal"), refusal: z.string() });
const Content = z.union([
  z.string(),
  z.array(z.discriminatedUnion("type", [TextPart, ImagePart, RefusalPart])),
]);
const marks = { id: ignored, status: ignored, phase: ignored };
const Message = z.strictObject({
  type: z.literal("message").optional(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: Content,
  ...marks,
});
const CallItem = z.strictObject({
  type: z.literal("function_call"),
  ...{ call_id: z.string(), name: z.string(), arguments: z.string(), parsed_arguments: ignored },
  ...marks,
});
const ResultItem = z.strictObject({
  type: z.literal("function_call_output"),
  call_id: z.string(),
  output: z.union([z.string(), z.array(z.discriminatedUnion("type", [TextPart, ImagePart]))]),
  ...marks,
});
/** What a model thought before is for that model alone. */
const ThoughtItem = z.looseObject({ type: z.literal("reasoning") });
const Item = z.union([z.discriminatedUnion("type", [CallItem, ResultItem, ThoughtItem]), Message]);
const OwnTool = z.strictObject({
  type: z.literal("function"),
  name: z.string(),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
const ToolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.strictObject({ type: z.literal("function"), name: z.string() }),
]);
const Format = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    ...{ name: z.string(), schema: z.record(z.string(), z.unknown()) },
    ...{ description: z.string().nullish(), strict: z.boolean().nullish() },
  }),
]);

/** What other wires can say. What is missing here is refused by its name. */
const Body = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), z.array(Item)]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  tools: z.array(OwnTool).nullish(),
  tool_choice: ToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_output_tokens: z.int().positive().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  text: z.strictObject({ format: Format.nullish(), verbosity: z.string().nullish() }).nullish(),
  reasoning: z
    .strictObject({
      effort: z.string().nullish(),
      summary: ignored,
      generate_summary: ignored,
      context: ignored,
    })
    .nullish(),
  include: z.array(z.literal("reasoning.encrypted_content")).nullish(),
  ...{
    store: only(false),
    background: only(false),
    truncation: only("disabled"),
    previous_response_id: only(),
  },
  ...{ conversation: only(), prompt: only(), max_tool_calls: only(), top_logprobs: only(0) },
  ...{ user: ignored, metadata: ignored, service_tier: only("auto", "default"), safety_identifier: ignored },
  ...{
    prompt_cache_key: ignored,
    prompt_cache_retention: ignored,
    stream_options: ignored,
    client_metadata: ignored,
  },
});

/** Throws Untranslatable. */
export function readResponses(json: unknown): Conversation {
  const body = shaped(Body, json);
  const items: readonly z.infer<typeof Item>[] =
    typeof body.input === "string" ? [{ role: "user", content: body.input }] : body.input;
  const head = items.findIndex((item) => !isSystem(item));
  const leading = head < 0 ? items : items.slice(0, head);
  const system = [
    body.instructions ?? "",
    ...leading.map((item) => ("content" in item ? textOf(item.content as z.infer<typeof Content>) : "")),
  ].filter((text) => text !== "");
  const turns = items
    .slice(leading.length)
    .flatMap((item, index) => turnsOf(item, `input.${leading.length + index}`));
  return {
    system: system.length === 0 ? undefined : system.join("\n\n"),
    turns: spokenTogether(turns),
    tools: (body.tools ?? []).map(toolOf),
    choice: choiceOf(body.tool_choice),
    isParallel: body.parallel_tool_calls ?? undefined,
    outputTokensMax: body.max_output_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    stops: [],
    openai: {
      ...(body.reasoning?.effort ? { reasoning_effort: body.reasoning.effort } : {}),
      ...(body.text?.verbosity ? { verbosity: body.text.verbosity } : {}),
      ...formatOf(body.text?.format),
    },
  };
}

function isSystem(item: z.infer<typeof Item>): boolean {
  return "role" in item && (item.role === "system" || item.role === "developer");
}

function textOf(content: z.infer<typeof Content>): string {
  if (typeof content === "string") return content;
  return content
    .map((part) => (part.type === "refusal" ? part.refusal : part.type === "input_image" ? "" : part.text))
    .join("");
}

function turnsOf(item: z.infer<typeof Item>, path: string): readonly Turn[] {
  if ("role" in item) {
    const { role, content } = item as z.infer<typeof Message>;
    switch (role) {
      case "system":
      case "developer":
        throw new Untranslatable(
          `${path}.role`,
          "is of the system behind other messages, which not every wire has a place for",
        );
      case "user":
        return [{ from: "user", parts: partsOf(content) }];
      case "assistant":
        return [{ from: "model", parts: partsOf(content) }];
      default:
        return unreachable(role);
    }
  }
  switch (item.type) {
    case "function_call": {
      const { call_id: id, name, arguments: input } = item;
      return [{ from: "model", parts: [{ kind: "call", id, name, input }] }];
    }
    case "function_call_output": {
      const parts = partsOf(item.output).filter((part) => part.kind === "text" || part.kind === "image");
      return [{ from: "user", parts: [{ kind: "result", id: item.call_id, parts, isError: false }] }];
    }
    case "reasoning":
      return [];
    default:
      throw new Untranslatable(path, "cannot be passed on");
  }
}

function partsOf(content: z.infer<typeof Content>): readonly Part[] {
  if (typeof content === "string") return [{ kind: "text", text: content }];
  return content.map((part): Part => {
    if (part.type === "input_image")
      return { kind: "image", image: imageOf(part.image_url), detail: part.detail ?? undefined };
    return { kind: "text", text: part.type === "refusal" ? part.refusal : part.text };
  });
}

/** Here every call of a tool is an item of its own; on other wires those of one answer are one message. */
function spokenTogether(turns: readonly Turn[]): readonly Turn[] {
  const found: Turn[] = [];
  for (const turn of turns) {
    const last = found.at(-1);
    if (turn.from === "model" && last?.from === "model")
      found[found.length - 1] = { from: "model", parts: [...last.parts, ...turn.parts] };
    else found.push(turn);
  }
  return found;
}

function toolOf({ name, description, parameters, strict }: z.infer<typeof OwnTool>): Tool {
  const schema = parameters ?? { type: "object", properties: {} };
  // On this wire alone the default is true.
  return { name, description: description ?? undefined, schema, isStrict: strict !== false };
}

function choiceOf(choice: z.infer<typeof ToolChoice> | null | undefined): Choice | undefined {
  if (choice === undefined || choice === null) return undefined;
  return typeof choice === "string" ? { kind: choice } : { kind: "one", name: choice.name };
}

function formatOf(format: z.infer<typeof Format> | null | undefined): object {
  if (format === undefined || format === null || format.type === "text") return {};
  if (format.type === "json_object") return { response_format: { type: "json_object" } };
  const { type, ...schema } = format;
  return { response_format: { type, json_schema: schema } };
}
