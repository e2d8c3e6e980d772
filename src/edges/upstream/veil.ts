/**
 * Takes a key out of an answer that is passed on as it is, byte for byte, whatever pieces it comes in. Nothing waits but
 * the end of a piece that may be the beginning of the key; an event ends in a line end, and no key does.
 */
import { pipeline, type Readable, Transform } from "node:stream";
import { base64Core, secretCharactersMin } from "../../domain/secrets.ts";

const mark = Buffer.from("[secret]");

/** Hears the pieces of one answer in their order. */
export interface Veil {
  /** So much of what has come as can go on; often the very buffer that was given. */
  push(bytes: Buffer): Buffer;
  /** What was held back, where nothing more comes. */
  end(): Buffer;
}

/** The key as it is, reversed, in JSON, hexadecimal, percent-encoded and in base64 at any offset. */
function needlesOf(key: string): readonly Buffer[] {
  const bytes = Buffer.from(key);
  const hexadecimal = bytes.toString("hex");
  const cores = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  const texts = [
    ...[key, [...key].reverse().join(""), JSON.stringify(key).slice(1, -1), key.replaceAll("/", "\\/")],
    ...[escaped(key, (digits) => digits), escaped(key, (digits) => digits.toUpperCase())],
    ...[encodeURIComponent(key), hexadecimal, hexadecimal.toUpperCase()],
    ...cores.flatMap((core) => [core, core.replaceAll("+", "-").replaceAll("/", "_")]),
  ];
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

/** As writers of JSON do it that fear for web pages (Go, .NET). */
function escaped(key: string, shown: (digits: string) => string): string {
  return key.replaceAll(
    /[<>&'"`+]/g,
    (letter) => `\\u${shown(letter.charCodeAt(0).toString(16).padStart(4, "0"))}`,
  );
}

/** Undefined: so short a value is a place-holder of a local server, and would be found in every text. */
export function veilOf(key: string): (() => Veil) | undefined {
  if (key.length < secretCharactersMin) return undefined;
  const needles = needlesOf(key);
  return () => {
    let held = Buffer.alloc(0);
    return {
      push(bytes) {
        const all = veiled(held.byteLength === 0 ? bytes : Buffer.concat([held, bytes]), needles);
        const keep = Math.max(...needles.map((needle) => beginningOf(needle, all)));
        // A copy: what is held must not hold on to all of a large piece.
        held = keep === 0 ? Buffer.alloc(0) : Buffer.from(all.subarray(all.byteLength - keep));
        return keep === 0 ? all : all.subarray(0, all.byteLength - keep);
      },
      end: () => held,
    };
  };
}

function veiled(bytes: Buffer, needles: readonly Buffer[]): Buffer {
  let shown = bytes;
  for (const needle of needles) {
    let at = shown.indexOf(needle);
    if (at < 0) continue;
    const parts: Buffer[] = [];
    let from = 0;
    for (; at >= 0; at = shown.indexOf(needle, from)) {
      parts.push(shown.subarray(from, at), mark);
      from = at + needle.byteLength;
    }
    shown = Buffer.concat([...parts, shown.subarray(from)]);
  }
  return shown;
}

/** Bytes at the end that are a beginning of the needle, the longest such; 0: none. */
function beginningOf(needle: Buffer, bytes: Buffer): number {
  const last = bytes.at(-1);
  if (last === undefined || !needle.includes(last)) return 0;
  const first = needle[0] ?? 0;
  const from = Math.max(0, bytes.byteLength - needle.byteLength + 1);
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1))
    if (needle.subarray(0, bytes.byteLength - at).equals(bytes.subarray(at))) return bytes.byteLength - at;
  return 0;
}

/** The same body without the key. What breaks it off breaks this off, and the other way round. */
export function throughVeil(body: Readable, veil: Veil): Readable {
  const clean = new Transform({
    transform(bytes: Buffer, _encoding, done) {
      const shown = veil.push(bytes);
      done(null, shown.byteLength === 0 ? undefined : shown);
    },
    flush(done) {
      const rest = veil.end();
      done(null, rest.byteLength === 0 ? undefined : rest);
    },
  });
  pipeline(body, clean, () => undefined);
  return clean;
}
