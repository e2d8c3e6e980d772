import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Caller, TokenHash } from "../../domain/caller.ts";
import { openBook, readBook } from "./book.ts";
import { changeCallers, hashOf, newToken, readCallers } from "./callers.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigs-callers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function callerOf(name: string, token: string): Caller {
  return {
    name,
    hash: hashOf(token),
    usdMax: 5,
    tokensMax: undefined,
    rpm: 60,
    createdAt: 1,
    revokedAt: undefined,
  };
}

test("callers come back as they were kept; the file is ours alone and holds no token", () => {
  const path = join(folder, "callers.json");
  const token = newToken();
  expect(readCallers(path)).toEqual({ kind: "read", callers: [] });
  changeCallers(path, (callers) => [...callers, callerOf("one", token)]);
  expect(readCallers(path)).toEqual({ kind: "read", callers: [callerOf("one", token)] });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).not.toContain(token);
  expect(new Set([newToken(), newToken(), token]).size).toBe(3);
});

test("a damaged file lets nobody in, and is not written over", () => {
  const path = join(folder, "callers.json");
  writeFileSync(path, '{"version":1,"callers":[{"name":"x"}]}');
  expect(readCallers(path).kind).toBe("refused");
  expect(() => changeCallers(path, () => [])).toThrow(/remove or mend/);
  expect(readFileSync(path, "utf8")).toContain('"x"');
});

test("a change that another process makes is not written over; what a dead one left is", () => {
  const path = join(folder, "callers.json");
  writeFileSync(`${path}.draft`, "");
  expect(() => changeCallers(path, () => [])).toThrow(/try again/);
  rmSync(`${path}.draft`);
  changeCallers(path, () => []);
  expect(readCallers(path)).toEqual({ kind: "read", callers: [] });
});

const hash = "a".repeat(64) as TokenHash;

test("a book that is opened again stands where it stood; what was out counts in full, a torn line for nothing", () => {
  const path = join(folder, "callers.book");
  const first = openBook(path);
  first.add({ kind: "reserved", call: "1", hash, estimate: { tokens: 100, usd: 0.1 } });
  first.add({ kind: "settled", call: "1", usage: { input: 10, cachedInput: 0, output: 5 }, usd: 0.01 });
  first.add({ kind: "reserved", call: "2", hash, estimate: { tokens: 70, usd: 0.2 } });
  first.close();
  appendFileSync(path, '{"kind":"settled","call":"2","us');
  expect(readBook(path).spends.get(hash)).toMatchObject({ inputTokens: 10, reservedTokens: 70 });
  const again = openBook(path);
  expect(again.accounts.spends.get(hash)).toMatchObject({
    requests: 2,
    inputTokens: 80,
    outputTokens: 5,
    usd: 0.21,
    reservedTokens: 0,
  });
  again.close();
  expect(readBook(path)).toEqual(again.accounts);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a book that is full is written anew, calls that are out included", () => {
  const path = join(folder, "callers.book");
  const kept = openBook(path);
  kept.add({ kind: "reserved", call: "out", hash, estimate: { tokens: 7, usd: 0 } });
  for (let call = 0; call < 20_000; call++) {
    kept.add({ kind: "reserved", call: `${call}`, hash, estimate: { tokens: 9, usd: 0 } });
    kept.add({ kind: "settled", call: `${call}`, usage: { input: 1, cachedInput: 0, output: 1 }, usd: 0 });
  }
  kept.close();
  expect(statSync(path).size).toBeLessThan(4.2 * 1_048_576);
  const stands = readBook(path);
  expect(stands.spends.get(hash)).toMatchObject({ requests: 20_000, inputTokens: 20_000, reservedTokens: 7 });
  expect([...stands.open.keys()]).toEqual(["out"]);
});
