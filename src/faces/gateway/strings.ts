/** Where the texts of an event stand, in the bytes as they came. */

/** `at`: where its words begin in the event, as JSON writes them. `channel` is where it stands in the event's value. */
export interface Said {
  channel(): string;
  /** The field's own name. */
  readonly field: string;
  readonly at: number;
  readonly text: string;
}

/** An object or a list; `index`: what it says of its own place ("index": 2), which counts and not where it stands. */
interface Frame {
  readonly parent: Frame | undefined;
  readonly isList: boolean;
  readonly name: string;
  field: string;
  place: number;
  index: string | undefined;
}

/**
 * All strings that are values, in their order. Every character is looked at once; what is no JSON gives what looks like it.
 * A channel goes on in later events: parts of calls of tools are told apart by their index, wherever in a list they stand.
 */
export function stringsIn(raw: string): readonly Said[] {
  const found: Said[] = [];
  let frame: Frame | undefined;
  let isName = false;
  const open = (isList: boolean) => {
    const name = frame === undefined ? "" : frame.isList ? String(frame.place) : frame.field;
    frame = { parent: frame, isList, name, field: "", place: 0, index: undefined };
    isName = !isList;
  };
  for (let at = Math.max(0, raw.indexOf("{")); at < raw.length; at++) {
    const letter = raw.charAt(at);
    if (letter === "{" || letter === "[") open(letter === "[");
    if (frame === undefined) continue;
    if (letter === "}" || letter === "]") frame = frame.parent;
    else if (letter === ",") {
      frame.place += 1;
      isName = !frame.isList;
    } else if (letter === ":") isName = false;
    else if (letter === "\n") at = behindName(raw, at);
    else if (letter === '"') {
      const end = endOf(raw, at + 1);
      const text = raw.slice(at + 1, end);
      if (isName) frame.field = text;
      else found.push(saidIn(frame, at + 1, text));
      at = end;
    } else if (frame.field === "index" && !frame.isList && letter >= "0" && letter <= "9")
      frame.index = (frame.index ?? "") + letter;
  }
  return found;
}

/** What an object says of its own place may come behind its words: the channel is asked for when all is read. */
function saidIn(frame: Frame, at: number, text: string): Said {
  const field = frame.isList ? String(frame.place) : frame.field;
  return { field, at, text, channel: () => `${channelOf(frame)}.${field}` };
}

/** Data may go on in a line of its own, behind a name that is none of JSON's. */
function behindName(raw: string, at: number): number {
  return raw.startsWith("data:", at + 1) ? at + 5 : at;
}

/** The quote that ends a string; the end, where none does. */
function endOf(raw: string, from: number): number {
  for (let end = raw.indexOf('"', from); end >= 0; end = raw.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (raw.charAt(end - 1 - backslashes) === "\\" && end - backslashes > from) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return raw.length;
}

function channelOf({ parent, name, index }: Frame): string {
  const own = index === undefined ? name : `#${index}`;
  return parent === undefined ? own : `${channelOf(parent)}.${own}`;
}
