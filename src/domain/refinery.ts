/**
 * All tanks as one value. A call to one provider may draw from several (the account's, the model class's): from all of
 * them at once or from none. Pure.
 */
import { present } from "../kit/assert.ts";
import type { LeaseId } from "./meter.ts";
import { informed, type Reading } from "./reading.ts";
import {
  type Call,
  type Closure,
  type Ending,
  mayBegin,
  probing,
  type Readiness,
  readyAt,
  reserved,
  settled,
  shut,
  soonestAt,
  type Tank,
  tankAt,
} from "./tank.ts";

export type Refinery = ReadonlyMap<string, Tank>;

export function refineryOf(tanks: readonly Tank[]): Refinery {
  return new Map(tanks.map((tank) => [tank.name, tank]));
}

function tankIn(refinery: Refinery, name: string): Tank {
  return present(refinery.get(name), `tank ${name} is known`);
}

/** When a call that draws from all of these may begin, and what holds it up longest. */
export function allReadyAt(refinery: Refinery, names: readonly string[], call: Call, now: number): Readiness {
  return latestOf(
    names.map((name) => readyAt(tankIn(refinery, name), call, now)),
    now,
  );
}

/** The soonest at which it could, if all that is out came back now: a wait up to there is sure. */
export function allSoonestAt(
  refinery: Refinery,
  names: readonly string[],
  call: Call,
  now: number,
): Readiness {
  return latestOf(
    names.map((name) => soonestAt(tankIn(refinery, name), call, now)),
    now,
  );
}

function latestOf(all: readonly Readiness[], now: number): Readiness {
  return all.reduce((latest, each) => (each.at > latest.at ? each : latest), {
    at: now,
    waitsFor: undefined,
  });
}

/** Whether it may begin now in all of them. */
export function allMayBegin(refinery: Refinery, names: readonly string[], call: Call, now: number): boolean {
  return names.every((name) => mayBegin(tankIn(refinery, name), call, now));
}

/** The refinery with the call in it. Asserts that it may begin now. */
export function draw(
  refinery: Refinery,
  names: readonly string[],
  lease: { readonly id: LeaseId; readonly call: Call; readonly leaseMs: number },
  now: number,
): Refinery {
  return changed(refinery, names, (tank) =>
    reserved(tank, lease.id, lease.call, { now, leaseMs: lease.leaseMs }),
  );
}

/** What a reply closes: the account with all its models, or one of them. */
export interface ScopedClosure extends Closure {
  readonly scope: "account" | "model";
  /** How it opens: whoever knows that it is over comes at once; else one call finds out. */
  readonly opens: "at once" | "with one";
}

/** The refinery without the call, and with what its reply said; ending one twice changes nothing. */
export function giveBack(
  refinery: Refinery,
  names: readonly string[],
  end: {
    readonly id: LeaseId;
    readonly ending: Ending;
    readonly readings: readonly Reading[];
    readonly closure: ScopedClosure | undefined;
  },
  now: number,
): Refinery {
  return changed(refinery, names, (tank) => {
    const asOf = tank.leases.find(({ id }) => id === end.id)?.startedAt;
    // Told before it is settled: what the reply says was so when the call began.
    const told = asOf === undefined ? tank : informed(tank, end.readings, asOf, now);
    const after = settled(told, end.id, end.ending, now);
    const isMeant = end.closure !== undefined && (tank.scope === "whole" || tank.scope === end.closure.scope);
    if (end.closure === undefined || !isMeant) return after;
    const closed = shut(after, end.closure, now);
    return end.closure.opens === "with one" ? probing(closed, end.closure.why, now) : closed;
  });
}

/** Every tank at `now`: what ran out is given back. */
export function refineryAt(refinery: Refinery, now: number): Refinery {
  return new Map([...refinery].map(([name, tank]) => [name, tankAt(tank, now)]));
}

export function changed(
  refinery: Refinery,
  names: readonly string[],
  change: (tank: Tank) => Tank,
): Refinery {
  const next = new Map(refinery);
  for (const name of names) next.set(name, change(tankIn(refinery, name)));
  return next;
}
