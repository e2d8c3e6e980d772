import type { Readable } from "node:stream";
import { headAndTail, printable } from "../../kit/bounded.ts";

/** What is kept of a stream: its first and last bytes. The middle of a flood is of no use to anybody. */
const keptBytesMax = 64 * 1024;
const charactersMax = 16_000;

/** Standard output or error of a run, counted whole and kept in part. */
export interface Catch {
  /** All bytes that ever came. */
  bytes(): number;
  /** Head and tail, control characters made visible, at most 16,000 characters. */
  text(): string;
}

/** Reads `stream` to its end; `onBytes` is told how many came, each time some come. */
export function catchOutput(stream: Readable, onBytes: (count: number) => void): Catch {
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    onBytes(chunk.length);
    const room = keptBytesMax - headBytes;
    if (room > 0) {
      head.push(chunk.subarray(0, room));
      headBytes += Math.min(room, chunk.length);
    }
    if (chunk.length <= room) return;
    const rest = chunk.subarray(Math.max(0, room));
    tail.push(rest);
    tailBytes += rest.length;
    if (tailBytes > 2 * keptBytesMax) {
      tail = [Buffer.from(Buffer.concat(tail).subarray(-keptBytesMax))];
      tailBytes = keptBytesMax;
    }
  });
  stream.on("error", () => {});
  return {
    bytes: () => bytes,
    text: () => {
      const end = Buffer.concat(tail).subarray(-keptBytesMax);
      const lost = bytes - headBytes - end.length;
      const mark = lost > 0 ? `\n[… ${lost} bytes cut …]\n` : "";
      const whole = Buffer.concat(head).toString() + mark + end.toString();
      return headAndTail(printable(whole), charactersMax);
    },
  };
}
