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

test("hostile texts of a megabyte are counted within seconds: one word of random letters, of ideographs, of emoji", async () => {
  const sizeOf = await loadSizeOf();
  const letters = Array.from({ length: 1_000_000 }, (_, index) =>
    String.fromCharCode(97 + (((index * 2_654_435_761) >>> 7) % 26)),
  ).join("");
  for (const text of [letters, "漢".repeat(500_000), "👍".repeat(250_000)]) {
    const startedAt = performance.now();
    expect(sizeOf(text)).toBeGreaterThan(text.length / 8);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  }
});

test("the rough size is a quarter of the characters, more beyond ASCII, rounded up", () => {
  const check = (text: string, tokens: number) => expect(roughSize(text)).toBe(tokens);
  check("", 0);
  check("abcd", 1);
  check("abcde", 2);
  check("grüß", 2);
  check("漢字漢字", 4);
  check("👍", 2);
});
