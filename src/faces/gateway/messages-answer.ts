/** Anthropic's messages, answers: read from a provider on this wire, and written for a caller on it. */
import { z } from "zod";
import { noUsage, type Usage } from "../../domain/reply.ts";
import { objectIn } from "./messages.ts";
import type { Heading, Piece, Reader, Spoken, Stop, Writer } from "./piece.ts";

const amount = z.number().nonnegative().nullish().catch(undefined);
const MessagesUsage = z.object({
  ...{ input_tokens: amount, output_tokens: amount },
  ...{ cache_creation_input_tokens: amount, cache_read_input_tokens: amount },
});
const word = z.string().nullish().catch(undefined);
const Block = z.object({ type: z.string(), text: word, id: word, name: word, input: z.unknown().optional() });
const Ending = { stop_reason: word, stop_sequence: word, usage: MessagesUsage.nullish().catch(undefined) };
const Event = z.object({
  type: z.string(),
  message: z.object({ usage: MessagesUsage.nullish() }).nullish(),
  content_block: Block.nullish(),
  delta: z
    .object({ type: word, text: word, partial_json: word, stop_reason: word, stop_sequence: word })
    .nullish(),
  content: z.array(Block).nullish(),
  ...Ending,
});

const stops: Readonly<Record<string, Stop>> = {
  ...{ end_turn: "stop", max_tokens: "length", tool_use: "calls", refusal: "refused", stop_sequence: "word" },
  model_context_window_exceeded: "length",
};

/** Later reports repeat only some fields: what is absent keeps its value. This wire's input excludes the cache. */
export function usageInMessages(reported: unknown, before: Usage): Usage {
  const usage = MessagesUsage.safeParse(reported).data;
  if (usage === undefined) return before;
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = usage;
  const cachedInput = Math.round(
    cache_read_input_tokens ?? (input_tokens === undefined || input_tokens === null ? before.cachedInput : 0),
  );
  const input =
    input_tokens === undefined || input_tokens === null
      ? before.input
      : Math.round(input_tokens + (cache_creation_input_tokens ?? 0) + (cache_read_input_tokens ?? 0));
  return {
    input,
    cachedInput: Math.min(input, cachedInput),
    output: Math.round(output_tokens ?? before.output),
  };
}

/** Reads events of a stream, or one whole answer, into pieces. Throws Error for what is no such answer. */
export function messagesReader(): Reader {
  let usage = noUsage;
  /** Input that came with the beginning of a call; what follows in parts goes before it. */
  let early = "";
  const counted = (reported: unknown): readonly Piece[] => {
    if (reported === undefined || reported === null) return [];
    usage = usageInMessages(reported, usage);
    return [{ kind: "usage", usage }];
  };
  const begun = (block: z.infer<typeof Block>): readonly Piece[] => {
    const [first, ...rest] = piecesOf(block);
    if (first?.kind !== "call") return first === undefined ? [] : [first];
    early = rest.map((piece) => (piece.kind === "input" ? piece.text : "")).join("");
    if (early === "{}") early = "";
    return [first];
  };
  const inputEnd = (): readonly Piece[] => {
    const text = early;
    early = "";
    return text === "" ? [] : [{ kind: "input", text }];
  };
  return {
    read(json) {
      const event = Event.parse(json);
      switch (event.type) {
        case "message_start":
          return counted(event.message?.usage);
        case "content_block_start":
          return event.content_block ? begun(event.content_block) : [];
        case "content_block_delta": {
          const { delta } = event;
          if (delta?.type === "text_delta") return [{ kind: "text", text: delta.text ?? "" }];
          if (delta?.type !== "input_json_delta" || !delta.partial_json) return [];
          early = "";
          return [{ kind: "input", text: delta.partial_json }];
        }
        case "content_block_stop":
          return inputEnd();
        case "message_delta":
          return [
            ...inputEnd(),
            ...counted(event.usage),
            ...endOf(event.delta?.stop_reason, event.delta?.stop_sequence),
          ];
        case "message":
          return [
            ...(event.content ?? []).flatMap(piecesOf),
            ...counted(event.usage),
            ...endOf(event.stop_reason, event.stop_sequence),
          ];
        case "error":
          return [{ kind: "failed", body: JSON.stringify(json) }];
        default:
          return [];
      }
    },
    end: () => [],
  };
}

function endOf(reason: string | null | undefined, word: string | null | undefined): readonly Piece[] {
  if (!reason) return [];
  if (reason === "pause_turn") return [{ kind: "unsayable", why: "a turn that is to be gone on with" }];
  return [{ kind: "end", stop: stops[reason] ?? "stop", word: word ?? undefined }];
}

/** What a model thought is for that model alone. */
const thoughts: ReadonlySet<string> = new Set(["thinking", "redacted_thinking"]);

function piecesOf(block: z.infer<typeof Block>): readonly Piece[] {
  if (block.type === "text") return block.text ? [{ kind: "text", text: block.text }] : [];
  if (thoughts.has(block.type)) return [];
  if (block.type !== "tool_use" || !block.name)
    return [{ kind: "unsayable", why: `a part of type ${block.type.slice(0, 60)}` }];
  return [
    { kind: "call", id: block.id ?? "", name: block.name },
    { kind: "input", text: JSON.stringify(block.input ?? {}) },
  ];
}

const reasons: Readonly<Record<Stop, string>> = {
  ...{ stop: "end_turn", length: "max_tokens", calls: "tool_use", refused: "refusal", word: "stop_sequence" },
};

export function messagesWriter({ id, model }: Heading): Writer {
  let open: "text" | "call" | undefined;
  let index = -1;
  let end: Extract<Piece, { readonly kind: "end" }> = { kind: "end", stop: "stop", word: undefined };
  let usage = noUsage;
  const sent = (type: string, rest: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const head = { id: `msg_${id}`, type: "message", role: "assistant", model };
  const shut = () => {
    const text = open === undefined ? "" : sent("content_block_stop", { index });
    open = undefined;
    return text;
  };
  const begin = (kind: "text" | "call", block: object) => {
    const before = shut();
    open = kind;
    index += 1;
    return `${before}${sent("content_block_start", { index, content_block: block })}`;
  };
  return {
    sequence: 0,
    open: () =>
      sent("message_start", {
        message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: written(noUsage) },
      }),
    piece(piece) {
      if (piece.kind === "text") {
        if (piece.text === "") return "";
        const start = open === "text" ? "" : begin("text", { type: "text", text: "" });
        return (
          start + sent("content_block_delta", { index, delta: { type: "text_delta", text: piece.text } })
        );
      }
      if (piece.kind === "call")
        return begin("call", { type: "tool_use", id: piece.id, name: piece.name, input: {} });
      if (piece.kind === "input")
        return sent("content_block_delta", {
          index,
          delta: { type: "input_json_delta", partial_json: piece.text },
        });
      if (piece.kind === "usage") usage = piece.usage;
      if (piece.kind === "end") end = piece;
      return "";
    },
    close: () =>
      shut() +
      sent("message_delta", {
        delta: { stop_reason: reasons[end.stop], stop_sequence: end.word ?? null },
        usage: written(usage),
      }) +
      sent("message_stop", {}),
    whole: (spoken) => ({
      ...head,
      content: contentOf(spoken),
      stop_reason: reasons[spoken.stop],
      stop_sequence: spoken.word ?? null,
      usage: written(spoken.usage),
    }),
  };
}

function contentOf({ text, calls }: Spoken): readonly object[] {
  return [
    ...(text === "" ? [] : [{ type: "text", text, citations: null }]),
    ...calls.map(({ id, name, input }) => ({ type: "tool_use", id, name, input: inputOf(input) })),
  ];
}

/** Of a model that wrote no JSON object, what it wrote: the caller's check of the input finds it. */
function inputOf(text: string): unknown {
  return objectIn(text) ?? { invalid_json: text };
}

function written({ input, cachedInput, output }: Usage): object {
  return {
    input_tokens: input - cachedInput,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedInput,
    output_tokens: output,
  };
}
