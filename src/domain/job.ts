/** What is matched: calls that wait, and the ways to a model that they may take. */
import type { Floor } from "./floor.ts";
import type { Draft, LeaseId } from "./meter.ts";

/** One way to a model: a provider and the tanks its calls draw from. */
export interface Route {
  readonly provider: string;
  readonly tanks: readonly string[];
  /** Output tokens a ms that it writes. */
  readonly perMs: number;
}

/** A call that waits. */
export interface Job {
  readonly id: LeaseId;
  /** Steps of priority above what is usual; below 0: under it. */
  readonly ahead: number;
  /** What is reserved for it with each provider that may do it. */
  readonly drafts: ReadonlyMap<string, Draft>;
  /** Output tokens as they usually are, for weighing providers; what is reserved is more. */
  readonly outputLikely: number;
  /** What it leaves of every window, by provider; absent: nothing. */
  readonly floors: ReadonlyMap<string, Floor>;
  /** The provider whose cache holds its prefix; undefined: none. */
  readonly warm: string | undefined;
  /** How often others behind it began before it. */
  readonly passedBy: number;
}
