import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Caller, overBudget, type TokenHash } from "../../domain/caller.ts";
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

const no = { tokens: 0, usd: 0 };
const other = "b".repeat(64) as TokenHash;
const lone = { ...callerOf("one", "t"), hash };
const spent = (call: string, who: TokenHash) =>
  [
    { kind: "reserved", call, hash: who, estimate: { tokens: 100, usd: 0.1 } },
    { kind: "settled", call, usage: { input: 10, cachedInput: 0, output: 5 }, usd: 0.01 },
  ] as const;

test("a line that cannot be read uses up the budget of whom it names, of all where it names nobody", () => {
  const path = join(folder, "callers.book");
  const written = () => {
    rmSync(path, { force: true });
    const kept = openBook(path);
    for (const booking of [...spent("1", hash), ...spent("2", other)]) kept.add(booking);
    kept.close();
    openBook(path).close();
  };
  written();
  const whole = openBook(path, [hash, other]);
  expect([whole.notes, overBudget(lone, whole.accounts, no)]).toEqual([[], undefined]);
  whole.close();
  const text = readFileSync(path, "utf8");
  expect(text).toContain('"usd":0.01');
  writeFileSync(path, text.replace('"usd":0.01', '"usd":"0.01"'));
  const strange = openBook(path, [hash, other]);
  expect(strange.notes.length).toBe(1);
  expect(overBudget(lone, strange.accounts, no)).toMatch(/cannot be read/);
  expect(overBudget({ ...lone, hash: other }, strange.accounts, no)).toBeUndefined();
  expect(overBudget({ ...lone, usdMax: undefined }, strange.accounts, no)).toBeUndefined();
  strange.close();
  const again = openBook(path, [hash, other]);
  expect(overBudget(lone, again.accounts, no), "it is not forgotten").toMatch(/cannot be read/);
  again.close();
  written();
  writeFileSync(path, `${"#".repeat(200)}\n`);
  const lost = openBook(path, [hash]);
  expect(overBudget(lone, lost.accounts, no)).toMatch(/cannot be read/);
  expect(overBudget({ ...lone, hash: other }, lost.accounts, no)).toBeUndefined();
  lost.close();
});

test.each([
  ["an amount", '"usd":0.01', '"usd":0.00', [true, false]],
  ["a checksum", /\t[0-9a-f]{8}\n/, "\n", [true, false]],
  ["whose it is", /"hash":"a/, '"hash":"c', [true, true]],
] as const)(
  "a line that was altered and can be read all the same is told: %s",
  (_what, from, to, isUsedUp) => {
    const path = join(folder, "callers.book");
    const kept = openBook(path);
    for (const booking of [...spent("1", hash), ...spent("2", other)]) kept.add(booking);
    kept.close();
    openBook(path).close();
    writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
    const altered = openBook(path, [hash, other]);
    expect(altered.notes.length).toBe(1);
    const why = [hash, other].map((each) => overBudget({ ...lone, hash: each }, altered.accounts, no));
    expect(why.map((each) => each?.includes("cannot be read") ?? false)).toEqual(isUsedUp);
    altered.close();
  },
);

test("a book of an older Rigs, without checksums, is read and gets them", () => {
  const path = join(folder, "callers.book");
  writeFileSync(
    path,
    spent("1", hash)
      .map((each) => `${JSON.stringify(each)}\n`)
      .join(""),
  );
  const old = openBook(path, [hash]);
  expect([old.notes, old.accounts.spends.get(hash)]).toMatchObject([
    [expect.stringContaining("no checksums")],
    { inputTokens: 10, usd: 0.01 },
  ]);
  old.close();
  expect(readFileSync(path, "utf8")).toMatch(/^(\{.*\}\t[0-9a-f]{8}\n)+$/);
});

test("what ends a call is kept with the next reservation or a moment later, and never by half", async () => {
  const path = join(folder, "callers.book");
  const kept = openBook(path, [hash]);
  const [reserved, settled] = spent("1", hash);
  kept.add(reserved);
  expect(readBook(path).open.size).toBe(1);
  kept.add(settled);
  kept.add({ ...reserved, call: "2" });
  expect([...readBook(path).open.keys()]).toEqual(["2"]);
  kept.add({ ...settled, call: "2" });
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(readBook(path)).toEqual(kept.accounts);
  kept.close();
});

test("what a provider reports beyond all sense stays spent, whatever is written anew", () => {
  const path = join(folder, "callers.book");
  const kept = openBook(path);
  kept.add({ kind: "reserved", call: "1", hash, estimate: { tokens: 100, usd: 0.1 } });
  kept.add({
    ...{ kind: "settled", call: "1", usd: Number.POSITIVE_INFINITY },
    usage: { input: 1e308, cachedInput: 0, output: 1e308 },
  });
  kept.close();
  openBook(path).close();
  const again = openBook(path);
  expect(again.notes).toEqual([]);
  expect(overBudget(lone, again.accounts, no)).toMatch(/USD/);
  again.close();
});

test("a draft that lies there is not written through, and its rights are not taken over", () => {
  const path = join(folder, "callers.book");
  const victim = join(folder, "victim");
  writeFileSync(victim, "precious");
  symlinkSync(victim, `${path}.draft`);
  openBook(path).close();
  expect(readFileSync(victim, "utf8")).toBe("precious");
  writeFileSync(`${path}.draft`, "");
  chmodSync(`${path}.draft`, 0o666);
  openBook(path).close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
