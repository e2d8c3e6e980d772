import type { Attempt } from "../../domain/attempt.ts";
import { type Bead, type BeadStateKind, isHeld } from "../../domain/bead.ts";
import { rankOf } from "../../domain/depot.ts";
import type { Goal } from "../../domain/goal.ts";
import type { AttemptId, BeadId, BlobHash, GoalId } from "../../domain/id.ts";
import type { Lease, Totals } from "../../ports/store.ts";
import type { EventRow, Tail } from "./chain.ts";

/** A goal as it lies in its table: what the indexes need, and the whole as JSON. */
export interface GoalRow {
  readonly id: string;
  /** 1 until it ended. SQLite has no booleans. */
  readonly open: number;
  readonly body: string;
}

export interface BeadRow {
  readonly id: string;
  readonly goal: string;
  readonly state: string;
  readonly rank: number;
  readonly body: string;
}

export interface AttemptRow {
  readonly id: string;
  readonly bead: string;
  readonly body: string;
}

export type LeaseRow = Pick<Lease, "bead" | "token" | "by" | "until">;

export function goalRow(goal: Goal): GoalRow {
  return { id: goal.id, open: goal.end === undefined ? 1 : 0, body: JSON.stringify(goal) };
}

export function beadRow(bead: Bead): BeadRow {
  const { id, goal, state } = bead;
  return { id, goal, state: state.kind, rank: rankOf(bead), body: JSON.stringify(bead) };
}

export function attemptRow(attempt: Attempt): AttemptRow {
  return { id: attempt.id, bead: attempt.bead, body: JSON.stringify(attempt) };
}

/** The kinds in which a bead is held, for queries. */
export const heldKinds: readonly BeadStateKind[] = ["claimed", "proving"];

/** True when a lease with this token still stands for the bead. */
export function holds(bead: Bead, token: number): boolean {
  return isHeld(bead.state) && bead.token === token;
}

/** Where a page of rows starts and how many it has. `after` is an id, "" for the first page. */
export interface Page {
  readonly after: string;
  readonly countMax: number;
}

/** What can be read, one indexed look-up each; synchronous, so that a transaction cannot wait for anything. */
export interface ReadRows {
  tail(): Tail;
  events(from: number, countMax: number, goal: GoalId | undefined): readonly EventRow[];
  goal(id: GoalId): Goal | undefined;
  bead(id: BeadId): Bead | undefined;
  attempt(id: AttemptId): Attempt | undefined;
  goals(filter: { readonly open: boolean | undefined; readonly countMax: number }): readonly Goal[];
  beads(filter: {
    readonly goal: GoalId | undefined;
    readonly state: BeadStateKind | undefined;
    readonly countMax: number;
  }): readonly Bead[];
  attempts(bead: BeadId): readonly Attempt[];
  totals(): Totals;
  blob(hash: BlobHash): Uint8Array | undefined;
}

/** The raw rows, in pages, for the audit. */
export interface AuditRows {
  tail(): Tail;
  events(from: number, countMax: number, goal: GoalId | undefined): readonly EventRow[];
  /** The next goal that any event or any goal's row names, by id. */
  goalAfter(id: string): GoalId | undefined;
  goalRow(id: GoalId): GoalRow | undefined;
  /** Of one goal, by id. */
  beadRows(goal: GoalId, page: Page): readonly BeadRow[];
  attemptRows(goal: GoalId, page: Page): readonly AttemptRow[];
  counts(): { readonly beads: number; readonly attempts: number };
  blobAfter(hash: string): { readonly hash: string; readonly bytes: Uint8Array } | undefined;
  /** What the file itself says is wrong with it, in its own words. */
  damage(): readonly string[];
}

/** What a transaction may change. `keep` writes whole rows, new or not. */
export interface WriteRows extends ReadRows {
  /** All of `work` durably, or nothing. `work` reads what it wrote. */
  transact<Value>(work: () => Value): Value;
  /** The same, durably no later than the next `transact`. For what a power cut may take back: nobody acted on it yet. */
  transactSoon<Value>(work: () => Value): Value;
  keepEvent(row: EventRow): void;
  keepGoal(goal: Goal): void;
  keepBead(bead: Bead): void;
  keepAttempt(attempt: Attempt): void;
  lease(bead: BeadId): LeaseRow | undefined;
  keepLease(row: LeaseRow): void;
  dropLease(bead: BeadId): void;
  firstReady(goal: GoalId | undefined): Bead | undefined;
  /** Held beads whose lease ended at `untilMax` or before, or that have none; by id. */
  held(untilMax: number, countMax: number): readonly Bead[];
  keepBlob(hash: BlobHash, bytes: Uint8Array): void;
  dropBlob(hash: BlobHash): void;
}
