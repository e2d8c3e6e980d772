import fc from "fast-check";
import { expect, test } from "vitest";
import { promptTokensOf, shapeOf } from "./measure.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function valuesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return 1 + Object.values(value).reduce<number>((sum, each) => sum + valuesOf(each), 0);
}

test("the shape of a text is that of what is made of it, whatever its strings hold", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      const { depth, values } = shapeOf(JSON.stringify(value));
      expect(depth).toBe(depthOf(value));
      expect(values + 1).toBeGreaterThanOrEqual(valuesOf(value));
    }),
  );
});

test("no text is too strange for it", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('"', "\\", "{", "}", "[", ",", "x")), (letters) => {
      expect(shapeOf(letters.join("")).depth).toBeLessThanOrEqual(letters.length);
    }),
  );
});

const size = (text: string) => Math.ceil(text.length / 4);
const data = "QUJD".repeat(1_000);

test.each([
  [{ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }, 1],
  [{ type: "input_image", image_url: `data:image/webp;base64,${data}` }, 1],
  [{ type: "image", source: { type: "base64", media_type: "image/png", data } }, 1],
  [{ type: "tool_result", content: [{ type: "image", source: { type: "base64", data } }] }, 1],
  [{ type: "text", text: `data:image/png;base64,${data}` }, 0],
  [{ type: "image_url", image_url: { url: `data:text/plain;base64,${data}` } }, undefined],
  [{ type: "image_url", image_url: { url: `data:image/png;base64,${data} and words` } }, undefined],
])("only data of a picture in its own field is no text: %#", (part, pictures) => {
  const body = { messages: [{ role: "user", content: [part] }] };
  const tokens = promptTokensOf(JSON.stringify(body), body, size);
  if (pictures === 1) expect(tokens).toBeLessThan(1_700);
  else expect(tokens).toBeGreaterThanOrEqual(1_000 + (pictures === undefined ? 1_600 : 0));
});
