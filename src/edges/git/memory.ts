/** Answers about commits, kept: a commit never changes, so neither does what it holds or how it differs from another. */
export interface Memory<Value> {
  /** The kept answer, or a new one. Those who ask while it is made wait for the same; a rejection is not kept. */
  get(key: string, make: () => Promise<Value>): Promise<Value>;
  /** The answer that is kept or being made; undefined when there is none. */
  peek(key: string): Promise<Value> | undefined;
}

/** Keeps the newest answers, as many as weigh `weightMax` together; each weighs at least 1. */
export function openMemory<Value>(weigh: (value: Value) => number, weightMax: number): Memory<Value> {
  const kept = new Map<string, Promise<Value>>();
  const weights = new Map<string, number>();
  let weight = 0;
  const forget = (key: string) => {
    kept.delete(key);
    weight -= weights.get(key) ?? 0;
    weights.delete(key);
  };
  return {
    peek: (key) => kept.get(key),
    get(key, make) {
      const known = kept.get(key);
      if (known !== undefined) {
        // Asked for again: it becomes the newest.
        kept.delete(key);
        kept.set(key, known);
        return known;
      }
      const making = make();
      kept.set(key, making);
      making.then(
        (value) => {
          weights.set(key, weigh(value));
          weight += weigh(value);
          for (const oldest of kept.keys()) {
            if (weight <= weightMax) break;
            if (weights.has(oldest)) forget(oldest);
          }
        },
        () => kept.delete(key),
      );
      return making;
    },
  };
}
