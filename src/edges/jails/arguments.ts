/**
 * What bubblewrap is told, as a pure function of the job and the host's layout.
 *
 * 1. The root is an allow-list: /usr, six files of /etc, and what the job names. Never `/`, a home, /run or an
 *    ancestor of the work root.
 * 2. bubblewrap's own environment is empty: it stays in the jail as process 1, where /proc/1/environ shows it.
 * 3. Every memory-backed folder has a size, and `--remount-ro /` comes after the last mount: the root and /dev are
 *    themselves memory-backed, writable and unbounded until then.
 * 4. Host paths travel through a descriptor (`--args`), so that process 1's command line does not show them.
 */
import { posix } from "node:path";
import { assert } from "../../kit/assert.ts";
import type { Bind, Job } from "../../ports/jail.ts";

/** A top folder of the host that every program needs: a link into /usr (merged systems) or a folder of its own. */
export type SystemFolder =
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "folder"; readonly path: string };

/** What the arguments depend on beside the job. */
export interface Layout {
  /** Absolute path of prlimit, inside as outside. */
  readonly prlimit: string;
  readonly system: readonly SystemFolder[];
  /** Real path. Binds for writing lie strictly below it. */
  readonly workRoot: string;
  /** Real paths of private folders: nothing at or below them is bound, but for what is below the work root. */
  readonly homes: readonly string[];
  /** The most descriptors and processes this process may hand on (its own hard limits). */
  readonly descriptorsMax: number;
  readonly processesMax: number;
  /** groups: memory and processes are bounded by a control group too. rlimits: by limits on each process alone. */
  readonly level: "groups" | "rlimits";
  readonly filter: Uint8Array;
}

/** The way out through the proxy: its socket on the host, and the program that carries connections to it. */
export interface Egress {
  readonly socket: string;
  readonly port: number;
  /** Takes the shell command as its last argument and ends with its exit code. */
  readonly forwarder: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** A descriptor from 3 up. bytes: read to its end. status: bubblewrap's JSON lines. gate: the job starts when it is written to. */
export type Descriptor =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "status" }
  | { readonly kind: "gate" };

export type Invocation =
  | {
      readonly kind: "ready";
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, never>>;
      readonly fds: readonly Descriptor[];
      /** What descriptor 3 carries, for tests and people. */
      readonly args: readonly string[];
    }
  | { readonly kind: "refused"; readonly why: string };

/** The highest descriptor an invocation uses. */
export const lastDescriptor = 10;
export const insideSocket = "/run/rigs/egress.sock";

/** The kernel's bound of one argument or variable (MAX_ARG_STRLEN), less its ending zero. */
const argumentBytesMax = 128 * 1024 - 1;
/** bubblewrap 0.8 reads at most 9,000 arguments. */
const argumentsMax = 8_000;

const text = (value: string): Uint8Array => Buffer.from(value);
const files = {
  passwd: text("rig:x:1000:1000::/tmp/home:/bin/sh\n"),
  group: text("rig:x:1000:\n"),
  hosts: text("127.0.0.1 localhost rig\n::1 localhost\n"),
  // Without it a lookup asks a name server first, and there is none.
  "nsswitch.conf": text("passwd: files\ngroup: files\nhosts: files\n"),
} as const;

export function invocation(job: Job, layout: Layout, egress: Egress | undefined): Invocation {
  const why = whyNot(job, layout);
  if (why !== undefined) return { kind: "refused", why };
  const fds: Descriptor[] = [];
  const pass = (descriptor: Descriptor): string => String(2 + fds.push(descriptor));
  // Filled in below, once it is known what it says; it has to be the first for its number to be known.
  const argsFd = pass({ kind: "bytes", bytes: new Uint8Array() });
  const args = [
    ...isolation,
    ...["--seccomp", pass({ kind: "bytes", bytes: layout.filter })],
    ...["--json-status-fd", pass({ kind: "status" }), "--block-fd", pass({ kind: "gate" })],
    ...environment({ ...egress?.variables, ...job.variables }),
    ...layout.system.flatMap(systemMount),
    ...["--dir", "/etc", ...tryToShow.flatMap((path) => ["--ro-bind-try", path, path])],
    ...Object.entries(files).flatMap(([name, bytes]) => [
      ...["--perms", "0444", "--file", pass({ kind: "bytes", bytes }), `/etc/${name}`],
    ]),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...memory("/dev/shm", job.limits.sharedMemoryBytesMax),
    ...memory("/tmp", job.limits.temporaryBytesMax),
    ...["--perms", "0700", "--dir", "/tmp/home"],
    ...inMountOrder(job).flatMap((mount) =>
      mount.kind === "scratch"
        ? memory(mount.inside, mount.bytesMax)
        : [mount.access === "write" ? "--bind" : "--ro-bind", mount.host, mount.inside],
    ),
    ...(egress === undefined ? [] : ["--ro-bind", egress.socket, insideSocket]),
    ...["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", job.cwd],
  ];
  assert(fds.length + 2 <= lastDescriptor, "lower descriptors are ours");
  if (args.length > argumentsMax)
    return {
      kind: "refused",
      why: `${args.length} arguments for the jail, at most ${argumentsMax}: name fewer binds`,
    };
  fds[0] = { kind: "bytes", bytes: text(args.map((argument) => `${argument}\0`).join("")) };
  const argv = [
    "--args",
    argsFd,
    "--",
    ...bounded(job, layout),
    ...(egress?.forwarder ?? shell),
    job.command,
  ];
  return { kind: "ready", argv, env: {}, fds, args };
}

const shell = ["/bin/sh", "-c"] as const;

const isolation = [
  "--unshare-all",
  "--unshare-user",
  "--disable-userns",
  ...["--uid", "1000", "--gid", "1000", "--hostname", "rig"],
  "--die-with-parent",
  "--new-session",
  "--clearenv",
] as const;

/** Absent on some hosts, and then not needed. */
const tryToShow = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs"] as const;

const defaults = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/tmp/home",
  LANG: "C.UTF-8",
  TMPDIR: "/tmp",
} as const;

function environment(variables: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries({ ...defaults, ...variables }).flatMap(([name, value]) => ["--setenv", name, value]);
}

function systemMount(folder: SystemFolder): readonly string[] {
  return folder.kind === "link"
    ? ["--symlink", folder.target, folder.path]
    : ["--ro-bind", folder.path, folder.path];
}

function memory(inside: string, bytesMax: number): readonly string[] {
  return ["--size", String(bytesMax), "--perms", "1777", "--tmpfs", inside];
}

/** Limits set inside: the number of processes counts per user namespace, so there it is this jail's own. */
function bounded({ limits }: Job, layout: Layout): readonly string[] {
  const { cpuSecondsMax } = limits;
  // Two more than the control group allows, so that the group, which reports its hits, is met first.
  const spare = layout.level === "groups" ? 2 : 0;
  return [
    layout.prlimit,
    `--nproc=${Math.min(limits.processesMax + spare, layout.processesMax)}`,
    `--nofile=${Math.min(limits.descriptorsMax, layout.descriptorsMax)}`,
    `--fsize=${limits.fileBytesMax}`,
    "--core=0",
    // The soft limit's signal has a name of its own (SIGXCPU), the hard one's has not.
    `--cpu=${cpuSecondsMax}:${cpuSecondsMax + 1}`,
    // Not the address space: Node reserves gigabytes of it and dies at the start.
    ...(layout.level === "rlimits" ? [`--data=${limits.memoryBytesMax}`] : []),
  ];
}

type Mount = (Bind & { readonly kind: "bind" }) | (Job["scratch"][number] & { readonly kind: "scratch" });

/** Outer folders before what is mounted in them. */
function inMountOrder(job: Job): readonly Mount[] {
  const mounts: Mount[] = [
    ...job.binds.map((bind) => ({ ...bind, kind: "bind" as const })),
    ...job.scratch.map((scratch) => ({ ...scratch, kind: "scratch" as const })),
  ];
  return mounts.sort((left, right) => left.inside.split("/").length - right.inside.split("/").length);
}

function whyNot(job: Job, layout: Layout): string | undefined {
  const words = [
    job.command,
    job.cwd,
    ...Object.entries(job.variables).flat(),
    ...job.binds.map(({ host }) => host),
  ];
  if (words.some((word) => word.includes("\0"))) return "a zero byte in the command, a variable or a path";
  if (words.some((word) => Buffer.byteLength(word) > argumentBytesMax))
    return `a command or variable above ${argumentBytesMax} bytes: write it to a file of the work folder instead`;
  const badName = Object.keys(job.variables).find((name) => name === "" || name.includes("="));
  if (badName !== undefined) return `no name for a variable: ${JSON.stringify(badName)}`;
  if (!isPlain(job.cwd)) return `the working folder ${JSON.stringify(job.cwd)} is not a plain absolute path`;
  const mounts = [...job.binds, ...job.scratch].map(({ inside }) => inside);
  if (new Set(mounts).size < mounts.length) return "two mounts at the same place in the jail";
  for (const inside of mounts)
    if (!isFree(inside)) return `nothing may be mounted at ${JSON.stringify(inside)}`;
  for (const bytesMax of [...job.scratch.map((scratch) => scratch.bytesMax), ...Object.values(job.limits)])
    if (!Number.isSafeInteger(bytesMax) || bytesMax < 1)
      return `a bound that is not a whole number above 0: ${bytesMax}`;
  return job.binds.map((bind) => whyNotBound(bind, layout)).find((reason) => reason !== undefined);
}

/** Host folders that are never shown, whatever a job asks for: sockets, devices, other people's settings. */
const neverShown = ["/run", "/var/run", "/proc", "/sys", "/dev", "/etc", "/boot", "/root", "/home"] as const;

/** Why this host path may not be bound; undefined when it may. The path is expected to be real already. */
export function whyNotBound(bind: Bind, layout: Pick<Layout, "workRoot" | "homes">): string | undefined {
  const { host } = bind;
  if (!isPlain(host)) return `${JSON.stringify(host)} is not a plain absolute path`;
  if (isBelow(host, layout.workRoot)) return undefined;
  if (bind.access === "write")
    return `${host} is outside the work root ${layout.workRoot}: only what is below it is bound for writing`;
  const privates = [...neverShown, ...layout.homes];
  const shown = privates.find((path) => host === path || isBelow(host, path));
  if (shown !== undefined) return `${host} is in ${shown}, which no jail may see`;
  // What contains a private folder shows it.
  const hidden = [...privates, layout.workRoot].find((path) => host === path || isBelow(path, host));
  if (hidden !== undefined) return `${host} contains ${hidden}, which no jail may see`;
  return undefined;
}

/** Absolute, without "." or "..", empty parts or an ending slash; never the root itself. */
function isPlain(path: string): boolean {
  return posix.isAbsolute(path) && path !== "/" && posix.normalize(path) === path && !path.endsWith("/");
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

const taken = [
  "/proc",
  "/dev",
  "/sys",
  "/etc",
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/run",
];

function isFree(inside: string): boolean {
  if (!isPlain(inside) || inside === "/tmp") return false;
  return !taken.some((path) => inside === path || isBelow(inside, path));
}
