/** Every bench after the other, each in a process of its own, so that none warms the next. `npm run bench` */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { printMachine } from "./figure.ts";

const names = [
  "prompt",
  "startup",
  "jail",
  "gateway",
  "goal",
  "proof",
  "scheduler",
  "status",
  "memory",
  "store",
  "tree",
] as const;

printMachine();
for (const name of names) {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  // A bench that could not measure is said and counted; a figure that misses its goal is not.
  if (code === 0) continue;
  process.stdout.write(`${name}: could not be measured (exit ${code})\n`);
  process.exitCode = 1;
}
