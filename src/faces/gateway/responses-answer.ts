/** OpenAI's responses, answers, written for a caller on that wire. Every event has a number; items have an id of their own. */
import { noUsage, type Usage } from "../../domain/reply.ts";
import type { Heading, Piece, Spoken, Stop, Writer } from "./piece.ts";

type Item =
  | { readonly kind: "message"; text: string }
  | { readonly kind: "call"; readonly callId: string; readonly name: string; input: string };

/** `asked` is the request's body, of which an answer repeats what decided about it. */
export function responsesWriter(
  { id, model, at }: Heading,
  asked: Readonly<Record<string, unknown>>,
): Writer {
  let sequence = 0;
  let stop: Stop = "stop";
  let usage = noUsage;
  const items: Item[] = [];
  let isOpen = false;
  const sent = (type: string, rest: object) => {
    const data = JSON.stringify({ type, ...rest, sequence_number: sequence });
    sequence += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  };
  const head = (status: string, output: readonly object[], counted: Usage | undefined) => ({
    ...{ id: `resp_${id}`, object: "response", created_at: Math.floor(at / 1_000), status, model, output },
    ...{ error: null, incomplete_details: detailsOf(status, stop), instructions: asked.instructions ?? null },
    ...{ max_output_tokens: asked.max_output_tokens ?? null, metadata: asked.metadata ?? {} },
    ...{ parallel_tool_calls: asked.parallel_tool_calls ?? true, previous_response_id: null, store: false },
    ...{ temperature: asked.temperature ?? null, top_p: asked.top_p ?? null },
    ...{ tool_choice: asked.tool_choice ?? "auto", tools: asked.tools ?? [] },
    ...{ text: asked.text ?? { format: { type: "text" } }, truncation: "disabled" },
    usage: counted === undefined ? null : written(counted),
  });
  const shut = (): string => {
    const item = items.at(-1);
    if (!isOpen || item === undefined) return "";
    isOpen = false;
    const place = { item_id: itemId(item, id, items.length - 1), output_index: items.length - 1 };
    const done = sentItem(item, id, items.length - 1);
    const before =
      item.kind === "call"
        ? sent("response.function_call_arguments.done", { ...place, name: item.name, arguments: item.input })
        : sent("response.output_text.done", { ...place, content_index: 0, text: item.text, logprobs: [] }) +
          sent("response.content_part.done", { ...place, content_index: 0, part: textPart(item.text) });
    return before + sent("response.output_item.done", { output_index: items.length - 1, item: done });
  };
  const begin = (item: Item): string => {
    const before = shut();
    items.push(item);
    isOpen = true;
    const output_index = items.length - 1;
    const added = { ...sentItem(item, id, output_index), status: "in_progress" };
    const shown = item.kind === "message" ? { ...added, content: [] } : added;
    const opened = before + sent("response.output_item.added", { output_index, item: shown });
    if (item.kind === "call") return opened;
    const place = { item_id: itemId(item, id, output_index), output_index, content_index: 0 };
    return opened + sent("response.content_part.added", { ...place, part: textPart("") });
  };
  return {
    get sequence() {
      return sequence;
    },
    open: () =>
      sent("response.created", { response: head("in_progress", [], undefined) }) +
      sent("response.in_progress", { response: head("in_progress", [], undefined) }),
    piece(piece: Piece): string {
      if (piece.kind === "text") {
        if (piece.text === "") return "";
        const last = isOpen ? items.at(-1) : undefined;
        const start = last?.kind === "message" ? "" : begin({ kind: "message", text: "" });
        const item = items.at(-1);
        if (item?.kind === "message") item.text += piece.text;
        const place = {
          item_id: itemId({ kind: "message" }, id, items.length - 1),
          output_index: items.length - 1,
        };
        return (
          start +
          sent("response.output_text.delta", { ...place, content_index: 0, delta: piece.text, logprobs: [] })
        );
      }
      if (piece.kind === "call")
        return begin({ kind: "call", callId: piece.id, name: piece.name, input: "" });
      if (piece.kind === "input") {
        const item = items.at(-1);
        if (item?.kind !== "call") return "";
        item.input += piece.text;
        const place = { item_id: itemId(item, id, items.length - 1), output_index: items.length - 1 };
        return sent("response.function_call_arguments.delta", { ...place, delta: piece.text });
      }
      if (piece.kind === "usage") usage = piece.usage;
      if (piece.kind === "end") stop = piece.stop;
      return "";
    },
    close() {
      const end = shut();
      const status = statusOf(stop);
      const output = items.map((item, index) => sentItem(item, id, index));
      return end + sent(`response.${status}`, { response: head(status, output, usage) });
    },
    whole(spoken) {
      stop = spoken.stop;
      const output = itemsOf(spoken).map((item, index) => sentItem(item, id, index));
      return head(statusOf(stop), output, spoken.usage);
    },
  };
}

function statusOf(stop: Stop): "completed" | "incomplete" {
  return stop === "length" || stop === "refused" ? "incomplete" : "completed";
}

function detailsOf(status: string, stop: Stop): object | null {
  if (status !== "incomplete") return null;
  return { reason: stop === "length" ? "max_output_tokens" : "content_filter" };
}

function itemsOf({ text, calls }: Spoken): readonly Item[] {
  const said: readonly Item[] = text === "" && calls.length > 0 ? [] : [{ kind: "message", text }];
  return [...said, ...calls.map(({ id, name, input }): Item => ({ kind: "call", callId: id, name, input }))];
}

function itemId({ kind }: Pick<Item, "kind">, id: string, index: number): string {
  return `${kind === "call" ? "fc" : "msg"}_${id}_${index}`;
}

function textPart(text: string): object {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function sentItem(item: Item, id: string, index: number): object {
  const named = { id: itemId(item, id, index), status: "completed" };
  if (item.kind === "message")
    return { type: "message", ...named, role: "assistant", content: [textPart(item.text)] };
  return { type: "function_call", ...named, call_id: item.callId, name: item.name, arguments: item.input };
}

function written({ input, cachedInput, output }: Usage): object {
  return {
    ...{ input_tokens: input, input_tokens_details: { cached_tokens: cachedInput } },
    ...{
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + output,
    },
  };
}
