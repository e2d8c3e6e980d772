import fc from "fast-check";
import { expect, test } from "vitest";
import { exactJson } from "./exact.ts";

test("what no double holds is written as it was read, and every other number is a number", () => {
  const check = (text: string, isNumber: boolean) => {
    const value = exactJson(`{"deep":[${text}]}`) as { readonly deep: readonly unknown[] };
    expect([text, typeof value.deep[0] === "number"]).toEqual([text, isNumber]);
    if (!isNumber) expect(JSON.stringify(value)).toBe(`{"deep":[${text}]}`);
    else expect(value).toEqual(JSON.parse(`{"deep":[${text}]}`));
  };
  check("12345678901234567890", false);
  check("-9007199254740993", false);
  check("1e400", false);
  check("1e-400", false);
  check("0.1234567890123456789", false);
  check("9007199254740991", true);
  check("0.30000000000000004", true);
  check("1.0", true);
  check("1e21", true);
  check("0.0000000000000000", true);
});

test("without such numbers it is JSON.parse, and with one nothing else changes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(exactJson(text)).toEqual(JSON.parse(text));
      expect(JSON.stringify(exactJson(`[${text},12345678901234567890]`))).toBe(
        `[${JSON.stringify(JSON.parse(text))},12345678901234567890]`,
      );
    }),
  );
});
