import type { Clock } from "./clock.ts";

interface Timer {
  /** Whole ms. */
  readonly at: number;
  readonly order: number;
  readonly ring: () => void;
  /** Where it stands in the heap; -1: it rang, or was taken back. */
  place: number;
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
  /** A binary heap: the next timer first. */
  readonly #heap: Timer[] = [];

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
    const at = Math.ceil(Math.max(moment, this.#now));
    const timer: Timer = { at, order: ++this.#order, ring, place: this.#heap.length };
    this.#heap.push(timer);
    this.#rise(timer);
    return () => this.#remove(timer);
  }

  /** Rings the next timer, at its time or now where that has passed. False when nothing waits. */
  advance(): boolean {
    const [next] = this.#heap;
    if (next === undefined) return false;
    this.#remove(next);
    this.#now = Math.max(this.#now, next.at);
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
      const [next] = this.#heap;
      if (next === undefined || next.at > until) return false;
      this.advance();
      await heard();
    }
    return true;
  }

  #remove(timer: Timer): void {
    const { place } = timer;
    if (place < 0) return;
    timer.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) return;
    this.#put(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(timer: Timer): void {
    for (;;) {
      const above = this.#heap[(timer.place - 1) >> 1];
      if (above === undefined || !isBefore(timer, above)) return;
      this.#swap(above, timer);
    }
  }

  #sink(timer: Timer): void {
    for (;;) {
      const left = this.#heap[2 * timer.place + 1];
      const right = this.#heap[2 * timer.place + 2];
      const below = right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (below === undefined || !isBefore(below, timer)) return;
      this.#swap(timer, below);
    }
  }

  #swap(above: Timer, below: Timer): void {
    const { place } = above;
    this.#put(above, below.place);
    this.#put(below, place);
  }

  #put(timer: Timer, place: number): void {
    timer.place = place;
    this.#heap[place] = timer;
  }
}

/** The bound of `Clock.sleep`. */
const sleepMsMax = 2 ** 31 - 1;

function isBefore(left: Timer, right: Timer): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}

/** All promises that are settled have been heard. */
function heard(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
