import { styleText } from "node:util";
import type { Side, Terminal } from "../house.ts";
import type { Sentence, Tone } from "./sentences.ts";
import { wrap } from "./width.ts";

const styles: Readonly<Record<Tone, Parameters<typeof styleText>[0] | undefined>> = {
  plain: undefined,
  good: "green",
  bad: "red",
  warn: "yellow",
  dim: "dim",
};

/** Colour is never the only sign: the words say it too. */
export function paint(text: string, tone: Tone, hasColor: boolean): string {
  const style = styles[tone];
  return hasColor && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}

/** Says a sentence on one side: one line in a pipe, wrapped at blanks on a terminal. */
export function say(terminal: Terminal, side: Side, { tone, text }: Sentence): void {
  for (const line of wrap(text, Math.max(20, terminal.columns(side))))
    terminal[side](paint(line, tone, terminal.hasColor(side)));
}
