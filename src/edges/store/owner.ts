/**
 * Exactly one process owns (writes) the store of a home.
 *
 * 1. The lock is an exclusive transaction on a tiny SQLite file, held open: the operating system drops it with the
 *    process, however that ends. There is no process id to go stale.
 * 2. Nothing in this process may open that file by other means: POSIX drops a process's locks with any closing of the file.
 */
import { dirname, join } from "node:path";
import { StoreError } from "../../ports/store.ts";
import { type Connection, connect } from "./connection.ts";
import { makePrivateFolder } from "./folder.ts";

export type Ownership =
  | {
      readonly kind: "owner";
      /** Gives the home up; more often does nothing. */
      release(): void;
    }
  | { readonly kind: "owned" };

/** Two that start at once can hinder each other for a moment; after this long the other one is the owner. */
const waitMsMax = 250;

/** Becomes the owner of a home, or says that another process is. Rejects with StoreError when the home cannot be used. */
export async function becomeOwner(home: string): Promise<Ownership> {
  const file = join(ownerFolder(home), "lock.sqlite");
  makePrivateFolder(dirname(file));
  const connection = connect(file, "write", waitMsMax);
  try {
    connection.execute("BEGIN EXCLUSIVE");
  } catch (error) {
    connection.close();
    if (isBusy(error)) return { kind: "owned" };
    throw error;
  }
  return { kind: "owner", release: releasing(connection) };
}

/** Holds the lock and the socket; private, whatever the home's own mode is. */
export function ownerFolder(home: string): string {
  return join(home, "owner");
}

/** SQLITE_BUSY (5): somebody holds the lock. */
function isBusy(error: unknown): boolean {
  const cause = error instanceof StoreError ? (error.cause as { readonly errcode?: number }) : undefined;
  return cause?.errcode !== undefined && (cause.errcode & 0xff) === 5;
}

function releasing(connection: Connection): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) connection.close();
    isHeld = false;
  };
}
