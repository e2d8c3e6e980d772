/** How wide text is on a terminal, and how it is made to fit: cut to one line, or wrapped at blanks. */

/** East Asian wide characters and emoji take two columns; combining marks and invisible formats take none. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const nothing = /\p{Mark}|\p{Cf}/u;

function columnsOf(character: string): number {
  if (character >= " " && character <= "~") return 1;
  if (nothing.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** Columns of a text without line feeds and escape sequences. */
export function widthOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** The text, or its beginning and "…", in at most `columnsMax` columns (1 or more; Infinity changes nothing). */
export function cut(text: string, columnsMax: number): string {
  if (widthOf(text) <= columnsMax) return text;
  return `${headOf(text, columnsMax - 1)}…`;
}

/**
 * Lines of at most `columnsMax` columns (20 or more), parted at blanks; from the second on indented by two more than
 * the first. A word that is too long is broken.
 */
export function wrap(text: string, columnsMax: number): readonly string[] {
  if (widthOf(text) <= columnsMax) return [text];
  const [lead = ""] = /^ {0,8}/.exec(text) ?? [];
  const lines: string[] = [];
  let line = "";
  const indent = () => (lines.length === 0 ? lead : `${lead}  `);
  for (const word of text.slice(lead.length).split(" ")) {
    const joined = line === "" ? `${indent()}${word}` : `${line} ${word}`;
    if (widthOf(joined) <= columnsMax) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    line = `${indent()}${word}`;
    while (widthOf(line) > columnsMax) {
      const head = headOf(line, columnsMax);
      lines.push(head);
      line = `${indent()}${line.slice(head.length)}`;
    }
  }
  return [...lines, line];
}

function headOf(text: string, columnsMax: number): string {
  let columns = 0;
  let head = "";
  for (const character of text) {
    columns += columnsOf(character);
    if (columns > columnsMax) break;
    head += character;
  }
  return head;
}
