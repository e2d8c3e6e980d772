import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketOf, charged, lowered } from "../../domain/bucket.ts";
import type { LeaseId } from "../../domain/meter.ts";
import { nobodyElse } from "../../domain/others.ts";
import { refineryOf } from "../../domain/refinery.ts";
import { boundless, slotsOf } from "../../domain/slots.ts";
import { rooted, streamOf } from "../../domain/stream.ts";
import { tankOf } from "../../domain/tank.ts";
import { windowOf } from "../../domain/window.ts";
import { parseTanks, savedVersion, textOf } from "./shape.ts";
import { anyRefinery } from "./tanks.case.ts";

test("law: any tanks come back as they were, to the last digit and with everything that is undefined", () => {
  fc.assert(
    fc.property(
      anyRefinery,
      fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue(), { maxKeys: 3 }),
      fc.nat(),
      (refinery, values, savedAt) => {
        const sections = JSON.parse(JSON.stringify(values)) as Record<string, unknown>;
        const parsed = parseTanks(textOf({ refinery, sections }, savedAt));
        expect(parsed).toStrictEqual({ kind: "parsed", saved: { refinery, sections }, savedAt, lost: 0 });
      },
    ),
  );
});

test("law: a file that was cut short at any place is refused, never half believed", () => {
  const text = textOf(
    { refinery: refineryOf([tankOf("a", { meters: [], slots: boundless }, 1)]), sections: { x: [1] } },
    7,
  );
  for (let length = 0; length < text.length - 2; length++)
    expect(parseTanks(text.slice(0, length)).kind).toBe("refused");
});

test("what is not ours is refused with its reason, and nothing throws", () => {
  const tank = JSON.parse(
    textOf({ refinery: refineryOf([tankOf("a", { meters: [], slots: boundless }, 1)]), sections: {} }, 7),
  ) as { tanks: object[] };
  const check = (text: string, why: RegExp) =>
    expect(parseTanks(text)).toEqual({ kind: "refused", why: expect.stringMatching(why) });
  check("", /cut short/);
  check("null", /not what Rigs writes/);
  check('"x"', /not what Rigs writes/);
  check("[]", /not what Rigs writes/);
  check("{}", /not what Rigs writes/);
  check(JSON.stringify({ ...tank, version: savedVersion + 1 }), /a newer Rigs/);
  check(JSON.stringify({ ...tank, version: savedVersion - 1 }), /an older Rigs/);
  check(JSON.stringify({ ...tank, tanks: [{ ...tank.tanks[0], at: "soon" }] }), /no tank has/);
  check(JSON.stringify({ ...tank, tanks: [{ ...tank.tanks[0], at: Number.NaN }] }), /no tank has/);
  fc.assert(fc.property(fc.json(), (json) => parseTanks(json).kind === "refused"));
});

test("a tank that holds what none can begins anew, and is counted; the others stay", () => {
  const now = 1_800_000_000_000;
  const meter = bucketOf("requests", "fixed", { perMinute: 60, burst: 1 }, now);
  const tank = { ...tankOf("a", { meters: [meter], slots: slotsOf(4) }, now), closure: undefined };
  const other = tankOf("b", { meters: [], slots: boundless }, now);
  const check = (edited: object, isBelieved: boolean) => {
    const refinery = refineryOf([{ ...tank, ...edited }, other]);
    const parsed = parseTanks(textOf({ refinery, sections: {} }, now));
    if (parsed.kind !== "parsed") throw new Error(parsed.why);
    expect({ names: [...parsed.saved.refinery.keys()], lost: parsed.lost }).toEqual(
      isBelieved ? { names: ["a", "b"], lost: 0 } : { names: ["b"], lost: 1 },
    );
  };
  const closed = (until: number) => ({ closure: { until, why: "x" } });
  const dayMs = 86_400_000;
  check({}, true);
  check(closed(now + 31 * dayMs), true);
  check(closed(Number.POSITIVE_INFINITY), true);
  check(closed(now + 40 * dayMs), false);
  check(closed(1e300), false);
  for (const limit of [0, -5, Number.NEGATIVE_INFINITY]) {
    check({ slots: { ...tank.slots, limit } }, false);
    check({ slots: { ...tank.slots, max: limit } }, false);
  }
  check({ slots: { ...tank.slots, cutAt: 1e300 } }, false);
  check({ slots: { ...tank.slots, recovery: { to: 0, since: now, why: "x" } } }, false);
  const bucket = (edited: object) => ({ meters: [{ ...meter, ...edited }] });
  check(bucket({ fullAt: now + 60_000 }), true);
  check(bucket({ fullAt: 1e300 }), false);
  check(bucket({ perMinute: 1e-7 }), false);
  const charge = { kind: "charge", lease: "l", at: now, cost: 1e300, isOpen: false };
  check(bucket({ entries: [charge] }), false);
  const stream = streamOf({ perMinute: 60, burst: 10 }, now);
  check({ meters: [stream] }, true);
  check({ meters: [{ ...stream, level: 1e300 }] }, false);
  check({ meters: [{ ...stream, level: -1e300 }] }, false);
  const day = windowOf("day", "requests", { limit: 100, periodMs: dayMs });
  check({ meters: [{ ...day, resetAt: now + dayMs }] }, true);
  check({ meters: [{ ...day, resetAt: 1e300 }] }, false);
  check({ at: 1e300 }, false);
});

test("a value that carries more than its type says is read back without it", () => {
  const closure = { until: Number.POSITIVE_INFINITY, why: "check the key", scope: "account" } as const;
  const tank = { ...tankOf("a", { meters: [], slots: boundless }, 1), closure };
  const parsed = parseTanks(textOf({ refinery: refineryOf([tank]), sections: {} }, 7));
  const { scope: _, ...kept } = closure;
  expect(parsed.kind === "parsed" && parsed.saved.refinery.get("a")?.closure).toEqual(kept);
});

test("a bucket of an older file, which had no word of others, goes on as if nobody else took anything", () => {
  const full = bucketOf("input", "start", { perMinute: 600, burst: 10, transitMs: 5 }, 1_000);
  const bucket = lowered(charged(full, "a" as LeaseId, 4, 2_000), 1, 2_000);
  const meters = [{ ...bucket, others: nobodyElse }];
  const tank = tankOf("a", { meters, slots: slotsOf(2) }, 1_000);
  const text = textOf({ refinery: refineryOf([tank]), sections: {} }, 2_000);
  const older = text.replace(/,"others":{[^}]*}/, "").replaceAll(/,"keptBack":0/g, "");
  expect(older.length).toBeLessThan(text.length - 50);
  expect(parseTanks(older)).toStrictEqual(parseTanks(text));
});

test("a stream of an older file, which had no past, goes on from its level with those that are out", () => {
  const flow = { lease: "a" as LeaseId, startsAt: 1, endsAt: 900, lastAt: 900, perMs: 0.1 };
  const stream = rooted({ kind: "stream", perMinute: 60, burst: 10, level: 3, at: 5, flows: [flow] });
  const tank = tankOf("a", { meters: [stream], slots: boundless }, 5);
  const text = textOf({ refinery: refineryOf([tank]), sections: {} }, 7);
  const older = text.replace(/,"past":{.*?]}/, "");
  expect(older.length).toBeLessThan(text.length);
  expect(parseTanks(older)).toStrictEqual(parseTanks(text));
});
