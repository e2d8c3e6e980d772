/** The wires beside chat and messages, read by the official client where there is one, and over plain HTTP. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import type { Clock } from "../../kit/clock.ts";
import { readScenario } from "./scenario.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./server.ts";

const at = Date.UTC(2026, 0, 2, 3, 4, 5);
const clock: Clock = { now: () => at, sleep: async () => undefined };
const open: Simulator[] = [];
afterEach(async () => {
  for (const simulator of open.splice(0)) await simulator.close();
});

async function start(rules: readonly object[], options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const read = readScenario(JSON.stringify({ rules }));
  if (read.kind === "refused") throw new Error(read.why);
  const simulator = await startSimulator({ clock, scenario: read.scenario, ...options });
  open.push(simulator);
  return simulator;
}

const text = `${"Twelve words and a full stop make a sentence of some length. ".repeat(2)}End.`;
const saying = [{ times: "always", do: { kind: "say", text } }];
const fault = (name: string, more: object = {}) => [
  { times: "always", do: { kind: "fault", fault: name, ...more } },
];
const breaking = [{ times: "always", do: { kind: "break", afterCharacters: 60 } }];

async function post(simulator: Simulator, path: string, body: object, headers: Record<string, string> = {}) {
  const reply = await fetch(`${simulator.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}

/** The data of each event. */
function dataOf(stream: string): unknown[] {
  return stream
    .split("\n\n")
    .filter(Boolean)
    .map((event) => JSON.parse(event.slice("data: ".length)));
}

const client = ({ url }: Simulator) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });

test("the official client reads responses, whole and as a stream", async () => {
  const simulator = await start(saying);
  const ask = { model: "perfect", instructions: "Role: coder", input: "Hello", max_output_tokens: 900 };
  const whole = await client(simulator).responses.create(ask);
  expect(whole.output_text).toBe(text);
  expect([whole.status, whole.object, whole.instructions]).toEqual(["completed", "response", "Role: coder"]);
  expect(whole.usage?.total_tokens).toBe(
    (whole.usage?.input_tokens ?? 0) + (whole.usage?.output_tokens ?? 0),
  );
  const types: string[] = [];
  const sequence: number[] = [];
  const stream = client(simulator).responses.stream(ask);
  for await (const event of stream) {
    types.push(event.type);
    sequence.push(event.sequence_number);
  }
  expect((await stream.finalResponse()).output_text).toBe(text);
  expect(sequence).toEqual(sequence.map((_, index) => index));
  expect([...new Set(types)]).toEqual([
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ]);
  const input = [
    { role: "system" as const, content: "Role: coder" },
    { role: "user" as const, content: [{ type: "input_text" as const, text: "Hello" }] },
  ];
  const parts = await client(simulator).responses.create({ model: "perfect", input });
  expect(parts.usage?.input_tokens).toBe(whole.usage?.input_tokens);
});

test("a bound that is met makes a response incomplete; errors are the client's own", async () => {
  const simulator = await start([{ do: { kind: "say", text, finish: "length" } }, ...fault("quota")]);
  const ask = { model: "perfect", input: "Hello", max_output_tokens: 16 };
  const { status, incomplete_details } = await client(simulator).responses.create(ask);
  expect([status, incomplete_details?.reason]).toEqual(["incomplete", "max_output_tokens"]);
  await expect(client(simulator).responses.create(ask)).rejects.toMatchObject({
    status: 429,
    code: "insufficient_quota",
  });
});

test("an error in a stream that began well reaches the official clients as an error", async () => {
  const simulator = await start(breaking);
  const spoiled = async (pieces: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _ of pieces) count += 1;
    return count;
  };
  const openai = client(simulator);
  const messages = [{ role: "user" as const, content: "Hello" }];
  const chat = await openai.chat.completions.create({ model: "perfect", messages, stream: true });
  await expect(spoiled(chat)).rejects.toThrow("overloaded");
  const responses = await openai.responses.create({ model: "perfect", input: "Hello", stream: true });
  await expect(spoiled(responses)).rejects.toThrow("overloaded");
  const anthropic = new Anthropic({ baseURL: simulator.url, apiKey: "any", maxRetries: 0 });
  const told = await anthropic.messages.create({
    model: "perfect",
    max_tokens: 9_000,
    messages,
    stream: true,
  });
  await expect(spoiled(told)).rejects.toThrow("overloaded_error");
  await expect(openai.responses.create({ model: "perfect", input: "Hello" })).rejects.toMatchObject({
    status: 503,
  });
});

test("golden: Gemini, whole and as a stream", async () => {
  const simulator = await start(saying);
  const body = {
    systemInstruction: { parts: [{ text: "Role: coder" }] },
    contents: [{ role: "user", parts: [{ text: "Hello" }] }],
    generationConfig: { temperature: 0.2, maxOutputTokens: 400 },
  };
  const key = { "x-goog-api-key": "any" };
  const path = "/v1beta/models/perfect:generateContent";
  const whole = await post(simulator, path, body, key);
  const usage = { promptTokenCount: 9, candidatesTokenCount: 29, totalTokenCount: 38 };
  const common = { modelVersion: "perfect", responseId: expect.any(String) };
  const candidate = { content: { parts: [{ text }], role: "model" }, finishReason: "STOP", index: 0 };
  const golden = { candidates: [candidate], usageMetadata: usage, ...common };
  expect(JSON.parse(whole.text)).toEqual(golden);
  expect([...whole.headers.keys()].filter((name) => /ratelimit/.test(name))).toEqual([]);
  const stream = await post(simulator, "/v1beta/models/perfect:streamGenerateContent?alt=sse", body, key);
  const chunks = dataOf(stream.text) as (typeof golden)[];
  expect(chunks.map(({ candidates }) => candidates[0]?.content.parts[0]?.text).join("")).toBe(text);
  expect(chunks.at(-1)).toMatchObject({ candidates: [{ finishReason: "STOP" }], usageMetadata: usage });
  expect(chunks[0]?.candidates[0]?.finishReason).toBeUndefined();
  const named = expect.objectContaining({ name: "models/perfect" });
  const listed = await (await fetch(`${simulator.url}/v1beta/models`)).json();
  expect(listed).toMatchObject({ models: expect.arrayContaining([named]) });
});

test("golden: what Gemini's errors say stands in their bodies", async () => {
  const body = { contents: [{ parts: [{ text: "Hello" }] }] };
  const path = "/v1beta/models/perfect:generateContent";
  const throttled = await post(await start(fault("rate-limit", { retryAfterSeconds: 34.07 })), path, body);
  expect(throttled.status).toBe(429);
  const { error } = JSON.parse(throttled.text) as {
    error: { status: string; details: { "@type": string }[] };
  };
  expect(error.status).toBe("RESOURCE_EXHAUSTED");
  expect(error.details).toContainEqual({
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    retryDelay: "34.07s",
  });
  const gone = await post(await start([]), "/v1beta/models/nobody:generateContent", body);
  expect([gone.status, gone.text]).toEqual([404, expect.stringContaining("models/nobody is not found")]);
  const odd = await post(await start([]), "/v1beta/models/perfect:countTokens", body);
  expect([odd.status, odd.text]).toEqual([400, expect.stringContaining("generateContent")]);
  const broke = await post(
    await start(breaking),
    "/v1beta/models/perfect:streamGenerateContent?alt=sse",
    body,
  );
  expect([broke.status, dataOf(broke.text).at(-1)]).toEqual([
    200,
    { error: expect.objectContaining({ code: 503, status: "UNAVAILABLE" }) },
  ]);
});

test("golden: Ollama's lines, its whole answers, its lists", async () => {
  const simulator = await start(saying);
  const chat = { model: "perfect:latest", messages: [{ role: "user", content: "Hello" }] };
  const streamed = await post(simulator, "/api/chat", chat);
  expect(streamed.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = streamed.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { message: { content: string }; done: boolean });
  expect(lines.map(({ message }) => message.content).join("")).toBe(text);
  expect(lines.at(-1)).toEqual({
    model: "perfect",
    created_at: "2026-01-02T03:04:05.000Z",
    message: { role: "assistant", content: "" },
    done: true,
    done_reason: "stop",
    total_duration: 29_000_000,
    load_duration: 0,
    prompt_eval_count: 5,
    prompt_eval_duration: 0,
    eval_count: 29,
    eval_duration: 29_000_000,
  });
  const whole = await post(simulator, "/api/generate", { model: "perfect", prompt: "Hello", stream: false });
  expect(JSON.parse(whole.text)).toMatchObject({ response: text, done: true, eval_count: 29 });
  const tags = (await (await fetch(`${simulator.url}/api/tags`)).json()) as { models: { name: string }[] };
  expect(tags.models[0]?.name).toBe("perfect:latest");
  const gone = await post(simulator, "/api/chat", { ...chat, model: "nobody" });
  expect([gone.status, gone.text]).toEqual([404, '{"error":"model \'nobody\' not found"}']);
  const broke = await post(await start(breaking), "/api/chat", chat);
  expect([broke.status, broke.text.trim().split("\n").at(-1)]).toEqual([
    200,
    '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
  ]);
});

test("golden: Triton's texts, and its error after a 200", async () => {
  const simulator = await start(saying);
  const body = { text_input: "Hello", parameters: { stream: false, temperature: 0, max_tokens: 400 } };
  const outputs = (output: string) => ({ model_name: "perfect", model_version: "1", text_output: output });
  const whole = await post(simulator, "/v2/models/perfect/generate", body);
  expect(JSON.parse(whole.text)).toEqual(outputs(text));
  const stream = await post(simulator, "/v2/models/perfect/versions/1/generate_stream", body);
  const pieces = dataOf(stream.text) as { text_output: string }[];
  expect(pieces[0]).toEqual(outputs(text.slice(0, 48)));
  expect(pieces.map(({ text_output }) => text_output).join("")).toBe(text);
  const broke = await post(await start(breaking), "/v2/models/perfect/generate_stream", body);
  expect([broke.status, dataOf(broke.text).at(-1)]).toEqual([200, { error: "Exceeds maximum queue size" }]);
  const gone = await post(simulator, "/v2/models/nobody/generate", body);
  expect([gone.status, gone.text]).toEqual([404, expect.stringContaining("unknown model: 'nobody'")]);
});

test("the same profiles answer alike on every wire", async () => {
  const simulator = await start([]);
  const say = "Role: coder";
  const openai = client(simulator);
  const messages = [{ role: "user" as const, content: say }];
  const chat = await openai.chat.completions.create({
    model: "garbage",
    messages,
    temperature: 0,
    max_tokens: 50,
  });
  const asked = { model: "garbage", input: say, temperature: 0, max_output_tokens: 50 };
  const responses = await openai.responses.create(asked);
  const generation = { temperature: 0, maxOutputTokens: 50 };
  const gemini = await post(simulator, "/v1beta/models/garbage:generateContent", {
    contents: [{ parts: [{ text: say }] }],
    generationConfig: generation,
  });
  const ollama = await post(simulator, "/api/chat", {
    ...{ model: "garbage", messages, stream: false },
    options: { temperature: 0, num_predict: 50 },
  });
  const triton = await post(simulator, "/v2/models/garbage/generate", {
    text_input: say,
    parameters: { temperature: 0, max_tokens: 50 },
  });
  const texts = [
    chat.choices[0]?.message.content,
    responses.output_text,
    JSON.parse(gemini.text).candidates[0].content.parts[0].text,
    JSON.parse(ollama.text).message.content,
    JSON.parse(triton.text).text_output,
  ];
  const other = client(await start([]));
  for (const each of texts) {
    const again = await other.chat.completions.create({
      ...{ model: "garbage", messages, temperature: 0, max_tokens: 50 },
    });
    expect(each).toBe(again.choices[0]?.message.content);
  }
  expect(simulator.requests().recent.map(({ wire }) => wire)).toEqual([
    "openai",
    "responses",
    "gemini",
    "ollama",
    "triton",
  ]);
});
