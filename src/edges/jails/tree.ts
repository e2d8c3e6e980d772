/** Looking at a jail's processes from the host, through /proc. Everything in a jail descends from its process 1. */
import { readdirSync, readFileSync } from "node:fs";

/** Which process, safe against a number used again. */
export interface Process {
  readonly pid: number;
  /** Ticks since boot, field 22 of /proc/PID/stat. */
  readonly startedAt: string;
}

/** What all living processes of a tree use now. */
export interface TreeUsage {
  readonly processes: number;
  /** User and system time, that of waited-for children included. */
  readonly cpuSeconds: number;
  /** Resident memory without shared pages. */
  readonly memoryBytes: number;
}

/** USER_HZ: 100 on every architecture we know a filter for. */
const ticksPerSecond = 100;
const pageBytes = 4096;
const processesMax = 4096;

/** Undefined when it has gone already. */
export function identify(pid: number): Process | undefined {
  const fields = statOf(pid);
  return fields === undefined ? undefined : { pid, startedAt: fields[19] ?? "" };
}

/**
 * False once it is gone or a zombie. The kernel makes process 1 of a namespace a zombie only after it has killed and
 * reaped every other process of that namespace, so false means that all of them are dead.
 */
export function isAlive(process: Process): boolean {
  const fields = statOf(process.pid);
  return fields !== undefined && fields[19] === process.startedAt && fields[0] !== "Z" && fields[0] !== "X";
}

export function treeUsage(root: number): TreeUsage {
  let [processes, ticks, pages] = [0, 0, 0];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined && processes < processesMax; pid = queue.pop()) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    // Threads count as processes for the kernel's limit.
    processes += Number(fields[17]);
    for (const index of [11, 12, 13, 14]) ticks += Number(fields[index]);
    const [, resident = 0, shared = 0] = readOr(`/proc/${pid}/statm`).split(" ").map(Number);
    pages += resident - shared;
    queue.push(...childrenOf(pid));
  }
  return { processes, cpuSeconds: ticks / ticksPerSecond, memoryBytes: pages * pageBytes };
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readOr(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** From the state on: the name before it may hold spaces and brackets. */
function statOf(pid: number): readonly string[] | undefined {
  const line = readOr(`/proc/${pid}/stat`);
  return line === "" ? undefined : line.slice(line.lastIndexOf(")") + 2).split(" ");
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
