import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bind, Job } from "../../ports/jail.ts";
import {
  type Egress,
  type Invocation,
  insideSocket,
  invocation,
  type Layout,
  whyNotBound,
} from "./arguments.ts";
import { repository, snippet } from "./limits.ts";

const layout: Layout = {
  prlimit: "/usr/bin/prlimit",
  system: [
    { kind: "folder", path: "/usr" },
    { kind: "link", path: "/bin", target: "usr/bin" },
  ],
  workRoot: "/home/ada/.rigs/work",
  homes: ["/home/ada"],
  descriptorsMax: 20_000,
  processesMax: 90_000,
  level: "groups",
  filter: new Uint8Array([1, 2, 3]),
};
const job: Job = {
  command: "npm test",
  cwd: "/rig",
  variables: {},
  binds: [{ host: "/home/ada/.rigs/work/a", inside: "/rig", access: "write" }],
  scratch: [],
  limits: snippet,
  network: { kind: "none" },
};
const egress: Egress = {
  socket: "/home/ada/.rigs/work/.egress-1-x/socket",
  port: 3128,
  forwarder: ["/usr/bin/python3", "-c", "..."],
  variables: { HTTPS_PROXY: "http://127.0.0.1:3128" },
};

const ready = (change: Partial<Job> = {}, way?: Egress, where: Partial<Layout> = {}) => {
  const made = invocation({ ...job, ...change }, { ...layout, ...where }, way);
  if (made.kind === "refused") throw new Error(made.why);
  return made;
};
const why = (change: Partial<Job>) => {
  const made = invocation({ ...job, ...change }, layout, undefined);
  return made.kind === "refused" ? made.why : "ready";
};
const mounts = new Set([
  "--bind",
  "--ro-bind",
  "--ro-bind-try",
  "--tmpfs",
  "--proc",
  "--dev",
  "--symlink",
  "--dir",
  "--file",
]);

/** The laws of every invocation. */
function laws({ argv, env, args: whole, fds }: Extract<Invocation, { readonly kind: "ready" }>): void {
  expect(env).toEqual({});
  // A variable may be called "bind": its name and value are no options.
  const args: string[] = [];
  for (let index = 0; index < whole.length; index++)
    if (whole[index] === "--setenv") index += 2;
    else args.push(whole[index] ?? "");
  for (const needed of [
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
  ])
    expect(args).toContain(needed);
  for (const [option, value] of [
    ["--uid", "1000"],
    ["--gid", "1000"],
    ["--hostname", "rig"],
  ] as const)
    expect(args[args.indexOf(option) + 1]).toBe(value);
  const lastMount = args.findLastIndex((word) => mounts.has(word));
  expect(args.findIndex((word, index) => word === "--remount-ro" && args[index + 1] === "/")).toBeGreaterThan(
    lastMount,
  );
  args.forEach((word, index) => {
    if (word === "--tmpfs") {
      expect(args.slice(index - 4, index)).toEqual([
        "--size",
        expect.stringMatching(/^[1-9]\d*$/),
        "--perms",
        "1777",
      ]);
    }
    if (word.endsWith("bind") || word === "--ro-bind-try") {
      const source = args[index + 1] ?? "";
      expect(["/", "/run", "/var/run", "/home", "/root", "/etc", "/proc", "/dev", "/sys"]).not.toContain(
        source,
      );
      expect(`${layout.workRoot}/`.startsWith(`${source}/`)).toBe(false);
    }
  });
  expect(argv.slice(0, 3)).toEqual(["--args", "3", "--"]);
  expect(argv.join(" ")).not.toContain(layout.workRoot);
  // Every descriptor is named once, in order.
  const passed = args.filter((_, index) =>
    ["--seccomp", "--json-status-fd", "--block-fd", "--file"].includes(args[index - 1] ?? ""),
  );
  expect(passed).toEqual(fds.slice(1).map((_, index) => String(index + 4)));
  expect(fds.filter(({ kind }) => kind === "gate").length).toBe(1);
}

test("the whole invocation, word by word", () => {
  expect(ready()).toMatchSnapshot();
});

test("with a way out, the socket is read-only and the forwarder wraps the command", () => {
  const made = ready({}, egress);
  laws(made);
  expect(made.args.join(" ")).toContain(`--ro-bind ${egress.socket} ${insideSocket}`);
  expect(made.args.join(" ")).toContain("--setenv HTTPS_PROXY http://127.0.0.1:3128");
  expect(made.argv.slice(-4)).toEqual(["/usr/bin/python3", "-c", "...", "npm test"]);
});

const name = fc.stringMatching(/^[a-z0-9._-]{1,12}$/).filter((word) => !/^\.+$/.test(word));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const bind = fc.record<Bind>({
  host: fc.oneof(
    path,
    path.map((below) => layout.workRoot + below),
    fc.constantFrom(
      "/",
      "/home",
      "/home/ada",
      "/home/ada/.ssh",
      "/run/x",
      layout.workRoot,
      "/home/ada/.rigs",
    ),
  ),
  inside: fc.oneof(
    path,
    path.map((below) => `/rig${below}`),
  ),
  access: fc.constantFrom("read", "write"),
});

test("whatever a job asks for, the laws hold or it is refused", () => {
  let made = 0;
  fc.assert(
    fc.property(
      fc.array(bind, { maxLength: 5 }),
      fc.array(fc.record({ inside: path, bytesMax: fc.integer({ min: 1, max: 2 ** 30 }) }), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("bind", "--tmpfs", "--setenv")), fc.string()),
      fc.string(),
      (binds, scratch, variables, command) => {
        const result = invocation({ ...job, binds, scratch, variables, command }, layout, undefined);
        if (result.kind === "refused") return;
        made++;
        laws(result);
        for (const each of binds) {
          const isBelow = each.host.startsWith(`${layout.workRoot}/`);
          if (each.access === "write") expect(isBelow).toBe(true);
          if (!isBelow)
            expect(each.host).not.toMatch(/^\/(home|root|run|etc|proc|sys|dev|boot|var\/run)(\/|$)/);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(made).toBeGreaterThan(20);
});

test("binds: below the work root all, outside only what is public and only for reading", () => {
  const check = (host: string, access: Bind["access"], isFine: boolean) =>
    expect([host, access, whyNotBound({ host, access, inside: "/x" }, layout) === undefined]).toEqual([
      host,
      access,
      isFine,
    ]);
  check("/home/ada/.rigs/work/a", "write", true);
  check("/home/ada/.rigs/work/a", "read", true);
  check("/opt/python", "read", true);
  check("/srv/wheels/simple", "read", true);
  check("/opt/python", "write", false);
  check("/home/ada/.rigs/work", "write", false);
  check("/home/ada/.rigs/work", "read", false);
  check("/home/ada/.rigs/worker", "read", false);
  check("/home/ada/.nvm/node", "read", false);
  check("/home/bob/x", "read", false);
  for (const host of [
    "/",
    "/home",
    "/home/ada",
    "/root",
    "/run",
    "/run/docker.sock",
    "/var/run",
    "/var",
    "/proc",
    "/etc/ssl",
    "/dev/shm",
  ])
    for (const access of ["read", "write"] as const) check(host, access, false);
  for (const host of ["relative", "/home/ada/.rigs/work/../../.ssh", "/opt//x", "/opt/", "/opt/./x"])
    check(host, "read", false);
});

test("nothing is mounted over what the jail itself is made of", () => {
  for (const inside of [
    "/",
    "/usr",
    "/usr/lib/x",
    "/etc/passwd",
    "/proc",
    "/dev/shm",
    "/run/rigs",
    "/tmp",
    "/bin",
    "rig",
    "/rig/",
    "/rig/..",
  ])
    expect([inside, why({ scratch: [{ inside, bytesMax: 1 }] })]).toEqual([
      inside,
      expect.stringContaining("nothing may be mounted"),
    ]);
  expect(why({ scratch: [{ inside: "/rig", bytesMax: 1 }] })).toBe(
    "two mounts at the same place in the jail",
  );
  expect(why({ scratch: [{ inside: "/tmp/cache", bytesMax: 1 }] })).toBe("ready");
});

test("outer folders are mounted before what lies in them", () => {
  const { args } = ready({
    binds: [
      { host: "/opt/modules", inside: "/rig/a/b", access: "read" },
      { host: "/home/ada/.rigs/work/a", inside: "/rig", access: "write" },
    ],
    scratch: [{ inside: "/rig/a", bytesMax: 5 }],
  });
  const at = (inside: string) => args.lastIndexOf(inside);
  expect([at("/rig/a") > args.indexOf("/rig"), at("/rig/a/b") > at("/rig/a")]).toEqual([true, true]);
});

test("limits: no more than the host may hand on, and memory by the process only without groups", () => {
  const words = (where: Partial<Layout>) =>
    ready({ limits: { ...snippet, processesMax: 50 } }, undefined, where).argv;
  expect(words({})).toContain("--nproc=52");
  expect(words({ processesMax: 30, descriptorsMax: 100 })).toEqual(
    expect.arrayContaining(["--nproc=30", "--nofile=100"]),
  );
  expect(words({}).join(" ")).not.toContain("--data");
  expect(words({ level: "rlimits" })).toEqual(
    expect.arrayContaining(["--nproc=50", `--data=${snippet.memoryBytesMax}`]),
  );
});

test("the repository preset shares the machine", () => {
  const limits = repository({ cores: 4, memoryBytes: 16 * 1024 ** 3, workers: 2 }, 60_000);
  expect(limits).toMatchObject({
    wallMsMax: 60_000,
    cpuSecondsMax: 240,
    memoryBytesMax: 4 * 1024 ** 3,
    processesMax: 1024,
    descriptorsMax: 8192,
    fileBytesMax: 1024 ** 3,
    temporaryBytesMax: 1024 ** 3,
    sharedMemoryBytesMax: 256 * 1024 ** 2,
  });
});
