/**
 * Time that passes only when nobody has anything left to do: a heap of timers that is a Clock for us and, while it is
 * installed, `setTimeout`, `setInterval` and `Date.now` for packages that take no clock.
 */
import type { Clock } from "../../src/kit/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  isOff: boolean;
  readonly ring: () => void;
}

const original = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: Date.now,
};

export class VirtualTime implements Clock {
  #now: number;
  #order = 0;
  readonly #heap: Timer[] = [];
  /** CPU time in what timers that were set by `sleep` did at once, when asked for. */
  onRing: ((ring: () => void) => void) | undefined;

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** A timer of the bench's own. Returns what takes it back. */
  at(at: number, ring: () => void): () => void {
    // Clocks tell whole ms.
    const timer: Timer = { at: Math.ceil(Math.max(at, this.#now)), order: ++this.#order, isOff: false, ring };
    this.#push(timer);
    return () => {
      timer.isOff = true;
    };
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => {
        off();
        reject(signal.reason);
      };
      const off = this.at(this.#now + ms, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  /** Rings everything in order until `isOver`, or nothing is left. Between two rings all promises are heard. */
  async run(isOver: () => boolean): Promise<void> {
    await heard();
    while (!isOver()) {
      const timer = this.#pop();
      if (timer === undefined) return;
      if (timer.isOff) continue;
      this.#now = timer.at;
      timer.isOff = true;
      timer.ring();
      await heard();
    }
  }

  /** Puts this time in the place of the process's own until the result is called. */
  install(): () => void {
    const from = Date.now();
    const start = this.#now;
    void from;
    const set = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const off = this.at(this.#now + Math.max(1, ms || 0), () => ring(...args));
      const handle = { off, ref: () => handle, unref: () => handle, hasRef: () => true };
      return handle;
    };
    const every = (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      let off = () => {};
      const next = () => {
        off = this.at(this.#now + Math.max(1, ms), () => {
          next();
          ring(...args);
        });
      };
      next();
      const handle = { off: () => off(), ref: () => handle, unref: () => handle, hasRef: () => true };
      return handle;
    };
    const clear = (handle: { off?: () => void } | undefined) => handle?.off?.();
    Object.assign(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: every,
      clearInterval: clear,
    });
    Date.now = () => this.#now;
    void start;
    return () => {
      const { now, ...timers } = original;
      Object.assign(globalThis, timers);
      Date.now = now;
    };
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Timer;
      if (isBefore(above, timer)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Timer)) child += 1;
      if (isBefore(last, heap[child] as Timer)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}

/** All promises that are settled have been heard. */
function heard(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
