/** A process that can die: whatever it waits for never comes, whatever it does is not done. */
import { AssertionError } from "../../src/kit/assert.ts";

/** Steps one life may take; beyond is a loop that no clock will end. */
const stepsMax = 200_000;

export class Life {
  isOver = false;
  #steps = 0;
  readonly #onStep: (life: Life) => void;

  /** `onStep` hears of every call of the process to the world outside, before it happens and after. */
  constructor(onStep: (life: Life) => void) {
    this.#onStep = onStep;
  }

  end(): void {
    this.isOver = true;
  }

  /** False when the process dies here. */
  step(): boolean {
    if (this.isOver) return false;
    if (++this.#steps > stepsMax) {
      this.end();
      this.isSpinning = true;
      return false;
    }
    this.#onStep(this);
    return !this.isOver;
  }

  isSpinning = false;
}

const never = new Promise<never>(() => {});

/**
 * The same thing, used by a process: each call that gives a promise can be the last, before or after it did its work.
 * Bugs pass through; a property that is an object is mortal too.
 */
export function mortal<Thing extends object>(thing: Thing, life: Life): Thing {
  return new Proxy(thing, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value === "function") return (...words: unknown[]) => live(value.bind(target), words, life);
      if (typeof value === "object" && value !== null && !(value instanceof Uint8Array))
        return mortal(value, life);
      return value;
    },
  });
}

function live(act: (...words: unknown[]) => unknown, words: unknown[], life: Life): unknown {
  if (life.isOver) return never;
  const result = life.step() ? act(...words) : never;
  if (!(result instanceof Promise)) return result;
  return result.then(
    (value) => (life.step() ? value : never),
    (error: unknown) => {
      if (error instanceof AssertionError || life.step()) throw error;
      return never;
    },
  );
}
