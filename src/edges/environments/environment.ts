import { join } from "node:path";
import type { Environment } from "../../ports/environment.ts";
import { workInside } from "../../ports/jail.ts";
import { type Interpreters, visible } from "./interpreters.ts";

/**
 * Folders in node_modules that tools write to while they run, so that the rest can be read-only: babel and friends,
 * vite's dependencies, vite's bundled configuration (it gives up when it cannot write there), vitest's timings.
 */
export const cacheFolders = [".cache", ".vite", ".vite-temp", ".vitest"] as const;
const cacheBytesMax = 256 * 1024 * 1024;

/**
 * Set in every job.
 * - npm would keep its logs and cache in the home folder, and ask the network for a newer npm.
 * - Python takes compiled code for current when second and size agree: two quick revisions would run the first one's.
 */
const always = {
  npm_config_cache: "/tmp/npm",
  npm_config_update_notifier: "false",
  npm_config_fund: "false",
  npm_config_audit: "false",
  PIP_DISABLE_PIP_VERSION_CHECK: "1",
  PYTHONDONTWRITEBYTECODE: "1",
} as const;

/** What a job gets of an installation in `folder`. All of it is read-only, so a link in it can lead to nothing a job could not reach anyway. */
export function environmentOf(
  installation: {
    readonly folder: string;
    readonly key: string;
    readonly modules: readonly string[];
    readonly hasEnvironment: boolean;
  },
  interpreters: Interpreters,
): Environment {
  const { folder, key, modules, hasEnvironment } = installation;
  const shown = visible(interpreters);
  return {
    key,
    binds: [
      ...shown.binds,
      ...modules.map((path) => ({
        host: join(folder, "rig", path),
        inside: `${workInside}/${path}`,
        access: "read" as const,
      })),
      ...(hasEnvironment
        ? [{ host: join(folder, "environment"), inside: "/environment", access: "read" as const }]
        : []),
    ],
    scratch: modules.flatMap((path) =>
      cacheFolders.map((name) => ({ inside: `${workInside}/${path}/${name}`, bytesMax: cacheBytesMax })),
    ),
    variables: { ...always, ...shown.variables },
    path: [...(hasEnvironment ? ["/environment/venv/bin", "/environment/bin"] : []), ...shown.path],
    owned: modules,
  };
}
