/**
 * A provider of both wires whose every move a test decides: the shapes are those that OpenAI and Anthropic document
 * (chat completions, messages). It remembers what it was sent.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Heard {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
  /** The body as it came. */
  readonly text: string;
  /** Settles when the connection of this request is closed before its answer ended, or after it. */
  readonly closed: Promise<"cut" | "whole">;
}

export type Play = (heard: Heard, reply: ServerResponse) => void | Promise<void>;

export interface FakeUpstream extends AsyncDisposable {
  readonly url: string;
  readonly heard: Heard[];
  /** What the next requests are answered with; the last one stays. */
  plays: Play[];
}

export async function openFakeUpstream(...plays: Play[]): Promise<FakeUpstream> {
  const heard: Heard[] = [];
  const server = createServer(async (request, reply) => {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const closed = once(reply, "close").then((): "whole" | "cut" =>
      reply.writableFinished ? "whole" : "cut",
    );
    const text = Buffer.concat(parts).toString("utf8");
    const body = JSON.parse(text) as Record<string, unknown>;
    const one: Heard = { path: request.url ?? "", headers: request.headers, body, text, closed };
    heard.push(one);
    const play = fake.plays.length > 1 ? fake.plays.shift() : fake.plays[0];
    await play?.(one, reply);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const fake: FakeUpstream = {
    url: `http://127.0.0.1:${port}/v1`,
    heard,
    plays,
    async [Symbol.asyncDispose]() {
      const ended = once(server, "close");
      server.close();
      server.closeAllConnections();
      await ended;
    },
  };
  return fake;
}

export const refuse =
  (status: number, body: object, headers: Readonly<Record<string, string>> = {}): Play =>
  (_heard, reply) => {
    reply.writeHead(status, { "content-type": "application/json", ...headers });
    reply.end(JSON.stringify(body));
  };

const usage = {
  prompt_tokens: 21,
  completion_tokens: 9,
  total_tokens: 30,
  prompt_tokens_details: { cached_tokens: 4 },
};

/** Answers on whichever wire it is asked, whole or as a stream: some words, then calls of tools. */
export function answer(
  text: string,
  ...calls: readonly { readonly name: string; readonly input: object }[]
): Play {
  return ({ path, body }, reply) => {
    const isStream = body.stream === true;
    reply.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
    if (path.endsWith("/messages"))
      reply.end(isStream ? messagesStream(text, calls) : JSON.stringify(message(text, calls)));
    else reply.end(isStream ? chatStream(text, calls) : JSON.stringify(completion(text, calls)));
  };
}

type Calls = readonly { readonly name: string; readonly input: object }[];

function completion(text: string, calls: Calls): object {
  const tool_calls = calls.map(({ name, input }, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name, arguments: JSON.stringify(input) },
  }));
  const message = {
    role: "assistant",
    content: text === "" ? null : text,
    ...(calls.length === 0 ? {} : { tool_calls }),
  };
  const choice = {
    index: 0,
    message,
    logprobs: null,
    finish_reason: calls.length === 0 ? "stop" : "tool_calls",
  };
  return { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "fake", choices: [choice], usage };
}

export function chatStream(text: string, calls: Calls): string {
  const chunk = (delta: object, finish: string | null) => ({
    ...{ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "fake" },
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    usage: null,
  });
  const deltas = calls.flatMap(({ name, input }, index) => {
    const json = JSON.stringify(input);
    const half = json.length >> 1;
    return [
      { tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: "" } }] },
      { tool_calls: [{ index, function: { arguments: json.slice(0, half) } }] },
      { tool_calls: [{ index, function: { arguments: json.slice(half) } }] },
    ];
  });
  const words = text.split(/(?<= )/).filter((word) => word !== "");
  const events = [
    chunk({ role: "assistant", content: "" }, null),
    ...words.map((content) => chunk({ content }, null)),
    ...deltas.map((delta) => chunk(delta, null)),
    chunk({}, calls.length === 0 ? "stop" : "tool_calls"),
    { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "fake", choices: [], usage },
  ];
  return `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;
}

const counted = { input_tokens: 17, cache_creation_input_tokens: 0, cache_read_input_tokens: 4 };

function message(text: string, calls: Calls): object {
  const blocks = calls.map(({ name, input }, index) => ({
    type: "tool_use",
    id: `toolu_${index}`,
    name,
    input,
  }));
  return {
    ...{ id: "msg_1", type: "message", role: "assistant", model: "fake", stop_sequence: null },
    content: [...(text === "" ? [] : [{ type: "text", text }]), ...blocks],
    stop_reason: calls.length === 0 ? "end_turn" : "tool_use",
    usage: { ...counted, output_tokens: 9 },
  };
}

function messagesStream(text: string, calls: Calls): string {
  const sent = (type: string, rest: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const head = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "fake",
    content: [],
    stop_reason: null,
  };
  const start = { ...head, stop_sequence: null, usage: { ...counted, output_tokens: 1 } };
  const words = text.split(/(?<= )/).filter((word) => word !== "");
  const texts =
    text === ""
      ? []
      : [
          sent("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
          ...words.map((word) =>
            sent("content_block_delta", { index: 0, delta: { type: "text_delta", text: word } }),
          ),
          sent("content_block_stop", { index: 0 }),
        ];
  const blocks = calls.map(({ name, input }, place) => {
    const index = place + (text === "" ? 0 : 1);
    const json = JSON.stringify(input);
    const half = json.length >> 1;
    const part = (partial_json: string) =>
      sent("content_block_delta", { index, delta: { type: "input_json_delta", partial_json } });
    return [
      sent("content_block_start", {
        index,
        content_block: { type: "tool_use", id: `toolu_${place}`, name, input: {} },
      }),
      ...[part(""), part(json.slice(0, half)), part(json.slice(half))],
      sent("content_block_stop", { index }),
    ].join("");
  });
  return [
    ...[sent("message_start", { message: start }), sent("ping", {}), ...texts, ...blocks],
    sent("message_delta", {
      delta: { stop_reason: calls.length === 0 ? "end_turn" : "tool_use", stop_sequence: null },
      usage: { output_tokens: 9 },
    }),
    sent("message_stop", {}),
  ].join("");
}

/** Begins a stream with some words and says no more; `then` may go on with it. */
export function begin(text: string, then: (reply: ServerResponse) => void = () => undefined): Play {
  return ({ path }, reply) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    const whole = path.endsWith("/messages") ? messagesStream(text, []) : chatStream(text, []);
    const end = whole.indexOf(
      path.endsWith("/messages") ? "event: content_block_stop" : '"finish_reason":"stop"',
    );
    reply.write(whole.slice(0, whole.lastIndexOf("\n\n", end) + 2));
    then(reply);
  };
}
