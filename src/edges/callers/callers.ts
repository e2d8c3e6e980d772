/**
 * `callers.json` in the home: who may call the gateway. Written by `rigs gateway token`, read by the gateway; whole and
 * 0600, and it holds no token, only hashes.
 */
import { hash, randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { z } from "zod";
import type { Caller, TokenHash } from "../../domain/caller.ts";

/** Callers of one home, those that were revoked included: these are forgotten, oldest first, beyond it. */
export const callersMax = 1_000;
const bytesMax = 1_048_576;

const bound = z
  .number()
  .positive()
  .nullable()
  .transform((value) => value ?? undefined);
const CallerShape = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/),
  hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((hash) => hash as TokenHash),
  usdMax: bound,
  tokensMax: bound,
  rpm: bound,
  createdAt: z.number(),
  revokedAt: bound,
});
const FileShape = z.strictObject({ version: z.literal(1), callers: z.array(CallerShape).max(callersMax) });

/** 256 bits from the system, so that its hash needs no salt. */
export function newToken(): string {
  return `rigs-${randomBytes(32).toString("base64url")}`;
}

export function hashOf(token: string): TokenHash {
  return hash("sha256", token) as TokenHash;
}

export type CallersRead =
  | { readonly kind: "read"; readonly callers: readonly Caller[] }
  /** One line for people. */
  | { readonly kind: "refused"; readonly why: string };

/** A missing file is nobody. A file that cannot be read lets nobody in. */
export function readCallers(path: string): CallersRead {
  try {
    if (statSync(path).size > bytesMax)
      return { kind: "refused", why: `${path} is not what Rigs writes there` };
    const { data } = FileShape.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (data === undefined)
      return { kind: "refused", why: `${path} holds what no caller has: remove or mend it` };
    return { kind: "read", callers: data.callers };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { kind: "read", callers: [] };
    return { kind: "refused", why: `${path} cannot be read (${code ?? "damaged"}): mend or remove it` };
  }
}

/** A change that another process made meanwhile is waited for, so long; then its draft is a dead one's. */
const draftMsMax = 10_000;

/**
 * Replaces the file in one step by what `change` makes of it. The draft is the lock: it can be made by one process only.
 * Throws Error with one line when the file cannot be read or written, or another process is at it.
 */
export function changeCallers(path: string, change: (callers: readonly Caller[]) => readonly Caller[]): void {
  const draft = `${path}.draft`;
  const left = statSync(draft, { throwIfNoEntry: false });
  if (left !== undefined && Date.now() - left.mtimeMs > draftMsMax) rmSync(draft, { force: true });
  let file: number;
  try {
    file = openSync(draft, "wx", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new Error(`another rigs process changes ${path}: try again`);
    throw new Error(`cannot write ${path} (${code}): nothing was changed`);
  }
  try {
    const read = readCallers(path);
    if (read.kind === "refused") throw new Error(read.why);
    const callers = change(read.callers);
    const text = JSON.stringify(
      { version: 1, callers: kept(callers) },
      (_key, value: unknown) => value ?? null,
      2,
    );
    writeSync(file, `${text}\n`);
    fsyncSync(file);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** `undefined` has no word in JSON and would leave the key out. */
function kept(callers: readonly Caller[]): readonly object[] {
  const revoked = callers.filter(({ revokedAt }) => revokedAt !== undefined);
  const surplus = new Set(revoked.slice(0, Math.max(0, callers.length - callersMax)));
  return callers
    .filter((caller) => !surplus.has(caller))
    .map(({ name, hash, usdMax, tokensMax, rpm, createdAt, revokedAt }) => {
      return {
        ...{ name, hash, usdMax: usdMax ?? null, tokensMax: tokensMax ?? null },
        rpm: rpm ?? null,
        createdAt,
        revokedAt: revokedAt ?? null,
      };
    });
}
