import { expect, test } from "vitest";
import { noUsage } from "../../domain/reply.ts";
import { caseUsage } from "../../ports/model.case.ts";
import type { ProviderConfig } from "../config/config.ts";
import { parseConfig } from "../config/parse.ts";
import type { World } from "./open.ts";
import { type Effort, type Refreshed, refreshReadings } from "./refresh.ts";
import { answerGolden, type Respond, serveWire } from "./wires.case.ts";

const now = Date.parse("2026-11-21T12:00:00Z");
const canary = "sk-canary-4f1b9c2e7d";
const world: World = {
  ...{ variables: { K: canary }, folder: "/nowhere", userFolder: "/nowhere", given: [] },
  now: () => now,
};

function providerAt(kind: string, baseUrl: string): ProviderConfig {
  const text = `[providers.x]\nkind = "${kind}"\nmodel = "m"\napi_key_env = "K"\nbase_url = "${baseUrl}"`;
  const parsed = parseConfig(text, { place: "config.toml", installed: new Set() });
  const [provider] = parsed.kind === "refused" ? [] : parsed.config.providers;
  if (provider === undefined) throw new Error("the text has a provider");
  return provider;
}

interface Seen {
  readonly refreshed: Refreshed;
  readonly paths: readonly string[];
  readonly key: unknown;
}

/** Refreshes against a server that knows these paths and nothing else. */
async function refresh(
  kind: string,
  base: string,
  pages: Record<string, unknown>,
  effort: Effort = "look",
): Promise<Seen> {
  const respond: Respond = ({ path }, response) => {
    const page = pages[path];
    if (page === undefined) response.writeHead(404).end("{}");
    else response.writeHead(200).end(typeof page === "string" ? page : JSON.stringify(page));
  };
  await using server = await serveWire(respond);
  const refreshed = await refreshReadings(providerAt(kind, `${server.url}${base}`), world, effort, calm());
  expect(JSON.stringify(refreshed)).not.toContain("canary");
  const paths = server.received.map(({ path }) => path);
  return { refreshed, paths, key: server.received[0]?.headers.authorization };
}

const calm = () => AbortSignal.timeout(9_000);
const free = { kind: "told", load: undefined, usage: noUsage };

test("OpenRouter: what its key may still spend, as a window where it comes back", async () => {
  const look = async (data: unknown) =>
    (await refresh("openai-compatible", "/api/v1", { "/api/v1/key": { data } })).refreshed;
  const window = (periodDays: number, used: number, resetAt: string) => ({
    ...{ kind: "window", name: "key credit", measure: "share", scope: "account", limit: 1, used },
    ...{ periodMs: periodDays * 86_400_000, resetAt: Date.parse(resetAt) },
  });
  const told = async (reset: string, readings: readonly unknown[]) =>
    expect(await look({ limit: 100, limit_remaining: 75, limit_reset: reset })).toEqual({
      ...{ ...free, readings, says: "$75.00 of $100.00 are left to the key" },
    });
  await told("daily", [window(1, 0.25, "2026-11-22T00:00:00Z")]);
  await told("weekly", [window(7, 0.25, "2026-11-23T00:00:00Z")]);
  await told("monthly", [window(30, 0.25, "2026-12-01T00:00:00Z")]);
  await told("never heard of", []);
  expect(await look({ limit: null, limit_remaining: null, is_free_tier: true })).toMatchObject({
    says: "the key has no limit of its own; free models only, by the day",
  });
  expect(await look({ limit: 5, limit_remaining: -0.5, limit_reset: null })).toMatchObject({
    kind: "failed",
    fault: { kind: "billing" },
  });
  expect(await look("nonsense")).toMatchObject({ kind: "silent" });
});

test("vLLM and llama.cpp: their load and their slots; the key goes to their own server", async () => {
  const metrics = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 3\n";
  const both = await refresh("openai-compatible", "/v1", {
    "/metrics": metrics,
    "/slots": [{ id: 0 }, { id: 1 }],
  });
  expect(both.refreshed).toEqual({
    ...{ ...free, readings: [{ kind: "slots", max: 2 }] },
    load: { running: 2, waiting: 3, cacheShare: undefined },
    says: "2 running, 3 waiting, 2 at once",
  });
  expect([both.paths, both.key]).toEqual([["/metrics", "/slots"], `Bearer ${canary}`]);
  const none = await refresh("openai-compatible", "/v1", {});
  expect(none.refreshed).toEqual({ kind: "silent", why: "it shows neither /metrics nor /slots" });
});

test("Ollama and DeepSeek: what is free to ask", async () => {
  const ollama = await refresh("ollama", "", { "/api/ps": { models: [{ name: "qwen3:8b" }] } });
  expect(ollama.refreshed).toEqual({ ...free, readings: [], says: "up; in memory: qwen3:8b" });
  const echo = await refresh("ollama", "", { "/api/ps": { models: [{ name: canary }] } });
  expect(echo.refreshed).toMatchObject({ says: "up; in memory: [secret]" });
  const balance = (isAvailable: boolean) => ({
    is_available: isAvailable,
    balance_infos: [
      { currency: "USD", total_balance: "1.50", granted_balance: "0.00", topped_up_balance: "1.50" },
    ],
  });
  const rich = await refresh("deepseek", "/v1", { "/user/balance": balance(true) });
  expect(rich.refreshed).toEqual({ ...free, readings: [], says: "balance: 1.50 USD" });
  const poor = await refresh("deepseek", "", { "/user/balance": balance(false) });
  expect(poor.refreshed).toMatchObject({ kind: "failed", fault: { kind: "billing" } });
});

test("who says nothing without a call is not called, unless that is allowed", async () => {
  for (const kind of ["anthropic", "openai", "gemini"]) {
    const { refreshed, paths } = await refresh(kind, "", {});
    expect(refreshed.kind).toBe("silent");
    expect(paths).toEqual([]);
  }
  await using server = await serveWire(answerGolden("anthropic/said.http"));
  const asked = await refreshReadings(providerAt("anthropic", server.url), world, "ask", calm());
  expect(asked).toMatchObject({ kind: "told", usage: caseUsage });
  expect(asked.kind === "told" && asked.readings.length).toBeGreaterThan(0);
  expect(server.received.map(({ body }) => body.max_tokens)).toEqual([1]);
});

test("a refusal, a server that is gone and a call that is refused are faults, without the key", async () => {
  const check = async (kind: string, respond: Respond, effort: Effort, expected: object) => {
    await using server = await serveWire(respond);
    const refreshed = await refreshReadings(providerAt(kind, server.url), world, effort, calm());
    expect(refreshed).toMatchObject({ kind: "failed", ...expected });
    expect(JSON.stringify(refreshed)).not.toContain("canary");
  };
  const revoked: Respond = ({ headers }, response) => response.writeHead(401).end(JSON.stringify(headers));
  await check("deepseek", revoked, "look", { fault: { kind: "auth" } });
  await check("anthropic", answerGolden("anthropic/window.http"), "ask", { fault: { kind: "window" } });
  const url = await serveWire(() => undefined).then(async (server) => {
    await server[Symbol.asyncDispose]();
    return server.url;
  });
  expect(await refreshReadings(providerAt("ollama", url), world, "look", calm())).toMatchObject({
    kind: "failed",
    fault: { kind: "capacity", why: expect.stringContaining("is the server running?") },
  });
});

test("stops when aborted, with the reason", async () => {
  await using server = await serveWire(() => undefined);
  const abort = new AbortController();
  const looking = refreshReadings(providerAt("ollama", server.url), world, "look", abort.signal);
  const rejection = expect(looking).rejects.toBe("enough");
  await server.asked;
  abort.abort("enough");
  await rejection;
});
