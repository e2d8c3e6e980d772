import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openHouse } from "./house.ts";

const top = mkdtempSync(join(tmpdir(), "rigs-init-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folder = "";
let count = 0;
beforeEach(() => {
  folder = join(top, String(++count), "shop");
  mkdirSync(folder, { recursive: true });
});

const houseWith = (variables: Readonly<Record<string, string>> = {}) =>
  openHouse({
    home: join(folder, "..", "home"),
    folder,
    variables: { HOME: top, PATH: process.env.PATH ?? "", GIT_CONFIG_GLOBAL: "/dev/null", ...variables },
    version: "1",
  });
const config = () => readFileSync(join(folder, "..", "home", "config.toml"), "utf8");

describe("rigs init", () => {
  test("finds the keys that are set, and writes down their variables' names only", async () => {
    const house = houseWith({ ANTHROPIC_API_KEY: "sk-ant-verysecret", DEEPSEEK_API_KEY: " " });
    const lines = (await house.initialise({ git: false })).join("\n");
    expect(lines).toContain("found anthropic: ANTHROPIC_API_KEY is set");
    expect(lines).not.toContain("deepseek");
    expect(config()).toContain('api_key_env = "ANTHROPIC_API_KEY"');
    expect(config()).not.toContain("verysecret");
    expect(await house.providers()).toMatchObject([{ name: "anthropic", state: "usable" }]);
  });
  test("keeps a configuration that is there", async () => {
    await houseWith().initialise({ git: false });
    const before = `${config()}# mine\n`;
    writeFileSync(join(folder, "..", "home", "config.toml"), before);
    const lines = await houseWith({ OPENAI_API_KEY: "k" }).initialise({ git: false });
    expect(lines[0]).toMatch(/^kept .*config\.toml as it is$/);
    expect(config()).toBe(before);
  });
  test("--git makes a first commit, and keeps a repository that has one", async () => {
    writeFileSync(join(folder, "a.txt"), "a");
    writeFileSync(join(folder, ".env"), "SECRET=1");
    const house = houseWith();
    const made = (await house.initialise({ git: true })).join("\n");
    expect(made).toContain(`made a git repository in ${folder}, first commit of 1 file as`);
    expect(made).toContain("left out of it: .env");
    const kept = (await house.initialise({ git: true })).join("\n");
    expect(kept).toContain(`kept the repository ${folder} as it is: it has commits`);
  });
});

describe("rigs doctor", () => {
  const findings = async (variables = {}) => houseWith(variables).doctor({ deep: true });
  test("names every fault of the configuration by line", async () => {
    mkdirSync(join(folder, "..", "home"), { mode: 0o700 });
    writeFileSync(join(folder, "..", "home", "config.toml"), '[providers.a]\nkind = "opena"\nmodell = "m"\n');
    const faults = (await findings()).filter(({ name }) => name === "config");
    expect(faults.map(({ state, text }) => [state, /config\.toml:\d/.exec(text)?.[0]])).toEqual([
      ["bad", "config.toml:2"],
      ["bad", "config.toml:3"],
    ]);
  });
  test("no configuration and no usable provider are missing; one that is unusable beside a usable one is a note", async () => {
    const home = join(folder, "..", "home");
    const about = async (config?: string) => {
      if (config !== undefined) writeFileSync(join(home, "config.toml"), config);
      const found = (await findings()).filter(({ name }) => /^(config|provider)/.test(name));
      return found.map(({ name, state }) => `${name}: ${state}`);
    };
    mkdirSync(home, { mode: 0o700 });
    expect(await about()).toEqual(["config: missing"]);
    expect(await about("")).toEqual(["config: good", "provider: missing"]);
    const paid = '[providers.paid]\nkind = "openai"\nmodel = "m"\napi_key_env = "NOT_SET"\n';
    expect(await about(paid)).toEqual(["config: good", "provider paid: missing"]);
    const local = '[providers.local]\nkind = "ollama"\nmodel = "m"\n';
    expect(await about(paid + local)).toEqual([
      "config: good",
      "provider paid: note",
      "provider local: good",
    ]);
  });
  test("says what a damaged store is, and goes on", async () => {
    mkdirSync(join(folder, "..", "home"), { mode: 0o700 });
    writeFileSync(join(folder, "..", "home", "store.sqlite"), "no store at all, not even nearly".repeat(200));
    const found = await findings();
    expect(found.at(-1)).toMatchObject({
      name: "store",
      state: "bad",
      text: expect.stringContaining("damaged"),
    });
    expect(found.map(({ name }) => name)).toContain("git");
  });
  test("where git is not on PATH, the command that brings it", async () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      expect((await findings({ PATH: "/nonexistent" })).find(({ name }) => name === "git")).toMatchObject({
        state: "bad",
        remedy: "apt-get install git",
      });
    } finally {
      process.env.PATH = path;
    }
  });
});
