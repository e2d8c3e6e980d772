/** What every jail does. An implementation that cannot do something says so, with the reason. */
import { mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Jail, Job, Limits } from "./jail.ts";

const mebibyte = 1024 * 1024;
const limits: Limits = {
  wallMsMax: 20_000,
  cpuSecondsMax: 20,
  memoryBytesMax: 256 * mebibyte,
  processesMax: 64,
  descriptorsMax: 256,
  fileBytesMax: 64 * mebibyte,
  temporaryBytesMax: 32 * mebibyte,
  sharedMemoryBytesMax: 16 * mebibyte,
  diskBytesMax: 64 * mebibyte,
  outputBytesMax: mebibyte,
};

/** Sentences that only isolation makes true. */
export type IsolationCase =
  | "reads are read-only"
  | "links as binds"
  | "unnamed files"
  | "memory"
  | "processes"
  | "temporary files"
  | "process tree"
  | "forbidden binds";

/** `open` gives one jail for all cases; `gaps` are the cases it does not pass, each with its reason. */
export function jailCases(
  name: string,
  open: () => Promise<Jail>,
  gaps: Partial<Readonly<Record<IsolationCase, string>>> = {},
): void {
  let opened: Promise<Jail> | undefined;
  let count = 0;
  const theJail = () => {
    opened ??= open();
    return opened;
  };
  const folderOf = async (jail: Jail) => {
    const folder = join(realpathSync(jail.workRoot), `case-${process.pid}-${++count}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "given.txt"), "given\n");
    await jail.adopt(folder);
    return folder;
  };
  const run = async (
    command: string,
    change: (job: Job, folder: string) => Partial<Job> = () => ({}),
    signal: AbortSignal = new AbortController().signal,
  ) => {
    const jail = await theJail();
    const folder = await folderOf(jail);
    const job: Job = {
      command,
      cwd: "/rig",
      variables: {},
      binds: [{ host: folder, inside: "/rig", access: "write" }],
      scratch: [],
      limits,
      network: { kind: "none" },
    };
    return { result: await jail.run({ ...job, ...change(job, folder) }, signal), folder };
  };
  const ended = async (...ask: Parameters<typeof run>) => {
    const { result, folder } = await run(...ask);
    if (result.kind !== "ended") throw new Error(`could not start: ${result.why}`);
    return { ...result, folder };
  };
  const isolated = (gap: IsolationCase, sentence: string, body: () => Promise<void>) => {
    const reason = gaps[gap];
    if (reason === undefined) test(`${name}: ${sentence}`, body);
    else test.skip(`${name}: ${sentence} (gap: ${reason})`, body);
  };
  const bounded = (change: Partial<Limits>) => () => ({ limits: { ...limits, ...change } });

  test(`${name}: runs a shell command line in the working folder and gives back what it said`, async () => {
    const { exitCode, limit, output, wallMs, refusedHosts } = await ended(
      "cat given.txt | tr a-z A-Z; echo no >&2",
    );
    expect({ exitCode, limit, output, refusedHosts }).toEqual({
      exitCode: 0,
      limit: undefined,
      output: { stdout: "GIVEN\n", stderr: "no\n" },
      refusedHosts: [],
    });
    expect(wallMs).toBeGreaterThan(0);
  });

  test(`${name}: a non-zero exit is an answer`, async () => {
    const { exitCode, limit } = await ended("exit 7");
    expect({ exitCode, limit }).toEqual({ exitCode: 7, limit: undefined });
  });

  test(`${name}: what is written to a writable bind stays`, async () => {
    const { exitCode, folder } = await ended("mkdir -p /rig/deep && echo made > /rig/deep/file");
    expect(exitCode).toBe(0);
    expect(readFileSync(join(folder, "deep/file"), "utf8")).toBe("made\n");
  });

  test(`${name}: the environment is the job's and four of the jail's, nothing of ours`, async () => {
    process.env.RIGS_CASE_SECRET = "sk-secret";
    const { output } = await ended("env", () => ({ variables: { COLOUR: "blue", LANG: "C" } }));
    const names = output.stdout.split("\n").map((line) => line.split("=")[0]);
    expect(names).toEqual(expect.arrayContaining(["PATH", "HOME", "TMPDIR"]));
    expect(output.stdout).toContain("COLOUR=blue\n");
    expect(output.stdout).toContain("LANG=C\n");
    expect(output.stdout).not.toContain("sk-secret");
  });

  test(`${name}: HOME and TMPDIR can be written to`, async () => {
    const { exitCode } = await ended('touch "$HOME/a" "$TMPDIR/b"');
    expect(exitCode).toBe(0);
  });

  test(`${name}: standard input is empty`, async () => {
    const { exitCode, output } = await ended("cat; echo end");
    expect({ exitCode, stdout: output.stdout }).toEqual({ exitCode: 0, stdout: "end\n" });
  });

  test(`${name}: scratch folders are empty, writable and gone afterwards`, async () => {
    const { exitCode, output, folder } = await ended(
      "ls -A /cache; echo x > /cache/y && cat /cache/y",
      () => ({
        scratch: [{ inside: "/cache", bytesMax: mebibyte }],
      }),
    );
    expect({ exitCode, stdout: output.stdout }).toEqual({ exitCode: 0, stdout: "x\n" });
    const again = await ended(`ls -A /cache # ${folder}`, () => ({
      scratch: [{ inside: "/cache", bytesMax: mebibyte }],
    }));
    expect(again.output.stdout).toBe("");
  });

  test(`${name}: a folder can be bound inside another`, async () => {
    const outer = await folderOf(await theJail());
    mkdirSync(join(outer, "modules"));
    const { exitCode, output } = await ended("cat /rig/lib/given.txt", (job) => ({
      binds: [{ host: outer, inside: "/rig/lib", access: "read" }, ...job.binds],
    }));
    expect({ exitCode, stdout: output.stdout }).toEqual({ exitCode: 0, stdout: "given\n" });
  });

  test(`${name}: wall time is a limit of its own`, async () => {
    const { exitCode, limit, wallMs } = await ended("sleep 60", bounded({ wallMsMax: 300 }));
    expect({ exitCode, limit }).toEqual({ exitCode: undefined, limit: "wall" });
    expect(wallMs).toBeLessThan(5_000);
  });

  test(`${name}: output is a limit of its own, kept as head and tail`, async () => {
    const { limit, output } = await ended("echo first; yes", bounded({ outputBytesMax: 300_000 }));
    expect(limit).toBe("output");
    expect(output.stdout.slice(0, 6)).toBe("first\n");
    expect(output.stdout.length).toBeLessThanOrEqual(16_000);
    expect(output.stdout).toContain("cut …]");
  });

  test(`${name}: control characters are made visible`, async () => {
    const { output } = await ended("printf '\\033]0;owned\\007\\033[2J'");
    expect(output.stdout).toBe("\\x1b]0;owned\\x07\\x1b[2J");
  });

  test(`${name}: growth of a writable bind is a limit of its own`, async () => {
    const { limit } = await ended(
      "dd if=/dev/zero of=big bs=1M count=12 2>/dev/null; exec sleep 20",
      bounded({ diskBytesMax: 4 * mebibyte }),
    );
    expect(limit).toBe("disk");
  });

  test(`${name}: growth is seen even when the job ends at once`, async () => {
    const { limit } = await ended(
      "dd if=/dev/zero of=big bs=1M count=12 2>/dev/null",
      bounded({ diskBytesMax: 4 * mebibyte }),
    );
    expect(limit).toBe("disk");
  });

  test(`${name}: processor time is a limit of its own`, async () => {
    const { limit } = await ended("while :; do :; done", bounded({ cpuSecondsMax: 1 }));
    expect(limit).toBe("cpu");
  });

  test(`${name}: aborting rejects with the reason, and nothing is left running`, async () => {
    const stop = new AbortController();
    const reason = new Error("changed our mind");
    const jail = await theJail();
    const folder = await folderOf(jail);
    const seconds = nextSeconds();
    const asked = jail.run(
      {
        command: `setsid sleep ${seconds} & echo > started; sleep ${seconds}`,
        cwd: "/rig",
        variables: {},
        binds: [{ host: folder, inside: "/rig", access: "write" }],
        scratch: [],
        limits,
        network: { kind: "none" },
      },
      stop.signal,
    );
    await appears(folder, "started");
    const from = performance.now();
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(sleepers(seconds)).toEqual([]);
  });

  test(`${name}: a signal that was aborted before starts nothing`, async () => {
    const reason = new Error("too late");
    await expect(run("echo > ran", undefined, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test(`${name}: a missing source cannot start, by name`, async () => {
    const { result } = await run("true", (job, folder) => ({
      binds: [...job.binds, { host: join(folder, "nowhere"), inside: "/data", access: "read" }],
    }));
    expect(result.kind).toBe("could-not-start");
    expect(result.kind === "could-not-start" && result.why).toContain("nowhere");
  });

  test(`${name}: a missing working folder cannot start`, async () => {
    const { result } = await run("true", () => ({ cwd: "/nowhere" }));
    expect(result.kind).toBe("could-not-start");
  });

  test(`${name}: several runs at once do not meet`, async () => {
    const words = ["one", "two", "three", "four", "five"];
    const runs = await Promise.all(words.map((word) => ended(`echo ${word} > word; cat word`)));
    expect(runs.map(({ output }) => output.stdout.trim())).toEqual(words);
  });

  isolated("reads are read-only", "a bind for reading cannot be written to", async () => {
    const { exitCode, folder } = await ended("echo x > /rig/new || exit 9", (job) => ({
      binds: job.binds.map((bind) => ({ ...bind, access: "read" })),
    }));
    expect(exitCode).not.toBe(0);
    expect(() => readFileSync(join(folder, "new"))).toThrow("ENOENT");
  });

  isolated("links as binds", "a source that became a symbolic link is not bound", async () => {
    const { result } = await run("true", (job, folder) => {
      symlinkSync("/usr", join(folder, "link"));
      return { binds: [...job.binds, { host: join(folder, "link"), inside: "/data", access: "read" }] };
    });
    expect(result).toMatchObject({ kind: "could-not-start", why: expect.stringContaining("symbolic link") });
  });

  isolated("unnamed files", "host files that the job does not name are not there", async () => {
    const jail = await theJail();
    const { output } = await ended(
      `ls -d ${jail.workRoot} /home /root /etc/shadow /var /run 2>/dev/null; echo end`,
    );
    expect(output.stdout).toBe("end\n");
  });

  isolated("forbidden binds", "the root, homes, /run and the work root's parents are refused", async () => {
    const jail = await theJail();
    const parent = join(jail.workRoot, "..");
    for (const host of ["/", "/root", "/home", "/run", "/etc", parent, jail.workRoot])
      for (const access of ["read", "write"] as const) {
        const { result } = await run("true", (job) => ({
          binds: [...job.binds, { host, inside: "/data", access }],
        }));
        expect([host, access, result.kind]).toEqual([host, access, "could-not-start"]);
      }
  });

  isolated("memory", "memory is a limit of its own", async () => {
    const { exitCode, limit } = await ended(
      "python3 -c 'x = bytearray(400 << 20); print(len(x))'",
      bounded({}),
    );
    expect(limit).toBe("memory");
    expect(exitCode).not.toBe(0);
  });

  isolated("processes", "the number of processes is a limit of its own", async () => {
    const { limit, output } = await ended(
      "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 0.3 & done; wait; echo end",
      bounded({ processesMax: 8 }),
    );
    expect(limit).toBe("processes");
    expect(output.stdout).toBe("");
  });

  isolated("temporary files", "temporary folders have a size, and filling one is a disk limit", async () => {
    const { limit, exitCode } = await ended("dd if=/dev/zero of=/tmp/big bs=1M count=40", bounded({}));
    expect(exitCode).not.toBe(0);
    expect(limit).toBe("disk");
  });

  isolated("process tree", "a grandchild in a session of its own does not outlive the run", async () => {
    const seconds = nextSeconds();
    const { exitCode, folder } = await ended(
      `for i in $(seq 40); do setsid sleep ${seconds} >/dev/null 2>&1 & done
       setsid sh -c 'echo > started; sleep ${seconds}; echo > late' & until [ -e started ]; do :; done`,
    );
    expect(exitCode).toBe(0);
    expect(sleepers(seconds)).toEqual([]);
    expect(() => readFileSync(join(folder, "late"))).toThrow("ENOENT");
  });
}

/** Resolves when the job has written the file: an event of the file system, not a time. */
async function appears(folder: string, name: string): Promise<void> {
  const { watch } = await import("node:fs/promises");
  const { existsSync } = await import("node:fs");
  const stop = new AbortController();
  try {
    const events = watch(folder, { signal: stop.signal });
    const iterator = events[Symbol.asyncIterator]();
    const next = iterator.next();
    if (existsSync(join(folder, name))) return void next.catch(() => {});
    for await (const event of { [Symbol.asyncIterator]: () => iterator }) if (event.filename === name) return;
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
  } finally {
    stop.abort();
  }
}

/** A time to sleep that no other process on the machine sleeps. */
let slept = 0;
function nextSeconds(): string {
  return `${process.pid}${100_000 + ++slept}`;
}

/** Processes of the host that sleep exactly so long. */
function sleepers(seconds: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  });
}
