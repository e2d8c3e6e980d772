import { createReadStream } from "node:fs";
import { UsageError } from "../house.ts";

const bytesMax = 1_048_576;

/** A text file the user named, at most 1 MiB of UTF-8; "-" is standard input. UsageError for anything else; rejects with `signal.reason`. */
export async function readText(path: string, signal: AbortSignal): Promise<string> {
  const source = path === "-" ? process.stdin : createReadStream(path);
  const stop = () => source.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return textOf(await bytesOf(source, path), path);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot read ${path}: ${whyNot(error as NodeJS.ErrnoException)}`);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function bytesOf(source: AsyncIterable<Uint8Array>, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of source) {
    size += part.length;
    if (size > bytesMax)
      throw new UsageError(
        `${path} is larger than 1 MiB: a goal is a page, not a book; name the files in it`,
      );
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // The one message below fits both.
  }
  throw new UsageError(`${path} is not text in UTF-8: give the goal as plain text or Markdown`);
}

function whyNot({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder; name a file in it";
  if (code === "EACCES") return "you may not read it; check its owner and mode";
  return code ?? message;
}
