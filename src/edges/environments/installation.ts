/**
 * The two steps behind an environment, in a building folder that nobody else sees:
 *
 *   rig/          -> /rig           manifests, and node_modules as npm makes it; kept
 *   environment/  -> /environment   the virtual environment and what setup makes; kept
 *   passing/                        caches, wheels, credentials, a checkout for setup; gone before the folder is kept
 *
 * 1. Fetch has network and runs no package code. Build and setup run package code and have no network.
 * 2. Credentials are files in the fetch jail, gone when it has ended: never a variable, a log or a part of the key.
 * 3. What the jails wrote is never read by the host, but for the kind and size of its entries.
 */
import { realpathSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Commit } from "../../domain/id.ts";
import { type Bind, type Jail, workInside } from "../../ports/jail.ts";
import type { Repository } from "../../ports/repository.ts";
import { cacheFolders, environmentOf } from "./environment.ts";
import { type Failure, failureOf } from "./failure.ts";
import {
  concealed,
  type Fetch,
  fetchOnce,
  jobOf,
  registryInside,
  systemPath,
  type Workshop,
} from "./fetch.ts";
import { isRealFolder, mountPoint, remove, sizeOf } from "./folder.ts";
import { foreignSource, npmCommand, npmrcOf } from "./npm.ts";
import {
  buildCommand,
  downloadCommand,
  foreignIndex,
  namesOf,
  pipConfiguration,
  requirementFiles,
} from "./pip.ts";
import type { NpmPlan, PipPlan, Plan } from "./plan.ts";
import { concealer, npmHosts, pipHosts } from "./registries.ts";

export interface Assignment {
  readonly folder: string;
  readonly plan: Plan;
  readonly repository: Repository;
  readonly commit: Commit;
  readonly setup: string | undefined;
}

export type Installed =
  | {
      readonly kind: "installed";
      readonly modules: readonly string[];
      readonly hasEnvironment: boolean;
      readonly bytes: number;
    }
  | ({ readonly kind: "failed" } & Failure);

/** Installed size, 4 KiB at least for each entry: 2 GiB or about half a million files. */
export const installedBytesMax = 2 * 1024 ** 3;

/** Fills the folder. Rejects only with `signal.reason` when aborted, or for what the host's disk refuses. */
export async function install(work: Assignment, shop: Workshop, signal: AbortSignal): Promise<Installed> {
  const { plan, folder } = work;
  for (const part of ["rig", "environment", "passing"]) await mkdir(join(folder, part), { mode: 0o711 });
  await shop.jail.adopt(join(folder, "environment"));
  const failure =
    (plan.npm && (await installNpm(plan.npm, work, shop, signal))) ??
    (plan.pip && (await installPip(plan.pip, work, shop, signal))) ??
    (work.setup === undefined ? undefined : await runSetup(work.setup, work, shop, signal));
  if (failure !== undefined) return { kind: "failed", ...failure };
  await remove(join(folder, "passing"));
  return await finish(work);
}

async function installNpm(
  plan: NpmPlan,
  { folder }: Assignment,
  shop: Workshop,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const registries = await shop.registries();
  const conceal = concealer(registries);
  const foreign = foreignSource(plan, registries);
  if (foreign !== undefined) return { why: conceal(foreign), log: "" };
  const rig = join(folder, "rig");
  for (const [path, bytes] of plan.files) await put(rig, path, bytes);
  await shop.jail.adopt(rig);
  const cache = await passing(folder, "npm-cache", shop.jail);
  const step: Fetch = {
    name: "npm ci",
    command: npmCommand,
    cwd: workInside,
    binds: [
      { host: rig, inside: workInside, access: "write" },
      { host: cache, inside: "/cache", access: "write" },
    ],
    variables: {
      npm_config_userconfig: `${registryInside}/npmrc`,
      npm_config_globalconfig: `${registryInside}/none`,
      npm_config_update_notifier: "false",
    },
    configuration: { npmrc: npmrcOf(plan, registries) },
    certificates: { path: registries.npm.certificates, variable: "NODE_EXTRA_CA_CERTS" },
    hosts: npmHosts(registries),
    conceal,
  };
  return await fetchOnce(step, join(folder, "passing"), shop, signal);
}

async function installPip(
  plan: PipPlan,
  { folder }: Assignment,
  shop: Workshop,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const registries = await shop.registries();
  const conceal = concealer(registries);
  const foreign = foreignIndex(plan, registries);
  if (foreign !== undefined) return { why: conceal(foreign), log: "" };
  const requirements = await passing(folder, "requirements", shop.jail);
  for (const [name, text] of requirementFiles(plan)) await put(requirements, name, Buffer.from(text));
  await shop.jail.adopt(requirements);
  const wheels = await passing(folder, "wheels", shop.jail);
  const asked: Bind = { host: requirements, inside: "/requirements", access: "read" };
  const { text, binds } = pipConfiguration(plan, registries);
  const step: Fetch = {
    name: "pip download",
    command: downloadCommand,
    cwd: "/wheels",
    binds: [{ host: wheels, inside: "/wheels", access: "write" }, asked, ...binds.flatMap(realBind)],
    variables: { PIP_CONFIG_FILE: `${registryInside}/pip.conf` },
    configuration: { "pip.conf": text },
    certificates: { path: registries.pip.certificates, variable: "PIP_CERT" },
    hosts: pipHosts(registries),
    conceal,
  };
  const isAsked = namesOf(plan).length > 0;
  const failure = isAsked ? await fetchOnce(step, join(folder, "passing"), shop, signal) : undefined;
  if (failure !== undefined) return failure;
  const run = await shop.jail.run(
    jobOf(shop, {
      command: buildCommand,
      cwd: "/environment",
      binds: [
        { host: join(folder, "environment"), inside: "/environment", access: "write" },
        { host: wheels, inside: "/wheels", access: "read" },
        asked,
      ],
      variables: { PIP_CONFIG_FILE: "/dev/null", PIP_CACHE_DIR: "/tmp/pip" },
      network: { kind: "none" },
    }),
    signal,
  );
  return concealed(withRemedy(failureOf("pip install", run, [])), conceal);
}

/** Debian splits these off its python3. */
function withRemedy(failure: Failure | undefined): Failure | undefined {
  if (failure === undefined) return undefined;
  if (/No module named '?(venv|ensurepip)|ensurepip is not\s+available/.test(failure.log))
    return { ...failure, why: "python3 cannot make a virtual environment: apt-get install python3-venv" };
  return failure;
}

/** The user's own command, over a checkout that is thrown away: what it leaves in /environment and node_modules stays. */
async function runSetup(
  setup: string,
  { folder, plan, repository, commit }: Assignment,
  shop: Workshop,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const checkout = join(folder, "passing", "checkout");
  await repository.checkout(commit, checkout);
  const modules = plan.npm?.lock.installed ?? [];
  for (const path of modules) await mkdir(join(checkout, path), { recursive: true });
  await shop.jail.adopt(checkout);
  for (const path of modules) await mkdir(join(folder, "rig", path), { recursive: true });
  await shop.jail.adopt(join(folder, "rig"));
  const kept = environmentOf({ folder, modules, hasEnvironment: true, key: "" }, shop.interpreters);
  const run = await shop.jail.run(
    {
      command: setup,
      cwd: workInside,
      binds: [
        { host: checkout, inside: workInside, access: "write" },
        ...kept.binds.map((bind) => (isOurs(bind, folder) ? { ...bind, access: "write" as const } : bind)),
      ],
      scratch: [],
      variables: { ...kept.variables, PATH: [...kept.path, systemPath].join(":") },
      limits: shop.limits,
      network: { kind: "none" },
    },
    signal,
  );
  const failure = failureOf("setup", run, []);
  return (
    failure && {
      why: `${failure.why} (setup has no network; what it needs is fetched before, from lockfiles)`,
      log: failure.log,
    }
  );
}

function isOurs(bind: Bind, folder: string): boolean {
  return bind.host.startsWith(`${folder}/`);
}

async function finish({ folder, plan, setup }: Assignment): Promise<Installed> {
  const modules = plan.npm?.lock.installed ?? [];
  for (const path of modules) {
    const parts = path.split("/");
    for (let count = 1; count <= parts.length; count++)
      await mountPoint(join(folder, "rig", ...parts.slice(0, count)));
    for (const name of cacheFolders) await mountPoint(join(folder, "rig", path, name));
  }
  if (!(await isRealFolder(join(folder, "environment"))))
    return { kind: "failed", why: "setup replaced /environment", log: "" };
  const bytes = await sizeOf([join(folder, "rig"), join(folder, "environment")], installedBytesMax);
  if (bytes === undefined)
    return { kind: "failed", why: "the installed folders are nested too deep", log: "" };
  if (bytes > installedBytesMax)
    return { kind: "failed", why: "what was installed is above 2 GiB, or half a million files", log: "" };
  return { kind: "installed", modules, hasEnvironment: plan.pip !== undefined || setup !== undefined, bytes };
}

async function passing(folder: string, name: string, jail: Jail): Promise<string> {
  const path = join(folder, "passing", name);
  await mkdir(path, { mode: 0o755 });
  await jail.adopt(path);
  return path;
}

/** The parts of `path` were checked when the lockfile was read: relative, no "..". */
async function put(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), bytes, { flag: "wx", mode: 0o644 });
}

/** A package folder of the host under its real path; one that is not there is left out, as pip does. */
function realBind(bind: Bind): readonly Bind[] {
  try {
    return [{ ...bind, host: realpathSync(bind.host) }];
  } catch {
    return [];
  }
}
