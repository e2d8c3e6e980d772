/** A stream of events on its way to a caller. */
import type { ServerResponse } from "node:http";
import { bytesOf } from "./events.ts";

/**
 * Each piece goes out in one write. Node's own chunks of HTTP are four pieces each, and gathering them for the system costs
 * as much as all the rest that a gateway does for a few words; so the frames of chunks (RFC 9112, 7.1) are put around them here.
 */
export class EventStream {
  readonly #reply: ServerResponse;
  #isOpen = false;
  #isChunked = false;

  constructor(reply: ServerResponse) {
    this.#reply = reply;
  }

  /** Whether its head has gone out. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(headers: Readonly<Record<string, string>>): void {
    this.#isOpen = true;
    this.#reply.writeHead(200, headers);
    // Callers of HTTP/1.0 have no chunks.
    this.#isChunked = this.#reply.chunkedEncoding;
    this.#reply.chunkedEncoding = false;
  }

  /** Bytes, one character for each. False: the caller's side is full, until `drained`. */
  write(bytes: string): boolean {
    return this.#reply.write(this.#framed(bytes), "latin1");
  }

  writeText(text: string): boolean {
    return this.write(bytesOf(text));
  }

  /** With the last words. */
  end(text = ""): void {
    const last = text === "" ? "" : this.#framed(bytesOf(text));
    this.#reply.end(this.#isChunked ? `${last}0\r\n\r\n` : last, "latin1");
  }

  drained(goOn: () => void): void {
    this.#reply.once("drain", goOn);
  }

  #framed(bytes: string): string {
    return this.#isChunked ? `${bytes.length.toString(16)}\r\n${bytes}\r\n` : bytes;
  }
}
