import { isFinal, type Reply } from "../domain/reply.ts";
import type { Random } from "../kit/random.ts";

/** Until when a provider is not asked, and why. The tanks of a later version replace this by exact state. */
export interface ProviderLimit {
  readonly until: number;
  readonly why: string;
}

/** How a provider wants to be retried; seconds become ms at the door. */
export interface Patience {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** A window that does not say when it ends is looked at again after five minutes. */
const unknownWindowMs = 300_000;

/** The limits that replies told of, by provider. A reply only ever makes it more careful, until the moment it named. */
export function openLimits(now: () => number, random: Random, patience: (provider: string) => Patience) {
  const limits = new Map<string, ProviderLimit>();
  const streaks = new Map<string, number>();
  return {
    limitOf: (provider: string) => limits.get(provider),
    /** Takes note of a reply: a limit or an overload holds until the moment it named, an answer forgets the failures before it. */
    heard(provider: string, reply: Reply): void {
      if (reply.kind === "said") streaks.delete(provider);
      if (isFinal(reply) || reply.kind === "said") return;
      const streak = (streaks.get(provider) ?? 0) + 1;
      streaks.set(provider, streak);
      const until = Math.max(limits.get(provider)?.until ?? 0, untilOf(provider, reply.fault, streak));
      limits.set(provider, { until, why: reply.fault.why });
    },
  };

  function untilOf(
    provider: string,
    fault: Extract<Reply, { kind: "failed" }>["fault"],
    streak: number,
  ): number {
    if (fault.kind === "throttle") return fault.retryAt;
    if (fault.kind === "window") return fault.resetAt ?? now() + unknownWindowMs;
    const { baseMs, maxMs } = patience(provider);
    // Full jitter over the upper half: several workers that failed together do not come back together.
    const spanMs = Math.min(maxMs, baseMs * 2 ** Math.min(streak - 1, 20));
    return now() + spanMs * (0.5 + random() / 2);
  }
}
