/** What this machine offers a jail: programs, folders, users, limits. Found once, before the first run. */
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { type Layout, lastDescriptor, type SystemFolder } from "./arguments.ts";
import { findGroups, type Groups } from "./groups.ts";
import { architectureOf, filterOf } from "./seccomp.ts";

/**
 * The user and group jails run as when Rigs itself runs as root. In nobody's /etc/passwd: outside what Debian, Fedora
 * and systemd hand out by themselves (65,520 to 65,533 is unused), yet inside a container's usual 65,536 ids.
 */
export const jailUid = 65_529;
export const jailGid = 65_529;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Host {
  readonly bwrap: string;
  readonly layout: Layout;
  readonly groups: Groups | undefined;
  /** Descriptors that whoever started Rigs left open, and that children would get too. */
  readonly inherited: readonly number[];
  /** Undefined: jails run as the user Rigs runs as, who is not root. */
  readonly owner: Owner | undefined;
  /** In every jail, because they lie below /usr. */
  readonly python: string | undefined;
  readonly node: string | undefined;
}

export interface Refusal {
  readonly kind: "refused";
  /** One line: what is missing. */
  readonly why: string;
  /** One line: what to do. */
  readonly remedy: string;
}

export interface HostOptions {
  /** Absolute. Made when absent. */
  readonly workRoot: string;
  /** By absolute path: on Ubuntu only this path may make user namespaces. */
  readonly bwrap?: string;
  /** "off" leaves control groups alone even where they are available. */
  readonly groups?: "off";
  /** Node's name of the processor, for tests. */
  readonly architecture?: string;
}

export function findHost(options: HostOptions): { readonly kind: "ready"; readonly host: Host } | Refusal {
  const architecture = architectureOf(options.architecture ?? process.arch);
  if (process.platform !== "linux" || architecture === undefined)
    return {
      kind: "refused",
      why: `no jail on ${process.platform}/${options.architecture ?? process.arch}: the system-call filter knows Linux on x86_64 and aarch64`,
      remedy: "run Rigs on Linux on x86_64 or aarch64",
    };
  const bwrap = options.bwrap ?? "/usr/bin/bwrap";
  if (!isProgram(bwrap))
    return {
      kind: "refused",
      why: `bubblewrap is missing (${bwrap})`,
      remedy: "apt-get install bubblewrap (or your system's package of that name), version 0.8.0 or newer",
    };
  const prlimit = firstProgram(["/usr/bin/prlimit", "/bin/prlimit"]);
  if (prlimit === undefined)
    return {
      kind: "refused",
      why: "prlimit is missing (/usr/bin/prlimit)",
      remedy: "apt-get install util-linux",
    };
  const owner = process.getuid?.() === 0 ? { uid: jailUid, gid: jailGid } : undefined;
  const workRoot = openWorkRoot(options.workRoot, owner);
  if (workRoot.kind === "refused") return workRoot;
  const inherited = inheritedDescriptors();
  if (inherited.length > 0 && !isProgram("/bin/bash"))
    return {
      kind: "refused",
      why: `descriptors ${inherited.join(", ")} were open when Rigs was started, and a jail would see them`,
      remedy:
        "apt-get install bash (it closes them), or start Rigs with nothing but standard input and output open",
    };
  const groups = options.groups === "off" ? undefined : findGroups();
  return {
    kind: "ready",
    host: {
      bwrap,
      layout: {
        prlimit,
        system: systemFolders(),
        workRoot: workRoot.path,
        homes: homes(),
        descriptorsMax: hardLimit("Max open files"),
        processesMax: hardLimit("Max processes"),
        level: groups === undefined ? "rlimits" : "groups",
        filter: filterOf(architecture),
      },
      groups,
      inherited,
      owner,
      python: firstProgram(["/usr/bin/python3", "/usr/local/bin/python3"]),
      node: firstProgram(["/usr/bin/node", "/usr/local/bin/node"]),
    },
  };
}

/** Every folder above must let the jail's user through, or binds below it cannot be opened. */
function openWorkRoot(
  path: string,
  owner: Owner | undefined,
): { readonly kind: "found"; readonly path: string } | Refusal {
  if (!path.startsWith("/"))
    return {
      kind: "refused",
      why: `the work root ${path} is not absolute`,
      remedy: "name it by its whole path",
    };
  let real: string;
  try {
    mkdirSync(path, { recursive: true, mode: owner === undefined ? 0o700 : 0o711 });
    real = realpathSync(path);
  } catch (error) {
    const why = `the work root ${path} cannot be made: ${(error as Error).message}`;
    return { kind: "refused", why, remedy: "choose another folder with --home" };
  }
  if (owner === undefined) return { kind: "found", path: real };
  for (let folder = real; folder !== "/"; folder = dirname(folder)) {
    const about = statSync(folder);
    const isOpen = (about.mode & 0o001) !== 0 || (about.uid === owner.uid && (about.mode & 0o100) !== 0);
    if (!isOpen)
      return {
        kind: "refused",
        why: `as root, jails run as user ${owner.uid}, who cannot pass through ${folder} to the work root ${real}`,
        remedy: `chmod o+x ${folder}, or put Rigs' home under a folder others may pass, such as /var/lib/rigs (--home)`,
      };
  }
  return { kind: "found", path: real };
}

/** /bin and its like: links into /usr on a merged system, folders elsewhere. */
function systemFolders(): readonly SystemFolder[] {
  const found: SystemFolder[] = [{ kind: "folder", path: "/usr" }];
  for (const path of ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]) {
    const about = lstatSync(path, { throwIfNoEntry: false });
    if (about?.isSymbolicLink()) found.push({ kind: "link", path, target: readlinkSync(path) });
    else if (about?.isDirectory()) found.push({ kind: "folder", path });
  }
  return found;
}

function homes(): readonly string[] {
  const home = userInfo().homedir;
  // A service user's "home" may be / or a folder that is not there; neither is anybody's private folder.
  if (home === "/" || !existsSync(home)) return [];
  return [...new Set([home, realpathSync(home)])];
}

/** Those that no pipe of ours replaces and that are not closed on exec (flag 02000000 of /proc/self/fdinfo). */
function inheritedDescriptors(): readonly number[] {
  const closedOnExec = 0o2_000_000;
  return readdirSync("/proc/self/fdinfo")
    .map(Number)
    .filter((descriptor) => {
      if (descriptor <= lastDescriptor) return false;
      try {
        const about = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
        return (Number.parseInt(/^flags:\s*(\d+)/m.exec(about)?.[1] ?? "0", 8) & closedOnExec) === 0;
      } catch {
        // The one this very listing was read with.
        return false;
      }
    });
}

function hardLimit(name: string): number {
  const line =
    readFileSync("/proc/self/limits", "utf8")
      .split("\n")
      .find((each) => each.startsWith(name)) ?? "";
  const hard = Number(line.slice(name.length).trim().split(/\s+/)[1]);
  return Number.isFinite(hard) ? hard : Number.MAX_SAFE_INTEGER;
}

function firstProgram(paths: readonly string[]): string | undefined {
  return paths.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
