/**
 * `tanks.json` in the home: what the tanks held, for the next process that owns the home and for whoever looks.
 *
 * 1. One process writes it, the owner of the home; others only read.
 * 2. The file is the old one or the new one, whole, whatever ends the process: a value as JSON and below it a line for
 *    each call that began since, kept before the call begins. A process that dies loses none; a machine may.
 * 3. What cannot be read or written stops nobody: tanks are learned again from a few replies.
 */
import { closeSync, constants, ftruncateSync, openSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Refinery, refineryOf } from "../../domain/refinery.ts";
import type { Clock } from "../../kit/clock.ts";
import { type Begun, withLines } from "./lines.ts";
import { nothingSaved, parseTanks, type SavedTanks, textOf } from "./shape.ts";

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

/** `savedAt` in ms; undefined: there is nothing to go on with, `note` says why where there was something. */
export interface TanksRead {
  readonly saved: SavedTanks;
  readonly savedAt: number | undefined;
  /** One line for people; also of a part that is not believed. */
  readonly note: string | undefined;
}

/** Far beyond what tanks take; a device or a disk image is not read to its end. */
const bytesMax = 32 * 1024 * 1024;

/** Reads what was saved last. Never rejects for what lies there. */
export async function readTanks(path: string): Promise<TanksRead> {
  const fresh = (why: string): TanksRead => ({
    saved: nothingSaved,
    savedAt: undefined,
    note: `${path} ${why}: what is known of limits starts anew`,
  });
  let text: string;
  try {
    await using file = await open(path, O_RDONLY | O_NONBLOCK);
    const read = await textIn(file);
    if (read === undefined) return fresh("is not what Rigs writes there");
    text = read;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === "ENOENT") return { saved: nothingSaved, savedAt: undefined, note: undefined };
    return fresh(`cannot be read (${code})`);
  }
  const [value = "", ...lines] = text.split("\n");
  const parsed = parseTanks(value);
  if (parsed.kind === "refused") return fresh(parsed.why);
  const { saved, savedAt } = parsed;
  const { tanks, at, lost } = withLines({ tanks: saved.refinery, at: savedAt, lost: parsed.lost }, lines);
  const what = `${lost} of its tanks`;
  const note = lost === 0 ? undefined : `${path}: what cannot be believed of ${what} begins anew`;
  return { saved: { ...saved, refinery: tanks }, savedAt: at, note };
}

async function textIn(file: FileHandle): Promise<string | undefined> {
  const found = await file.stat();
  return found.isFile() && found.size <= bytesMax ? file.readFile("utf8") : undefined;
}

export interface TanksFile extends AsyncDisposable {
  /** What was saved last, by whichever process. Asked once, before anything is changed. */
  load(): Promise<TanksRead>;
  /** Something is other than before: `look` is asked for all of it when it is written, within a second. */
  changed(look: () => SavedTanks): void;
  /** A call that begins when this returns: then the file has it. `look` is asked for tanks that the file lacks. */
  begun(call: Begun, look: () => Refinery): void;
}

/** Between the beginnings of two writings, ms. */
const everyMs = 1_000;
/** Of lines below the value, where a disk refuses every new one. */
const tailBytesMax = 8 * 1024 * 1024;

/** For the owner of the home only. Closing it writes what has changed; nothing it does rejects for a disk that refuses. */
export function openTanksFile({ path, clock }: { readonly path: string; readonly clock: Clock }): TanksFile {
  let look: (() => SavedTanks) | undefined;
  let writing: Promise<void> | undefined;
  let wroteAt = Number.NEGATIVE_INFINITY;
  const end = new AbortController();
  /** Whether what lies there can be gone on with. */
  let isBelieved = false;
  let tail: { readonly file: number; bytes: number } | undefined;
  /** Tanks that this process has put into the file. */
  const known = new Set<string>();
  /** Lines since the look at what is being written. */
  let since: string[] = [];

  async function write(): Promise<void> {
    while (look !== undefined) {
      const waitMs = Math.max(0, Math.min(everyMs, wroteAt + everyMs - clock.now()));
      // At the end the newest is written at once.
      if (waitMs > 0 && !end.signal.aborted) await clock.sleep(waitMs, end.signal).catch(() => undefined);
      const newest = look;
      look = undefined;
      wroteAt = clock.now();
      since = [];
      const saved = newest();
      await replace(path, textOf(saved, wroteAt), () => since.join("")).then((file) => {
        if (tail !== undefined) closeSync(tail.file);
        tail = { file, bytes: 0 };
        for (const name of saved.refinery.keys()) known.add(name);
      }, ofDisk);
    }
    writing = undefined;
  }

  /** What is there already stays; what nobody can read gives way. */
  function opened(): { readonly file: number; bytes: number } {
    const file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (!isBelieved) {
      ftruncateSync(file);
      writeSync(file, textOf(nothingSaved, clock.now()));
    }
    return { file, bytes: 0 };
  }

  function add(line: string): void {
    since.push(line);
    tail ??= opened();
    if (tail.bytes < tailBytesMax) tail.bytes += writeSync(tail.file, line);
  }

  return {
    async load() {
      const found = await readTanks(path);
      isBelieved = found.savedAt !== undefined;
      return found;
    },
    changed(newest) {
      look = newest;
      if (writing !== undefined) return;
      writing = write();
      // A bug in what is looked at is heard where this is closed.
      writing.catch(() => undefined);
    },
    begun(call, tanks) {
      try {
        const missing = call.tanks.filter((name) => !known.has(name));
        if (missing.length > 0) {
          const refinery = tanks();
          const fresh = missing.flatMap((name) => refinery.get(name) ?? []);
          add(`\n${textOf({ refinery: refineryOf(fresh), sections: {} }, clock.now()).trimEnd()}`);
          for (const name of missing) known.add(name);
        }
        add(`\n${JSON.stringify(call)}`);
      } catch (error) {
        ofDisk(error);
      }
    },
    async [Symbol.asyncDispose]() {
      end.abort(new Error("the tanks are closed"));
      await writing;
      if (tail !== undefined) closeSync(tail.file);
      tail = undefined;
    },
  };
}

/** A disk that refuses costs what would be known at the next start, nothing else. */
function ofDisk(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code === undefined) throw error;
}

/**
 * In one step, 0600. The draft has one name, since one process writes: what a kill leaves is replaced. `last`: what goes
 * below it. The new file, to add lines to.
 */
async function replace(path: string, text: string, last: () => string): Promise<number> {
  const draft = `${dirname(path)}/.${basename(path)}.draft`;
  try {
    // An old one may be open to others, or lead elsewhere.
    await rm(draft, { force: true });
    await using file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    await file.writeFile(text);
    await file.sync();
    // From here to its new name nothing else runs: no call begins between the two files.
    const next = openSync(draft, O_WRONLY | O_APPEND | O_NOFOLLOW);
    try {
      writeSync(next, last());
      renameSync(draft, path);
      return next;
    } catch (error) {
      closeSync(next);
      throw error;
    }
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}
