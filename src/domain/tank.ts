/**
 * The rate-limit state of one account and model class: its meters, its slots and the calls that are out. Pure.
 *
 * 1. A call reserves from every meter and a slot at once, or from none.
 * 2. The leases are the calls in flight, always: each is given back once, by its end or by its expiry.
 * 3. `readyAt` is the earliest moment at which nothing known stands in the way; before it nothing is reserved.
 */
import { assert, present, unreachable } from "../kit/assert.ts";
import {
  type Bucket,
  bucketReadyAt,
  charged,
  levelOf,
  reshaped,
  settledIn,
  shifted,
  withdrawnFrom,
  withoutCharges,
} from "./bucket.ts";
import type { Floor } from "./floor.ts";
import { type Charging, costOf, type Draft, type LeaseId, leastBurst, type Measure } from "./meter.ts";
import { streamHolds, streamReadyAt } from "./prospect.ts";
import { hasRoom, isAlone, isProbing, isScouting, probed, type Slots, wentWell, wentWrong } from "./slots.ts";
import { ended, flowed, flowsShifted, resized, type Stream, streaming, withoutFlows } from "./stream.ts";
import { closed, drawn, shareOf, type Window, windowReadyAt, withdrawnOf } from "./window.ts";

export type Meter = Bucket | Stream | Window;

export interface Lease {
  readonly id: LeaseId;
  readonly draft: Draft;
  /** Output tokens a ms that are expected. */
  readonly perMs: number;
  readonly startedAt: number;
  /** Given back by itself then, as if all was taken: whoever held it is gone. */
  readonly until: number;
}

/** Nothing is let in before `until`; Infinity: not until a person has done something. */
export interface Closure {
  readonly until: number;
  readonly why: string;
}

/**
 * What a tank is the tank of. Windows, money and keys are matters of an `account`, rates and slots of one `model` class on
 * it; a `whole` tank holds both.
 */
export type Scope = "whole" | "account" | "model";

export interface Tank {
  /** Account and model class. */
  readonly name: string;
  readonly scope: Scope;
  readonly meters: readonly Meter[];
  readonly slots: Slots;
  readonly leases: readonly Lease[];
  readonly closure: Closure | undefined;
  /** Limits that are not known yet and become meters with the first reply that tells them. */
  readonly untold: readonly Untold[];
  /** The newest moment seen. */
  readonly at: number;
}

/** How a limit is counted, without how much it is. */
export type Untold =
  | ({ readonly kind: "bucket"; readonly measure: Measure; readonly charging: Charging } & UntoldBurst)
  | ({ readonly kind: "stream" } & UntoldBurst);

interface UntoldBurst {
  /** Seconds' worth that may come at once, where the configuration says so. */
  readonly burstSeconds: number | undefined;
}

export function tankOf(
  name: string,
  limits: {
    readonly meters: readonly Meter[];
    readonly slots: Slots;
    readonly untold?: readonly Untold[];
    readonly scope?: Scope;
  },
  now: number,
): Tank {
  return { name, scope: "whole", untold: [], ...limits, leases: [], closure: undefined, at: now };
}

/** A clock that was set back by more than this takes all moments with it; less is jitter between two sources. */
const jitterMs = 1_000;

/** The tank at `now`: leases that ran out are given back, a closure that is over is gone, a clock that was set is followed. */
export function tankAt(tank: Tank, now: number): Tank {
  if (now === tank.at) return tank;
  const current = now < tank.at - jitterMs ? setBack(tank, now - tank.at) : tank;
  const at = Math.max(current.at, now);
  let next: Tank = { ...current, at };
  if (next.closure !== undefined && next.closure.until <= at) next = { ...next, closure: undefined };
  for (const { id, until } of next.leases) if (until <= at) next = without(next, id, undefined, at);
  return next;
}

/** All moments move, those that a provider named too: they were read by how far they lay ahead. */
function setBack(tank: Tank, byMs: number): Tank {
  return {
    ...tank,
    at: tank.at + byMs,
    slots: slotsShifted(tank.slots, byMs),
    leases: tank.leases.map((lease) => ({
      ...lease,
      startedAt: lease.startedAt + byMs,
      until: lease.until + byMs,
    })),
    closure: tank.closure && { ...tank.closure, until: tank.closure.until + byMs },
    meters: tank.meters.map((meter) => {
      if (meter.kind === "bucket") return shifted(meter, byMs);
      if (meter.kind === "stream") return flowsShifted(meter, byMs);
      return meter.resetAt === undefined ? meter : { ...meter, resetAt: meter.resetAt + byMs };
    }),
  };
}

function slotsShifted(slots: Slots, byMs: number): Slots {
  const { cutAt, recovery } = slots;
  return {
    ...slots,
    cutAt: cutAt + byMs,
    recovery: recovery && { ...recovery, since: recovery.since + byMs },
  };
}

export interface Call {
  readonly draft: Draft;
  readonly perMs: number;
  /** What this call has to leave of every window. */
  readonly floor: Floor;
}

/** When a call may begin, and what it waits for; Infinity: not before something comes back. */
export interface Readiness {
  readonly at: number;
  /** "input tokens", "5-hour window at 91 %", "a free slot"; undefined: nothing, it may begin. */
  readonly waitsFor: string | undefined;
}

export function readyAt(tank: Tank, call: Call, now: number): Readiness {
  const current = tankAt(tank, now);
  const { at: from } = current;
  let latest: Readiness = { at: from, waitsFor: undefined };
  const look = (at: number, waitsFor: string) => {
    if (at > latest.at) latest = { at, waitsFor };
  };
  if (current.closure !== undefined) look(current.closure.until, current.closure.why);
  for (const meter of current.meters) {
    const at = meterReadyAt(meter, call, from);
    if (at > latest.at) latest = { at, waitsFor: shortOf(meter, from) };
  }
  if (!hasRoom(current.slots, current.leases)) look(Number.POSITIVE_INFINITY, roomWords(current.slots));
  return latest;
}

function roomWords(slots: Slots): string {
  if (isScouting(slots)) return "its first answer, which tells its limits";
  return isProbing(slots) ? `its first answer after ${slots.recovery?.why}` : "a free slot";
}

/**
 * When it could begin at the soonest, if all that is out came back now and had taken nothing. Only up to there waiting makes
 * sense elsewhere: what is out comes back when nobody expects it.
 */
export function soonestAt(tank: Tank, call: Call, now: number): Readiness {
  return readyAt(withoutOpen(tankAt(tank, now)), call, now);
}

/** Windows of known size stay: what is out of them is counted there for hours. */
function withoutOpen(tank: Tank): Tank {
  if (tank.leases.length === 0) return tank;
  const meters = tank.meters.map((meter): Meter => {
    // What comes back tells how a share really stands.
    if (meter.kind === "window") return meter.measure === "share" ? { ...meter, open: [] } : meter;
    return meter.kind === "stream" ? withoutFlows(meter) : withoutCharges(meter);
  });
  return { ...tank, meters, leases: [] };
}

function meterReadyAt(meter: Meter, { draft, perMs, floor }: Call, now: number): number {
  switch (meter.kind) {
    case "bucket":
      return bucketReadyAt(meter, costOf(meter.measure, draft), now);
    case "stream":
      return streamReadyAt(meter, { output: draft.output, outputMax: draft.outputMax, perMs }, now);
    case "window":
      return windowReadyAt(meter, draft, floor, now);
    default:
      return unreachable(meter);
  }
}

/** Whether no call may begin, whatever it would take. `tank` as it stands at the moment that is meant. */
export function isFull({ closure, slots, leases }: Tank): boolean {
  return closure !== undefined || !hasRoom(slots, leases);
}

/** Whether it may begin now: `readyAt` without saying when else, which is dearer to know. */
export function mayBegin(tank: Tank, { draft, perMs, floor }: Call, now: number): boolean {
  const current = tankAt(tank, now);
  const { at } = current;
  if (isFull(current)) return false;
  return current.meters.every((meter) => {
    if (meter.kind === "bucket") return bucketReadyAt(meter, costOf(meter.measure, draft), at) <= at;
    if (meter.kind === "stream") {
      const call = { output: draft.output, outputMax: draft.outputMax, perMs };
      return streamHolds(meter, call, at);
    }
    return windowReadyAt(meter, draft, floor, at) <= at;
  });
}

const measures: Readonly<Record<Measure, string>> = {
  requests: "requests",
  input: "input tokens",
  "fresh-input": "input tokens",
  output: "output tokens",
  sum: "tokens",
  greater: "tokens",
};

export function nameOfMeter(meter: Meter): string {
  if (meter.kind === "window") return `${meter.name} window`;
  return meter.kind === "stream" ? "output tokens" : measures[meter.measure];
}

/** What a meter lacks: "input tokens", "day window used up", "5-hour window at 91 %" where the rest is kept for others. */
function shortOf(meter: Meter, now: number): string {
  if (meter.kind !== "window") return nameOfMeter(meter);
  const share = shareOf(meter, now);
  const used = share >= 1 ? "used up" : `at ${Math.min(99, Math.round(share * 100))} %`;
  return `${nameOfMeter(meter)} ${used}`;
}

/** The tank with the call in it. A call that may not begin yet is a bug of whoever asks. */
export function reserved(
  tank: Tank,
  id: LeaseId,
  call: Call,
  times: { readonly now: number; readonly leaseMs: number },
): Tank {
  const current = tankAt(tank, times.now);
  const { at } = current;
  assert(mayBegin(current, call, at), "a call is reserved when it may begin");
  assert(!current.leases.some((each) => each.id === id), "a lease has a name of its own");
  const { draft, perMs } = call;
  const lease: Lease = { id, draft, perMs, startedAt: at, until: at + times.leaseMs };
  const meters = current.meters.map((meter) => taken(meter, lease, at));
  return { ...current, meters, leases: [...current.leases, lease] };
}

function taken(meter: Meter, { id, draft, perMs }: Lease, now: number): Meter {
  switch (meter.kind) {
    case "bucket":
      return charged(meter, id, costOf(meter.measure, draft), now);
    case "stream":
      return streaming(meter, id, { output: draft.output, outputMax: draft.outputMax, perMs }, now);
    case "window":
      return drawn(meter, id, draft, now);
    default:
      return unreachable(meter);
  }
}

/** How a call ended. `used` undefined: nobody knows, so all that was reserved counts as taken. */
export interface Ending {
  readonly used: Draft | undefined;
  /**
   * `well`: it was answered; `refused`: by a limit; `busy`: the provider could not take more; `else`: it says nothing of how
   * many it takes; `unmade`: it never left, so nothing counts at all.
   */
  readonly how: "well" | "refused" | "busy" | "else" | "unmade";
}

/** The tank without the call. Ending one twice changes nothing. */
export function settled(tank: Tank, id: LeaseId, ending: Ending, now: number): Tank {
  const current = tankAt(tank, now);
  const call = current.leases.find((each) => each.id === id);
  if (call === undefined) return current;
  if (ending.how === "unmade") return unmade(current, id);
  const next = without(current, id, ending.used, current.at);
  if (ending.how === "well") return { ...next, slots: wentWell(next.slots, call, current.leases) };
  if (ending.how === "else" || (ending.how === "busy" && isAlone(next.slots))) return next;
  const slots = wentWrong(next.slots, current.at);
  // Those that failed of one cause teach once; who is overloaded says nothing of how much may come at once.
  if (slots === next.slots || ending.how === "busy") return { ...next, slots };
  return { ...next, slots, meters: next.meters.map((meter) => narrowed(meter, current.at)) };
}

/** Calls arrive closer together than they left, so even less than a second's worth may be too much at once. */
const travelPart = 1 / 4;

/** Refused although there was enough: less comes at once than was taken for granted. What it lets in by the minute stays. */
function narrowed(meter: Meter, now: number): Meter {
  if (meter.kind === "window") return meter;
  const { perMinute } = meter;
  const least = Math.min(meter.burst, Math.max(1, leastBurst(perMinute) * travelPart));
  const burst = Math.max(least, meter.burst / 2);
  if (meter.kind === "bucket") return reshaped(meter, { perMinute, burst }, now);
  return resized(meter, { perMinute, burst }, now);
}

function unmade(tank: Tank, id: LeaseId): Tank {
  return {
    ...tank,
    leases: tank.leases.filter((each) => each.id !== id),
    meters: tank.meters.map((meter): Meter => {
      if (meter.kind === "bucket") return withdrawnFrom(meter, id);
      return meter.kind === "stream" ? ended(meter, id, 0, tank.at) : withdrawnOf(meter, id);
    }),
  };
}

function without(tank: Tank, id: LeaseId, used: Draft | undefined, now: number): Tank {
  return {
    ...tank,
    leases: tank.leases.filter((each) => each.id !== id),
    meters: tank.meters.map((meter): Meter => {
      if (meter.kind === "bucket")
        return settledIn(meter, id, used === undefined ? undefined : costOf(meter.measure, used));
      if (meter.kind === "stream") return ended(meter, id, used?.output, now);
      return closed(meter, id, used, now);
    }),
  };
}

/** No more calls before then; a longer closure stands. */
export function shut(tank: Tank, closure: Closure, now: number): Tank {
  const current = tankAt(tank, now);
  const { closure: known } = current;
  if (closure.until <= current.at || (known !== undefined && known.until >= closure.until)) return current;
  return { ...current, closure };
}

/** After a closure whose end nobody named, or whose cause nobody can foresee, one call goes first. */
export function probing(tank: Tank, why: string, now: number): Tank {
  const current = tankAt(tank, now);
  return { ...current, slots: probed(current.slots, why, current.at) };
}

/** A person has mended it, or a provider said so. */
export function opened(tank: Tank): Tank {
  return { ...tank, closure: undefined };
}

/** A meter that is new to the tank, with what is out in it from now on. */
export function entered(meter: Meter, { leases, at }: Pick<Tank, "leases" | "at">): Meter {
  // A window that is told by the first reply began no later than the call that was told of it.
  return leases.reduce(
    (next, lease) => taken(next, lease, next.kind === "window" ? lease.startedAt : at),
    meter,
  );
}

/** What a meter holds, 0 to 1, for people. */
export function levelShare(meter: Bucket | Stream, now: number): number {
  const level = meter.kind === "bucket" ? levelOf(meter, now) : flowed(meter, now).level;
  return Math.max(0, Math.min(1, level / meter.burst));
}

export function leaseOf(tank: Tank, id: LeaseId): Lease {
  return present(
    tank.leases.find((each) => each.id === id),
    "the lease is open",
  );
}
