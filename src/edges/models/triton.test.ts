import fc from "fast-check";
import { expect, test } from "vitest";
import type { Reply } from "../../domain/reply.ts";
import { caseNow, casePrompt, caseText } from "../../ports/model.case.ts";
import { readScenario, type ScenarioAction } from "../simulator/scenario.ts";
import { startSimulator } from "../simulator/server.ts";
import { roughSize } from "../tokens.ts";
import { flatten, tritonModel } from "./triton.ts";
import {
  answerEither,
  answerGolden,
  askBothWays,
  canary,
  isStreamed,
  type Respond,
  serveWire,
  caseSettings as settings,
} from "./wires.case.ts";

const calm = () => AbortSignal.timeout(20_000);
const ways = [undefined, () => undefined];

/** The same question both ways: whole, then streamed. */
const replies = (respond: Respond, prompt = casePrompt) =>
  askBothWays((url) => tritonModel(settings(url)), respond, prompt);

/** One JSON answer, or one event of it. */
const outputs =
  (...all: readonly unknown[]): Respond =>
  (request, response) => {
    const events = all.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
    response.writeHead(200, {
      "content-type": isStreamed(request) ? "text/event-stream" : "application/json",
    });
    response.end(isStreamed(request) ? events : JSON.stringify(all[0]));
  };

const asked =
  "Role: coder\nAnswer briefly.\n\n### User:\nfirst question\n\n### Assistant:\nfirst answer\n\n### User:\nsay hello\n\n### Assistant:\n";

test("sends the conversation as one text with its turns marked", async () => {
  await using server = await serveWire(answerEither("triton", "said"));
  const ask = (base: string, name: string, onText?: () => void) =>
    tritonModel(settings(base, { name })).ask(casePrompt, calm(), onText);
  await ask(server.url, "case-model");
  await ask(`${server.url}/v2`, "case-model", () => undefined);
  await ask(server.url, "a b/versions/2");
  const [request, streamed, versioned] = server.received;
  expect(request).toMatchObject({ method: "POST", path: "/v2/models/case-model/generate" });
  expect(request?.headers.authorization).toBe(`Bearer ${canary}`);
  expect(request?.body).toEqual({
    text_input: asked,
    parameters: { stream: false, temperature: 0.2, max_tokens: 64 },
  });
  expect(streamed?.path).toBe("/v2/models/case-model/generate_stream");
  expect(streamed?.body.parameters).toMatchObject({ stream: true });
  expect(versioned?.path).toBe("/v2/models/a%20b/versions/2/generate");
});

test("counts by itself: the text that was sent and the text that came", async () => {
  for (const { usage } of await replies(answerEither("triton", "said")))
    expect(usage).toEqual({ input: roughSize(asked), cachedInput: 0, output: roughSize(caseText) });
});

test("a prompt that is repeated is no part of the answer, nor is a turn that the model makes up", async () => {
  for (const name of ["echo", "turn"])
    for (const reply of await replies(answerEither("triton", name)))
      expect(reply).toMatchObject({ kind: "said", text: caseText, usage: { output: roughSize(caseText) } });
});

test("only the whole prompt is taken off, once, and what looks like a turn's begin stays", async () => {
  const check = async (given: string, text: string) => {
    for (const reply of await replies(outputs({ text_output: given })))
      expect(reply).toMatchObject({ kind: "said", text });
  };
  await check(`${asked}${asked}`, asked.slice(0, asked.indexOf("\n### User:\n")));
  await check("Role: coder", "Role: coder");
  await check("Role: coder\nsays: x", "Role: coder\nsays: x");
  await check("", "");
  await check("a\n### Us", "a\n### Us");
  await check("a ### User:\nb", "a ### User:\nb");
});

test("the same text, however it is cut into pieces", async () => {
  const texts = ["a\n### User:\nb", `${asked}yes`, "\n\n### Use", "### User:\n", `${asked.slice(0, 50)}?`];
  const expected = (given: string) => {
    const own = given.startsWith(asked) ? given.slice(asked.length) : given;
    return own.split("\n### User:\n")[0];
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...texts),
      fc.array(fc.nat({ max: 120 }), { maxLength: 5 }),
      async (given, cuts) => {
        const places = [0, ...cuts.map((cut) => Math.min(cut, given.length)), given.length].toSorted(
          (left, right) => left - right,
        );
        const pieces = places.slice(1).map((end, index) => given.slice(places[index], end));
        await using server = await serveWire(outputs(...pieces.map((text_output) => ({ text_output }))));
        const shown: string[] = [];
        const reply = await tritonModel(settings(server.url)).ask(casePrompt, calm(), (text) => {
          shown.push(text);
        });
        expect(reply).toMatchObject({ kind: "said", text: expected(given) });
        expect(shown.at(-1) ?? "").toBe(expected(given));
      },
    ),
    { numRuns: 40 },
  );
});

test("an answer of about its bound is cut, unless the server says how it ended", async () => {
  const check = async (said: object, finish: string) => {
    for (const reply of await replies(outputs(said), { ...casePrompt, outputTokensMax: 100 }))
      expect(reply).toMatchObject({ kind: "said", finish });
  };
  await check({ text_output: "word ".repeat(70) }, "stop");
  await check({ text_output: "word ".repeat(73) }, "length");
  await check({ text_output: "word ".repeat(73), finish_reason: "stop" }, "stop");
  await check({ text_output: "word", finish_reason: "length" }, "length");
  await check({ text_output: "word", finish_reason: 7 }, "stop");
});

test("an error may follow a 200: a fault, with what came until then counted", async () => {
  await using server = await serveWire(answerGolden("triton/error-stream.http"));
  const reply = await tritonModel(settings(server.url)).ask(casePrompt, calm(), () => undefined);
  expect(reply).toMatchObject({
    kind: "failed",
    fault: { kind: "capacity", why: "an error inside the answer: Exceeds maximum queue size" },
    usage: { input: roughSize(asked), output: roughSize("Grüße, ") },
    headers: { "x-request-id": "case-1" },
  });
});

test("an error in place of an answer is a fault that cost nothing", async () => {
  for (const reply of [
    ...(await replies(outputs({ error: "in ensemble 'e', out of memory" }))),
    ...(await replies(answerGolden("triton/capacity.http"))),
  ])
    expect(reply).toMatchObject({
      kind: "failed",
      fault: { kind: "capacity" },
      usage: { input: 0, output: 0 },
    });
  const long = { error: "The decoder prompt (length 5000) is longer than the maximum model length of 4096." };
  for (const reply of await replies(outputs(long)))
    expect(reply).toMatchObject({ kind: "failed", fault: { kind: "too-large" } });
});

test("logits beside the text do no harm, and have the bound of any answer", async () => {
  const logits = Array.from({ length: 300_000 }, (_, index) => index / 7);
  for (const reply of await replies(outputs({ context_logits: [logits], text_output: "yes" })))
    expect(reply).toMatchObject({ kind: "said", text: "yes" });
  for (const onText of ways) {
    await using server = await serveWire(outputs({ context_logits: [logits], text_output: "yes" }));
    const model = tritonModel(settings(server.url, { answerBytesMax: 1_000_000 }));
    expect(await model.ask(casePrompt, calm(), onText)).toMatchObject({
      kind: "failed",
      fault: { kind: "request", why: expect.stringContaining("larger than 1000000 bytes") },
    });
  }
});

/** Asks our own simulator, which speaks this wire as another author read it. */
async function simulated(action: ScenarioAction, onText?: () => void): Promise<Reply> {
  const read = readScenario(JSON.stringify({ models: { "case-model": "median" }, rules: [{ do: action }] }));
  if (read.kind === "refused") throw new Error(read.why);
  const clock = { now: () => caseNow, sleep: () => Promise.resolve() };
  const simulator = await startSimulator({ scenario: read.scenario, clock, tokensPerSecond: 1000 });
  try {
    return await tritonModel(settings(simulator.url)).ask(casePrompt, calm(), onText);
  } finally {
    await simulator.close();
  }
}

test.each(ways)("the simulator is understood, with and without an end (%#)", async (onText) => {
  expect(await simulated({ kind: "say", text: caseText, finish: "stop" }, onText)).toMatchObject({
    ...{ kind: "said", text: caseText, finish: "stop" },
    usage: { input: roughSize(asked), cachedInput: 0, output: roughSize(caseText) },
  });
  const check = async (action: ScenarioAction, kind: string) =>
    expect([action, await simulated(action, onText)]).toMatchObject([action, { fault: { kind } }]);
  await check({ kind: "fault", fault: "overloaded" }, "capacity");
  await check({ kind: "fault", fault: "too-large" }, "too-large");
  await check({ kind: "fault", fault: "unauthorized" }, "auth");
  await check({ kind: "cut", afterCharacters: 20 }, "capacity");
});

test("the marks are of one kind, and the last is the model's", () => {
  expect(flatten(casePrompt)).toBe(asked);
});
