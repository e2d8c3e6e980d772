/** What stands below the value in `tanks.json`: calls that began since it was written, and tanks that it lacks. */
import { z } from "zod";
import { begunIn } from "../../domain/handover.ts";
import type { LeaseId } from "../../domain/meter.ts";
import type { Refinery } from "../../domain/refinery.ts";
import type { Lease } from "../../domain/tank.ts";
import { isPossible } from "./possible.ts";
import { parseTanks } from "./shape.ts";

/** A call and the tanks that it draws from. */
export interface Begun {
  readonly tanks: readonly string[];
  readonly lease: Lease;
}

const amount = z.number().nonnegative();
const name = z.string().max(2_000);

const BegunShape: z.ZodType<Begun> = z.object({
  tanks: z.array(name).max(10),
  lease: z.object({
    id: name.transform((id) => id as LeaseId),
    draft: z.object({ input: amount, cachedInput: amount, output: amount, outputMax: amount }),
    perMs: z.number().positive(),
    startedAt: z.number(),
    until: z.number(),
  }),
});

/** What a value and the lines below it say together. `at`: the newest moment they tell of, ms. */
export interface Told {
  readonly tanks: Refinery;
  readonly at: number;
  /** Tanks that were left out, since they hold what none can. */
  readonly lost: number;
}

/** With every call as it was reserved: nobody knows what became of it. A line that a kill tore is of a call that never left. */
export function withLines(saved: Told, lines: readonly string[]): Told {
  const tanks = new Map(saved.tanks);
  let { at, lost } = saved;
  for (const line of lines) {
    const parsed = parseTanks(line);
    if (parsed.kind === "parsed") {
      for (const [name, tank] of parsed.saved.refinery) tanks.set(name, tank);
      at = Math.max(at, parsed.savedAt);
      lost += parsed.lost;
      continue;
    }
    const begun = callIn(line);
    if (begun === undefined) continue;
    at = Math.max(at, begun.lease.startedAt);
    for (const name of begun.tanks) {
      const tank = tanks.get(name);
      const next = tank && begunIn(tank, begun.lease);
      if (next !== undefined && isPossible(next)) tanks.set(name, next);
    }
  }
  return { tanks, at, lost };
}

function callIn(line: string): Begun | undefined {
  try {
    return BegunShape.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
