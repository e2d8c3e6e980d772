import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { readConfig } from "../edges/config/read.ts";
import { describeInterpreters, findInterpreters, systemFolders } from "../edges/environments/interpreters.ts";
import { openJail } from "../edges/jails/selftest.ts";
import { openReader, storeFile } from "../edges/store/sqlite.ts";
import { addAdvice, type Finding, UsageError } from "../faces/house.ts";
import { type Reader, StoreError } from "../ports/store.ts";
import { requireHome } from "./home.ts";
import type { Inside } from "./inside.ts";
import { markWorkRoot, orphansBeside, sweepIn } from "./places.ts";
import { providerLines } from "./providers.ts";

/** Looks at everything a goal needs, in the order in which a goal would meet it. */
export async function examine(ask: { readonly deep: boolean }, inside: Inside): Promise<readonly Finding[]> {
  const home = await disk(inside);
  return [
    finding("node", "good", process.version),
    await git(),
    home,
    // As an ordinary user the jail works below the home.
    ...(home.state === "good" ? await jail(inside) : []),
    ...orphans(inside),
    ...(await configuration(inside)),
    ...(await store(inside, ask.deep)),
  ];
}

function finding(name: string, state: Finding["state"], text: string, remedy = ""): Finding {
  return { name, state, text, remedy };
}

async function git(): Promise<Finding> {
  const version = await new Promise<string | undefined>((done) => {
    execFile("git", ["--version"], { timeout: 10_000 }, (error, text) =>
      done(error === null ? text.trim().replace(/^git version /, "") : undefined),
    );
  });
  if (version !== undefined) return finding("git", "good", version);
  return finding("git", "bad", "not found on PATH", "apt-get install git");
}

async function jail({ places, variables }: Inside): Promise<readonly Finding[]> {
  const opened = await openJail({ workRoot: places.workRoot });
  if (opened.kind === "refused") return [finding("jail", "bad", opened.why, opened.remedy)];
  const limits =
    opened.level === "rlimits" ? "limits by process only (no control groups)" : `limits by ${opened.level}`;
  markWorkRoot(places);
  const root = join(places.workRoot, "environments");
  await mkdir(root, { recursive: true, mode: 0o711 });
  const found = await findInterpreters({
    root,
    path: variables.PATH ?? "",
    ownNode: process.execPath,
    systemFolders,
  });
  return [
    finding("jail", "good", `bubblewrap, self-test passed, ${limits}`),
    ...describeInterpreters(found).map((text) =>
      finding("in the jail", / none;/.test(text) ? "note" : "good", text),
    ),
  ];
}

/** Folders counted in one finding; whoever has more looks again. */
const orphansMax = 1_000;

/** What homes that were deleted have left where root's jails work. */
function orphans({ places }: Inside): readonly Finding[] {
  const found = orphansBeside(places, orphansMax);
  if (found.length === 0) return [];
  const count = `${found.length}${found.length === orphansMax ? " or more" : ""}`;
  const top = dirname(places.workRoot);
  const text = `${count} in ${top} can go, such as ${found[0]}: the homes they name do not exist any more`;
  return [finding("work folders", "note", text, sweepIn(top))];
}

/** The store waits for the disk at every step, so its flush time is worth knowing. */
async function disk({ places }: Inside): Promise<Finding> {
  const path = join(places.home, ".flush");
  try {
    requireHome(places.home);
    await using file = await open(path, "w", 0o600);
    const spans: number[] = [];
    for (let round = 0; round < 20; round++) {
      await file.write("x");
      const from = performance.now();
      await file.datasync();
      spans.push(performance.now() - from);
    }
    spans.sort((left, right) => left - right);
    return finding("home", "good", `${places.home}, a flush takes ${(spans[10] ?? 0).toFixed(2)} ms`);
  } catch (error) {
    if (error instanceof UsageError)
      return finding("home", "bad", error.message, "set RIGS_HOME, or give --home DIR");
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return finding("home", "bad", `cannot write in ${places.home} (${code})`, "free some disk space");
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

async function configuration(inside: Inside): Promise<readonly Finding[]> {
  const { places } = inside;
  const parsed = await readConfig(places.config, new Set());
  if (parsed.kind === "refused")
    return parsed.faults.map((text) =>
      finding("config", "bad", text, text.includes(" cannot be read ") ? "" : `edit ${places.config}`),
    );
  if (!existsSync(places.config))
    return [finding("config", "missing", `there is no ${places.config}`, "rigs init")];
  const lines = await providerLines(inside);
  const isAnyUsable = lines.some((line) => line.state === "usable");
  return [
    finding("config", "good", places.config),
    ...parsed.config.warnings.map((text) => finding("config", "note", text)),
    ...lines.map((line) =>
      line.state === "usable"
        ? finding(`provider ${line.name}`, "good", `${line.kind} ${line.model}`)
        : finding(`provider ${line.name}`, isAnyUsable ? "note" : "missing", line.why),
    ),
    ...(lines.length > 0 ? [] : [finding("provider", "missing", "none is configured", addAdvice)]),
  ];
}

/** Opens as a reader would; `deep` also walks the whole log. */
async function store({ places }: Inside, deep: boolean): Promise<readonly Finding[]> {
  const file = storeFile(places.home);
  if (!existsSync(file)) return [finding("store", "good", "no goal yet")];
  try {
    await using reader = closing(await openReader(places.home));
    const { goals, sequence } = await reader.view.totals();
    const count = goals.open + goals.ended;
    const found = `${count} goal${count === 1 ? "" : "s"}, ${sequence} events`;
    if (!deep) return [finding("store", "good", found)];
    const faults = await reader.audit();
    if (faults.length > 0)
      return faults.map((text) => finding("store", "bad", text, `keep a copy of ${file}`));
    return [finding("store", "good", `${found}; the chain holds and every state follows from it`)];
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return [finding("store", "bad", error.message)];
  }
}

function closing(reader: Reader): Reader & AsyncDisposable {
  return { ...reader, [Symbol.asyncDispose]: () => reader.close() };
}
