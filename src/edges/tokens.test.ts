import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSizeOf, roughSize } from "./tokens.ts";

test("counts o200k tokens, special spellings as ordinary text", async () => {
  const sizeOf = await loadSizeOf();
  const check = (text: string, tokens: number) => expect(sizeOf(text)).toBe(tokens);
  check("", 0);
  check("hello world", 2);
  expect(sizeOf("<|endoftext|>")).toBeGreaterThan(1);
  expect(await loadSizeOf(), "loaded once").toBe(sizeOf);
});

test("any text has a size, never more than its bytes, and a long run of one letter takes no time", async () => {
  const sizeOf = await loadSizeOf();
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const tokens = sizeOf(text);
      expect(tokens).toBeGreaterThanOrEqual(text === "" ? 0 : 1);
      expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(text));
    }),
  );
  const startedAt = performance.now();
  expect(sizeOf("a".repeat(1_000_000))).toBeGreaterThan(1000);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test("a long text counts much like the sum of its parts", async () => {
  const sizeOf = await loadSizeOf();
  const line = "export function total(values) { return values.reduce((sum, each) => sum + each, 0); }\n";
  const whole = sizeOf(line.repeat(1000));
  expect(Math.abs(whole - sizeOf(line) * 1000)).toBeLessThan(sizeOf(line) * 10);
});

test("the rough size is a quarter of the characters, rounded up", () => {
  const check = (text: string, tokens: number) => expect(roughSize(text)).toBe(tokens);
  check("", 0);
  check("abcd", 1);
  check("abcde", 2);
});
