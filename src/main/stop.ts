import type { OwnTerminal } from "./terminal.ts";

/** A wrapper (npm, a shell script, our own for old Nodes) passes on the Ctrl-C that the terminal has sent already. */
const sameMs = 100;

const names: Readonly<Partial<Record<NodeJS.Signals, string>>> = { SIGINT: "Ctrl-C" };

/** Once: stop cleanly. Twice: at once, and say that nothing is lost by it. Returns what takes the handlers off again. */
export function stopOnSignals(
  stop: AbortController,
  terminal: Pick<OwnTerminal, "err" | "status" | "stopWords">,
  { now, exit } = { now: () => performance.now(), exit: (code: number): void => process.exit(code) },
): () => void {
  let heardAt = Number.NEGATIVE_INFINITY;
  const handle = (signal: NodeJS.Signals) => {
    const since = now() - heardAt;
    heardAt = now();
    if (since < sameMs) return;
    if (Number.isFinite(since)) {
      terminal.status("");
      terminal.err("stopped at once; what was kept before is safe, rigs status shows it");
      return exit(130);
    }
    const words = terminal.stopWords() ?? "stopping cleanly";
    terminal.err(`${names[signal] ?? signal}: ${words} (once more stops at once)`);
    stop.abort(new Error("interrupted"));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, handle);
  // Our own wrapper was killed: it cannot pass anything on any more, so nobody could stop this process.
  const orphaned = () => {
    terminal.err("the wrapper of this process is gone: stopping cleanly");
    stop.abort(new Error("interrupted"));
  };
  process.on("disconnect", orphaned);
  process.channel?.unref();
  return () => {
    for (const signal of signals) process.off(signal, handle);
    process.off("disconnect", orphaned);
  };
}
