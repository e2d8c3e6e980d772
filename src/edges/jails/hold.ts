/** What holds a run, whatever walls are around it: the end of its time, the bound of its output, and whoever aborts it. */
import type { Readable } from "node:stream";
import type { LimitHit, Output } from "../../domain/gate.ts";
import type { JailRun, Limits } from "../../ports/jail.ts";
import { catchOutput } from "./output.ts";
import { limitFromWords } from "./watch.ts";

/** A run that has just been started. */
export interface Held {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly limits: Limits;
  /** Kills every process of the run. May be called again. */
  kill(): void;
}

export interface Hold {
  kill(): void;
  /** Kills because of a limit. What was killed before keeps its reason. */
  stop(limit: LimitHit): void;
  isKilled(): boolean;
  /** Head and tail of what it has said so far. */
  output(): Output;
  /** To be called when every process is dead: time and signal no longer matter. */
  release(): void;
  /** `late` is a limit that was hit without a kill; `code` is null where a signal ended the run. */
  ended(
    code: number | null,
    late: LimitHit | undefined,
    level: "groups" | "rlimits",
  ): Extract<JailRun, { readonly kind: "ended" }>;
}

/** The longest that a timer of Node can wait. */
const timerMsMax = 2 ** 31 - 1;

export function hold(held: Held, signal: AbortSignal): Hold {
  const { limits } = held;
  const startedAt = performance.now();
  let limit: LimitHit | undefined;
  let killed = false;
  let bytes = 0;
  const kill = () => {
    killed = true;
    held.kill();
  };
  const stop = (hit: LimitHit) => {
    if (killed) return;
    limit = hit;
    kill();
  };
  const count = (more: number) => {
    bytes += more;
    if (bytes > limits.outputBytesMax) stop("output");
  };
  const stdout = catchOutput(held.stdout, count);
  const stderr = catchOutput(held.stderr, count);
  const wall = setTimeout(() => stop("wall"), Math.min(limits.wallMsMax, timerMsMax));
  signal.addEventListener("abort", kill, { once: true });
  const output = () => ({ stdout: stdout.text(), stderr: stderr.text() });
  return {
    ...{ kill, stop, output, isKilled: () => killed },
    release: () => {
      clearTimeout(wall);
      signal.removeEventListener("abort", kill);
    },
    ended: (code, late, level) => {
      const exitCode = killed ? undefined : (code ?? undefined);
      const said = output();
      return {
        ...{ kind: "ended", exitCode, output: said, refusedHosts: [] },
        limit: limit ?? late ?? limitFromWords(exitCode ?? 0, said.stderr, level),
        wallMs: performance.now() - startedAt,
      };
    },
  };
}
