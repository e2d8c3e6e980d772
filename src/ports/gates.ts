import type { Check, GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { Environment } from "./environment.ts";
import type { Repository } from "./repository.ts";

/** Where a check runs. */
export interface Place {
  /** Absolute, below the jail's work root, adopted, real: the top of the repository's files. */
  readonly folder: string;
  readonly environment: Environment;
  /** Files of the folder that the run sees but cannot change, relative; each exists and is a regular file. */
  readonly readOnly: readonly string[];
}

/**
 * A run that somebody else seems to have killed. It may end otherwise in a clean folder; where it does not, it counts as
 * `otherwise` says.
 */
export interface CutRun {
  readonly kind: "cut";
  readonly otherwise: GateRun;
}

/** Runs checks. Never rejects for what a check does; rejects with `signal.reason` when aborted. */
export interface Gates {
  /** Changes whenever the same run could be counted otherwise. */
  readonly version: string;
  run(check: Check, place: Place, signal: AbortSignal): Promise<GateRun | CutRun>;
}

/** A source file before and after a change, as text. `before` is undefined for a new file. */
export interface Source {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string;
}

/** What a control changes: new texts by path, and the names of what was replaced, "path:name". */
export interface Rewriting {
  readonly files: ReadonlyMap<string, string>;
  readonly replaced: readonly string[];
  /** Paths in a language that is not known, or whose rewritten text no longer parses: left as they are. */
  readonly left: readonly string[];
}

/** Tests that fail. */
export interface Failing extends Rewriting {
  /** Words in the failure of a test whose assertions let a wrong value through; in no other failure. */
  readonly mark: string;
}

/** A place in a source that no reader of its language can accept. */
export interface Breakage {
  readonly path: string;
  /** Counts from 1. */
  readonly line: number;
  readonly text: string;
  /** As the language itself says it: "SyntaxError: …". */
  readonly why: string;
}

/** One file of a change with one small fault in it. */
export interface Mutant {
  /** One line of at most 300 characters, no two alike: "src/a.py:12: < becomes <=". */
  readonly name: string;
  readonly path: string;
  /** The whole file; it parses, and is not what the change made of it. */
  readonly text: string;
}

/** Rewrites source text so that a gate can be seen to notice. Pure work on text; rejects only for a bug. */
export interface Controls {
  /** Every function that the change added or touched raises instead of doing its work. */
  withoutBodies(sources: readonly Source[]): Promise<Rewriting>;
  /** Every test function ends in a failure, and its assertions are asked for wrong values on the way. */
  withFailures(tests: ReadonlyMap<string, string>): Promise<Failing>;
  /** What surely does not parse; silent in doubt. */
  breakages(sources: readonly Source[]): Promise<readonly Breakage[]>;
  /**
   * At most `countMax` mutants of the functions that the change added or touched, never of tests, texts, comments, types or
   * what is said of an error. Spread over functions and kinds of fault; the same `seed` gives the same ones. None where no
   * function was touched, or none in a language that is known. A mutant may do what the source does: nobody can rule it out.
   */
  mutants(
    sources: readonly Source[],
    wanted: { readonly countMax: number; readonly seed: string },
  ): Promise<readonly Mutant[]>;
}

/** A file as it should be in a checkout, whatever the commit says. */
export interface Entry {
  readonly kind: "file" | "executable" | "link";
  readonly bytes: Uint8Array;
}

/** A folder that is removed, with everything in it, when it is let go. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
}

/** What a verifier reads of a bare clone. */
export type History = Pick<Repository, "list" | "read" | "changes" | "treeOf" | "checkout">;

/** Clean folders for runs, below the jail's work root and adopted. */
export interface Workshop {
  /** The bare clone; nothing of it is ever written. */
  history(gitDir: string): History;
  /** A new checkout where `put` stands above what the commit has (undefined: no such file). Follows no link. */
  checkout(
    ask: {
      readonly history: History;
      readonly commit: Commit;
      readonly put: ReadonlyMap<string, Entry | undefined>;
    },
    signal: AbortSignal,
  ): Promise<Folder>;
}

/** Results of runs on base, by everything they depend on. No jail can reach it; a broken entry is no entry. */
export interface Results {
  get(key: readonly string[]): Promise<GateRun | undefined>;
  /** Whole or not at all. */
  put(key: readonly string[], run: GateRun): Promise<void>;
}
