/**
 * `callers.book` in the home: what callers of the gateway reserved and spent, a line each, before the call is made.
 *
 * 1. One process writes it, the owner of the home. A reservation is written before `add` returns, what ends one with the next
 *    or a moment later, in one write: of a call whose end a kill tore off the reservation stays, and counts in full.
 * 2. It is not flushed at each line: a machine that loses its power may forget the last moments, a process that dies not.
 * 3. A book that is full is written anew with what stands.
 * 4. Nothing is forgotten or altered silently: each line ends in a checksum. Who is named in a line that cannot be read counts
 *    as having spent all, and a line that names nobody who is known counts for all callers there are.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { z } from "zod";
import {
  type Accounts,
  type Booking,
  book,
  bounded,
  closeOpen,
  emptyAccounts,
  type TokenHash,
} from "../../domain/caller.ts";

/** A line is some 150 bytes. */
const bytesMax = 4 * 1_048_576;

const amount = z.number().nonnegative();
const call = z.string().max(100);
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as TokenHash);
const Line: z.ZodType<Booking> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("reserved"),
    ...{ call, hash, estimate: z.strictObject({ tokens: amount, usd: amount }) },
  }),
  z.strictObject({
    kind: z.literal("settled"),
    ...{ call, usd: amount },
    usage: z.strictObject({ input: amount, cachedInput: amount, output: amount }),
  }),
  z.strictObject({ kind: z.literal("withdrawn"), call }),
  z.strictObject({
    kind: z.literal("stood"),
    hash,
    spend: z.strictObject({
      ...{
        requests: amount,
        inputTokens: amount,
        cachedInputTokens: amount,
        outputTokens: amount,
        usd: amount,
      },
      ...{ reservedTokens: z.number(), reservedUsd: z.number() },
    }),
  }),
  z.strictObject({ kind: z.literal("unknown"), hash }),
]);

export interface Book {
  readonly accounts: Accounts;
  /** One line each, for people: what of the book could not be read. */
  readonly notes: readonly string[];
  /**
   * A reservation is kept before it returns; throws the system's error where the disk refuses: then nothing was booked. All
   * else is booked, and kept a moment later.
   */
  add(booking: Booking): void;
  /** Throws the system's error where the disk refuses what was not kept yet. */
  close(): void;
}

/** What stands in a book, for whoever looks; open calls are open. `callers`: all there are. */
export function readBook(path: string, callers: readonly TokenHash[] = []): Accounts {
  return damagedBook(path, callers).accounts;
}

/** `damaged`: lines that cannot be read. `isSealed`: with checksums, as every book of this Rigs; an empty one is. */
interface BookRead {
  readonly accounts: Accounts;
  readonly damaged: number;
  readonly isSealed: boolean;
}

function damagedBook(path: string, callers: readonly TokenHash[]): BookRead {
  const accounts = emptyAccounts();
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { accounts, damaged: 0, isSealed: true };
    throw error;
  }
  const lines = text.split("\n");
  // Behind the last end of a line: what a kill tore. Its call never left, or its reservation stays.
  lines.pop();
  // Books of an older Rigs have no checksums, in no line.
  const isSealed = lines.length === 0 || lines.some((line) => seal.test(line));
  const known = new Set(callers);
  let damaged = 0;
  let isNobodys = false;
  for (const line of lines) {
    const json = isSealed ? unsealed(line) : line;
    const booking = json === undefined ? undefined : bookingIn(json);
    if (booking !== undefined) {
      book(accounts, booking);
      continue;
    }
    damaged += 1;
    const named = namedIn(line, accounts, known);
    if (named === undefined) isNobodys = true;
    else accounts.unknown.add(named);
  }
  if (isNobodys)
    for (const each of [...callers, ...accounts.spends.keys(), ...accounts.unknown])
      accounts.unknown.add(each);
  return { accounts, damaged, isSealed };
}

const seal = /\t[0-9a-f]{8}$/;

/** A line of the book, with its end. No JSON holds a tab. */
function sealed(booking: Booking): string {
  const json = JSON.stringify(booking);
  return `${json}\t${sumOf(json)}\n`;
}

/** Undefined: it is not what was written. */
function unsealed(line: string): string | undefined {
  const at = line.lastIndexOf("\t");
  const json = line.slice(0, Math.max(0, at));
  return line.slice(at + 1) === sumOf(json) ? json : undefined;
}

/** CRC-32: against accidents, as a disk or an editor has them. */
function sumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, "0");
}

function bookingIn(json: string): Booking | undefined {
  try {
    return Line.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

/** Whose line it is, as far as a damaged one says; nobody else has its hash. */
function namedIn(line: string, accounts: Accounts, known: ReadonlySet<TokenHash>): TokenHash | undefined {
  const [, found] = /"hash":"([0-9a-f]{64})"/.exec(line) ?? [];
  const named = found as TokenHash | undefined;
  if (named !== undefined && (known.has(named) || accounts.spends.has(named))) return named;
  const [, name] = /"call":"([^"\\]{1,100})"/.exec(line) ?? [];
  return name === undefined ? undefined : accounts.open.get(name)?.hash;
}

/** For the owner of the home only. What was out when the last one ended counts in full. `callers`: all there are. */
export function openBook(path: string, callers: readonly TokenHash[] = []): Book {
  const { accounts, damaged, isSealed } = damagedBook(path, callers);
  closeOpen(accounts);
  let bytes = 0;
  let fullAt = bytesMax;
  /** Lines that are not written yet. */
  let waiting = "";
  let soon: NodeJS.Immediate | undefined;
  let file = renewed();

  function renewed(): number {
    const text = standing(accounts);
    const draft = `${path}.draft`;
    // Whatever lies there is not ours to write into: a link leads elsewhere, an old file may be open to others.
    rmSync(draft, { force: true });
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const next = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      bytes = written(next, text, 0);
      renameSync(draft, path);
      return next;
    } catch (error) {
      closeSync(next);
      throw error;
    }
  }

  return {
    accounts,
    notes: notesOf(path, damaged, isSealed),
    add(wished) {
      const booking = bounded(wished);
      if (booking.kind === "reserved") {
        keep(sealed(booking));
        book(accounts, booking);
        renewWhereFull();
        return;
      }
      book(accounts, booking);
      // What a full disk never takes counts in full one day: nothing of it has to be remembered for ever.
      waiting = waiting.length > bytesMax ? "" : waiting + sealed(booking);
      soon ??= setImmediate(() => {
        soon = undefined;
        try {
          keep("");
          renewWhereFull();
        } catch {
          // It waits for the next, which says so.
        }
      });
    },
    close() {
      clearImmediate(soon);
      try {
        keep("");
      } finally {
        closeSync(file);
      }
    },
  };

  /** What waits, and this, in one write. */
  function keep(line: string): void {
    if (waiting === "" && line === "") return;
    bytes += written(file, waiting + line, bytes);
    waiting = "";
  }

  function renewWhereFull(): void {
    if (bytes < fullAt) return;
    const before = { file, bytes };
    try {
      file = renewed();
      closeSync(before.file);
      fullAt = bytesMax;
    } catch {
      // It is written; the old book goes on, and is written anew later.
      bytes = before.bytes;
      fullAt = bytes + bytesMax;
    }
  }
}

function notesOf(path: string, damaged: number, isSealed: boolean): readonly string[] {
  const lines = damaged === 1 ? "line" : "lines";
  const used = "budgets of the callers concerned count as used up: give them new tokens";
  return [
    ...(damaged === 0 ? [] : [`${path}: ${damaged} ${lines} cannot be read; ${used}`]),
    ...(isSealed
      ? []
      : [
          `${path} has no checksums, as books of an older Rigs: what it says was spent is believed as it stands`,
        ]),
  ];
}

/** All that a book has to hold. */
function standing(accounts: Accounts): string {
  // Reservations of open calls are lines of their own.
  const stood = [...accounts.spends].map(([hash, spend]): Booking => {
    return { kind: "stood", hash, spend: { ...spend, reservedTokens: 0, reservedUsd: 0 } };
  });
  const unknown = [...accounts.unknown].map((hash): Booking => ({ kind: "unknown", hash }));
  const open = [...accounts.open].map(([call, rest]): Booking => ({ kind: "reserved", call, ...rest }));
  return [...stood, ...unknown, ...open].map(sealed).join("");
}

/** All of it or nothing: half a line would spoil the next. Its bytes. */
function written(file: number, text: string, position: number): number {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.byteLength; )
      done += writeSync(file, bytes, done, bytes.byteLength - done, position + done);
  } catch (error) {
    ftruncateSync(file, position);
    throw error;
  }
  return bytes.byteLength;
}
