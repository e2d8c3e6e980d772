import { hash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { firstHash } from "../../domain/event.ts";
import type { GoalId } from "../../domain/id.ts";
import { emptyWorld, fold, type World } from "../../domain/state.ts";
import type { Upcasts } from "../../domain/upcast.ts";
import { AssertionError } from "../../kit/assert.ts";
import { StoreError } from "../../ports/store.ts";
import { canonical, type EventRow, hashOf, unseal } from "./chain.ts";
import { type AttemptRow, type AuditRows, attemptRow, type BeadRow, beadRow, goalRow } from "./rows.ts";

/** How many sentences an audit gives; the last one says so when there were more. */
const faultsMax = 100;

/** Rows a page; between pages other work gets its turn. */
const pageCountMax = 500;

/**
 * Walks the chain once, then folds the log goal by goal and compares every row. Memory: one page of rows and the
 * largest goal's world. `rows` should be one snapshot, else a writer's newest step can look like a fault.
 */
export async function audit(rows: AuditRows, steps: Upcasts): Promise<readonly string[]> {
  const faults = new Faults();
  for (const words of rows.damage()) faults.add(`the file says: ${words}`);
  await auditChain(rows, faults);
  const seen = { beads: 0, attempts: 0 };
  let goal = rows.goalAfter("");
  while (goal !== undefined && !faults.isFull) {
    const world = await refold(rows, goal, steps, faults);
    await compare(rows, goal, world, seen, faults);
    goal = rows.goalAfter(goal);
  }
  auditStrangers(rows, seen, faults);
  await auditBlobs(rows, faults);
  return faults.sentences;
}

class Faults {
  readonly sentences: string[] = [];

  get isFull(): boolean {
    return this.sentences.length >= faultsMax;
  }

  add(sentence: string): void {
    if (this.sentences.length < faultsMax - 1) this.sentences.push(sentence);
    else if (this.sentences.length < faultsMax) this.sentences.push("there are more faults than these");
  }
}

async function auditChain(rows: AuditRows, faults: Faults): Promise<void> {
  let previous = { sequence: 0, hash: firstHash, at: 0 };
  for (;;) {
    const page = rows.events(previous.sequence + 1, pageCountMax, undefined);
    for (const row of page) {
      for (const fault of linkFaults(row, previous)) faults.add(fault);
      previous = row;
    }
    if (page.length === 0 || faults.isFull) return;
    await turn();
  }
}

function linkFaults(row: EventRow, previous: Pick<EventRow, "sequence" | "hash" | "at">): readonly string[] {
  const faults: string[] = [];
  const name = `event ${row.sequence}`;
  if (row.sequence !== previous.sequence + 1)
    faults.push(`${name} follows event ${previous.sequence}: events between them are gone`);
  if (row.previousHash !== previous.hash) faults.push(`${name} is not chained to the event before it`);
  if (row.hash !== hashOf(row)) faults.push(`${name} was changed after it was written: its hash differs`);
  if (row.at < previous.at) faults.push(`${name} is stamped earlier than the event before it`);
  if (!isSelfConsistent(row)) faults.push(`${name} has columns that differ from its text`);
  return faults;
}

function isSelfConsistent(row: EventRow): boolean {
  try {
    const body = JSON.parse(row.body) as Record<string, unknown>;
    return body.at === row.at && body.goal === row.goal && body.type === row.type;
  } catch {
    return false;
  }
}

async function refold(rows: AuditRows, goal: GoalId, steps: Upcasts, faults: Faults): Promise<World> {
  const world = emptyWorld();
  let from = 1;
  for (;;) {
    const page = rows.events(from, pageCountMax, goal);
    for (const row of page) foldRow(world, row, steps, faults);
    const last = page.at(-1);
    if (last === undefined || faults.isFull) return world;
    from = last.sequence + 1;
    await turn();
  }
}

function foldRow(world: World, row: EventRow, steps: Upcasts, faults: Faults): void {
  try {
    fold(world, unseal(row, steps).event);
  } catch (error) {
    if (!(error instanceof AssertionError || error instanceof StoreError || error instanceof TypeError))
      throw error;
    faults.add(`event ${row.sequence} does not fit the log before it: ${error.message}`);
  }
}

/** Compares the rows of one goal with its folded world; what the world has beyond the rows is missing. */
async function compare(
  rows: AuditRows,
  id: GoalId,
  world: World,
  seen: { beads: number; attempts: number },
  faults: Faults,
): Promise<void> {
  const goal = world.goals.get(id);
  check(`goal ${id}`, goal === undefined ? undefined : goalRow(goal), rows.goalRow(id), faults);
  const beads = new Map<string, BeadRow>();
  for (const bead of world.beads.values()) beads.set(bead.id, beadRow(bead));
  seen.beads += await checkAll("bead", beads, (after) => rows.beadRows(id, after), faults);
  const attempts = new Map<string, AttemptRow>();
  for (const attempt of world.attempts.values()) attempts.set(attempt.id, attemptRow(attempt));
  seen.attempts += await checkAll("attempt", attempts, (after) => rows.attemptRows(id, after), faults);
}

/** The number of rows that were there. */
async function checkAll<Row extends { readonly id: string; readonly body: string }>(
  noun: string,
  expected: Map<string, Row>,
  next: (page: { after: string; countMax: number }) => readonly Row[],
  faults: Faults,
): Promise<number> {
  let count = 0;
  let after = "";
  for (;;) {
    const page = next({ after, countMax: pageCountMax });
    for (const row of page) {
      check(`${noun} ${row.id}`, expected.get(row.id), row, faults);
      expected.delete(row.id);
      after = row.id;
    }
    count += page.length;
    if (page.length === 0) break;
    await turn();
  }
  for (const [id, row] of expected) check(`${noun} ${id}`, row, undefined, faults);
  return count;
}

function check<Row extends { readonly body: string }>(
  name: string,
  expected: Row | undefined,
  found: Row | undefined,
  faults: Faults,
): void {
  if (expected === undefined && found !== undefined) faults.add(`${name} is stored but no event made it`);
  if (expected !== undefined && found === undefined) faults.add(`${name} is in the log but not stored`);
  if (expected === undefined || found === undefined) return;
  const { body: expectedBody, ...expectedColumns } = expected;
  const { body: foundBody, ...foundColumns } = found;
  if (canonical(expectedColumns) !== canonical(foundColumns))
    faults.add(`${name} is indexed as something other than what the log gives`);
  if (expectedBody !== foundBody && sorted(expectedBody) !== sorted(foundBody))
    faults.add(`${name} differs from what the log gives`);
}

/** Key order is no difference: a row may have been written by another version of the reducer. */
function sorted(body: string): string {
  try {
    return canonical(JSON.parse(body));
  } catch {
    return body;
  }
}

function auditStrangers(
  rows: AuditRows,
  seen: { readonly beads: number; readonly attempts: number },
  faults: Faults,
): void {
  if (faults.isFull) return;
  const counts = rows.counts();
  const beads = counts.beads - seen.beads;
  const attempts = counts.attempts - seen.attempts;
  if (beads > 0) faults.add(`${beads} stored beads belong to no goal of the log`);
  if (attempts > 0) faults.add(`${attempts} stored attempts belong to no goal of the log`);
}

async function auditBlobs(rows: AuditRows, faults: Faults): Promise<void> {
  let blob = rows.blobAfter("");
  while (blob !== undefined && !faults.isFull) {
    if (hash("sha256", blob.bytes) !== blob.hash)
      faults.add(`blob ${blob.hash} was changed after it was written: its hash differs`);
    await turn();
    blob = rows.blobAfter(blob.hash);
  }
}
