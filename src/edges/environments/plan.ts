import type { Commit } from "../../domain/id.ts";
import type { Repository, TreeEntry } from "../../ports/repository.ts";
import { type Lockfile, readLockfile } from "./lockfile.ts";
import { type Requirements, readRequirements } from "./requirements.ts";

/** What the tree of a commit asks to be installed. Only the top folder is looked at. */
export interface Plan {
  readonly npm: NpmPlan | undefined;
  readonly pip: PipPlan | undefined;
  readonly notes: readonly string[];
}

export interface NpmPlan {
  readonly lockfile: string;
  /** What `npm ci` gets to see: lockfile, manifests, tarballs of the repository. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Lines of the repository's .npmrc that change what is installed and nothing else. */
  readonly settings: readonly string[];
  readonly lock: Extract<Lockfile, { kind: "read" }>;
}

export interface PipPlan {
  readonly asked: Extract<Requirements, { kind: "read" }>;
}

export type Planned =
  | { readonly kind: "planned"; readonly plan: Plan }
  /** The lockfile is there and cannot be used. One line. */
  | { readonly kind: "refused"; readonly why: string };

/** A lockfile above this was not written by a package manager. */
const fileBytesMax = 64 * 1024 * 1024;

/** Lockfiles that are known and not supported yet, and what they belong to. */
const unsupported = {
  "yarn.lock": "yarn",
  "pnpm-lock.yaml": "pnpm",
  "bun.lock": "bun",
  "bun.lockb": "bun",
  "uv.lock": "uv",
  "poetry.lock": "poetry",
  "Pipfile.lock": "pipenv",
} as const;

/** Reads the tree; installs nothing. */
export async function planOf(repository: Repository, commit: Commit): Promise<Planned> {
  const entries = new Map((await repository.list(commit)).map((entry) => [entry.path, entry]));
  const read = async (path: string): Promise<Uint8Array | undefined> =>
    isReadable(entries.get(path)) ? await repository.read(commit, path) : undefined;
  const notes: string[] = [];
  const npm = await planNpm(entries, read);
  if (typeof npm === "string") return { kind: "refused", why: npm };
  const pip = await planPip(entries, read);
  if (typeof pip === "string") return { kind: "refused", why: pip };
  notes.push(...npm.notes, ...pip.notes);
  for (const [file, tool] of Object.entries(unsupported))
    if (entries.has(file) && !isCovered(tool, npm.plan, pip.plan))
      notes.push(`${file}: ${tool} is not supported yet, nothing of it is installed; ${instead(tool)}`);
  return { kind: "planned", plan: { npm: npm.plan, pip: pip.plan, notes } };
}

function isCovered(tool: string, npm: NpmPlan | undefined, pip: PipPlan | undefined): boolean {
  return ["yarn", "pnpm", "bun"].includes(tool) ? npm !== undefined : pip !== undefined;
}

function instead(tool: string): string {
  if (tool === "uv") return "`uv export -o requirements.txt` makes a file that is";
  if (tool === "poetry") return "`poetry export -o requirements.txt` makes a file that is";
  if (tool === "pipenv") return "`pipenv requirements > requirements.txt` makes a file that is";
  return "`npm install --package-lock-only` makes a package-lock.json, which is";
}

type Entries = ReadonlyMap<string, TreeEntry>;
type Read = (path: string) => Promise<Uint8Array | undefined>;

function isReadable(entry: TreeEntry | undefined): boolean {
  return (entry?.kind === "file" || entry?.kind === "executable") && entry.bytes <= fileBytesMax;
}

async function planNpm(
  entries: Entries,
  read: Read,
): Promise<{ plan: NpmPlan | undefined; notes: string[] } | string> {
  // npm prefers the shrinkwrap where both are there.
  const lockfile = ["npm-shrinkwrap.json", "package-lock.json"].find((path) => entries.has(path));
  const manifest = await read("package.json");
  if (lockfile === undefined) return { plan: undefined, notes: await withoutLockfile(manifest, entries) };
  const bytes = await read(lockfile);
  if (bytes === undefined) return `${lockfile} is not a plain file of at most 64 MiB`;
  if (manifest === undefined) return `${lockfile} has no package.json beside it`;
  const lock = readLockfile(bytes);
  if (lock.kind === "refused") return `${lockfile}: ${lock.why}`;
  if (lock.packages === 0 && lock.folders.length === 0) return { plan: undefined, notes: [] };
  const linked = lock.installed.find((folder) => isLinked(folder, entries));
  if (linked !== undefined)
    return `${linked} is not a folder in the repository, so nothing can be installed there; remove it from git`;
  const files = new Map([
    [lockfile, bytes],
    ["package.json", manifest],
  ]);
  for (const path of [...lock.folders.map((folder) => `${folder}/package.json`), ...lock.tarballs]) {
    const more = await read(path);
    if (more === undefined) return `${lockfile} needs ${path}, which is not a plain file in the repository`;
    files.set(path, more);
  }
  const plan = { lockfile, files, settings: settingsOf(await read(".npmrc")), lock };
  return { plan, notes: notesOnScripts(lock.scripted) };
}

async function withoutLockfile(manifest: Uint8Array | undefined, entries: Entries): Promise<string[]> {
  if (manifest === undefined || entries.has("yarn.lock") || entries.has("pnpm-lock.yaml")) return [];
  if (!hasDependencies(manifest)) return [];
  return [
    "package.json has dependencies and no lockfile: nothing is installed; `npm install --package-lock-only` makes package-lock.json, commit it",
  ];
}

function hasDependencies(manifest: Uint8Array): boolean {
  try {
    const json = JSON.parse(new TextDecoder().decode(manifest)) as Readonly<Record<string, unknown>> | null;
    return ["dependencies", "devDependencies", "optionalDependencies"].some(
      (name) => Object.keys(Object(json?.[name])).length > 0,
    );
  } catch {
    return false;
  }
}

/** The folder or one of its parents is a link or a file in the tree: a mount there would land somewhere else. */
function isLinked(folder: string, entries: Entries): boolean {
  const parts = folder.split("/");
  return parts.some((_, index) => entries.has(parts.slice(0, index + 1).join("/")));
}

/** What may be taken over from a repository's .npmrc: it is untrusted, and registry, scripts or shells are none of its business. */
const harmless =
  /^(legacy-peer-deps|strict-peer-deps|install-strategy|omit|include|install-links)\s*=\s*[a-z]+$/;

function settingsOf(npmrc: Uint8Array | undefined): readonly string[] {
  if (npmrc === undefined) return [];
  const lines = new TextDecoder().decode(npmrc).split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => harmless.test(line));
}

function notesOnScripts(scripted: readonly string[]): string[] {
  if (scripted.length === 0) return [];
  const named = scripted.slice(0, 5).join(", ") + (scripted.length > 5 ? ", ..." : "");
  return [
    `npm: install scripts of ${scripted.length} packages did not run (${named}); the setup command "npm rebuild" runs them without network`,
  ];
}

async function planPip(
  entries: Entries,
  read: Read,
): Promise<{ plan: PipPlan | undefined; notes: string[] } | string> {
  if (!entries.has("requirements.txt")) {
    const isProject = ["pyproject.toml", "setup.py", "setup.cfg"].find((path) => entries.has(path));
    if (
      isProject === undefined ||
      ["uv.lock", "poetry.lock", "Pipfile.lock"].some((path) => entries.has(path))
    )
      return { plan: undefined, notes: [] };
    const note = `${isProject} without requirements.txt: nothing is installed for Python; \`pip freeze > requirements.txt\` makes one, or give a setup command`;
    return { plan: undefined, notes: [note] };
  }
  const asked = await readRequirements("requirements.txt", read);
  if (asked.kind === "refused") return asked.why;
  const notes = asked.isProjectAsked
    ? ["pip: the project itself is not installed; its folder and src/ are importable instead"]
    : [];
  const isEmpty = asked.requirements.every((line) => line.startsWith("-")) && !asked.isProjectAsked;
  return { plan: isEmpty ? undefined : { asked }, notes };
}
