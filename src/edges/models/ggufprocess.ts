/** Starting and ending the process of a local model. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Run {
  readonly process: ChildProcess;
  /** The last thing it wrote to its standard error. */
  lastWords(): string;
}

const heapMegabytesMax = 1024;
/** Of the memory that is free when it starts. The model's file is not among it: its pages can be taken back. */
const memoryShare = 0.9;
const tailCharactersMax = 2_000;
/** What finds a graphics card, and nothing else: no key. */
const passedOn = ["HOME", "PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_PATH", "VK_ICD_FILENAMES"];

/**
 * Out of reach of the terminal's Ctrl-C, which is for its owner; it ends with its owner by itself. `ulimit -d` bounds what
 * it allocates: beyond that llama.cpp says it has no memory. An owner's own lower bound stays.
 */
export function startRun(variables: Readonly<Record<string, string | undefined>>): Run {
  const file = import.meta.url.endsWith(".ts") ? "./ggufchild.ts" : "./ggufchild.js";
  const entry = fileURLToPath(new URL(file, import.meta.url));
  const kilobytes = Math.floor((process.availableMemory() * memoryShare) / 1024);
  const child = spawn(
    "/bin/sh",
    [
      ...["-c", 'ulimit -d "$1" 2>/dev/null; shift; exec "$@"', "rigs-model", String(kilobytes)],
      ...[process.execPath, `--max-old-space-size=${heapMegabytesMax}`, entry, String(process.pid)],
    ],
    {
      cwd: "/",
      detached: true,
      env: Object.fromEntries(passedOn.flatMap((name) => (variables[name] ? [[name, variables[name]]] : []))),
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-tailCharactersMax);
  });
  child.on("error", () => undefined);
  return { process: child, lastWords: () => tail.trim().split("\n").at(-1) ?? "" };
}

/** Whether this process stays for it: while a question is out, and not for an idle one. */
export function hold({ process: child }: Run, way: "ref" | "unref"): void {
  child[way]();
  child.channel?.[way]();
  (child.stderr as { ref?(): void; unref?(): void } | null)?.[way]?.();
}

export function isGone({ process: child }: Run): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Resolves when it is gone. */
export async function kill(run: Run): Promise<void> {
  if (isGone(run)) return;
  const gone = once(run.process, "exit");
  run.process.kill("SIGKILL");
  await gone;
}
