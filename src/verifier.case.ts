/** A place where a change on a repository is put before the verifier, with real git, real runners and the real jail. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Check } from "./domain/gate.ts";
import type { Commit } from "./domain/id.ts";
import { type Judgement, judge } from "./domain/judge.ts";
import { openControls } from "./edges/control/rewrite.ts";
import { openGates } from "./edges/gates/run.ts";
import { bubblewrapJail } from "./edges/jails/bubblewrap.ts";
import { findHost } from "./edges/jails/host.ts";
import { repository } from "./edges/jails/limits.ts";
import { openResults } from "./edges/verifier/results.ts";
import { openWorkshop } from "./edges/verifier/workshop.ts";
import type { Environment } from "./ports/environment.ts";
import type { Trial, Verifier } from "./ports/verifier.ts";
import type { VerifierTools } from "./work/runs.ts";
import { proveTrial, runTrial } from "./work/verifier.ts";

/** Texts by path; undefined takes a file away. */
export type Files = Readonly<Record<string, string | undefined>>;

/** The machine's own pytest plugins are not under test, and take most of its time to load. */
export const bare: Environment = {
  key: "bare",
  binds: [],
  scratch: [],
  variables: { PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" },
  path: [],
  owned: [],
};

export const pytest: Check = {
  name: "acceptance-1",
  command: "python3 -m pytest -q tests",
  cwd: ".",
  role: "acceptance",
  timeoutMs: 30_000,
  report: { kind: "recognise" },
};

export interface Circumstances {
  readonly checks?: readonly Check[];
  readonly allowChange?: readonly string[];
  readonly environment?: Environment;
  readonly acceptance?: Judgement["proof"]["acceptance"];
  /** Default: the story in this process, since starting one takes longer than a proof. */
  readonly by?: Pick<Verifier, "prove">;
}

export interface Laboratory {
  /** Below it lie `bubblewrap` (the work root), `results` and the repositories. */
  readonly root: string;
  /** A repository with a base commit and one change on it. */
  history(base: Files, change: Files): Pick<Trial, "gitDir" | "commit" | "base">;
  trial(base: Files, change: Files, more?: Circumstances): Trial;
  prove(
    base: Files,
    change: Files,
    more?: Circumstances,
  ): Promise<Judgement & { readonly restored: readonly string[] }>;
  run: Pick<Verifier, "run">["run"];
  /** Expects that no run left anything behind. */
  close(): void;
}

export const never = new AbortController().signal;

export function openLaboratory(): Laboratory {
  const root = mkdtempSync(join(tmpdir(), "rigs-verifier-"));
  chmodSync(root, 0o711);
  const tools = toolsAt(root);
  let count = 0;
  const laboratory: Laboratory = {
    root,
    history: (base, change) => writeHistory(join(root, `source-${++count}`), base, change),
    trial: (base, change, more = {}) => ({
      ...laboratory.history(base, change),
      checks: more.checks ?? [pytest],
      protect: [],
      allowChange: more.allowChange ?? [],
      environment: more.environment ?? bare,
      mutantsMax: more.acceptance === "model" ? 6 : 0,
    }),
    prove: async (base, change, more = {}) => {
      const trial = laboratory.trial(base, change, more);
      const facts = await (more.by?.prove(trial, never) ?? proveTrial(trial, tools, never));
      for (const gate of facts.gates)
        expect(gate.check).toEqual(trial.checks.find(({ name }) => name === gate.check.name));
      return { ...judge(facts, more.acceptance ?? "user"), restored: facts.restored };
    },
    run: (trial, signal) => runTrial(trial, tools, signal),
    close: () => {
      const left = readdirSync(join(root, "bubblewrap")).filter((name) => /^(proof|gate)-/.test(name));
      rmSync(root, { recursive: true, force: true });
      expect(left).toEqual([]);
    },
  };
  return laboratory;
}

function toolsAt(root: string): VerifierTools {
  const found = findHost({ workRoot: join(root, "bubblewrap") });
  if (found.kind === "refused") throw new Error(`${found.why}: ${found.remedy}`);
  const jail = bubblewrapJail(found.host, { privateHosts: [] });
  const machine = { cores: 2, memoryBytes: 8 * 1024 ** 3, workers: 2 };
  return {
    isolation: "bubblewrap",
    gates: openGates({ jail, limits: (check) => repository(machine, check.timeoutMs) }),
    controls: openControls(),
    workshop: openWorkshop(jail),
    results: openResults(join(root, "results")),
    clock: { now: () => Date.now(), sleep: () => Promise.reject(new Error("the verifier never sleeps")) },
    runsMax: 2,
  };
}

function writeHistory(folder: string, base: Files, change: Files): Pick<Trial, "gitDir" | "commit" | "base"> {
  mkdirSync(folder);
  const git = (...words: readonly string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...words], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  git("init", "-q");
  const commit = (files: Files): Commit => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      if (text === undefined) rmSync(join(folder, path));
      else writeFileSync(join(folder, path), text);
    }
    git("add", "-A", "-f");
    git("commit", "-q", "--allow-empty", "-m", "x");
    return git("rev-parse", "HEAD") as Commit;
  };
  return { base: commit(base), commit: commit(change), gitDir: join(folder, ".git") };
}
