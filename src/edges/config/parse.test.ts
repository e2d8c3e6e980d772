import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Config } from "./config.ts";
import { nearest, parseConfig } from "./parse.ts";
import { lineOf } from "./place.ts";
import { Secret } from "./secret.ts";

const ground = { place: "config.toml", installed: new Set<never>() };

function parsed(text: string, installed: readonly ("claude-code" | "codex")[] = []): Config {
  const result = parseConfig(text, { ...ground, installed: new Set(installed) });
  if (result.kind === "refused") throw new Error(result.faults.join("\n"));
  return result.config;
}

const faults = (text: string) => {
  const result = parseConfig(text, ground);
  return result.kind === "refused" ? result.faults : [];
};

/** The example of the first README, as it stands there. */
const seed = `# ~/.rigs/config.toml

[general]
workspace = "~/.rigs"
log_level = "info"

[providers.claude]
enabled = true
model = "claude-sonnet-4-20250514"
threshold_yellow = 0.5
threshold_red = 0.2

[providers.codex]
enabled = true
threshold_yellow = 0.4
threshold_red = 0.15

[providers.gemini]
enabled = true
model = "gemini-2.5-pro"
api_key_env = "GEMINI_API_KEY"

[providers.deepseek]
enabled = true
model = "deepseek-chat"
api_key_env = "DEEPSEEK_API_KEY"

[assayer]
planner_model = "deepseek-r1:7b"
optimizer_model = "qwen3:8b"
estimator_model = "llama3.2:3b"
use_ollama = true

[routing]
strategy = "balanced"  # conservative, balanced, aggressive
`;

test("the README's own example parses as it stands", () => {
  const config = parsed(seed);
  expect(config.general).toEqual({ workspace: "~/.rigs", logLevel: "info" });
  expect(config.providers.map(({ name, kind, model }) => [name, kind, model])).toEqual([
    ["claude", "anthropic", "claude-sonnet-4-20250514"],
    ["codex", "openai", undefined],
    ["gemini", "gemini", "gemini-2.5-pro"],
    ["deepseek", "deepseek", "deepseek-chat"],
  ]);
  expect(config.providers[1]).toMatchObject({ enabled: true, thresholdYellow: 0.4, thresholdRed: 0.15 });
  expect(config.assayer).toEqual({
    plannerModel: "deepseek-r1:7b",
    optimizerModel: "qwen3:8b",
    estimatorModel: "llama3.2:3b",
    useOllama: true,
  });
  expect(config.routing).toEqual({ strategy: "balanced" });
  expect(config.warnings).toEqual([]);
});

test("an agent CLI that is installed gives its section its kind; a given kind wins", () => {
  const kinds = (text: string, installed: readonly ("claude-code" | "codex")[]) =>
    parsed(text, installed).providers.map(({ kind }) => kind);
  expect(kinds(seed, ["claude-code", "codex"]).slice(0, 2)).toEqual(["claude-code", "codex"]);
  expect(kinds('[providers.claude]\nkind = "anthropic"', ["claude-code"])).toEqual(["anthropic"]);
});

test("an empty text gives the defaults", () => {
  expect(parsed("")).toEqual({
    general: { workspace: "~/.rigs", logLevel: "info" },
    providers: [],
    assayer: {
      plannerModel: undefined,
      optimizerModel: undefined,
      estimatorModel: undefined,
      useOllama: false,
    },
    routing: { strategy: "balanced" },
    polecat: { repairsMax: 2, freshMax: 2, callsMax: 14, contextTokensMax: 12_000 },
    environment: { registries: [] },
    warnings: [],
  });
});

test("reads every setting of a provider, the loop and the environment", () => {
  const config = parsed(`
[providers.work]
kind = "openai-compatible"
base_url = "http://127.0.0.1:8080/v1/"
model = "some-model"
api_key_env = "WORK_KEY"
tier = "strong"
limits = { rpm = 60, itpm = 100000, otpm = 20000, concurrency = 4, burst_seconds = 10 }
price = { input = 3, cached_input = 0.3, output = 15 }
max_retries = 0
retry_base_seconds = 0.5
retry_max_seconds = 9
context_tokens = 32000
output_tokens_max = 4096
timeout_seconds = 90

[polecat]
repairs = 0
fresh_starts = 1
calls_max = 5
context_tokens_max = 20000

[environment]
registries = ["registry.example", "mirror.example:8443", "http://127.0.0.1:4873"]
`);
  expect(config.providers).toEqual([
    {
      name: "work",
      kind: "openai-compatible",
      enabled: true,
      model: "some-model",
      baseUrl: "http://127.0.0.1:8080/v1",
      apiKeyEnv: "WORK_KEY",
      tier: "strong",
      limits: {
        ...{ rpm: 60, rpd: undefined, tpm: undefined, itpm: 100_000, otpm: 20_000, concurrency: 4 },
        burstSeconds: 10,
      },
      thresholdYellow: 0.5,
      thresholdRed: 0.2,
      retry: { countMax: 0, baseMs: 500, maxMs: 9000 },
      price: { inputUsd: 3, cachedInputUsd: 0.3, outputUsd: 15 },
      script: undefined,
      contextTokens: 32_000,
      outputTokensMax: 4096,
      timeoutMs: 90_000,
    },
  ]);
  expect(config.polecat).toEqual({ repairsMax: 0, freshMax: 1, callsMax: 5, contextTokensMax: 20_000 });
  expect(config.environment.registries).toHaveLength(3);
});

test("an unknown price stays unknown, and a cache without a price is not free", () => {
  expect(parsed('[providers.openai]\nmodel = "m"').providers[0]?.price).toBeUndefined();
  const [one] = parsed("[providers.openai]\nprice = { input = 3, output = 15 }").providers;
  expect(one?.price).toEqual({ inputUsd: 3, cachedInputUsd: 3, outputUsd: 15 });
});

test("names what is wrong, where, and what to write", () => {
  const check = (text: string, ...expected: readonly string[]) => expect(faults(text)).toEqual(expected);
  check(
    "[general]\nlog_levl = 1",
    "config.toml:2:1: log_levl is not known in [general]; did you mean log_level?",
  );
  check(
    "[provider.x]\nkind='acp'",
    "config.toml:1:2: provider is not known in the file; did you mean providers?",
  );
  check(
    "\n[providers.openai]\nmodel = 'm'\nlimits = { rmp = 3 }",
    "config.toml:4:12: rmp is not known in [providers.openai.limits]; did you mean rpm?",
  );
  check(
    "[providers.openai]\nthreshold_red = 20",
    "config.toml:2:1: providers.openai.threshold_red is at most 1",
  );
  check(
    "[providers.openai]\nthreshold_red = 0.6\nthreshold_yellow = 0.4",
    "config.toml:1:12: providers.openai: threshold_red (0.6) is above threshold_yellow (0.4); both are fractions remaining",
  );
  check(
    "[routing]\nstrategy = 'fast'",
    "config.toml:2:1: routing.strategy is one of: conservative, balanced, aggressive",
  );
  check(
    "[providers.openai]\nprice = { input = 3 }",
    "config.toml:2:1: providers.openai.price.output is missing",
  );
  check("[polecat]\nrepairs = 1.5", "config.toml:2:1: polecat.repairs is a whole number from 0 to 20");
  check("providers = 3", "config.toml:1:1: providers is a table");
  expect(faults("[providers.mine]")[0]).toMatch(
    /^config\.toml:1:12: providers\.mine needs a kind, one of: openai, /,
  );
  expect(faults('[providers."a b"]\nkind = "acp"')[0]).toMatch(/^config\.toml:1:2: the name of a provider/);
});

test("says the line and column of a syntax error", () => {
  expect(faults("[general]\nworkspace = ~/.rigs\n")[0]).toMatch(/^config\.toml:2:\d+: not valid TOML: /);
  expect(faults("[general]\n[general]")[0]).toMatch(/^config\.toml:2:\d+: not valid TOML: /);
});

test("a key pasted into the file is refused and never repeated", () => {
  const canary = "sk-canary-4f1b9c2e7d";
  const places = [
    `[providers.openai]\napi_key = "${canary}"`,
    `[providers.openai]\napi_key_env = "${canary}"`,
    `[providers.openai]\napi_key_env = ${canary}`,
    `[providers.openai]\nbase_url = "https://me:${canary}@host/v1"`,
    `[providers.openai]\nkind = "${canary}"`,
    `[providers.openai]\nmodel = ["${canary}"]`,
    `[providers.openai]\n"${canary}!" = 1`,
    `[providers.openai]\nmodel = "${canary}`,
  ];
  for (const text of places) {
    expect(faults(text).length, text).toBeGreaterThan(0);
    expect(faults(text).join("\n")).not.toContain(canary);
  }
  expect(faults(places[0] ?? "")[0]).toContain("name it with api_key_env");
});

test("warns when a named key would travel unencrypted", () => {
  const warnings = (url: string) =>
    parsed(`[providers.w]\nkind = "openai-compatible"\napi_key_env = "K"\nbase_url = "${url}"`).warnings;
  expect(warnings("http://models.example/v1")).toEqual([
    "providers.w: the key in K travels unencrypted to models.example; use https if the server has it",
  ]);
  expect(warnings("http://127.0.0.1:8080/v1")).toEqual([]);
  expect(warnings("https://models.example/v1")).toEqual([]);
});

test("any text is parsed or refused with a reason, never thrown at", () => {
  const piece = fc.constantFrom(
    "[",
    "]",
    "providers",
    ".",
    "=",
    '"',
    "'''",
    '"""',
    "\n",
    "#",
    "x",
    "1e400",
    "{",
    "}",
    "__proto__",
    "true",
    ",",
    "9".repeat(30),
    "1979-05-27",
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(" ")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const result = parseConfig(text, ground);
      if (result.kind === "refused")
        for (const fault of result.faults) expect(fault).toMatch(/^config\.toml[^\n]*$/);
    }),
    { numRuns: 2000 },
  );
});

test("finds lines through strings and arrays that look like headers", () => {
  const text = '[a]\nx = """\n[b]\ny = 1\n"""\nz = [\n[1],\n"[c]", # [\n]\n"k.l" = 2\n\n[b]\ny = { w = 1 }\n';
  const check = (path: readonly string[], line: number | undefined) => expect(lineOf(text, path)).toBe(line);
  check(["a"], 1);
  check(["a", "x"], 2);
  check(["a", "z"], 6);
  check(["b"], 12);
  check(["b", "y"], 13);
  check(["b", "y", "w"], 13);
  check(["nothing"], undefined);
});

test("guesses the word that was meant, or none", () => {
  const check = (word: string, meant: string | undefined) =>
    expect(nearest(word, ["model", "base_url", "api_key_env", "rpm", "tpm"])).toBe(meant);
  check("modle", "model");
  check("base-url", "base_url");
  check("api_key", "api_key_env");
  check("rmp", "rpm");
  check("colour", undefined);
});

test("a secret shows nowhere but where it is revealed", () => {
  const secret = new Secret(" sk-canary-4f1b9c2e7d\n");
  expect(secret.reveal()).toBe("sk-canary-4f1b9c2e7d");
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    inspect(secret, { showHidden: true }),
  ];
  expect(shown.join(" ")).not.toContain("canary");
  expect(Object.keys(secret)).toEqual([]);
  expect(secret.conceal("a sk-canary-4f1b9c2e7d b c2stY2FuYXJ5LTRmMWI5YzJlN2Q= c")).toBe(
    "a [secret] b [secret] c",
  );
  expect(new Secret("x").conceal("xylophone")).toBe("xylophone");
  expect(new Secret("a b").isSendable()).toBe(false);
});
