/**
 * No jail at all: what `--unsafe-no-sandbox` asks for, loudly. The job runs as the user, sees the user's files and
 * network, and is believed accordingly (`isolation: "none"`). Time, output, and what watching can see are bounded.
 *
 * There are no mounts, so inside paths are written over with host paths, word by word, in the command, the working
 * folder and the variables; a bind inside another is a link there for the time of the run.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { assert } from "../../kit/assert.ts";
import type { Jail, JailRun, Job } from "../../ports/jail.ts";
import { usageOf } from "./folder.ts";
import { hold } from "./hold.ts";
import { watch } from "./watch.ts";

/** The variable by which a job's processes are found again, whatever group or session they moved to. */
const markName = "RIGS_UNISOLATED_RUN";

export function unisolatedJail(options: { readonly workRoot: string }): Jail {
  mkdirSync(options.workRoot, { recursive: true, mode: 0o711 });
  const workRoot = realpathSync(options.workRoot);
  return {
    isolation: "none",
    workRoot,
    run: async (job, signal) => {
      signal.throwIfAborted();
      const stage = setStage(job);
      if (stage.kind === "refused") return { kind: "could-not-start", why: stage.why };
      try {
        return await runOnce(job, stage, signal);
      } finally {
        stage.clear();
      }
    },
    adopt: async (folder) => {
      assert(realpathSync(folder) === folder, "a folder to adopt is named by its real path");
      assert(folder.startsWith(`${workRoot}/`), "only folders below the work root are adopted");
    },
  };
}

async function runOnce(job: Job, stage: Stage, signal: AbortSignal): Promise<JailRun> {
  const { limits } = job;
  const folders = job.binds.filter(({ access }) => access === "write").map(({ host }) => host);
  const { bytes: bytesBefore } = await usageOf(folders, Number.MAX_SAFE_INTEGER);
  signal.throwIfAborted();
  const mark = randomBytes(12).toString("hex");
  const child = spawn("/bin/sh", ["-c", stage.translate(job.command)], {
    cwd: stage.cwd,
    env: { ...stage.variables, [markName]: mark },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const { stdout, stderr, pid } = child;
  const run = hold({ stdout, stderr, limits, kill: () => killAll(pid, mark) }, signal);
  const ended = new Promise<{ readonly code: number | null; readonly failure: string | undefined }>(
    (done) => {
      child.on("error", (error) => done({ code: null, failure: error.message }));
      // Not "close": what the job left running may hold its output open, and is killed now.
      child.on("exit", (code) => done({ code, failure: undefined }));
    },
  );
  const watching =
    pid === undefined ? undefined : watch({ pid, limits, group: undefined, folders, bytesBefore }, run.stop);
  const { code, failure } = await ended;
  run.release();
  await allDead(pid, mark);
  if (failure === undefined) await Promise.all([drained(stdout), drained(stderr)]);
  const late = await watching?.end();
  signal.throwIfAborted();
  if (failure !== undefined) return { kind: "could-not-start", why: failure };
  return run.ended(code, late, "rlimits");
}

function drained(stream: NodeJS.ReadableStream & { readonly closed?: boolean }): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((done) => stream.once("close", () => done()));
}

interface Stage {
  readonly kind: "set";
  readonly cwd: string;
  readonly variables: Readonly<Record<string, string>>;
  translate(text: string): string;
  clear(): void;
}

/** Gives every inside path a host path. */
function setStage(job: Job): Stage | { readonly kind: "refused"; readonly why: string } {
  const missing = job.binds.find(({ host }) => !existsSync(host));
  if (missing !== undefined) return { kind: "refused", why: `${missing.host} cannot be bound: ENOENT` };
  const temporary = mkdtempSync(join(tmpdir(), "rigs-unisolated-"));
  const links: string[] = [];
  const clear = () => {
    for (const link of links) rmSync(link, { force: true });
    rmSync(temporary, { recursive: true, force: true });
  };
  try {
    const hosts = new Map<string, string>([...job.binds].map(({ inside, host }) => [inside, host]));
    job.scratch.forEach(({ inside }, index) => {
      const folder = join(temporary, `scratch-${index}`);
      mkdirSync(folder);
      hosts.set(inside, folder);
    });
    for (const [inside, host] of hosts) {
      const outer = [...hosts].find(([each]) => inside.startsWith(`${each}/`));
      if (outer === undefined) continue;
      const place = outer[1] + inside.slice(outer[0].length);
      if (existsSync(place)) continue;
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(host, place);
      links.push(place);
    }
    const translate = (text: string) => translated(text, hosts);
    const home = join(temporary, "home");
    mkdirSync(home);
    const defaults = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, LANG: "C.UTF-8", TMPDIR: temporary };
    const variables = Object.fromEntries(
      Object.entries({ ...defaults, ...job.variables }).map(([name, value]) => [name, translate(value)]),
    );
    const cwd = job.cwd === "/tmp" ? temporary : translate(job.cwd);
    if (existsSync(cwd)) return { kind: "set", cwd, variables, translate, clear };
    clear();
    return { kind: "refused", why: `there is no working folder ${job.cwd}` };
  } catch (error) {
    clear();
    return { kind: "refused", why: (error as Error).message };
  }
}

/** Longest inside path first; only whole path words are written over. */
function translated(text: string, hosts: ReadonlyMap<string, string>): string {
  const insides = [...hosts.keys()].sort((left, right) => right.length - left.length);
  if (insides.length === 0) return text;
  const names = insides.map((inside) => inside.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return text.replace(
    new RegExp(`(?<![\\w./-])(?:${names})(?![\\w.-])`, "g"),
    (inside) => hosts.get(inside) ?? inside,
  );
}

function killAll(leader: number | undefined, mark: string): void {
  if (leader !== undefined) send(-leader);
  for (const pid of marked(mark)) send(pid);
}

/** At most two seconds of killing; what hides its environment and its group is beyond a run without a jail. */
async function allDead(leader: number | undefined, mark: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    killAll(leader, mark);
    if (marked(mark).length === 0) return;
    await after(Math.min(20, 1 + attempt));
  }
}

function marked(mark: string): readonly number[] {
  if (!existsSync("/proc/self/environ")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${markName}=${mark}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

function send(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
