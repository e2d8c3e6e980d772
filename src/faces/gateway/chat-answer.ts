/** OpenAI's chat completions, answers: read from a provider on this wire, and written for a caller on it. */
import { z } from "zod";
import { noUsage, type Usage } from "../../domain/reply.ts";
import { type Calls, callsInOrder } from "./calls.ts";
import type { Heading, Piece, Reader, Spoken, Stop, Writer } from "./piece.ts";

const amount = z.number().nonnegative().nullish().catch(undefined);
const ChatUsage = z.object({
  prompt_tokens: amount,
  completion_tokens: amount,
  prompt_tokens_details: z.object({ cached_tokens: amount }).nullish().catch(undefined),
});
const word = z.string().nullish().catch(undefined);
const CallPart = z.object({
  index: z.number().nullish().catch(undefined),
  id: word,
  function: z.object({ name: word, arguments: word }).nullish(),
});
const Said = z.object({
  ...{ content: word, refusal: word, tool_calls: z.array(CallPart).nullish() },
  function_call: CallPart.shape.function,
});
const Answer = z.object({
  choices: z
    .array(z.object({ delta: Said.nullish(), message: Said.nullish(), finish_reason: word }))
    .nullish(),
  usage: ChatUsage.nullish().catch(undefined),
  error: z.unknown().optional(),
});

const stops: Readonly<Record<string, Stop>> = {
  stop: "stop",
  length: "length",
  tool_calls: "calls",
  function_call: "calls",
  content_filter: "refused",
};

export function usageInChat(json: unknown): Usage | undefined {
  const usage = ChatUsage.safeParse((json as { usage?: unknown } | null)?.usage).data;
  return usage === undefined ? undefined : usageOf(usage);
}

function usageOf({
  prompt_tokens,
  completion_tokens,
  prompt_tokens_details,
}: z.infer<typeof ChatUsage>): Usage {
  const input = Math.round(prompt_tokens ?? 0);
  const cachedInput = Math.min(input, Math.round(prompt_tokens_details?.cached_tokens ?? 0));
  return { input, cachedInput, output: Math.round(completion_tokens ?? 0) };
}

/** Reads chunks of a stream, or one whole answer, into pieces; calls of tools come out one after the other. */
export function chatReader(): Reader {
  const calls = callsInOrder();
  let isOver = false;
  let saidAny = false;
  const ended = (stop: Stop): readonly Piece[] => {
    if (isOver) return [];
    isOver = true;
    const rest: readonly Piece[] =
      stop === "calls" && calls.count === 0 && !saidAny
        ? [{ kind: "unsayable", why: "tools are to be run, and none is named" }]
        : calls.end();
    // Some servers say "stop" where a tool is called, and the other way round.
    const isEither = stop === "stop" || stop === "calls";
    return [
      ...rest,
      { kind: "end", stop: isEither ? (calls.count > 0 ? "calls" : "stop") : stop, word: undefined },
    ];
  };
  return {
    read(json) {
      const answer = Answer.parse(json);
      if (answer.error !== undefined && answer.error !== null)
        return [{ kind: "failed", body: JSON.stringify(json) }];
      const choice = answer.choices?.[0];
      const pieces = [...saidIn(choice?.delta ?? choice?.message, calls)];
      saidAny ||= pieces.length > 0;
      const reason = choice?.finish_reason;
      if (reason === "error") return [...pieces, { kind: "failed", body: JSON.stringify(json) }];
      if (reason) pieces.push(...ended(stops[reason] ?? "stop"));
      if (answer.usage) pieces.push({ kind: "usage", usage: usageOf(answer.usage) });
      return pieces;
    },
    end: () => ended("stop"),
  };
}

function saidIn(said: z.infer<typeof Said> | null | undefined, calls: Calls): readonly Piece[] {
  if (said === undefined || said === null) return [];
  // Before there were several at once.
  const legacy = said.function_call ? [{ index: 0, id: undefined, function: said.function_call }] : [];
  return [
    ...[said.content, said.refusal].flatMap((text) => (text ? calls.text(text) : [])),
    ...[...(said.tool_calls ?? []), ...legacy].flatMap(({ index, id, function: part }, place) =>
      calls.part(index ?? place, { id, name: part?.name, input: part?.arguments }),
    ),
  ];
}

const reasons: Readonly<Record<Stop, string>> = {
  ...{ stop: "stop", length: "length", calls: "tool_calls", refused: "content_filter", word: "stop" },
};

/** `wantsUsage`: the caller asked for it in the stream. */
export function chatWriter({ id, model, at }: Heading, wantsUsage: boolean): Writer {
  let calls = -1;
  let stop: Stop = "stop";
  let usage = noUsage;
  const head = (object: string) => ({ id: `chatcmpl-${id}`, object, created: Math.floor(at / 1_000), model });
  const sent = (body: object) => `data: ${JSON.stringify(body)}\n\n`;
  const chunk = (delta: object, finish: string | null = null) =>
    sent({
      ...head("chat.completion.chunk"),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(wantsUsage ? { usage: null } : {}),
    });
  return {
    sequence: 0,
    open: () => chunk({ role: "assistant", content: "", refusal: null }),
    piece(piece) {
      if (piece.kind === "text") return chunk({ content: piece.text });
      if (piece.kind === "call") {
        calls += 1;
        const call = { index: calls, id: piece.id, type: "function" };
        return chunk({ tool_calls: [{ ...call, function: { name: piece.name, arguments: "" } }] });
      }
      if (piece.kind === "input")
        return chunk({ tool_calls: [{ index: calls, function: { arguments: piece.text } }] });
      if (piece.kind === "usage") usage = piece.usage;
      if (piece.kind === "end") stop = piece.stop;
      return "";
    },
    close() {
      const counted = { ...head("chat.completion.chunk"), choices: [], usage: written(usage) };
      return `${chunk({}, reasons[stop])}${wantsUsage ? sent(counted) : ""}data: [DONE]\n\n`;
    },
    whole(spoken) {
      const choice = {
        index: 0,
        message: messageOf(spoken),
        logprobs: null,
        finish_reason: reasons[spoken.stop],
      };
      return { ...head("chat.completion"), choices: [choice], usage: written(spoken.usage) };
    },
  };
}

function messageOf({ text, calls }: Spoken): object {
  const said = { role: "assistant", content: text === "" && calls.length > 0 ? null : text, refusal: null };
  if (calls.length === 0) return said;
  const tool_calls = calls.map(({ id, name, input }) => {
    return { id, type: "function", function: { name, arguments: input } };
  });
  return { ...said, tool_calls };
}

function written({ input, cachedInput, output }: Usage): object {
  return {
    ...{ prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
    prompt_tokens_details: { cached_tokens: cachedInput },
  };
}
