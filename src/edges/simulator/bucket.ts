/** A second client of the same account: it takes this share of every limit, in lumps, as calls do. */
export interface Foreign {
  /** Of each limit, above 0 and below 1. */
  readonly share: number;
  /** It calls this often; 100 ms to a minute. */
  readonly everyMs: number;
}

export interface BucketShape {
  /** 0: nothing is ever let in. */
  readonly perMinute: number;
  readonly burst: number;
  readonly foreign: Foreign | undefined;
}

const minuteMs = 60_000;
/** Sums of fractions: a millionth of a token is no shortage. */
const grain = 1e-6;
/** Of a longer silence only the end is played: what came before is refilled. */
const playedMsMax = 600_000;

/** A provider's own bucket for one limit: refilled without a pause, as large as its burst. Times are ms, amounts requests or tokens. */
export class ServerBucket {
  #shape: BucketShape;
  #level: number;
  #at: number;
  #nextLumpAt: number;

  constructor(shape: BucketShape, now: number) {
    this.#shape = shape;
    this.#level = shape.burst;
    this.#at = now;
    this.#nextLumpAt = now;
  }

  get limit(): number {
    return this.#shape.perMinute;
  }

  /** What it holds; below 0 after what was larger than it or written past it. */
  level(now: number): number {
    this.#advance(now);
    return this.#level;
  }

  /** 0: there is enough now. What is larger than the bucket needs a full one. Infinity: never. */
  waitMs(cost: number, now: number): number {
    const missing = Math.min(cost, this.#shape.burst) - this.level(now);
    if (this.#shape.perMinute === 0) return Number.POSITIVE_INFINITY;
    return missing <= grain ? 0 : (missing * minuteMs) / this.#shape.perMinute;
  }

  take(amount: number, now: number): void {
    this.#level = this.level(now) - amount;
  }

  /** A negative correction takes more. Never fuller than full. */
  give(amount: number, now: number): void {
    this.#level = Math.min(this.#shape.burst, this.level(now) + amount);
  }

  /** Until it is full again, ms; Infinity: never. */
  fullInMs(now: number): number {
    const missing = this.#shape.burst - this.level(now);
    if (missing <= 0) return 0;
    return this.#shape.perMinute === 0
      ? Number.POSITIVE_INFINITY
      : (missing * minuteMs) / this.#shape.perMinute;
  }

  /** Other limits from now on; what it holds stays, as far as it has room. */
  reshape(shape: BucketShape, now: number): void {
    this.#level = Math.min(this.level(now), shape.burst);
    this.#shape = shape;
  }

  #advance(now: number): void {
    // A clock that was set back gives nothing and takes nothing.
    if (now <= this.#at) return;
    if (now - this.#at > playedMsMax) this.#refill(now - playedMsMax);
    const { foreign, perMinute } = this.#shape;
    if (foreign !== undefined) {
      this.#nextLumpAt = Math.max(this.#nextLumpAt, this.#at);
      const lump = (foreign.share * perMinute * foreign.everyMs) / minuteMs;
      for (; this.#nextLumpAt <= now; this.#nextLumpAt += foreign.everyMs) {
        this.#refill(this.#nextLumpAt);
        // It insists until it has its part, but owes no more than one lump.
        this.#level = Math.max(Math.min(this.#level, -lump), this.#level - lump);
      }
    }
    this.#refill(now);
  }

  #refill(to: number): void {
    const { burst, perMinute } = this.#shape;
    this.#level = Math.min(burst, this.#level + ((to - this.#at) * perMinute) / minuteMs);
    this.#at = to;
  }
}
