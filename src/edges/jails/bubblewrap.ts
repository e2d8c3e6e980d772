/**
 * The jail of Linux: one bubblewrap process tree a run.
 *
 * 1. bubblewrap never runs as real root: from root it is started as a dedicated user.
 * 2. The job starts only when the host is ready to watch it: process 1 waits at a gate until its group and the size
 *    of its folders are known.
 * 3. A run is over when process 1 of the jail is dead, because the kernel kills and reaps all others before it.
 */
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { assert } from "../../kit/assert.ts";
import { headAndTail, printable } from "../../kit/bounded.ts";
import type { Jail, JailRun, Job } from "../../ports/jail.ts";
import { type AllowedHost, parseAllowed } from "./addresses.ts";
import { type Egress, invocation } from "./arguments.ts";
import { type Ended, type Ready, start } from "./bwrap.ts";
import { own, usageOf } from "./folder.ts";
import { forwarderOf, insidePort, proxyVariables } from "./forwarder.ts";
import type { Group } from "./groups.ts";
import { standGuard, sweepJails } from "./guard.ts";
import { hold } from "./hold.ts";
import type { Host } from "./host.ts";
import { type OpenProxy, openProxy } from "./proxy.ts";
import { type Watch, watch } from "./watch.ts";

export interface BubblewrapOptions {
  /** "host:port" names that the user's own configuration says may lead to a private address (a company's registry). */
  readonly privateHosts: readonly string[];
}

/** All that goes through the proxy in one run. */
const egressBytesMax = 4 * 1024 ** 3;
const egressPrefix = ".egress-";

/** A jail on this host. Nothing has been tried yet: `openJail` does that. */
export function bubblewrapJail(host: Host, options: BubblewrapOptions): Jail {
  const { workRoot } = host.layout;
  sweep(workRoot);
  sweepJails();
  const name = standGuard(host.owner);
  return {
    isolation: "bubblewrap",
    workRoot,
    run: async (job, signal) => {
      signal.throwIfAborted();
      const why = whyMoved(job);
      if (why !== undefined) return { kind: "could-not-start", why };
      const way = await openWay(job, host, options);
      if (way.kind === "refused") return { kind: "could-not-start", why: way.why };
      try {
        const ready = invocation(job, host.layout, way.egress);
        if (ready.kind === "refused") return { kind: "could-not-start", why: ready.why };
        const run = await runGrouped(job, { ready, host, name }, signal);
        return run.kind === "ended" ? { ...run, refusedHosts: way.proxy?.refusedHosts() ?? [] } : run;
      } finally {
        await way.close();
      }
    },
    adopt: async (folder) => {
      assert(realpathSync(folder) === folder, "a folder to adopt is named by its real path");
      assert(folder.startsWith(`${workRoot}/`), "only folders below the work root are adopted");
      if (host.owner !== undefined) await own(folder, host.owner);
    },
  };
}

/** A bind's source may have been replaced by a link since it was chosen. Only folders and files: a socket is a way out, whatever its access. */
function whyMoved(job: Job): string | undefined {
  for (const { host } of job.binds)
    try {
      if (realpathSync(host) !== host) return `${host} is, or lies behind, a symbolic link`;
      const about = statSync(host);
      if (!about.isDirectory() && !about.isFile()) return `${host} is neither a folder nor a file`;
    } catch (error) {
      return `${host} cannot be bound: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}`;
    }
  return undefined;
}

type Way =
  | {
      readonly kind: "open";
      readonly egress: Egress | undefined;
      readonly proxy: OpenProxy | undefined;
      close(): Promise<void>;
    }
  | { readonly kind: "refused"; readonly why: string };

/** Opens the proxy of a run that asks for one. */
async function openWay({ network }: Job, host: Host, { privateHosts }: BubblewrapOptions): Promise<Way> {
  if (network.kind === "none")
    return { kind: "open", egress: undefined, proxy: undefined, close: async () => {} };
  const allowed: AllowedHost[] = [];
  for (const entry of network.hosts) {
    const parsed = parseAllowed(entry);
    if (parsed === undefined)
      return {
        kind: "refused",
        why: `${JSON.stringify(entry)} is not a host:port (lower case, or http://host:port)`,
      };
    allowed.push(parsed);
  }
  const forwarder = forwarderOf(host);
  if (forwarder === undefined)
    return {
      kind: "refused",
      why: "a jail with network needs python3 or node below /usr to reach the proxy: install one of them",
    };
  const folder = mkdtempSync(join(host.layout.workRoot, `${egressPrefix}${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const socket = join(folder, "socket");
    const proxy = await openProxy({
      folder,
      owner: host.owner,
      allowed,
      privateHosts,
      bytesMax: egressBytesMax,
    });
    const variables = proxyVariables(allowed.map(({ target }) => target));
    const close = () => proxy.close().finally(remove);
    return { kind: "open", egress: { socket, port: insidePort, forwarder, variables }, proxy, close };
  } catch (error) {
    remove();
    return { kind: "refused", why: `the proxy cannot be opened: ${(error as Error).message}` };
  }
}

/** What one run is made of beside its job. */
interface Cell {
  readonly ready: Ready;
  readonly host: Host;
  readonly name: string;
  readonly group: Group | undefined;
}

/** A run within its control group, where there are groups. */
async function runGrouped(job: Job, parts: Omit<Cell, "group">, signal: AbortSignal): Promise<JailRun> {
  signal.throwIfAborted();
  let group: Group | undefined;
  try {
    group = parts.host.groups?.make(job.limits);
  } catch (error) {
    return { kind: "could-not-start", why: `no control group can be made: ${(error as Error).message}` };
  }
  try {
    return await runOnce(job, { ...parts, group }, signal);
  } finally {
    await group?.remove();
  }
}

async function runOnce(job: Job, { ready, host, name, group }: Cell, signal: AbortSignal): Promise<JailRun> {
  const { limits } = job;
  const started = start(ready, host, name);
  if (started.kind === "failed") return { kind: "could-not-start", why: started.why };
  const { child, status, kill } = started;
  const streams = { stdout: child.stdout as Readable, stderr: child.stderr as Readable };
  const run = hold({ ...streams, limits, kill }, signal);
  // The kernel's first move between groups in a while takes it some milliseconds: it takes them while bubblewrap starts.
  const moved = child.pid === undefined ? undefined : group?.enter(child.pid).catch(() => {});
  let watching: Watch | undefined;
  let failure: string | undefined;
  try {
    const pid = await status.started;
    if (pid !== undefined && !run.isKilled()) {
      const folders = job.binds.filter(({ access }) => access === "write").map((bind) => bind.host);
      const [{ bytes: bytesBefore }] = await Promise.all([
        usageOf(folders, Number.MAX_SAFE_INTEGER),
        moved?.then(() => group?.enter(pid)),
      ]);
      watching = watch({ pid, limits, group, folders, bytesBefore }, run.stop);
      status.open();
    }
  } catch (error) {
    // Gone already: what bubblewrap said before it gave up is the better explanation.
    const isGone = (error as NodeJS.ErrnoException).code === "ESRCH";
    if (!isGone) failure = `the jail could not be prepared: ${(error as Error).message}`;
    if (!isGone) run.kill();
  }
  const end = await started.ended;
  run.release();
  const late = await watching?.end();
  await moved;
  signal.throwIfAborted();
  failure ??= end.failure;
  if (failure !== undefined) return { kind: "could-not-start", why: failure };
  const why = run.isKilled() || late !== undefined ? undefined : whyKilled(end);
  if (why !== undefined) return { kind: "killed", why };
  if (!run.isKilled() && !end.ran && end.signal === null)
    return {
      kind: "could-not-start",
      why: headAndTail(printable(run.output().stderr.trim()), 1_000) || "bubblewrap said nothing",
    };
  return run.ended(end.code, late, host.layout.level);
}

/**
 * Who else ended bubblewrap, when somebody did: it has no other reason to die of a signal, and nobody in the jail can
 * send it one. Before the job ran, 128 + 9 is process 1 killed; after that it may as well be the job's own end.
 */
function whyKilled({ ran, code, signal }: Ended): string | undefined {
  if (signal !== null) return `the jail was killed from outside (${signal})`;
  return !ran && code === 137
    ? "the jail was killed from outside (SIGKILL) before it ran anything"
    : undefined;
}

/** Sockets of runs whose Rigs was killed. */
function sweep(workRoot: string): void {
  for (const name of readdirSync(workRoot)) {
    if (!name.startsWith(egressPrefix)) continue;
    const pid = Number.parseInt(name.slice(egressPrefix.length), 10);
    if (!existsSync(`/proc/${pid}`)) rmSync(join(workRoot, name), { recursive: true, force: true });
  }
}
