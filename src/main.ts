/** The entry of the command line. It alone sees everything; it decides nothing but what is wired to what. */

import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Runs the command line of this process and sets its exit code. Never rejects. */
export async function main(words: readonly string[] = process.argv.slice(2)): Promise<void> {
  startFast();
  const { openTerminal } = await import("./main/terminal.ts");
  const { stopOnSignals } = await import("./main/stop.ts");
  const stop = new AbortController();
  const terminal = openTerminal({
    out: process.stdout,
    err: process.stderr,
    variables: process.env,
    // Nobody reads the results any more: what runs for long comes to an end, what is short ends by itself.
    closed: (side) => {
      if (side === "out") stop.abort(new Error("interrupted"));
    },
  });
  const detach = stopOnSignals(stop, terminal);
  const isDebug = words.includes("--debug");
  try {
    const { runProgram } = await import("./faces/cli/program.ts");
    process.exitCode = await runProgram(words, {
      version: version(),
      terminal,
      signal: stop.signal,
      house: lazyHouse,
    });
  } catch (error) {
    const { explain } = await import("./main/mishap.ts");
    const { text, code } = explain(error, { isDebug, isStopping: stop.signal.aborted });
    terminal.err(text);
    const { errorDocument, wantsJson } = await import("./faces/cli/program.ts");
    // A command with JSON Lines has said its own last one.
    if (wantsJson(words) && !terminal.hasSpoken) terminal.out(errorDocument(text));
    process.exitCode = code;
  } finally {
    detach();
    await terminal.flush();
  }

  async function lazyHouse(home: string | undefined) {
    const { openHouse } = await import("./main/house.ts");
    const { currentFolder, homeOf } = await import("./main/home.ts");
    const folder = currentFolder();
    return openHouse({
      home: homeOf(home, { folder, variables: process.env }),
      folder,
      variables: process.env,
      version: version(),
    });
  }
}

/** Compiled code is kept for the next start. Not in the shared temporary folder, which is Node's choice: whoever made it first could put code of theirs there. */
function startFast(): void {
  try {
    const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
    if (isAbsolute(cache)) enableCompileCache(join(cache, "rigs"));
  } catch {
    // A user whom the system does not know has no folder of their own; they start a little slower.
  }
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

if (import.meta.main) await main();
