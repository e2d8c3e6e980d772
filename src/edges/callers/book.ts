/**
 * `callers.book` in the home: what callers of the gateway reserved and spent, a line each, before the call is made.
 *
 * 1. One process writes it, the owner of the home. A line is one write, so a killed process loses at most its last line,
 *    and of a call that was out the reservation stays: it counts in full.
 * 2. It is not flushed at each line: a machine that loses its power may forget the last moments, a process that dies not.
 * 3. A book that is full is written anew with what stands.
 */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { z } from "zod";
import {
  type Accounts,
  type Booking,
  book,
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
]);

export interface Book {
  readonly accounts: Accounts;
  /** Kept before it returns. Throws the system's error where the disk refuses: then nothing was booked. */
  add(booking: Booking): void;
  close(): void;
}

/** What stands in a book, for whoever looks; open calls are open. A line that is torn or strange is passed over. */
export function readBook(path: string): Accounts {
  const accounts = emptyAccounts();
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return accounts;
    throw error;
  }
  for (const line of text.split("\n")) {
    const booking = line === "" ? undefined : bookingIn(line);
    if (booking !== undefined) book(accounts, booking);
  }
  return accounts;
}

function bookingIn(line: string): Booking | undefined {
  try {
    return Line.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** For the owner of the home only. What was out when the last one ended counts in full. */
export function openBook(path: string): Book {
  const accounts = readBook(path);
  closeOpen(accounts);
  let bytes = 0;
  let file = renewed();

  function renewed(): number {
    // Reservations of open calls are lines of their own.
    const stood = [...accounts.spends].map(([hash, spend]): Booking => {
      return { kind: "stood", hash, spend: { ...spend, reservedTokens: 0, reservedUsd: 0 } };
    });
    const open = [...accounts.open].map(([call, rest]): Booking => ({ kind: "reserved", call, ...rest }));
    const text = [...stood, ...open].map((each) => `${JSON.stringify(each)}\n`).join("");
    const draft = `${path}.draft`;
    const next = openSync(draft, "w", 0o600);
    writeSync(next, text);
    renameSync(draft, path);
    bytes = text.length;
    return next;
  }

  return {
    accounts,
    add(booking) {
      const line = `${JSON.stringify(booking)}\n`;
      bytes += writeSync(file, line);
      book(accounts, booking);
      if (bytes < bytesMax) return;
      const before = file;
      file = renewed();
      closeSync(before);
    },
    close: () => closeSync(file),
  };
}
