import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, eventReader, textOf } from "./events.ts";

const event = fc.tuple(
  fc.constantFrom("data: ", "data:", "event: x\ndata: ", ": keep-alive", "data: a\ndata: "),
  fc.stringMatching(/^[a-zä€🙂 {}":,]{0,12}$/u),
  fc.constantFrom("\n\n", "\r\n\r\n", "\r\r"),
);

test("events are the same however their bytes are cut, and their raw texts are the stream", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 8 }),
      fc.array(fc.nat(200), { maxLength: 6 }),
      (events, cuts) => {
        const text = events.map(([head, body, end]) => head + body + end).join("");
        const bytes = bytesOf(text);
        const whole = eventReader().push(bytes);
        const reader = eventReader();
        const places = [
          0,
          ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
          bytes.length,
        ];
        const pieces = places.slice(1).flatMap((end, index) => reader.push(bytes.slice(places[index], end)));
        expect(pieces).toEqual(whole);
        expect(textOf(whole.map(({ raw }) => raw).join(""))).toBe(text);
      },
    ),
  );
});

function check(text: string, data: readonly (string | undefined)[]): void {
  expect(
    eventReader()
      .push(bytesOf(text))
      .map((each) => each.data),
  ).toEqual(data);
}

test("data is read by the standard's rules", () => {
  check("data: one\n\n", ["one"]);
  check("event: x\r\ndata:one\r\n\r\n", ["one"]);
  check(": keep-alive\n\ndata: a\ndata: b\n\n", [undefined, "a\nb"]);
  check("data: one\r\rdata: two\r\rdata: [DONE]\r\r", ["one", "two", "[DONE]"]);
  check("data: one\r\rdata: two\n\ndata: three\r\n\r\n", ["one", "two", "three"]);
  check("\n\n", [undefined]);
  check("data: not over", []);
});

test("the last event of a stream that is over needs no empty line", () => {
  const reader = eventReader();
  expect(reader.push("data: one\n\ndata: [DO")).toHaveLength(1);
  reader.push("NE]\n");
  expect(reader.end()).toEqual([{ raw: "data: [DONE]\n\n\n", data: "[DONE]" }]);
  expect(reader.end()).toEqual([]);
});
