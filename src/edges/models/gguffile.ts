/** What can be said of a local model before anything is loaded. */
import { open, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Where the package is installed, and the version of it that is wanted: seen from `src/` as from `dist/`. */
const folder = new URL("../../../llama/", import.meta.url);

/** Why a file can be no model here, in one line; undefined where nothing speaks against it. */
export async function whyNotFile(path: string): Promise<string | undefined> {
  return (await whyNotInstalled()) ?? (await whyNotModel(path));
}

/** One line with what to do, or undefined. */
export async function whyNotInstalled(): Promise<string | undefined> {
  const wanted = (await jsonAt("package.json"))?.dependencies?.["node-llama-cpp"];
  const found = (await jsonAt("node_modules/node-llama-cpp/package.json"))?.version;
  if (found !== undefined && found === wanted) return undefined;
  const how = found === undefined ? "is not installed" : `is installed as ${found}`;
  return `local models need node-llama-cpp ${wanted ?? ""}, which ${how}: npm ci --ignore-scripts --prefix ${fileURLToPath(folder)}`;
}

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Undefined where it is missing or torn: both are mended by installing it. */
async function jsonAt(path: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(new URL(path, folder), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}

async function whyNotModel(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const isModel = bytesRead === 4 && buffer.toString("latin1") === "GGUF";
    return isModel ? undefined : `${path} is no GGUF file`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return `the model file ${path} cannot be read (${code})`;
  }
}
