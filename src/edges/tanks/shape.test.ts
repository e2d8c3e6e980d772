import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketOf, charged, lowered } from "../../domain/bucket.ts";
import type { LeaseId } from "../../domain/meter.ts";
import { nobodyElse } from "../../domain/others.ts";
import { refineryOf } from "../../domain/refinery.ts";
import { boundless, slotsOf } from "../../domain/slots.ts";
import { rooted } from "../../domain/stream.ts";
import { tankOf } from "../../domain/tank.ts";
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
        expect(parsed).toStrictEqual({ kind: "parsed", saved: { refinery, sections }, savedAt });
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
