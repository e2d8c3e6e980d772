import type { Clock } from "../../src/kit/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly ring: () => void;
}

/** Time that passes only when somebody says so. Timers ring in order of time, then of setting. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      };
      const timer: Timer = {
        at: this.#now + Math.max(0, Math.min(ms, 2_147_483_647)),
        order: ++this.#order,
        ring: () => {
          signal.removeEventListener("abort", stop);
          resolve();
        },
      };
      signal.addEventListener("abort", stop, { once: true });
      this.#timers.add(timer);
    });
  }

  /** Rings the next timer, at its time or now where that has passed. False when nothing waits. */
  advance(): boolean {
    let next: Timer | undefined;
    for (const timer of this.#timers)
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
        next = timer;
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.ring();
    return true;
  }

  /** The machine slept: time has passed and no timer rang meanwhile. */
  jump(ms: number): void {
    this.#now += ms;
  }
}
