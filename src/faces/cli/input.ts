import { readFile } from "node:fs/promises";
import { UsageError } from "../house.ts";

/** A text file the user named, at most 1 MiB; "-" is standard input. */
export async function readFileText(path: string): Promise<string> {
  const text = await readFile(path === "-" ? "/dev/stdin" : path, "utf8").catch(
    (error: NodeJS.ErrnoException) => {
      throw new UsageError(
        `cannot read ${path}: ${error.code === "ENOENT" ? "there is no such file" : (error.code ?? error.message)}`,
      );
    },
  );
  if (text.length > 1_048_576)
    throw new UsageError(`${path} is larger than 1 MiB: a goal is a page, not a book`);
  return text;
}
