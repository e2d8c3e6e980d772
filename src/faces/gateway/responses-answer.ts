/** OpenAI's responses, answers, written for a caller on that wire. Every event has a number; items have an id of their own. */
import { noUsage, type Usage } from "../../domain/reply.ts";
import type { Heading, Piece, Spoken, Stop, Writer } from "./piece.ts";

/** `text` grows: words, or the JSON of a call's input. */
type Item =
  | { readonly kind: "message"; text: string }
  | { readonly kind: "call"; readonly callId: string; readonly name: string; text: string };

/** `id` of the answer, `index` of the item in it. */
interface Placed {
  readonly item: Item;
  readonly index: number;
  readonly id: string;
}

interface Event {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** `asked` is the request's body, of which an answer repeats what decided about it. */
export function responsesWriter(heading: Heading, asked: Readonly<Record<string, unknown>>): Writer {
  const { id } = heading;
  let sequence = 0;
  let stop: Stop = "stop";
  let usage = noUsage;
  const items: Item[] = [];
  let isOpen = false;
  const numbered = (events: readonly Event[]): string =>
    events
      .map(({ type, ...rest }) => {
        const data = JSON.stringify({ type, ...rest, sequence_number: sequence });
        sequence += 1;
        return `event: ${type}\ndata: ${data}\n\n`;
      })
      .join("");
  const head = (status: string, output: readonly object[], counted: Usage | undefined) =>
    headOf(heading, asked, { status, stop, output, counted });
  const last = (): Placed | undefined => {
    const item = items.at(-1);
    return item === undefined ? undefined : { item, index: items.length - 1, id };
  };
  const shut = (): readonly Event[] => {
    const placed = isOpen ? last() : undefined;
    isOpen = false;
    return placed === undefined ? [] : endOf(placed);
  };
  const begin = (item: Item): readonly Event[] => {
    const before = shut();
    items.push(item);
    isOpen = true;
    return [...before, ...beginningOf({ item, index: items.length - 1, id })];
  };
  /** What goes on with the item that is open, if it is of this kind. */
  const more = (kind: Item["kind"], text: string): readonly Event[] => {
    const placed = isOpen ? last() : undefined;
    return placed?.item.kind === kind ? moreOf(placed, text) : [];
  };
  const opened = () => ({ response: head("in_progress", [], undefined) });
  return {
    get sequence() {
      return sequence;
    },
    open: () =>
      numbered([
        { type: "response.created", ...opened() },
        { type: "response.in_progress", ...opened() },
      ]),
    piece(piece: Piece): string {
      if (piece.kind === "text" && piece.text !== "") {
        const isOn = isOpen && items.at(-1)?.kind === "message";
        const start = isOn ? [] : begin({ kind: "message", text: "" });
        return numbered([...start, ...more("message", piece.text)]);
      }
      if (piece.kind === "call")
        return numbered(begin({ kind: "call", callId: piece.id, name: piece.name, text: "" }));
      if (piece.kind === "input") return numbered(more("call", piece.text));
      if (piece.kind === "usage") usage = piece.usage;
      if (piece.kind === "end") stop = piece.stop;
      return "";
    },
    close() {
      const status = statusOf(stop);
      const output = items.map((item, index) => sentItem({ item, index, id }));
      return numbered([...shut(), { type: `response.${status}`, response: head(status, output, usage) }]);
    },
    whole(spoken) {
      stop = spoken.stop;
      const output = itemsOf(spoken).map((item, index) => sentItem({ item, index, id }));
      return head(statusOf(stop), output, spoken.usage);
    },
  };
}

interface Shown {
  readonly status: string;
  readonly stop: Stop;
  readonly output: readonly object[];
  /** Undefined: nothing is counted yet. */
  readonly counted: Usage | undefined;
}

function headOf(
  { id, model, at }: Heading,
  asked: Readonly<Record<string, unknown>>,
  { status, stop, output, counted }: Shown,
): object {
  return {
    ...{ id: `resp_${id}`, object: "response", created_at: Math.floor(at / 1_000), status, model, output },
    ...{ error: null, incomplete_details: detailsOf(status, stop), instructions: asked.instructions ?? null },
    ...{ max_output_tokens: asked.max_output_tokens ?? null, metadata: asked.metadata ?? {} },
    ...{ parallel_tool_calls: asked.parallel_tool_calls ?? true, previous_response_id: null, store: false },
    ...{ temperature: asked.temperature ?? null, top_p: asked.top_p ?? null },
    ...{ tool_choice: asked.tool_choice ?? "auto", tools: asked.tools ?? [] },
    ...{ text: asked.text ?? { format: { type: "text" } }, truncation: "disabled" },
    usage: counted === undefined ? null : written(counted),
  };
}

/** An item's beginning: of words also of the one part that they are. */
function beginningOf(placed: Placed): readonly Event[] {
  const { item, index: output_index } = placed;
  const added = { ...sentItem(placed), status: "in_progress" };
  const shown = item.kind === "message" ? { ...added, content: [] } : added;
  const first = { type: "response.output_item.added", output_index, item: shown };
  if (item.kind === "call") return [first];
  return [first, { type: "response.content_part.added", ...wordsPlace(placed), part: textPart("") }];
}

function moreOf(placed: Placed, text: string): readonly Event[] {
  placed.item.text += text;
  if (placed.item.kind === "call")
    return [{ type: "response.function_call_arguments.delta", ...placeOf(placed), delta: text }];
  return [{ type: "response.output_text.delta", ...wordsPlace(placed), delta: text, logprobs: [] }];
}

function endOf(placed: Placed): readonly Event[] {
  const { item, index: output_index } = placed;
  const done = { type: "response.output_item.done", output_index, item: sentItem(placed) };
  if (item.kind === "call") {
    const said = { name: item.name, arguments: item.text };
    return [{ type: "response.function_call_arguments.done", ...placeOf(placed), ...said }, done];
  }
  const place = wordsPlace(placed);
  return [
    { type: "response.output_text.done", ...place, text: item.text, logprobs: [] },
    { type: "response.content_part.done", ...place, part: textPart(item.text) },
    done,
  ];
}

function placeOf({ item, index, id }: Placed): object {
  return { item_id: itemId(item, id, index), output_index: index };
}

function wordsPlace(placed: Placed): object {
  return { ...placeOf(placed), content_index: 0 };
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
  return [
    ...said,
    ...calls.map(({ id, name, input }): Item => ({ kind: "call", callId: id, name, text: input })),
  ];
}

function itemId({ kind }: Pick<Item, "kind">, id: string, index: number): string {
  return `${kind === "call" ? "fc" : "msg"}_${id}_${index}`;
}

function textPart(text: string): object {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function sentItem({ item, id, index }: Placed): object {
  const named = { id: itemId(item, id, index), status: "completed" };
  if (item.kind === "message")
    return { type: "message", ...named, role: "assistant", content: [textPart(item.text)] };
  return { type: "function_call", ...named, call_id: item.callId, name: item.name, arguments: item.text };
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
