/**
 * Finds known secrets in text that is about to leave: a diff, a file name, a message. Says where and how they are
 * written, never what they are; or takes them out.
 */

export type SecretForm = "plain" | "reversed" | "hexadecimal" | "percent" | "base64";

/** `secret` is the place in the list that was given; `at` counts characters from the beginning of the text. */
export interface SecretHit {
  readonly secret: number;
  readonly form: SecretForm;
  readonly at: number;
}

/** Shorter ones would be found everywhere by chance; they are not looked for. */
export const secretCharactersMin = 8;
const hitsMax = 100;

/**
 * Each place where a secret stands as it is, reversed, in hexadecimal, percent-encoded (partly or wholly), or in base64
 * (standard and URL alphabet, at any offset), also where lines were wrapped within it. In order of place, at most 100.
 */
export function findSecrets(text: string, secrets: readonly string[]): readonly SecretHit[] {
  return placesOf(text, secrets).map(({ secret, form, at }) => ({ secret, form, at }));
}

/** Stands where a secret stood. */
export const withheldMark = "[secret of a provider withheld]";
/** Looks after which a text that still holds one is not shown at all: 100 places are taken out in each. */
const looksMax = 100;

/** The text with a mark for each place that `findSecrets` finds. Pure; a text without any is given back as it is. */
export function withheld(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (let look = 0; look < looksMax; look++) {
    const places = placesOf(shown, secrets);
    if (places.length === 0) return shown;
    const pieces: string[] = [];
    let from = 0;
    for (const { at, end } of places) {
      if (at >= from) pieces.push(shown.slice(from, at), withheldMark);
      from = Math.max(from, end);
    }
    shown = pieces.join("") + shown.slice(from);
  }
  return withheldMark;
}

/** The same for every text in a value of plain data; most hold none, and are the very value that was given. */
export function withheldIn<Value>(value: Value, secrets: readonly string[]): Value {
  if (secrets.length === 0) return value;
  // One look for all of them: what is found only across two of them costs no more than time.
  if (placesOf(textsIn(value).join("\n"), secrets).length === 0) return value;
  return replaced(value, (text) => withheld(text, secrets)) as Value;
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function replaced(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((each) => replaced(each, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each, change)]));
}

/** `end`: behind its last character. */
interface Place extends SecretHit {
  readonly end: number;
}

function placesOf(text: string, secrets: readonly string[]): readonly Place[] {
  const folded = lowered(text);
  const wholes = [/^[ \t]{0,200}/, /^[+-][ \t]{0,200}/].map((lead) => unwrapped(text, lead));
  const joined = wholes.map((each) => ({ ...each, folded: lowered(each.text) }));
  const decoded = percentDecoded(text);
  const hits = new Map<string, Place>();
  for (const [secret, value] of secrets.entries()) {
    const plain = value.trim();
    if (plain.length < secretCharactersMin) continue;
    for (const { form, needle, fold } of needlesOf(plain)) {
      if (hits.size >= hitsMax) break;
      const wanted = fold ? lowered(needle) : needle;
      const length = wanted.length;
      const places = [
        ...allPlaces(fold ? folded : text, wanted).map((at) => ({ at, end: at + length })),
        ...joined.flatMap((each) =>
          allPlaces(fold ? each.folded : each.text, wanted).map((at) => stretchOf(each, at, length)),
        ),
      ];
      for (const { at, end } of places) hits.set(`${secret} ${form} ${at}`, { secret, form, at, end });
    }
    // A form's encoding writes a blank as "+".
    for (const needle of new Set([plain, plain.replaceAll(" ", "+")]))
      for (const place of allPlaces(decoded.text, needle)) {
        const { at, end } = stretchOf(decoded, place, needle.length);
        if (!hits.has(`${secret} plain ${at}`))
          hits.set(`${secret} percent ${at}`, { secret, form: "percent", at, end });
      }
  }
  return [...hits.values()]
    .sort((left, right) => left.at - right.at || left.secret - right.secret)
    .slice(0, hitsMax);
}

/** `fold`: capitals do not matter in this form. */
interface Needle {
  readonly form: SecretForm;
  readonly needle: string;
  readonly fold: boolean;
}

function needlesOf(secret: string): readonly Needle[] {
  const bytes = new TextEncoder().encode(secret);
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  const needles: Needle[] = [
    { form: "plain", needle: secret, fold: false },
    { form: "reversed", needle: [...secret].reverse().join(""), fold: false },
    { form: "hexadecimal", needle: digits.join(""), fold: true },
  ];
  for (const offset of [0, 1, 2]) {
    const standard = base64Core(bytes, offset);
    const ofUrl = standard.replaceAll("+", "-").replaceAll("/", "_");
    for (const needle of new Set([standard, ofUrl])) needles.push({ form: "base64", needle, fold: false });
  }
  return needles;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The letters of base64 that depend on these bytes alone, when `offset` (0 to 2) other bytes stand before them. */
export function base64Core(bytes: Uint8Array, offset: number): string {
  const bitAt = (bit: number) => ((bytes[Math.floor(bit / 8)] ?? 0) >> (7 - (bit % 8))) & 1;
  const from = Math.ceil((offset * 8) / 6);
  const to = Math.floor(((offset + bytes.length) * 8) / 6);
  let text = "";
  for (let letter = from; letter < to; letter++) {
    let value = 0;
    for (let bit = 0; bit < 6; bit++) value = value * 2 + bitAt(letter * 6 + bit - offset * 8);
    text += alphabet[value];
  }
  return text;
}

/** ASCII capitals folded; every character keeps its place. */
function lowered(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

interface Joined {
  readonly text: string;
  /** Where a character of the joined text stood. */
  readonly origin: (at: number) => number;
  /** Behind where it stood; behind all that was written together with it. */
  readonly behind: (at: number) => number;
}

/** Where so many characters of the joined text stood. */
function stretchOf({ origin, behind }: Joined, at: number, length: number): Pick<Place, "at" | "end"> {
  return { at: origin(at), end: behind(at + length - 1) };
}

/** The text with every run of %XX read as UTF-8, so that it does not matter which characters were encoded. */
function percentDecoded(text: string): Joined {
  const starts = [{ at: 0, from: 0 }];
  const pieces: string[] = [];
  let [at, from] = [0, 0];
  const add = (piece: string, length: number) => {
    pieces.push(piece);
    at += piece.length;
    from += length;
    starts.push({ at, from });
  };
  for (const match of text.matchAll(/(?:%[0-9a-fA-F]{2})+/g)) {
    add(text.slice(from, match.index), match.index - from);
    const digits = match[0].split("%").slice(1);
    const bytes = Uint8Array.from(digits, (each) => Number.parseInt(each, 16));
    add(new TextDecoder().decode(bytes), match[0].length);
  }
  add(text.slice(from), text.length - from);
  const origin = (place: number) => originOf(starts, place);
  const behind = (place: number) => {
    const segment = segmentOf(starts, place);
    // Every second one was encoded, as a whole.
    return segment % 2 === 0 ? origin(place) + 1 : (starts[segment + 1]?.from ?? text.length);
  };
  return { text: pieces.join(""), origin, behind };
}

/** The text with its lines run together: line ends, the lead of each line and white space at its end are gone. */
function unwrapped(text: string, lead: RegExp): Joined {
  const starts: { readonly at: number; readonly from: number }[] = [];
  const pieces: string[] = [];
  let from = 0;
  let at = 0;
  for (const line of text.split("\n")) {
    const skipped = lead.exec(line)?.[0].length ?? 0;
    const piece = line.slice(skipped).trimEnd();
    starts.push({ at, from: from + skipped });
    pieces.push(piece);
    at += piece.length;
    from += line.length + 1;
  }
  const origin = (place: number) => originOf(starts, place);
  return { text: pieces.join(""), origin, behind: (place) => origin(place) + 1 };
}

interface Start {
  readonly at: number;
  readonly from: number;
}

function originOf(starts: readonly Start[], place: number): number {
  const start = starts[segmentOf(starts, place)] ?? { at: 0, from: 0 };
  return start.from + place - start.at;
}

function segmentOf(starts: readonly Start[], place: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle]?.at ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

function allPlaces(text: string, needle: string): readonly number[] {
  const places: number[] = [];
  for (let at = text.indexOf(needle); at >= 0 && places.length < hitsMax; at = text.indexOf(needle, at + 1))
    places.push(at);
  return places;
}
