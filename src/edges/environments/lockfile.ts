import { posix } from "node:path";
import { z } from "zod";

/** What Rigs needs to know of an npm lockfile (versions 1 to 3). */
export type Lockfile =
  | {
      readonly kind: "read";
      /** Packages that npm will put into node_modules. */
      readonly packages: number;
      /** Where they come from, as written; entries without `resolved` come from the configured registry. */
      readonly sources: readonly { readonly name: string; readonly url: string }[];
      /** Relative folders of workspaces and linked packages, whose package.json npm wants to see. */
      readonly folders: readonly string[];
      /** Tarballs in the repository. */
      readonly tarballs: readonly string[];
      /** Packages with an install script, which does not run. */
      readonly scripted: readonly string[];
      /** Every node_modules folder, relative to the top: "node_modules", "packages/a/node_modules". */
      readonly installed: readonly string[];
    }
  | { readonly kind: "refused"; readonly why: string };

/** Package-lock.json, docs.npmjs.com "package-lock.json": `packages` since version 2, nested `dependencies` in version 1. */
const Entry = z.object({
  resolved: z.unknown().optional(),
  version: z.unknown().optional(),
  link: z.unknown().optional(),
  hasInstallScript: z.unknown().optional(),
});
const Lock = z.object({
  packages: z.record(z.string(), Entry).optional(),
  dependencies: z.record(z.string(), z.unknown()).optional(),
});

const packagesMax = 50_000;

export function readLockfile(bytes: Uint8Array): Lockfile {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    return { kind: "refused", why: `it is not JSON (${(error as Error).message.slice(0, 100)})` };
  }
  const lock = Lock.safeParse(json);
  if (!lock.success) return { kind: "refused", why: "it is not an npm lockfile" };
  return lock.data.packages === undefined
    ? readFirstVersion(lock.data.dependencies ?? {})
    : readPackages(lock.data.packages);
}

function readPackages(packages: Readonly<Record<string, z.infer<typeof Entry>>>): Lockfile {
  const places = Object.entries(packages).filter(([place]) => place !== "");
  if (places.length > packagesMax) return { kind: "refused", why: `more than ${packagesMax} packages` };
  const bad = places.find(([place]) => !isInside(place));
  if (bad !== undefined)
    return { kind: "refused", why: `it names a place outside the repository: ${bad[0]}` };
  const sources: { name: string; url: string }[] = [];
  const tarballs: string[] = [];
  for (const [place, { resolved, link }] of places) {
    if (typeof resolved !== "string" || link === true) continue;
    const local = localPath(resolved);
    if (local === undefined) sources.push({ name: nameOf(place), url: resolved });
    else if (isInside(local)) tarballs.push(local);
    else return { kind: "refused", why: `${nameOf(place)} lies outside the repository: ${resolved}` };
  }
  const inModules = places.filter(([place]) => isInModules(place));
  return {
    kind: "read",
    packages: inModules.length,
    sources,
    folders: places.filter(([place]) => !isInModules(place)).map(([place]) => place),
    tarballs: [...new Set(tarballs)],
    scripted: inModules
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(([place]) => nameOf(place)),
    installed: [...new Set(inModules.map(([place]) => topModules(place)))].sort(),
  };
}

function readFirstVersion(top: Readonly<Record<string, unknown>>): Lockfile {
  const sources: { name: string; url: string }[] = [];
  const waiting = Object.entries(top);
  let count = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (++count > packagesMax) return { kind: "refused", why: `more than ${packagesMax} packages` };
    const [name, value] = next;
    const entry = z
      .object({
        resolved: z.unknown().optional(),
        version: z.unknown().optional(),
        dependencies: z.unknown().optional(),
      })
      .safeParse(value);
    if (!entry.success) return { kind: "refused", why: `the entry of ${name} is not an object` };
    const { resolved, version, dependencies } = entry.data;
    const url = typeof resolved === "string" ? resolved : typeof version === "string" ? version : "";
    if (/^(file|link):/.test(url))
      return {
        kind: "refused",
        why: `${name} is a local package in a lockfile of version 1; write it anew with npm install`,
      };
    if (/^[a-z+]+:/i.test(url)) sources.push({ name, url });
    const inner = z.record(z.string(), z.unknown()).safeParse(dependencies);
    if (inner.success) waiting.push(...Object.entries(inner.data));
  }
  const installed = count === 0 ? [] : ["node_modules"];
  return { kind: "read", packages: count, sources, folders: [], tarballs: [], scripted: [], installed };
}

/** The path of `file:x.tgz` or a bare relative path; undefined for what has a scheme. */
function localPath(resolved: string): string | undefined {
  if (resolved.startsWith("file:")) return posix.normalize(resolved.slice("file:".length));
  return /^[a-z][a-z0-9+.-]*:/i.test(resolved) ? undefined : posix.normalize(resolved);
}

function isInside(path: string): boolean {
  return !posix.isAbsolute(path) && !path.split("/").includes("..") && !/[\0\n\\]/.test(path) && path !== "";
}

function isInModules(place: string): boolean {
  return place.startsWith("node_modules/") || place.includes("/node_modules/");
}

/** "packages/a/node_modules/b/node_modules/c" is installed in "packages/a/node_modules". */
function topModules(place: string): string {
  const parts = place.split("/");
  return parts.slice(0, parts.indexOf("node_modules") + 1).join("/");
}

function nameOf(place: string): string {
  const at = place.lastIndexOf("node_modules/");
  return at < 0 ? place : place.slice(at + "node_modules/".length);
}
