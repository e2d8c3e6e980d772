import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, type ModelMessage, streamText } from "ai";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { Clock } from "../../kit/clock.ts";
import { draftText, exampleTasks } from "./examples.case.ts";
import { readScenario, type Scenario } from "./scenario.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./server.ts";
import type { Task, TaskSet } from "./taskset.ts";

/** Time stands still, so that goldens are whole; waits are over at once and remembered. */
const at = Date.UTC(2026, 0, 2, 3, 4, 5);
const sleeps: number[] = [];
const clock: Clock = {
  now: () => at,
  sleep: async (ms, signal) => {
    sleeps.push(ms);
    // A long wait is one that nothing but leaving ends.
    if (ms < 100_000) return;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  },
};

let taskSet: TaskSet;
let task: Task;
const open: Simulator[] = [];
beforeAll(async () => {
  taskSet = await exampleTasks();
  task = taskSet.tasks[0] as Task;
});
afterEach(async () => {
  for (const simulator of open.splice(0)) await simulator.close();
  sleeps.length = 0;
});

async function start(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ taskSet, clock, seed: 1, cacheTokensMin: 20, ...options });
  open.push(simulator);
  return simulator;
}

function scenarioOf(json: object): Scenario {
  const read = readScenario(JSON.stringify(json));
  if (read.kind === "refused") throw new Error(read.why);
  return read.scenario;
}

const saying = (text: string) => scenarioOf({ rules: [{ times: "always", do: { kind: "say", text } }] });
const post = (simulator: Simulator, path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${simulator.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const anthropicHeaders = { "anthropic-version": "2023-06-01", "x-api-key": "any" };
const openaiBody = { model: "perfect", messages: [{ role: "user", content: "Hello there" }] };
const anthropicBody = {
  model: "perfect",
  max_tokens: 100,
  messages: [{ role: "user", content: "Hello there" }],
};

const openai = (simulator: Simulator, name = "perfect") =>
  createOpenAICompatible({
    name: "simulated",
    baseURL: `${simulator.url}/v1`,
    apiKey: "any",
    includeUsage: true,
  })(name);
const anthropic = (simulator: Simulator, name = "perfect") =>
  createAnthropic({ baseURL: `${simulator.url}/v1`, apiKey: "any" })(name);
const ask = (text: string) => ({
  system: "Role: coder",
  prompt: text,
  maxRetries: 0,
  temperature: 0.2,
  maxOutputTokens: 4_000,
});

test("golden: an OpenAI answer", async () => {
  const reply = await post(await start({ scenario: saying("Hi.") }), "/v1/chat/completions", openaiBody);
  const { id, ...body } = (await reply.json()) as Record<string, unknown>;
  expect(id).toMatch(/^chatcmpl-\w{21,}$/);
  expect(body).toEqual({
    object: "chat.completion",
    created: at / 1000,
    model: "perfect",
    service_tier: "default",
    system_fingerprint: "fp_simulator",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hi.", refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      prompt_tokens: 6,
      completion_tokens: 2,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    },
  });
  const limits = [...reply.headers].filter(([name]) => name.startsWith("x-ratelimit"));
  expect(Object.fromEntries(limits)).toEqual({
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-remaining-requests": "999",
    "x-ratelimit-reset-requests": "60ms",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-tokens": "1999992",
    "x-ratelimit-reset-tokens": "1ms",
  });
});

/** The lines of a stream, ids made short. */
async function streamOf(reply: Response): Promise<string[]> {
  expect(reply.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const text = await reply.text();
  return text
    .replace(/(chatcmpl-|msg_)\w+/g, "$1ID")
    .split("\n")
    .filter(Boolean);
}

test("golden: an OpenAI stream, with usage where it is asked for", async () => {
  const simulator = await start({ scenario: saying("Hi.") });
  const stream = async (rest: object) =>
    streamOf(await post(simulator, "/v1/chat/completions", { ...openaiBody, stream: true, ...rest }));
  const head = `"id":"chatcmpl-ID","object":"chat.completion.chunk","created":${at / 1000},"model":"perfect","service_tier":"default","system_fingerprint":"fp_simulator"`;
  const chunk = (delta: string, finish: string, usage = "") =>
    `data: {${head},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]${usage}}`;
  expect(await stream({})).toEqual([
    chunk('{"role":"assistant","content":"","refusal":null}', "null"),
    chunk('{"content":"Hi."}', "null"),
    chunk("{}", '"stop"'),
    "data: [DONE]",
  ]);
  expect(await stream({ stream_options: { include_usage: true } })).toEqual([
    chunk('{"role":"assistant","content":"","refusal":null}', "null", ',"usage":null'),
    chunk('{"content":"Hi."}', "null", ',"usage":null'),
    chunk("{}", '"stop"', ',"usage":null'),
    `data: {${head},"choices":[],"usage":{"prompt_tokens":6,"completion_tokens":2,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}`,
    "data: [DONE]",
  ]);
});

test("golden: an Anthropic answer", async () => {
  const simulator = await start({ scenario: saying("Hi.") });
  const reply = await post(simulator, "/v1/messages", anthropicBody, anthropicHeaders);
  const { id, ...body } = (await reply.json()) as Record<string, unknown>;
  expect(id).toMatch(/^msg_\w{21,}$/);
  expect(body).toEqual({
    type: "message",
    role: "assistant",
    model: "perfect",
    content: [{ type: "text", text: "Hi." }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: {
      input_tokens: 6,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      service_tier: "standard",
      output_tokens: 2,
    },
  });
  expect(reply.headers.get("request-id")).toBe("req_00000001");
  for (const resource of ["requests", "tokens", "input-tokens", "output-tokens"])
    for (const [field, form] of [
      ["limit", /^\d+$/],
      ["remaining", /^\d+$/],
      ["reset", /^2026-01-02T03:04:\d\dZ$/],
    ] as const)
      expect(reply.headers.get(`anthropic-ratelimit-${resource}-${field}`)).toMatch(form);
});

test("golden: an Anthropic stream", async () => {
  const simulator = await start({ scenario: saying("Hi.") });
  const body = { ...anthropicBody, stream: true };
  const lines = await streamOf(await post(simulator, "/v1/messages", body, anthropicHeaders));
  const usage = (output: number) =>
    `"usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"service_tier":"standard","output_tokens":${output}}`;
  expect(lines).toEqual([
    "event: message_start",
    `data: {"type":"message_start","message":{"id":"msg_ID","type":"message","role":"assistant","model":"perfect","stop_sequence":null,"content":[],"stop_reason":null,${usage(1)}}}`,
    "event: content_block_start",
    'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    "event: ping",
    'data: {"type":"ping"}',
    "event: content_block_delta",
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi."}}',
    "event: content_block_stop",
    'data: {"type":"content_block_stop","index":0}',
    "event: message_delta",
    `data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},${usage(2)}}`,
    "event: message_stop",
    'data: {"type":"message_stop"}',
  ]);
});

test("the real clients read the same work from both wires, streamed or not", async () => {
  const simulator = await start();
  const texts: string[] = [];
  for (const model of [openai(simulator), anthropic(simulator)]) {
    const whole = await generateText({ model, ...ask(draftText(task)) });
    const streamed = streamText({ model, ...ask(draftText(task)) });
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    texts.push(whole.text, pieces.join(""));
    expect(whole.finishReason).toBe("stop");
    const usage = await streamed.usage;
    expect([usage.inputTokens, usage.outputTokens]).toEqual([
      whole.usage.inputTokens,
      whole.usage.outputTokens,
    ]);
    expect(whole.usage.inputTokens).toBeGreaterThan(100);
  }
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]).toContain(task.body);
  expect(simulator.requests()).toMatchObject({ total: 4, byStatus: { "200": 4 } });
  expect(simulator.requests().recent.map(({ wire, isStream }) => [wire, isStream])).toEqual([
    ["openai", false],
    ["openai", true],
    ["anthropic", false],
    ["anthropic", true],
  ]);
  expect(simulator.requests().recent[0]?.truths).toEqual([{ task: task.id, kind: "right" }]);
});

test("a shared beginning is reported as cached, in each wire's own field and to its own key", async () => {
  const simulator = await start();
  const long = `${"The rules of this house are many. ".repeat(80)}\n${draftText(task)}`;
  const cachedBy = async (
    model: ReturnType<typeof openai> | ReturnType<typeof anthropic>,
    isMarked: boolean,
  ) => {
    const marks = { providerOptions: { anthropic: { cacheControl: { type: "ephemeral" as const } } } };
    const messages: ModelMessage[] = [{ role: "user", content: long, ...(isMarked ? marks : {}) }];
    const { usage } = await generateText({ model, messages, maxRetries: 0, maxOutputTokens: 4_000 });
    return { read: usage.inputTokenDetails.cacheReadTokens ?? 0, input: usage.inputTokens ?? 0 };
  };
  const first = await cachedBy(openai(simulator), false);
  const second = await cachedBy(openai(simulator), false);
  expect(first.read).toBe(0);
  expect(second.read % 128).toBe(0);
  expect(second.read).toBeGreaterThan(first.input - 129);
  expect(second.input).toBe(first.input);
  const stranger = createOpenAICompatible({
    name: "other",
    baseURL: `${simulator.url}/v1`,
    apiKey: "another",
  });
  expect((await cachedBy(stranger("perfect"), false)).read).toBe(0);
  const unmarked = await cachedBy(anthropic(simulator), false);
  expect(unmarked.read).toBe(0);
  const marked = await cachedBy(anthropic(simulator), true);
  expect(marked).toEqual({ read: unmarked.input, input: unmarked.input });
});

test("the same seed and requests give the same answers on a second server, in any order of the tasks", async () => {
  const run = async (tasks: readonly Task[]) => {
    const simulator = await start({ seed: 4 });
    const said = new Map<string, string[]>();
    for (const each of tasks)
      for (let round = 0; round < 2; round++) {
        const { text } = await generateText({ model: openai(simulator, "weak"), ...ask(draftText(each)) });
        said.set(each.id, [...(said.get(each.id) ?? []), text]);
      }
    return taskSet.tasks.map(({ id }) => said.get(id));
  };
  const forward = await run(taskSet.tasks);
  expect(await run(taskSet.tasks.toReversed())).toEqual(forward);
  expect(forward.some((texts) => texts?.[0] !== texts?.[1])).toBe(true);
});

test("a wrong key is refused without being repeated", async () => {
  const simulator = await start({ key: "right-key" });
  const check = async (path: string, headers: Record<string, string>, type: string) => {
    const reply = await post(
      simulator,
      path,
      path.endsWith("messages") ? anthropicBody : openaiBody,
      headers,
    );
    const text = await reply.text();
    expect([reply.status, text.includes("secret")]).toEqual([401, false]);
    expect(JSON.parse(text).error).toMatchObject({ type });
  };
  await check("/v1/chat/completions", { authorization: "Bearer secret" }, "invalid_request_error");
  await check("/v1/chat/completions", {}, "invalid_request_error");
  await check("/v1/messages", { ...anthropicHeaders, "x-api-key": "secret" }, "authentication_error");
  const right = await post(simulator, "/v1/chat/completions", openaiBody, {
    authorization: "Bearer right-key",
  });
  expect(right.status).toBe(200);
  expect((await fetch(`${simulator.url}/v1/models`)).status).toBe(401);
});

test("bad requests are told what is wrong with them", async () => {
  const simulator = await start({ bodyBytesMax: 5_000, profiles: { weak: { contextTokensMax: 50 } } });
  const check = async (path: string, body: unknown, status: number, error: object) => {
    const reply = await post(simulator, path, body, path.endsWith("messages") ? anthropicHeaders : {});
    expect({ status: reply.status, ...((await reply.json()) as object) }).toMatchObject({ status, error });
  };
  const says = (text: string) => ({ message: expect.stringContaining(text) });
  const chat = "/v1/chat/completions";
  const message = { role: "user", content: "word ".repeat(100) };
  await check(chat, "{oops", 400, { type: "invalid_request_error" });
  await check(chat, { ...openaiBody, messages: [] }, 400, says("messages"));
  await check(chat, { ...openaiBody, temperature: 3 }, 400, says("temperature"));
  await check(chat, { ...openaiBody, n: 2 }, 400, says("only one answer"));
  await check(chat, { ...openaiBody, model: "gone" }, 404, { code: "model_not_found", ...says("`gone`") });
  await check(chat, { model: "weak", messages: [message] }, 400, { code: "context_length_exceeded" });
  await check(chat, { ...openaiBody, padding: "x".repeat(6_000) }, 413, { type: "invalid_request_error" });
  const messages = "/v1/messages";
  await check(messages, { ...anthropicBody, max_tokens: undefined }, 400, says("max_tokens"));
  await check(messages, { ...anthropicBody, model: "gone" }, 404, { type: "not_found_error" });
  await check(
    messages,
    { ...anthropicBody, model: "weak", messages: [message] },
    400,
    says("prompt is too long: 10"),
  );
  await check(messages, { ...anthropicBody, padding: "x".repeat(6_000) }, 413, { type: "request_too_large" });
  const bare = await post(simulator, messages, anthropicBody);
  expect(await bare.json()).toMatchObject({ error: says("anthropic-version") });
  expect((await fetch(`${simulator.url}/v2/nothing`)).status).toBe(404);
});

test("models are listed in the form the caller reads", async () => {
  const simulator = await start({ scenario: scenarioOf({ models: { "my-model": "weak" } }) });
  const list = async (headers: Record<string, string>) =>
    (await (await fetch(`${simulator.url}/v1/models`, { headers })).json()) as { data: { id: string }[] };
  const names = (await list({})).data.map(({ id }) => id);
  expect(names).toEqual([
    "perfect",
    "weak",
    "median",
    "strong",
    "never-fixes",
    "stub-only",
    "always-malformed",
    "cheater",
    "garbage",
    "my-model",
  ]);
  expect(await list(anthropicHeaders)).toMatchObject({
    first_id: "perfect",
    last_id: "my-model",
    has_more: false,
  });
  const named = await post(simulator, "/v1/chat/completions", { ...openaiBody, model: "my-model" });
  expect(await named.json()).toMatchObject({ model: "my-model" });
});

test("a scenario's faults speak each wire's language", async () => {
  const fault = (fault: string, retryAfterSeconds?: number) => {
    return { times: 2, do: { kind: "fault", fault, retryAfterSeconds } };
  };
  const rules = [
    fault("rate-limit", 2),
    fault("rate-limit-bare"),
    fault("quota", 3600),
    fault("overloaded"),
    fault("server-error"),
    fault("billing"),
    fault("too-large"),
  ];
  const simulator = await start({ scenario: scenarioOf({ rules }) });
  const seen: unknown[] = [];
  for (let round = 0; round < rules.length; round++) {
    const chat = await post(simulator, "/v1/chat/completions", openaiBody);
    const message = await post(simulator, "/v1/messages", anthropicBody, anthropicHeaders);
    const { error } = (await chat.json()) as { error: { code: string | null } };
    const other = (await message.json()) as { type: string; error: { type: string } };
    expect(other.type).toBe("error");
    const limits = [chat, message].map((reply) => reply.headers.get("retry-after"));
    seen.push([chat.status, error.code, message.status, other.error.type, ...limits]);
  }
  expect(seen).toEqual([
    [429, "rate_limit_exceeded", 429, "rate_limit_error", "2", "2"],
    [429, "slow_down", 429, "rate_limit_error", null, null],
    [429, "insufficient_quota", 429, "rate_limit_error", "3600", "3600"],
    [503, "server_is_overloaded", 529, "overloaded_error", null, null],
    [500, null, 500, "api_error", null, null],
    [402, "credit_balance_exhausted", 402, "billing_error", null, null],
    [400, "context_length_exceeded", 400, "invalid_request_error", null, null],
  ]);
  const after = await post(simulator, "/v1/chat/completions", openaiBody);
  expect(after.status).toBe(200);
});

test("a cut stream gives the beginning and then breaks, on both wires", async () => {
  const rules = [{ times: "always", do: { kind: "cut", afterCharacters: 60 } }];
  const simulator = await start({ scenario: scenarioOf({ rules }) });
  for (const model of [openai(simulator), anthropic(simulator)]) {
    let text = "";
    let errors = 0;
    const { stream } = streamText({ model, ...ask(draftText(task)), onError: () => undefined });
    try {
      for await (const part of stream) {
        if (part.type === "text-delta") text += part.text;
        if (part.type === "error") errors += 1;
      }
    } catch {
      errors += 1;
    }
    expect([text.length, errors]).toEqual([60, 1]);
    await expect(generateText({ model, ...ask(draftText(task)) })).rejects.toThrow();
  }
});

test("a hanging request ends when the client leaves or the simulator closes", async () => {
  const rules = [{ times: "always", do: { kind: "hang" } }];
  const simulator = await start({ scenario: scenarioOf({ rules }) });
  const leave = new AbortController();
  const waiting = fetch(`${simulator.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(openaiBody),
    signal: leave.signal,
  });
  const other = post(simulator, "/v1/chat/completions", openaiBody);
  const fates = Promise.allSettled([waiting, other]);
  leave.abort();
  await expect(waiting).rejects.toThrow();
  await simulator.close();
  expect((await fates).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test("answers take the time their speed says", async () => {
  const simulator = await start({
    scenario: saying("word ".repeat(40)),
    firstTokenMs: 300,
    tokensPerSecond: 50,
    profiles: { strong: { firstTokenMs: 7, tokensPerSecond: 0 } },
  });
  const total = () => Math.round(sleeps.splice(0).reduce((sum, ms) => sum + ms, 0));
  await post(simulator, "/v1/chat/completions", openaiBody);
  const whole = total();
  expect(whole).toBe(300 + (41 / 50) * 1000);
  await (await post(simulator, "/v1/chat/completions", { ...openaiBody, stream: true })).text();
  expect(total()).toBe(whole);
  await post(simulator, "/v1/chat/completions", { ...openaiBody, model: "strong" });
  expect(total()).toBe(7);
});

test("the bound of the answer is kept and said", async () => {
  const simulator = await start();
  const bounded = { ...ask(draftText(task)), maxOutputTokens: 10 };
  for (const model of [openai(simulator), anthropic(simulator)]) {
    const { finishReason, usage } = await generateText({ model, ...bounded });
    expect([finishReason, usage.outputTokens]).toEqual(["length", 10]);
  }
});

test("a scenario that names no profile of ours is refused at the start", async () => {
  const scenario = scenarioOf({ models: { mine: "clever" } });
  await expect(startSimulator({ scenario, clock })).rejects.toThrow(
    "models.mine: no profile is called clever",
  );
});
