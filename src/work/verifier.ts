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
import { runsOf, startsScripts, writtenOut } from "../domain/reach.ts";
import type { ControlKind, GateFacts, Isolation, ProofFacts } from "../domain/verdict.ts";
import type { Clock } from "../kit/clock.ts";
import type {
  Breakage,
  Controls,
  CutRun,
  Entry,
  Gates,
  History,
  Place,
  Results,
  Source,
  Workshop,
} from "../ports/gates.ts";
import { type Trial, VerifierError } from "../ports/verifier.ts";

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

/**
 * Every check on the commit, protected files as on base: feedback for the loop. The base commit's results are kept for
 * the proof. Rejects with `signal.reason`, or for a repository that cannot be read.
 */
export async function runTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<readonly GateRun[]> {
  const outset = await look(trial, tools);
  const broken = await tools.controls.breakages(await changedSources(outset));
  if (broken.length > 0) return trial.checks.map((check) => unparsed(check, broken));
  const turns = inTurns(tools.runsMax);
  const { commit, base } = trial;
  return Promise.all(
    trial.checks.map((check) =>
      turns(() =>
        commit === base
          ? runOnBase(check, { outset, base }, tools, signal)
          : runOnce(check, { outset, commit, put: outset.put, readOnly: outset.readOnly }, tools, signal),
      ),
    ),
  );
}

const breakagesMax = 5;

/** The run that is not worth making: red, with what Python or Node would say. */
function unparsed(check: Check, broken: readonly Breakage[]): GateRun {
  const words = broken
    .slice(0, breakagesMax)
    .map(({ path, line, text, why }) => `  File "${path}", line ${line}\n    ${text.trim()}\n${why}\n`);
  const [first] = broken;
  return {
    kind: "no-report",
    check: check.name,
    runner: "syntax",
    why: `${first?.path}:${first?.line}: ${first?.why}; not run`,
    exitCode: undefined,
    limit: undefined,
    wallMs: 0,
    output: { stdout: "", stderr: words.join("\n") },
  };
}

/** Every check on base, head, control and witness. Rejects like runTrial. */
export async function proveTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<ProofFacts> {
  const startedAt = tools.clock.now();
  const outset = await look(trial, tools);
  const hasPromise = trial.checks.some((check) => check.role === "acceptance");
  // Rewritten while head runs.
  const rewriting = Promise.all([
    controlOf(outset, tools),
    hasPromise ? witnessOf(outset, tools) : undefined,
    outset.history.treeOf(trial.commit),
  ]);
  rewriting.catch(() => undefined);
  const turns = inTurns(tools.runsMax);
  const { commit, base } = trial;
  const hands: Hands = {
    head: outset.put,
    written: (check) => writtenIn(outset, check),
    rewriting,
    on: (check, put, until) =>
      turns(() => runOnce(check, { outset, commit, put, readOnly: outset.readOnly }, tools, until)),
    onBase: (check) => turns(() => runOnBase(check, { outset, base }, tools, signal)),
    before: (check, put, until) =>
      turns(() => runOnce(check, { outset, commit: base, put, readOnly: outset.readOnly }, tools, until)),
  };
  const gates = await Promise.all(
    trial.checks.map((check) =>
      check.role === "acceptance" ? provePromise(check, hands, signal) : proveGuard(check, hands, signal),
    ),
  );
  const [control, , tree] = await rewriting;
  return {
    commit,
    tree,
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

/** What one check is proven with. */
interface Hands {
  readonly head: Files;
  /** The check's command with its package scripts written out. */
  written(check: Check): Promise<string>;
  readonly rewriting: Promise<readonly [Control, Witness | undefined, string]>;
  on(check: Check, put: Files, signal: AbortSignal): Promise<GateRun>;
  onBase(check: Check): Promise<GateRun>;
  /** The base commit with other files above it. */
  before(check: Check, put: Files, signal: AbortSignal): Promise<GateRun>;
}

async function proveGuard(
  check: Check,
  { head, on, onBase, written }: Hands,
  signal: AbortSignal,
): Promise<GateFacts> {
  const [after, base, command] = await Promise.all([on(check, head, signal), onBase(check), written(check)]);
  const none = { control: undefined, witness: undefined, letThrough: [] };
  return { check, written: command, base, head: after, controlKind: "none", ...none };
}

/**
 * Control and witness run beside head, because what comes this far is mostly green. A red head stops them: it is refuted
 * whatever they show.
 */
async function provePromise(check: Check, hands: Hands, signal: AbortSignal): Promise<GateFacts> {
  const { on, rewriting } = hands;
  const needless = new AbortController();
  const beside = AbortSignal.any([signal, needless.signal]);
  const head = on(check, hands.head, signal);
  const base = hands.onBase(check);
  const written = hands.written(check);
  const control = rewriting.then(([{ kind, put }]) =>
    kind === "bodies" ? on(check, put, beside) : undefined,
  );
  const witness = Promise.all([rewriting, base, written]).then(async ([[, seen], before, command]) => {
    if (seen === undefined) return undefined;
    const isRun = isReached(seen, check, command) || isSeen(seen, [before]) || isSeen(seen, [await head]);
    if (!isRun) return undefined;
    const run = await on(check, seen.put, beside);
    return { run, letThrough: await letThroughIn(run, { check, seen, hands }, beside) };
  });
  const others = Promise.all([control, witness]);
  others.catch(() => undefined);
  const [after, before, [{ kind: controlKind }], command] = await Promise.all([
    head,
    base,
    rewriting,
    written,
  ]);
  const facts = { check, written: command, base: before, head: after, controlKind };
  if (isGreen(after)) {
    const [controlled, witnessed] = await others;
    const letThrough = witnessed?.letThrough ?? [];
    return { ...facts, control: controlled, witness: witnessed?.run, letThrough };
  }
  needless.abort(new Error("the head is red"));
  await others.catch(() => undefined);
  return { ...facts, control: undefined, witness: undefined, letThrough: [] };
}

const letThroughMax = 100;

/**
 * Tests of a witness run that failed with the mark. One that does so on base as well has a value in it that is equal to
 * others by right, and the change is not to blame: that is looked up only then.
 */
async function letThroughIn(
  run: GateRun,
  { check, seen, hands }: { readonly check: Check; readonly seen: Witness; readonly hands: Hands },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const marked = (of: GateRun) =>
    testsOf(of)
      .filter(({ message }) => message.includes(seen.mark))
      .map(({ id }) => id);
  const found = marked(run);
  if (found.length === 0) return [];
  const usual = new Set(marked(await hands.before(check, seen.put, signal)));
  return found.filter((id) => !usual.has(id)).slice(0, letThroughMax);
}

async function look(trial: Trial, { workshop }: VerifierTools): Promise<Outset> {
  const history = workshop.history(trial.gitDir);
  const [changes, tracked] = await Promise.all([
    history.changes(trial.base, trial.commit),
    history.list(trial.base),
    // Asked for now because everything after this needs them, and git takes its time to start.
    history.list(trial.commit),
    history.treeOf(trial.commit),
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

/** Source files that the commit has otherwise than base, no tests. */
async function changedSources({ history, trial, touched }: Outset): Promise<readonly Source[]> {
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
async function controlOf(outset: Outset, { controls }: VerifierTools): Promise<Control> {
  const kinds = new Map(
    outset.touched.flatMap(({ path, after }) => (isPlain(after) ? [[path, after] as const] : [])),
  );
  const { files, replaced, left } = await controls.withoutBodies(await changedSources(outset));
  if (files.size === 0)
    return { kind: left.some(isCode) ? "base-only" : "none", put: outset.put, replaced: [] };
  return { kind: "bodies", put: above(outset.put, files, kinds), replaced };
}

interface Witness {
  readonly put: Files;
  /** The test files that were rewritten. */
  readonly paths: ReadonlySet<string>;
  /** In the failures of tests that let a wrong value through. */
  readonly mark: string;
}

/** A gate that runs none of the rewritten tests stays green for good reason. */
function isSeen({ paths }: Witness, runs: readonly GateRun[]): boolean {
  return runs.some((run) => testsOf(run).some(({ file }) => file !== undefined && paths.has(file)));
}

/** An exit code names no tests: the command has to. */
function isReached({ paths }: Witness, { cwd, report }: Check, command: string): boolean {
  return report.kind === "exit-code" && [...paths].some((path) => runsOf({ command, cwd }, path) !== "no");
}

/** package.json files that are looked into for scripts. */
const manifestsMax = 50;

async function writtenIn({ history, trial, put }: Outset, check: Check): Promise<string> {
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
  const run = await runTwice(check, { outset, commit, put, readOnly }, { gates, workshop }, signal);
  return run.kind === "cut" ? run.otherwise : run;
}

/** One kill may be chance: what happens to a second run, in a clean folder of its own, is the answer. */
async function runTwice(
  check: Check,
  { outset, commit, put, readOnly }: Checkout,
  { gates, workshop }: Pick<VerifierTools, "gates" | "workshop">,
  signal: AbortSignal,
): Promise<GateRun | CutRun> {
  const once = async () => {
    signal.throwIfAborted();
    await using folder = await workshop.checkout({ history: outset.history, commit, put }, signal);
    const place: Place = { folder: folder.path, environment: outset.trial.environment, readOnly };
    return await gates.run(check, place, signal);
  };
  const first = await once();
  return first.kind === "cut" ? once() : first;
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
  const place = { outset, commit: base, put: new Map(), readOnly: outset.readOnly };
  const run = await runTwice(check, place, tools, signal);
  if (run.kind === "cut") {
    // A guard that seems unable to run on base would never be asked again: a kill must not weaken the proof.
    const { otherwise } = run;
    if (otherwise.kind === "could-not-run")
      throw new VerifierError(`${check.name}, on base: ${otherwise.why}`);
    return otherwise;
  }
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
