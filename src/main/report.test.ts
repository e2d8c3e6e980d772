import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Rehearsal, type RehearsalWish, UsageError } from "../faces/house.ts";
import { openHouse } from "./house.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let homes = 0;

const usual: RehearsalWish = {
  ...{ beads: 60, calls: 2, input: 6_000, output: 900, workers: 8, providers: [], seed: 1 },
  ...{ firstTokenMs: 1_000, tokensPerSecond: 60, checkMs: 5_000 },
};

function rehearse(config: string, wish: Partial<RehearsalWish> = {}): Promise<Rehearsal> {
  const home = join(folder, String(++homes));
  mkdirSync(home, { mode: 0o700 });
  writeFileSync(join(home, "config.toml"), config);
  const house = openHouse({ home, folder, variables: { HOME: folder, PATH: "" }, version: "1" });
  return house.rehearse({ ...usual, ...wish });
}

const provider = (name: string, kind: string, limits: string, more = "") =>
  `[providers.${name}]\nkind = "${kind}"\nmodel = "m"\nbase_url = "http://127.0.0.1:${name.charCodeAt(0)}/v1"\nlimits = { ${limits} }\n${more}\n`;
const price = "price = { input = 1, output = 10 }";

test("without limits only the workers bind: the time is that of the calls, the cost that of the tokens", async () => {
  const config = `[providers.a]\nkind = "openai-compatible"\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n${price}`;
  const seen = await rehearse(config);
  // Nobody knows how many at once: tanks begin with four and double; the mean of a size is 1.2 times its median.
  const callMs = 1_000 + (900 * 1.2 * 1_000) / 60 + 5_000;
  const least = (usual.beads * usual.calls * callMs) / usual.workers;
  expect(seen.wallMs.median).toBeGreaterThan(least * 0.85);
  expect(seen.wallMs.median).toBeLessThan(least * 1.35);
  expect(seen.calls).toEqual({ median: 120, least: 120, most: 120 });
  const usd = (120 * 1.2 * (6_000 + 900 * 10)) / 1_000_000;
  expect(Math.abs(seen.usd.median / usd - 1)).toBeLessThan(0.15);
  expect(seen.raised).toMatchObject({ provider: undefined, limit: "workers", from: 8, to: 16 });
  expect([seen.left, seen.refused.most, seen.unpriced]).toEqual([0, 0, []]);
});

test("the limit that binds is named, used nearly whole, and twice of it takes half the time", async () => {
  const config = provider("a", "openai", "tpm = 200000", "output_tokens_max = 16000");
  const seen = await rehearse(config, { workers: 32, beads: 100 });
  expect(seen.raised).toMatchObject({ provider: "a", limit: "tpm", from: 200_000, to: 400_000 });
  expect(seen.providers[0]?.limits[0]?.share).toBeGreaterThan(0.85);
  expect((seen.raised?.wallMs ?? 0) / seen.wallMs.median).toBeLessThan(0.65);
  // 200 calls, each charged with its bound at 200,000 a minute, the first of them at once.
  expect(seen.wallMs.median).toBeGreaterThan(((200 * 16_000 - 33_334) / 200_000) * 60_000 * 0.99);
  expect(seen.unpriced, "nobody knows its price").toEqual(["a"]);
});

test("a day's limit takes days; what is never done is said", async () => {
  const gemini = provider("g", "gemini", "rpd = 20");
  const days = (await rehearse(gemini, { beads: 30 })).wallMs.median / 86_400_000;
  expect(days).toBeGreaterThan(2);
  expect(days).toBeLessThan(7);
  const endless = await rehearse(provider("g", "gemini", "rpd = 1"), { beads: 100, calls: 1 });
  expect(endless.left).toBeGreaterThan(30);
  expect(endless.leftWhy).toBe("not done within 60 days");
});

test("work is split over accounts, by default over those of the first one's tier; the same seed plays the same", async () => {
  const config = [
    provider("a", "anthropic", "itpm = 60000, otpm = 20000"),
    provider("b", "openai-compatible", "concurrency = 2"),
    provider("c", "openai", "rpm = 1", 'tier = "strong"'),
  ].join("\n");
  const seen = await rehearse(config, { beads: 30 });
  expect(seen.providers.map(({ name }) => name)).toEqual(["a", "b"]);
  for (const { callsShare } of seen.providers) expect(callsShare).toBeGreaterThan(0.1);
  expect(seen).toEqual(await rehearse(config, { beads: 30 }));
  expect((await rehearse(config, { providers: ["c"], beads: 2 })).providers[0]?.name).toBe("c");
  await expect(rehearse(config, { providers: ["d"] })).rejects.toThrow(/^no provider "d" is configured/);
  await expect(rehearse("")).rejects.toBeInstanceOf(UsageError);
});
