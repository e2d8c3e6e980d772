import { styleText } from "node:util";
import type { Sentence, Tone } from "./sentences.ts";

const styles: Readonly<Record<Tone, Parameters<typeof styleText>[0] | undefined>> = {
  plain: undefined,
  good: "green",
  bad: "red",
  warn: "yellow",
  dim: "dim",
};

/** Colour is never the only sign: the words say it too. */
export function paint(sentence: Sentence, hasColor: boolean): string {
  const style = styles[sentence.tone];
  return hasColor && style !== undefined
    ? styleText(style, sentence.text, { validateStream: false })
    : sentence.text;
}
