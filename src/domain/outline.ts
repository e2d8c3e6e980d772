/** Code elided by structure: declarations stay, bodies become one line that says how much is gone. No token is ever dropped from a line that stays. */

const declaration =
  /^\s{0,80}(?:@\w|(?:[a-z]{2,9} ){0,5}(?:def|class|function|interface|type|enum|struct|trait|impl|fn|func|module|namespace|package|record|object|protocol)\b|(?:[a-z]{2,9} ){0,4}[\w$#]{1,80}\([^;]{0,300}\)[^;=]{0,120}\{\s{0,10}$)/;

/** Lines kept at the least between two elisions before eliding pays. */
const elidedMin = 3;

/** The text with the bodies of its declarations elided. Much shorter for code; texts without structure keep their first 40 lines. */
export function outline(text: string): string {
  const lines = text.split("\n");
  const isKept = lines.map(
    (line) => line.trim() !== "" && (indentOf(line) === 0 || declaration.test(line.slice(0, 600))),
  );
  if (isKept.every((kept, index) => kept || (lines[index] ?? "").trim() === "")) return flat(lines);
  const shown: string[] = [];
  for (let index = 0; index < lines.length; ) {
    const from = index;
    while (index < lines.length && isKept[index] !== true) index++;
    if (index - from >= elidedMin) shown.push(`${" ".repeat(4)}[${index - from} lines elided]`);
    else shown.push(...lines.slice(from, index));
    if (index < lines.length) shown.push(lines[index++] ?? "");
  }
  return shown.join("\n");
}

function flat(lines: readonly string[]): string {
  return lines.length <= 40
    ? lines.join("\n")
    : `${lines.slice(0, 40).join("\n")}\n[${lines.length - 40} lines elided]`;
}

function indentOf(line: string): number {
  let count = 0;
  while (line[count] === " " || line[count] === "\t") count++;
  return count;
}
