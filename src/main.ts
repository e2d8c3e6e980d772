/** The entry of the command line. It alone sees everything; it decides nothing but what is wired to what. */
import { enableCompileCache } from "node:module";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Runs the command line of this process and sets its exit code. Never rejects. */
export async function main(words: readonly string[] = process.argv.slice(2)): Promise<void> {
  enableCompileCache();
  const { openTerminal } = await import("./main/terminal.ts");
  const terminal = openTerminal();
  const isDebug = words.includes("--debug");
  const stop = new AbortController();
  const detach = stopOnSignals(stop, (text) => terminal.err(text));
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
    const { text, code } = explain(error, isDebug);
    terminal.err(text);
    process.exitCode = code;
  } finally {
    detach();
    await terminal.flush();
  }

  async function lazyHouse(home: string | undefined) {
    const { openHouse } = await import("./main/house.ts");
    return openHouse({
      home: resolve(home ?? process.env.RIGS_HOME ?? join(homedir(), ".rigs")),
      folder: process.cwd(),
      variables: process.env,
      version: version(),
    });
  }
}

/** Once: stop cleanly. Twice: at once, and say that nothing is lost by it. */
function stopOnSignals(stop: AbortController, say: (text: string) => void): () => void {
  const handle = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) {
      say("stopped at once; what was durable is kept, rigs status shows it");
      process.exit(130);
    }
    say(`${signal === "SIGINT" ? "Ctrl-C" : signal}: stopping cleanly (again stops at once)`);
    stop.abort(new Error("interrupted"));
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return () => {
    process.off("SIGINT", handle);
    process.off("SIGTERM", handle);
  };
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

if (import.meta.main) await main();
