import { isFinalFault, type Reply } from "../domain/reply.ts";
import type { Random } from "../kit/random.ts";

/** Until when a provider is not asked, and why: what replies told that no meter holds. */
export interface ProviderLimit {
  readonly until: number;
  /** Before this moment asking makes no sense: `until` where the provider named it, earlier where it was assumed. */
  readonly soonest: number;
  /** When it became known. */
  readonly since: number;
  readonly why: string;
}

/**
 * When to ask again, for work that must be over at `end`. An assumed wait that would pass it is shortened to half of what
 * was left, so that time for the answer remains; undefined when not even the shortest sensible wait fits.
 */
export function askableAt(
  { until, soonest, since }: ProviderLimit,
  end: number | undefined,
): number | undefined {
  if (end === undefined || until < end) return until;
  return soonest < end ? Math.max(soonest, Math.round((since + end) / 2)) : undefined;
}

/** How a provider wants to be retried; seconds become ms at the door. */
export interface Patience {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** What a throttle without a hint waits for first. Most are counted by the minute, and part of that has passed. */
const hintlessMs = 15_000;

/** A window that does not say when it ends is looked at again after five minutes. */
const unknownWindowMs = 300_000;

/** The limits that replies told of, by provider. A reply only ever makes it more careful, until the moment it named. */
export function openLimits(now: () => number, random: Random, patience: (provider: string) => Patience) {
  const limits = new Map<string, ProviderLimit>();
  const streaks = new Map<string, number>();
  return {
    limitOf: (provider: string) => limits.get(provider),
    /** A person wants it asked whatever it told. */
    forget: (provider: string) => void limits.delete(provider),
    /**
     * Takes note of a reply: a limit or an overload holds until the moment it named, an answer forgets the failures before it.
     * `startedAt`: when its call began; those that were out together fail of one cause.
     */
    heard(provider: string, reply: Heard, startedAt: number): void {
      if (reply.kind === "said") streaks.delete(provider);
      if (reply.kind === "said" || isFinalFault(reply.fault)) return;
      const known = limits.get(provider);
      const streak = streaks.get(provider) ?? 0;
      const isOneCause = streak > 0 && known !== undefined && startedAt < known.since;
      const next = isOneCause ? streak : streak + 1;
      streaks.set(provider, next);
      const { until, soonest } = waitOf(provider, reply.fault, next);
      limits.set(provider, {
        until: Math.max(known?.until ?? 0, until),
        soonest: Math.max(known?.soonest ?? 0, soonest),
        since: now(),
        why: reply.fault.why,
      });
    },
  };

  function waitOf(
    provider: string,
    fault: Extract<Reply, { kind: "failed" }>["fault"],
    streak: number,
  ): Pick<ProviderLimit, "until" | "soonest"> {
    if (fault.kind === "window") return exactly(fault.resetAt ?? now() + unknownWindowMs);
    if (fault.kind === "throttle" && fault.retryAt !== undefined) return exactly(fault.retryAt);
    const { baseMs, maxMs } = patience(provider);
    const firstMs = Math.min(maxMs, fault.kind === "throttle" ? Math.max(hintlessMs, baseMs) : baseMs);
    // Full jitter over the upper half: several workers that failed together do not come back together.
    const spanMs = Math.min(maxMs, firstMs * 2 ** Math.min(streak - 1, 20));
    return { until: now() + spanMs * (0.5 + random() / 2), soonest: now() + firstMs / 2 };
  }
}

type Heard =
  | { readonly kind: "said" }
  | { readonly kind: "failed"; readonly fault: Extract<Reply, { kind: "failed" }>["fault"] };

function exactly(moment: number): Pick<ProviderLimit, "until" | "soonest"> {
  return { until: moment, soonest: moment };
}
