/**
 * JSON whose numbers stay what they are: `JSON.parse` rounds 12345678901234567890, and a caller's id would become another.
 */

/** What TypeScript's library has no types for yet (ECMAScript, "JSON.parse source text access"; Node 21 and later). */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
};

/**
 * Numbers of fewer digits and small exponents come out of a double as they went in. Two patterns of a known length, written
 * out: that lets the engine skip through a text of many megabytes twenty times as fast as one of `{16}`.
 */
const manyDigits = new RegExp("[\\d.]".repeat(16));
const largeExponent = /\d[eE][+-]?\d{3}/;

/**
 * The value of a JSON text. A number that a double cannot hold becomes an opaque object that `JSON.stringify` writes as
 * it was written; all else is what `JSON.parse` gives. Throws SyntaxError.
 */
export function exactJson(text: string): unknown {
  if (!manyDigits.test(text) && !largeExponent.test(text)) return JSON.parse(text) as unknown;
  return json.parse(text, (_key, value, { source }) =>
    typeof value === "number" && source !== undefined && !isExact(value, source)
      ? json.rawJSON(source)
      : value,
  );
}

/** Fifteen digits survive every double; what has more must be the very text that is written for it. */
function isExact(value: number, source: string): boolean {
  if (String(value) === source) return true;
  if (!Number.isFinite(value)) return false;
  const digits = source.replace(/[eE].*$/, "").replaceAll(/[-.]/g, "");
  const significant = digits.replace(/^0+/, "");
  if (value === 0) return significant === "";
  return significant.length <= 15;
}
