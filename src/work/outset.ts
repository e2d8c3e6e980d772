/**
 * What is known of a trial before anything runs: what the change touched, what is put back from base, and the texts that
 * stand in the folders of a control, a witness and mutants.
 */
import { type Check, type GateRun, testsOf } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import { type Changed, isProtected, isTestFile, scriptsOf } from "../domain/protected.ts";
import { runsOf, startsScripts, writtenOut } from "../domain/reach.ts";
import type { ControlKind } from "../domain/verdict.ts";
import type { Controls, Entry, History, Source, Workshop } from "../ports/gates.ts";
import type { Trial } from "../ports/verifier.ts";

/** Files whose functions a control replaces, and test files that a witness rewrites. */
const sourcesMax = 500;
const witnessesMax = 400;
const sourceBytesMax = 4 * 1024 * 1024;
/** Files that a run may read and not change; a mount each. */
const readOnlyMax = 256;

/** Files above what a commit has; undefined: no such file. */
export type Files = ReadonlyMap<string, Entry | undefined>;

/** Read once for a trial. */
export interface Outset {
  readonly history: History;
  readonly trial: Trial;
  readonly restored: readonly string[];
  readonly touched: readonly Changed[];
  /** What stands above the commit in every folder of head. */
  readonly put: Files;
  readonly readOnly: readonly string[];
}

/** Reads the change. Rejects for a repository that cannot be read. */
export async function look(trial: Trial, workshop: Workshop): Promise<Outset> {
  const history = workshop.history(trial.gitDir);
  const [tracked, , , changes] = await Promise.all([
    history.list(trial.base),
    // Asked for now because everything after this needs them, and git takes its time to start.
    history.list(trial.commit),
    history.treeOf(trial.commit),
    // Last: two listings on their way tell the difference without another process.
    history.changes(trial.base, trial.commit),
  ]);
  const protect = [...trial.protect, ...trial.checks.flatMap(scriptsOf)];
  const rules = { protect, allowChange: trial.allowChange };
  const isKept = (change: Changed) =>
    isProtected(change.path, { ...rules, existsOnBase: change.before !== undefined });
  const restored = changes.filter(isKept);
  const put = new Map<string, Entry | undefined>();
  for (const { path, before } of restored)
    put.set(path, await entryAt(history, trial.base, { path, kind: before }));
  const readOnly = tracked
    .filter(({ path, kind }) => (kind === "file" || kind === "executable") && isLoaded(path))
    .filter(({ path }) => isProtected(path, { ...rules, existsOnBase: true }))
    .slice(0, readOnlyMax)
    .map(({ path }) => path);
  return {
    history,
    trial,
    restored: restored.map((change) => change.path),
    touched: changes.filter((change) => !isKept(change)),
    put,
    readOnly,
  };
}

async function entryAt(
  history: History,
  commit: Commit,
  { path, kind }: { readonly path: string; readonly kind: Changed["before"] },
): Promise<Entry | undefined> {
  if (kind === undefined || kind === "gitlink") return undefined;
  const bytes = await history.read(commit, path);
  return bytes === undefined ? undefined : { kind, bytes };
}

/** Files a runner loads as code or configuration. Data beside tests stays writable: tests write there. */
function isLoaded(path: string): boolean {
  return (
    /\.(py|[cm]?[jt]sx?|go|rb|java|kt|cs|rs|sh|ini|cfg|toml)$/.test(path) || /(^|\/)package\.json$/.test(path)
  );
}

export interface Control {
  readonly kind: ControlKind;
  readonly put: Files;
  readonly replaced: readonly string[];
}

/** Source files that the commit has otherwise than base, no tests. */
export async function changedSources({ history, trial, touched }: Outset): Promise<readonly Source[]> {
  const sources: Source[] = [];
  const changed = touched.filter(({ path, after }) => isPlain(after) && !isTestFile(path));
  for (const { path, before } of changed.slice(0, sourcesMax)) {
    const after = await textAt(history, trial.commit, path);
    if (after === undefined) continue;
    const old = isPlain(before) ? await textAt(history, trial.base, path) : undefined;
    sources.push({ path, before: old, after });
  }
  return sources;
}

/** The changed code without its bodies. */
export async function controlOf(outset: Outset, controls: Controls): Promise<Control> {
  const { files, replaced, left } = await controls.withoutBodies(await changedSources(outset));
  if (files.size === 0)
    return { kind: left.some(isCode) ? "base-only" : "none", put: outset.put, replaced: [] };
  return { kind: "bodies", put: above(outset.put, files, kindsOf(outset)), replaced };
}

/** Head with one small fault. */
export interface Faulty {
  readonly name: string;
  readonly put: Files;
}

/** The changed code with a small fault each time, at most `countMax` times; the same `seed` gives the same faults. */
export async function mutantsOf(
  outset: Outset,
  controls: Controls,
  wanted: { readonly countMax: number; readonly seed: string },
): Promise<readonly Faulty[]> {
  const mutants = await controls.mutants(await changedSources(outset), wanted);
  const kinds = kindsOf(outset);
  return mutants.map(({ name, path, text }) => ({
    name,
    put: above(outset.put, new Map([[path, text]]), kinds),
  }));
}

function kindsOf({ touched }: Outset): ReadonlyMap<string, Entry["kind"]> {
  return new Map(touched.flatMap(({ path, after }) => (isPlain(after) ? [[path, after] as const] : [])));
}

export interface Witness {
  readonly put: Files;
  /** The test files that were rewritten. */
  readonly paths: ReadonlySet<string>;
  /** In the failures of tests that let a wrong value through. */
  readonly mark: string;
}

/** A gate that runs none of the rewritten tests stays green for good reason. */
export function isSeen({ paths }: Witness, runs: readonly GateRun[]): boolean {
  return runs.some((run) => testsOf(run).some(({ file }) => file !== undefined && paths.has(file)));
}

/** An exit code names no tests: the command has to. */
export function isReached({ paths }: Witness, { cwd, report }: Check, command: string): boolean {
  return report.kind === "exit-code" && [...paths].some((path) => runsOf({ command, cwd }, path) !== "no");
}

/** package.json files that are looked into for scripts. */
const manifestsMax = 50;

/** The command of a check with its package scripts written out, as they are in head's folder. */
export async function writtenIn({ history, trial, put }: Outset, check: Check): Promise<string> {
  if (check.report.kind !== "exit-code" || !startsScripts(check)) return check.command;
  const paths = new Set([...(await history.list(trial.commit)).map(({ path }) => path), ...put.keys()]);
  const texts = new Map<string, string>();
  for (const path of [...paths].filter((each) => /(^|\/)package\.json$/.test(each)).slice(0, manifestsMax)) {
    const restored = put.get(path);
    const text = put.has(path)
      ? restored === undefined
        ? undefined
        : new TextDecoder().decode(restored.bytes)
      : await textAt(history, trial.commit, path);
    if (text !== undefined) texts.set(path, text);
  }
  return writtenOut(check, texts);
}

/** The tests as they are judged, each made to fail; undefined where none could be rewritten. */
export async function witnessOf(outset: Outset, controls: Controls): Promise<Witness | undefined> {
  const { history, trial, put } = outset;
  const kinds = new Map<string, Entry["kind"]>();
  const texts = new Map<string, string>();
  const tracked = (await history.list(trial.commit)).filter(
    ({ path, kind, bytes }) => isPlain(kind) && bytes <= sourceBytesMax && isTestFile(path) && !put.has(path),
  );
  for (const { path, kind } of tracked.slice(0, witnessesMax)) {
    const text = await textAt(history, trial.commit, path);
    if (text === undefined || !isPlain(kind)) continue;
    kinds.set(path, kind);
    texts.set(path, text);
  }
  for (const [path, entry] of put)
    if (entry !== undefined && entry.kind !== "link" && isTestFile(path)) {
      kinds.set(path, entry.kind);
      texts.set(path, new TextDecoder().decode(entry.bytes));
    }
  const { files, mark } = await controls.withFailures(texts);
  return files.size === 0 ? undefined : { put: above(put, files, kinds), paths: new Set(files.keys()), mark };
}

function above(
  put: Files,
  files: ReadonlyMap<string, string>,
  kinds: ReadonlyMap<string, Entry["kind"]>,
): Files {
  const all = new Map(put);
  for (const [path, text] of files)
    all.set(path, { kind: kinds.get(path) ?? "file", bytes: new TextEncoder().encode(text) });
  return all;
}

function isPlain(kind: Changed["after"]): kind is "file" | "executable" {
  return kind === "file" || kind === "executable";
}

/** Endings of programming languages that have no control yet. */
function isCode(path: string): boolean {
  return /\.(go|rs|java|kt|scala|cs|fs|vb|c|cc|cpp|cxx|h|hpp|m|mm|swift|rb|php|pl|lua|ex|exs|erl|hs|ml|clj|dart|r|jl|sh|bash|ps1|vue|svelte|so|node|wasm|jar)$/i.test(
    path,
  );
}

/** Undefined for what is too large or no text. */
async function textAt(history: History, commit: Commit, path: string): Promise<string | undefined> {
  const bytes = await history.read(commit, path);
  if (bytes === undefined || bytes.length > sourceBytesMax || bytes.includes(0)) return undefined;
  return new TextDecoder().decode(bytes);
}
