import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GateRun } from "../../domain/gate.ts";
import { withheldIn } from "../../domain/secrets.ts";
import type { Results } from "../../ports/gates.ts";
import { parseRun } from "./wire.ts";

/** Results kept; the oldest go first. */
const resultsMax = 500;

/** One file a result, named by the hash of what it depends on, in a folder that only this user may enter. */
export function openResults(folder: string): Results {
  const pathOf = (key: readonly string[]) =>
    join(folder, `${createHash("sha256").update(JSON.stringify(key)).digest("hex")}.json`);
  return {
    get: async (key) => {
      try {
        return parseRun(await readFile(pathOf(key), "utf8"));
      } catch {
        return undefined;
      }
    },
    put: async (key, run) => {
      await writeWhole(folder, pathOf(key), run);
      await prune(folder);
    },
  };
}

async function writeWhole(folder: string, path: string, run: GateRun): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const fresh = join(folder, `.${randomUUID()}`);
  try {
    await using file = await open(fresh, "wx", 0o600);
    await file.writeFile(JSON.stringify(run));
    await file.sync();
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

/**
 * Takes secrets out of results: the verifier that wrote them knows no key. Each is looked at once, and again when there are
 * more secrets; one that cannot be read goes. Never rejects.
 */
export function openCleansing(folder: string, secrets: () => readonly string[]): () => Promise<void> {
  const looked = new Set<string>();
  const look = async (name: string) => {
    const path = join(folder, name);
    const key = `${name} ${(await stat(path)).mtimeMs} ${secrets().length}`;
    if (looked.has(key)) return;
    const run = parseRun(await readFile(path, "utf8"));
    const shown = withheldIn(run, secrets());
    if (shown === undefined) await rm(path, { force: true });
    else if (shown !== run) await writeWhole(folder, path, shown);
    looked.add(key);
  };
  return async () => {
    if (secrets().length === 0) return;
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json"));
    // One that went meanwhile holds nothing.
    for (const name of names) await look(name).catch(() => rm(join(folder, name), { force: true }));
  };
}

async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
  if (names.length <= resultsMax) return;
  const aged = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })),
  );
  const oldest = aged.sort((left, right) => left.at - right.at).slice(0, names.length - resultsMax);
  for (const { name } of oldest) await rm(join(folder, name), { force: true });
}
