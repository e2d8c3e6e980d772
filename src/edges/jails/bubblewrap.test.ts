import { spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { jailCases } from "../../ports/jail.case.ts";
import type { Job } from "../../ports/jail.ts";
import { bubblewrapJail } from "./bubblewrap.ts";
import { findHost, jailUid } from "./host.ts";
import { snippet } from "./limits.ts";
import { plainJob as job, makeWorkRoot, withJail } from "./sandbox.case.ts";
import { openJail } from "./selftest.ts";

const top = makeWorkRoot();
const workRoot = join(top, "work");
afterAll(() => rmSync(top, { recursive: true }));

const never = new AbortController().signal;

await withJail({ workRoot }, ({ jail, level }) => {
  jailCases(`bubblewrap, ${level}`, async () => jail);

  test("60 runs at once leave nothing behind: no descriptor, group, process or file", async () => {
    await jail.run(job("true"), never);
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    const runs = await Promise.all(
      Array.from({ length: 60 }, (_, index) => jail.run(job(`exit ${index}`), never)),
    );
    expect(runs.map((run) => run.kind === "ended" && run.exitCode)).toEqual([...Array(60).keys()]);
    expect(descriptors()).toBeLessThanOrEqual(before + 1);
    expect(readdirSync(workRoot).filter((name) => name.startsWith("."))).toEqual([]);
    expect(groupsOf(process.pid)).toEqual([]);
  });

  test("a jail that somebody kills is told from a job that ends itself", async () => {
    const running = jail.run(job("sleep 1000"), never);
    const outer = await seenJail();
    process.kill(outer, "SIGKILL");
    expect(await running).toEqual({ kind: "killed", why: "the jail was killed from outside (SIGKILL)" });
    expect(await jail.run(job("kill -9 $$"), never)).toMatchObject({ kind: "ended", exitCode: 137 });
  });

  /** The outermost process of a jail of this process whose job runs. */
  async function seenJail(): Promise<number> {
    for (const until = performance.now() + 10_000; performance.now() < until; ) {
      const running = readdirSync("/proc").filter((name) => commandOf(name).startsWith("sleep\0"));
      const jails = running.map((name) => parentOf(parentOf(parentOf(name))));
      const own = jails.find((name) => parentOf(name) === String(process.pid));
      if (own !== undefined) return Number(own);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error("no jail within 10 s");
  }

  /** A process of its own that runs one job and says so: "spawned" at once, "running" when the job itself is up. */
  const serve = async (when: "spawned" | "running") => {
    const folder = join(workRoot, `served-${++served}`);
    mkdirSync(folder);
    await jail.adopt(folder);
    const rigJob: Job = {
      ...job("setsid sleep 1000 & echo > up; sleep 1000"),
      cwd: "/rig",
      binds: [{ host: folder, inside: "/rig", access: "write" }],
    };
    const program = `
      import { existsSync } from "node:fs";
      const { openJail } = await import(${JSON.stringify(new URL("./selftest.ts", import.meta.url).href)});
      const { jail } = await openJail({ workRoot: ${JSON.stringify(workRoot)} });
      const run = jail.run(${JSON.stringify(rigJob)}, new AbortController().signal);
      const say = () => ("${when}" === "spawned" || existsSync(${JSON.stringify(join(folder, "up"))}) ? process.stdout.write("now\\n") : setImmediate(say));
      say();
      await run;`;
    const server = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((done) => server.stdout.once("data", done));
    return server;
  };
  let served = 0;

  test.each(["running", "spawned", "spawned"] as const)(
    "a server killed when its jail is %s leaves no survivor",
    async (when) => {
      const server = await serve(when);
      const ended = new Promise((done) => server.once("exit", done));
      const pid = server.pid ?? 0;
      if (when === "running") expect(jailsOf(pid).length).toBeGreaterThan(0);
      server.kill("SIGKILL");
      await ended;
      // The guard goes last, when nothing was left for a while.
      await expect
        .poll(() => [...jailsOf(pid), ...guardsOf(pid)], { interval: 20, timeout: 10_000 })
        .toEqual([]);
      await openJail({ workRoot });
      expect(groupsOf(pid)).toEqual([]);
    },
  );

  test("what a killed server and its guard left is swept by the next start", async () => {
    const server = await serve("running");
    const ended = new Promise((done) => server.once("exit", done));
    const pid = server.pid ?? 0;
    const [inner] = jailsOf(pid).filter((each) =>
      /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${each}/status`, "utf8")),
    );
    for (const guard of guardsOf(pid)) process.kill(Number(guard), "SIGKILL");
    // Stopped processes take no notice of their parents' death until they are killed.
    expect(inner).toBeDefined();
    server.kill("SIGKILL");
    await ended;
    await openJail({ workRoot });
    await expect.poll(() => jailsOf(pid), { interval: 20, timeout: 10_000 }).toEqual([]);
  });

  test("descriptors that were open when Rigs started do not reach a jail", async () => {
    const program = `
      const { openJail } = await import(${JSON.stringify(new URL("./selftest.ts", import.meta.url).href)});
      const { jail } = await openJail({ workRoot: ${JSON.stringify(workRoot)} });
      const run = await jail.run(${JSON.stringify(job("ls -l /proc/self/fd /proc/1/fd; tr '\\0' ' ' </proc/1/environ"))}, new AbortController().signal);
      console.log(run.output.stdout);`;
    const server = spawn("/bin/bash", [
      "-c",
      'exec 200</etc/hosts; exec "$@"',
      "bash",
      process.execPath,
      "--input-type=module",
      "-e",
      program,
    ]);
    let said = "";
    server.stdout.on("data", (chunk) => {
      said += chunk;
    });
    await new Promise((done) => server.once("close", done));
    expect(said).toContain("/dev/null");
    expect(said).not.toContain(" 200 ->");
    expect(said).not.toContain("/etc/hosts");
  });

  test("a folder is given away without following links", async () => {
    const folder = join(workRoot, "given");
    const secret = join(top, "secret");
    mkdirSync(join(folder, "deep"), { recursive: true });
    writeFileSync(secret, "");
    symlinkSync(secret, join(folder, "deep/link"));
    symlinkSync(top, join(folder, "deep/door"));
    writeFileSync(join(folder, "deep/file"), "");
    const before = lstatSync(secret).uid;
    await jail.adopt(folder);
    const expected = process.getuid?.() === 0 ? jailUid : process.getuid?.();
    for (const path of ["", "deep", "deep/file", "deep/link"])
      expect(lstatSync(join(folder, path)).uid).toBe(expected);
    expect([lstatSync(secret).uid, lstatSync(top).uid]).toEqual([before, before]);
  });

  test("only real folders below the work root are given away", async () => {
    symlinkSync(top, join(workRoot, "out"));
    for (const folder of [top, workRoot, join(workRoot, "out"), "/usr"])
      await expect(jail.adopt(folder)).rejects.toThrow("not so");
  });

  test.runIf(existsSync("/usr/bin/node"))("Node runs within the memory of a snippet", async () => {
    const run = await jail.run(
      job('node -e \'new (require("node:worker_threads").Worker)("console.log(6 * 7)", { eval: true })\''),
      never,
    );
    expect(run).toMatchObject({ exitCode: 0, limit: undefined, output: { stdout: "42\n" } });
  });

  test("what cannot be said to the kernel cannot start", async () => {
    const why = async (change: Partial<Job>) => {
      const run = await jail.run({ ...job("true"), ...change }, never);
      return run.kind === "could-not-start" ? run.why : run.kind;
    };
    expect(await why({ command: "echo \0" })).toContain("zero byte");
    expect(await why({ command: `# ${"x".repeat(200_000)}` })).toContain("write it to a file");
    expect(await why({ variables: { "A=B": "" } })).toContain("no name for a variable");
    expect(await why({ cwd: "rig" })).toContain("not a plain absolute path");
    expect(await why({ scratch: [{ inside: "/usr/lib", bytesMax: 1 }] })).toContain("nothing may be mounted");
    expect(await why({ limits: { ...snippet, temporaryBytesMax: 0 } })).toContain("whole number above 0");
    expect(await why({ network: { kind: "allow-list", hosts: ["Example.com:443"] } })).toContain(
      "not a host:port",
    );
  });
});

test("a bubblewrap that has gone since cannot start", async () => {
  const found = findHost({ workRoot });
  if (found.kind === "refused") return expect(found.remedy).not.toBe("");
  const jail = bubblewrapJail({ ...found.host, bwrap: "/nowhere/bwrap" }, { privateHosts: [] });
  expect(await jail.run(job("true"), never)).toEqual({
    kind: "could-not-start",
    why: expect.stringMatching(/bubblewrap cannot be started|No such file/),
  });
});

describe("without control groups", async () => {
  const opened = await openJail({ workRoot: join(top, "limited"), groups: "off" });
  if (opened.kind === "ready") jailCases("bubblewrap, rlimits only", async () => opened.jail);
  else test.skip(`no jail here: ${opened.why}`, () => {});
});

function groupsOf(pid: number): readonly string[] {
  const paths = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, names = "", path = ""] = line.split(":");
      return [`/sys/fs/cgroup/${names}${path}`, `/sys/fs/cgroup${path}`];
    });
  return paths
    .flatMap((path) => (existsSync(path) ? readdirSync(path) : []))
    .filter((name) => name.startsWith(`rigs-${pid}-`));
}

const jailsOf = (pid: number) => processesLike(new RegExp(`^rigs-jail-${pid}-`));
const guardsOf = (pid: number) => processesLike(new RegExp(`\\0rigs-guard\\0rigs-jail-${pid}-`));

function processesLike(pattern: RegExp): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && pattern.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
    } catch {
      return false;
    }
  });
}

function parentOf(pid: string): string {
  return /^PPid:\s*(\d+)/m.exec(readOr(`/proc/${pid}/status`))?.[1] ?? "";
}

function commandOf(pid: string): string {
  return readOr(`/proc/${pid}/cmdline`);
}

/** Empty for what has ended meanwhile. */
function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
