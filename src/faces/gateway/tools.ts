/** What the gateway stands on: main gives it. */
import type { Accounts, Booking, Caller } from "../../domain/caller.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Upstream } from "../../ports/upstream.ts";
import type { Capacity } from "../../work/capacity.ts";
import type { Metrics } from "./metrics.ts";

export interface Offered extends Upstream {
  /** What the tanks call it: the provider's name, for the first key and server of it. */
  readonly source: string;
}

export interface GatewayTools {
  readonly clock: Clock;
  readonly capacity: Pick<Capacity, "enter" | "expected" | "inputOf" | "learn" | "waiting" | "closures">;
  /** Tokens of a text, roughly, as goals count them. */
  size(text: string): number;
  /** Those that requests are passed on to now, in the configuration's order. */
  readonly upstreams: readonly Offered[];
  /** Who has this token; undefined: nobody, or no longer. */
  callerOf(token: string): Caller | undefined;
  /** Whether the token of this caller still counts. */
  isWelcome(caller: Caller): boolean;
  readonly book: {
    readonly accounts: Accounts;
    /**
     * A reservation is durable against the end of this process when it returns, and throws where the disk refuses; all else
     * is a moment later: what is lost of that counts in full.
     */
    add(booking: Booking): void;
  };
  /** How long a call waits for a place at most, ms. */
  readonly patienceMs: number;
  /** Unlike those of every process before: tanks remember calls. */
  newId(): string;
  readonly metrics: Metrics;
}
