/**
 * What ends jails when Rigs itself is killed. bubblewrap follows its parent into death, but only once it has asked the
 * kernel to: killed in a jail's first milliseconds, Rigs would leave one behind, waiting for ever or even running.
 * So one small shell waits for Rigs' end (the end of a pipe only Rigs holds) and then kills what carries its name.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Owner } from "./host.ts";

const prefix = "rigs-jail";

/** Until nothing was found ten times in a row: a child between fork and exec does not carry the name yet. */
const script = `
read -r _
quiet=0
while [ $quiet -lt 10 ]; do
  quiet=$((quiet + 1))
  for file in $(grep -las "^$1" /proc/[0-9]*/cmdline); do
    pid=\${file#/proc/}
    kill -9 "\${pid%/cmdline}" 2>/dev/null && quiet=0
  done
  sleep 0.05
done`;

/** Starts the guard of this process and gives the name its jails must carry as their first word (argv[0]). */
export function standGuard(owner: Owner | undefined): string {
  const name = `${prefix}-${process.pid}-${randomBytes(8).toString("hex")}`;
  const child = spawn("/bin/sh", ["-c", script, "rigs-guard", name], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    ...owner,
  });
  // Without a guard the next start sweeps.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return name;
}

/** Kills jails of a Rigs that is dead, whose guard is dead too. */
export function sweepJails(): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const server = /^rigs-jail-(\d+)-/.exec(readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.[1];
      if (server !== undefined && !existsSync(`/proc/${server}`)) process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended meanwhile, or another user's.
    }
}
