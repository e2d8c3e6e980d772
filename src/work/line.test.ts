import fc from "fast-check";
import { expect, test } from "vitest";
import { rankStepMs } from "../domain/fairness.ts";
import { Line, type Stand, type Standing } from "./line.ts";

interface Named extends Standing {
  readonly name: number;
}

const now = 1_000_000_000;
const call = (name: number, tenant = "one", service = 1, rank = now): Named => ({
  ...{ name, tenant, service, rank },
});
const namesOf = (items: readonly Named[]) => items.map(({ name }) => name);

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("add" as const), rank: fc.nat(9) }) },
  fc.record({
    kind: fc.constantFrom("remove" as const, "begin" as const, "correct" as const),
    which: fc.nat(200),
  }),
);

test("of one tenant in view are always the first, by rank and then by coming, whoever comes, goes and took more or less", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 6 }), (steps, viewMax) => {
      const line = new Line<Named>(viewMax);
      let inside: Stand<Named>[] = [];
      for (const [name, each] of steps.entries()) {
        // Ranks of levels that are minutes apart.
        if (each.kind === "add")
          inside.push(line.add(call(name, "one", 1 + (name % 5), now - each.rank * 0.4 * rankStepMs), now));
        else if (each.kind === "correct") line.correct("one", each.which - 100);
        else {
          const stand = inside[each.which % inside.length];
          if (stand === undefined) continue;
          if (each.kind === "remove") line.remove(stand);
          else line.begin(stand, now);
          line.remove(stand);
          inside = inside.filter((one) => one !== stand);
        }
        const items = inside.map(({ item }) => item);
        const ordered = items.sort((one, other) => one.rank - other.rank || one.name - other.name);
        expect(line.view()).toEqual(ordered.slice(0, viewMax));
        expect(line.size).toBe(inside.length);
      }
    }),
  );
});

test("who comes later is not kept behind a thousand that came before: tenants go by turns", () => {
  const line = new Line<Named>(8);
  for (let name = 0; name < 1_000; name++) line.add(call(name, "flood"), now);
  for (let name = 1_000; name < 1_010; name++) line.add(call(name, "late"), now + 5);
  expect(namesOf(line.view())).toEqual([0, 1_000, 1, 1_001, 2, 1_002, 3, 1_003]);
});

test("a step of rank goes first, until it is a minute of service ahead; then nobody starves", () => {
  const line = new Line<Named>(1);
  const stands = new Map<Named, Stand<Named>>();
  const add = (item: Named) => stands.set(item, line.add(item, now));
  for (let name = 0; name < 40; name++) add(call(name, "usual", 10_000));
  for (let name = 100; name < 140; name++) add(call(name, "high", 10_000, now - rankStepMs));
  // One call in ten seconds: a minute of service is less than the least that a step is worth, ten calls.
  const begun = Array.from({ length: 31 }, (_, turn) => {
    const [first] = line.view() as [Named];
    line.begin(stands.get(first) as Stand<Named>, now + turn * 10_000);
    return first.tenant;
  });
  const high = begun.map((tenant) => tenant === "high");
  expect(high.indexOf(false), "ten calls ahead, and of equals the one of the earlier rank").toBe(11);
  expect(high.slice(11).filter((each) => each).length, "then they go by turns").toBe(10);
});

const plan = fc.record({
  viewMax: fc.integer({ min: 1, max: 5 }),
  services: fc.array(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 }), {
    minLength: 2,
    maxLength: 4,
  }),
  /** Which of those in view begins: whom a free provider suits. */
  picks: fc.array(fc.nat(4), { minLength: 1, maxLength: 200 }),
  comesLater: fc.nat(40),
});

/** Plays tenants of whom each always has calls that wait; the largest gap between two since both did. */
function largestGap({
  viewMax,
  services,
  picks,
  comesLater,
}: typeof plan extends fc.Arbitrary<infer P> ? P : never) {
  const line = new Line<Named>(viewMax);
  const stands = new Map<Named, Stand<Named>>();
  const given = services.map(() => 0);
  const marks: number[][] = [];
  let name = 0;
  const add = (at: number) => {
    const sizes = services[at] as number[];
    const item = call(++name, String(at), sizes[name % sizes.length], now);
    stands.set(item, line.add(item, now));
  };
  let gap = 0;
  for (const [turn, pick] of picks.entries()) {
    services.forEach((_, at) => {
      if (at === services.length - 1 ? turn === comesLater : turn === 0)
        for (let count = 0; count < 12; count++) add(at);
    });
    if (turn === comesLater || turn === 0) marks.push([...given]);
    const view = line.view();
    const item = view[pick % view.length] as Named;
    line.begin(stands.get(item) as Stand<Named>, now);
    const at = Number(item.tenant);
    given[at] = (given[at] as number) + item.service;
    add(at);
    for (const mark of marks) {
      const all = given
        .map((each, tenant) => each - (mark[tenant] as number))
        .filter((_, tenant) => turn >= comesLater || tenant < services.length - 1);
      if (mark === marks.at(-1)) gap = Math.max(gap, Math.max(...all) - Math.min(...all));
    }
  }
  return gap;
}

test("the gap between two that always wait stays below two calls where the first in view begins, whenever one of them came", () => {
  fc.assert(
    fc.property(plan, (each) => {
      const most = Math.max(...each.services.flat());
      expect(largestGap({ ...each, picks: each.picks.map(() => 0) })).toBeLessThanOrEqual(2 * most);
    }),
  );
});

test("whoever of those in view begins, the gap stays below two calls and twice what is in view", () => {
  fc.assert(
    fc.property(plan, (each) => {
      const most = Math.max(...each.services.flat());
      expect(largestGap(each)).toBeLessThanOrEqual(2 * (1 + each.viewMax) * most);
    }),
  );
});
