import { hash } from "node:crypto";
import type { BlobHash } from "../../domain/id.ts";
import { assert } from "../../kit/assert.ts";
import { type Blobs, StoreError } from "../../ports/store.ts";
import type { ReadRows, WriteRows } from "./rows.ts";

/** The largest blob: 256 MiB. Outputs and transcripts are cut long before by whoever makes them. */
export const blobBytesMax = 268_435_456;

/** Blobs of any kind of rows. Bytes that no longer match their name are never handed out. */
export function readBlobs(rows: ReadRows): Pick<Blobs, "get"> {
  return {
    get: async (id) => {
      const bytes = rows.blob(id);
      if (bytes !== undefined && hash("sha256", bytes) !== id)
        throw new StoreError(`blob ${id} is damaged: restore the store from a backup, or forget the blob`);
      return bytes;
    },
  };
}

export function blobs(rows: WriteRows): Blobs {
  return {
    ...readBlobs(rows),
    put: async (bytes) => {
      assert(bytes.byteLength <= blobBytesMax, `a blob has at most ${blobBytesMax} bytes`);
      const id = hash("sha256", bytes) as BlobHash;
      // Worth nothing without the event that names it, and that one is flushed.
      rows.transactSoon(() => {
        if (rows.blob(id) === undefined) rows.keepBlob(id, Uint8Array.from(bytes));
      });
      return id;
    },
    forget: async (id) => rows.transact(() => rows.dropBlob(id)),
  };
}
