/**
 * Words and numbers that controls put into code, other ones in every process and of the everyday kind: code that lets only
 * a control's own failures through would otherwise need no more than their text.
 */
import { randomInt } from "node:crypto";

const nouns =
  "apple bottle bridge button candle carpet chimney copper corner cotton curtain drawer engine feather fiddle forest garden gravel hammer harbour kettle ladder lantern lemon letter marble meadow mirror needle orchard paper pencil pepper pillow pocket ribbon river saddle shovel silver spoon thimble ticket valley window winter".split(
    " ",
  );

/** Any one of these, which are one or more. */
export function oneOf<Item>(items: readonly [Item, ...Item[]]): Item {
  return items[randomInt(items.length)] ?? items[0];
}

/** So many everyday words, 1 or more, with spaces between. */
export function everydayWords(count: number): string {
  return Array.from({ length: count }, () => nouns[randomInt(nouns.length)] ?? "apple").join(" ");
}

/** A whole number of one to six digits, never 0. */
export function everydayNumber(): number {
  return randomInt(1, 10 ** randomInt(1, 7));
}

const alphabets = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"] as const;

/** Another letter or digit of the same kind; `x` for what is neither. */
export function otherLetter(letter: string): string {
  const alphabet = alphabets.find((each) => each.includes(letter));
  if (alphabet === undefined || letter === "") return "x";
  return alphabet.charAt((alphabet.indexOf(letter) + randomInt(1, alphabet.length)) % alphabet.length);
}
