/** What happens around a call: places, waiting, other providers, money, bounds. */
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { openBook, readBook } from "../../src/edges/callers/book.ts";
import { hashOf } from "../../src/edges/callers/callers.ts";
import { openRig, type Rig, type RigOptions, until } from "./rig.case.ts";
import {
  answer,
  begin,
  chatStream,
  type FakeUpstream,
  openFakeUpstream,
  type Play,
  refuse,
} from "./upstream.case.ts";

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
  /** Put over the body. */
  readonly more?: object;
}

function ask(
  rig: Rig,
  { model = "auto", isStream = false, token = rig.token, signal, path, more }: Ask = {},
): Promise<Response> {
  const body = {
    model,
    messages: [{ role: "user", content: "hi" }],
    stream: isStream,
    max_tokens: 100,
    ...more,
  };
  return fetch(`${rig.url}${path ?? "/v1/chat/completions"}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Of a provider that nobody heard yet one call alone goes first. */
async function known(rig: Rig, fake: FakeUpstream): Promise<void> {
  expect((await ask(rig)).status).toBe(200);
  fake.heard.length = 0;
}

async function textOf(reply: Promise<Response>): Promise<string> {
  return (await reply).text();
}

describe("a place", () => {
  test("is given back by a stream that its caller leaves, and the provider's connection is closed", async () => {
    const fake = await fakeOf(answer("ok"), begin("so far"));
    const rig = await rigOver([fake]);
    await known(rig, fake);
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
    expect(text).toContain(": x-rigs-provider p0\n\n");
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
    expect(Number(late.headers.get("retry-after"))).toBeLessThanOrEqual(61);
    expect(await late.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    const theirs = await ask(rig, { path: "/v1/messages" });
    expect(await theirs.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
    expect(fake.heard.length).toBe(1);
  });

  test.each([1, 0])(
    "is with whoever has one first, though another has none for long: %s goes first",
    async (busy) => {
      let release: () => void = () => undefined;
      const held = await fakeOf((heard, reply) => {
        release = () => void answer("first")(heard, reply);
      }, answer("second"));
      const spent = await fakeOf(answer("one"));
      const fakes = busy === 0 ? [held, spent] : [spent, held];
      const text = fakes.map(({ url }, index) => {
        const limits = index === busy ? "concurrency = 1" : "rpm = 1";
        return `[providers.p${index}]\nkind = "openai-compatible"\nbase_url = "${url}"\nmodel = "m${index}"\nlimits = { ${limits} }\n`;
      });
      const rig = await openRig({ config: text.join("\n"), patienceMs: 25_000 });
      open.push(rig);
      await textOf(ask(rig, { model: `p${1 - busy}` }));
      const first = ask(rig, { model: `p${busy}` });
      await until(() => held.heard.length === 1);
      const second = ask(rig);
      await until(() => rig.capacity.waiting === 1);
      release();
      expect((await second).headers.get("x-rigs-provider")).toBe(`p${busy}`);
      await textOf(first);
    },
  );

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

  test("that was at its limit is asked again within the patience, where nobody else has room", async () => {
    const limited = refuse(429, { error: { message: "slow" } }, { "retry-after": "1" });
    const fakes = [await fakeOf(limited, answer("again")), await fakeOf(down)] as const;
    const rig = await rigOver(fakes);
    const reply = await ask(rig);
    expect([reply.status, reply.headers.get("x-rigs-provider")]).toEqual([200, "p0"]);
    expect(fakes.map(({ heard }) => heard.length)).toEqual([2, 1]);
    expect(await reply.text()).toContain("again");
  });

  test.each([undefined, "NaN", "-5"])(
    "that names no true wait (retry-after %s) is closed by the tanks, and their wait is told to all",
    async (header) => {
      const headers: Readonly<Record<string, string>> = header === undefined ? {} : { "retry-after": header };
      const fake = await fakeOf(refuse(429, { error: { message: "slow" } }, headers));
      const rig = await rigOver([fake], "", { patienceMs: 50 });
      const told = async (reply: Response) => {
        const until = rig.capacity.closures().get("p0")?.until ?? 0;
        const late = Number(reply.headers.get("retry-after-ms")) - (until - Date.now());
        expect(reply.status).toBe(429);
        expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThan(1_000);
      };
      await told(await ask(rig));
      await told(await ask(rig, { isStream: true }));
      expect(fake.heard.length).toBe(1);
    },
  );

  test("that is closed for longer than the patience is not waited for", async () => {
    const fake = await fakeOf(refuse(429, { error: { message: "slow" } }, { "retry-after": "2" }));
    const rig = await rigOver([fake], "", { patienceMs: 1_000 });
    expect((await ask(rig)).status).toBe(429);
    const late = await ask(rig);
    expect([late.status, late.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await late.text()).toContain("all that may answer this are closed");
    expect(fake.heard.length).toBe(1);
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

  test("that does not know its address or model is the gateway's own fault: another one answers", async () => {
    const lost = refuse(404, { error: { message: "no model x" } });
    const fakes = [await fakeOf(lost, lost), await fakeOf(answer("here"))] as const;
    const rig = await rigOver(fakes);
    expect((await ask(rig)).headers.get("x-rigs-provider")).toBe("p1");
    const alone = await ask(rig, { model: "p0" });
    expect(alone.status).toBe(502);
    expect(await alone.text()).toContain("no such address or model");
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
    const hold: Play = (heard, reply) => void held.push(() => void answer("ok")(heard, reply));
    const fake = await fakeOf(answer("ok"), hold);
    const rig = await rigOver([fake]);
    await known(rig, fake);
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

describe("what a budget counts", () => {
  test.each([
    [1e300, 9],
    [21, 1e308],
    [1e9, 1e9],
  ])(
    "is never what no such call can take: %d and %d tokens count as what was reserved, and teach nothing",
    async (input, output) => {
      const usage = { prompt_tokens: input, completion_tokens: output };
      const choice = { index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" };
      const lying: Play = ({ body }, reply) => {
        reply.writeHead(200);
        if (body.stream !== true) return void reply.end(JSON.stringify({ choices: [choice], usage }));
        const events = chatStream("ok", []).split("\n\n").slice(0, -3);
        reply.end(
          [...events, `data: ${JSON.stringify({ choices: [], usage })}`, "data: [DONE]", ""].join("\n\n"),
        );
      };
      const fake = await fakeOf(lying);
      const rig = await rigOver([fake]);
      const token = rig.tokenFor({ tokensMax: 5_000 });
      const before = rig.capacity.expected("p0", "gateway caller-1", 100);
      for (const isStream of [false, true]) expect((await ask(rig, { token, isStream })).status).toBe(200);
      await until(() => rig.spend(token).reserved === 0);
      expect(rig.spend(token).tokens).toBeGreaterThan(200);
      expect(rig.spend(token).tokens).toBeLessThan(500);
      expect(rig.capacity.expected("p0", "gateway caller-1", 100)).toEqual(before);
      expect(
        await textOf(fetch(`${rig.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })),
      ).not.toMatch(/e\+/);
    },
  );

  test("is one answer within one bound: what asks for more is refused by its name", async () => {
    const fake = await fakeOf(answer("ok"));
    const rig = await rigOver([fake]);
    const refusal = async (more: object) => {
      const reply = await ask(rig, { more });
      return [reply.status, ((await reply.json()) as { error: { param: unknown } }).error.param];
    };
    expect(await refusal({ n: 128 })).toEqual([400, "n"]);
    expect(await refusal({ n: "2" })).toEqual([400, "n"]);
    expect(await refusal({ best_of: 5 })).toEqual([400, "best_of"]);
    expect(await refusal({ max_completion_tokens: 1, max_tokens: 100_000 })).toEqual([400, "max_tokens"]);
    expect(await refusal({ max_tokens: -5 })).toEqual([400, "max_tokens"]);
    expect(await refusal({ max_tokens: "100000" })).toEqual([400, "max_tokens"]);
    expect(fake.heard).toEqual([]);
    expect((await ask(rig, { more: { n: 1, max_completion_tokens: 100 } })).status).toBe(200);
    expect((await ask(rig, { more: { max_tokens: null, max_completion_tokens: 7 } })).status).toBe(200);
    expect((await ask(rig, { more: { max_tokens: null, max_output_tokens: 8 } })).status).toBe(200);
    const bounds = fake.heard.map(({ body }) =>
      Object.entries(body).filter(([name]) => name.startsWith("max_")),
    );
    expect(bounds).toEqual([[["max_tokens", 100]], [["max_completion_tokens", 7]], [["max_tokens", 8]]]);
  });

  test("holds every answer that broke: cut bodies and strange ones cost what was reserved, for every provider asked", async () => {
    const cut: Play = (_heard, reply) => {
      reply.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
      reply.write('{"id":"x"', () => reply.destroy());
    };
    const strange: Play = (_heard, reply) => {
      reply.writeHead(200, { "content-type": "application/json" }).end('{"choices":"none"}');
    };
    const fakes = [await fakeOf(cut), await fakeOf(strange), await fakeOf(answer("ok"))] as const;
    const rig = await rigOver(fakes);
    const token = rig.tokenFor({ tokensMax: 100_000 });
    expect((await ask(rig, { token })).status).toBe(200);
    const { tokens, reserved } = rig.spend(token);
    expect(tokens).toBeGreaterThanOrEqual(2 * 100 + 30);
    expect(reserved).toBe(0);
    // Two hops are more than this one may spend: the second is not made.
    const poor = rig.tokenFor({ tokensMax: 250 });
    await until(() => rig.capacity.closures().size === 0);
    const asked = () => fakes.reduce((sum, { heard }) => sum + heard.length, 0);
    const before = asked();
    const reply = await ask(rig, { token: poor });
    expect(await reply.json()).toMatchObject({ error: { code: "insufficient_quota" } });
    expect(asked() - before).toBeLessThanOrEqual(2);
    expect(rig.spend(poor).tokens).toBeLessThanOrEqual(250);
  });

  test("holds a call that nobody answered, and no connection that was refused", async () => {
    const fake = await fakeOf((_heard, reply) => void reply.destroy());
    const rig = await rigOver([fake]);
    const token = rig.tokenFor({});
    expect((await ask(rig, { token })).status).toBe(503);
    expect(rig.spend(token).tokens).toBeGreaterThanOrEqual(100);
    await fake[Symbol.asyncDispose]();
    open.splice(open.indexOf(fake), 1);
    const other = rig.tokenFor({});
    await until(() => rig.capacity.closures().size === 0);
    expect((await ask(rig, { token: other })).status).toBe(503);
    expect(rig.spend(other).tokens).toBe(0);
  });

  test("of a prompt is its text, whatever words are in it; only pictures count by their number", async () => {
    const fake = await fakeOf(answer("ok"));
    const rig = await rigOver([fake]);
    const token = rig.tokenFor({ tokensMax: 3_000 });
    const status = async (content: unknown) =>
      (await ask(rig, { token, more: { max_tokens: 1, messages: [{ role: "user", content }] } })).status;
    const letters = "a1b2".repeat(5_000);
    expect(await status(`base64 ${letters}`)).toBe(429);
    expect(await status("日本語".repeat(1_000))).toBe(429);
    expect(await status([{ type: "text", text: `data:image/png;base64,${letters}` }])).toBe(429);
    expect(fake.heard).toEqual([]);
    const url = `data:image/png;base64,${letters}`;
    expect(await status([{ type: "image_url", image_url: { url } }])).toBe(200);
  });

  test.each(["/v1/chat/completions", "/v1/messages"])(
    "is what the provider said once the stream is over, whatever its connection does then: %s",
    async (path) => {
      // The provider says its last word and keeps the connection.
      const fake = await fakeOf((_heard, reply) => {
        reply.writeHead(200, { "content-type": "text/event-stream" });
        reply.write(chatStream("hello", []));
        reply.write(": behind\n\n");
      });
      const rig = await rigOver([fake]);
      const token = rig.tokenFor({});
      const text = await textOf(ask(rig, { token, isStream: true, path, more: { max_tokens: 50_000 } }));
      expect(text.trimEnd().endsWith(path.endsWith("messages") ? '"message_stop"}' : "data: [DONE]")).toBe(
        true,
      );
      expect(rig.spend(token)).toMatchObject({ tokens: 30, reserved: 0 });
      expect(rig.leases()).toBe(0);
    },
  );
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

  test("holds so many requests and so much of them, those that wait included", async () => {
    const fake = await fakeOf(hang);
    const bounds = { allBytesMax: 1_000_000, callsMax: 3 };
    const rig = await rigOver([fake], "limits = { concurrency = 1 }", { bounds });
    const stop = new AbortController();
    const more = { messages: [{ role: "user", content: "x".repeat(200_000) }] };
    const first = ask(rig, { signal: stop.signal, more }).catch(() => undefined);
    await until(() => fake.heard.length === 1);
    const second = ask(rig, { signal: stop.signal, more }).catch(() => undefined);
    await until(() => rig.capacity.waiting === 1);
    const third = await ask(rig, { more });
    expect(third.status).toBe(503);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(0);
    // What could never be held is not worth coming back with.
    const dense = await ask(rig, { more: { metadata: Array.from({ length: 20_000 }, () => 0) } });
    expect([dense.status, dense.headers.get("retry-after")]).toEqual([413, null]);
    const small = ask(rig, { signal: stop.signal }).catch(() => undefined);
    await until(() => rig.capacity.waiting === 2);
    expect((await ask(rig)).status).toBe(503);
    stop.abort();
    await Promise.all([first, second, small]);
    await until(() => rig.capacity.waiting === 0 && rig.leases() === 0);
    fake.plays = [answer("ok")];
    await until(() => rig.capacity.closures().size === 0);
    expect((await ask(rig, { more })).status).toBe(200);
  });

  test("holds so much of answers that are not streams, and gives it back", async () => {
    const fake = await fakeOf(answer("x".repeat(200_000)));
    const bounds = { allBytesMax: 1_000_000, callsMax: 30 };
    const rig = await rigOver([fake], "", { bounds });
    expect((await ask(rig)).status).toBe(200);
    // Half of an answer comes, and the rest when all have theirs.
    const rest: (() => void)[] = [];
    fake.plays = [
      (_heard, reply) => {
        reply.writeHead(200, { "content-type": "application/json" });
        reply.write(`{"x":"${"y".repeat(400_000)}`);
        rest.push(() => reply.end('"}'));
      },
    ];
    const token = rig.tokenFor({});
    const replies = [ask(rig, { token }), ask(rig, { token }), ask(rig, { token })];
    const late = await Promise.race(replies);
    expect([late.status, Number(late.headers.get("retry-after"))]).toEqual([503, 5]);
    expect(await late.text()).toContain("holds all the answers");
    await until(() => rest.length === 3);
    for (const end of rest) end();
    await Promise.all(replies);
    // A provider is not to blame for that, and may have been paid.
    expect(rig.capacity.closures().size).toBe(0);
    expect(rig.spend(token).tokens).toBeGreaterThan(300);
    await until(() => rig.leases() === 0);
    fake.plays = [answer("x".repeat(200_000))];
    expect((await ask(rig)).status).toBe(200);
  });

  test.each([
    ["1.0", false],
    ["1.1", true],
  ] as const)("streams to callers of HTTP/%s, in chunks: %s", async (version, isChunked) => {
    const rig = await rigOver([await fakeOf(answer("hello wörld"))]);
    const body = JSON.stringify({ model: "auto", stream: true, messages: [] });
    const socket = connect(Number(new URL(rig.url).port), "127.0.0.1");
    const head = `POST /v1/chat/completions HTTP/${version}\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${rig.token}\r\ncontent-length: ${body.length}`;
    socket.write(`${head}\r\n\r\n${body}`);
    const parts: Buffer[] = [];
    for await (const part of socket as AsyncIterable<Buffer>) parts.push(part);
    const [headers = "", text = ""] = Buffer.concat(parts)
      .toString("latin1")
      .split(/\r\n\r\n(.*)/s);
    expect(/^transfer-encoding: chunked/im.test(headers)).toBe(isChunked);
    let whole = isChunked ? "" : text;
    for (let rest = isChunked ? text : ""; rest !== ""; ) {
      const [, size = "", behind = ""] = /^([0-9a-f]+)\r\n(.*)$/s.exec(rest) ?? [];
      const bytes = Number.parseInt(size, 16);
      whole += behind.slice(0, bytes);
      expect(behind.slice(bytes, bytes + 2)).toBe("\r\n");
      rest = behind.slice(bytes + 2);
    }
    const said = Buffer.from(whole, "latin1").toString("utf8");
    expect(said).toMatch(/^data: .*"wörld".*\n\ndata: \[DONE\]\n\n$/s);
  });

  test("refuses what is nested without end", async () => {
    const rig = await rigOver([await fakeOf(answer("ok"))]);
    const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`) as unknown;
    const post = (depth: number) =>
      fetch(`${rig.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${rig.token}` },
        body: `{"model":"auto","messages":[],"metadata":${"[".repeat(depth)}${"]".repeat(depth)}}`,
      });
    expect((await post(5_000)).status).toBe(400);
    expect((await post(100_000)).status).toBe(400);
    expect((await ask(rig, { more: { metadata: nested(100) } })).status).toBe(200);
  });

  test("forgets no request of a minute when the clock is set back, and makes nobody wait for it", async () => {
    let off = 0;
    const rig = await rigOver([await fakeOf(answer("ok"))], "", { offMs: () => off });
    const token = rig.tokenFor({ rpm: 2 });
    expect((await ask(rig, { token })).status).toBe(200);
    off = -3_600_000;
    expect((await ask(rig, { token })).status).toBe(200);
    const refused = await ask(rig, { token });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(60);
  });

  test("a token that is taken back while its call waits is no token any more", async () => {
    let release: () => void = () => undefined;
    const fake = await fakeOf((heard, reply) => {
      release = () => void answer("first")(heard, reply);
    }, answer("second"));
    const rig = await rigOver([fake], "limits = { concurrency = 1 }");
    const token = rig.tokenFor({});
    const first = ask(rig);
    await until(() => fake.heard.length === 1);
    const second = ask(rig, { token });
    await until(() => rig.capacity.waiting === 1);
    rig.revoke(token);
    release();
    expect((await second).status).toBe(401);
    expect((await first).status).toBe(200);
    expect(fake.heard.length).toBe(1);
    expect(rig.spend(token)).toEqual({ tokens: 0, reserved: 0, usd: 0 });
  });

  test("shows a caller its own figures, and the gateway's own token those of all", async () => {
    const rig = await rigOver([await fakeOf(answer("ok"))]);
    const tokens = ["first", "ann", "bob"].map((name) => rig.tokenFor({ name }));
    for (const token of tokens) await textOf(ask(rig, { token }));
    const seen = await Promise.all(
      tokens.map(async (token) => {
        const headers = { authorization: `Bearer ${token}` };
        const page = await (await fetch(`${rig.url}/metrics`, { headers })).text();
        return [...new Set([...page.matchAll(/caller="(\w+)"/g)].map(([, name]) => name))].sort();
      }),
    );
    expect(seen).toEqual([["ann", "bob", "first"], ["ann"], ["bob"]]);
  });

  test("lets what is out end when it closes, and aborts what does not", async () => {
    let release: () => void = () => undefined;
    const hold: Play = (heard, reply) => {
      release = () => void answer("to its end")(heard, reply);
    };
    const fake = await fakeOf(answer("ok"), hold, hang);
    const rig = await rigOver([fake]);
    await known(rig, fake);
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
