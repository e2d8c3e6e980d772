/**
 * Takes a key out of an answer that is passed on as it is, byte for byte, whatever pieces it comes in. Nothing waits but
 * the end of a piece that may be the beginning of the key; an event ends in a line end, and no key does.
 *
 * Bytes are texts with one character for each (latin1): a key is ASCII, and one text is looked through many times as fast
 * as a buffer.
 */
import { base64Core, secretCharactersMin } from "../../domain/secrets.ts";
import type { Spread } from "../../ports/upstream.ts";

const mark = "[secret]";

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
  const needles = needlesOf(key);
  // A part of a text ends behind a whole escape: what begins with one cannot be told from the end of another.
  const plain = needles.filter((needle) => !needle.startsWith("\\"));
  return { veil: () => veilOver(needles), spread: () => spreadOver(plain) };
}

/** The key as it is, reversed, in JSON, hexadecimal, percent-encoded and in base64 at any offset. */
function needlesOf(key: string): readonly string[] {
  const bytes = Buffer.from(key);
  const hexadecimal = bytes.toString("hex");
  const cores = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  const texts = [
    ...[key, [...key].reverse().join(""), JSON.stringify(key).slice(1, -1), key.replaceAll("/", "\\/")],
    ...[escaped(key, (digits) => digits), escaped(key, (digits) => digits.toUpperCase())],
    ...[encodeURIComponent(key), hexadecimal, hexadecimal.toUpperCase()],
    ...cores.flatMap((core) => [core, core.replaceAll("+", "-").replaceAll("/", "_")]),
  ];
  return [...new Set(texts)];
}

/** As writers of JSON do it that fear for web pages (Go, .NET). */
function escaped(key: string, shown: (digits: string) => string): string {
  return key.replaceAll(
    /[<>&'"`+]/g,
    (letter) => `\\u${shown(letter.charCodeAt(0).toString(16).padStart(4, "0"))}`,
  );
}

const lineFeed = 10;

function veilOver(needles: readonly string[]): Veil {
  let held = "";
  return {
    push(bytes) {
      const all = held === "" ? bytes : held + bytes;
      const shown = veiled(all, needles);
      if (shown.charCodeAt(shown.length - 1) === lineFeed) {
        held = "";
        return shown;
      }
      const keep = beginningIn(shown, needles);
      if (keep === 0) held = "";
      else held = shown.slice(-keep);
      return keep === 0 ? shown : shown.slice(0, -keep);
    },
    end: () => held,
  };
}

function veiled(bytes: string, needles: readonly string[]): string {
  let shown = bytes;
  for (const needle of needles) if (shown.includes(needle)) shown = shown.replaceAll(needle, mark);
  return shown;
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

function spreadOver(needles: readonly string[]): Spread {
  const channels = new Map<string, Channel>();
  return {
    push(name, text) {
      const { tail, said } = channels.get(name) ?? nothingKept;
      const all = tail + text;
      let shown = "";
      let from = 0;
      for (let found = firstIn(all, needles, 0); found !== undefined; found = firstIn(all, needles, from)) {
        shown += all.slice(Math.max(from, said), found.at) + mark;
        from = found.end;
      }
      const keep = beginningIn(from === 0 ? all : all.slice(from), needles);
      const begins = all.length - keep;
      const sayable = begins + Math.min(keep, openedMax);
      shown += all.slice(Math.max(from, said), sayable);
      if (keep > 0) channels.set(name, { tail: all.slice(begins), said: sayable - begins });
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

function firstIn(text: string, needles: readonly string[], from: number) {
  let first: { readonly at: number; readonly end: number } | undefined;
  for (const needle of needles) {
    const at = text.indexOf(needle, from);
    if (at >= 0 && (first === undefined || at < first.at)) first = { at, end: at + needle.length };
  }
  return first;
}
