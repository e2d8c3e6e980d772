/**
 * Takes a key out of an answer that is passed on as it is, byte for byte, whatever pieces it comes in and whatever JSON
 * makes of its letters. Nothing waits but the end of a piece that may be the beginning of the key; an event ends in a line
 * end, and no key does.
 *
 * Bytes are texts with one character for each (latin1): a key is ASCII, and one text is looked through many times as fast
 * as a buffer.
 */
import { base64Core, secretCharactersMin } from "../../domain/secrets.ts";
import { type Look, secretMark as mark, type Spread, type Stretch } from "../../ports/upstream.ts";

/** Hears the pieces of one answer in their order. */
export interface Veil {
  /** So much of what has come as can go on; often the very text that was given. */
  push(bytes: string): string;
  /** What was held back, where nothing more comes. */
  end(): string;
}

/** Whoever hears an answer, each with a memory of its own. */
export interface Cover {
  veil(): Veil;
  spread(): Spread;
}

/** Undefined: so short a value is a place-holder of a local server, and would be found in every text. */
export function coverOf(key: string): Cover | undefined {
  if (key.length < secretCharactersMin) return undefined;
  const look = lookFor(key);
  return { veil: () => veilOver(look), spread: () => spreadOver(look) };
}

/** The key as it is, reversed, hexadecimal, percent-encoded and in base64 at any offset; what JSON makes of it is unfolded. */
function needlesOf(key: string): readonly string[] {
  const bytes = Buffer.from(key);
  const hexadecimal = bytes.toString("hex");
  const cores = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  const texts = [
    ...[key, [...key].reverse().join(""), key.replaceAll("\\", "\\\\")],
    ...[encodeURIComponent(key), hexadecimal, hexadecimal.toUpperCase()],
    ...cores.flatMap((core) => [core, core.replaceAll("+", "-").replaceAll("/", "_")]),
  ];
  return [...new Set(texts)];
}

/**
 * A letter as JSON may write it, at any depth of JSON within JSON: each depth doubles the backslashes. Every letter of ASCII
 * may be a \u00XX; a quote and a slash have shorter ones.
 */
const written = /\\{1,16}(?:u00([2-7][0-9a-f])|(["/]))/gi;
/** What may be the beginning of one. */
const begun = /\\{1,16}(?:u(?:0(?:0[2-7]?)?)?)?$/;
const escapeMax = 16 + "u00XX".length;

/** A text without escapes, and where each of its characters begins in the text as it is; undefined: there. */
interface Unfolded {
  readonly text: string;
  readonly places: readonly number[] | undefined;
}

function unfolded(text: string): Unfolded {
  const places: number[] = [];
  const letters: string[] = [];
  let from = 0;
  const plain = (to: number) => {
    for (let at = from; at < to; at++) places.push(at);
    letters.push(text.slice(from, to));
  };
  for (const { 0: all, 1: code, 2: letter = "", index } of text.matchAll(written)) {
    plain(index);
    places.push(index);
    letters.push(code === undefined ? letter : String.fromCharCode(Number.parseInt(code, 16)));
    from = index + all.length;
  }
  plain(text.length);
  places.push(text.length);
  return { text: letters.join(""), places };
}

interface Looking {
  look(text: string): Look;
  /** Whether there may be a whole one; cheaper. */
  isIn(text: string): boolean;
}

function lookFor(key: string): Looking {
  const needles = needlesOf(key);
  const isShortened = /["/]/.test(key);
  const hasEscapes = (text: string) => text.includes("\\u00") || (isShortened && text.includes("\\"));
  const isIn = (text: string) => hasEscapes(text) || needles.some((needle) => text.includes(needle));
  const look = (whole: string): Look => {
    const { text, places }: Unfolded = hasEscapes(whole)
      ? unfolded(whole)
      : { text: whole, places: undefined };
    const place = (at: number): number => places?.[at] ?? at;
    const keys: Stretch[] = [];
    let from = 0;
    for (let found = firstIn(text, needles, 0); found !== undefined; found = firstIn(text, needles, from)) {
      keys.push({ at: place(found.at), end: place(found.end) });
      from = found.end;
    }
    const unsure = begunEscape(whole);
    const end = unsure === 0 ? text.length : Math.max(from, text.length - unsure);
    const rest = text.slice(from, end);
    const size = beginningIn(rest, needles);
    const at = end - size;
    const more = end === text.length ? 0 : 1;
    return {
      keys,
      begins: place(at),
      size: size + more,
      open: size + more <= openedMax ? whole.length : place(at + openedMax),
    };
  };
  return { look, isIn };
}

/** Characters at the end that are the beginning of an escape. */
function begunEscape(text: string): number {
  if (text.lastIndexOf("\\") < text.length - escapeMax) return 0;
  return begun.exec(text.slice(-escapeMax))?.[0].length ?? 0;
}

const lineFeed = 10;

function veilOver({ look, isIn }: Looking): Veil {
  let held = "";
  return {
    push(bytes) {
      const all = held === "" ? bytes : held + bytes;
      held = "";
      const isEnded = all.charCodeAt(all.length - 1) === lineFeed;
      if (isEnded && !isIn(all)) return all;
      const { keys, begins } = look(all);
      const to = isEnded ? all.length : begins;
      if (to < all.length) held = all.slice(to);
      if (keys.length === 0) return to === all.length ? all : all.slice(0, to);
      let shown = "";
      let from = 0;
      for (const { at, end } of keys) {
        shown += all.slice(from, at) + mark;
        from = end;
      }
      return shown + all.slice(from, to);
    },
    end: () => held,
  };
}

/** Characters at the end that are a beginning of some needle, the longest such; 0: none. */
function beginningIn(text: string, needles: readonly string[]): number {
  let longest = 0;
  for (const needle of needles) {
    let at = text.indexOf(needle.charAt(0), Math.max(0, text.length - needle.length + 1));
    for (; at >= 0 && text.length - at > longest; at = text.indexOf(needle.charAt(0), at + 1))
      if (needle.startsWith(text.slice(at))) longest = text.length - at;
  }
  return longest;
}

/** So much of a key may be said before anybody knows that it is one: many words end as a key begins. */
const openedMax = 2;

/** `tail` may be the beginning of a key; `said`: so much of it has gone out. */
interface Channel {
  readonly tail: string;
  readonly said: number;
}
const nothingKept: Channel = { tail: "", said: 0 };

function spreadOver({ look }: Looking): Spread {
  const channels = new Map<string, Channel>();
  return {
    look,
    push(name, text) {
      const { tail, said } = channels.get(name) ?? nothingKept;
      const all = tail + text;
      const { keys, begins, size, open } = look(all);
      let shown = "";
      let from = 0;
      for (const { at, end } of keys) {
        shown += all.slice(Math.max(from, said), at) + mark;
        from = end;
      }
      shown += all.slice(Math.max(from, said), open);
      if (size > 0) channels.set(name, { tail: all.slice(begins), said: Math.max(said, open) - begins });
      else if (tail !== "") channels.delete(name);
      return shown;
    },
    end(name) {
      const { tail, said } = channels.get(name) ?? nothingKept;
      channels.delete(name);
      return tail.slice(said);
    },
  };
}

function firstIn(text: string, needles: readonly string[], from: number): Stretch | undefined {
  let first: Stretch | undefined;
  for (const needle of needles) {
    const at = text.indexOf(needle, from);
    if (at >= 0 && (first === undefined || at < first.at)) first = { at, end: at + needle.length };
  }
  return first;
}
