/** Requests a minute of each caller. */

import { type Bucket, bucketOf, bucketReadyAt, charged, settledIn } from "../../domain/bucket.ts";
import type { Caller } from "../../domain/caller.ts";
import type { LeaseId } from "../../domain/meter.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Problem } from "./problem.ts";

/** Takes one request of a caller; why it may not be made now, or undefined. As many at once, and then as they come back. */
export function openRates(clock: Clock): (caller: Caller) => Problem | undefined {
  const buckets = new Map<string, Bucket>();
  let seenAt = 0;
  let setBackMs = 0;
  /** A time, ms, that never goes back: a clock that is set back makes nobody wait for it. */
  const steadyNow = (): number => {
    const now = clock.now();
    setBackMs += Math.max(0, seenAt - now);
    seenAt = now;
    return now + setBackMs;
  };
  return ({ hash: who, name, rpm }) => {
    if (rpm === undefined) return undefined;
    const now = steadyNow();
    const known = buckets.get(who);
    const bucket =
      known?.perMinute === rpm ? known : bucketOf("requests", "fixed", { perMinute: rpm, burst: rpm }, now);
    const until = bucketReadyAt(bucket, 1, now);
    if (until > now) {
      const why = `token ${name} may make ${rpm} requests a minute`;
      return { kind: "limited", why, until: clock.now() + until - now };
    }
    const lease = "request" as LeaseId;
    buckets.set(who, settledIn(charged(bucket, lease, 1, now), lease, undefined));
    return undefined;
  };
}
