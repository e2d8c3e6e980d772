import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, test } from "vitest";
import { eventVersion, firstHash } from "../../domain/event.ts";
import type { GoalId } from "../../domain/id.ts";
import { createGoal } from "../../domain/sample.case.ts";
import { type Upcasts, upcasts } from "../../domain/upcast.ts";
import { canonical, hashOf, seal, unseal } from "./chain.ts";
import { openReader, openStore, storeFile } from "./sqlite.ts";

const goal = "aaaaaaaa" as GoalId;

test("canonical JSON is one text for one value, and the value comes back", () => {
  const law = fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
    const text = canonical(value);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    expect(canonical(JSON.parse(text))).toBe(text);
    expect(canonical(backwards(value))).toBe(text);
  });
  fc.assert(law);
});

/** The same value with its keys in the other order. */
function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, backwards(member)]),
  );
}

test("canonical JSON by rows", () => {
  const check = (value: unknown, text: string) => expect(canonical(value)).toBe(text);
  check({ b: 1, a: [true, null, "x"] }, '{"a":[true,null,"x"],"b":1}');
  check({ a: undefined, "\n": 0.1, ä: "\u2028" }, '{"\\n":0.1,"ä":"\u2028"}');
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, { a: () => 1 }, [undefined], 1n])
    expect(() => canonical(value)).toThrow("not so");
});

test("a hash is that of the canonical JSON of everything but itself", () => {
  const row = seal({ sequence: 4, at: 0, hash: firstHash }, { ...createGoal(goal), at: 9 } as never);
  const { sequence, version, previousHash } = row;
  const whole = canonical({ sequence, version, previousHash, event: JSON.parse(row.body) });
  expect(row.hash).toBe(createHash("sha256").update(whole).digest("hex"));
  expect([row.sequence, row.version, row.at, row.goal]).toEqual([5, eventVersion, 9, goal]);
  expect(unseal(row).event).toEqual({ ...createGoal(goal), at: 9 });
});

test("every shape before today's has an upcast", () => {
  for (let version = 1; version < eventVersion; version++) expect(upcasts[version]).toBeTypeOf("function");
});

test("who took a bead off was told in words only, and is known now", () => {
  const cancelled = (why: string) => upcasts[2]?.({ type: "bead-cancelled", bead: "b", why });
  expect(cancelled("by the user")).toMatchObject({ by: "person" });
  expect(cancelled("the goal was cancelled")).toMatchObject({ by: "goal" });
});

test("an old shape is read, folded and audited as today's, and stays as it was written", async () => {
  const home = mkdtempSync(join(tmpdir(), "rigs-chain-"));
  /** A made-up shape 0, where a goal was cancelled by another name. */
  const steps: Upcasts = {
    ...upcasts,
    0: (body) => ({ ...body, type: body.type === "goal-stopped" ? "goal-cancel-asked" : body.type }),
  };
  try {
    const clock = { now: () => 1_700_000_000_000 };
    const store = await openStore(home, { ...clock, upcasts: steps });
    await store.log.append([createGoal(goal), { type: "goal-cancel-asked", goal }], { kind: "none" });
    makeOld(home);
    const [, old] = await store.log.read(1, 10);
    expect(old).toMatchObject({ version: 0, event: { type: "goal-cancel-asked", goal } });
    expect(await store.audit()).toEqual([]);
    await store.log.append([{ type: "goal-resumed", goal }], { kind: "none" });
    expect(await store.audit()).toEqual([]);
    await store.close();
    const reader = await openReader(home);
    await expect(reader.log.read(1, 10)).rejects.toThrow("event 2 has the unknown shape 0");
    await reader.close();
  } finally {
    rmSync(home, { recursive: true });
  }
});

/** Rewrites event 2, the newest, as a program of shape 0 would have written it. */
function makeOld(home: string): void {
  const database = new DatabaseSync(storeFile(home));
  const row = database.prepare("SELECT body, previous_hash FROM event WHERE sequence = 2").get();
  const body = String(row?.body).replace("goal-cancel-asked", "goal-stopped");
  const hash = hashOf({ sequence: 2, version: 0, body, previousHash: String(row?.previous_hash) });
  const update = database.prepare(
    "UPDATE event SET body = ?, type = 'goal-stopped', version = 0, hash = ? WHERE sequence = 2",
  );
  update.run(body, hash);
  database.close();
}
