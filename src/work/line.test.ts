import fc from "fast-check";
import { expect, test } from "vitest";
import { Line, type Stand } from "./line.ts";

const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), rank: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant("remove" as const), which: fc.nat(200) }),
);

test("in view are always the first, by rank and then by coming, whoever comes and goes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 6 }), (steps, viewMax) => {
      const line = new Line<{ readonly rank: number; readonly name: number }>(viewMax);
      let inside: Stand<{ readonly rank: number; readonly name: number }>[] = [];
      for (const [name, each] of steps.entries()) {
        if (each.kind === "add") inside.push(line.add({ rank: each.rank, name }));
        else if (inside.length > 0) {
          const stand = inside[each.which % inside.length];
          if (stand === undefined) continue;
          line.remove(stand);
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
