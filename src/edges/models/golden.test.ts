/**
 * What providers answer, as they document it, and what it has to mean here. Every file of `golden/` is a list of answers with
 * the fault and the readings they stand for; all are read at noon, and name moments in the open.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Reading } from "../../domain/reading.ts";
import { faultOf } from "./faults.ts";
import { readingsOf } from "./readings.ts";
import { readingsOfRefusal } from "./refusals.ts";
import { waitMsMax } from "./waits.ts";

const noon = Date.parse("2026-11-21T12:00:00Z");
const conceal = (text: string) => text;

const Case = z.strictObject({
  says: z.string().min(1),
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.unknown(),
  fault: z
    .strictObject({ kind: z.string(), retryAt: z.string().optional(), resetAt: z.string().optional() })
    .optional(),
  readings: z.array(z.record(z.string(), z.unknown())),
});
type Case = z.infer<typeof Case>;

const folder = new URL("golden/", import.meta.url);
const files = readdirSync(folder).map((name) => ({
  name: name.replace(/\.json$/, ""),
  cases: z
    .array(Case)
    .min(1)
    .parse(JSON.parse(readFileSync(new URL(name, folder), "utf8"))),
}));

const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
const answerOf = ({ status, headers, body }: Case) => ({
  status,
  headers,
  body: typeof body === "string" ? body : JSON.stringify(body),
});

function faultIn(each: Case) {
  const fault = faultOf(answerOf(each), { keyName: undefined, now: noon, conceal });
  if (fault.kind === "throttle") return { kind: fault.kind, retryAt: iso(fault.retryAt) };
  return fault.kind === "window" ? { kind: fault.kind, resetAt: iso(fault.resetAt) } : { kind: fault.kind };
}

function readingsIn(each: Case): readonly unknown[] {
  const own = readingsOf(each.headers, noon);
  const all = each.fault === undefined ? own : [...own, ...readingsOfRefusal(answerOf(each), noon)];
  return all.map((reading) =>
    reading.kind === "window" ? { ...reading, resetAt: iso(reading.resetAt) } : reading,
  );
}

describe.each(files)("$name", ({ cases }) => {
  test.each(cases)("$says", (each) => {
    if (each.fault !== undefined) expect(faultIn(each)).toEqual(each.fault);
    expect(readingsIn(each)).toEqual(each.readings);
  });
});

/** The laws of every reading, whoever said it. */
function requireBounds(reading: Reading): void {
  const { min, max } = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const within = (value: number | undefined, least: number, most: number) => {
    if (value === undefined) return;
    expect(Number.isFinite(value)).toBe(true);
    expect(value).toBeGreaterThanOrEqual(least);
    expect(value).toBeLessThanOrEqual(most);
  };
  switch (reading.kind) {
    case "slots":
      throw new Error("no answer tells slots");
    case "rate":
      within(reading.limit, Number.MIN_VALUE, max);
      within(reading.remaining, min, reading.limit ?? max);
      expect(reading.measures.length).toBeGreaterThan(0);
      return;
    case "window":
      within(
        reading.limit,
        reading.measure === "share" ? 1 : Number.MIN_VALUE,
        reading.measure === "share" ? 1 : max,
      );
      within(reading.used, min, reading.limit ?? 0);
      within(reading.resetAt, noon + 1e-6, noon + waitMsMax);
      within(reading.periodMs, 1, 366 * 86_400_000);
      expect(reading.name).toMatch(/^[\w -]{1,80}$/);
  }
}

/** Answers like the documented ones with one thing in them replaced, and headers and bodies of no sense at all. */
const known = files.flatMap(({ cases }) => cases);
const odd = fc.oneof(
  fc.constantFrom(
    "",
    "0",
    "-1",
    "1e9",
    "NaN",
    "Infinity",
    "9".repeat(40),
    "2026-11-21T12:00:01Z",
    " 5 ",
    "1.5",
    "-0",
  ),
  fc.double().map(String),
  fc.integer().map(String),
  fc.string({ maxLength: 30 }),
);
const oddJson = fc.oneof(
  odd,
  fc.double(),
  fc.integer(),
  fc.constantFrom<unknown>(null, true, {}, [], [[]], { a: {} }),
);
const warpedHeaders = fc
  .tuple(fc.constantFrom(...known), fc.constantFrom(...known), fc.infiniteStream(fc.option(odd, { freq: 3 })))
  .map(([one, other, values]) => {
    const entries = Object.entries({ ...one.headers, ...other.headers });
    return Object.fromEntries(entries.map(([name, value]) => [name, values.next().value ?? value]));
  });
const warpedBody = fc
  .tuple(fc.constantFrom(...known), fc.infiniteStream(fc.option(oddJson, { freq: 6 })))
  .map(([{ body }, values]) => {
    const warp = (_key: string, value: unknown) =>
      typeof value === "object" ? value : (values.next().value ?? value);
    return JSON.stringify(body, warp) ?? "";
  });

test("whatever comes: no reading out of bounds, no exception", () => {
  const headers = fc.oneof(warpedHeaders, fc.dictionary(fc.string(), odd));
  const body = fc.oneof({ weight: 4, arbitrary: warpedBody }, fc.json(), fc.string());
  fc.assert(
    fc.property(fc.constantFrom(200, 400, 403, 429, 503), headers, body, (status, all, text) => {
      for (const reading of readingsOf(all, noon)) requireBounds(reading);
      for (const reading of readingsOfRefusal({ status, headers: all, body: text }, noon))
        requireBounds(reading);
    }),
    { numRuns: 1500 },
  );
});
