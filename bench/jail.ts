/**
 * What a jail costs: `/bin/true` in the whole jail, against bare bubblewrap told as little as still isolates
 * (`--unshare-all --die-with-parent --ro-bind /usr /usr ... --proc /proc --dev /dev`), spawned the same way by the same process.
 * The two take turns in one run, so that both see the same machine. Goal: at most twice the bare one.
 *
 *     node bench/jail.ts [rounds, at least 30]
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHost } from "../src/edges/jails/host.ts";
import { snippet } from "../src/edges/jails/limits.ts";
import { openJail } from "../src/edges/jails/selftest.ts";
import { median, print, timed } from "./figure.ts";

const rounds = Math.max(30, Number(process.argv[2] ?? 60));
const workRoot = mkdtempSync(join(tmpdir(), "rigs-bench-"));
chmodSync(workRoot, 0o711);

try {
  const found = findHost({ workRoot });
  const opened = await openJail({ workRoot });
  if (opened.kind === "refused" || found.kind === "refused") {
    console.error(opened.kind === "refused" ? `${opened.why}: ${opened.remedy}` : "no host");
    process.exit(1);
  }
  const { host } = found;
  const system = host.layout.system.flatMap((folder) =>
    folder.kind === "link"
      ? ["--symlink", folder.target, folder.path]
      : ["--ro-bind", folder.path, folder.path],
  );
  const minimal = [
    "--unshare-all",
    "--die-with-parent",
    ...system,
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--",
    "/bin/true",
  ];
  const bare = () =>
    new Promise<void>((done, fail) => {
      const child = spawn(host.bwrap, minimal, { env: {}, stdio: ["ignore", "pipe", "pipe"], ...host.owner });
      child.stdout.resume();
      child.stderr.resume();
      child.on("close", (code) => (code === 0 ? done() : fail(new Error(`bare bubblewrap: exit ${code}`))));
    });
  const never = new AbortController().signal;
  const jailed = async () => {
    const run = await opened.jail.run(
      {
        command: "/bin/true",
        cwd: "/tmp",
        variables: {},
        binds: [],
        scratch: [],
        limits: snippet,
        network: { kind: "none" },
      },
      never,
    );
    if (run.kind !== "ended" || run.exitCode !== 0) throw new Error(JSON.stringify(run));
  };
  for (let round = 0; round < 5; round++) {
    await bare();
    await jailed();
  }
  const times = { bare: [] as number[], jail: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    times.bare.push(await timed(bare));
    times.jail.push(await timed(jailed));
  }
  print({
    name: `jail of /bin/true (limits by ${opened.level})`,
    ours: median(times.jail),
    unit: "ms",
    baseline: { name: "bare bubblewrap", value: median(times.bare) },
    goal: { kind: "ratio", max: 2 },
  });
  print({
    name: "jail of /bin/true, fastest",
    ours: Math.min(...times.jail),
    unit: "ms",
    baseline: { name: "bare bubblewrap, fastest", value: Math.min(...times.bare) },
    goal: { kind: "ratio", max: 2 },
  });
} finally {
  rmSync(workRoot, { recursive: true, force: true });
}
