import { assert } from "./assert.ts";

/** Text kept within a bound as head and tail, for output whose length is somebody else's choice. */
export function headAndTail(text: string, charactersMax: number): string {
  assert(charactersMax >= 64, "a bound below 64 characters cannot hold the mark that says what was cut");
  if (text.length <= charactersMax) return text;
  const mark = `\n[… ${text.length - charactersMax} characters cut …]\n`;
  const half = Math.floor((charactersMax - mark.length) / 2);
  return text.slice(0, half) + mark + text.slice(text.length - half);
}

/** Control characters other than tab and line feed are made visible: nothing a model or its program wrote may drive a terminal. */
export function printable(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .replace(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
}
