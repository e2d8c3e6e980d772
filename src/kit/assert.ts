/** A broken assertion is a bug in Rigs, never a fault of input: input is checked where it enters, with its own message. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError when the fact does not hold. `fact` is the sentence that should have been true. */
export function assert(holds: boolean, fact: string): asserts holds {
  if (!holds) throw new AssertionError(`not so: ${fact}`);
}

/** Closes a switch: a case that is added and not handled stops the build. */
export function unreachable(value: never): never {
  throw new AssertionError(`not so: every case is handled (got ${JSON.stringify(value)})`);
}

/** The value, or a bug: for places where absence would mean a broken invariant. */
export function present<Value>(value: Value | undefined | null, fact: string): Value {
  assert(value !== undefined && value !== null, fact);
  return value;
}
