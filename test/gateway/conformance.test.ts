/** The official clients of OpenAI and Anthropic against the gateway, over every pair of wires. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../src/edges/simulator/server.ts";
import { realClock } from "../../src/main/inside.ts";
import { canary, openRig, type Rig, until } from "./rig.case.ts";
import { answer, begin, type FakeUpstream, openFakeUpstream, refuse } from "./upstream.case.ts";

let simulator: Simulator;
let fake: FakeUpstream;
let rig: Rig;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  simulator = await startSimulator({ clock: realClock, key: canary });
  fake = await openFakeUpstream(answer("hello there"));
  rig = await openRig({ config: configOf(simulator.url, fake.url) });
  openai = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: rig.token, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: rig.url, apiKey: rig.token, maxRetries: 0 });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await fake[Symbol.asyncDispose]();
  await simulator.close();
});

function configOf(simulated: string, faked: string): string {
  const section = (name: string, kind: string, url: string, model: string) =>
    `[providers.${name}]\nkind = "${kind}"\nbase_url = "${url}"\nmodel = "${model}"\napi_key_env = "RIG_KEY"\n`;
  return [
    section("sim-chat", "openai-compatible", `${simulated}/v1`, "median"),
    section("sim-messages", "anthropic", `${simulated}/v1`, "median"),
    section("fake-chat", "openai-compatible", faked, "fake"),
    section("fake-messages", "anthropic", faked, "fake"),
  ].join("\n");
}

/** By their names: "sim-chat" is on OpenAI's wire, "sim-messages" on Anthropic's. */
const simulated = ["sim-chat", "sim-messages"] as const;
const faked = ["fake-chat", "fake-messages"] as const;
/** What every simulated model says to this. */
const said = /I see no function here/;

describe.each(simulated)("over %s", (model) => {
  test("a chat completion has text, an end and usage", async () => {
    const reply = await openai.chat.completions.create({
      model,
      messages: [{ role: "user", content: "hello" }],
    });
    expect(reply.choices[0]?.message.content).toMatch(said);
    expect(reply.choices[0]?.finish_reason).toBe("stop");
    expect(reply.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 25, total_tokens: 30 });
  });

  test("a chat completion streams, with usage where it is asked for and only there", async () => {
    const ask = { model, messages: [{ role: "user", content: "hello" }] } as const;
    const pieces = async (options: object) => {
      const stream = await openai.chat.completions.create({
        ...ask,
        messages: [...ask.messages],
        stream: true,
        ...options,
      });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream as AsyncIterable<OpenAI.ChatCompletionChunk>) chunks.push(chunk);
      return chunks;
    };
    const plain = await pieces({});
    const text = plain.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toMatch(said);
    expect(plain.length).toBeGreaterThan(3);
    expect(plain.filter(({ usage }) => usage).length).toBe(0);
    expect(plain.filter(({ choices }) => choices.length === 0).length).toBe(0);
    const counted = await pieces({ stream_options: { include_usage: true } });
    expect(counted.at(-1)?.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 25 });
  });

  test("a response has text, status and usage, also as a stream", async () => {
    const reply = await openai.responses.create({ model, input: "hello" });
    expect(reply.output_text).toMatch(said);
    expect(reply.status).toBe("completed");
    expect(reply.usage).toMatchObject({ input_tokens: 5, output_tokens: 25, total_tokens: 30 });
    const stream = openai.responses.stream({ model, input: "hello" });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    const last = await stream.finalResponse();
    expect(last.output_text).toBe(reply.output_text);
    expect(last.usage?.output_tokens).toBe(25);
    expect(types[0]).toBe("response.created");
    expect(types.at(-1)).toBe("response.completed");
    expect(types.filter((type) => type === "response.output_text.delta").length).toBeGreaterThan(1);
  });

  test("a message has text, an end and usage, also as a stream", async () => {
    const ask = { model, max_tokens: 200, messages: [{ role: "user" as const, content: "hello" }] };
    const reply = await anthropic.messages.create(ask);
    expect(reply.content[0]).toMatchObject({ type: "text", text: expect.stringMatching(said) });
    expect(reply.stop_reason).toBe("end_turn");
    expect(reply.usage).toMatchObject({ input_tokens: 5, output_tokens: 25 });
    const stream = anthropic.messages.stream(ask);
    let streamed = "";
    stream.on("text", (text) => {
      streamed += text;
    });
    const last = await stream.finalMessage();
    expect(streamed).toMatch(said);
    expect(last.usage).toMatchObject({ input_tokens: 5, output_tokens: 25 });
    expect(last.stop_reason).toBe("end_turn");
  });
});

const weather = {
  name: "weather",
  description: "The weather of a place",
  schema: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};

describe.each(faked)("tools over %s", (model) => {
  test.each(["whole", "stream"])("go round with OpenAI's chat, %s", async (how) => {
    fake.plays = [answer("", { name: "weather", input: { place: "Köln" } }), answer("it rains")];
    const tools = [
      {
        type: "function" as const,
        function: { name: weather.name, description: weather.description, parameters: weather.schema },
      },
    ];
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "system", content: "be short" },
      { role: "user", content: "weather in Köln?" },
    ];
    const ask = async () => {
      if (how === "whole")
        return (await openai.chat.completions.create({ model, messages, tools })).choices[0]?.message;
      return (await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion())
        .choices[0]?.message;
    };
    const first = await ask();
    const call = first?.tool_calls?.[0];
    expect(call?.type === "function" ? call.function : undefined).toMatchObject({
      name: "weather",
      arguments: '{"place":"Köln"}',
    });
    if (first === undefined || call === undefined) return;
    messages.push(first, { role: "tool", tool_call_id: call.id, content: "rain" });
    expect((await ask())?.content).toBe("it rains");
    expectTools(model, call.id);
  });

  test.each(["whole", "stream"])("go round with OpenAI's responses, %s", async (how) => {
    fake.plays = [answer("let me see ", { name: "weather", input: { place: "Köln" } }), answer("it rains")];
    const tools = [
      {
        type: "function" as const,
        name: weather.name,
        description: weather.description,
        parameters: weather.schema,
        strict: false,
      },
    ];
    const input: OpenAI.Responses.ResponseInput = [
      { role: "developer", content: "be short" },
      { role: "user", content: "weather in Köln?" },
    ];
    const ask = async () => {
      if (how === "whole") return openai.responses.create({ model, input, tools });
      return openai.responses.stream({ model, input, tools }).finalResponse();
    };
    const first = await ask();
    const call = first.output.find((item) => item.type === "function_call");
    expect(call).toMatchObject({ name: "weather", arguments: '{"place":"Köln"}' });
    expect(first.output_text).toBe("let me see ");
    if (call?.type !== "function_call") return;
    input.push(...(first.output as OpenAI.Responses.ResponseInputItem[]), {
      type: "function_call_output",
      call_id: call.call_id,
      output: "rain",
    });
    expect((await ask()).output_text).toBe("it rains");
    expectTools(model, call.call_id);
  });

  test.each(["whole", "stream"])("go round with Anthropic's messages, %s", async (how) => {
    fake.plays = [answer("let me see ", { name: "weather", input: { place: "Köln" } }), answer("it rains")];
    const tools = [
      {
        name: weather.name,
        description: weather.description,
        input_schema: weather.schema as Anthropic.Tool.InputSchema,
      },
    ];
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: "weather in Köln?" }];
    const ask = async () => {
      const params = { model, max_tokens: 100, system: "be short", messages, tools };
      return how === "whole"
        ? anthropic.messages.create(params)
        : anthropic.messages.stream(params).finalMessage();
    };
    const first = await ask();
    expect(first.stop_reason).toBe("tool_use");
    const call = first.content.find((block) => block.type === "tool_use");
    expect(call).toMatchObject({ name: "weather", input: { place: "Köln" } });
    if (call?.type !== "tool_use") return;
    messages.push(
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "rain" }] },
    );
    expect((await ask()).content[0]).toMatchObject({ type: "text", text: "it rains" });
    expectTools(model, call.id);
  });
});

/** What the provider saw of the second round, in its own wire's words. */
function expectTools(model: string, id: string): void {
  const body = fake.heard.at(-1)?.body as Record<string, unknown> & { messages: Record<string, unknown>[] };
  if (model === "fake-chat") {
    expect(body.tools).toMatchObject([
      { type: "function", function: { name: "weather", parameters: weather.schema } },
    ]);
    expect(body.messages.map(({ role }) => role)).toEqual([
      expect.stringMatching(/system|developer/),
      "user",
      "assistant",
      "tool",
    ]);
    expect(body.messages.at(-1)).toMatchObject({ tool_call_id: id, content: "rain" });
    expect(body.messages.at(-2)).toMatchObject({ tool_calls: [{ id, function: { name: "weather" } }] });
    return;
  }
  expect(body.system).toBe("be short");
  expect(body.tools).toMatchObject([{ name: "weather", input_schema: weather.schema }]);
  expect(body.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  expect(body.messages.at(-1)).toMatchObject({ content: [{ type: "tool_result", tool_use_id: id }] });
  expect(JSON.stringify(body.messages.at(-1))).toContain("rain");
  expect(JSON.stringify(body.messages.at(-2))).toContain('"input":{"place":"Köln"}');
}

const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("images, stop words, temperature and bounds cross the wires in both directions", async () => {
  fake.plays = [answer("a pixel")];
  await openai.chat.completions.create({
    model: "fake-messages",
    ...{ temperature: 0.5, max_tokens: 77, stop: ["END"], top_p: 0.9 },
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "what is it?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
        ],
      },
    ],
  });
  expect(fake.heard.at(-1)?.body).toEqual({
    ...{ model: "fake", max_tokens: 77, temperature: 0.5, top_p: 0.9, stop_sequences: ["END"] },
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "what is it?" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
        ],
      },
    ],
  });
  await anthropic.messages.create({
    model: "fake-chat",
    ...{ temperature: 0.5, max_tokens: 77, stop_sequences: ["END"], top_p: 0.9 },
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "what is it?" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
        ],
      },
    ],
  });
  expect(fake.heard.at(-1)?.body).toEqual({
    ...{ model: "fake", max_tokens: 77, temperature: 0.5, top_p: 0.9, stop: ["END"] },
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "what is it?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
        ],
      },
    ],
  });
});

test("on the same wire a request passes as it is, but for model and bound", async () => {
  fake.plays = [answer("as you like")];
  const extra = {
    top_k: 5,
    thinking: { type: "enabled" as const, budget_tokens: 1_024 },
    metadata: { user_id: "u" },
  };
  const messages = [{ role: "user" as const, content: "hi" }];
  await anthropic.messages.create({ model: "fake-messages", max_tokens: 2_000, messages, ...extra });
  expect(fake.heard.at(-1)?.body).toEqual({ model: "fake", max_tokens: 2_000, messages, ...extra });
  await openai.chat.completions.create({ model: "fake-chat", messages, seed: 4, logit_bias: { 5: 1 } });
  expect(fake.heard.at(-1)?.body).toEqual({
    model: "fake",
    max_tokens: 8_192,
    messages,
    seed: 4,
    logit_bias: { 5: 1 },
  });
});

test("both lists of models name providers, models, tiers and auto", async () => {
  const names = [
    "auto",
    "standard",
    "sim-chat",
    "sim-messages",
    "fake-chat",
    "fake-messages",
    "median",
    "fake",
  ];
  const theirs: string[] = [];
  for await (const { id } of openai.models.list()) theirs.push(id);
  expect(theirs).toEqual(names);
  const ours: string[] = [];
  for await (const { id } of anthropic.models.list()) ours.push(id);
  expect(ours).toEqual(names);
});

test("tokens of a message are counted, roughly", async () => {
  const messages = [{ role: "user" as const, content: "hello ".repeat(400) }];
  const { input_tokens } = await anthropic.messages.countTokens({ model: "auto", messages });
  expect(input_tokens).toBeGreaterThan(400);
  expect(input_tokens).toBeLessThan(800);
});

describe("errors", () => {
  const ask = { messages: [{ role: "user" as const, content: "hi" }] };

  test("a wrong token is 401 for both", async () => {
    const stranger = { apiKey: "rigs-nobody", maxRetries: 0 };
    const theirs = new OpenAI({ baseURL: `${rig.url}/v1`, ...stranger });
    await expect(theirs.chat.completions.create({ model: "auto", ...ask })).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    const ours = new Anthropic({ baseURL: rig.url, ...stranger });
    await expect(ours.messages.create({ model: "auto", max_tokens: 5, ...ask })).rejects.toBeInstanceOf(
      Anthropic.AuthenticationError,
    );
  });

  test("an unknown model is 404 for both", async () => {
    await expect(openai.chat.completions.create({ model: "nobody", ...ask })).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    await expect(openai.responses.create({ model: "nobody", input: "hi" })).rejects.toMatchObject({
      code: "model_not_found",
    });
    await expect(
      anthropic.messages.create({ model: "nobody", max_tokens: 5, ...ask }),
    ).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });

  test("what cannot be translated is 400 and names the field", async () => {
    const before = fake.heard.length;
    await expect(
      openai.chat.completions.create({ model: "fake-messages", logit_bias: { 5: 1 }, ...ask }),
    ).rejects.toMatchObject({
      status: 400,
      param: "logit_bias",
    });
    await expect(
      openai.chat.completions.create({ model: "fake-messages", temperature: 1.5, ...ask }),
    ).rejects.toMatchObject({ status: 400, param: "temperature" });
    await expect(
      openai.responses.create({ model: "fake-chat", input: "hi", previous_response_id: "resp_1" }),
    ).rejects.toMatchObject({ param: "previous_response_id" });
    await expect(
      openai.responses.create({ model: "fake-chat", input: "hi", tools: [{ type: "web_search" }] }),
    ).rejects.toMatchObject({ param: expect.stringMatching(/^tools/) });
    const search = { type: "web_search_20250305" as const, name: "web_search" as const };
    await expect(
      anthropic.messages.create({ model: "fake-chat", max_tokens: 5, tools: [search], ...ask }),
    ).rejects.toThrow(/tools/);
    await expect(
      anthropic.messages.create({ model: "fake-chat", max_tokens: 5, ...{ top_k: 3 }, ...ask }),
    ).rejects.toThrow(/top_k/);
    expect(fake.heard.length).toBe(before);
  });

  test("a limit is 429 with a wait that the client heeds", async () => {
    fake.plays = [
      refuse(
        429,
        { error: { message: "slow", type: "requests", code: "rate_limit_exceeded" } },
        { "retry-after": "1" },
      ),
      answer("now"),
    ];
    const patient = new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: rig.token, maxRetries: 2 });
    const from = performance.now();
    const reply = await patient.chat.completions.create({ model: "fake-chat", ...ask });
    expect(reply.choices[0]?.message.content).toBe("now");
    expect(performance.now() - from).toBeGreaterThan(900);
    const slow = refuse(
      429,
      { type: "error", error: { type: "rate_limit_error", message: "slow" } },
      { "retry-after": "1" },
    );
    // Short waits the gateway waits itself, as often as it asks anybody.
    fake.plays = [slow, slow, slow, answer("now")];
    const failed = await anthropic.messages
      .create({ model: "fake-messages", max_tokens: 5, ...ask })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Anthropic.RateLimitError);
    expect((failed as InstanceType<typeof Anthropic.RateLimitError>).headers?.get("retry-after")).toBe("1");
    const ours = new Anthropic({ baseURL: rig.url, apiKey: rig.token, maxRetries: 2 });
    expect(
      (await ours.messages.create({ model: "fake-messages", max_tokens: 5, ...ask })).content[0],
    ).toMatchObject({ text: "now" });
  });

  test("an error inside of a stream reaches the client as one", async () => {
    const oops = `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })}\n\n`;
    const late = (text: string) => begin("so far ", (reply) => reply.end(text));
    fake.plays = [late(oops)];
    const stream = anthropic.messages.stream({ model: "fake-messages", max_tokens: 50, ...ask });
    await expect(stream.finalMessage()).rejects.toThrow(/Overloaded/);
    await until(() => rig.capacity.closures().size === 0);
    fake.plays = [late("")];
    const cut = await openai.chat.completions.create({ model: "fake-messages", stream: true, ...ask });
    const read = async () => {
      for await (const _ of cut);
    };
    await expect(read()).rejects.toThrow(/broke off/);
    expect(rig.leases()).toBe(0);
  });
});

test("nothing that a caller hears holds the provider's key", async () => {
  const echo = {
    error: { message: `Incorrect API key provided: ${canary}.`, type: "invalid_request_error", code: null },
  };
  fake.plays = [refuse(400, echo, { "x-echo": canary })];
  const failed = await fetch(`${rig.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${rig.token}` },
    body: JSON.stringify({ model: "fake-chat", messages: [{ role: "user", content: "hi" }] }),
  });
  const metrics = await fetch(`${rig.url}/metrics`, { headers: { authorization: `Bearer ${rig.token}` } });
  const heard = [await failed.text(), JSON.stringify([...failed.headers]), await metrics.text()].join("\n");
  expect(fake.heard.at(-1)?.headers.authorization).toBe(`Bearer ${canary}`);
  expect(heard).toContain("[secret]");
  expect(heard).not.toContain(canary);
  expect(heard).toContain("rigs_gateway_calls_total");
});
