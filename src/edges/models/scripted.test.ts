import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { BlobHash } from "../../domain/id.ts";
import {
  caseNow,
  casePrompt,
  caseText,
  caseUsage,
  modelCases,
  type OpenedCase,
  type Scenario,
} from "../../ports/model.case.ts";
import type { Message, Model, ModelRole, Prompt } from "../../ports/model.ts";
import { scriptedModel } from "./scripted.ts";
import { parseTranscript } from "./transcript.ts";

function scripted(file: unknown, given: readonly BlobHash[] = []): Model {
  const parsed = parseTranscript(JSON.stringify(file), "demo.json");
  if (parsed.kind === "refused") throw new Error(parsed.why);
  const { transcript } = parsed;
  return scriptedModel({
    provider: "demo",
    name: "script",
    price: undefined,
    transcript,
    given,
    now: () => caseNow,
  });
}

const calm = () => new AbortController().signal;
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex") as BlobHash;
const prompt = (question: string, before: readonly Message[] = [], role: ModelRole = "coder"): Prompt => ({
  ...casePrompt,
  role,
  messages: [...before, { from: "user", text: question }],
});
const say = async (model: Model, asked: Prompt | string) => {
  const reply = await model.ask(typeof asked === "string" ? prompt(asked) : asked, calm());
  return reply.kind === "said" ? reply.text : `${reply.fault.kind}: ${reply.fault.why}`;
};

const faultFields = { throttle: { retryAfterMs: 7000 }, window: { resetAfterMs: 9_000_000 } } as const;

modelCases("the scripted model", async (scenario) => opened(scenario), {
  headers: "nothing travels, so there are none",
  refused: undefined,
  lying: "a file with impossible usage is refused when it is read",
  usage: undefined,
});

function opened(scenario: Scenario): OpenedCase {
  const inner = scripted({ answers: [answerFor(scenario)] });
  let requests = 0;
  const asked = Promise.withResolvers<void>();
  const model: Model = {
    ...inner,
    ask: async (question, signal, onText) => {
      const reply = inner.ask(question, signal, onText);
      if (!signal.aborted) requests++;
      asked.resolve();
      return await reply;
    },
  };
  const dispose = async () => undefined;
  return {
    model,
    requests: () => requests,
    asked: asked.promise,
    closed: asked.promise,
    [Symbol.asyncDispose]: dispose,
  };
}

function answerFor(scenario: Scenario): unknown {
  switch (scenario.kind) {
    case "said":
      return { text: caseText, finish: scenario.finish, usage: caseUsage };
    case "fault":
      return {
        fault: {
          kind: scenario.fault,
          why: "as the script says",
          ...faultFields[scenario.fault as "throttle"],
        },
      };
    case "hang":
      return { text: caseText, delayMs: 600_000 };
    case "lying":
      throw new Error("declared as a gap");
  }
}

test("plays in order, each answer once, then says that nothing is left and what was asked", async () => {
  const model = scripted({ answers: [{ text: "one" }, { text: "two" }] });
  expect(await say(model, "a")).toBe("one");
  expect(await say(model, "a")).toBe("two");
  expect(await say(model, "make\nadd")).toBe(
    "request: the script has no answer left (all 2 are used up): add some to it",
  );
});

test("where no answer fits, the question's first words are told, whole", async () => {
  const model = scripted({ answers: [{ when: "red", text: "one" }] });
  expect(await say(model, `make ${"an addition ".repeat(20)}`)).toBe(
    `request: no answer of the script fits the question (coder) that begins "make ${"an addition ".repeat(4)}an…"`,
  );
});

test("`when` and `role` pick the first unspent answer that fits the newest user message", async () => {
  const model = scripted({
    answers: [
      { when: ["red", "test_add"], text: "repair" },
      { role: "planner", text: "plan" },
      { when: "draft", text: "draft" },
      { text: "anything" },
    ],
  });
  expect(await say(model, prompt("test_add is green", [{ from: "user", text: "red" }]))).toBe("anything");
  expect(await say(model, prompt("draft it", [], "planner"))).toBe("plan");
  expect(await say(model, "draft it")).toBe("draft");
  expect(await say(model, "test_add is red")).toBe("repair");
  expect(await say(model, "test_add is red")).toMatch(/^request: /);
});

test("goes on where the conversation stands, without any memory", async () => {
  const file = { answers: [{ text: "one" }, { text: "same" }, { text: "same" }, { text: "four" }] };
  const conversation: Message[] = [];
  for (const expected of ["one", "same", "same", "four"]) {
    const asked = prompt("next?", conversation);
    expect(await say(scripted(file), asked), "a new process each time").toBe(expected);
    conversation.push({ from: "user", text: "next?" }, { from: "model", text: expected });
  }
});

test("the newest answer in a conversation is enough, and other questions keep their place", async () => {
  const file = {
    answers: [
      { text: "draft" },
      { when: "other", text: "for another" },
      { text: "repair" },
      { text: "fresh" },
    ],
  };
  const shortened: Message[] = [
    { from: "user", text: "a" },
    { from: "model", text: "[elided]" },
    { from: "user", text: "b" },
    { from: "model", text: "repair" },
  ];
  const model = scripted(file);
  expect(await say(model, prompt("c", shortened))).toBe("fresh");
  expect(await say(model, "the other one")).toBe("for another");
});

test("settled answers count whatever their order, and equal texts are told apart by number", async () => {
  const file = { answers: [{ text: "same" }, { text: "x" }, { text: "same" }, { text: "last" }] };
  const [same, x] = [hashOf("same"), hashOf("x")];
  expect(await say(scripted(file, [x, same]), "q")).toBe("same");
  expect(await say(scripted(file, [same, x]), "q")).toBe("same");
  expect(await say(scripted(file, [same, x, same]), "q")).toBe("last");
  expect(await say(scripted(file, [same, same]), "q")).toBe("last");
});

test("counts an answer once, whether memory, conversation or both know it", async () => {
  const model = scripted({ answers: [{ text: "same" }, { text: "same" }, { text: "last" }] });
  const told: Message[] = [
    { from: "user", text: "a" },
    { from: "model", text: "same" },
  ];
  expect(await say(model, "a")).toBe("same");
  expect(await say(model, prompt("b", told))).toBe("same");
  expect(await say(model, prompt("c", told))).toBe("last");
});

test("goes on after what the log has settled; a lost call gets its answer again, a fault before it does not", async () => {
  const file = {
    answers: [
      { text: "draft" },
      { fault: { kind: "capacity", why: "busy" } },
      { text: "repair" },
      { text: "fresh" },
    ],
  };
  const first = scripted(file);
  expect(await say(first, "q1")).toBe("draft");
  expect(await say(first, "q2")).toBe("capacity: busy");
  expect(await say(first, "q2")).toBe("repair");
  expect(await say(first, "q3"), "in flight when the process dies").toBe("fresh");
  const second = scripted(file, [hashOf("repair"), hashOf("draft"), hashOf("of another provider")]);
  expect(await say(second, "q3")).toBe("fresh");
});

test("an aborted answer is not spent", async () => {
  const model = scripted({ answers: [{ text: "slow", delayMs: 50 }] });
  const abort = new AbortController();
  const asked = model.ask(prompt("a"), abort.signal);
  abort.abort("enough");
  await expect(asked).rejects.toBe("enough");
  expect(await say(model, "a")).toBe("slow");
});

test("sizes what the script does not, the same each time", async () => {
  const reply = await scripted({ answers: [{ text: "12345678" }] }).ask(prompt("1234"), calm());
  expect(reply.usage).toEqual({
    input: Math.ceil(casePrompt.system.length / 4) + 1,
    cachedInput: 0,
    output: 2,
  });
});

test("a bad file is one line with the place", () => {
  const check = (text: string, why: string | RegExp) => {
    const parsed = parseTranscript(text, "demo.json");
    expect(parsed.kind === "refused" && parsed.why).toMatch(why);
    expect(parsed.kind === "refused" && parsed.why).not.toContain("\n");
  };
  check("{", /^demo\.json is not JSON: /);
  check("[]", /^demo\.json: the file: /);
  check('{"answers":[]}', /^demo\.json: answers: /);
  check('{"answers":[{"text":"a"},{"txt":"b"}]}', /^demo\.json: answers\[1\]: .*txt/);
  check(
    '{"answers":[{"text":"a","fault":{"kind":"auth","why":"x"}}]}',
    "answers[0]: has either text or fault",
  );
  check('{"answers":[{"text":"a","finish":"end"}]}', /answers\[0\]\.finish/);
  check('{"answers":[{"fault":{"kind":"nope","why":"x"}}]}', /answers\[0\]\.fault: a fault is/);
  check(
    '{"answers":[{"text":"a","usage":{"input":1,"cachedInput":2,"output":1}}]}',
    /cachedInput is contained/,
  );
});

test("the example of docs/scripted.md is played as it says", async () => {
  const page = readFileSync(new URL("../../../docs/scripted.md", import.meta.url), "utf8");
  const [, example = ""] = /```json\n(.*?)\n```\n/s.exec(page) ?? [];
  const parsed = parseTranscript(example, "the example");
  expect(parsed).toMatchObject({ kind: "parsed", transcript: { answers: { length: 3 } } });
  const model = scripted(JSON.parse(example));
  expect(await say(model, "a goal")).toMatch(/^I will add it\./);
  expect(await say(model, "a goal")).toBe("throttle: too many requests");
  expect(await say(model, "test_double: assert 6 == 4")).toMatch(/^It has to be twice/);
  const shorter = [...page.matchAll(/```json\n(\{ "role".*)\n```\n/g)].map(([, answer = ""]) => answer);
  const roles = parseTranscript(`{"answers":[${shorter.join(",")}]}`, "the shorter ones");
  if (roles.kind !== "parsed") throw new Error("the shorter ones are no transcript");
  const [planner, writer] = roles.transcript.answers.map((answer) => ("text" in answer ? answer.text : ""));
  expect(JSON.parse(/```json\n(.*)\n```/s.exec(planner ?? "")?.[1] ?? "")).toMatchObject({
    beads: [{ name: "price" }],
  });
  expect(writer).toMatch(/^test_calc\.py\n```python\n/);
});
