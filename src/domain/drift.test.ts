import fc from "fast-check";
import { expect, test } from "vitest";
import { driftsOf } from "./drift.ts";
import type { LeaseId } from "./meter.ts";
import { informed, type Reading } from "./reading.ts";
import { boundless } from "./slots.ts";
import { reserved, settled, type Tank, tankOf } from "./tank.ts";

const start = 1_000_000_000;
const resetAt = start + 3_600_000;
type WindowReading = Extract<Reading, { readonly kind: "window" }>;
const reading = (used: number, more: Partial<WindowReading> = {}): Reading => ({
  ...{ kind: "window", name: "5-hour", measure: "share", periodMs: 18_000_000, scope: "account" },
  ...{ used, limit: 1, resetAt, ...more },
});
const empty = tankOf("a", { meters: [], slots: boundless, scope: "account" }, start);
const draft = { input: 10_000, cachedInput: 0, output: 1_000, outputMax: 1_000 };

/** After one more call, of which the provider said nothing. */
function called(tank: Tank, name: string): Tank {
  const id = name as LeaseId;
  const out = reserved(tank, id, { draft, perMs: 1, floor: 0 }, { now: start, leaseMs: 60_000 });
  return settled(out, id, { used: draft, how: "well" }, start);
}

/** One that knows what a call takes: two points. */
const taught = Array.from({ length: 12 }, (_, index) => index + 1);
const learned = taught.reduce<Tank>(
  (tank, times) => informed(called(tank, `c${times}`), [reading(0.1 + 0.02 * times)], start, start),
  informed(empty, [reading(0.1)], start, start),
);

test("what calls from here took is no drift, what is beyond it is", () => {
  const check = (used: number, share: number | undefined) => {
    const found = driftsOf(called(learned, "two"), [reading(used)], start);
    expect(found.map((each) => Math.round(each.share * 100))).toEqual(share === undefined ? [] : [share]);
  };
  check(0.36, undefined);
  check(0.39, undefined);
  check(0.52, 16);
});

test("nothing is said where nothing could be counted, of another window, or of a new one", () => {
  const none = (tank: Tank, said: Reading) => expect(driftsOf(tank, [said], start)).toEqual([]);
  none(empty, reading(0.9));
  none(informed(empty, [reading(0.1)], start, start), reading(0.9));
  none(learned, reading(0.9, { name: "weekly" }));
  none(learned, reading(0.9, { resetAt: resetAt + 18_000_000 }));
  none(learned, { kind: "slots", max: 1 });
  // After one call of a small account nobody knows yet whether the rest of it was that call.
  none(called(informed(empty, [reading(0.1)], start, start), "one"), reading(0.6));
});

test("requests of a day are counted, so a second client shows at once", () => {
  const day = { measure: "requests", name: "day", limit: 100 } as const;
  const tank = informed(empty, [reading(3, day)], start, start);
  expect(driftsOf(tank, [reading(40, day)], start)).toEqual([{ at: start, window: "day", share: 0.37 }]);
});

test("law: who only repeats what was said never drifts", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (used) => {
      const tank = informed(learned, [reading(used)], start, start);
      expect(driftsOf(tank, [reading(used)], start)).toEqual([]);
    }),
  );
});
