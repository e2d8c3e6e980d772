/** What an owner of the home keeps of its tanks for the next one. */
import { join } from "node:path";
import { z } from "zod";
import type { Drift } from "../domain/drift.ts";
import type { Refinery } from "../domain/refinery.ts";
import type { Tank } from "../domain/tank.ts";
import { openTanksFile } from "../edges/tanks/file.ts";
import type { Begun } from "../edges/tanks/lines.ts";
import type { Doubt } from "../faces/house.ts";
import type { Clock } from "../kit/clock.ts";
import type { Places } from "./places.ts";

/** Where the tanks of a home are kept; its owner alone writes it. */
export function tanksPath({ home }: Places): string {
  return join(home, "tanks.json");
}

const DriftShape = z.record(
  z.string(),
  z.object({ at: z.number(), window: z.string().max(200), share: z.number().min(0).max(1) }),
);

/** The newest drift of each tank, by its name; nothing where the file holds no such thing. */
export function driftsIn(sections: Readonly<Record<string, unknown>>): ReadonlyMap<string, Drift> {
  return new Map(Object.entries(DriftShape.safeParse(sections.drifts).data ?? {}));
}

/** The section with what this process saw over what was there. */
export function driftSection(
  before: Readonly<Record<string, unknown>>,
  seen: ReadonlyMap<string, Drift>,
): { readonly drifts: Readonly<Record<string, Drift>> } {
  return { drifts: Object.fromEntries([...driftsIn(before), ...seen]) };
}

const DoubtShape = z.record(z.string(), z.object({ at: z.number(), what: z.string().max(1_000) }));

/** A provider that told better since is not shown by what it told once, ms. */
const doubtMs = 3_600_000;

/** What providers told of limits that is not believed, the newest of each tank by its name; nothing of an hour ago. */
export function doubtsIn(
  sections: Readonly<Record<string, unknown>>,
  now: number,
): ReadonlyMap<string, Doubt> {
  const all = Object.entries(DoubtShape.safeParse(sections.doubts).data ?? {});
  return new Map(all.filter(([, { at }]) => at > now - doubtMs));
}

/** The section with what this process was told over what was there. */
export function doubtSection(
  before: Readonly<Record<string, unknown>>,
  told: ReadonlyMap<string, Doubt>,
  now: number,
): { readonly doubts: Readonly<Record<string, Doubt>> } {
  const doubts = { ...Object.fromEntries(doubtsIn(before, now)), ...Object.fromEntries(told) };
  return { doubts: Object.fromEntries(doubtsIn({ doubts }, now)) };
}

/** The tanks of a home in the hands of its owner. */
export interface KeptTanks extends AsyncDisposable {
  /** As an earlier process left them. */
  readonly saved: readonly Tank[];
  /** What others left beside them, by name. */
  readonly sections: Readonly<Record<string, unknown>>;
  /** Why what was kept is not believed; one line. */
  readonly note: string | undefined;
  /** Something is other than before; `look` is asked within a second, or when this is closed. */
  changed(
    look: () => { readonly refinery: Refinery; readonly sections: Readonly<Record<string, unknown>> },
  ): void;
  /** A call that begins when this returns: the next process counts it, whatever ends this one. */
  begun(call: Begun, look: () => Refinery): void;
}

/** A tank that nothing was drawn from for so long says nothing any more: no window lasts longer. */
const forgottenMs = 31 * 86_400_000;

/** For the owner of the home only. */
export async function keepTanks(places: Places, clock: Clock): Promise<KeptTanks> {
  const file = openTanksFile({ path: tanksPath(places), clock });
  const { saved, note } = await file.load();
  const earliest = clock.now() - forgottenMs;
  const old = [...saved.refinery.values()].filter(({ at }) => at > earliest);
  return {
    ...{ saved: old, sections: saved.sections, note },
    changed(look) {
      file.changed(() => {
        const { refinery, sections } = look();
        // Providers that nobody has asked for since this process began stay as they were.
        return {
          refinery: new Map([...old.map((tank) => [tank.name, tank] as const), ...refinery]),
          sections,
        };
      });
    },
    begun: (call, look) => file.begun(call, look),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
