import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JailRun, Job, Limits } from "../../ports/jail.ts";
import { jailGid, jailUid } from "./host.ts";
import { snippet } from "./limits.ts";
import { probes, runner } from "./probes.case.ts";
import { makeWorkRoot, withJail } from "./sandbox.case.ts";

const canary = "sk-canary-5150";
const marker = "915150";
/** What the controls run as: the very user the jail has outside. */
const owner = process.getuid?.() === 0 ? { uid: jailUid, gid: jailGid } : {};
const mebibyte = 1024 * 1024;

process.env.RIGS_PROBE_SECRET = canary;
process.env.PYTHONPATH = "/nowhere";
const top = makeWorkRoot();
const workRoot = join(top, "work");

/** A host with everything on it that an attack looks for. */
const outside = join(top, "outside");
const servers: Server[] = [];
let victim: ChildProcess | undefined;
let port = 0;

beforeAll(async () => {
  for (const folder of [outside, join(top, "bare"), join(top, "temporary"), join(top, "tests")])
    mkdirSync(folder);
  writeFileSync(join(outside, "id_rsa"), "key", { mode: 0o600 });
  writeFileSync(join(outside, "world"), "");
  writeFileSync(join(top, "tests/test_it.py"), "");
  chmodSync(join(outside, "world"), 0o666);
  mkdirSync(join(top, "bare/.git/hooks"), { recursive: true });
  if (process.getuid?.() === 0)
    for (const path of execFileSync("find", [top, "-mindepth", "1"], { encoding: "utf8" }).trim().split("\n"))
      if (!path.startsWith(workRoot)) chownSync(path, jailUid, jailGid);
  victim = spawn("/bin/sleep", [marker], { ...owner, env: { RIGS_PROBE_SECRET: canary } });
  const listen = async (...where: readonly [string] | readonly [number, string]) => {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    server.listen(...(where as [string]));
    await new Promise((done) => server.once("listening", done));
    return server;
  };
  port = ((await listen(0, "127.0.0.1")).address() as AddressInfo).port;
  await listen(join(outside, "socket"));
  chmodSync(join(outside, "socket"), 0o777);
  await listen(`\0rigs-probe-${process.pid}`);
});
afterAll(() => {
  victim?.kill("SIGKILL");
  for (const server of servers) server.close();
  execFileSync("rm", ["-rf", top]);
});

const fixture = (temporary: string, tests: string) => ({
  canary,
  marker,
  port,
  outside,
  temporary,
  tests,
  secret: join(outside, "id_rsa"),
  world: join(outside, "world"),
  socket: join(outside, "socket"),
  abstract: `rigs-probe-${process.pid}`,
  victim: victim?.pid,
});
const list = (facts: unknown) => JSON.stringify([facts, probes.map(({ name, program }) => [name, program])]);

/** Every probe without a jail, in one process as an ordinary user. */
function bare(): Record<string, string> {
  const input = join(top, "bare.json");
  writeFileSync(input, list(fixture(join(top, "temporary"), join(top, "tests"))));
  chmodSync(input, 0o644);
  const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", runner, input], {
    ...owner,
    cwd: join(top, "bare"),
    env: { PATH: "/usr/bin:/bin", RIGS_PROBE_SECRET: canary, PYTHONPATH: "/nowhere" },
    encoding: "utf8",
    timeout: 30_000,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

await withJail({ workRoot }, ({ jail, level }) => {
  let count = 0;
  const rig = async () => {
    const folder = join(workRoot, `rig-${++count}`);
    mkdirSync(join(folder, ".git/hooks"), { recursive: true });
    await jail.adopt(folder);
    return folder;
  };
  const run = async (
    folder: string,
    command: string,
    limits: Partial<Limits> = {},
    job: Partial<Job> = {},
  ) => {
    const result = await jail.run(
      {
        command,
        cwd: "/rig",
        variables: {},
        binds: [{ host: folder, inside: "/rig", access: "write" }],
        scratch: [],
        limits: { ...snippet, ...limits },
        network: { kind: "none" },
        ...job,
      },
      new AbortController().signal,
    );
    if (result.kind !== "ended") throw new Error(result.why);
    return result;
  };

  const answers: { jail: Record<string, string>; bare: Record<string, string>; folder: string } = {
    jail: {},
    bare: {},
    folder: "",
  };
  beforeAll(async () => {
    const folder = await rig();
    const programs = join(workRoot, "programs");
    mkdirSync(programs);
    writeFileSync(join(programs, "runner.py"), runner);
    writeFileSync(join(programs, "list.json"), list(fixture("/tmp", "/tests")));
    const tests = join(workRoot, "tests");
    mkdirSync(tests);
    writeFileSync(join(tests, "test_it.py"), "");
    chmodSync(tests, 0o777);
    const result = await run(
      folder,
      "exec python3 /programs/runner.py /programs/list.json",
      {},
      {
        binds: [
          { host: folder, inside: "/rig", access: "write" },
          { host: join(folder, ".git"), inside: "/rig/.git", access: "read" },
          { host: programs, inside: "/programs", access: "read" },
          { host: tests, inside: "/tests", access: "read" },
        ],
      },
    );
    if (result.exitCode !== 0) throw new Error(JSON.stringify(result));
    answers.jail = JSON.parse(result.output.stdout);
    answers.bare = bare();
    answers.folder = folder;
  });

  test.each(probes)("$name", ({ name, inJail, bare }) => {
    expect(answers.jail[name]).toMatch(inJail.kind === "blocked" ? /^blocked/ : /^open$/);
    if (bare.kind === "open") expect(answers.bare[name]).toBe("open");
    else expect(bare.why).not.toBe("");
  });

  test("nothing was planted on the host, and what is odd in the work folder stays there", () => {
    expect(readdirSync(outside).sort()).toEqual(["id_rsa", "planted", "socket", "world"]);
    expect(readFileSync(join(outside, "world"), "utf8")).toBe("x");
    expect(readdirSync(join(workRoot, "tests"))).toEqual(["test_it.py"]);
    expect(readdirSync(answers.folder)).toContain("door");
  });

  test("odd names and links are no trouble for giving a folder away again", async () => {
    await jail.adopt(answers.folder);
  });

  /** Bombs and survivors: a run each, because each ends its run. */
  const bomb = (name: string, limits: Partial<Limits>, command: string, check: (run: Ended) => void) =>
    test(name, async () => {
      const folder = await rig();
      check(await run(folder, command, limits));
      execFileSync("rm", ["-rf", folder]);
    });
  type Ended = Extract<JailRun, { readonly kind: "ended" }>;

  bomb("36 escape codes in output", {}, "printf '\\033]52;c;bad\\007'", ({ output }) =>
    expect(output.stdout).toBe("\\x1b]52;c;bad\\x07"),
  );
  bomb(
    "40 memory: 200 MB, 100 allowed",
    { memoryBytesMax: 100 * mebibyte },
    "python3 -c 'print(len(bytearray(200 << 20)))'",
    (run) => {
      expect(run.limit).toBe("memory");
      expect(run.output.stdout).toBe("");
    },
  );
  bomb(
    "40 memory in many processes together",
    { memoryBytesMax: 100 * mebibyte },
    "for i in 1 2 3 4; do python3 -c 'import time; x = bytearray(b\"x\" * (40 << 20)); time.sleep(20)' & done; wait",
    (run) => expect(run.limit).toBe("memory"),
  );
  bomb(
    "44 fill the work folder",
    { diskBytesMax: 8 * mebibyte },
    "dd if=/dev/zero of=big bs=1M count=12 2>&1; sleep 20",
    (run) => expect(run.limit).toBe("disk"),
  );
  bomb("45 many empty files", { diskBytesMax: 8 * mebibyte }, "seq 2300 | xargs touch", (run) =>
    expect(run.limit).toBe("disk"),
  );
  bomb(
    "45 a tree too deep to be measured",
    {},
    'python3 -c \'\nimport os\nfor _ in range(1000): os.mkdir("d" * 50); os.chdir("d" * 50)\'',
    (run) => expect(run.limit).toBe("disk"),
  );
  bomb("48 50 MB of output", {}, "head -c 50000000 /dev/zero", (run) => {
    expect(run.limit).toBe("output");
    expect(run.output.stdout.length).toBeLessThanOrEqual(16_000);
  });
  bomb("49 endless loop", { wallMsMax: 300 }, "while :; do :; done", (run) => expect(run.limit).toBe("wall"));
  bomb(
    "62 processor time of many processes together",
    { cpuSecondsMax: 1 },
    "for i in 1 2 3; do sh -c 'while :; do :; done' & done; wait",
    (run) => expect(run.limit).toBe("cpu"),
  );

  const sleepers = (seconds: string) =>
    readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid) === `sleep\0${seconds}\0`);

  test("37 a daemon does not survive", async () => {
    const folder = await rig();
    const daemon = (seconds: string) =>
      `setsid sh -c '(sleep ${seconds} &)'; until pgrep -f 'sleep ${seconds}' >/dev/null; do :; done`;
    await run(folder, `${daemon(unique(815150))} 2>/dev/null || true`);
    expect(sleepers(unique(815150))).toEqual([]);
    execFileSync("/bin/sh", ["-c", `setsid sleep ${unique(815151)} >/dev/null 2>&1 & exit 0`], owner);
    // Bare, it does: the control. It may not have become `sleep` yet.
    await expect.poll(() => sleepers(unique(815151)).length, { interval: 5 }).toBe(1);
    process.kill(Number(sleepers(unique(815151))[0]), "SIGKILL");
  });

  test("38 nothing is written after the end", async () => {
    const folder = await rig();
    await run(
      folder,
      `(setsid sh -c 'echo > started; sleep ${unique(815152)}; echo > late' &); until [ -e started ]; do :; done`,
    );
    expect(sleepers(unique(815152))).toEqual([]);
    expect(existsSync(join(folder, "late"))).toBe(false);
  });

  test("every row of the list has a test", () => {
    const source = readFileSync(new URL(import.meta.url), "utf8");
    const tested = [
      ...probes.map(({ name }) => name),
      ...[...source.matchAll(/(?:bomb|test)\(\s*"(\d+ )/g)].map(([, number = ""]) => number),
    ];
    const numbers = new Set(tested.map((name) => Number.parseInt(name, 10)));
    expect([...Array(62).keys()].map((index) => index + 1).filter((number) => !numbers.has(number))).toEqual(
      [],
    );
    expect(level).toMatch(/^cgroup-v[12]$|^rlimits$/);
  });
});

/** A time to sleep that no other run of these tests sleeps. */
function unique(seconds: number): string {
  return `${seconds}${process.pid}`;
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
