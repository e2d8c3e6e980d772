/**
 * The step of an installation that has network: npm or pip, told about the registries by files that hold the
 * credentials too. They lie in a folder of their own that is gone when the step has ended, however it ended.
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { printable } from "../../kit/bounded.ts";
import type { Bind, Jail, Job, Limits } from "../../ports/jail.ts";
import { type Failure, failureOf } from "./failure.ts";
import { remove } from "./folder.ts";
import { type Interpreters, visible } from "./interpreters.ts";
import type { Registries } from "./registries.ts";

export interface Workshop {
  readonly jail: Jail;
  readonly interpreters: Interpreters;
  /** Asked at most once an installation, and only when something has to be fetched. */
  readonly registries: () => Promise<Registries>;
  readonly limits: Limits;
}

export interface Fetch extends Pick<Job, "command" | "cwd" | "binds" | "variables"> {
  /** As people know it. */
  readonly name: "npm ci" | "pip download";
  /** Texts by file name: the package manager's own configuration, found below `registryInside`. Secret. */
  readonly configuration: Readonly<Record<string, string>>;
  /** The user's own authorities, a path of the host, and the variable that names the copy of them. */
  readonly certificates: { readonly path: string | undefined; readonly variable: string };
  /** All it may reach, as the jail's allow-list writes them. */
  readonly hosts: readonly string[];
  /** Takes every credential out of a text. */
  conceal(text: string): string;
}

/** Where the configuration lies inside. */
export const registryInside = "/registry";
export const systemPath = "/usr/local/bin:/usr/bin:/bin";

/** Runs the step; `passing` is the folder for what is not kept. Rejects as `jail.run` does. */
export async function fetchOnce(
  step: Fetch,
  passing: string,
  shop: Workshop,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { name, command, cwd, configuration, certificates, hosts } = step;
  const host = join(passing, "registry");
  await mkdir(host, { mode: 0o700 });
  try {
    for (const [file, text] of Object.entries(configuration))
      await writeFile(join(host, file), text, { mode: 0o600 });
    const isThere = await copied(certificates.path, join(host, "certificates.pem"));
    await shop.jail.adopt(host);
    const named = isThere ? { [certificates.variable]: `${registryInside}/certificates.pem` } : {};
    const registry: Bind = { host, inside: registryInside, access: "read" };
    const run = await shop.jail.run(
      jobOf(shop, {
        ...{ command, cwd, network: { kind: "allow-list", hosts } },
        binds: [...step.binds, registry],
        variables: { ...step.variables, ...named },
      }),
      signal,
    );
    return concealed(failureOf(name, run, hosts), step.conceal);
  } finally {
    await remove(host);
  }
}

/** A path that leads nowhere is ignored, as Node and OpenSSL ignore it. */
async function copied(from: string | undefined, to: string): Promise<boolean> {
  if (from === undefined) return false;
  return await copyFile(from, to).then(
    () => true,
    () => false,
  );
}

type Step = Pick<Job, "command" | "cwd" | "binds" | "variables" | "network">;

/** A step as a job that also sees the interpreters. */
export function jobOf({ interpreters, limits }: Workshop, step: Step): Job {
  const { binds, path, variables } = visible(interpreters);
  return {
    ...step,
    binds: [...step.binds, ...binds],
    variables: { ...variables, ...step.variables, PATH: [...path, systemPath].join(":") },
    scratch: [],
    limits,
  };
}

/** Neither a credential nor a control character reaches people. */
export function concealed(
  failure: Failure | undefined,
  conceal: (text: string) => string,
): Failure | undefined {
  return failure && { why: printable(conceal(failure.why)), log: conceal(failure.log) };
}
