/**
 * Environments of rigs, installed once a key.
 *
 * 1. Two who ask for the same key at the same time share one build; it is stopped when the last of them has gone.
 * 2. Only complete installations are ever found; a failed or killed one is removed, and asked for again it starts anew.
 * 3. What is missing on this machine is said before anything is fetched.
 */
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../kit/assert.ts";
import type { Environment, Environments, Prepared } from "../../ports/environment.ts";
import { environmentOf } from "./environment.ts";
import type { Workshop } from "./fetch.ts";
import { type Assignment, type Installed, install } from "./installation.ts";
import type { Interpreters } from "./interpreters.ts";
import { keyOf } from "./key.ts";
import { namesOf } from "./pip.ts";
import { type Plan, planOf } from "./plan.ts";
import { keptBytesMax, openStorage, type Storage } from "./storage.ts";

export interface EnvironmentsOptions extends Workshop {
  /** Below the jail's work root; made when absent. One process at a time. */
  readonly root: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** `isNew` is false when it had been installed just before. */
type Built = Installed & { readonly isNew: boolean };

interface Build {
  readonly ended: Promise<Built>;
  readonly stop: AbortController;
  waiting: number;
}

type Ask = Parameters<Environments["prepare"]>[0];

/** Throws when the root cannot be made. Left-overs of killed builds are swept before the first answer. */
export function openEnvironments(options: EnvironmentsOptions): Environments {
  mkdirSync(options.root, { recursive: true, mode: 0o711 });
  const root = realpathSync(options.root);
  assert(
    root.startsWith(`${realpathSync(options.jail.workRoot)}/`),
    "environments lie below the jail's work root",
  );
  const storage = openStorage(root, keptBytesMax);
  const builds = new Map<string, Build>();
  let swept: Promise<void> | undefined;

  const prepare = async (ask: Ask, signal: AbortSignal): Promise<Prepared> => {
    signal.throwIfAborted();
    const startedAt = options.now();
    swept ??= storage.sweep();
    await swept;
    const planned = await planOf(ask.repository, ask.commit);
    if (planned.kind === "refused") return { kind: "failed", why: planned.why, log: "" };
    const { plan } = planned;
    const { interpreters } = options;
    const key = keyOf({
      ...{ plan, setup: ask.setup, interpreters: [interpreters.node, interpreters.python] },
      ...{ platform: process.platform, architecture: process.arch },
    });
    const ready = (environment: Environment, installed: boolean): Prepared => ({
      ...{ kind: "ready", environment, installed, wallMs: Math.max(0, options.now() - startedAt) },
      notes: [...countsOf(plan), ...planned.plan.notes, ...notesOnSetup(ask.setup)],
    });
    const of = (found: { readonly modules: readonly string[]; readonly hasEnvironment: boolean }) =>
      environmentOf({ ...found, key, folder: join(root, key) }, interpreters);
    if (plan.npm === undefined && plan.pip === undefined && ask.setup === undefined)
      return ready(of({ modules: [], hasEnvironment: false }), false);
    const found = await storage.find(key);
    if (found !== undefined) return ready(of(found), false);
    const lacking = whatLacks(plan, interpreters);
    if (lacking !== undefined) return { kind: "failed", why: lacking, log: "" };
    const isFirst = !builds.has(key);
    const build = builds.get(key) ?? start(builds, key, storage, { ...options, ...ask, plan });
    const installed = await joined(builds, key, build, signal);
    if (installed.kind === "failed") return { kind: "failed", why: installed.why, log: installed.log };
    return ready(of(installed), isFirst && installed.isNew);
  };
  return { prepare };
}

function start(
  builds: Map<string, Build>,
  key: string,
  storage: Storage,
  work: EnvironmentsOptions & Omit<Assignment, "folder">,
): Build {
  const stop = new AbortController();
  const build: Build = { ended: buildOnce(key, storage, work, stop.signal), stop, waiting: 0 };
  builds.set(key, build);
  const end = () => forget(builds, key, build);
  build.ended.then(end, end);
  return build;
}

async function buildOnce(
  key: string,
  storage: Storage,
  work: EnvironmentsOptions & Omit<Assignment, "folder">,
  signal: AbortSignal,
): Promise<Built> {
  // It may have been completed between the asker's look and this build.
  const found = await storage.find(key);
  if (found !== undefined) return { kind: "installed", ...found, isNew: false };
  const folder = await storage.begin();
  try {
    const installed = await install({ ...work, folder }, work, signal);
    if (installed.kind === "failed") return { ...installed, isNew: true };
    const { modules, hasEnvironment, bytes } = installed;
    await storage.keep(folder, { key, modules: [...modules], hasEnvironment, bytes, builtAt: work.now() });
    await storage.sweep();
    return { ...installed, isNew: true };
  } finally {
    await storage.discard(folder);
  }
}

function forget(builds: Map<string, Build>, key: string, build: Build): void {
  if (builds.get(key) === build) builds.delete(key);
}

/** Waits for the build, or rejects with `signal.reason` at once; the last one to leave stops it, and waits until it has. */
async function joined(
  builds: Map<string, Build>,
  key: string,
  build: Build,
  signal: AbortSignal,
): Promise<Built> {
  build.waiting += 1;
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  try {
    return await Promise.race([build.ended, left.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
    build.waiting -= 1;
    if (build.waiting === 0 && signal.aborted) {
      // Whoever asks from now on starts anew.
      forget(builds, key, build);
      build.stop.abort(signal.reason);
      await build.ended.catch(() => undefined);
    }
  }
}

/** What the machine would have to have first. */
function whatLacks({ npm, pip }: Plan, { node, python }: Interpreters): string | undefined {
  if (npm !== undefined && node.kind === "absent") return `${npm.lockfile} needs Node: ${node.why}`;
  if (npm !== undefined && node.kind !== "absent" && node.packager === undefined)
    return `${npm.lockfile} needs npm, and ${node.command} has none: apt-get install npm`;
  if (pip !== undefined && python.kind === "absent") return `requirements.txt needs Python: ${python.why}`;
  if (pip !== undefined && python.kind !== "absent" && python.packager === undefined)
    return `requirements.txt needs pip, and ${python.command} has none: apt-get install python3-pip`;
  return undefined;
}

function countsOf({ npm, pip }: Plan): readonly string[] {
  const names = pip === undefined ? [] : namesOf(pip);
  const pinned = names.filter((line) => line.includes("==") || line.includes("@")).length;
  const loose = pinned === names.length ? "" : `, ${names.length - pinned} of them without a fixed version`;
  return [
    ...(npm === undefined ? [] : [`npm: ${npm.lock.packages} packages`]),
    ...(pip === undefined ? [] : [`pip: ${names.length} requirements${loose}`]),
  ];
}

function notesOnSetup(setup: string | undefined): readonly string[] {
  if (setup === undefined) return [];
  return [
    "setup: what it makes in /environment and node_modules is kept, other files of the work folder are not",
  ];
}
