import type { NpmPlan } from "./plan.ts";
import { hostOf, lineFor, npmHosts, type Registries } from "./registries.ts";

/** `npm ci` runs no package code: neither install scripts nor the project's own. */
export const npmCommand =
  "npm ci --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error --cache=/cache --logs-max=0 " +
  "--fetch-retries=1 --fetch-retry-mintimeout=500 --fetch-timeout=60000";

/** npm installs what the lockfile says came from here from the configured registry (its `replace-registry-host`). */
const replacedHost = "registry.npmjs.org";

/** One line about the first package that would have to come from somewhere else; undefined when there is none. */
export function foreignSource(plan: NpmPlan, registries: Registries): string | undefined {
  const allowed = npmHosts(registries);
  for (const { name, url } of plan.lock.sources) {
    if (URL.canParse(url) && new URL(url).hostname === replacedHost) continue;
    const host = hostOf(url);
    if (/^(git|github|gitlab|bitbucket|gist)[+:]/.test(url) || host === undefined)
      return `${plan.lockfile}: ${name} does not come from a registry (${url.split(":")[0]}); publish it to one, or install it with a setup command`;
    if (!allowed.includes(host))
      return `${plan.lockfile}: ${name} comes from ${host}, which is not a registry npm is configured for; ${lineFor(host)}`;
  }
  return undefined;
}

/** npm's own file inside the fetch jail: registries, their credentials, and the repository's harmless settings. */
export function npmrcOf(plan: NpmPlan, { npm }: Registries): string {
  const scopes = Object.entries(npm.scopes).map(([scope, address]) => `${scope}:registry=${address}`);
  return `${[`registry=${npm.registry}`, ...scopes, ...npm.credentials, ...plan.settings].join("\n")}\n`;
}
