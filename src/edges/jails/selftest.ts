/** Opening the jail: nothing is believed about it until it has held against a few canaries. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { promisify } from "node:util";
import type { Jail } from "../../ports/jail.ts";
import { bubblewrapJail } from "./bubblewrap.ts";
import { findHost, type Host, type HostOptions, type Refusal } from "./host.ts";
import { snippet } from "./limits.ts";

export interface JailOptions extends HostOptions {
  /** "host:port" names that the user's own configuration says may lead to a private address (a company's registry). */
  readonly privateHosts?: readonly string[];
}

/** How far limits reach. "rlimits": memory and processes are bounded for each process, and watched for all together. */
export type Level = "cgroup-v1" | "cgroup-v2" | "rlimits";

export type OpenedJail = { readonly kind: "ready"; readonly jail: Jail; readonly level: Level } | Refusal;

/** Finds, tries and gives the jail of this machine, or says why there is none and what to do. Never falls back to less. */
export async function openJail(options: JailOptions): Promise<OpenedJail> {
  const found = findHost(options);
  if (found.kind === "refused") return found;
  const { host } = found;
  const jail = bubblewrapJail(host, { privateHosts: options.privateHosts ?? [] });
  const [old, failed] = await Promise.all([whyTooOld(host.bwrap), probe(jail, host)]);
  const refusal = old ?? failed;
  if (refusal !== undefined) return refusal;
  return {
    kind: "ready",
    jail,
    level: host.groups === undefined ? "rlimits" : `cgroup-v${host.groups.version}`,
  };
}

/** Since 0.8.0 it can forbid user namespaces inside (`--disable-userns`). */
async function whyTooOld(bwrap: string): Promise<Refusal | undefined> {
  const run = await promisify(execFile)(bwrap, ["--version"], { env: {}, timeout: 5_000 }).catch(
    () => undefined,
  );
  const [, major, minor] = /(\d+)\.(\d+)/.exec(run?.stdout ?? "") ?? [];
  if (Number(major) > 0 || Number(minor) >= 8) return undefined;
  return {
    kind: "refused",
    why:
      run === undefined
        ? `${bwrap} --version failed`
        : `bubblewrap is ${run.stdout.trim()}, at least 0.8.0 is needed`,
    remedy: "install a newer bubblewrap: Debian 12, Ubuntu 24.04, Fedora 38 and later have one",
  };
}

/** What must hold, each with the words for the case that it does not. */
export const canaries: Readonly<Record<string, string>> = {
  environment: "the environment of Rigs shows inside",
  files: "files of the host show inside",
  network: "the network of the host can be reached",
  namespaces: "a user namespace can be made inside",
  root: "the root of the jail can be written to",
  kernel: "settings of the kernel can be written to",
  filter: "the system-call filter, or the ban on new privileges, is not in force",
  processes: "processes of the host show inside",
  tree: "a process outlived the jail",
};

/** One run. Each line of output is the name of a canary that lived. */
async function probe(jail: Jail, host: Host): Promise<Refusal | undefined> {
  const nonce = randomBytes(8).toString("hex");
  // Whole seconds that nobody else sleeps, to be found again by its command line.
  const marker = `9${Number.parseInt(nonce.slice(0, 6), 16)}`;
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  const run = await jail.run(
    {
      command: program({ port, marker, host, hostNetwork: readlinkSync("/proc/self/ns/net") }),
      cwd: "/tmp",
      variables: { RIGS_NONCE: nonce },
      binds: [],
      scratch: [],
      limits: { ...snippet, wallMsMax: 5_000 },
      network: { kind: "none" },
    },
    new AbortController().signal,
  );
  server.close();
  if (run.kind !== "ended") return causeOf(run.why);
  const lines = run.output.stdout.split("\n");
  if (run.exitCode !== 0 || lines.at(-2) !== `end ${nonce}`)
    return broken(
      `the self-test did not end as it should: ${run.output.stderr.slice(0, 300) || `exit ${run.exitCode}`}`,
    );
  const alive = new Set(lines.flatMap((line) => /^ok (\w+)$/.exec(line)?.[1] ?? []));
  if (!commandLines().some((words) => words.includes(marker))) alive.add("tree");
  const dead = Object.keys(canaries).filter((name) => !alive.has(name));
  return dead.length === 0 ? undefined : broken(dead.map((name) => canaries[name]).join("; "));
}

interface Canary {
  readonly port: number;
  readonly marker: string;
  readonly host: Host;
  readonly hostNetwork: string;
}

/** Plain shell, so that it runs wherever a jail can. `ok NAME` is printed for what holds: silence is failure. */
function program({ port, marker, host, hostNetwork }: Canary): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const paths = [
    host.layout.workRoot,
    ...host.layout.homes,
    "/etc/shadow",
    "/home",
    "/root",
    "/run",
    "/sys",
    "/var",
  ];
  return `
ok() { echo "ok $1"; }
[ -z "$(tr -d '\\0' 2>/dev/null </proc/1/environ)" ] && ok environment
seen=; for path in ${paths.map(quoted).join(" ")}; do [ -e "$path" ] && seen=$path; done
[ -z "$seen" ] && ok files
reached=; [ "$(readlink /proc/self/ns/net)" = ${quoted(hostNetwork)} ] && reached=yes
[ -x /bin/bash ] && /bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null && reached=yes
[ -z "$reached" ] && ok network
if command -v unshare >/dev/null; then unshare -U true 2>/dev/null || ok namespaces; else ok namespaces; fi
written=; for folder in / /usr /etc /dev /usr/bin; do (: >"$folder/canary") 2>/dev/null && written=$folder; done
[ -z "$written" ] && ok root
written=; for file in core_pattern sysrq hostname; do [ -w /proc/sys/kernel/$file ] && (: >>/proc/sys/kernel/$file) 2>/dev/null && written=$file; done
[ -z "$written" ] && ok kernel
state=$(cat /proc/self/status)
case $state in *"CapEff:	0000000000000000"*) case $state in *"NoNewPrivs:	1"*) case $state in *"Seccomp:	2"*) ok filter;; esac;; esac;; esac
count=0; for folder in /proc/[0-9]*; do count=$((count + 1)); done
[ $count -le 8 ] && ok processes
setsid sleep ${marker} >/dev/null 2>&1 &
echo "end $RIGS_NONCE"`;
}

/** Of every process of the host. */
function commandLines(): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    });
}

function broken(why: string): Refusal {
  return {
    kind: "refused",
    why: `the jail does not hold: ${why}`,
    remedy:
      "please report this with the output of `bwrap --version` and `uname -a`; do not run model-written code here",
  };
}

/** The sysctl files that close user namespaces, and the line that opens them. */
const switches = [
  {
    path: "/proc/sys/kernel/unprivileged_userns_clone",
    bad: "0",
    remedy: "sysctl -w kernel.unprivileged_userns_clone=1",
  },
  {
    path: "/proc/sys/user/max_user_namespaces",
    bad: "0",
    remedy: "sysctl -w user.max_user_namespaces=15000",
  },
  {
    path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    bad: "1",
    remedy:
      "keep bubblewrap's AppArmor profile for /usr/bin/bwrap, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  },
] as const;

/** What bubblewrap's own words, and the state of the machine, point to. `read` and `exists` are arguments for the tests. */
export function causeOf(
  why: string,
  read: (path: string) => string | undefined = readOr,
  exists: (path: string) => boolean = existsSync,
): Refusal {
  const refused = (remedy: string): Refusal => ({
    kind: "refused",
    why: `bubblewrap cannot make a jail: ${why}`,
    remedy,
  });
  const closed = switches.find(({ path, bad }) => read(path)?.trim() === bad);
  if (/namespace|uid map|gid map|NEWUSER|uid_map/i.test(why) && closed !== undefined)
    return refused(`user namespaces are switched off: ${closed.remedy}`);
  const isContained =
    ["/.dockerenv", "/run/.containerenv"].some(exists) || read("/proc/1/environ")?.includes("container=");
  if (isContained || /mount proc/i.test(why))
    return refused(
      "Rigs runs in a container that forbids jails: start it outside, or with --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
    );
  if (/Unknown option|disable-userns/.test(why)) return refused("install bubblewrap 0.8.0 or newer");
  if (/seccomp/i.test(why))
    return refused("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): use one that has");
  return refused("run `bwrap --unshare-all --ro-bind / / true` by hand to see what this machine refuses");
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
