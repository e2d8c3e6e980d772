/** What a process and everything it started hold in memory. Linux: it reads /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Most resident memory of this process and all below it but `apart`, looked at five times a second, MB. What they share is counted for each. */
export function watchMemory(apart: number | undefined): { stop(): number } {
  let most = 0;
  const look = () => {
    const known = new Map(processes().map((each) => [each.pid, each]));
    const isOurs = (pid: number): boolean =>
      pid === process.pid || (pid !== apart && known.has(pid) && isOurs(known.get(pid)?.parent ?? 0));
    const now = [...known.values()].reduce(
      (sum, { pid, megabytes }) => sum + (isOurs(pid) ? megabytes : 0),
      0,
    );
    most = Math.max(most, now);
  };
  const timer = setInterval(look, 200);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}

function processes(): readonly {
  readonly pid: number;
  readonly parent: number;
  readonly megabytes: number;
}[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const text = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(name), parent: Number(fields[1]), megabytes: Number(fields[21]) / 256 }];
    } catch {
      return [];
    }
  });
}
