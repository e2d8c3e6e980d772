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

/** Somebody else may work on the bead now. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor(lease: Pick<Lease, "bead" | "token">) {
    super(`the claim ${lease.token} of bead ${lease.bead} is lost`);
  }
}
