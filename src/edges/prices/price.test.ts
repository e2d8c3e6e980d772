import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseConfig } from "../config/parse.ts";
import { priceList, pricingOf } from "./price.ts";

const now = Date.UTC(2026, 10, 21);

async function pricing(text: string) {
  const parsed = parseConfig(`[providers.a]\n${text}`, { place: "config.toml", installed: new Set() });
  const [provider] = parsed.kind === "refused" ? [] : parsed.config.providers;
  if (provider === undefined) throw new Error("the text has a provider");
  return pricingOf(provider, now);
}

test("what is configured wins, then the vendor's list, with its date", async () => {
  const configured = await pricing('kind = "openai"\nmodel = "gpt-5.1"\nprice = { input = 7, output = 8 }');
  const price = { inputUsd: 7, cachedInputUsd: 7, outputUsd: 8 };
  expect(configured).toEqual({ kind: "known", price, source: "configuration" });
  expect(await pricing('kind = "openai"\nmodel = "gpt-5.1"')).toEqual({
    ...{ kind: "known", source: "list of 2026-09-23" },
    price: { inputUsd: 1.25, cachedInputUsd: 0.125, outputUsd: 10 },
  });
});

test("the list is known by the server: the kind's own, or one that says whose it is", async () => {
  const check = async (text: string, inputUsd: number) =>
    expect(await pricing(text)).toMatchObject({ kind: "known", price: { inputUsd } });
  await check('kind = "anthropic"\nmodel = "claude-opus-4-5"', 5);
  await check('kind = "gemini"\nmodel = "gemini-2.5-flash"', 0.3);
  await check('kind = "openai"\nmodel = "gpt-5.1"\nbase_url = "https://api.openai.com/v1/"', 1.25);
  const router = 'base_url = "https://openrouter.ai/api/v1"';
  await check(`kind = "openai-compatible"\nmodel = "anthropic/claude-sonnet-4.5"\n${router}`, 3);
});

test("nobody else's server has a list price, and an unknown model none at all", async () => {
  const check = async (text: string, why: string) =>
    expect(await pricing(text)).toEqual({ kind: "unknown", why });
  const other = (url: string) => `kind = "openai"\nmodel = "gpt-5.1"\nbase_url = "${url}"`;
  await check(other("https://proxy.example/v1"), "no price list speaks of proxy.example");
  await check(other("https://api.openai.com.example/v1"), "no price list speaks of api.openai.com.example");
  await check(other("http://api.openai.com/v1"), "no price list speaks of api.openai.com");
  await check(other("https://api.openai.com:8443/v1"), "no price list speaks of api.openai.com:8443");
  await check(
    'kind = "openai"\nmodel = "gpt-nonsense"',
    "the price list of 2026-09-23 has no gpt-nonsense of openai",
  );
  await check(
    'kind = "openai"\nmodel = "text-embedding-3-small"',
    "the price list of 2026-09-23 has no text-embedding-3-small of openai",
  );
});

test("where the hour or the length of the prompt decides, the dearest that can come up counts", async () => {
  // DeepSeek's nights are cheaper; a prompt beyond 200,000 tokens makes Sonnet 4.5 dearer.
  expect(await pricing('kind = "deepseek"\nmodel = "deepseek-chat"')).toMatchObject({
    price: { inputUsd: 0.27, outputUsd: 1.1 },
  });
  const sonnet = 'kind = "anthropic"\nmodel = "claude-sonnet-4-5"';
  expect(await pricing(sonnet)).toMatchObject({ price: { inputUsd: 3, outputUsd: 15 } });
  const long = `${sonnet}\ncontext_tokens = 1_000_000`;
  expect(await pricing(long)).toMatchObject({ price: { inputUsd: 6, cachedInputUsd: 0.6, outputUsd: 22.5 } });
});

test("scripts and models on this machine cost nothing", async () => {
  expect(await pricing('kind = "scripted"\nscript = "a.json"')).toEqual({ kind: "nothing" });
  expect(await pricing('kind = "ollama"\nmodel = "qwen3"')).toEqual({ kind: "nothing" });
  expect(await pricing('kind = "ollama"\nmodel = "qwen3-coder:480b-cloud"')).toMatchObject({
    kind: "unknown",
  });
  const far = 'kind = "ollama"\nmodel = "qwen3"\nbase_url = "https://ollama.example/v1"';
  expect(await pricing(far)).toMatchObject({ kind: "unknown" });
});

test("the list's date is that of the version that is installed", () => {
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  expect(dependencies["@pydantic/genai-prices"], "look up when the new version was published").toBe(
    priceList.version,
  );
});
