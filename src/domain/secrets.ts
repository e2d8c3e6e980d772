/**
 * Finds known secrets in text that is about to leave: a diff, a file name, a message. Says where and how they are
 * written, never what they are.
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
  const folded = lowered(text);
  const wholes = [/^[ \t]{0,200}/, /^[+-][ \t]{0,200}/].map((lead) => unwrapped(text, lead));
  const joined = wholes.map((each) => ({ ...each, folded: lowered(each.text) }));
  const decoded = percentDecoded(text);
  const hits = new Map<string, SecretHit>();
  for (const [secret, value] of secrets.entries()) {
    const plain = value.trim();
    if (plain.length < secretCharactersMin) continue;
    for (const { form, needle, fold } of needlesOf(plain)) {
      if (hits.size >= hitsMax) break;
      const wanted = fold ? lowered(needle) : needle;
      const places = [
        ...allPlaces(fold ? folded : text, wanted),
        ...joined.flatMap((each) => allPlaces(fold ? each.folded : each.text, wanted).map(each.origin)),
      ];
      for (const at of places) hits.set(`${secret} ${form} ${at}`, { secret, form, at });
    }
    // A form's encoding writes a blank as "+".
    for (const needle of new Set([plain, plain.replaceAll(" ", "+")]))
      for (const at of allPlaces(decoded.text, needle).map(decoded.origin))
        if (!hits.has(`${secret} plain ${at}`))
          hits.set(`${secret} percent ${at}`, { secret, form: "percent", at });
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
  return { text: pieces.join(""), origin: (place) => originOf(starts, place) };
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
  return { text: pieces.join(""), origin: (place) => originOf(starts, place) };
}

function originOf(starts: readonly { readonly at: number; readonly from: number }[], place: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle]?.at ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  const start = starts[low] ?? { at: 0, from: 0 };
  return start.from + place - start.at;
}

function allPlaces(text: string, needle: string): readonly number[] {
  const places: number[] = [];
  for (let at = text.indexOf(needle); at >= 0 && places.length < hitsMax; at = text.indexOf(needle, at + 1))
    places.push(at);
  return places;
}
