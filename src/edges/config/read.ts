import { open } from "node:fs/promises";
import { type Ground, type ParsedConfig, parseConfig } from "./parse.ts";

/** Reads and parses the file; a missing one gives the defaults. A file others may write is used, with a warning. */
export async function readConfig(path: string, installed: Ground["installed"]): Promise<ParsedConfig> {
  const ground = { place: path, installed };
  try {
    await using file = await open(path, "r");
    const { mode } = await file.stat();
    const parsed = parseConfig(await file.readFile("utf8"), ground);
    if (parsed.kind === "refused" || (mode & 0o022) === 0) return parsed;
    const warning = `${path} can be written by others, who could send keys elsewhere; chmod 600 ${path}`;
    return { ...parsed, config: { ...parsed.config, warnings: [warning, ...parsed.config.warnings] } };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return parseConfig("", ground);
    if (code === undefined) throw error;
    return { kind: "refused", faults: [`${path} cannot be read (${code}); check its owner and mode`] };
  }
}
