import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratch } from "../../ports/repository.case.ts";
import { holding } from "./lock.ts";

const { folder } = scratch();

test("holders of one lock follow each other, also when one fails", async () => {
  const path = join(folder("lock"), "lock");
  let inside = 0;
  let most = 0;
  const work = (index: number) =>
    holding(path, async () => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
      if (index === 2) throw new Error("failed inside");
      return index;
    });
  const all = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  expect(most).toBe(1);
  expect(all.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
});

test("another process holds it until it ends or is killed", async ({ onTestFinished }) => {
  const path = join(folder("lock"), "lock");
  // The timer keeps the promise in reach: what nobody can resolve any more is collected, and its lock with it.
  const script = `
    import { holding } from ${JSON.stringify(join(import.meta.dirname, "lock.ts"))};
    await holding(${JSON.stringify(path)}, () => new Promise((resolve) => { process.stdout.write("held\\n"); setTimeout(resolve, 600_000); }));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const probe = `
    import { DatabaseSync } from "node:sqlite";
    new DatabaseSync(${JSON.stringify(path)}, { timeout: 0 }).exec("BEGIN EXCLUSIVE");`;
  const second = spawn(process.execPath, ["--input-type=module", "-e", probe], { stdio: "ignore" });
  const ours = holding(path, async () => child.killed);
  expect((await once(second, "exit"))[0], "a process that does not wait is turned away").not.toBe(0);
  child.kill("SIGKILL");
  expect(await ours).toBe(true);
});
