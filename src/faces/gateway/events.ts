/** Server-sent events out of bytes as they come, whole events only. */
import { StringDecoder } from "node:string_decoder";

/** `raw` is the event as it came, with its end; `data` is undefined for a comment or an empty line. */
export interface ServerEvent {
  readonly raw: string;
  readonly data: string | undefined;
}

/** One event, in UTF-16 units; what is longer is no stream of words. */
const eventMax = 16 * 1_048_576;

/** Throws Error for an event beyond any bound. */
export function eventReader(): {
  push(bytes: Buffer): readonly ServerEvent[];
  /** The event that no empty line ended, where the stream is over. */
  end(): readonly ServerEvent[];
} {
  const decoder = new StringDecoder("utf8");
  let tail = "";
  return {
    push(bytes) {
      const text = tail + decoder.write(bytes);
      const found: ServerEvent[] = [];
      let from = 0;
      for (let end = endOf(text, from); end > 0; end = endOf(text, from)) {
        const raw = text.slice(from, end);
        found.push({ raw, data: dataOf(raw) });
        from = end;
      }
      tail = from === 0 ? text : text.slice(from);
      if (tail.length > eventMax) throw new Error("an event is longer than any answer");
      return found;
    },
    end() {
      const raw = tail + decoder.end();
      tail = "";
      return raw.trim() === "" ? [] : [{ raw: `${raw}\n\n`, data: dataOf(raw) }];
    },
  };
}

/** Lines end in LF, CR LF or CR alone. */
const lineEnd = /\r\n|\n|\r/;
const emptyLine = /\n\r?\n|\r\r/g;

/** Behind the empty line that ends the event; 0: it has not come. */
function endOf(text: string, from: number): number {
  if (!text.includes("\r")) {
    const plain = text.indexOf("\n\n", from);
    return plain < 0 ? 0 : plain + 2;
  }
  emptyLine.lastIndex = from;
  return emptyLine.test(text) ? emptyLine.lastIndex : 0;
}

function dataOf(raw: string): string | undefined {
  // Nearly every event is one line of data, or one behind its name.
  const lines = raw.split(raw.includes("\r") ? lineEnd : "\n");
  let data: string | undefined;
  for (const line of lines) {
    if (!line.startsWith("data:")) continue;
    const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5);
    data = data === undefined ? value : `${data}\n${value}`;
  }
  return data;
}
