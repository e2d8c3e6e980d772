/** How large a request is before anybody reads it: its shape as JSON, and about how many tokens its prompt comes to. */
import type { Json } from "./talk.ts";

/** `depth`: of objects and lists in one another. `values`: all that would be made of it, about. */
export interface Shape {
  readonly depth: number;
  readonly values: number;
}

/** Of a text that may be JSON, without making anything of it. Strings are passed over as a whole. Never throws. */
export function shapeOf(text: string): Shape {
  let depth = 0;
  let deepest = 0;
  let values = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === quote) {
      index = endOfString(text, index + 1);
      values += 1;
    } else if (unit === 0x7b || unit === 0x5b) {
      depth += 1;
      values += 1;
      if (depth > deepest) deepest = depth;
    } else if (unit === 0x7d || unit === 0x5d) depth -= 1;
    else if (unit === 0x2c) values += 1;
  }
  return { depth: deepest, values };
}

const quote = 0x22;
const backslash = 0x5c;

/** Where the quote is that ends it; behind the text where none does. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (before >= from && text.charCodeAt(before) === backslash) before -= 1;
    if ((end - 1 - before) % 2 === 0) return end;
  }
  return text.length;
}

/** Pictures are counted by their number: their bytes are not words. */
const pictureTokens = 1_600;

/**
 * Tokens of a request, roughly, by `size` of its whole text. Only data in the fields that wires have for pictures is no
 * text; what merely looks like it counts as it stands.
 */
export function promptTokensOf(text: string, body: Json, size: (text: string) => number): number {
  const pictures = [...itemsIn(body.messages), ...itemsIn(body.input)].flatMap(picturesIn);
  const letters = pictures.reduce((sum, count) => sum + count, 0);
  return Math.max(0, size(text) - Math.floor(letters / 4)) + pictures.length * pictureTokens;
}

function itemsIn(list: unknown): readonly Json[] {
  if (!Array.isArray(list)) return [];
  return list.filter((each): each is Json => typeof each === "object" && each !== null);
}

/** Letters of base64 of each picture in it; 0 for one that lies elsewhere. */
function picturesIn(part: Json): readonly number[] {
  const { type, image_url: url, source } = part;
  if (type === "input_image" && typeof url === "string") return [lettersOfUrl(url)];
  if (type === "image_url") {
    const inner = (url as Json | null | undefined)?.url ?? url;
    return typeof inner === "string" ? [lettersOfUrl(inner)] : [];
  }
  if (type === "image") {
    const data = (source as Json | null | undefined)?.data;
    return [typeof data === "string" ? lettersOf(data) : 0];
  }
  return [...itemsIn(part.content), ...itemsIn(part.output)].flatMap(picturesIn);
}

function lettersOfUrl(url: string): number {
  const [head] = /^data:image\/[\w.+-]{1,60};base64,/.exec(url) ?? [];
  return head === undefined ? 0 : lettersOf(url.slice(head.length));
}

function lettersOf(data: string): number {
  return /^[A-Za-z0-9+/=]*$/.test(data) ? data.length : 0;
}
