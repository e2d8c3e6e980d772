import { expect, test } from "vitest";
import type { TokenLine } from "../house.ts";
import { exits } from "./exit.ts";
import { type HouseSetting, openFakeHouse, runOver } from "./house.case.ts";

const run = (setting: HouseSetting, ...words: readonly string[]) => runOver(openFakeHouse(setting), words);

test("serving takes its options, and says where it is", async () => {
  const house = openFakeHouse();
  const { out, code } = await runOver(house, ["gateway", "--port", "0", "--patience", "5"]);
  expect(code).toBe(exits.done);
  expect(out).toEqual(["the gateway is at http://127.0.0.1:1"]);
  expect(house.wishes).toEqual([{ host: undefined, port: 0, patienceMs: 5_000 }]);
  expect((await run({}, "gateway", "--patience", "0")).code).toBe(exits.usage);
});

test("a new token is alone on standard output, with its bounds in the wish", async () => {
  const house = openFakeHouse();
  const words = [
    "gateway",
    "token",
    "create",
    "ci",
    "--budget-usd",
    "5",
    "--budget-tokens",
    "1000",
    "--rpm",
    "60",
  ];
  const { out, err } = await runOver(house, words);
  expect(out).toEqual(["rigs-once"]);
  expect(err).toEqual([
    "this is shown once and kept nowhere; take it back with: rigs gateway token revoke ci",
  ]);
  expect(house.wishes).toEqual([{ name: "ci", usdMax: 5, tokensMax: 1_000, rpm: 60 }]);
  const json = await run({}, "gateway", "token", "create", "ci", "--json");
  expect(JSON.parse(json.out.join(""))).toEqual({ name: "ci", token: "rigs-once" });
});

const token: TokenLine = {
  ...{
    name: "ci",
    usdMax: 5,
    tokensMax: 1_000_000,
    rpm: 60,
    isRevoked: false,
    isUnknown: false,
    createdAt: 0,
  },
  ...{ calls: 12, usd: 0.25, tokens: 40_000 },
};

test("tokens are listed with what they spent of what they may", async () => {
  const old: TokenLine = {
    ...token,
    name: "old",
    usdMax: undefined,
    tokensMax: undefined,
    rpm: undefined,
    isRevoked: true,
    calls: 1,
  };
  const lost: TokenLine = { ...token, name: "lost", usdMax: undefined, rpm: undefined, isUnknown: true };
  const { out } = await run({ tokens: [token, old, lost] }, "gateway", "token", "list");
  expect(out).toEqual([
    "ci  12 calls, 40,000 of 1,000,000 tokens, 0.2500 of 5 USD, 60 requests a minute at most",
    "old  revoked  1 call, 40,000 tokens, 0.2500 USD",
    "lost  12 calls, 40,000 of 1,000,000 tokens, 0.2500 USD, and what could not be read of callers.book: its budget counts as used up, make a new token",
  ]);
  expect((await run({}, "gateway", "token", "list")).out).toEqual([
    "no token yet: rigs gateway token create NAME",
  ]);
});

test("a token is taken back by its name", async () => {
  const house = openFakeHouse();
  const { out } = await runOver(house, ["gateway", "token", "revoke", "ci"]);
  expect(out).toEqual(["token ci is no longer good"]);
  expect(house.wishes).toEqual([{ revoke: "ci" }]);
});
