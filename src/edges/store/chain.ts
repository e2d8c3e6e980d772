import { hash } from "node:crypto";
import { type Event, eventVersion, firstHash, type Recorded } from "../../domain/event.ts";
import { type Upcasts, upcasts } from "../../domain/upcast.ts";
import { assert } from "../../kit/assert.ts";
import { StoreError } from "../../ports/store.ts";

/** An event as it lies in the log. `body` is the canonical JSON of the whole event; `at`, `goal` and `type` repeat it for indexes. */
export interface EventRow {
  readonly sequence: number;
  readonly at: number;
  readonly goal: string;
  readonly type: string;
  readonly version: number;
  readonly body: string;
  readonly previousHash: string;
  readonly hash: string;
}

/** What the next event is chained to. */
export interface Tail {
  readonly sequence: number;
  readonly at: number;
  readonly hash: string;
}

export const emptyTail: Tail = { sequence: 0, at: 0, hash: firstHash };

/** The largest event, in characters of JSON: whatever is bigger is a blob. */
export const bodyCharactersMax = 4_194_304;

/**
 * One text for one value: keys sorted by UTF-16 code unit, no spaces, undefined members left out (RFC 8785 for the
 * values that events are made of). Throws AssertionError for what JSON cannot say (NaN, a function, undefined in a list).
 */
export function canonical(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    assert(Number.isFinite(value), "a number in an event is finite");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  assert(typeof value === "object", "an event is made of JSON values");
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member: unknown = value[key as keyof typeof value];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonical(member)}`);
  }
  return `{${members.join(",")}}`;
}

/** SHA-256 over the canonical JSON of `{event, previousHash, sequence, version}`, whose keys stand in this very order. */
export function hashOf(row: Pick<EventRow, "body" | "previousHash" | "sequence" | "version">): string {
  const { body, previousHash, sequence, version } = row;
  return hash(
    "sha256",
    `{"event":${body},"previousHash":"${previousHash}","sequence":${sequence},"version":${version}}`,
  );
}

/** The next row of the log. */
export function seal(tail: Tail, event: Event): EventRow {
  const body = canonical(event);
  assert(body.length <= bodyCharactersMax, `an event has at most ${bodyCharactersMax} characters of JSON`);
  const sequence = tail.sequence + 1;
  const linked = { sequence, version: eventVersion, body, previousHash: tail.hash };
  return { ...linked, at: event.at, goal: event.goal, type: event.type, hash: hashOf(linked) };
}

/**
 * The event as today's code knows it. `version` and `hash` stay those of the stored form, which is what the chain
 * covers. Throws StoreError when the text is damaged or its version is one this program does not know.
 */
export function unseal(row: EventRow, steps: Upcasts = upcasts): Recorded {
  const { sequence, version, previousHash } = row;
  return { sequence, version, previousHash, hash: row.hash, event: upcast(row, steps) as unknown as Event };
}

function upcast({ sequence, version, body }: EventRow, steps: Upcasts): Record<string, unknown> {
  if (version > eventVersion)
    throw new StoreError(`event ${sequence} was written by a newer Rigs (shape ${version}): update Rigs`);
  let event = parsed<Record<string, unknown>>(body, `event ${sequence}`);
  for (let from = version; from < eventVersion; from++) {
    const step = steps[from];
    if (step === undefined)
      throw new StoreError(
        `event ${sequence} has the unknown shape ${version}: restore the store from a backup`,
      );
    event = step(event);
  }
  return event;
}

/** JSON that this store wrote; `what` names it for people. Throws StoreError when it is damaged. */
export function parsed<Value>(body: string, what: string): Value {
  try {
    return JSON.parse(body) as Value;
  } catch {
    throw new StoreError(`${what} is damaged: restore the store from a backup`);
  }
}
