import { exits } from "../faces/cli/exit.ts";

/** Errors whose message is made for people: one line, what happened, to what, what to do. */
const known = new Set(["UsageError", "ConfigError", "RepositoryError", "StoreError", "VerifierError"]);
const usage = new Set(["UsageError", "ConfigError", "RepositoryError"]);

/** The line for people and the exit code. A stack only with `--debug`, or where it is our own bug and says how to see it. */
export function explain(error: unknown, isDebug: boolean): { readonly text: string; readonly code: number } {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const more = isDebug ? `\n${stack ?? ""}` : "";
  if (name === "Interrupted") return { text: `stopped${more}`, code: exits.interrupted };
  if (known.has(name))
    return { text: `rigs: ${message}${more}`, code: usage.has(name) ? exits.usage : exits.failed };
  const hint = isDebug ? "" : " (this is a fault of Rigs; --debug shows where)";
  return { text: `rigs: ${name}: ${message}${hint}${more}`, code: exits.failed };
}
