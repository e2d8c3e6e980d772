import fc from "fast-check";
import { expect, test } from "vitest";
import { callsInOrder } from "./calls.ts";
import { type Piece, spokenOf } from "./piece.ts";

/** Inputs cut in pieces at any place; which call goes on next is drawn. */
const cut = fc
  .tuple(fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 })), fc.array(fc.nat(30)))
  .map(([input, cuts]) => {
    const json = JSON.stringify(input);
    const places = [0, ...cuts.map((each) => Math.min(each, json.length)).sort((a, b) => a - b), json.length];
    return { json, parts: places.slice(1).map((end, index) => json.slice(places[index], end)) };
  });

test("however parts alternate, every call is whole, in the order of their beginnings, and no word is lost", () => {
  fc.assert(
    fc.property(
      fc.array(cut, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(4), { maxLength: 40 }),
      (inputs, turns) => {
        const calls = callsInOrder();
        const left = inputs.map(({ parts }) => [...parts]);
        const begun: number[] = [];
        const pieces: Piece[] = [];
        let words = "";
        const goOn = (index: number) => {
          const isFirst = !begun.includes(index);
          const input = left[index]?.shift();
          if (input === undefined) return;
          if (isFirst) begun.push(index);
          const head = isFirst
            ? { id: `id${index}`, name: `tool${index}` }
            : { id: undefined, name: undefined };
          pieces.push(...calls.part(index, { ...head, input }));
        };
        for (const turn of turns) {
          if (turn < inputs.length) goOn(turn);
          else {
            words += "w";
            pieces.push(...calls.text("w"));
          }
        }
        for (const index of inputs.keys()) while ((left[index]?.length ?? 0) > 0) goOn(index);
        pieces.push(...calls.end());
        const spoken = spokenOf(pieces);
        expect(spoken.text).toBe(words);
        expect(spoken.calls).toEqual(
          begun.map((index) => ({ id: `id${index}`, name: `tool${index}`, input: inputs[index]?.json })),
        );
        // On other wires what goes on is what began last.
        let open = "";
        for (const piece of pieces) {
          if (piece.kind === "input") expect(open).toBe("call");
          else open = piece.kind;
        }
      },
    ),
  );
});

test("the call that began first goes on at once, and the next as soon as that is whole", () => {
  const calls = callsInOrder();
  const nameless = { id: undefined, name: undefined };
  expect(calls.part(0, { id: "A", name: "f", input: '{"a"' })).toHaveLength(2);
  expect(calls.part(0, { ...nameless, input: ":1" })).toEqual([{ kind: "input", text: ":1" }]);
  expect(calls.part(1, { id: "B", name: "g", input: "{" })).toEqual([]);
  expect(calls.part(0, { ...nameless, input: "}" })).toEqual([{ kind: "input", text: "}" }]);
  expect(calls.part(1, { ...nameless, input: "}" })).toEqual([
    { kind: "call", id: "B", name: "g" },
    { kind: "input", text: "{}" },
  ]);
  expect(calls.part(0, { ...nameless, input: "," })).toMatchObject([{ kind: "unsayable" }]);
  expect(calls.end()).toEqual([]);
});
