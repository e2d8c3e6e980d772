import type { Clock } from "./clock.ts";
import { Heap, type Heaped } from "./heap.ts";

/** One that rang, or was taken back, stands in the heap no more. */
interface Timer extends Heaped {
  /** Whole ms. */
  readonly ringsAt: number;
  readonly order: number;
  readonly ring: () => void;
}

/**
 * Time that passes only when somebody says so, or, played by `run`, when nobody has anything left to do but wait.
 *
 * 1. Timers ring in the order of their times, then of their setting, each once and alone: between two of them `run` lets
 *    all settled promises be heard.
 * 2. Time never goes back but by `jump`; what is due earlier than now rings now.
 * 3. What was taken back leaves nothing behind: the heap holds what will ring.
 */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Heap<Timer>(isBefore);

  /** `now`: ms since the Unix epoch. */
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
        off();
        reject(signal.reason);
      };
      const off = this.at(this.#now + Math.min(ms, sleepMsMax), () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  /** Rings once at this moment, or as soon as time passes where it is over. Returns what takes it back. */
  at(moment: number, ring: () => void): () => void {
    // Clocks tell whole ms.
    const ringsAt = Math.ceil(Math.max(moment, this.#now));
    const timer: Timer = { ringsAt, order: ++this.#order, ring, at: -1 };
    this.#timers.push(timer);
    return () => this.#timers.remove(timer);
  }

  /** Rings the next timer, at its time or now where that has passed. False when nothing waits. */
  advance(): boolean {
    const next = this.#timers.first;
    if (next === undefined) return false;
    this.#timers.remove(next);
    this.#now = Math.max(this.#now, next.ringsAt);
    next.ring();
    return true;
  }

  /** The machine slept, or its clock was set, back as well: time has passed and no timer rang meanwhile. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /**
   * Lets time pass until `isOver`, asked after each ring. False: nothing waits for time any more, or only for moments
   * after `until`, and it is not over.
   */
  async run(isOver: () => boolean, until = Number.POSITIVE_INFINITY): Promise<boolean> {
    await heard();
    while (!isOver()) {
      const next = this.#timers.first;
      if (next === undefined || next.ringsAt > until) return false;
      this.advance();
      await heard();
    }
    return true;
  }
}

/** The bound of `Clock.sleep`. */
const sleepMsMax = 2 ** 31 - 1;

function isBefore(left: Timer, right: Timer): boolean {
  return left.ringsAt < right.ringsAt || (left.ringsAt === right.ringsAt && left.order < right.order);
}

/** All promises that are settled have been heard. */
function heard(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
