/**
 * Tanks as JSON and back, whole: what JSON has no word for (Infinity, what is undefined) has one here. Nothing of it is a
 * key: a tank is named after the variable that holds one.
 */
import { z } from "zod";
import type { LeaseId } from "../../domain/meter.ts";
import { nobodyElse } from "../../domain/others.ts";
import { type Refinery, refineryOf } from "../../domain/refinery.ts";
import { rooted } from "../../domain/stream.ts";
import type { Meter, Tank, Untold } from "../../domain/tank.ts";
import { isPossible } from "./possible.ts";

/** The shape written today. Another one is not read: all of it is learned again within a few calls. */
export const savedVersion = 1;

/** What one process leaves to the next. */
export interface SavedTanks {
  readonly refinery: Refinery;
  /** What others keep beside the tanks, as JSON, by their own names: "estimates". */
  readonly sections: Readonly<Record<string, unknown>>;
}

export const nothingSaved: SavedTanks = { refinery: refineryOf([]), sections: {} };

// A value may carry more than its type says: that is left behind. What it has to have is there or all of it is refused.

/** More than any home has. */
const tanksMax = 10_000;
const metersMax = 100;
const leasesMax = 100_000;

const number = z.union([
  z.number(),
  z.literal("Infinity").transform(() => Number.POSITIVE_INFINITY),
  z.literal("-Infinity").transform(() => Number.NEGATIVE_INFINITY),
]);
const finite = z.number();
/** A moment that a date can be of, ms: all others are held against it (`isPossible`). */
const newest = z.number().min(-8e15).max(8e15);
/** What is divided by. */
const size = z.number().positive();
const amount = z.number().nonnegative();
/** Of a refill that still flows. */
const part = z.number().max(0.9);
const keptBack = part.min(0).default(0);
const maybe = <Shape extends z.ZodType>(shape: Shape) =>
  shape.nullable().transform((value) => value ?? undefined);
const line = z.string().max(2_000);
const lease = line.transform((id) => id as LeaseId);
const measure = z.enum(["requests", "input", "fresh-input", "output", "sum", "greater"]);
const charging = z.enum(["start", "fixed"]);

const Draft = z.object({ input: amount, cachedInput: amount, output: amount, outputMax: amount });

const BucketShape = z.object({
  kind: z.literal("bucket"),
  measure,
  charging,
  transitMs: amount.default(0),
  perMinute: size,
  burst: size,
  fullAt: finite,
  keptBack,
  // Older files have no word of others: then nothing was learned of them.
  others: z
    .object({ part: part.min(0), at: finite, told: maybe(z.object({ at: finite, missing: amount })) })
    .default(nobodyElse),
  entries: z
    .array(
      z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("charge"), lease, at: finite, cost: amount, isOpen: z.boolean() }),
        z.object({ kind: z.literal("floor"), at: finite, fullAt: finite, keptBack }),
      ]),
    )
    .max(leasesMax),
});

const StreamShape = z
  .object({
    kind: z.literal("stream"),
    perMinute: size,
    burst: size,
    level: finite,
    at: finite,
    flows: z
      .array(z.object({ lease, startsAt: finite, endsAt: finite, lastAt: finite, perMs: size }))
      .max(leasesMax),
    past: z
      .object({
        at: finite,
        level: finite,
        changes: z
          .array(
            z.discriminatedUnion("kind", [
              z.object({ kind: z.literal("writing"), at: finite, perMs: finite }),
              z.object({ kind: z.literal("taken"), at: finite, tokens: finite }),
              z.object({ kind: z.literal("told"), at: finite, level: finite }),
            ]),
          )
          .max(leasesMax),
      })
      .optional(),
  })
  // Older files have no past: then nothing of it is given back.
  .transform(({ past, ...stream }) => (past === undefined ? rooted(stream) : { ...stream, past }));

const Weighed = z.object({ input: amount, output: amount });
const Three = z.tuple([finite, finite, finite]);

const WindowShape = z.object({
  kind: z.literal("window"),
  name: line,
  measure: z.union([measure, z.literal("share")]),
  limit: amount,
  used: amount,
  resetAt: maybe(finite),
  periodMs: size,
  open: z
    .array(
      z.object({
        ...{ lease, cost: amount, at: finite },
        ...{ most: Weighed, before: Weighed },
      }),
    )
    .max(leasesMax),
  weight: z.object({
    learned: z.object({ mean: Three, spread: z.tuple([Three, Three, Three]) }),
    ...{ settled: Weighed, reading: maybe(amount), settledAtReading: Weighed },
  }),
});

const MeterShape: z.ZodType<Meter> = z.discriminatedUnion("kind", [BucketShape, StreamShape, WindowShape]);

const burst = { burstSeconds: maybe(size) };
const UntoldShape: z.ZodType<Untold> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("bucket"), measure, charging, ...burst }),
  z.object({ kind: z.literal("stream"), ...burst }),
]);

const TankShape: z.ZodType<Tank> = z.object({
  name: line,
  scope: z.enum(["whole", "account", "model"]),
  meters: z.array(MeterShape).max(metersMax),
  slots: z.object({
    ...{ max: number, limit: number, isFresh: z.boolean(), cutAt: number },
    recovery: z
      .object({ to: number, since: finite, why: line })
      .nullish()
      .transform((value) => value ?? undefined),
  }),
  leases: z
    .array(z.object({ id: lease, draft: Draft, perMs: size, startedAt: finite, until: number }))
    .max(leasesMax),
  closure: maybe(z.object({ until: number, why: line })),
  untold: z.array(UntoldShape).max(metersMax),
  at: newest,
});

const Version = z.object({ version: z.number().int() });

const FileShape = z.object({
  version: z.literal(savedVersion),
  savedAt: z.number(),
  tanks: z.array(z.unknown()).max(tanksMax),
  sections: z.record(z.string().max(100), z.unknown()),
});

/** The file's text. `savedAt` in ms. */
export function textOf({ refinery, sections }: SavedTanks, savedAt: number): string {
  const file = { version: savedVersion, savedAt, tanks: [...refinery.values()] };
  // Sections have their own words: only the tanks are rewritten.
  const tanks = JSON.stringify(file, (_key, value: unknown) => {
    if (value === undefined) return null;
    if (value === Number.POSITIVE_INFINITY) return "Infinity";
    return value === Number.NEGATIVE_INFINITY ? "-Infinity" : value;
  });
  return `${tanks.slice(0, -1)},"sections":${JSON.stringify(sections)}}\n`;
}

export type Parsed =
  /** `lost`: tanks that hold what none can, by how many there are. */
  | { readonly kind: "parsed"; readonly saved: SavedTanks; readonly savedAt: number; readonly lost: number }
  /** `why` goes on after the file's name: "is cut short or damaged". */
  | { readonly kind: "refused"; readonly why: string };

/** Total: any text gives one or the other. */
export function parseTanks(text: string): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: "refused", why: "is cut short or damaged" };
  }
  const version = Version.safeParse(json).data?.version;
  if (version === undefined) return { kind: "refused", why: "is not what Rigs writes there" };
  if (version !== savedVersion) {
    const whose = version > savedVersion ? "a newer" : "an older";
    return { kind: "refused", why: `was written by ${whose} Rigs` };
  }
  const { data } = FileShape.safeParse(json);
  if (data === undefined) return { kind: "refused", why: "holds values that no tank has" };
  const { sections, savedAt } = data;
  // One that cannot be believed begins anew; the others say what they said.
  const tanks = data.tanks.flatMap((each) => TankShape.safeParse(each).data ?? []).filter(isPossible);
  if (tanks.length === 0 && data.tanks.length > 0)
    return { kind: "refused", why: "holds values that no tank has" };
  const lost = data.tanks.length - tanks.length;
  return { kind: "parsed", saved: { refinery: refineryOf(tanks), sections }, savedAt, lost };
}
