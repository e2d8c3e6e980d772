/**
 * Which part of the merge queue is tried next, when several proven beads land together: all of them; when they are red
 * together, halves, until the one that breaks is found and given back.
 *
 * 1. Every bead of a line is landed or given back, in the order of the line.
 * 2. `n` beads of which `r` break take at most 1 + r·(1 + ⌈log2 n⌉) proofs: a green half is never proven again, and one
 *    that was red together with what has landed meanwhile is known to break.
 */

/** Beads that land together at most. */
export const batchMax = 8;

export interface Line<Item> {
  /** In the order they land. */
  readonly waiting: readonly Item[];
  /** The shortest beginning of it that was seen red; 0: none was. */
  readonly redTo: number;
}

export type Step =
  | { readonly kind: "over" }
  /** Prove so many of those that wait, as one. */
  | { readonly kind: "try"; readonly count: number }
  /** The first one breaks what stands before it. */
  | { readonly kind: "give-back" };

/** `reach`: how many of the waiting merge one after the other, 1 or more. */
export function nextStep<Item>({ waiting, redTo }: Line<Item>, reach = waiting.length): Step {
  if (waiting.length === 0) return { kind: "over" };
  if (redTo === 1) return { kind: "give-back" };
  return { kind: "try", count: redTo === 0 ? Math.min(reach, waiting.length) : Math.ceil(redTo / 2) };
}

/** The first `count` are green together. */
export function landed<Item>({ waiting, redTo }: Line<Item>, count: number): Line<Item> {
  return { waiting: waiting.slice(count), redTo: Math.max(0, redTo - count) };
}

/** The first `count` are red together. */
export function refuted<Item>({ waiting }: Line<Item>, count: number): Line<Item> {
  return { waiting, redTo: count };
}

/** The first is out. What else was red with it has to be seen again. */
export function givenBack<Item>({ waiting }: Line<Item>): Line<Item> {
  return { waiting: waiting.slice(1), redTo: 0 };
}
