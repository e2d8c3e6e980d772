/**
 * The verifier's story: clean folders, trusted files from base, every check on base, head, control and witness.
 *
 * 1. Every run has a checkout of its own: what one run leaves behind, no other run sees.
 * 2. Protected files are base's in every folder, and those a runner loads as code cannot even be changed by the run.
 * 3. It judges nothing and keeps nothing but results on base.
 */
import { type Check, type GateRun, isGreen, testsOf } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import { type Changed, isProtected, isTestFile, scriptsOf } from "../domain/protected.ts";
import type { ControlKind, GateFacts, Isolation, ProofFacts } from "../domain/verdict.ts";
import type { Clock } from "../kit/clock.ts";
import type { Controls, Entry, Gates, History, Place, Results, Source, Workshop } from "../ports/gates.ts";
import type { Trial } from "../ports/verifier.ts";

export interface VerifierTools {
  readonly isolation: Isolation;
  readonly gates: Gates;
  readonly controls: Controls;
  readonly workshop: Workshop;
  readonly results: Results;
  readonly clock: Clock;
  /** Runs at one time, 1 or more. */
  readonly runsMax: number;
}

/** Files whose functions a control replaces, and test files that a witness rewrites. */
const sourcesMax = 500;
const witnessesMax = 400;
const sourceBytesMax = 4 * 1024 * 1024;
/** Files that a run may read and not change; a mount each. */
const readOnlyMax = 256;

type Files = ReadonlyMap<string, Entry | undefined>;

/** What is known of a trial before anything runs. */
interface Outset {
  readonly history: History;
  readonly trial: Trial;
  readonly restored: readonly string[];
  readonly touched: readonly Changed[];
  /** What stands above the commit in every folder of head. */
  readonly put: Files;
  readonly readOnly: readonly string[];
}

/** Every check on the commit, protected files as on base: feedback for the loop. Rejects with `signal.reason`, or for a repository that cannot be read. */
export async function runTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<readonly GateRun[]> {
  const outset = await look(trial, tools);
  const turns = inTurns(tools.runsMax);
  const { commit } = trial;
  return Promise.all(
    trial.checks.map((check) =>
      turns(() =>
        runOnce(check, { outset, commit, put: outset.put, readOnly: outset.readOnly }, tools, signal),
      ),
    ),
  );
}

/** Every check on base, head, control and witness. Rejects like runTrial. */
export async function proveTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<ProofFacts> {
  const startedAt = tools.clock.now();
  const outset = await look(trial, tools);
  const control = await controlOf(outset, tools);
  const hasPromise = trial.checks.some((check) => check.role === "acceptance");
  const witness = hasPromise ? await witnessOf(outset, tools) : undefined;
  const turns = inTurns(tools.runsMax);
  const { commit, base } = trial;
  const on = (check: Check, put: Files) =>
    turns(() => runOnce(check, { outset, commit, put, readOnly: outset.readOnly }, tools, signal));
  const gates = await Promise.all(
    trial.checks.map(async (check): Promise<GateFacts> => {
      const isPromise = check.role === "acceptance";
      const controlKind: ControlKind = isPromise ? control.kind : "none";
      const [head, before] = await Promise.all([
        on(check, outset.put),
        turns(() => runOnBase(check, { outset, base }, tools, signal)),
      ]);
      const facts = { check, base: before, head, controlKind };
      // A red head is refuted whatever the other two show.
      if (!isPromise || !isGreen(head)) return { ...facts, control: undefined, witness: undefined };
      const [controlled, witnessed] = await Promise.all([
        control.kind === "bodies" ? on(check, control.put) : undefined,
        witness !== undefined && isSeen(witness, [before, head]) ? on(check, witness.put) : undefined,
      ]);
      return { ...facts, control: controlled, witness: witnessed };
    }),
  );
  return {
    commit,
    tree: await outset.history.treeOf(commit),
    base,
    isolation: tools.isolation,
    gates,
    restored: outset.restored,
    touched: outset.touched.map((change) => change.path),
    replaced: control.replaced,
    startedAt,
    endedAt: tools.clock.now(),
  };
}

async function look(trial: Trial, { workshop }: VerifierTools): Promise<Outset> {
  const history = workshop.history(trial.gitDir);
  const [changes, tracked] = await Promise.all([
    history.changes(trial.base, trial.commit),
    history.list(trial.base),
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

interface Control {
  readonly kind: ControlKind;
  readonly put: Files;
  readonly replaced: readonly string[];
}

/** The changed code without its bodies: source files that the commit has otherwise than base, no tests. */
async function controlOf(outset: Outset, { controls }: VerifierTools): Promise<Control> {
  const { history, trial } = outset;
  const sources: Source[] = [];
  const kinds = new Map<string, Entry["kind"]>();
  const changed = outset.touched.filter(({ path, after }) => isPlain(after) && !isTestFile(path));
  for (const { path, before, after } of changed.slice(0, sourcesMax)) {
    const text = await textAt(history, trial.commit, path);
    if (text === undefined || !isPlain(after)) continue;
    kinds.set(path, after);
    sources.push({
      path,
      before: isPlain(before) ? await textAt(history, trial.base, path) : undefined,
      after: text,
    });
  }
  const { files, replaced, left } = await controls.withoutBodies(sources);
  if (files.size === 0)
    return { kind: left.some(isCode) ? "base-only" : "none", put: outset.put, replaced: [] };
  return { kind: "bodies", put: above(outset.put, files, kinds), replaced };
}

interface Witness {
  readonly put: Files;
  /** The test files that were rewritten. */
  readonly paths: ReadonlySet<string>;
}

/** A gate that runs none of the rewritten tests stays green for good reason. */
function isSeen({ paths }: Witness, runs: readonly GateRun[]): boolean {
  return runs.some((run) => testsOf(run).some(({ file }) => file !== undefined && paths.has(file)));
}

/** The tests as they are judged, each made to fail; undefined where none could be rewritten. */
async function witnessOf(outset: Outset, { controls }: VerifierTools): Promise<Witness | undefined> {
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
  const { files } = await controls.withFailures(texts);
  return files.size === 0 ? undefined : { put: above(put, files, kinds), paths: new Set(files.keys()) };
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

interface Checkout {
  readonly outset: Outset;
  readonly commit: Commit;
  readonly put: Files;
  readonly readOnly: readonly string[];
}

async function runOnce(
  check: Check,
  { outset, commit, put, readOnly }: Checkout,
  { gates, workshop }: VerifierTools,
  signal: AbortSignal,
): Promise<GateRun> {
  signal.throwIfAborted();
  await using folder = await workshop.checkout({ history: outset.history, commit, put }, signal);
  const place: Place = { folder: folder.path, environment: outset.trial.environment, readOnly };
  return await gates.run(check, place, signal);
}

async function runOnBase(
  check: Check,
  { outset, base }: { readonly outset: Outset; readonly base: Commit },
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<GateRun> {
  const { command, cwd, timeoutMs, report } = check;
  const key = [
    await outset.history.treeOf(base),
    outset.trial.environment.key,
    JSON.stringify({ command, cwd, timeoutMs, report, readOnly: outset.readOnly }),
    tools.isolation,
    tools.gates.version,
  ];
  const known = await tools.results.get(key);
  if (known !== undefined) return { ...known, check: check.name };
  const run = await runOnce(
    check,
    { outset, commit: base, put: new Map(), readOnly: outset.readOnly },
    tools,
    signal,
  );
  // Only what would be the same again: a limit or a missing runner is news.
  if (run.kind !== "could-not-run" && run.limit === undefined) await tools.results.put(key, run);
  return run;
}

/** At most so many at one time; the others wait in order. */
function inTurns(countMax: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let free = Math.max(1, countMax);
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
