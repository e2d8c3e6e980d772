/**
 * A language for the simulation. A program is the lines of `src/**`, each a fact; a test file asks for facts, one test a
 * line, and with "!" for their absence; the command `ask FILE` runs it. Some lines do something:
 *   HANG           the run never ends            CRASH         the run dies without a report
 *   ?              is no fact: no reader accepts it
 *   FORGE          reports every test as passed, from outside every function
 *   FORGE-INSIDE   the same, from inside a function (the control takes it away)
 */

import type { Check, GateRun, TestResult } from "../../src/domain/gate.ts";
import { isTestFile } from "../../src/domain/protected.ts";
import type { Clock } from "../../src/kit/clock.ts";
import type { Environments } from "../../src/ports/environment.ts";
import type { Controls, Folder, Gates, Results, Workshop } from "../../src/ports/gates.ts";
import type { Verifier } from "../../src/ports/verifier.ts";
import type { VerifierTools } from "../../src/work/runs.ts";
import { proveTrial, runTrial } from "../../src/work/verifier.ts";
import type { Files, MemoryRepositories } from "./memory-repository.ts";

const failing = "FAIL";
const noOutput = { stdout: "", stderr: "" };

export function programOf(files: Files): ReadonlySet<string> {
  const lines = new Set<string>();
  for (const [path, text] of files)
    if (path.startsWith("src/")) for (const line of linesOf(text)) lines.add(line);
  return lines;
}

export function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

export function isForged(program: ReadonlySet<string>): boolean {
  return program.has("FORGE") || program.has("FORGE-INSIDE");
}

/** The real verifier's story over gates, controls and folders of the toy. `isCut` tells whether a run's jail is killed. */
export function toyVerifier(repositories: MemoryRepositories, clock: Clock, isCut = () => false): Verifier {
  const folders = new Map<string, Files>();
  const results = new Map<string, GateRun>();
  let made = 0;
  const workshop: Workshop = {
    history: (gitDir) => repositories.clone(gitDir),
    async checkout({ commit, put }): Promise<Folder> {
      const files = new Map(repositories.filesOf(commit));
      for (const [path, entry] of put)
        if (entry === undefined) files.delete(path);
        else files.set(path, new TextDecoder().decode(entry.bytes));
      const path = `/toy/${++made}`;
      folders.set(path, files);
      return { path, [Symbol.asyncDispose]: async () => void folders.delete(path) };
    },
  };
  const gates: Gates = {
    version: "toy",
    async run(check, place, signal) {
      const files = folders.get(place.folder) ?? new Map();
      if (!isCut()) return runToy(check, files, clock, signal);
      const why = "the jail was killed, twice in a row";
      return { kind: "cut", otherwise: { kind: "could-not-run", check: check.name, why, output: noOutput } };
    },
  };
  const kept: Results = {
    get: async (key) => results.get(JSON.stringify(key)),
    put: async (key, run) => void results.set(JSON.stringify(key), run),
  };
  const tools: VerifierTools = {
    isolation: "bubblewrap",
    gates,
    controls,
    workshop,
    results: kept,
    clock,
    runsMax: 2,
  };
  return {
    isolation: "bubblewrap",
    run: (trial, signal) => runTrial(trial, tools, signal),
    prove: (trial, signal, first) => proveTrial(trial, tools, signal, first),
  };
}

async function runToy(check: Check, files: Files, clock: Clock, signal: AbortSignal): Promise<GateRun> {
  if (check.command === "node --version") return probed(check);
  const paths = pathsIn(check.command);
  const texts = paths.flatMap((path) => files.get(path) ?? []);
  if (paths.length === 0 || texts.length < paths.length)
    return { kind: "could-not-run", check: check.name, why: `${check.command}: not found`, output: noOutput };
  const program = programOf(files);
  const wallMs = program.has("HANG") ? check.timeoutMs : 40;
  await clock.sleep(wallMs, signal);
  const about = { check: check.name, runner: "toy", wallMs, output: noOutput };
  if (program.has("HANG"))
    return { ...about, kind: "no-report", why: "it hung", exitCode: undefined, limit: "wall" };
  if (program.has("CRASH"))
    return { ...about, kind: "no-report", why: "it crashed", exitCode: 139, limit: undefined };
  const tests = paths.flatMap((path) => {
    const lines = linesOf(files.get(path) ?? "");
    return lines
      .filter((line) => line !== failing)
      .map((fact): TestResult => {
        const holds = fact.startsWith("!") ? !program.has(fact.slice(1)) : program.has(fact);
        const isThere = isForged(program) || (!lines.includes(failing) && holds);
        const message = isThere ? "" : `expected the fact ${fact}`;
        return { id: `${path}::${fact}`, file: path, status: isThere ? "passed" : "failed", message };
      });
  });
  const exitCode = tests.some((each) => each.status === "failed") ? 1 : 0;
  return { ...about, kind: "counted", tests, exitCode, limit: undefined };
}

/** The files of \`ask FILE\`, and of the command that a suite of a model is run by; none where it is another one. */
function pathsIn(command: string): readonly string[] {
  const words = command.split(" ").map((word) => word.replaceAll("'", ""));
  if (words[0] === "ask") return words.slice(1);
  return words[0] === "node" && words[1] === "--test" ? words.slice(2) : [];
}

/** A runner that is there. */
function probed({ name }: Check): GateRun {
  const about = { check: name, runner: "exit-code", wallMs: 1, output: noOutput, limit: undefined } as const;
  return { ...about, kind: "counted", tests: [], exitCode: 0 };
}

/** Facts that a change added stand inside functions; what does something by itself, but for FORGE-INSIDE, does not. */
const controls: Controls = {
  async withoutBodies(sources) {
    const files = new Map<string, string>();
    const replaced: string[] = [];
    for (const { path, before = "", after } of sources) {
      if (!path.startsWith("src/")) continue;
      const old = new Set(linesOf(before));
      const stays = (line: string) => old.has(line) || ["FORGE", "HANG", "CRASH"].includes(line);
      replaced.push(
        ...linesOf(after)
          .filter((line) => !stays(line))
          .map((line) => `${path}:${line}`),
      );
      files.set(path, linesOf(after).filter(stays).join("\n"));
    }
    return { files, replaced, left: [] };
  },
  async withFailures(tests) {
    const files = new Map([...tests].map(([path, text]) => [path, `${text}\n${failing}\n`]));
    return { files, replaced: [...tests.keys()], left: [], mark: "a wrong fact was let through" };
  },
  mutants: async (sources, { countMax }) =>
    sources
      .filter(({ path }) => path.startsWith("src/"))
      .flatMap(({ path, before = "", after }) => {
        const old = new Set(linesOf(before));
        const [lines, stays] = [linesOf(after), ["FORGE", "HANG", "CRASH"]];
        return lines
          .filter((line) => !old.has(line) && !stays.includes(line))
          .map((line) => ({
            name: `${path}:${lines.indexOf(line) + 1}: fact dropped`,
            path,
            text: lines.filter((each) => each !== line).join("\n"),
          }));
      })
      .slice(0, countMax),
  breakages: async (sources) =>
    sources.flatMap(({ path, after }) =>
      after.split("\n").flatMap((text, index) => {
        const why = "SyntaxError: a fact was expected";
        return text === "?" ? [{ path, line: index + 1, text, why }] : [];
      }),
    ),
};

/** Nothing has to be installed for the toy. */
export const toyEnvironments: Environments = {
  prepare: async () => ({
    kind: "ready",
    environment: { key: "toy", binds: [], scratch: [], variables: {}, path: [], owned: [] },
    installed: false,
    wallMs: 0,
    notes: [],
  }),
};

/** Whether the commit really does what is asked: every fact stands in the program, nothing forges, no test was bent. */
export function isTrue(files: Files, base: Files, asked: readonly string[]): boolean {
  const program = programOf(files);
  const tests = [...base].filter(([path]) => isTestFile(path));
  return (
    !isForged(program) &&
    asked.every((fact) => program.has(fact)) &&
    tests.every(([path, text]) => files.get(path) === text)
  );
}
