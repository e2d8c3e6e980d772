import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { casePrompt, caseText } from "../../ports/model.case.ts";
import { compatibleUrlOf, factsOfKind, type ProviderKind, providerKinds } from "../config/kind.ts";
import { parseConfig } from "../config/parse.ts";
import { openModel, secretsOf, type World } from "./open.ts";
import { answerEither, serveWire } from "./wires.case.ts";

const world: World = { variables: {}, folder: "/nowhere", userFolder: "/nowhere", now: () => 0, given: [] };
const calm = () => AbortSignal.timeout(9000);

function providersOf(text: string) {
  const parsed = parseConfig(text, { place: "config.toml", installed: new Set() });
  if (parsed.kind === "refused") throw new Error(parsed.faults.join("\n"));
  return parsed.config.providers;
}

async function open(text: string, changes: Partial<World> = {}) {
  const [provider] = providersOf(text);
  if (provider === undefined) throw new Error("the text has a provider");
  return await openModel(provider, { ...world, ...changes });
}

const why = async (text: string, changes: Partial<World> = {}) => {
  const opened = await open(text, changes);
  return opened.kind === "unusable" ? opened.why : "";
};

test("says in one line why a provider cannot be used and what to do", async () => {
  const check = async (text: string, expected: string, variables: World["variables"] = {}) =>
    expect(await why(text, { variables })).toBe(expected);
  await check("[providers.codex]", 'no model is named; add model = "..." under [providers.codex]');
  await check(
    '[providers.claude]\nmodel = "m"',
    "the variable ANTHROPIC_API_KEY is not set; export ANTHROPIC_API_KEY=... with the key of provider claude",
  );
  await check(
    '[providers.w]\nkind = "openai-compatible"\nmodel = "m"',
    'kind "openai-compatible" has no server of its own; add base_url = "http://..." under [providers.w]',
  );
  await check(
    "[providers.openai]\nenabled = false",
    "switched off; set enabled = true under [providers.openai]",
  );
  await check(
    '[providers.c]\nkind = "claude-code"',
    'kind "claude-code" is configured, not usable in this version; with an API key, set kind = "anthropic"',
  );
  const broken = { OPENAI_API_KEY: "sk-canary-1234\r\nx: y" };
  const text = '[providers.openai]\nmodel = "m"';
  await check(text, "OPENAI_API_KEY holds characters that no key has; copy the key of openai again", broken);
});

test("opens or declines every kind there is", async () => {
  const usable: string[] = [];
  for (const kind of providerKinds) {
    const text = `[providers.x]\nkind = "${kind}"\nmodel = "m"\napi_key_env = "K"\nbase_url = "http://127.0.0.1:9"`;
    const opened = await open(text, { variables: { K: "some-long-key" } });
    if (opened.kind === "opened") usable.push(kind);
    else if (kind !== "scripted" && kind !== "gguf")
      expect(opened.why).toContain("not usable in this version");
  }
  expect(usable).toEqual([
    "openai",
    "anthropic",
    "gemini",
    "deepseek",
    "ollama",
    "triton",
    "openai-compatible",
  ]);
});

test("asks the configured server with the named key, and knows the price", async () => {
  await using server = await serveWire(answerEither("openai", "said"));
  const text = `[providers.work]\nkind = "openai"\nmodel = "m"\napi_key_env = "K"\nbase_url = "${server.url}/v1"\nprice = { input = 3, output = 15 }`;
  const opened = await open(text, { variables: { K: " some-long-key\n", OPENAI_API_KEY: "another" } });
  if (opened.kind === "unusable") throw new Error(opened.why);
  expect(opened.model).toMatchObject({ provider: "work", name: "m", price: { inputUsd: 3, outputUsd: 15 } });
  expect(await opened.model.ask(casePrompt, calm())).toMatchObject({ kind: "said", text: caseText });
  expect(server.received[0]).toMatchObject({ path: "/v1/chat/completions" });
  expect(server.received[0]?.headers.authorization).toBe("Bearer some-long-key");
  expect(server.received[0]?.body).toMatchObject({ max_tokens: 64 });
});

test.each([
  ["gemini", "", "/models/m:generateContent", "gemini"],
  ["gemini", "/openai", "/openai/chat/completions", "openai"],
  ["ollama", "", "/api/chat", "ollama"],
  ["ollama", "/v1", "/v1/chat/completions", "openai"],
  ["triton", "", "/v2/models/m/generate", "triton"],
  ["triton", "/v2", "/v2/models/m/generate", "triton"],
] as const)("a base url that names the compatible endpoint keeps that wire (%s, %s)", async (...row) => {
  const [kind, end, path, folder] = row;
  await using server = await serveWire(answerEither(folder, "said"));
  const bounds = "context_tokens = 5000\noutput_tokens_max = 1000";
  const text = `[providers.x]\nkind = "${kind}"\nmodel = "m"\n${bounds}\nbase_url = "${server.url}${end}"`;
  const opened = await open(text);
  if (opened.kind === "unusable") throw new Error(opened.why);
  expect(await opened.model.ask(casePrompt, calm())).toMatchObject({ kind: "said", text: caseText });
  expect(server.received[0]?.path).toBe(path);
  // Prompt and answer both have to fit.
  if (folder === "ollama") expect(server.received[0]?.body.options).toMatchObject({ num_ctx: 6000 });
});

test("the vendors' own addresses, and where they serve OpenAI's wire", () => {
  const check = (kind: ProviderKind, own: string, compatible: string) => {
    expect(factsOfKind(kind).baseUrl).toBe(own);
    expect(compatibleUrlOf({ kind, baseUrl: undefined })).toBe(compatible);
    expect(compatibleUrlOf({ kind, baseUrl: compatible })).toBe(compatible);
  };
  const google = "https://generativelanguage.googleapis.com/v1beta";
  check("gemini", google, `${google}/openai`);
  check("ollama", "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1");
  check("deepseek", "https://api.deepseek.com", "https://api.deepseek.com");
});

test.each(["openai", "anthropic"] as const)(
  "another server never gets a usual key that was not named for it (%s)",
  async (kind) => {
    await using server = await serveWire(answerEither(kind, "said"));
    const variables = { OPENAI_API_KEY: "sk-canary-1234", ANTHROPIC_API_KEY: "sk-canary-1234" };
    const opened = await open(`[providers.x]\nkind = "${kind}"\nmodel = "m"\nbase_url = "${server.url}"`, {
      variables,
    });
    if (opened.kind === "unusable") throw new Error(opened.why);
    await opened.model.ask(casePrompt, calm());
    expect(JSON.stringify(server.received)).not.toContain("canary");
  },
);

test("plays a transcript beside the configuration, and names a bad one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rigs-open-"));
  try {
    await writeFile(join(folder, "good.json"), JSON.stringify({ answers: [{ text: "played" }] }));
    await writeFile(join(folder, "bad.json"), "{}");
    const text = (script: string) => `[providers.demo]\nkind = "scripted"\nscript = "${script}"`;
    for (const [script, changes] of [
      ["good.json", { folder }],
      ["~/good.json", { userFolder: folder }],
    ] as const) {
      const opened = await open(text(script), changes);
      if (opened.kind === "unusable") throw new Error(opened.why);
      expect(await opened.model.ask(casePrompt, calm())).toMatchObject({ kind: "said", text: "played" });
    }
    expect(await why(text("bad.json"), { folder })).toMatch(/bad\.json: answers: /);
    expect(await why(text("none.json"), { folder })).toBe(
      `the transcript ${join(folder, "none.json")} cannot be read (ENOENT)`,
    );
    expect(await why('[providers.demo]\nkind = "scripted"')).toMatch(/^no transcript is named; /);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("lists the keys that must not leave in a commit, each once", () => {
  const providers = providersOf(
    '[providers.a]\nkind = "openai"\n[providers.b]\nkind = "openai"\n[providers.c]\nkind = "acp"\napi_key_env = "C"\n[providers.d]\nkind = "acp"\napi_key_env = "D"\nenabled = false\n[providers.ollama]\n',
  );
  const secrets = secretsOf(providers, {
    OPENAI_API_KEY: "key-one-long",
    C: "key-two-long",
    D: "key-three-long",
  });
  expect(secrets.map((secret) => secret.reveal())).toEqual(["key-one-long", "key-two-long"]);
});
