/** What happens around a call: places, waiting, other providers, money, bounds. */
import { request } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { openBook, readBook } from "../../src/edges/callers/book.ts";
import { hashOf } from "../../src/edges/callers/callers.ts";
import { openRig, type Rig, type RigOptions, until } from "./rig.case.ts";
import { answer, begin, type FakeUpstream, openFakeUpstream, type Play, refuse } from "./upstream.case.ts";

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

async function fakeOf(...plays: Play[]): Promise<FakeUpstream> {
  const fake = await openFakeUpstream(...plays);
  open.push(fake);
  return fake;
}

/** One provider a server: "p0", "p1", … on OpenAI's wire; `more` goes into every section. */
async function rigOver(
  fakes: readonly FakeUpstream[],
  more = "",
  options: Partial<RigOptions> = {},
): Promise<Rig> {
  const config = fakes
    .map(({ url }, index) => {
      const price = "price = { input = 1.0, output = 10.0 }";
      return `[providers.p${index}]\nkind = "openai-compatible"\nbase_url = "${url}"\nmodel = "m${index}"\noutput_tokens_max = 100\n${price}\n${more}\n`;
    })
    .join("\n");
  const rig = await openRig({ config, ...options });
  open.push(rig);
  return rig;
}

const hang: Play = () => undefined;

interface Ask {
  readonly model?: string;
  readonly isStream?: boolean;
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly path?: string;
}

function ask(
  rig: Rig,
  { model = "auto", isStream = false, token = rig.token, signal, path }: Ask = {},
): Promise<Response> {
  const body = { model, messages: [{ role: "user", content: "hi" }], stream: isStream, max_tokens: 100 };
  return fetch(`${rig.url}${path ?? "/v1/chat/completions"}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function textOf(reply: Promise<Response>): Promise<string> {
  return (await reply).text();
}

describe("a place", () => {
  test("is given back by a stream that its caller leaves, and the provider's connection is closed", async () => {
    const fake = await fakeOf(begin("so far"));
    const rig = await rigOver([fake]);
    const stops = Array.from({ length: 4 }, () => new AbortController());
    const replies = await Promise.all(stops.map(({ signal }) => ask(rig, { isStream: true, signal })));
    expect(rig.leases()).toBeGreaterThanOrEqual(4);
    for (const stop of stops) stop.abort();
    expect(await Promise.all(fake.heard.map(({ closed }) => closed))).toEqual(["cut", "cut", "cut", "cut"]);
    await until(() => rig.leases() === 0);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    // What was cut may have been paid: all of it counts.
    await until(() => rig.spend(rig.token).reserved === 0);
    expect(rig.spend(rig.token).tokens).toBeGreaterThanOrEqual(400);
  });

  test("is given back when the caller leaves before the provider says anything", async () => {
    const fake = await fakeOf(hang);
    const rig = await rigOver([fake]);
    const stop = new AbortController();
    const reply = ask(rig, { signal: stop.signal }).catch(() => undefined);
    await until(() => fake.heard.length === 1);
    stop.abort();
    expect(await fake.heard[0]?.closed).toBe("cut");
    await reply;
    await until(() => rig.leases() === 0);
  });

  test("is not taken by who leaves while it waits, and costs nothing", async () => {
    const fake = await fakeOf(hang);
    const rig = await rigOver([fake], "limits = { concurrency = 1 }");
    const first = new AbortController();
    const second = new AbortController();
    const token = rig.tokenFor({});
    const both = [
      ask(rig, { signal: first.signal }).catch(() => undefined),
      until(() => fake.heard.length === 1)
        .then(() => ask(rig, { token, signal: second.signal }))
        .catch(() => undefined),
    ];
    await until(() => rig.capacity.waiting === 1);
    second.abort();
    await until(() => rig.capacity.waiting === 0);
    first.abort();
    await Promise.all(both);
    await until(() => rig.leases() === 0);
    expect(fake.heard.length).toBe(1);
    expect(rig.spend(token)).toEqual({ tokens: 0, reserved: 0, usd: 0 });
  });

  test("is waited for, and a stream says so with comments that are no data", async () => {
    let release: () => void = () => undefined;
    const fake = await fakeOf((heard, reply) => {
      release = () => void answer("first")(heard, reply);
    }, answer("second"));
    const rig = await rigOver([fake], "limits = { concurrency = 1 }");
    const first = ask(rig);
    await until(() => fake.heard.length === 1);
    const second = await ask(rig, { isStream: true });
    release();
    const text = await second.text();
    expect(text.startsWith(": keep-alive\n\n")).toBe(true);
    expect(text).toContain('"second"');
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    expect((await first).status).toBe(200);
    expect(rig.leases()).toBe(0);
  });

  test("that would come too late is refused at once, with the true wait", async () => {
    const fake = await fakeOf(answer("one"));
    const rig = await rigOver([fake], "limits = { rpm = 1 }");
    expect((await ask(rig)).status).toBe(200);
    const from = performance.now();
    const late = await ask(rig);
    expect(late.status).toBe(429);
    expect(performance.now() - from).toBeLessThan(2_000);
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(Number(late.headers.get("retry-after"))).toBeLessThanOrEqual(60);
    expect(await late.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    const theirs = await ask(rig, { path: "/v1/messages" });
    expect(await theirs.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
    expect(fake.heard.length).toBe(1);
  });

  test("that does not come within the patience is refused then", async () => {
    const fake = await fakeOf(hang);
    const rig = await rigOver([fake], "limits = { concurrency = 1 }", { patienceMs: 300 });
    const stop = new AbortController();
    const first = ask(rig, { signal: stop.signal }).catch(() => undefined);
    await until(() => fake.heard.length === 1);
    const late = await ask(rig);
    expect(late.status).toBe(429);
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0);
    stop.abort();
    await first;
  });
});

describe("another provider", () => {
  const down = refuse(500, { error: { message: "down" } });

  test("answers where the caller leaves the choice", async () => {
    const fakes = [await fakeOf(down), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    const reply = await ask(rig);
    expect(reply.headers.get("x-rigs-provider")).toBe("p1");
    expect(await reply.text()).toContain("here");
    expect(fakes.map(({ heard }) => heard.length)).toEqual([1, 1]);
    expect(rig.leases()).toBe(0);
  });

  test("is not asked where the caller named one", async () => {
    const fakes = [await fakeOf(down), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    const reply = await ask(rig, { model: "p0" });
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ error: { code: "server_is_overloaded" } });
    expect(fakes.map(({ heard }) => heard.length)).toEqual([1, 0]);
  });

  test("answers for one whose stream begins with an error", async () => {
    const spoilt: Play = (_heard, reply) => {
      reply.writeHead(200, { "content-type": "text/event-stream" });
      reply.end(`data: ${JSON.stringify({ error: { code: 503, message: "no room" } })}\n\n`);
    };
    const fakes = [await fakeOf(spoilt), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    const text = await textOf(ask(rig, { isStream: true }));
    expect(text).toContain("here");
    expect(text).not.toContain("no room");
  });

  test("is asked three times at most", async () => {
    const fakes = await Promise.all(Array.from({ length: 5 }, () => fakeOf(down)));
    const rig = await rigOver(fakes);
    expect((await ask(rig)).status).toBe(503);
    expect(fakes.reduce((sum, { heard }) => sum + heard.length, 0)).toBe(3);
    expect(rig.leases()).toBe(0);
  });

  test("is not asked for what is wrong with the request", async () => {
    const bad = refuse(400, { error: { message: "no such field", type: "invalid_request_error" } });
    const fakes = [await fakeOf(bad), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    const reply = await ask(rig);
    expect(reply.status).toBe(400);
    expect(await reply.text()).toContain("no such field");
    expect(fakes[1].heard.length).toBe(0);
  });

  test("a key that is refused says nothing of it, and closes that provider only", async () => {
    const unauthorized = refuse(401, { error: { message: "bad key", code: "invalid_api_key" } });
    const fakes = [await fakeOf(unauthorized), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    const reply = await ask(rig, { model: "p0" });
    expect(reply.status).toBe(502);
    expect(reply.headers.get("x-should-retry")).toBe("false");
    expect((await ask(rig)).headers.get("x-rigs-provider")).toBe("p1");
    expect((await ask(rig, { model: "p0" })).status).toBe(502);
    expect(fakes[0].heard.length).toBe(1);
  });
});

describe("a budget", () => {
  test("stops calls before they are made, those that are out counted", async () => {
    const held: (() => void)[] = [];
    const fake = await fakeOf((heard, reply) => void held.push(() => void answer("ok")(heard, reply)));
    const rig = await rigOver([fake]);
    // One call reserves 100 tokens of answer and some 25 of prompt.
    const token = rig.tokenFor({ tokensMax: 400 });
    let refusals = 0;
    const one = async () => {
      const reply = await ask(rig, { token });
      if (reply.status === 429) refusals += 1;
      return reply;
    };
    const replies = Promise.all(Array.from({ length: 8 }, one));
    await until(() => held.length === 3 && refusals === 5);
    for (const release of held) release();
    const found = await replies;
    expect(found.map(({ status }) => status).sort()).toEqual([200, 200, 200, 429, 429, 429, 429, 429]);
    const refused = found.find(({ status }) => status === 429);
    expect(await refused?.json()).toMatchObject({ error: { code: "insufficient_quota" } });
    expect(refused?.headers.get("x-should-retry")).toBe("false");
    expect(rig.spend(token)).toMatchObject({ tokens: 90, reserved: 0 });
    const theirs = await ask(rig, { token: rig.tokenFor({ tokensMax: 10 }), path: "/v1/messages" });
    expect(theirs.status).toBe(402);
  });

  test("in USD counts prices, and a restart does not forget it", async () => {
    const fake = await fakeOf(answer("ok"));
    const rig = await rigOver([fake]);
    const token = rig.tokenFor({ usdMax: 0.002 });
    expect((await ask(rig, { token })).status).toBe(200);
    const usd = (17 * 1 + 4 * 1 + 9 * 10) / 1e6;
    expect(rig.spend(token).usd).toBeCloseTo(usd, 9);
    await rig.close();
    const again = openBook(rig.bookPath);
    expect(again.accounts.spends.get(hashOf(token))).toMatchObject({
      usd,
      inputTokens: 21,
      outputTokens: 9,
      reservedTokens: 0,
    });
    again.close();
  });

  test("counts a call that was out when the process died with all that was reserved", async () => {
    const fake = await fakeOf(hang);
    const rig = await rigOver([fake]);
    const stop = new AbortController();
    const reply = ask(rig, { signal: stop.signal }).catch(() => undefined);
    await until(() => fake.heard.length === 1);
    const { open: calls } = readBook(rig.bookPath);
    expect([...calls.values()].map(({ estimate }) => estimate.tokens > 100)).toEqual([true]);
    stop.abort();
    await reply;
  });

  test("of requests a minute is told with the wait", async () => {
    const fake = await fakeOf(answer("ok"));
    const rig = await rigOver([fake]);
    const token = rig.tokenFor({ rpm: 2 });
    const found = [await ask(rig, { token }), await ask(rig, { token }), await ask(rig, { token })];
    expect(found.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number(found[2]?.headers.get("retry-after"))).toBeGreaterThan(20);
    expect((await ask(rig)).status).toBe(200);
  });
});

describe("the door", () => {
  test("answers nobody without a token but the health check, and sends no cross-origin header", async () => {
    const rig = await rigOver([await fakeOf(answer("ok"))]);
    for (const path of ["/v1/models", "/metrics", "/v1/messages", "/nothing"])
      expect((await fetch(rig.url + path, { headers: { origin: "https://example.org" } })).status).toBe(401);
    const health = await fetch(`${rig.url}/healthz`, { headers: { origin: "https://example.org" } });
    expect(await health.json()).toEqual({ status: "ok" });
    expect([...health.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("bounds heads and bodies", async () => {
    const rig = await rigOver([await fakeOf(answer("ok"))]);
    const head = await fetch(`${rig.url}/v1/models`, { headers: { "x-long": "x".repeat(20_000) } });
    expect(head.status).toBe(431);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${rig.token}`, "content-length": String(40 * 1_048_576) };
      const sent = request(`${rig.url}/v1/responses`, { method: "POST", headers }, (reply) => {
        resolve(reply.statusCode);
        sent.destroy();
      });
      sent.on("error", reject);
      sent.flushHeaders();
    });
    expect(status).toBe(413);
    const post = (body: string) =>
      fetch(`${rig.url}/v1/messages`, { method: "POST", headers: { "x-api-key": rig.token }, body });
    expect((await post("[]")).status).toBe(400);
    expect((await post("{")).status).toBe(400);
    expect(await (await post('{"model":7}')).json()).toMatchObject({
      error: { type: "invalid_request_error" },
    });
  });

  test("lets what is out end when it closes, and aborts what does not", async () => {
    let release: () => void = () => undefined;
    const fake = await fakeOf((heard, reply) => {
      release = () => void answer("to its end")(heard, reply);
    }, hang);
    const rig = await rigOver([fake]);
    const first = textOf(ask(rig));
    await until(() => fake.heard.length === 1);
    const second = ask(rig).then(({ status }) => status);
    await until(() => fake.heard.length === 2);
    const closed = rig.close(200);
    release();
    expect(await first).toContain("to its end");
    expect(await second).toBe(503);
    await closed;
    await expect(fetch(`${rig.url}/healthz`)).rejects.toThrow();
    expect(rig.leases()).toBe(0);
  });
});
