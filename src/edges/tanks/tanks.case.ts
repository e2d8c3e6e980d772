/** Any tank there could be, for laws about keeping them. */
import fc from "fast-check";
import type { LeaseId } from "../../domain/meter.ts";
import { type Refinery, refineryOf } from "../../domain/refinery.ts";
import type { Meter, Tank } from "../../domain/tank.ts";

/** As written in code: with a prototype. */
const record = <Value extends object>(shapes: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }) =>
  fc.record(shapes, { noNullPrototype: true }) as unknown as fc.Arbitrary<Value>;
/** JSON has one zero. */
const plain = (value: number) => (value === 0 ? 0 : value);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map(plain);
/** ms: within the days that anything lasts. */
const moment = fc.double({ min: 0, max: 2e9, noNaN: true }).map(plain);
const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(plain);
const size = fc.double({ min: 1e-9, noNaN: true, noDefaultInfinity: true });
const held = fc.double({ min: 1e-9, max: 1_000, noNaN: true });
const rate = fc.double({ min: 1, max: 1e9, noNaN: true });
const spent = fc.double({ min: 0, max: 1_000, noNaN: true }).map(plain);
const boundless = fc.oneof(
  fc.double({ min: 1, max: 1e9, noNaN: true }),
  fc.constant(Number.POSITIVE_INFINITY),
);
const past = fc.oneof(moment, fc.constant(Number.NEGATIVE_INFINITY));
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const lease = fc.string({ maxLength: 12 }).map((id) => id as LeaseId);
const few = { maxLength: 3 };
const measure = fc.constantFrom(
  ...(["requests", "input", "fresh-input", "output", "sum", "greater"] as const),
);
const charging = fc.constantFrom("start" as const, "fixed" as const);
const draft = record({ input: amount, cachedInput: amount, output: amount, outputMax: amount });

const part = fc.double({ min: 0, max: 0.9, noNaN: true }).map(plain);
const bucket = record({
  ...{ kind: fc.constant("bucket" as const), measure, charging, perMinute: rate, burst: held },
  transitMs: spent,
  fullAt: moment,
  keptBack: part,
  others: record({ part, at: moment, told: maybe(record({ at: moment, missing: amount })) }),
  entries: fc.array(
    fc.oneof(
      record({
        ...{ kind: fc.constant("charge" as const), lease, at: moment, cost: spent, isOpen: fc.boolean() },
      }),
      record({ kind: fc.constant("floor" as const), at: moment, fullAt: moment, keptBack: part }),
    ),
    few,
  ),
});
const stream = record({
  ...{
    kind: fc.constant("stream" as const),
    perMinute: rate,
    burst: held,
    level: spent.map((missing) => -missing).map(plain),
    at: moment,
  },
  flows: fc.array(record({ lease, startsAt: moment, endsAt: moment, lastAt: moment, perMs: size }), few),
  past: record({
    ...{ at: moment, level: spent.map((missing) => -missing).map(plain) },
    changes: fc.array(
      fc.oneof(
        record({ kind: fc.constant("writing" as const), at: moment, perMs: finite }),
        record({ kind: fc.constant("taken" as const), at: moment, tokens: finite }),
        record({
          kind: fc.constant("told" as const),
          at: moment,
          level: spent.map((missing) => -missing).map(plain),
        }),
      ),
      few,
    ),
  }),
});
const weighed = record({ input: amount, output: amount });
const three = fc.tuple(finite, finite, finite);
const window = record({
  ...{ kind: fc.constant("window" as const), name: fc.string({ maxLength: 20 }) },
  ...{ measure: fc.oneof(measure, fc.constant("share" as const)), limit: spent, used: spent },
  ...{ resetAt: maybe(moment), periodMs: rate },
  open: fc.array(record({ lease, cost: amount, at: moment, most: weighed, before: weighed }), few),
  weight: record({
    learned: record({ mean: three, spread: fc.tuple(three, three, three) }),
    ...{ settled: weighed, reading: maybe(amount), settledAtReading: weighed },
  }),
});

export const anyTank: fc.Arbitrary<Tank> = record({
  name: fc.string({ maxLength: 40 }),
  scope: fc.constantFrom("whole" as const, "account" as const, "model" as const),
  meters: fc.array(fc.oneof<fc.Arbitrary<Meter>[]>(bucket, stream, window), few),
  slots: record({
    ...{ max: boundless, limit: boundless, isFresh: fc.boolean(), cutAt: past },
    recovery: maybe(record({ to: boundless, since: moment, why: fc.string({ maxLength: 40 }) })),
  }),
  leases: fc.array(record({ id: lease, draft, perMs: size, startedAt: moment, until: boundless }), few),
  closure: maybe(
    record({
      until: fc.oneof(moment, fc.constant(Number.POSITIVE_INFINITY)),
      why: fc.string({ maxLength: 40 }),
    }),
  ),
  untold: fc.array(
    fc.oneof(
      record({ kind: fc.constant("bucket" as const), measure, charging, burstSeconds: maybe(size) }),
      record({ kind: fc.constant("stream" as const), burstSeconds: maybe(size) }),
    ),
    few,
  ),
  at: moment,
});

export const anyRefinery: fc.Arbitrary<Refinery> = fc
  .uniqueArray(anyTank, { maxLength: 4, selector: ({ name }) => name })
  .map(refineryOf);
