#!/usr/bin/env node
// Plain JavaScript that an old Node can parse too: it finds a Node that can run Rigs, or says what is needed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
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
  const child = spawn(local, [entry, ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both; the child decides, this process only waits for it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (signal !== "SIGINT") child.kill(signal);
    });
  }
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
  });
}
