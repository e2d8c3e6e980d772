import type { Bead } from "../domain/bead.ts";
import type { Stood } from "../domain/budget.ts";
import type { Goal } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import type { Clock } from "../kit/clock.ts";
import type { Lease, Leases } from "../ports/store.ts";

/** Renews a lease until disposed. When it is lost, `lost` aborts: whoever works under it must stop and can write no more. */
export function keepAlive(
  lease: Lease,
  leases: Leases,
  clock: Clock,
  leaseMs: number,
): { readonly lost: AbortSignal } & AsyncDisposable {
  const stop = new AbortController();
  const lost = new AbortController();
  const beating = beat();

  async function beat(): Promise<void> {
    while (!stop.signal.aborted) {
      await clock.sleep(leaseMs / 3, stop.signal).catch(() => undefined);
      if (stop.signal.aborted) return;
      const renewed = await leases.renew(lease, leaseMs).catch(() => "lost" as const);
      if (renewed === "lost") {
        lost.abort(new LeaseLost(lease));
        return;
      }
    }
  }

  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the work under the lease is over"));
      await beating;
    },
  };
}

type Timed = Pick<Bead, "contract" | "minutesFrom">;

/** The moment by which a goal's minutes are over, or those of one of its beads, by the store's clock; undefined when nobody bounded them. */
export function endOf({ order: { budget }, createdAt }: Goal, bead?: Timed): number | undefined {
  const { wallMsMax, wallFrom = createdAt } = budget;
  const goalEnd = wallMsMax === undefined ? undefined : wallFrom + wallMsMax;
  const beadEnd = bead === undefined ? undefined : ownEndOf(bead);
  return goalEnd === undefined || beadEnd === undefined ? (goalEnd ?? beadEnd) : Math.min(goalEnd, beadEnd);
}

/** When a bead's own minutes are over; undefined where they have no bound, or have not begun. */
function ownEndOf({ contract, minutesFrom }: Timed): number | undefined {
  const wallMsMax = contract.budget?.wallMsMax;
  return wallMsMax === undefined || minutesFrom === undefined ? undefined : minutesFrom + wallMsMax;
}

/** `over` aborts when the goal's minutes are over, or the bead's; never, where they have no bound. */
export function untilEnd(
  goal: Goal,
  clock: Clock,
  bead?: Timed,
): { readonly over: AbortSignal } & AsyncDisposable {
  const stop = new AbortController();
  const over = new AbortController();
  const end = endOf(goal, bead);
  if (end !== undefined && clock.now() >= end) over.abort(new TimeOver(goal.id));
  const waiting = end === undefined || over.signal.aborted ? Promise.resolve() : wait(end);

  /** A clock may cut a long sleep. */
  async function wait(until: number): Promise<void> {
    while (clock.now() < until && !stop.signal.aborted)
      await clock.sleep(until - clock.now(), stop.signal).catch(() => undefined);
    if (!stop.signal.aborted) over.abort(new TimeOver(goal.id));
  }

  return {
    over: over.signal,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("what the goal's minutes bound is over"));
      await waiting;
    },
  };
}

/** The goal's minutes are over. */
export class TimeOver extends Error {
  override readonly name = "TimeOver";
  constructor(goal: GoalId) {
    super(`the minutes of goal ${goal} are over`);
  }
}

/** Work was stopped while its call stood in line for a place with a provider. */
export class StoodInLine extends Error {
  override readonly name = "StoodInLine";
  readonly stood: Stood;
  constructor(stood: Stood, cause: unknown) {
    super(`stopped in line for ${stood.why}`, { cause });
    this.stood = stood;
  }
}

/** Somebody else may work on the bead now. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor(lease: Pick<Lease, "bead" | "token">) {
    super(`the claim ${lease.token} of bead ${lease.bead} is lost`);
  }
}
