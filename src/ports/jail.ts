import type { LimitHit, Output } from "../domain/gate.ts";
import type { Isolation } from "../domain/verdict.ts";

/** A host path that the jail sees. `inside` is absolute. Sources are real paths, checked again before each run. */
export interface Bind {
  readonly host: string;
  readonly inside: string;
  readonly access: "read" | "write";
}

/** Memory-backed folder inside the jail that dies with it. */
export interface Scratch {
  readonly inside: string;
  readonly bytesMax: number;
}

/** Bounds of one run. Hitting one is reported by name, never as an ordinary failure. */
export interface Limits {
  readonly wallMsMax: number;
  readonly cpuSecondsMax: number;
  readonly memoryBytesMax: number;
  readonly processesMax: number;
  readonly descriptorsMax: number;
  readonly fileBytesMax: number;
  readonly temporaryBytesMax: number;
  readonly sharedMemoryBytesMax: number;
  /** Growth of writable binds during the run, polled. */
  readonly diskBytesMax: number;
  readonly outputBytesMax: number;
}

export interface Job {
  /** A POSIX shell command line, run by `/bin/sh -c`. */
  readonly command: string;
  /** Absolute, inside. */
  readonly cwd: string;
  /** The whole environment but for PATH, HOME, LANG and TMPDIR, which the jail sets; these may be overridden. */
  readonly variables: Readonly<Record<string, string>>;
  readonly binds: readonly Bind[];
  readonly scratch: readonly Scratch[];
  readonly limits: Limits;
  /**
   * none: loopback of its own only. allow-list: also `https` to these exact `host:port`, through Rigs' proxy;
   * `http://host:port` for a registry that speaks no https (reading only). Lower case.
   */
  readonly network:
    | { readonly kind: "none" }
    | { readonly kind: "allow-list"; readonly hosts: readonly string[] };
}

export type JailRun =
  | {
      readonly kind: "ended";
      /** Undefined when a signal ended it. */
      readonly exitCode: number | undefined;
      readonly limit: LimitHit | undefined;
      readonly wallMs: number;
      readonly output: Output;
      /** Hosts that the proxy refused, at most 20. */
      readonly refusedHosts: readonly string[];
    }
  | { readonly kind: "could-not-start"; readonly why: string }
  /** The jail itself was killed by somebody else (a person, the kernel): this says nothing about the job. */
  | { readonly kind: "killed"; readonly why: string };

/**
 * A place where untrusted code may run. When `run` resolves, every process of the job is dead. A non-zero exit is an
 * answer. Aborting `signal` kills the whole tree and rejects with `signal.reason`. Nothing of the host's environment,
 * files, processes or network is visible but what the job names.
 */
export interface Jail {
  readonly isolation: Isolation;
  /** The longest-lived folder work may live under: the jail's user can reach it, nobody else's secrets are there. Absolute. */
  readonly workRoot: string;
  run(job: Job, signal: AbortSignal): Promise<JailRun>;
  /** Makes a folder below workRoot belong to the user the jail runs as (needed before binding it for writing). */
  adopt(folder: string): Promise<void>;
}

/** Where the work folder is in every jail, whatever its place on the host: caches and environments name it. */
export const workInside = "/rig";
