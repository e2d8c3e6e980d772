/**
 * Words that controls put into code, other ones in every process and of the everyday kind: code that lets only a control's
 * own failures through would otherwise need no more than their text.
 */
import { randomInt } from "node:crypto";

const nouns =
  "apple bottle bridge button candle carpet chimney copper corner cotton curtain drawer engine feather fiddle forest garden gravel hammer harbour kettle ladder lantern lemon letter marble meadow mirror needle orchard paper pencil pepper pillow pocket ribbon river saddle shovel silver spoon thimble ticket valley window winter".split(
    " ",
  );

function noun(): string {
  return nouns[randomInt(nouns.length)] ?? "apple";
}

/** So many everyday words, 1 or more, with spaces between. */
export function everydayWords(count: number): string {
  return Array.from({ length: count }, noun).join(" ");
}

/** A whole number of four to six digits. */
export function everydayNumber(): number {
  return randomInt(1_000, 1_000_000);
}
