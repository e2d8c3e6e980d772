import { printable } from "../../kit/bounded.ts";
import { RepositoryError } from "../../ports/repository.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A name in git is bytes, in Rigs a string. Valid UTF-8 is itself; every other byte b becomes the lone surrogate
 * U+DC00+b, as Python's surrogateescape does, so that each name survives the way there and back (a law in the test).
 */
export function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return escaped(bytes);
  }
}

function escaped(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isCharacter(bytes.subarray(index, index + count)));
    text +=
      length === undefined
        ? String.fromCharCode(0xdc00 + (bytes[index] ?? 0))
        : strict.decode(bytes.subarray(index, index + length));
    index += length ?? 1;
  }
  return text;
}

function isCharacter(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** The bytes of a name; the other way of `textOf`. Rejects text that no bytes could have given. */
export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8");
  const parts = Array.from(text, (character) => {
    if (character.isWellFormed()) return Buffer.from(character, "utf8");
    const byte = character.charCodeAt(0) - 0xdc00;
    if (byte < 0x80 || byte > 0xff)
      throw new RepositoryError(`the name ${shown(text)} is not text: rename it`);
    return Buffer.from([byte]);
  });
  return Buffer.concat(parts);
}

/** A name as people may see it: quoted, control characters visible. */
export function shown(path: string): string {
  return JSON.stringify(printable(path.toWellFormed()).slice(0, 200));
}

/** Characters that HFS+ ignores in names: with them ".git" can be spelled in other ways. */
const ignorable = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Why this path may not be in a tree, or undefined. What `.git` means to any file system counts as `.git`. */
export function pathFault(path: string): string | undefined {
  if (path === "" || path.includes("\0")) return "is not a path";
  for (const part of path.split("/")) {
    if (part === "" || part === "." || part === "..") return "leaves the folder";
    if (/^(?:\.git|git~1)(?:[. ]*$|:)/i.test(part.replace(ignorable, ""))) return "names git's own folder";
  }
  return undefined;
}

const objectName = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** True for a full object name, in either hash. Nothing else reaches git's command line as a revision. */
export function isObjectName(text: string): boolean {
  return objectName.test(text);
}

/** Rejects anything but a full object name. */
export function checkObjectName(text: string): string {
  if (!isObjectName(text)) throw new RepositoryError(`${shown(text)} is no commit: give its full name`);
  return text;
}

/** True for names that git accepts as a reference and that no shell, option parser or file system misreads. */
export function isPlainReference(name: string): boolean {
  return (
    name.length <= 240 &&
    name.split("/").every((part) => /^[A-Za-z0-9_][A-Za-z0-9._@+=-]*$/.test(part)) &&
    !/\.\.|\.lock(\/|$)|\.(\/|$)|@\{/.test(name)
  );
}
