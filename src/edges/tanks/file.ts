/**
 * `tanks.json` in the home: what the tanks held, for the next process that owns the home and for whoever looks.
 *
 * 1. One process writes it, the owner of the home; others only read.
 * 2. The file is the old one or the new one, whole, whatever ends the process.
 * 3. What cannot be read or written stops nobody: tanks are learned again from a few replies.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock } from "../../kit/clock.ts";
import { nothingSaved, parseTanks, type SavedTanks, textOf } from "./shape.ts";

/** `savedAt` in ms; undefined: there is nothing to go on with, `note` says why where there was something. */
export interface TanksRead {
  readonly saved: SavedTanks;
  readonly savedAt: number | undefined;
  /** One line for people. */
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
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const read = await textIn(file);
    if (read === undefined) return fresh("is not what Rigs writes there");
    text = read;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === "ENOENT") return { saved: nothingSaved, savedAt: undefined, note: undefined };
    return fresh(`cannot be read (${code})`);
  }
  const parsed = parseTanks(text);
  if (parsed.kind === "refused") return fresh(parsed.why);
  return { saved: parsed.saved, savedAt: parsed.savedAt, note: undefined };
}

async function textIn(file: FileHandle): Promise<string | undefined> {
  const found = await file.stat();
  return found.isFile() && found.size <= bytesMax ? file.readFile("utf8") : undefined;
}

export interface TanksFile extends AsyncDisposable {
  /** What was saved last, by whichever process. */
  load(): Promise<TanksRead>;
  /** Something is other than before: `look` is asked for all of it when it is written, within a second. */
  changed(look: () => SavedTanks): void;
}

/** Between the beginnings of two writings, ms. */
const everyMs = 1_000;

/** For the owner of the home only. Closing it writes what has changed; nothing it does rejects for a disk that refuses. */
export function openTanksFile({ path, clock }: { readonly path: string; readonly clock: Clock }): TanksFile {
  let look: (() => SavedTanks) | undefined;
  let writing: Promise<void> | undefined;
  let wroteAt = Number.NEGATIVE_INFINITY;
  const end = new AbortController();

  async function write(): Promise<void> {
    while (look !== undefined) {
      const waitMs = Math.max(0, Math.min(everyMs, wroteAt + everyMs - clock.now()));
      // At the end the newest is written at once.
      if (waitMs > 0 && !end.signal.aborted) await clock.sleep(waitMs, end.signal).catch(() => undefined);
      const newest = look;
      look = undefined;
      wroteAt = clock.now();
      await replace(path, textOf(newest(), wroteAt)).catch(ofDisk);
    }
    writing = undefined;
  }

  return {
    load: () => readTanks(path),
    changed(newest) {
      look = newest;
      if (writing !== undefined) return;
      writing = write();
      // A bug in what is looked at is heard where this is closed.
      writing.catch(() => undefined);
    },
    async [Symbol.asyncDispose]() {
      end.abort(new Error("the tanks are closed"));
      await writing;
    },
  };
}

/** A disk that refuses costs what would be known at the next start, nothing else. */
function ofDisk(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code === undefined) throw error;
}

/** In one step, 0600. The draft has one name, since one process writes: what a kill leaves is replaced. */
async function replace(path: string, text: string): Promise<void> {
  const draft = `${dirname(path)}/.${basename(path)}.draft`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  try {
    // An old one may be open to others, or lead elsewhere.
    await rm(draft, { force: true });
    await using file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    await file.writeFile(text);
    await file.sync();
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}
