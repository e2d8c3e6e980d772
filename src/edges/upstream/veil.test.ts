import fc from "fast-check";
import { expect, test } from "vitest";
import { coverOf } from "./veil.ts";

const key = "sk-aab/aac+3f9a=aab";

/** The pieces that come out for these. */
function shown(pieces: readonly string[], secret = key): readonly string[] {
  const veil = coverOf(secret)?.veil();
  if (veil === undefined) throw new Error("the key is long enough");
  return [...pieces.map((piece) => veil.push(piece)), veil.end()];
}

test("a key is taken out in every form, however the pieces are cut, and nothing else changes", () => {
  const forms = [
    key,
    [...key].reverse().join(""),
    key.replaceAll("/", "\\/"),
    key.replace("+", "\\u002b"),
    key.replace("+", "\\u002B"),
    [...key].map((letter) => `\\u00${letter.charCodeAt(0).toString(16)}`).join(""),
    [...key].map((letter) => `\\\\\\\\u00${letter.charCodeAt(0).toString(16).toUpperCase()}`).join(""),
    key.replace("s", "\\\\u0073").replaceAll("/", "\\\\/"),
    encodeURIComponent(key),
    Buffer.from(key).toString("hex"),
  ];
  const word = fc.oneof(fc.stringMatching(/^[ska\-b/\n ]{0,9}$/), fc.constantFrom(...forms));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), fc.array(fc.nat(150), { maxLength: 9 }), (words, cuts) => {
      const text = words.join("|");
      const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
      const wanted = words.map((each) => (forms.includes(each) ? "[secret]" : each)).join("|");
      expect(shown(pieces).join("")).toBe(wanted);
    }),
  );
});

test("base64 is found at every offset", () => {
  for (const before of ["", "a", "ab", "Bearer "]) {
    const told = Buffer.from(`${before}${key}!`).toString("base64");
    expect(shown([told.slice(0, 9), told.slice(9)]).join("")).toContain("[secret]");
  }
});

test("only what may be the beginning of the key waits", () => {
  expect(shown(['data: {"content":"so"}\n\n', "data: sk", "y\n\n", "sk-aab"])).toEqual([
    ...['data: {"content":"so"}\n\n', "data: ", "sky\n\n", "", "sk-aab"],
  ]);
  expect(coverOf("ollama")).toBeUndefined();
});

/** What is said for these parts of one text. */
function said(parts: readonly string[], secret = key): readonly string[] {
  const spread = coverOf(secret)?.spread();
  if (spread === undefined) throw new Error("the key is long enough");
  return [...parts.map((part) => spread.push("content", part)), spread.end("content")];
}

test("a key is found where it is spread over parts, all but its first two letters, and nothing else changes", () => {
  const forms = [key, [...key].reverse().join(""), Buffer.from(key).toString("hex")];
  const word = fc.oneof(fc.stringMatching(/^[ska\-b/ ]{0,9}$/), fc.constantFrom(...forms));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), fc.array(fc.nat(150), { maxLength: 30 }), (words, cuts) => {
      const text = words.join("|");
      const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
      const all = said(places.slice(1).map((end, index) => text.slice(places[index], end))).join("");
      // Of a key that was cut its first letters may stand before the mark.
      const wanted = words.map((each) =>
        forms.includes(each) ? `(${written(each.slice(0, 2))}?)?\\[secret\\]` : written(each),
      );
      expect(all).toMatch(new RegExp(`^${wanted.join("\\|")}$`));
    }),
  );
});

function written(text: string): string {
  return text.replaceAll(/[^\w]/g, (letter) => `\\${letter}`);
}

test("words that end as a key begins go on at once; what waits is not lost", () => {
  expect(said(["it is", " as", "k"])).toEqual(["it is", " as", "k", ""]);
  expect(said(["sk", "-a", "ab/", "x"])).toEqual(["sk", "", "", "-aab/x", ""]);
  expect(said(["sk-aab"])).toEqual(["sk", "-aab"]);
});
