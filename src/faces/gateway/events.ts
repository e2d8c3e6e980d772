/**
 * Server-sent events out of bytes as they come, whole events only. Bytes are texts with one character for each (latin1):
 * what is passed on goes out as it came in, and only what is looked into is decoded.
 */

/** `raw` is the event as it came, with its end, as bytes; `data` is a text, undefined for a comment or an empty line. */
export interface ServerEvent {
  readonly raw: string;
  readonly data: string | undefined;
}

/** One event, bytes; what is longer is no stream of words. */
const eventMax = 16 * 1_048_576;

/** An event is longer than any answer. */
export class EndlessEvent extends Error {
  override readonly name = "EndlessEvent";
}

export interface EventReader {
  /** Throws EndlessEvent for an event beyond any bound. */
  push(bytes: string): readonly ServerEvent[];
  /** The event that no empty line ended, where the stream is over. */
  end(): readonly ServerEvent[];
  /** Bytes of an event that has not ended yet. */
  readonly held: number;
}

export function eventReader(): EventReader {
  let tail = "";
  return {
    push(bytes) {
      const text = tail + bytes;
      const found: ServerEvent[] = [];
      let from = 0;
      for (let end = endOf(text, from); end > 0; end = endOf(text, from)) {
        const raw = text.slice(from, end);
        found.push({ raw, data: dataOf(raw) });
        from = end;
      }
      tail = from === 0 ? text : text.slice(from);
      if (tail.length > eventMax) throw new EndlessEvent("an event is longer than any answer");
      return found;
    },
    end() {
      const raw = tail;
      tail = "";
      return raw.trim() === "" ? [] : [{ raw: `${raw}\n\n`, data: dataOf(raw) }];
    },
    get held() {
      return tail.length;
    },
  };
}

/** The text that bytes are in UTF-8. */
export function textOf(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

/** The bytes of a text. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
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
  return data === undefined ? undefined : textOf(data);
}
