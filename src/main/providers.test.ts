import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { startSimulator } from "../edges/simulator/server.ts";
import { type ProviderWish, UsageError } from "../faces/house.ts";
import { openHouse } from "./house.ts";
import { realClock } from "./inside.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-providers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let homes = 0;

/** A house over a home of its own. */
function openOwn(variables: Readonly<Record<string, string>> = {}, config?: string) {
  const home = join(folder, String(++homes));
  mkdirSync(home, { mode: 0o700 });
  const file = join(home, "config.toml");
  if (config !== undefined) writeFileSync(file, config);
  const house = openHouse({
    home,
    folder,
    variables: { HOME: folder, PATH: "/usr/bin:/bin", ...variables },
    version: "1",
  });
  return { house, file, text: () => (existsSync(file) ? readFileSync(file, "utf8") : "") };
}

const never = new AbortController().signal;

describe("provider add refuses what could never work, and writes nothing", () => {
  const check = async (name: string, wish: ProviderWish, why: RegExp) => {
    const { house, text } = openOwn();
    const adding = house.addProvider(name, wish);
    await expect(adding).rejects.toThrow(why);
    await expect(adding).rejects.toBeInstanceOf(UsageError);
    expect(text()).toBe("");
  };
  test("a kind that is missing, or none", async () => {
    await check("work", { model: "m" }, /provider work needs --kind, one of: openai, /);
    await check("work", { kind: "magic", model: "m" }, /^--kind is one of openai, /);
    await check("work", { kind: "opena", model: "m" }, /^--kind: did you mean openai\? --kind is one of/);
    await check("work", { kind: "Antropic", model: "m" }, /did you mean anthropic\?/);
  });
  test("a kind of a later version, which is not offered either", async () => {
    await check(
      "agent",
      { kind: "claude-code" },
      /^kind claude-code cannot be used in this version; with an/,
    );
    await check("work", { kind: "magic", model: "m" }, /ollama, triton, gguf, openai-compatible, scripted$/);
    await check("work", { kind: "acp", model: "m" }, /^kind acp cannot be used/);
  });
  test("no model for a kind that speaks to a server", async () => {
    for (const kind of ["openai", "anthropic", "gemini", "deepseek", "ollama", "triton", "openai-compatible"])
      await check("work", { kind, baseUrl: "http://127.0.0.1:1/v1" }, /needs --model/);
    await check("claude", {}, /needs --model/);
    await check("work", { kind: "gguf" }, /needs --model, the path of the GGUF file$/);
  });
  test("no server for a kind that has none of its own; no address; no tier", async () => {
    await check("work", { kind: "openai-compatible", model: "m" }, /add --base-url/);
    await check("work", { kind: "triton", model: "m" }, /add --base-url/);
    await check("work", { kind: "openai", model: "m", baseUrl: "somewhere" }, /^--base-url is an http/);
    await check("work", { kind: "openai", model: "m", tier: "huge" }, /^--tier is one of/);
  });
  test("a script too few or too many", async () => {
    await check("work", { kind: "scripted" }, /needs --script/);
    await check("work", { kind: "openai", model: "m", script: "x" }, /--script belongs to --kind scripted/);
  });
  test("strange names", async () => {
    for (const name of ["a b", "é", "", "a.b", "__proto__", "x".repeat(65), '"]\n[general]'])
      await check(name, { kind: "openai", model: "m" }, /the name of a provider has 1 to 64 letters/);
  });
  test("a key in place of its variable's name is not repeated", async () => {
    for (const key of [
      "sk-ant-api03-verysecret",
      "3fa85f6457174562b3fc2c963f66afa6",
      "two words",
      "a".repeat(200),
    ]) {
      await check(
        "work",
        { kind: "openai", model: "m", apiKeyEnv: key },
        /--api-key-env takes the NAME of a variable/,
      );
      const { house } = openOwn();
      const said = await house
        .addProvider("work", { kind: "openai", model: "m", apiKeyEnv: key })
        .catch(String);
      expect(said).not.toContain(key);
    }
  });
  test("a name that is taken", async () => {
    const { house, text } = openOwn({}, '[providers.work]\nkind = "openai"\nmodel = "m"\n');
    const before = text();
    await expect(house.addProvider("work", { kind: "openai", model: "n" })).rejects.toThrow(/already in/);
    expect(text()).toBe(before);
  });
});

describe("provider add keeps what is only missing yet, and says so", () => {
  test("a variable that is not set", async () => {
    const wish = { kind: "openai", model: "m", apiKeyEnv: "WORK_KEY" };
    expect(await openOwn().house.addProvider("work", wish)).toMatch(
      /it cannot be used yet: the variable WORK_KEY is not set/,
    );
    expect(await openOwn({ WORK_KEY: "k" }).house.addProvider("work", wish)).toMatch(
      /try it with: rigs provider test work$/,
    );
  });
  test("a script, found from where it was typed", async () => {
    const { house, text } = openOwn();
    const said = await house.addProvider("demo", { kind: "scripted", script: "later.json" });
    expect(said).toContain(`cannot be used yet: the transcript ${join(folder, "later.json")} cannot be read`);
    expect(text()).toContain(join(folder, "later.json"));
  });
  test("a model's file, found from where it was typed", async () => {
    const { house, text } = openOwn();
    expect(await house.addProvider("local", { kind: "gguf", model: "later.gguf" })).toMatch(
      /it cannot be used yet: (?:the model file .*later\.gguf cannot be read|local models need node-llama-cpp)/,
    );
    expect(text()).toContain(join(folder, "later.gguf"));
  });
  test("and keeps comments and neighbours", async () => {
    const before = '# mine\n[providers.a] # here\nkind = "openai"\nmodel = "m"\n';
    const { house, text } = openOwn({}, before);
    await house.addProvider("b", { kind: "ollama", model: "m" });
    expect(text().startsWith(before)).toBe(true);
    await house.removeProvider("b");
    expect(text().trimEnd()).toBe(before.trimEnd());
  });
});

test("an unknown price is no news of a goal, but keeps a budget in USD away", async () => {
  const { house } = openOwn(
    { OPENAI_API_KEY: "k" },
    '[providers.a]\nkind = "openai"\nmodel = "m"\n[providers.b]\nkind = "openai"\nmodel = "gpt-5.1"\n',
  );
  expect(await house.chooseProviders([])).toMatchObject({
    ...{ kind: "chosen", notes: [], unpriced: ["a"], listed: ["b (list of 2026-09-23)"] },
  });
});

test("a port that web requests may not use is named as such", async () => {
  const config =
    '[providers.a]\nkind = "openai-compatible"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n';
  const { text } = await openOwn({}, config).house.testProvider("a", never);
  expect(text).toContain("web requests may not use this port, use another: 127.0.0.1:9");
});

test("a bench without its file says nothing of rows that are kept", async () => {
  const { house } = openOwn();
  const heard: string[] = [];
  const wish = {
    file: "none.jsonl",
    provider: undefined,
    countMax: 1,
    workers: 1,
    resume: undefined,
    keep: false,
  };
  const hear = { begun: (made: string) => void heard.push(made), row: () => undefined };
  await expect(house.bench(wish, hear, never)).rejects.toBeInstanceOf(UsageError);
  expect(heard).toEqual([]);
});

describe("a broken configuration", () => {
  test("is refused by line, and not written over", async () => {
    const { house, file, text } = openOwn({}, '[providers.a]\nkind = "opena"\nmodell = "m"\n');
    const before = text();
    await expect(house.providers()).rejects.toThrow(`${file}:2:`);
    await expect(house.providers()).rejects.toThrow(/\(and 1 more: rigs doctor shows all\)/);
    await expect(house.addProvider("b", { kind: "openai", model: "m" })).rejects.toThrow(`${file}:2:`);
    expect(text()).toBe(before);
  });
});

describe("which providers a goal may ask", () => {
  const two =
    '[providers.home]\nkind = "ollama"\nmodel = "m"\n[providers.work]\nkind = "openai"\nmodel = "m"\napi_key_env = "WORK_KEY"\n';
  test("all that are usable, in the file's order, where none is named", async () => {
    expect(await openOwn({}, two).house.chooseProviders([])).toMatchObject({ names: ["home"] });
    expect(await openOwn({ WORK_KEY: "k" }, two).house.chooseProviders([])).toMatchObject({
      names: ["home", "work"],
    });
  });
  test("those named, if they can be used", async () => {
    const { house } = openOwn({}, two);
    const why = async (name: string) => (await house.chooseProviders([name])) as { readonly why?: string };
    expect(await why("home")).toMatchObject({ kind: "chosen", names: ["home"] });
    expect((await why("work")).why).toMatch(/provider work cannot be used: the variable WORK_KEY is not set/);
    expect((await why("nobody")).why).toMatch(
      /no provider "nobody" is configured \(configured: home, work\)/,
    );
  });
  test("nobody of another tier than the first unless named, and that is said", async () => {
    const lines = ["a", "b", "c"].map(
      (name) =>
        `[providers.${name}]\nkind = "ollama"\nmodel = "m"\ntier = "${name === "b" ? "strong" : "cheap"}"\n`,
    );
    const { house } = openOwn({}, lines.join(""));
    expect(await house.chooseProviders([])).toMatchObject({
      names: ["a", "c"],
      notes: [expect.stringMatching(/^b \(strong\) is not asked: another tier than a \(cheap\)/)],
    });
    expect(await house.chooseProviders(["b", "a"])).toMatchObject({ names: ["b", "a"], notes: [] });
  });
  test("none at all: how to add one", async () => {
    expect(await openOwn().house.chooseProviders([])).toMatchObject({
      kind: "none",
      why: expect.stringMatching(/rigs provider add/),
    });
  });
});

describe("provider test", () => {
  test("asks a real server one question", async () => {
    const options = {
      port: 0,
      taskSet: undefined,
      scenario: undefined,
      seed: 1,
      firstTokenMs: 0,
      tokensPerSecond: 0,
      clock: realClock,
    };
    const simulator = await startSimulator(options);
    const { house } = openOwn();
    await house.addProvider("sim", {
      kind: "openai-compatible",
      model: "median",
      baseUrl: `${simulator.url}/v1`,
    });
    await house.addProvider("other", {
      kind: "openai-compatible",
      model: "none-such",
      baseUrl: `${simulator.url}/v1`,
    });
    expect(await house.testProvider("sim", never)).toMatchObject({
      isGood: true,
      text: expect.stringMatching(/^sim \(median\) answered in \d+ ms/),
    });
    expect(await house.testProvider("other", never)).toMatchObject({
      isGood: false,
      text: expect.stringMatching(/404.*check model and base_url$/),
    });
    await house.addProvider("bare", { kind: "anthropic", model: "median", baseUrl: simulator.url });
    expect(await house.testProvider("bare", never)).toMatchObject({
      isGood: false,
      text: expect.stringMatching(/404.*\(base_url may lack \/v1: http:\/\/127[.\d:]+\/v1\)$/),
    });
    await simulator.close();
  });
  test("a closed port is an answer too", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((ready) => server.once("listening", ready));
    const { port } = server.address() as AddressInfo;
    await new Promise((closed) => server.close(closed));
    const { house } = openOwn();
    await house.addProvider("gone", {
      kind: "openai-compatible",
      model: "m",
      baseUrl: `http://127.0.0.1:${port}/v1`,
    });
    const { isGood, text } = await house.testProvider("gone", never);
    expect(isGood).toBe(false);
    expect(text).toContain(`127.0.0.1:${port}`);
  });
  test("one that cannot be asked is a matter of configuration", async () => {
    const { house } = openOwn({}, '[providers.work]\nkind = "openai"\nmodel = "m"\n');
    await expect(house.testProvider("work", never)).rejects.toBeInstanceOf(UsageError);
    await expect(house.testProvider("nobody", never)).rejects.toBeInstanceOf(UsageError);
  });
});
