import { expect, test, vi } from "vitest";
import {
  casePrompt,
  caseText,
  caseUsage,
  type ModelGaps,
  modelCases,
  type OpenedCase,
  type Scenario,
} from "../../ports/model.case.ts";
import type { Model } from "../../ports/model.ts";
import { anthropicModel } from "./anthropic.ts";
import { fetchOnce, newExchange } from "./exchange.ts";
import { geminiModel } from "./gemini.ts";
import { ollamaModel } from "./ollama.ts";
import { compatibleModel, openaiModel } from "./openai.ts";
import { tritonModel } from "./triton.ts";
import type { WireSettings } from "./wire.ts";
import {
  answerEither,
  answerGolden,
  askBothWays,
  canary,
  golden,
  isStreamed,
  type Respond,
  serveWire,
  caseSettings as settings,
} from "./wires.case.ts";

const folders = ["openai", "anthropic", "gemini", "ollama", "triton"] as const;
type Folder = (typeof folders)[number];
const makers: Record<Folder, (settings: WireSettings) => Model> = {
  openai: compatibleModel,
  anthropic: anthropicModel,
  gemini: geminiModel,
  ollama: (settings) => ollamaModel({ ...settings, contextTokens: 16_384 }),
  triton: tritonModel,
};
const none = { headers: undefined, refused: undefined, lying: undefined, usage: undefined };
const gaps: Record<Folder, ModelGaps> = {
  ...{ openai: none, anthropic: none, gemini: none },
  ollama: {
    headers: undefined,
    refused: "this wire knows no refusal",
    lying: "this wire counts no cached tokens; its other counts are looked at below",
    usage: "this wire counts no cached tokens; its other counts are looked at below",
  },
  triton: {
    headers: undefined,
    refused: "this wire knows no refusal",
    lying: "this wire counts nothing",
    usage: "this wire counts nothing; what is sized here is looked at in triton.test.ts",
  },
};
/** Kinds of stream that the two wires of lines and events have. */
const streamType = (folder: Folder) => (folder === "ollama" ? "application/x-ndjson" : "text/event-stream");

function respondTo(folder: Folder, scenario: Scenario): Respond {
  switch (scenario.kind) {
    case "said":
      return answerEither(folder, { stop: "said", length: "cut", refused: "refused" }[scenario.finish]);
    case "lying":
      return answerEither(folder, "lying");
    case "fault":
      return answerGolden(`${folder}/${scenario.fault}.http`);
    case "hang":
      return () => undefined;
  }
}

for (const folder of folders) {
  const open = async (scenario: Scenario): Promise<OpenedCase> => {
    const server = await serveWire(respondTo(folder, scenario));
    return {
      model: makers[folder](settings(server.url)),
      requests: () => server.received.length,
      asked: server.asked,
      closed: server.closed,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  };
  modelCases(`the ${folder} edge`, open, gaps[folder]);
}

/** Asks once, both ways, and checks what no reply may ever show. */
const replies = (folder: Folder, respond: Respond, changes: Partial<WireSettings> = {}) =>
  askBothWays((url) => makers[folder](settings(url, changes)), respond);

const streamOnly = async (folder: Folder, respond: Respond, changes: Partial<WireSettings> = {}) =>
  (await replies(folder, respond, changes))[1];

test("sends the question on the chat wire", async () => {
  await using server = await serveWire(answerEither("openai", "said"));
  await compatibleModel(settings(server.url)).ask(casePrompt, AbortSignal.timeout(9000));
  const [request] = server.received;
  expect(request).toMatchObject({ method: "POST", path: "/chat/completions" });
  expect(request?.headers.authorization).toBe(`Bearer ${canary}`);
  expect(request?.body).toEqual({
    model: "case-model",
    max_tokens: 64,
    temperature: 0.2,
    messages: [
      { role: "system", content: "Role: coder\nAnswer briefly." },
      { role: "user", content: "first question" },
      { role: "assistant", content: "first answer" },
      { role: "user", content: "say hello" },
    ],
  });
});

test("speaks OpenAI's newer names to OpenAI, and sends its reasoning models no temperature", async () => {
  await using server = await serveWire(answerEither("openai", "said"));
  await openaiModel(settings(server.url)).ask(casePrompt, AbortSignal.timeout(9000));
  await openaiModel(settings(server.url, { name: "gpt-5-mini" })).ask(casePrompt, AbortSignal.timeout(9000));
  const [plain, reasoning] = server.received.map(({ body }) => body);
  expect(plain).toMatchObject({ max_completion_tokens: 64, temperature: 0.2 });
  expect(plain).not.toHaveProperty("max_tokens");
  expect(reasoning).not.toHaveProperty("temperature");
});

test("sends the question on the Messages wire, with the temperature cut at 1", async () => {
  await using server = await serveWire(answerEither("anthropic", "said"));
  await anthropicModel(settings(server.url)).ask(
    { ...casePrompt, temperature: 1.7 },
    AbortSignal.timeout(9000),
  );
  const [request] = server.received;
  expect(request).toMatchObject({ method: "POST", path: "/messages" });
  expect(request?.headers).toMatchObject({ "x-api-key": canary, "anthropic-version": "2023-06-01" });
  expect(request?.body).toMatchObject({ model: "case-model", max_tokens: 64, temperature: 1 });
  expect(JSON.stringify(request?.body.system)).toContain("Answer briefly.");
});

const counting = folders.filter((folder) => folder !== "ollama" && folder !== "triton");
test.each(counting)("an error inside a 200 is a fault, and what was used is counted (%s)", async (folder) => {
  const reply = await streamOnly(folder, answerEitherStream(folder, "error"));
  expect(reply).toMatchObject({
    kind: "failed",
    fault: { kind: "throttle" },
    usage: { input: 120, cachedInput: 80 },
  });
  expect(reply?.headers).toMatchObject({ "x-request-id": "case-1" });
});

test("sends the question on Google's wire, the key in a header and never in the address", async () => {
  await using server = await serveWire(answerEither("gemini", "said"));
  const model = geminiModel(settings(`${server.url}/v1beta`));
  await model.ask(casePrompt, AbortSignal.timeout(9000));
  await model.ask(casePrompt, AbortSignal.timeout(9000), () => undefined);
  await geminiModel(settings(server.url, { name: "tunedModels/a b" })).ask(
    casePrompt,
    AbortSignal.timeout(9000),
  );
  const [request, streamed, tuned] = server.received;
  expect(request).toMatchObject({ method: "POST", path: "/v1beta/models/case-model:generateContent" });
  expect(streamed?.path).toBe("/v1beta/models/case-model:streamGenerateContent?alt=sse");
  expect(tuned?.path).toBe("/tunedModels/a%20b:generateContent");
  expect(request?.headers["x-goog-api-key"]).toBe(canary);
  expect(request?.body).toEqual({
    systemInstruction: { parts: [{ text: "Role: coder\nAnswer briefly." }] },
    contents: [
      { role: "user", parts: [{ text: "first question" }] },
      { role: "model", parts: [{ text: "first answer" }] },
      { role: "user", parts: [{ text: "say hello" }] },
    ],
    generationConfig: { maxOutputTokens: 64, temperature: 0.2 },
  });
});

test("a prompt that Google blocks is refused, and an answer capped below its bound is cut", async () => {
  for (const reply of await replies("gemini", answerEither("gemini", "blocked")))
    expect(reply).toMatchObject({ kind: "said", text: "", finish: "refused", usage: { input: 120 } });
  const capped = { candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "CONTINUATION" }] };
  const cap: Respond = (request, response) =>
    isStreamed(request)
      ? response.writeHead(200).end(`data: ${JSON.stringify(capped)}`)
      : response.writeHead(200).end(JSON.stringify(capped));
  for (const reply of await replies("gemini", cap))
    expect(reply).toMatchObject({ kind: "said", text: "a", finish: "length" });
});

test("sends the question on Ollama's wire, with room for all of it, and reads its counts", async () => {
  await using server = await serveWire(answerEither("ollama", "said"));
  const reply = await makers.ollama(settings(server.url)).ask(casePrompt, AbortSignal.timeout(9000));
  expect(reply.usage).toEqual({ input: 120, cachedInput: 0, output: 9 });
  await makers.ollama(settings(`${server.url}/api`)).ask(casePrompt, AbortSignal.timeout(9000));
  const [request, other] = server.received;
  expect(request).toMatchObject({ method: "POST", path: "/api/chat" });
  expect(other?.path).toBe("/api/chat");
  expect(request?.body).toEqual({
    model: "case-model",
    messages: [
      { role: "system", content: "Role: coder\nAnswer briefly." },
      { role: "user", content: "first question" },
      { role: "assistant", content: "first answer" },
      { role: "user", content: "say hello" },
    ],
    stream: true,
    keep_alive: "15m",
    truncate: false,
    shift: false,
    options: { num_ctx: 16_384, num_predict: 64, temperature: 0.2 },
  });
  for (const lying of await replies("ollama", answerEither("ollama", "lying")))
    expect(lying.usage).toEqual({ input: 120, cachedInput: 0, output: 0 });
});

test("an error among Ollama's lines is a fault; a model it has not got is said with what to do", async () => {
  expect(await streamOnly("ollama", answerEitherStream("ollama", "error"))).toMatchObject({
    kind: "failed",
    fault: { kind: "capacity", why: expect.stringContaining("encountered while running") },
  });
  for (const reply of await replies("ollama", answerGolden("ollama/request.http")))
    expect(reply.kind === "failed" && reply.fault.why).toBe(
      `HTTP 404: model "case-model" not found, try pulling it first; check model and base_url`,
    );
});

/** DeepSeek, while a request waits for its turn: comments in a stream, blank lines before a whole answer. */
function queued(turns: number, end: "answers" | "never"): Respond {
  return (request, response) => {
    const type = isStreamed(request) ? "text/event-stream" : "application/json";
    response.writeHead(200, { "content-type": type });
    const wait = (left: number) => {
      if (response.destroyed) return;
      if (left <= 0 && end === "answers") {
        const body = golden(isStreamed(request) ? "openai/said-stream.http" : "openai/said.http").body;
        response.end(body);
      } else
        response.write(isStreamed(request) ? ": keep-alive\n\n" : "\n", () => setImmediate(wait, left - 1));
    };
    wait(turns);
  };
}

test("what keeps a connection alive while a request is queued is no answer and does no harm", async () => {
  for (const reply of await replies("openai", queued(50, "answers")))
    expect(reply).toMatchObject({ kind: "said", text: caseText, usage: caseUsage });
});

test("what keeps a connection alive buys no time: the bound is of the whole call", async () => {
  for (const reply of await replies("openai", queued(0, "never"), { timeoutMs: 150 }))
    expect(reply).toMatchObject({ kind: "failed", fault: { why: "no complete answer within 0.15 s" } });
});

test("a refusal's body is read for what it says of limits", async () => {
  for (const reply of await replies("gemini", answerGolden("gemini/throttle.http")))
    expect(reply.kind === "failed" && reply.readings).toEqual([
      { kind: "rate", measures: ["requests"], limit: 10, remaining: 0 },
    ]);
});

test("an error beside a finish reason is still an error", async () => {
  const chunk = {
    id: "1",
    error: { code: 502, message: "upstream" },
    choices: [{ delta: {}, finish_reason: "error" }],
  };
  const both: Respond = (_request, response) =>
    response
      .writeHead(200, { "content-type": "text/event-stream" })
      .end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
  expect(await streamOnly("openai", both)).toMatchObject({ kind: "failed", fault: { kind: "capacity" } });
  const late = {
    id: "1",
    error: "out of memory",
    choices: [{ index: 0, delta: { content: "x" }, finish_reason: "stop" }],
  };
  const beside: Respond = (_request, response) =>
    response
      .writeHead(200, { "content-type": "text/event-stream" })
      .end(`data: ${JSON.stringify(late)}\n\ndata: [DONE]\n\n`);
  expect(await streamOnly("openai", beside)).toMatchObject({
    kind: "failed",
    fault: { why: expect.stringContaining("memory") },
  });
});

test("an end that is none is a failure, whatever the SDK takes it for", async () => {
  const check = async (reason: string, error: unknown, kind: string) => {
    const choice = { index: 0, finish_reason: reason, ...(error === undefined ? {} : { error }) };
    const respond: Respond = (request, response) => {
      const piece = { id: "1", choices: [{ ...choice, delta: { content: "half" } }] };
      const body = { id: "1", choices: [{ ...choice, message: { role: "assistant", content: "half" } }] };
      if (isStreamed(request))
        response.writeHead(200).end(`data: ${JSON.stringify(piece)}\n\ndata: [DONE]\n\n`);
      else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    for (const reply of await replies("openai", respond))
      expect([reason, reply.kind === "failed" && reply.fault.kind]).toEqual([reason, kind]);
  };
  await check("error", undefined, "capacity");
  await check("error", { code: 429, message: "slow" }, "throttle");
  await check("insufficient_system_resource", undefined, "capacity");
  await check("abort", undefined, "capacity");
});

test("a second request of one call never leaves", async () => {
  await using server = await serveWire((_request, response) => response.end("{}"));
  const send = fetchOnce(newExchange(), { answerBytesMax: 100, errorBytesMax: 100 }, (text) => text);
  await (await send(server.url, { method: "POST" })).text();
  await expect(send(server.url, { method: "POST" })).rejects.toThrow("a call makes one request");
  expect(server.received).toHaveLength(1);
});

test("nothing is printed, whatever fails", async () => {
  const printed = (["error", "warn", "log", "info"] as const).map((way) =>
    vi.spyOn(console, way).mockReturnValue(),
  );
  const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
  try {
    await replies("openai", answerGolden("openai/throttle.http"));
    await replies("openai", answerEitherStream("openai", "error"));
    await replies("anthropic", answerEitherStream("anthropic", "truncated"));
    // The SDK has warnings for a temperature out of range and for models it does not know.
    await replies("anthropic", answerEither("anthropic", "said"), { name: "claude-unknown-9" });
    for (const spy of [...printed, warned]) expect(spy.mock.calls).toEqual([]);
  } finally {
    vi.restoreAllMocks();
  }
});

test("a key at the edge of a cut message is not half shown", async () => {
  for (const length of [200, 230, 250, 260, 270, 280, 290]) {
    const echo: Respond = (_request, response) =>
      response.writeHead(400).end(JSON.stringify({ error: { message: `${"x".repeat(length)}${canary}` } }));
    for (const reply of await replies("openai", echo)) expect(JSON.stringify(reply)).not.toContain("sk-");
  }
});

test("a stream that opens with an error is a fault", async () => {
  const reply = await streamOnly("anthropic", answerGolden("anthropic/error-first-stream.http"));
  expect(reply).toMatchObject({ kind: "failed", fault: { kind: "capacity" } });
});

/** A stream of Triton's has no end of its own. */
const ending = folders.filter((folder) => folder !== "triton");
test.each(ending)("a stream that ends without an end is no answer (%s)", async (folder) => {
  const reply = await streamOnly(folder, answerEitherStream(folder, "truncated"));
  expect(reply).toMatchObject({ kind: "failed", fault: { kind: "capacity" } });
});

test.each(folders)("a connection cut in the middle is capacity (%s)", async (folder) => {
  const cut: Respond = (request, response) => {
    const type = isStreamed(request) ? streamType(folder) : "application/json";
    response.writeHead(200, { "content-type": type, "content-length": "5000", "x-request-id": "case-1" });
    response.write('data: {"id":"1",', () => response.destroy());
  };
  for (const reply of await replies(folder, cut)) {
    expect(reply).toMatchObject({
      kind: "failed",
      fault: { kind: "capacity" },
      headers: { "x-request-id": "case-1" },
    });
  }
});

test.each(folders)(
  "a 200 with nonsense is a fault: error object, web page, empty, no JSON (%s)",
  async (folder) => {
    const check = async (type: string, body: string, kind: string) => {
      const respond: Respond = (_request, response) =>
        response.writeHead(200, { "content-type": type }).end(body);
      for (const reply of await replies(folder, respond))
        expect(reply).toMatchObject({ kind: "failed", fault: { kind } });
    };
    await check("application/json", "", "capacity");
    await check("application/json", '{"id":', "capacity");
    await check("application/json", '{"choices":[],"content":7}', "capacity");
  },
);

test("a web page or an error object with status 200 is named for what it is", async () => {
  const page: Respond = (_request, response) =>
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><p>Welcome");
  const [whole] = await replies("openai", page);
  expect(whole).toMatchObject({ fault: { kind: "request", why: expect.stringContaining("check base_url") } });
  const limited: Respond = (_request, response) =>
    response
      .writeHead(200, { "content-type": "application/json" })
      .end('{"error":{"message":"slow","code":429}}');
  expect((await replies("openai", limited))[0]).toMatchObject({ fault: { kind: "throttle" } });
});

test.each(folders)(
  "redirects are not followed: the key stays with the host it was meant for (%s)",
  async (folder) => {
    await using other = await serveWire((_request, response) => response.end());
    const redirect: Respond = (_request, response) => response.writeHead(307, { location: other.url }).end();
    for (const reply of await replies(folder, redirect)) {
      expect(reply).toMatchObject({ kind: "failed", fault: { kind: "request" } });
    }
    expect(other.received).toEqual([]);
  },
);

test.each(folders)("no answer in time is capacity, and the connection is closed (%s)", async (folder) => {
  await using server = await serveWire(() => undefined);
  const model = makers[folder](settings(server.url, { timeoutMs: 200 }));
  const reply = await model.ask(casePrompt, AbortSignal.timeout(20_000));
  expect(reply).toMatchObject({
    kind: "failed",
    fault: { kind: "capacity", why: "no complete answer within 0.2 s" },
  });
  await server.closed;
});

test.each(folders)("nobody listening is capacity and names the place (%s)", async (folder) => {
  let url: string;
  {
    await using server = await serveWire(() => undefined);
    url = server.url;
  }
  const reply = await makers[folder](settings(url)).ask(casePrompt, AbortSignal.timeout(20_000));
  expect(reply).toMatchObject({ kind: "failed", headers: {}, fault: { kind: "capacity" } });
  expect(reply.kind === "failed" && reply.fault.why).toContain(`is the server running?: ${url.slice(7)}`);
});

test.each(folders)("an endless answer is cut at its bound (%s)", async (folder) => {
  const filler = folder === "ollama" ? "\n".repeat(4000) : `: ${"x".repeat(4000)}\n\n`;
  const endless: Respond = (request, response) => {
    response.writeHead(200, {
      "content-type": isStreamed(request) ? streamType(folder) : "application/json",
    });
    const pour = () => {
      while (!response.destroyed && response.write(filler));
      if (!response.destroyed) response.once("drain", pour);
    };
    pour();
  };
  for (const reply of await replies(folder, endless, { answerBytesMax: 100_000 })) {
    expect(reply).toMatchObject({
      kind: "failed",
      fault: { kind: "request", why: expect.stringContaining("100000") },
    });
  }
});

test.each(folders)(
  "a server that echoes the key in body and headers cannot make us repeat it (%s)",
  async (folder) => {
    for (const status of [400, 401, 403, 404, 429, 500, 529]) {
      const echo: Respond = (_request, response) => {
        const encoded = Buffer.from(canary).toString("base64");
        const error = { message: `bad ${canary} ${encoded}`, type: canary, code: `${canary}` };
        response.writeHead(status, { "x-echo": `Bearer ${canary}`, "set-cookie": `a=${canary}` });
        response.end(JSON.stringify({ error }).replaceAll("/", "\\/"));
      };
      for (const reply of await replies(folder, echo)) {
        expect(reply.kind).toBe("failed");
        expect(JSON.stringify(reply)).not.toMatch(/canary|c2stY2FuYXJ5|set-cookie/);
      }
    }
  },
);

test("an error of the watcher is the caller's and comes back as it is", async () => {
  await using server = await serveWire(answerEither("openai", "said"));
  const bug = new Error("a bug in the watcher");
  const watched = compatibleModel(settings(server.url)).ask(casePrompt, AbortSignal.timeout(9000), () => {
    throw bug;
  });
  await expect(watched).rejects.toBe(bug);
});

test("no key is no header", async () => {
  await using server = await serveWire(answerEither("openai", "said"));
  const reply = await compatibleModel(settings(server.url, { key: undefined })).ask(
    casePrompt,
    AbortSignal.timeout(9000),
  );
  expect(reply).toMatchObject({ kind: "said", text: caseText });
  expect(server.received[0]?.headers.authorization).toBeUndefined();
});

/** These files exist as streams only; a whole answer is not looked at. */
function answerEitherStream(folder: Folder, name: string): Respond {
  return answerGolden(`${folder}/${name}-stream.http`);
}
