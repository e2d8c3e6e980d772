#!/usr/bin/env node
// Plain JavaScript that an old Node can parse too: it finds a Node that can run Rigs, or says what is needed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const wantedMajor = 24;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// A checkout runs its sources; a published package holds only what was built.
const entry = existsSync(at("../src/main.ts")) ? at("../src/main.ts") : at("../dist/main.js");

if (Number(process.versions.node.split(".")[0]) >= wantedMajor) {
  const { main } = await import(entry);
  await main();
} else {
  const local = at("../node_modules/node/bin/node");
  if (!existsSync(local)) {
    process.stderr.write(
      `rigs needs Node ${wantedMajor} or newer and this is ${process.versions.node}: run "npm ci" in the checkout (it brings one along), or install Node ${wantedMajor}.\n`,
    );
    process.exit(2);
  }
  // Over the channel the child learns that this process was killed: nobody would end it any more.
  const child = spawn(local, [entry, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  // This process only waits. A Ctrl-C at the terminal reaches both, and the child counts two at one moment as one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`rigs cannot start ${local}: ${error.message}; run "npm ci" again\n`);
    process.exitCode = 2;
  });
  child.on("exit", (code, signal) => {
    // As a shell says it: 128 and the signal's number.
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 1);
  });
}
