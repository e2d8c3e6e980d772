/** Watching a running jail: what it uses is looked at now and then, and the first bound it breaks is told once. */
import type { LimitHit } from "../../domain/gate.ts";
import type { Limits } from "../../ports/jail.ts";
import { DepthError, usageOf } from "./folder.ts";
import type { Group } from "./groups.ts";
import { treeUsage } from "./tree.ts";

const lookEveryMs = 100;
/** Measuring folders takes at most about a tenth of the time. */
const diskEveryMs = 250;
const diskShare = 10;

export interface Watch {
  /** Stops watching, looks a last time, and says what was hit without being stopped for. */
  end(): Promise<LimitHit | undefined>;
}

export interface Watched {
  /** Process 1 of the jail, as the host numbers it. */
  readonly pid: number;
  readonly limits: Limits;
  readonly group: Group | undefined;
  /** Host folders bound for writing, with their size together before the job could write. */
  readonly folders: readonly string[];
  readonly bytesBefore: number;
}

/** `stop` is called once at most, when the job must be killed. Processes are the exception: the kernel refuses more, the job goes on. */
export function watch(watched: Watched, stop: (limit: LimitHit) => void): Watch {
  const { limits, group, folders } = watched;
  let hit: LimitHit | undefined;
  let ended = false;
  const tell = (limit: LimitHit) => {
    if (ended || (hit !== undefined && hit !== "processes")) return;
    hit = limit;
    if (limit !== "processes") stop(limit);
  };
  const look = () => {
    for (const limit of group === undefined ? treeHits(watched) : groupHits(group, limits)) tell(limit);
  };
  const looking = setInterval(look, lookEveryMs);
  let measuring: NodeJS.Timeout | undefined;
  const measureLater = (tookMs: number) => {
    if (ended || folders.length === 0) return;
    measuring = setTimeout(measure, Math.max(diskEveryMs, tookMs * diskShare));
  };
  const measure = async () => {
    const from = performance.now();
    if (await isOverfull(watched)) tell("disk");
    measureLater(performance.now() - from);
  };
  measureLater(0);
  return {
    end: async () => {
      ended = true;
      clearInterval(looking);
      clearTimeout(measuring);
      if (hit !== undefined) return hit;
      const late = group === undefined ? [] : groupHits(group, limits);
      return late[0] ?? ((await isOverfull(watched)) ? "disk" : undefined);
    },
  };
}

function groupHits(group: Group, limits: Limits): readonly LimitHit[] {
  const { memoryHit, processesHit, cpuSeconds = 0 } = group.sighting();
  return [
    ...(memoryHit ? (["memory"] as const) : []),
    ...(cpuSeconds >= limits.cpuSecondsMax ? (["cpu"] as const) : []),
    ...(processesHit ? (["processes"] as const) : []),
  ];
}

function treeHits({ pid, limits }: Watched): readonly LimitHit[] {
  const usage = treeUsage(pid);
  return [
    ...(usage.memoryBytes >= limits.memoryBytesMax ? (["memory"] as const) : []),
    ...(usage.cpuSeconds >= limits.cpuSecondsMax ? (["cpu"] as const) : []),
    ...(usage.processes >= limits.processesMax ? (["processes"] as const) : []),
  ];
}

async function isOverfull({ folders, bytesBefore, limits }: Watched): Promise<boolean> {
  if (folders.length === 0) return false;
  const bytesMax = bytesBefore + limits.diskBytesMax;
  try {
    return (await usageOf(folders, bytesMax)).bytes > bytesMax;
  } catch (error) {
    // Too deep to be measured is too much.
    if (error instanceof DepthError) return true;
    return false;
  }
}

/** What programs print when the kernel refused them something. Read only of a job that failed. */
const signs: readonly (readonly [LimitHit, RegExp])[] = [
  ["disk", /No space left on device|File too large|File size limit exceeded|\bENOSPC\b|\bEFBIG\b/],
  [
    "memory",
    /^MemoryError\b|JavaScript heap out of memory|std::bad_alloc|Cannot allocate memory|\bENOMEM\b|memory allocation of \d+ bytes failed/m,
  ],
  [
    "processes",
    /fork: (?:retry: )?Resource temporarily unavailable|BlockingIOError: \[Errno 11\]|can't start new thread|Cannot fork|spawn \S+ EAGAIN|pthread_create/,
  ],
];

/**
 * The bound that a failed run's own words and exit code point to, where the kernel reports to the program alone: sizes of
 * files and of memory-backed folders always, memory and processes only without control groups. A program may lie here;
 * it then only calls its own failure by another name.
 */
export function limitFromWords(
  exitCode: number,
  stderr: string,
  level: "groups" | "rlimits",
): LimitHit | undefined {
  if (exitCode === 0) return undefined;
  // 128 + SIGXCPU, 128 + SIGXFSZ.
  if (exitCode === 152) return "cpu";
  if (exitCode === 153) return "disk";
  // What a program died of comes last; what it merely talked about may be anywhere.
  const last = stderr.slice(-2_000);
  const readable = signs.filter(([limit]) => limit === "disk" || level === "rlimits");
  return readable.find(([, words]) => words.test(last))?.[0];
}
