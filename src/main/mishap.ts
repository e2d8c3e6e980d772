import { exits } from "../faces/cli/exit.ts";

/** Errors whose message is made for people (one line: what happened, to what, what to do), and their exit codes. */
const known: ReadonlyMap<string, number> = new Map([
  ["UsageError", exits.usage],
  ["ConfigError", exits.usage],
  ["RepositoryError", exits.usage],
  // A full disk, a damaged file, a newer schema: the person mends the machine, not the goal.
  ["StoreError", exits.usage],
  ["VerifierError", exits.failed],
]);

export interface Circumstance {
  /** `--debug` was given: stacks are wanted. */
  readonly isDebug: boolean;
  /** A signal asked for the end: what breaks off now breaks off because of it. */
  readonly isStopping: boolean;
}

/** The line for people and the exit code. A stack only with `--debug`; what is our own fault says how to see it. */
export function explain(
  error: unknown,
  { isDebug, isStopping }: Circumstance,
): { readonly text: string; readonly code: number } {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const more = isDebug ? `\n${stack ?? ""}` : "";
  if (name === "Interrupted" || (isStopping && (name === "AbortError" || message === "interrupted")))
    return { text: `stopped${more}`, code: exits.interrupted };
  const code = known.get(name);
  if (code !== undefined) return { text: `rigs: ${message}${more}`, code };
  const refusal = refusalOf(error);
  if (refusal !== undefined) return { text: `rigs: ${refusal}${more}`, code: exits.usage };
  const hint = isDebug ? "" : " (this is a fault of Rigs; --debug shows where)";
  return { text: `rigs: ${name}: ${message.split("\n", 1)[0]}${hint}${more}`, code: exits.failed };
}

/** What the system refuses wherever a file is touched (errno(3)); undefined for what only a bug of ours can cause. */
function refusalOf(error: unknown): string | undefined {
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const what = path === undefined ? `the system refused ${syscall ?? "a call"}` : `cannot use ${path}`;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `no space left${path === undefined ? "" : ` for ${path}`}: free some disk space and try again`;
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `${what} (${code}): mend its owner and mode, or choose another --home`;
    case "EMFILE":
    case "ENFILE":
      return `${what} (${code}): too many files are open; raise the bound with ulimit -n`;
    case "ENOMEM":
    case "EAGAIN":
      return `${what} (${code}): the machine has no memory or processes left; end something and try again`;
    default:
      return undefined;
  }
}
