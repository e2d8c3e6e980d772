import fc from "fast-check";
import { expect, test } from "vitest";
import { coverOf } from "../../src/edges/upstream/veil.ts";
import { sieveOf } from "../../src/faces/gateway/sieve.ts";
import { stringsIn } from "../../src/faces/gateway/strings.ts";

const key = "sk-beta-77aPq02nnTTx";
const hexadecimal = Buffer.from(key).toString("hex");

function sieve() {
  const cover = coverOf(key);
  if (cover === undefined) throw new Error("the key is long enough");
  return sieveOf(cover.spread());
}

/** A part of the input of one of several calls of tools; in `before` the index comes behind the words. */
const part = (index: number, text: string) =>
  `data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":${JSON.stringify(text)}},"index":${index}}]}}]}\n\n`;

test("channels are told apart by the index that an object gives itself, wherever it says it", () => {
  const raw = `event: x\r\ndata: {"id":"a\\"b","n":[{"index":12,"t":"1"},\ndata: {"t":"2","index":3}],"e":["x",{"t":"3"}]}\n\n`;
  expect(stringsIn(raw).map(({ channel, text, at }) => [channel(), text, raw.slice(at, at + 1)])).toEqual([
    [".id", 'a\\"b', "a"],
    [".n.#12.t", "1", "1"],
    [".n.#3.t", "2", "2"],
    [".e.0", "x", "x"],
    [".e.1.t", "3", "3"],
  ]);
  expect(stringsIn(": a comment\n\n").length + stringsIn("data: [DONE]\n\n").length).toBe(0);
  expect(stringsIn('data: {"a":"\\').length).toBe(1);
});

test("of several texts at once each loses its keys and nothing else; no event overtakes another", () => {
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.stringMatching(/^[skbet\-7361 ]{0,8}$/) },
    { weight: 1, arbitrary: fc.constantFrom(key, hexadecimal) },
  );
  const cuts = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 60 });
  fc.assert(
    fc.property(
      fc.array(fc.array(word, { maxLength: 4 }), { minLength: 3, maxLength: 3 }),
      cuts,
      (said, turns) => {
        const left = said.map((words) => words.join("|"));
        const events: string[] = [];
        const tell = (index: number, length: number) => {
          const text = left[index] ?? "";
          if (text === "") return;
          events.push(part(index, text.slice(0, length)));
          left[index] = text.slice(length);
        };
        for (const [index, length] of turns) tell(index, length);
        for (const index of [0, 1, 2]) while (left[index] !== "") tell(index, 7);
        const { pass, end } = sieve();
        const shown = events.map((each) => pass(each)).join("") + end();
        const found = shown.split("\n\n").slice(0, -1);
        expect(found.length).toBe(events.length);
        for (const [place, words] of said.entries()) {
          const told = found.flatMap((each) => stringsIn(each));
          const whole = told.filter(({ channel }) => channel().includes(`#${place}`)).map(({ text }) => text);
          const wanted = words.map((each) =>
            each === key || each === hexadecimal ? `(?:${each.slice(0, 2)}?)?\\[secret\\]` : each,
          );
          expect(whole.join("")).toMatch(new RegExp(`^${wanted.join("\\|")}$`));
        }
        if (!said.flat().some((each) => each === key || each === hexadecimal))
          expect(shown).toBe(events.join(""));
      },
    ),
    { numRuns: 60 },
  );
});

test("an event waits for the next of its own text only, and for no more than some others", () => {
  const { pass, end } = sieve();
  const [first, other] = [part(0, "risk sk-"), part(1, "x")];
  expect(pass(first)).toBe("");
  expect(pass(other)).toBe("");
  expect(pass(part(0, "ier"))).toBe(first + other + part(0, "ier"));
  expect(pass(first)).toBe("");
  const many = Array.from({ length: 33 }, () => pass(other));
  expect(many.join("")).toBe(first + other.repeat(33));
  // What has gone out is gone; the rest of a key is not said.
  expect(pass(part(0, key.slice(3)))).toBe(part(0, "[secret]"));
  expect(end()).toBe("");
});

test("an id that every event repeats does not wait, whatever it ends in", () => {
  const { pass } = sieve();
  const chunk = (content: string) =>
    `data: {"id":"c-sk-","choices":[{"delta":{"content":"${content}"}}]}\n\n`;
  expect([pass(chunk("a")), pass(chunk("b")), pass(chunk("c"))]).toEqual([
    ...["", chunk("a") + chunk("b"), chunk("c")],
  ]);
});
