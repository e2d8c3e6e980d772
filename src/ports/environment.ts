import type { Commit } from "../domain/id.ts";
import type { Bind, Scratch } from "./jail.ts";
import type { Repository } from "./repository.ts";

/** What a job needs beside the checked-out files. */
export interface Environment {
  /** Hash of all lockfiles, manifests they need, setup, interpreter, platform and version; equal keys share one installation. */
  readonly key: string;
  readonly binds: readonly Bind[];
  readonly scratch: readonly Scratch[];
  readonly variables: Readonly<Record<string, string>>;
  /** Folders put first on PATH, inside paths. */
  readonly path: readonly string[];
  /**
   * Folders relative to the work folder that belong to the environment and must never be committed. Each is mounted
   * over, so before a run the caller makes it in the work folder: a real folder, with no link in place of it or its parents.
   */
  readonly owned: readonly string[];
}

/** `installed` is false when everything came from the cache. `notes` are remarks for people ("pip: 3 packages"). */
export type Prepared =
  | {
      readonly kind: "ready";
      readonly environment: Environment;
      readonly installed: boolean;
      readonly wallMs: number;
      readonly notes: readonly string[];
    }
  | { readonly kind: "failed"; readonly why: string; readonly log: string };

/**
 * Makes dependencies available. Two steps, each in a jail: fetch (allow-listed registries, no package code runs) and build (no network).
 * The same key is installed once, whatever happens: a killed build leaves nothing that looks finished.
 */
export interface Environments {
  prepare(
    ask: { readonly repository: Repository; readonly commit: Commit; readonly setup: string | undefined },
    signal: AbortSignal,
  ): Promise<Prepared>;
}
