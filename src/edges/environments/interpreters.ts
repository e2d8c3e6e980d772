import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, copyFile, cp, mkdir, readFile, realpath, rename, stat, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Bind } from "../../ports/jail.ts";
import { openToAll, remove, sizeOf } from "./folder.ts";

/**
 * A program that runs other people's code. system: below /usr, so every jail sees it. copied: it lived in a private
 * folder (nvm, pyenv, volta), which no jail may see, and was copied once into Rigs' own.
 */
export type Interpreter =
  | {
      readonly kind: "system";
      readonly name: InterpreterName;
      readonly version: string;
      /** Path inside the jail. */
      readonly command: string;
      /** Version of npm or pip that belongs to it; undefined when it has none. */
      readonly packager: string | undefined;
      readonly why: string;
    }
  | {
      readonly kind: "copied";
      readonly name: InterpreterName;
      readonly version: string;
      readonly command: string;
      readonly packager: string | undefined;
      readonly why: string;
      readonly bind: Bind;
      readonly variables: Readonly<Record<string, string>>;
    }
  | { readonly kind: "absent"; readonly name: InterpreterName; readonly why: string };

export type InterpreterName = "node" | "python3";

export interface Interpreters {
  readonly node: Interpreter;
  readonly python: Interpreter;
}

export interface Search {
  /** Copies are kept in `<root>/interpreters`. Below the jail's work root. */
  readonly root: string;
  /** The user's PATH. */
  readonly path: string;
  /** The Node that runs Rigs: the last candidate. */
  readonly ownNode: string;
  /** Folders that every jail sees; /usr/local/bin before /usr/bin. */
  readonly systemFolders: readonly string[];
}

export const systemFolders: readonly string[] = ["/usr/local/bin", "/usr/bin"];

const copyBytesMax = 500 * 1024 * 1024;
const answerMsMax = 20_000;

/** What jails will run. Copies a private installation once, when there is no other. */
export async function findInterpreters(search: Search): Promise<Interpreters> {
  const [node, python] = await Promise.all([findNode(search), findPython(search)]);
  return { node, python };
}

/** One line an interpreter, for `doctor`. */
export function describeInterpreters({ node, python }: Interpreters): readonly string[] {
  return [node, python].map((interpreter) => {
    if (interpreter.kind === "absent") return `${interpreter.name}: none; ${interpreter.why}`;
    const { name, version, command, packager, why } = interpreter;
    const tool = name === "node" ? "npm" : "pip";
    return `${name} ${version} at ${command}, ${packager === undefined ? `no ${tool}` : `${tool} ${packager}`}; ${why}`;
  });
}

/** What a job needs so that it runs these interpreters. */
export function visible(interpreters: Interpreters): {
  readonly binds: readonly Bind[];
  readonly path: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
} {
  const copies = [interpreters.node, interpreters.python].filter((each) => each.kind === "copied");
  return {
    binds: copies.map(({ bind }) => bind),
    path: copies.map(({ command }) => dirname(command)),
    variables: Object.assign({}, ...copies.map(({ variables }) => variables)),
  };
}

interface Told {
  readonly version: string;
  readonly packager: string | undefined;
}

async function findNode(search: Search): Promise<Interpreter> {
  const system = await firstSystem("node", search.systemFolders, tellNode);
  if (system !== undefined) return system;
  const found: { readonly program: string; readonly told: Told }[] = [];
  for (const candidate of [...onPath("node", search.path), search.ownNode]) {
    const program = await real(candidate);
    const told = program === undefined ? undefined : await tellNode(program);
    if (program !== undefined && told !== undefined) found.push({ program, told });
    if (told?.packager !== undefined) break;
  }
  // The first that has npm; a bare one is better than none.
  const chosen = found.find(({ told }) => told.packager !== undefined) ?? found[0];
  if (chosen === undefined) return { kind: "absent", name: "node", why: "apt-get install nodejs npm" };
  const { program, told } = chosen;
  const folder = join(
    search.root,
    "interpreters",
    `node-${told.version}${told.packager === undefined ? "-bare" : ""}`,
  );
  await copyOnce(folder, (target) => copyNode(program, target));
  return {
    ...{ kind: "copied", name: "node", ...told, command: "/opt/node/bin/node" },
    why: `copied from ${program}, because there is none below /usr and a private folder is not shown to jails`,
    bind: { host: folder, inside: "/opt/node", access: "read" },
    variables: {},
  };
}

async function findPython(search: Search): Promise<Interpreter> {
  const system = await firstSystem("python3", search.systemFolders, tellPython);
  if (system !== undefined) return system;
  let why = "apt-get install python3 python3-pip";
  for (const candidate of onPath("python3", search.path)) {
    const told = await tellPython(candidate);
    if (told === undefined) continue;
    const bytes = await sizeOf([told.prefix], copyBytesMax);
    if (bytes === undefined || bytes > copyBytesMax) {
      why = `${told.prefix} is above 500 MB, too much to copy, and private folders are not shown to jails: apt-get install python3 python3-pip`;
      continue;
    }
    const folder = join(search.root, "interpreters", `python3-${told.version}`);
    await copyOnce(folder, (target) => copyPython(told, target));
    return {
      ...{ kind: "copied", name: "python3", version: told.version, packager: told.packager },
      command: "/opt/python/bin/python3",
      why: `copied from ${told.prefix}, because there is none below /usr and a private folder is not shown to jails`,
      bind: { host: folder, inside: "/opt/python", access: "read" },
      variables: told.isShared ? { LD_LIBRARY_PATH: "/opt/python/lib" } : {},
    };
  }
  return { kind: "absent", name: "python3", why };
}

async function firstSystem(
  name: InterpreterName,
  folders: readonly string[],
  tell: (command: string) => Promise<Told | undefined>,
): Promise<Interpreter | undefined> {
  for (const folder of folders) {
    const command = join(folder, name);
    const program = await real(command);
    // A link from /usr/local/bin into a home is not there in a jail.
    if (program === undefined || !program.startsWith("/usr/")) continue;
    const told = await tell(command);
    if (told === undefined) continue;
    const { version, packager } = told;
    const why = "the system's own, which every jail sees";
    return { kind: "system", name, version, command, packager, why };
  }
  return undefined;
}

function onPath(name: string, path: string): readonly string[] {
  const folders = path.split(":").filter((folder) => folder.startsWith("/"));
  return [...new Set(folders)].slice(0, 100).map((folder) => join(folder, name));
}

async function tellNode(command: string): Promise<Told | undefined> {
  const version = /^v(\d+\.\d+\.\d+\S*)/.exec(await answer(command, ["--version"]))?.[1];
  if (version === undefined) return undefined;
  const npm = await npmOf(command);
  return { version, packager: npm?.version };
}

/** npm's own folder beside a node: through the `npm` link next to it, or in the prefix's lib. */
async function npmOf(node: string): Promise<{ folder: string; version: string } | undefined> {
  const program = await real(join(dirname(node), "npm"));
  const folders = [
    ...(program === undefined ? [] : [dirname(dirname(program))]),
    join(dirname(dirname(node)), "lib/node_modules/npm"),
  ];
  for (const folder of folders) {
    const manifest = await readFile(join(folder, "package.json"), "utf8").catch(() => "");
    const version = /"name":\s*"npm"/.test(manifest)
      ? /"version":\s*"([^"]+)"/.exec(manifest)?.[1]
      : undefined;
    if (version !== undefined) return { folder, version };
  }
  return undefined;
}

interface Python extends Told {
  readonly prefix: string;
  readonly isShared: boolean;
}

/** Isolated (-I), as in a jail: what a user installed for themselves does not count. */
const question = `
import platform, sys, sysconfig
try:
    from importlib.metadata import version
    import pip
    packager = version("pip")
except Exception:
    packager = ""
shared = sysconfig.get_config_var("Py_ENABLE_SHARED") or 0
print("\\n".join(["rigs", platform.python_version(), packager, str(shared), sys.base_prefix]))
`;

async function tellPython(command: string): Promise<Python | undefined> {
  const [mark, version, packager, shared, prefix] = (await answer(command, ["-I", "-c", question])).split(
    "\n",
  );
  if (mark !== "rigs" || version === undefined || prefix === undefined) return undefined;
  return { version, packager: packager === "" ? undefined : packager, prefix, isShared: shared === "1" };
}

function answer(command: string, words: readonly string[]): Promise<string> {
  return new Promise((done) => {
    execFile(command, words, { timeout: answerMsMax, maxBuffer: 65_536, cwd: "/" }, (error, stdout) =>
      done(error === null ? stdout : ""),
    );
  });
}

async function copyNode(program: string, folder: string): Promise<void> {
  await mkdir(join(folder, "bin"), { recursive: true });
  await copyFile(program, join(folder, "bin/node"), constants.COPYFILE_FICLONE);
  const npm = await npmOf(program);
  if (npm === undefined) return;
  await cp(npm.folder, join(folder, "lib/node_modules/npm"), { recursive: true, verbatimSymlinks: true });
  for (const name of ["npm", "npx"])
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(folder, "bin", name));
}

/** Without the interpreter's own tests and caches, half of its size. */
async function copyPython({ prefix, version }: Python, folder: string): Promise<void> {
  const [major, minor] = version.split(".");
  const tests = join(prefix, `lib/python${major}.${minor}/test`);
  await cp(prefix, folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => path !== tests && basename(path) !== "__pycache__",
  });
}

/** Complete or not there at all, whoever else copies the same at the same time. */
async function copyOnce(folder: string, copy: (target: string) => Promise<void>): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) !== undefined) return;
  const target = `${folder}.copying-${process.pid}-${randomBytes(4).toString("hex")}`;
  await mkdir(target, { recursive: true });
  try {
    await copy(target);
    await openToAll(target);
    await rename(target, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await remove(target);
  }
}

async function real(path: string): Promise<string | undefined> {
  try {
    const program = await realpath(path);
    await access(program, constants.X_OK);
    return program;
  } catch {
    return undefined;
  }
}
