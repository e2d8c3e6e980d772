/** What the gateway stands on: main gives it. */
import type { Accounts, Booking, Caller } from "../../domain/caller.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Upstream } from "../../ports/upstream.ts";
import type { Capacity } from "../../work/capacity.ts";
import type { Metrics } from "./metrics.ts";

export interface GatewayTools {
  readonly clock: Clock;
  readonly capacity: Pick<Capacity, "enter" | "expected" | "inputOf" | "learn" | "waiting">;
  /** Tokens of a text, roughly, as goals count them. */
  size(text: string): number;
  /** Those that requests are passed on to, in the configuration's order. */
  readonly upstreams: readonly Upstream[];
  /** Who has this token; undefined: nobody, or no longer. */
  callerOf(token: string): Caller | undefined;
  readonly book: {
    readonly accounts: Accounts;
    /** Durable against the end of this process when it returns. Throws where the disk refuses. */
    add(booking: Booking): void;
  };
  /** How long a call waits for a place at most, ms. */
  readonly patienceMs: number;
  /** Unlike those of every process before: tanks remember calls. */
  newId(): string;
  readonly metrics: Metrics;
}
