/**
 * Control groups, version 1 or 2, where this process may make them: the only bound on what all processes of a jail use
 * together. A jail's group lies below this process's own group (beside it on version 2, where a group with processes
 * cannot have children with bounds), so every bound above keeps holding. Version 2 is written to the kernel's
 * documentation and tested on a made-up tree only.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import type { Limits } from "../../ports/jail.ts";

/** What the group has seen so far. */
export interface Sighting {
  readonly memoryHit: boolean;
  readonly processesHit: boolean;
  /** Undefined where the kernel does not count it for us. */
  readonly cpuSeconds: number | undefined;
}

export interface Group {
  /** Moves one process into the group; what it starts later is born there. Rejects when it is gone. The kernel may take some milliseconds. */
  enter(pid: number): Promise<void>;
  sighting(): Sighting;
  /** Call it when all its processes are dead. Groups outlive their last process by some milliseconds. */
  remove(): Promise<void>;
}

export interface Groups {
  readonly version: 1 | 2;
  /** Throws when the kernel refuses. */
  make(limits: Pick<Limits, "memoryBytesMax" | "processesMax">): Group;
}

const prefix = "rigs-";
/** bubblewrap's two, inside and outside. */
const ownProcesses = 2;
let count = 0;

/** Undefined when this process cannot bound memory and processes by groups. The paths are arguments for the tests. */
export function findGroups(root = "/sys/fs/cgroup", own = "/proc/self/cgroup"): Groups | undefined {
  const groups = one(root, own) ?? two(root, own);
  if (groups === undefined) return undefined;
  try {
    const trial = groups.make({ memoryBytesMax: 64 * 1024 * 1024, processesMax: 8 });
    trial.sighting();
    void trial.remove();
    return groups;
  } catch {
    return undefined;
  }
}

function one(root: string, own: string): Groups | undefined {
  const folders = {
    memory: folderOf(root, own, "memory"),
    pids: folderOf(root, own, "pids"),
    cpuacct: folderOf(root, own, "cpuacct"),
  };
  const { memory, pids, cpuacct } = folders;
  if (memory === undefined || pids === undefined) return undefined;
  sweep([memory, pids, ...(cpuacct === undefined ? [] : [cpuacct])]);
  return {
    version: 1,
    make: (limits) => {
      const name = nextName();
      const made = makeAll([memory, pids, ...(cpuacct === undefined ? [] : [cpuacct])], name);
      write(join(memory, name, "memory.limit_in_bytes"), limits.memoryBytesMax);
      // Absent where swap is not accounted; then swap is not bounded, memory still is.
      const swap = join(memory, name, "memory.memsw.limit_in_bytes");
      if (existsSync(swap)) write(swap, limits.memoryBytesMax);
      write(join(pids, name, "pids.max"), limits.processesMax + ownProcesses);
      return {
        enter: (pid) => enterAll(made, pid),
        sighting: () => ({
          memoryHit: counterIn(join(memory, name, "memory.oom_control"), "oom_kill") > 0,
          processesHit: counterIn(join(pids, name, "pids.events"), "max") > 0,
          cpuSeconds:
            cpuacct === undefined
              ? undefined
              : Number(readFileSync(join(cpuacct, name, "cpuacct.usage"), "utf8")) / 1e9,
        }),
        remove: () => removeAll(made),
      };
    },
  };
}

function two(root: string, own: string): Groups | undefined {
  const path = ownPath(own, "");
  if (path === undefined || path === "/") return undefined;
  const parent = dirname(join(root, path));
  const controllers = readOr(join(parent, "cgroup.subtree_control"), "").split(/\s+/);
  if (!controllers.includes("memory") || !controllers.includes("pids")) return undefined;
  sweep([parent]);
  return {
    version: 2,
    make: (limits) => {
      const made = makeAll([parent], nextName());
      const folder = made[0] ?? parent;
      write(join(folder, "memory.max"), limits.memoryBytesMax);
      if (existsSync(join(folder, "memory.swap.max"))) write(join(folder, "memory.swap.max"), 0);
      if (existsSync(join(folder, "memory.oom.group"))) write(join(folder, "memory.oom.group"), 1);
      write(join(folder, "pids.max"), limits.processesMax + ownProcesses);
      return {
        enter: (pid) => enterAll(made, pid),
        sighting: () => ({
          memoryHit: counterIn(join(folder, "memory.events"), "oom_kill") > 0,
          processesHit: counterIn(join(folder, "pids.events"), "max") > 0,
          cpuSeconds: counterIn(join(folder, "cpu.stat"), "usage_usec") / 1e6,
        }),
        remove: () => removeAll(made),
      };
    },
  };
}

/** "4:memory:/path" of /proc/self/cgroup; the empty name is version 2's. */
function ownPath(own: string, controller: string): string | undefined {
  for (const line of readOr(own, "").split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names?.split(",").includes(controller)) return path;
  }
  return undefined;
}

function folderOf(root: string, own: string, controller: string): string | undefined {
  const path = ownPath(own, controller);
  const folder = path === undefined ? undefined : join(root, controller, path);
  return folder !== undefined && existsSync(join(folder, "cgroup.procs")) ? folder : undefined;
}

function nextName(): string {
  return `${prefix}${process.pid}-${++count}`;
}

function makeAll(parents: readonly string[], name: string): readonly string[] {
  const made: string[] = [];
  try {
    for (const parent of parents) {
      mkdirSync(join(parent, name));
      made.push(join(parent, name));
    }
    return made;
  } catch (error) {
    for (const folder of made) rmdirSync(folder);
    throw error;
  }
}

/** All at once and off the main thread: the kernel waits for every processor, once for all that ask together. */
async function enterAll(folders: readonly string[], pid: number): Promise<void> {
  await Promise.all(folders.map((folder) => writeFile(join(folder, "cgroup.procs"), String(pid))));
}

/** At most two seconds of patience; what is left then is swept by the next start. */
async function removeAll(folders: readonly string[]): Promise<void> {
  for (const folder of folders)
    for (let attempt = 0; attempt < 200; attempt++) {
      try {
        rmdirSync(folder);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EBUSY") break;
        await after(Math.min(20, 1 + attempt));
      }
    }
}

/** Groups of processes of ours that were killed before they could tidy up. */
function sweep(parents: readonly string[]): void {
  for (const parent of parents)
    for (const name of readdirSync(parent)) {
      const pid = Number(/^rigs-(\d+)-\d+$/.exec(name)?.[1]);
      if (!Number.isInteger(pid) || existsSync(`/proc/${pid}`)) continue;
      try {
        rmdirSync(join(parent, name));
      } catch {
        // Somebody else's, or still dying: the next start tries again.
      }
    }
}

function write(path: string, value: number): void {
  writeFileSync(path, String(value));
}

function counterIn(path: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(readOr(path, ""))?.[1] ?? 0);
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
