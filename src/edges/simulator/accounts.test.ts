/** Limits that hold, over HTTP: what is refused, what is told of it, and the faults of accounts. */
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import { faultOf } from "../models/faults.ts";
import { readingsOf } from "../models/readings.ts";
import { readScenario } from "./scenario.ts";
import { type Simulator, startSimulator } from "./server.ts";

const begin = Date.UTC(2026, 0, 2, 3, 4, 5);
const open: Simulator[] = [];
afterEach(async () => {
  for (const simulator of open.splice(0)) await simulator.close();
});

/** Time passes when the test says so; what waits for it is rung then. */
class HandClock {
  #now = begin;
  readonly #sleepers = new Set<{ readonly at: number; readonly ring: () => void }>();
  now(): number {
    return this.#now;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.#now + ms, ring: resolve };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }
  pass(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleepers)
      if (sleeper.at <= this.#now && this.#sleepers.delete(sleeper)) sleeper.ring();
  }
}

async function start(file: object, tokensPerSecond = 0) {
  const read = readScenario(JSON.stringify(file));
  if (read.kind === "refused") throw new Error(read.why);
  const clock = new HandClock();
  const simulator = await startSimulator({ clock, scenario: read.scenario, tokensPerSecond });
  open.push(simulator);
  return { simulator, clock };
}

const accounts = (limits: object, more: object = {}) => ({ accounts: [{ limits, ...more }] });
const messages = [{ role: "user", content: "Hello there" }];

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function post({ url }: Simulator, path: string, body: object, headers: object): Promise<Told> {
  const reply = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}

const wires = {
  openai: (simulator: Simulator, key = "one", body: object = {}) =>
    post(
      simulator,
      "/v1/chat/completions",
      { model: "perfect", messages, max_tokens: 600, ...body },
      { authorization: `Bearer ${key}` },
    ),
  anthropic: (simulator: Simulator, key = "one", body: object = {}) =>
    post(
      simulator,
      "/v1/messages",
      { model: "perfect", max_tokens: 600, messages, ...body },
      { "x-api-key": key, "anthropic-version": "2023-06-01" },
    ),
  gemini: (simulator: Simulator, key = "one", body: object = {}) =>
    post(
      simulator,
      "/v1beta/models/perfect:generateContent",
      { contents: [{ parts: [{ text: "Hello there" }] }], ...body },
      { "x-goog-api-key": key },
    ),
  ollama: (simulator: Simulator) =>
    post(simulator, "/api/chat", { model: "perfect", messages, stream: false }, {}),
  triton: (simulator: Simulator) =>
    post(simulator, "/v2/models/perfect/generate", { text_input: "Hello there" }, {}),
};

const limitsIn = ({ headers }: Told): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => /ratelimit|x-codex|retry-after|^date$/.test(name)));

/** One answer in the wire's own words. */
const errorIn = ({ text }: Told) => JSON.parse(text).error as Record<string, unknown>;

test("Anthropic: headers of a key, a refusal with a true hint, then room again; each key for itself", async () => {
  const { simulator, clock } = await start(
    accounts({
      counting: "anthropic",
      rpm: 60,
      itpm: 80_000,
      otpm: 16_000,
      burstPart: 1 / 60,
      roundTo: 1_000,
    }),
  );
  const first = await wires.anthropic(simulator);
  expect([first.status, limitsIn(first)]).toEqual([
    200,
    expect.objectContaining({
      "anthropic-ratelimit-requests-limit": "60",
      "anthropic-ratelimit-requests-remaining": "59",
      "anthropic-ratelimit-input-tokens-limit": "80000",
      "anthropic-ratelimit-input-tokens-remaining": "80000",
      "anthropic-ratelimit-output-tokens-limit": "16000",
      "anthropic-ratelimit-tokens-limit": "96000",
      "anthropic-ratelimit-requests-reset": "2026-01-02T03:04:06Z",
    }),
  ]);
  const second = await wires.anthropic(simulator);
  expect([second.status, errorIn(second), second.headers.get("retry-after")]).toEqual([
    429,
    { type: "rate_limit_error", message: expect.stringContaining("rate limit of 60 requests per minute") },
    "1",
  ]);
  expect((await wires.anthropic(simulator, "two")).status, "another key").toBe(200);
  clock.pass(1_000);
  expect((await wires.anthropic(simulator)).status).toBe(200);
  expect(readingsOf(Object.fromEntries(second.headers), clock.now()).map(({ kind }) => kind)).toContain(
    "rate",
  );
});

test("OpenAI: the bound is charged at admission, the refusal names limit, use and wait", async () => {
  const { simulator, clock } = await start(
    accounts({ counting: "openai", rpm: 600, tpm: 60_000, burstPart: 1 / 60 }),
  );
  const first = await wires.openai(simulator);
  expect([first.status, limitsIn(first)]).toEqual([
    200,
    expect.objectContaining({
      "x-ratelimit-limit-tokens": "60000",
      "x-ratelimit-remaining-tokens": "59400",
      "x-ratelimit-reset-tokens": "600ms",
      "x-ratelimit-remaining-requests": "599",
    }),
  ]);
  const second = await wires.openai(simulator);
  expect([second.status, errorIn(second)]).toEqual([
    429,
    {
      message:
        "Rate limit reached for perfect on tokens per min (TPM): Limit 60000, Used 600, Requested 600. Please try again in 200ms.",
      ...{ type: "tokens", code: "rate_limit_exceeded", param: null },
    },
  ]);
  expect([second.headers.get("retry-after-ms"), second.headers.get("retry-after")]).toEqual(["200", "1"]);
  clock.pass(200);
  expect((await wires.openai(simulator)).status).toBe(200);
  const client = new OpenAI({ baseURL: `${simulator.url}/v1`, apiKey: "one", maxRetries: 0 });
  const ask = { model: "perfect", input: "Hello", max_output_tokens: 900 };
  await expect(client.responses.create(ask)).rejects.toMatchObject({
    status: 429,
    code: "rate_limit_exceeded",
  });
});

test("Gemini: no header at all, the refusal's body names the quota and the wait; a day ends by itself", async () => {
  const { simulator, clock } = await start(
    accounts({ counting: "gemini", rpm: 60, rpd: 2, burstPart: 1 / 60 }),
  );
  const check = async (status: number, quotaId: string | undefined, retryDelay?: unknown) => {
    const told = await wires.gemini(simulator);
    expect([told.status, Object.keys(limitsIn(told))]).toEqual([status, ["date"]]);
    if (quotaId === undefined) return;
    const details = errorIn(told).details as { violations?: { quotaId: string }[]; retryDelay?: string }[];
    expect(details[0]?.violations?.[0]?.quotaId).toBe(quotaId);
    expect(details.find((each) => each.retryDelay !== undefined)?.retryDelay).toEqual(retryDelay);
  };
  await check(200, undefined);
  await check(429, "GenerateRequestsPerMinutePerProjectPerModel", "1s");
  clock.pass(1_000);
  await check(200, undefined);
  clock.pass(1_000);
  const midnight = Date.UTC(2026, 0, 2, 8);
  await check(429, "GenerateRequestsPerDayPerProjectPerModel", `${(midnight - clock.now()) / 1000}s`);
  clock.pass(midnight - clock.now());
  await check(200, undefined);
});

test("a subscription: unified headers on Anthropic's wire, Codex's on OpenAI's, shut with the window's end", async () => {
  const windows = [{ name: "5h", allowance: 50, periodMs: 18_000_000 }];
  const rules = [{ times: "always", do: { kind: "say", text: "A few words to say." } }];
  const { simulator, clock } = await start({ rules, ...accounts({ counting: "subscription", windows }) });
  const reset = (begin + 18_000_000) / 1000;
  await wires.anthropic(simulator);
  const second = await wires.anthropic(simulator);
  expect(limitsIn(second)).toMatchObject({
    "anthropic-ratelimit-unified-status": "allowed",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-utilization": "0.72",
    "anthropic-ratelimit-unified-5h-reset": String(reset),
  });
  const refused = await wires.anthropic(simulator);
  expect([refused.status, limitsIn(refused)]).toEqual([
    429,
    expect.objectContaining({
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-5h-utilization": "1",
      "retry-after": "18000",
    }),
  ]);
  const codex = await wires.openai(simulator, "two");
  expect(limitsIn(codex)).toMatchObject({
    "x-codex-primary-used-percent": "0",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": String(reset),
  });
  await wires.openai(simulator, "two");
  const over = await wires.openai(simulator, "two");
  expect([over.status, errorIn(over)]).toEqual([
    429,
    expect.objectContaining({ type: "usage_limit_reached", resets_at: reset, resets_in_seconds: 18_000 }),
  ]);
  clock.pass(18_000_000);
  expect((await wires.anthropic(simulator)).status).toBe(200);
});

test("our own edges read every refusal as it is meant, and its wait as it is true", async () => {
  const windows = [{ name: "5h", allowance: 1, periodMs: 18_000_000 }];
  const day = Date.UTC(2026, 0, 2, 8) - begin;
  /** `precision`: what the wire rounds to, ms. */
  const check = async (
    wire: "openai" | "anthropic" | "gemini",
    limits: object,
    expected: { kind: string; waitMs: number | undefined; precision: number },
  ) => {
    const { simulator, clock } = await start(accounts(limits));
    let told = await wires[wire](simulator);
    for (let tries = 0; told.status === 200 && tries < 5; tries++) told = await wires[wire](simulator);
    // Undici adds the real date, which is no part of the play.
    const { date: _, ...headers } = Object.fromEntries(told.headers);
    const fault = faultOf(
      { status: told.status, headers, body: told.text },
      { keyName: undefined, now: clock.now(), conceal: (text) => text },
    );
    expect(fault.kind, `${wire} ${JSON.stringify(limits)}: ${fault.why}`).toBe(expected.kind);
    const at =
      fault.kind === "throttle" ? fault.retryAt : fault.kind === "window" ? fault.resetAt : undefined;
    if (expected.waitMs === undefined) return;
    expect(Math.abs((at ?? 0) - clock.now() - expected.waitMs)).toBeLessThanOrEqual(expected.precision);
  };
  const slow = { rpm: 6, burstPart: 1 / 60 };
  await check(
    "anthropic",
    { counting: "anthropic", ...slow },
    { kind: "throttle", waitMs: 10_000, precision: 999 },
  );
  await check("openai", { counting: "openai", ...slow }, { kind: "throttle", waitMs: 10_000, precision: 1 });
  await check("gemini", { counting: "gemini", ...slow }, { kind: "throttle", waitMs: 10_000, precision: 1 });
  await check("gemini", { counting: "gemini", rpd: 1 }, { kind: "window", waitMs: day, precision: 1_000 });
  const over = { kind: "window", waitMs: 18_000_000, precision: 1_000 };
  await check("anthropic", { counting: "subscription", windows }, over);
  await check("openai", { counting: "subscription", windows }, over);
  const shut = { counting: "concurrency", concurrency: 0 };
  const soon = { kind: "throttle", waitMs: undefined, precision: 0 };
  for (const wire of ["openai", "anthropic"] as const) await check(wire, shut, soon);
  // A limit of 0 is a plan without the model.
  await check("gemini", shut, { ...soon, kind: "billing" });
});

test("slots: full means 429 on hosted wires, 503 on local ones; a seat is free again whatever became of the call", async () => {
  const cases = [
    ["openai", 429],
    ["gemini", 429],
    ["ollama", 503],
    ["triton", 503],
  ] as const;
  for (const [wire, status] of cases) {
    const { simulator } = await start({
      ...accounts({ counting: "concurrency", concurrency: 1 }),
      rules: [{ do: { kind: "hang" } }, { do: { kind: "fault", fault: "server-error" } }],
    });
    const leave = new AbortController();
    const held = fetch(`${simulator.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: wire === "ollama" || wire === "triton" ? "" : "Bearer one" },
      body: JSON.stringify({ model: "perfect", messages }),
      signal: leave.signal,
    }).catch(() => undefined);
    // The held call has its seat once the metrics show it running.
    while (!(await metricsOf(simulator)).includes('running{model_name="perfect"} 1.0'));
    expect((await wires[wire](simulator)).status, wire).toBe(status);
    leave.abort();
    await held;
    while (!(await metricsOf(simulator)).includes('running{model_name="perfect"} 0.0'));
    expect((await wires[wire](simulator)).status, "the fault").toBe(500);
    expect((await wires[wire](simulator)).status, "after a fault").toBe(200);
  }
});

async function metricsOf({ url }: Simulator): Promise<string> {
  return await (await fetch(`${url}/metrics`)).text();
}

test("who waits in line is told so, and its answer comes when a seat is free", async () => {
  const { simulator, clock } = await start(
    {
      rules: [{ times: "always", do: { kind: "say", text: "Ten words are enough to take a second." } }],
      ...accounts({ counting: "concurrency", concurrency: 1, queueMax: 5 }),
    },
    10,
  );
  const first = wires.openai(simulator);
  while (!(await metricsOf(simulator)).includes('running{model_name="perfect"} 1.0'));
  const streamed = wires.openai(simulator, "one", { stream: true });
  const whole = wires.openai(simulator);
  while (!(await metricsOf(simulator)).includes('waiting{model_name="perfect"} 2.0'));
  let isOver = false;
  const all = Promise.all([first, streamed, whole]).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    clock.pass(400);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [one, two, three] = await all;
  expect([one.status, two.status, three.status]).toEqual([200, 200, 200]);
  expect(two.text).toMatch(/^: keep-alive\n\n/);
  expect(three.text).toMatch(/^\n+\{/);
  expect(JSON.parse(three.text).choices[0].message.content).toContain("Ten words");
});

test("output counts while it is written: who comes during a long answer is refused", async () => {
  const { simulator, clock } = await start(
    {
      rules: [{ times: "always", do: { kind: "say", text: "word ".repeat(200) } }],
      ...accounts({ counting: "anthropic", otpm: 600, burstPart: 1 / 60 }),
    },
    100,
  );
  const long = wires.anthropic(simulator);
  let isOver = false;
  const over = long.then(() => {
    isOver = true;
  });
  while (!(await metricsOf(simulator)).includes('running{model_name="perfect"} 1.0'));
  // Half a second of a hundred tokens each, of which ten a second come back.
  for (let step = 0; step < 5; step++) {
    clock.pass(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const refused = await wires.anthropic(simulator);
  expect([refused.status, errorIn(refused).message, isOver]).toEqual([
    429,
    expect.stringContaining("600 output tokens per minute"),
    false,
  ]);
  while (!isOver) {
    clock.pass(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  expect((await long).status).toBe(200);
});

test("accounts go wrong: lowered on the way, a limit of 0, revoked, out of money, a storm, lying and late headers", async () => {
  const lowered = await start(
    accounts(
      { counting: "openai", rpm: 6_000, burstPart: 1 },
      { changes: [{ afterCalls: 2, limits: { rpm: 60, burstPart: 1 / 60 } }] },
    ),
  );
  const statuses = async (
    count: number,
    { simulator }: { simulator: Simulator },
    wire: "openai" | "anthropic",
  ) => {
    const seen: number[] = [];
    for (let each = 0; each < count; each++) seen.push((await wires[wire](simulator)).status);
    return seen;
  };
  expect(await statuses(4, lowered, "openai")).toEqual([200, 200, 200, 429]);
  const none = await start(accounts({ counting: "openai", rpm: 0 }));
  const refused = await wires.openai(none.simulator);
  expect([refused.status, errorIn(refused).message, refused.headers.get("retry-after")]).toEqual([
    429,
    expect.stringMatching(/Limit 0, Used 0, Requested 1\.$/),
    null,
  ]);
  const fault = (name: string, when: object) => ({
    when,
    times: "always",
    do: { kind: "fault", fault: name },
  });
  const revoked = await start({ rules: [fault("unauthorized", { key: "one", afterCalls: 2 })] });
  expect(await statuses(3, revoked, "anthropic")).toEqual([200, 200, 401]);
  expect((await wires.anthropic(revoked.simulator, "two")).status).toBe(200);
  const broke = await start({ rules: [fault("billing", { afterCalls: 1 })] });
  expect(await statuses(2, broke, "openai")).toEqual([200, 402]);
  const storm = await start({ rules: [fault("overloaded", { afterMs: 1_000, beforeMs: 2_000 })] });
  const during: number[] = [];
  for (let each = 0; each < 3; each++) {
    during.push((await wires.anthropic(storm.simulator)).status);
    storm.clock.pass(1_000);
  }
  expect(during).toEqual([200, 529, 200]);
  const headers = { remainingFactor: 2, resetShiftMs: -7_200_000, dateShiftMs: 3_600_000 };
  const liar = await start(accounts({ counting: "anthropic", rpm: 60 }, { headers }));
  expect(limitsIn(await wires.anthropic(liar.simulator))).toEqual({
    date: "Fri, 02 Jan 2026 04:04:05 GMT",
    "anthropic-ratelimit-requests-limit": "60",
    "anthropic-ratelimit-requests-remaining": "118",
    "anthropic-ratelimit-requests-reset": "2026-01-02T02:04:06Z",
  });
  const silent = await start(accounts({ counting: "anthropic", rpm: 60 }, { headers: { form: "none" } }));
  expect(Object.keys(limitsIn(await wires.anthropic(silent.simulator)))).toEqual(["date"]);
});
