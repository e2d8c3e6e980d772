/** What crosses between wires keeps its meaning or is refused by name; what is passed on holds no key. */
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canary, openRig, type Rig, until } from "./rig.case.ts";
import { type FakeUpstream, openFakeUpstream, type Play, refuse } from "./upstream.case.ts";

let fake: FakeUpstream;
let rig: Rig;

beforeAll(async () => {
  fake = await openFakeUpstream();
  const section = (name: string, kind: string) =>
    `[providers.${name}]\nkind = "${kind}"\nbase_url = "${fake.url}"\nmodel = "${name}-model"\napi_key_env = "RIG_KEY"\n`;
  rig = await openRig({
    config: `${section("chat", "openai-compatible")}${section("messages", "anthropic")}`,
  });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await fake[Symbol.asyncDispose]();
});

const paths = { chat: "/v1/chat/completions", messages: "/v1/messages", responses: "/v1/responses" };
type Wire = keyof typeof paths;

interface Said {
  readonly status: number;
  readonly text: string;
  /** As the provider was sent it; undefined: it was not asked. */
  readonly sent: string | undefined;
}

async function ask(
  wire: Wire,
  body: object | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const before = fake.heard.length;
  const reply = await fetch(`${rig.url}${paths[wire]}`, {
    method: "POST",
    headers: { authorization: `Bearer ${rig.token}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await reply.text();
  return { status: reply.status, text, sent: fake.heard.slice(before).at(-1)?.text };
}

const whole =
  (body: object | string): Play =>
  (_heard, reply) => {
    reply.writeHead(200, { "content-type": "application/json" });
    reply.end(typeof body === "string" ? body : JSON.stringify(body));
  };

/** Each piece in a write of its own, and each write sent before the next. */
const stream =
  (...pieces: readonly string[]): Play =>
  async (_heard, reply: ServerResponse) => {
    reply.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces) {
      await new Promise<void>((resolve) => reply.write(piece, () => resolve()));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    reply.end();
  };

const completion = (message: object, finish_reason: string) => ({
  ...{ id: "x", object: "chat.completion", created: 1, model: "m" },
  choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason }],
  usage: { prompt_tokens: 5, completion_tokens: 2 },
});
const hello = whole(completion({ content: "hello" }, "stop"));
const hallo = whole({
  ...{ id: "m", type: "message", role: "assistant", model: "c", stop_reason: "end_turn" },
  ...{ content: [{ type: "text", text: "hello" }], usage: { input_tokens: 5, output_tokens: 2 } },
});
const event = (data: object | string) =>
  `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const chunk = (delta: object, finish_reason: string | null = null) =>
  event({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] });
const called = (index: number, part: object, id?: string) =>
  chunk({ tool_calls: [{ index, ...(id === undefined ? {} : { id, type: "function" }), function: part }] });
const typed = (type: string, rest: object) => `event: ${type}\n${event({ type, ...rest })}`;
const question = { role: "user", content: "q" };
const large = "12345678901234567890";

describe("numbers beyond a double", () => {
  test("are passed on as they came on the same wire", async () => {
    fake.plays = [hello];
    const { status, sent } = await ask(
      "chat",
      `{"model":"chat","seed":${large},"messages":[{"role":"user","content":"x"}]}`,
    );
    expect(status).toBe(200);
    expect(sent).toContain(`"seed":${large}`);
  });

  test("stay in a tool's input on its way to Anthropic's wire, and to OpenAI's", async () => {
    fake.plays = [hallo];
    const call = { id: "c", type: "function", function: { name: "f", arguments: `{"id":${large},"x":0.5}` } };
    const result = { role: "tool", tool_call_id: "c", content: "R" };
    const messages = [question, { role: "assistant", tool_calls: [call] }, result];
    const there = await ask("chat", { model: "messages", messages });
    expect([there.status, there.sent]).toEqual([
      200,
      expect.stringContaining(`"input":{"id":${large},"x":0.5}`),
    ]);
    fake.plays = [hello];
    const use = `{"type":"tool_use","id":"t","name":"f","input":{"id":${large}}}`;
    const rest = `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"R"}]}`;
    const back = await ask(
      "messages",
      `{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[${use}]},${rest}]}`,
    );
    expect(JSON.parse(back.sent ?? "{}").messages[1].tool_calls[0].function.arguments).toBe(
      `{"id":${large}}`,
    );
  });

  test("stay in an answer's calls, whole and streamed, in both directions", async () => {
    const tool_calls = [{ id: "A", type: "function", function: { name: "f", arguments: `{"id":${large}}` } }];
    fake.plays = [whole(completion({ tool_calls }, "tool_calls"))];
    const there = await ask("messages", { model: "chat", max_tokens: 9, messages: [question] });
    expect(there.text).toContain(`"input":{"id":${large}}`);
    const block = `{"type":"tool_use","id":"T","name":"f","input":{"id":${large}}}`;
    fake.plays = [
      whole(`{"type":"message","content":[${block}],"stop_reason":"tool_use","usage":{"input_tokens":5}}`),
      stream(
        typed("message_start", { message: { usage: { input_tokens: 5 } } }),
        `data: {"type":"content_block_start","index":0,"content_block":${block}}\n\n`,
        typed("content_block_stop", { index: 0 }),
        typed("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 5 } }),
        typed("message_stop", {}),
      ),
    ];
    const back = await ask("chat", { model: "messages", messages: [question] });
    expect(JSON.parse(back.text).choices[0].message.tool_calls[0].function.arguments).toBe(`{"id":${large}}`);
    const streamed = await ask("chat", { model: "messages", stream: true, messages: [question] });
    expect(streamed.text).toContain(`\\"id\\":${large}`);
  });
});

test("two ids of calls stay two on a wire that takes fewer characters", async () => {
  fake.plays = [hallo];
  const call = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } });
  const result = (id: string) => ({ role: "tool", tool_call_id: id, content: id });
  await ask("chat", {
    model: "messages",
    messages: [
      question,
      { role: "assistant", tool_calls: [call("c:1"), call("c_1")] },
      result("c:1"),
      result("c_1"),
    ],
  });
  const { messages } = JSON.parse(fake.heard.at(-1)?.text ?? "{}");
  const [, turn, results] = messages as { content: Record<string, unknown>[] }[];
  const ids = turn?.content.map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(ids?.[1]).toBe("c_1");
  expect(ids?.[0]).toMatch(/^[\w-]{1,64}$/);
  expect(results?.content.map(({ tool_use_id: id }) => id)).toEqual(ids);
});

describe("what a wire has no word for", () => {
  test("is refused by its name before anybody is asked", async () => {
    const check = async (wire: Wire, body: object, field: RegExp) => {
      const { status, text, sent } = await ask(wire, body);
      expect([status, text, sent]).toEqual([400, expect.stringMatching(field), undefined]);
    };
    const tool = { type: "function", name: "f", parameters: { type: "object" } };
    const chat = { model: "messages", messages: [question] };
    await check("responses", { model: "messages", input: "hi", tools: [tool] }, /tools\.0\.strict/);
    await check("chat", { ...chat, tool_choice: "required" }, /tool_choice/);
    await check(
      "chat",
      { ...chat, store: true },
      /store can only be passed on as false: give that, or leave/,
    );
    const messages = { model: "chat", max_tokens: 9, messages: [question] };
    await check("messages", { ...messages, service_tier: "standard_only" }, /service_tier/);
    await check("messages", { ...messages, tool_choice: { type: "any" } }, /tool_choice/);
    await check("responses", { model: "chat", input: "hi", tool_choice: "required" }, /tool_choice/);
    const call = { id: "c", type: "function", function: { name: "f", arguments: "[1]" } };
    const turns = [question, { role: "assistant", tool_calls: [call] }];
    await check(
      "chat",
      { ...chat, messages: [...turns, { role: "tool", tool_call_id: "c", content: "R" }] },
      /arguments are no JSON object/,
    );
  });

  test("is said where the default of the other wire is another", async () => {
    fake.plays = [hello];
    const tool = { type: "function", name: "f", parameters: { type: "object" } };
    const tools = [tool, { ...tool, name: "g", strict: false }];
    const { sent } = await ask("responses", { model: "chat", input: "hi", tools, tool_choice: "auto" });
    const written = JSON.parse(sent ?? "{}").tools as { function: { strict?: boolean } }[];
    expect(written.map(({ function: { strict } }) => strict)).toEqual([true, undefined]);
  });
});

describe("calls of tools in answers", () => {
  test("of the legacy form are calls, whole and streamed", async () => {
    const body = { model: "chat", max_tokens: 50, messages: [question] };
    const function_call = { name: "f", arguments: '{"a":1}' };
    fake.plays = [
      whole(completion({ function_call }, "function_call")),
      stream(
        chunk({ function_call: { name: "f", arguments: "" } }),
        chunk({ function_call: { arguments: '{"a":1}' } }),
        chunk({}, "function_call"),
      ),
    ];
    const { content, stop_reason } = JSON.parse((await ask("messages", body)).text);
    expect([stop_reason, content]).toEqual([
      "tool_use",
      [{ type: "tool_use", id: "call_0", name: "f", input: { a: 1 } }],
    ]);
    const { text } = await ask("messages", { ...body, stream: true });
    expect(text).toContain('"name":"f"');
    expect(text).toContain('"partial_json":"{\\"a\\":1}"');
  });

  test("that nobody can read fail loudly, and cross as they are on the same wire", async () => {
    const custom = completion(
      { tool_calls: [{ id: "A", type: "custom", custom: { name: "f" } }] },
      "tool_calls",
    );
    fake.plays = [whole(custom)];
    const body = { model: "chat", max_tokens: 50, messages: [question] };
    const { status, text } = await ask("messages", body);
    expect([status, text]).toEqual([400, expect.stringMatching(/without a name/)]);
    expect(JSON.parse((await ask("chat", body)).text)).toEqual(custom);
    fake.plays = [whole(completion({}, "tool_calls"))];
    expect(await ask("messages", body)).toMatchObject({ status: 400 });
  });

  test.each([
    ["alternate", [1, 2, 3, 4]],
    ["come one after the other", [1, 3, 2, 4]],
  ])("of several tools are whole where their parts %s", async (_how, order) => {
    const parts = [
      called(0, { name: "f", arguments: "" }, "A"),
      called(0, { arguments: '{"a":' }),
      called(1, { name: "g", arguments: '{"b"' }, "B"),
      called(0, { arguments: "1}" }),
      called(1, { arguments: ":2}" }),
    ];
    const [first = "", ...rest] = parts;
    fake.plays = [
      stream(first, ...order.map((place) => rest[place - 1] ?? ""), chunk({}, "tool_calls"), event("[DONE]")),
    ];
    const { status, text } = await ask("messages", {
      ...{ model: "chat", max_tokens: 50, stream: true, messages: [question] },
    });
    expect(status).toBe(200);
    const inputs = new Map<number, string>();
    const names: string[] = [];
    for (const [, json = ""] of text.matchAll(/^data: (.*)$/gm)) {
      const { type, index, content_block: block, delta } = JSON.parse(json);
      if (type === "content_block_start") names.push(`${block.id} ${block.name}`);
      if (delta?.type === "input_json_delta")
        inputs.set(index, (inputs.get(index) ?? "") + delta.partial_json);
    }
    expect([names, [...inputs.values()]]).toEqual([
      ["A f", "B g"],
      ['{"a":1}', '{"b":2}'],
    ]);
    expect(text).toContain('"stop_reason":"tool_use"');
  });

  test("of several tools that all have the index 0 are several", async () => {
    fake.plays = [
      stream(
        called(0, { name: "f", arguments: '{"a":1}' }, "A"),
        called(0, { name: "g", arguments: '{"b":2}' }, "B"),
        chunk({}, "stop"),
      ),
    ];
    const { text } = await ask("responses", { model: "chat", stream: true, input: "q" });
    const done = /^data: (.*response\.completed.*)$/m.exec(text)?.[1] ?? "{}";
    const output = JSON.parse(done).response.output as Record<string, unknown>[];
    expect(output.map(({ call_id: id, name, arguments: input }) => [id, name, input])).toEqual([
      ["A", "f", '{"a":1}'],
      ["B", "g", '{"b":2}'],
    ]);
  });
});

describe("a good answer is not said to have broken off", () => {
  const good: readonly (readonly [string, readonly string[]])[] = [
    [
      "lines end in CR",
      [`${event({ choices: [{ delta: { content: "hi" } }] })}${event("[DONE]")}`.replaceAll("\n", "\r")],
    ],
    [
      "JSON has blanks and there is no [DONE]",
      [chunk({ content: "hi" }), chunk({}, "stop").replace('"finish_reason":"', '"finish_reason" : "')],
    ],
    ["the last empty line is missing", [chunk({ content: "hi" }), chunk({}, "stop").trimEnd()]],
    ["only [DONE] ends it", [chunk({ content: "hi" }), "data: [DONE]\n"]],
  ];
  test.each(good)("where %s", async (_how, pieces) => {
    for (const wire of ["chat", "messages"] as const) {
      fake.plays = [stream(...pieces)];
      const body = { model: "chat", max_tokens: 50, stream: true, messages: [question] };
      const { status, text } = await ask(wire, body);
      expect([wire, status, text]).toEqual([wire, 200, expect.stringContaining('"hi"')]);
      expect(text).not.toMatch(/broke off|overloaded|error/);
    }
  });

  test("where the connection is lost behind it", async () => {
    for (const wire of ["chat", "messages"] as const) {
      fake.plays = [
        (_heard, reply) => {
          reply.writeHead(200, { "content-type": "text/event-stream" });
          reply.write(chunk({ content: "hi" }) + chunk({}, "stop"), () => reply.destroy());
        },
      ];
      const { text } = await ask(wire, { model: "chat", max_tokens: 50, stream: true, messages: [question] });
      expect(text).toContain('"hi"');
      expect(text).not.toMatch(/broke off|closed|error/);
    }
  });
});

test("usage is counted where its JSON has blanks", async () => {
  const token = rig.tokenFor({});
  fake.plays = [
    stream(
      chunk({ content: "hi" }),
      'data: {"choices":[],"usage" : {"prompt_tokens":500,"completion_tokens":400}}\n\n',
      chunk({}, "stop"),
    ),
  ];
  await ask(
    "chat",
    { model: "chat", stream: true, max_tokens: 500, messages: [question] },
    { authorization: `Bearer ${token}` },
  );
  expect(rig.spend(token)).toMatchObject({ tokens: 900, reserved: 0 });
});

describe("a provider's key", () => {
  const half = canary.length >> 1;
  const echoes: readonly (readonly [string, readonly string[]])[] = [
    ["in a comment", [`: ${canary}\n\n${chunk({ content: "hi" })}${chunk({}, "stop")}`]],
    ["in words", [chunk({ content: `your key is ${canary}` }), chunk({}, "stop")]],
    ["in base64", [chunk({ content: Buffer.from(`:${canary}:`).toString("base64") }), chunk({}, "stop")]],
    [
      "cut in two",
      [
        'data: {"choices":[{"delta":{"content":"',
        canary.slice(0, half),
        `${canary.slice(half)}"}}]}\n\n${chunk({}, "stop")}`,
      ],
    ],
  ];
  test.each(echoes)("is not heard that a stream echoes %s", async (_where, pieces) => {
    for (const wire of ["chat", "messages", "responses"] as const) {
      fake.plays = [stream(...pieces)];
      const body = {
        model: "chat",
        stream: true,
        ...(wire === "responses" ? { input: "q" } : { messages: [question], max_tokens: 50 }),
      };
      const { status, text } = await ask(wire, body);
      expect([wire, status]).toEqual([wire, 200]);
      expect(text).not.toContain(canary);
      expect(text).not.toContain(Buffer.from(canary).toString("base64").slice(2, 20));
      if (!pieces[0]?.startsWith(":")) expect(text).toContain("[secret]");
    }
  });

  test.each(["chat", "messages", "responses"] as const)(
    "is not heard that a model says over several events, nor that it is said as an input of a tool: %s",
    async (wire) => {
      const events = (size: number, event: (text: string) => string) =>
        `it is ${canary}, as it was asked`.match(new RegExp(`.{1,${size}}`, "g"))?.map(event) ?? [];
      const call = (text: string) => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] });
      const named = chunk({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "" } }] });
      const block = (type: string, rest: object) =>
        `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
      const said = (text: string) =>
        block("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
      const heads = [
        block("message_start", { message: { usage: { input_tokens: 5, output_tokens: 1 } } }),
        block("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      ];
      const ends = [
        block("content_block_stop", { index: 0 }),
        block("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 9 } }),
        block("message_stop", {}),
      ];
      const words = (text: string) => chunk({ content: text });
      const plays: readonly (readonly [string, readonly string[]])[] = [
        ["chat", [...events(3, words), chunk({}, "stop")]],
        // All in one piece, and the key at the very end.
        ["chat", [[...events(4, words).slice(0, 8), chunk({ content: canary.slice(26) }, "stop")].join("")]],
        ["chat", [named, ...events(5, call), chunk({}, "tool_calls")]],
        ["messages", [...heads, ...events(2, said), ...ends]],
      ];
      for (const [model, pieces] of plays) {
        fake.plays = [stream(...pieces)];
        const ask1 = wire === "responses" ? { input: "q" } : { messages: [question], max_tokens: 50 };
        const { status, text } = await ask(wire, { model, stream: true, ...ask1 });
        expect([wire, model, status]).toEqual([wire, model, 200]);
        const deltas = [
          ...text.matchAll(/"(?:content|text|arguments|partial_json|delta)":"((?:[^"\\]|\\.)*)"/g),
        ].map(([, each]) => each);
        expect(deltas.join("")).toMatch(/it is (sk)?\[secret\]/);
        expect(deltas.join("").replaceAll(/[^\w]/g, "")).not.toContain(canary.slice(4).replaceAll("-", ""));
        if (pieces.length > 1) expect(deltas.join("")).toMatch(/it is (sk)?\[secret\], as it was asked/);
      }
    },
  );

  test("is looked for in events that go on as they came where there is none", async () => {
    const events = (...words: readonly string[]) => words.map((content) => chunk({ content })).join("");
    const end = `${chunk({}, "stop")}data: [DONE]\n\n`;
    fake.plays = [stream(events("as k"), events("sk"), events("-can"), events("did. "), events("\n"), end)];
    const { text } = await ask("chat", { model: "chat", stream: true, messages: [question] });
    expect(text).toBe(events("as k", "sk", "-can", "did. ", "\n") + end);
  });

  test("is waited for no longer than words come", async () => {
    const said = ["it is sk", "-can"].map((content) => chunk({ content }));
    const end = `${chunk({}, "stop")}data: [DONE]\n\n`;
    const body = { model: "chat", stream: true, max_tokens: 9, messages: [question] };
    fake.plays = [stream(...said, end)];
    const { text } = await ask("chat", body);
    expect(text).toBe([...said, end].join(""));
    const { text: other } = await ask("messages", body);
    expect([...other.matchAll(/"text_delta","text":"([^"]*)"/g)].map(([, each]) => each)).toEqual([
      "it is sk",
      "-can",
    ]);
  });

  const input = (index: number, text: string) => called(index, { arguments: text });
  const tools = [
    called(0, { name: "f", arguments: "" }, "c0"),
    called(1, { name: "f", arguments: "" }, "c1"),
  ];
  const over = `${chunk({}, "tool_calls")}data: [DONE]\n\n`;
  const streamOf = (wire: Wire, model: string) => ({
    ...{ model, stream: true },
    ...(wire === "responses" ? { input: "q" } : { messages: [question], max_tokens: 50 }),
  });

  test("is no reason to alter inputs of tools whose parts alternate: what is held back of one is told in it", async () => {
    // The key's hexadecimal form begins with 736b, and so may a number.
    for (const start of ["1736", "173", "sk-c", "1 sk"]) {
      const parts = [
        ...[input(0, `{"to":"bob","amount":${start}`), input(1, '{"to":"eve","amount":9')],
        ...[input(0, "}"), input(1, "9}")],
      ];
      fake.plays = [stream(...tools, ...parts, over)];
      const { text } = await ask("chat", streamOf("chat", "chat"));
      expect(text).toBe([...tools, ...parts, over].join(""));
      for (const wire of ["messages", "responses"] as const) {
        fake.plays = [stream(...tools, ...parts, over)];
        const { text: other } = await ask(wire, streamOf(wire, "chat"));
        const deltas = [...other.matchAll(/"(?:partial_json|delta)":"((?:[^"\\]|\\.)*)"/g)].map(
          ([, each = ""]) => each.replaceAll("\\", ""),
        );
        expect(deltas.join("")).toBe(`{"to":"bob","amount":${start}}{"to":"eve","amount":99}`);
      }
    }
  });

  test("is found where it is said in two inputs at once, each in its own", async () => {
    const parts = canary.match(/.{1,4}/g) ?? [];
    const turns = parts.flatMap((part) => [input(0, part), input(1, part)]);
    fake.plays = [
      stream(...tools, input(0, "<"), input(1, "<"), ...turns, input(0, ">"), input(1, ">"), over),
    ];
    const { text } = await ask("chat", streamOf("chat", "chat"));
    const deltas = [...text.matchAll(/"index":([01]),"function":\{"arguments":"([^"]*)"/g)];
    for (const index of ["0", "1"])
      expect(
        deltas
          .filter(([, which]) => which === index)
          .map(([, , part]) => part)
          .join(""),
      ).toMatch(/^<(sk)?\[secret\]>$/);
  });

  const letter = (at: number) => `\\u00${canary.charCodeAt(at).toString(16)}`;
  const one = `${letter(0)}${canary.slice(1)}`;
  const every = Array.from(canary, (_, at) => letter(at)).join("");
  /** JSON within JSON: its backslashes are doubled. */
  const twice = every.replaceAll("\\", "\\\\");
  /** All that a caller's parser can make of it. */
  const readable = (text: string): string =>
    text.replaceAll(/\\+u00([0-9a-f]{2})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );

  test("is not heard that JSON writes with escapes, in a whole answer", async () => {
    const body = (content: string, id: string, name: string, input: string) =>
      `{"id":"${id}","choices":[{"index":0,"message":{"content":"k ${content}","tool_calls":[{"id":"${id}","type":"function","function":{"name":"${name}","arguments":"{\\"k\\":\\"${input}\\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":5}}`;
    const theirs = (text: string) =>
      `{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"k ${text}"},{"type":"tool_use","id":"${text}","name":"f","input":{"k":"${text}"}}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}`;
    const answers = [
      ...[one, every].map((each) => ["chat", body(each, each, each, each)] as const),
      ["chat", body("", "c", "f", twice)] as const,
      ...[one, every].map((each) => ["messages", theirs(each)] as const),
    ];
    for (const [model, answer] of answers)
      for (const wire of ["chat", "messages", "responses"] as const) {
        if (wire === "responses" && model === "messages") continue;
        fake.plays = [whole(answer)];
        const { status, text } = await ask(wire, { ...streamOf(wire, model), stream: false });
        expect([wire, model, status]).toEqual([wire, model, 200]);
        expect(() => JSON.parse(text) as unknown).not.toThrow();
        expect(readable(text)).not.toContain(canary);
        expect(text).toContain("[secret]");
      }
  });

  test("is not heard that JSON writes with escapes, in one event or letter by letter, nor in a name or an id", async () => {
    const raw = (delta: string) =>
      `data: {"id":"c","choices":[{"index":0,"delta":${delta},"finish_reason":null}]}\n\n`;
    const content = (text: string) => raw(`{"content":"${text}"}`);
    const letters = Array.from(canary, (_, at) => letter(at));
    const [first = "", ...more] = canary.match(/.{1,5}/g) ?? [];
    const plays: readonly (readonly string[])[] = [
      [content(one)],
      [content(every)],
      letters.map(content),
      letters.map((each) =>
        input(0, "").replace('"arguments":""', `"arguments":"${each.replace("\\", "\\\\")}"`),
      ),
      [raw(`{"tool_calls":[{"index":0,"id":"${one}","function":{"name":"${one}","arguments":"{}"}}]}`)],
      [called(0, { name: first, arguments: "" }, "c"), ...more.map((name) => called(0, { name }))],
      [first, ...more].map((id) =>
        event({ id, choices: [{ index: 0, delta: { content: "-" }, finish_reason: null }] }),
      ),
      [first, ...more].map((title) =>
        chunk({ content: "", annotations: [{ type: "url_citation", url_citation: { title } }] }),
      ),
    ];
    for (const [place, pieces] of plays.entries())
      for (const wire of ["chat", "messages", "responses"] as const) {
        const isCalled = place === 3;
        fake.plays = [stream(...(isCalled ? tools.slice(0, 1) : []), ...pieces, over)];
        const { status, text } = await ask(wire, streamOf(wire, "chat"));
        // Whoever names a tool, or an end by tools, and calls none, is not understood across wires.
        if (wire === "chat") expect([place, status]).toEqual([place, 200]);
        const said = new Map<string, string>();
        const walk = (value: unknown, path: string) => {
          if (typeof value === "string") said.set(path, (said.get(path) ?? "") + value);
          else if (typeof value === "object" && value !== null)
            for (const [name, each] of Object.entries(value)) walk(each, `${path}.${name}`);
        };
        for (const line of text.split("\n"))
          if (line.startsWith("data: {")) walk(JSON.parse(line.slice(6)), "");
        for (const [path, each] of said)
          expect([path, readable(each)]).not.toEqual([path, expect.stringContaining(canary)]);
        expect([place, wire, readable(text)]).not.toEqual([place, wire, expect.stringContaining(canary)]);
      }
  });

  test("is no reason to lose the end of an input behind which words come", async () => {
    const tool = { type: "tool_use", id: "t", name: "f", input: {} };
    fake.plays = [
      stream(
        typed("message_start", { message: { usage: { input_tokens: 5, output_tokens: 1 } } }),
        typed("content_block_start", { index: 0, content_block: tool }),
        typed("content_block_delta", {
          index: 0,
          delta: { type: "input_json_delta", partial_json: "{ sk-c" },
        }),
        typed("content_block_delta", { index: 1, delta: { type: "text_delta", text: "so" } }),
        typed("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } }),
        typed("message_stop", {}),
      ),
    ];
    const { text } = await ask("responses", streamOf("responses", "messages"));
    expect(text).toContain('"arguments":"{ sk-c"');
  });

  test("is looked for no further than words go on: other texts do not wait for it for ever", async () => {
    const said = Array.from({ length: 40 }, (_, at) => input(0, String(at)));
    let seen = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    fake.plays = [
      async (_heard, reply) => {
        reply.writeHead(200, { "content-type": "text/event-stream" });
        reply.write([chunk({ content: "it is a risk sk-c" }), ...tools, ...said].join(""));
        await held;
        reply.end(over);
      },
    ];
    const reply = await fetch(`${rig.url}${paths.chat}`, {
      method: "POST",
      headers: { authorization: `Bearer ${rig.token}` },
      body: JSON.stringify(streamOf("chat", "chat")),
    });
    const decoder = new TextDecoder();
    let text = "";
    for await (const part of reply.body ?? []) {
      text += decoder.decode(part);
      seen += 1;
      if (text.includes(said.at(-1) ?? "?")) release();
    }
    expect(seen).toBeGreaterThan(0);
    expect(text).toBe([chunk({ content: "it is a risk sk-c" }), ...tools, ...said, over].join(""));
  });

  test("is looked for without holding on to a stream that its caller leaves", async () => {
    fake.plays = [
      (_heard, reply) => {
        reply.writeHead(200, { "content-type": "text/event-stream" });
        reply.write(`${chunk({ content: "hi" })}data: ${canary.slice(0, half)}`);
      },
    ];
    const stop = new AbortController();
    const reply = await fetch(`${rig.url}${paths.chat}`, {
      method: "POST",
      headers: { authorization: `Bearer ${rig.token}` },
      body: JSON.stringify({ model: "chat", stream: true, messages: [question] }),
      signal: stop.signal,
    });
    const first = await reply.body?.getReader().read();
    expect(Buffer.from(first?.value ?? []).toString()).toContain('"hi"');
    stop.abort();
    expect(await fake.heard.at(-1)?.closed).toBe("cut");
    await until(() => rig.leases() === 0);
  });

  test("is not heard that a whole answer echoes", async () => {
    fake.plays = [whole(completion({ content: `it is ${canary}` }, "stop"))];
    for (const wire of ["chat", "messages"] as const) {
      const { text } = await ask(wire, { model: "chat", max_tokens: 50, messages: [question] });
      expect(text).toContain("it is [secret]");
      expect(text).not.toContain(canary);
    }
  });
});

describe("what one caller's own fields provoke is for that caller", () => {
  const echo = "Invalid value: 'insufficient funds'. Supported values are: 'text'.";
  test("a 400 that repeats its words closes nothing", async () => {
    const body = { model: "chat", messages: [question] };
    fake.plays = [
      refuse(400, { error: { message: echo, type: "invalid_request_error", code: "invalid_value" } }),
      hello,
    ];
    const refused = await ask("chat", { ...body, response_format: { type: "insufficient funds" } });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("insufficient funds")]);
    expect(await ask("chat", body)).toMatchObject({ status: 200 });
    expect(rig.capacity.closures().size).toBe(0);
  });

  test("a 403 for a beta is a 403, and others go on", async () => {
    const body = { model: "messages", max_tokens: 9, messages: [question] };
    const error = { type: "permission_error", message: `no access to beta x for ${canary}` };
    fake.plays = [hallo, refuse(403, { type: "error", error }), hallo];
    expect(await ask("messages", body)).toMatchObject({ status: 200 });
    const refused = await ask("messages", body, { "anthropic-beta": "x" });
    expect([refused.status, JSON.parse(refused.text).error]).toEqual([
      403,
      { type: "permission_error", message: expect.stringMatching(/no access to beta x for \[secret\]/) },
    ]);
    expect(await ask("messages", body)).toMatchObject({ status: 200 });
    expect(rig.capacity.closures().size).toBe(0);
  });
});
