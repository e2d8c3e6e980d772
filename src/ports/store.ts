import type { Attempt } from "../domain/attempt.ts";
import type { Bead, BeadStateKind } from "../domain/bead.ts";
import type { Spend } from "../domain/budget.ts";
import type { Event, Recorded } from "../domain/event.ts";
import type { Goal } from "../domain/goal.ts";
import type { AttemptId, BeadId, BlobHash, GoalId, PolecatId } from "../domain/id.ts";

/** An event before the store has stamped its time. */
export type NewEvent = Event extends infer Each
  ? Each extends { readonly at: number }
    ? Omit<Each, "at">
    : never
  : never;

/**
 * The right to write about one bead: valid while the bead is held (claimed or proving) with this token and `until` lies
 * ahead. It ends with the event that ends the claim (released, waiting, parked, proven, needs-answer, cancelled); other
 * events of that same append still count.
 */
export interface Lease {
  readonly bead: BeadId;
  readonly attempt: AttemptId;
  readonly by: PolecatId;
  /** The fencing token: grows by one with each claim of the bead. */
  readonly token: number;
  /** Store's clock, ms. */
  readonly until: number;
}

/** What must hold for an append to happen at all; checked in the same transaction. */
export type Guard =
  | { readonly kind: "none" }
  | { readonly kind: "lease"; readonly lease: Pick<Lease, "bead" | "token"> }
  /** The lease, and the goal has spent and reserved just this: nobody reserved beside whoever counted on it. */
  | {
      readonly kind: "spending";
      readonly lease: Pick<Lease, "bead" | "token">;
      readonly goal: GoalId;
      readonly spend: Spend;
    }
  /** The lease, and nothing was appended to the goal since it had this version: nobody said the same meanwhile. */
  | {
      readonly kind: "looked";
      readonly lease: Pick<Lease, "bead" | "token">;
      readonly goal: GoalId;
      readonly version: number;
    }
  /** Every one of these beads is in this state. */
  | { readonly kind: "standing"; readonly beads: readonly BeadId[]; readonly state: BeadStateKind }
  /** Nothing was appended to the goal since it had this version. */
  | { readonly kind: "unchanged"; readonly goal: GoalId; readonly version: number };

/** `refused`: the guard did not hold, nothing was written. */
export type Appended =
  | { readonly kind: "appended"; readonly events: readonly Recorded[] }
  | { readonly kind: "refused"; readonly why: "lost-lease" | "changed" };

/**
 * The append-only log. `append` writes all events and their projections in one durable transaction, or nothing; the
 * store stamps `at` from its own clock, never earlier than the event before. An event that does not fit the state it
 * meets rejects with AssertionError and writes nothing. An append has at most 10,000 events (none is fine) of at most 4 MiB
 * of JSON each. A full disk or a lost file rejects with StoreError; the caller may go on reading.
 */
export interface Log {
  append(events: readonly NewEvent[], guard: Guard): Promise<Appended>;
  /** In order, `from` inclusive (1 is the first), at most `countMax` (1 to 10,000). Only `goal`'s when given. */
  read(from: number, countMax: number, goal?: GoalId): Promise<readonly Recorded[]>;
}

/**
 * Claims with fencing. Time is the store's clock. `claim` takes the first ready bead in depot order (of `goal` when given),
 * appends `bead-claimed` and hands out the next token, all in one transaction; an unfinished attempt is gone on with,
 * otherwise a new attempt starts. Undefined when nothing is ready.
 */
export interface Leases {
  claim(ask: {
    readonly by: PolecatId;
    readonly leaseMs: number;
    readonly goal?: GoalId;
  }): Promise<Lease | undefined>;
  /** `lost` when the token is old or the lease ran out; a lost lease never comes back. */
  renew(lease: Pick<Lease, "bead" | "token">, leaseMs: number): Promise<"renewed" | "lost">;
  /** Releases every claimed or proving bead whose lease ran out, or all of them with `everyone` (a new owner of the store: no worker of an earlier one lives). */
  reap(who: "expired" | "everyone"): Promise<readonly BeadId[]>;
}

export interface Totals {
  readonly goals: { readonly open: number; readonly ended: number };
  readonly beads: Readonly<Partial<Record<BeadStateKind, number>>>;
  /** Sequence of the newest event, 0 when there is none. */
  readonly sequence: number;
}

/** The projections. Readers see only whole transactions and never wait for the writer. `countMax` is 1 to 100,000. */
export interface View {
  goal(id: GoalId): Promise<Goal | undefined>;
  /** Newest first. */
  goals(filter: { readonly open?: boolean; readonly countMax: number }): Promise<readonly Goal[]>;
  bead(id: BeadId): Promise<Bead | undefined>;
  /** By id, those of one goal and state when given. */
  beads(filter: {
    readonly goal?: GoalId;
    readonly state?: BeadStateKind;
    readonly countMax: number;
  }): Promise<readonly Bead[]>;
  /** Oldest first. */
  attempts(bead: BeadId): Promise<readonly Attempt[]>;
  attempt(id: AttemptId): Promise<Attempt | undefined>;
  totals(): Promise<Totals>;
}

/** Bytes by their SHA-256, at most 256 MiB each. Deletable without touching the chain: events carry only the hash. */
export interface Blobs {
  put(bytes: Uint8Array): Promise<BlobHash>;
  /** Undefined when it was forgotten or never kept. Rejects with StoreError when its bytes no longer match the hash. */
  get(hash: BlobHash): Promise<Uint8Array | undefined>;
  forget(hash: BlobHash): Promise<void>;
}

/** What a read-only process may use. */
export interface Reader {
  readonly log: Pick<Log, "read">;
  readonly view: View;
  readonly blobs: Pick<Blobs, "get">;
  /** Compares the whole log with the projections and the hash chain; one sentence a fault, at most 100. */
  audit(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** What the one owner of the store may use. */
export interface Store extends Reader {
  readonly log: Log;
  readonly leases: Leases;
  readonly blobs: Blobs;
}

/** The store cannot write or read for a reason outside Rigs: full disk, missing file, a newer schema. The message says what to do. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}
