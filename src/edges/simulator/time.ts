import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../kit/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly ring: () => void;
}

/** Time that passes only when nobody has anything left to do but wait. */
export class PlayedTime implements Clock {
  #now: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      const ring = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const sleeper = { at: this.#now + Math.max(0, ms), ring };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Plays until `work` is settled, or time has reached `until`. False: it has, or nobody waits for time and it is not settled. */
  async play(work: Promise<unknown>, until: number): Promise<boolean> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    work.then(over, over);
    for (;;) {
      await turn();
      if (isOver) return true;
      // The first set rings first: a Set keeps the order.
      let next: Sleeper | undefined;
      for (const sleeper of this.#sleepers) if (next === undefined || sleeper.at < next.at) next = sleeper;
      if (next === undefined || next.at > until) return false;
      this.#sleepers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.ring();
    }
  }
}
