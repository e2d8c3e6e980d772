/**
 * The verifier's story: clean folders, trusted files from base, every check on base, head, control and witness,
 * and where a model wrote the tests, on mutants.
 *
 * 1. Every run has a checkout of its own: what one run leaves behind, no other run sees.
 * 2. Protected files are base's in every folder, and those a runner loads as code cannot even be changed by the run.
 * 3. It judges nothing and keeps nothing but results on base.
 */
import { type Check, type GateRun, isGreen, testsOf } from "../domain/gate.ts";
import type { GateFacts, ProofFacts } from "../domain/verdict.ts";
import { unreachable } from "../kit/assert.ts";
import { inTurns } from "../kit/turns.ts";
import type { Breakage } from "../ports/gates.ts";
import type { FirstLook, Trial } from "../ports/verifier.ts";
import { fatesOf } from "./mutants.ts";
import {
  type Control,
  changedSources,
  controlOf,
  type Files,
  isReached,
  isSeen,
  look,
  mutantsOf,
  type Outset,
  type Witness,
  witnessOf,
  writtenIn,
} from "./outset.ts";
import { runOnBase, runOnce, type VerifierTools } from "./runs.ts";

/**
 * Every check on the commit, protected files as on base: feedback for the loop. The base commit's results are kept for
 * the proof. Rejects with `signal.reason`, or for a repository that cannot be read.
 */
export async function runTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<readonly GateRun[]> {
  const outset = await look(trial, tools.workshop);
  const turns = inTurns(tools.runsMax);
  const { commit, base, checks } = trial;
  if (commit === base)
    return Promise.all(checks.map((check) => turns(() => runOnBase(check, { outset, base }, tools, signal))));
  const { put, readOnly } = outset;
  const on = (check: Check, until: AbortSignal) =>
    turns(() => runOnce(check, { outset, commit, put, readOnly }, tools, until));
  return Promise.all(headsOf(checks, { outset, on }, tools, signal).values());
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

/**
 * Every check on base, head, control and witness; when acceptance is green on head, it is asked about as many mutants as the
 * trial wants. With `first`, its checks go first on head, the other checks wait for
 * them, and controls fill the processors that are left. Rejects like runTrial.
 */
export async function proveTrial(
  trial: Trial,
  tools: VerifierTools,
  signal: AbortSignal,
  first?: FirstLook,
): Promise<ProofFacts> {
  const startedAt = tools.clock.now();
  const outset = await look(trial, tools.workshop);
  const hasPromise = trial.checks.some((check) => check.role === "acceptance");
  // Rewritten while head runs.
  const rewriting = Promise.all([
    controlOf(outset, tools.controls),
    hasPromise ? witnessOf(outset, tools.controls) : undefined,
    outset.history.treeOf(trial.commit),
  ]);
  rewriting.catch(() => undefined);
  const turns = inTurns(tools.runsMax);
  const { commit, base } = trial;
  const on: Hands["on"] = (check, put, until) =>
    turns(() => runOnce(check, { outset, commit, put, readOnly: outset.readOnly }, tools, until));
  const onHead = (check: Check, until: AbortSignal) => on(check, outset.put, until);
  const heads = headsOf(first?.checks ?? [], { outset, on: onHead }, tools, signal);
  const seen = Promise.all(heads.values()).then((runs) => first?.seen(runs));
  seen.catch(() => undefined);
  const hands: Hands = {
    written: (check) => writtenIn(outset, check),
    rewriting,
    head: (check) => heads.get(check.name) ?? seen.then(() => onHead(check, signal)),
    on,
    onBase: (check) => turns(() => runOnBase(check, { outset, base }, tools, signal)),
    another: () => witnessOf(outset, tools.controls),
    before: (check, put, until) =>
      turns(() => runOnce(check, { outset, commit: base, put, readOnly: outset.readOnly }, tools, until)),
  };
  const gates = await Promise.all(trial.checks.map((check) => proveCheck(check, hands, signal)));
  await seen;
  const [control, witness, tree] = await rewriting;
  const promises = gates.filter(({ check }) => check.role === "acceptance");
  const isSearched =
    trial.mutantsMax > 0 && promises.length > 0 && promises.every(({ head }) => isGreen(head));
  const faulty = isSearched
    ? await mutantsOf(outset, tools.controls, { countMax: trial.mutantsMax, seed: tree })
    : [];
  const mutants = await fatesOf(faulty, {
    promises,
    clock: tools.clock,
    turns,
    run: (check, put) => runOnce(check, { outset, commit, put, readOnly: outset.readOnly }, tools, signal),
  });
  return {
    commit,
    tree,
    base,
    isolation: tools.isolation,
    gates,
    restored: outset.restored,
    touched: outset.touched.map((change) => change.path),
    replaced: control.replaced,
    rewritten: [...(witness?.paths ?? [])],
    mutants,
    startedAt,
    endedAt: tools.clock.now(),
  };
}

/**
 * Checks on head, by name, for the loop. What does not parse is found meanwhile; then what runs is stopped, and the answer is what
 * Python or Node would say.
 */
function headsOf(
  checks: readonly Check[],
  { outset, on }: { readonly outset: Outset; on(check: Check, until: AbortSignal): Promise<GateRun> },
  { controls }: VerifierTools,
  signal: AbortSignal,
): ReadonlyMap<string, Promise<GateRun>> {
  if (checks.length === 0) return new Map();
  const needless = new AbortController();
  const until = AbortSignal.any([signal, needless.signal]);
  const breakages = changedSources(outset).then((sources) => controls.breakages(sources));
  const entries = checks.map((check) => {
    const running = on(check, until);
    running.catch(() => undefined);
    const head = breakages.then((broken) => {
      if (broken.length === 0) return running;
      needless.abort(new Error("what does not parse is not run"));
      return running.then(
        () => unparsed(check, broken),
        () => unparsed(check, broken),
      );
    });
    head.catch(() => undefined);
    return [check.name, head] as const;
  });
  return new Map(entries);
}

/** What one check is proven with. */
interface Hands {
  head(check: Check): Promise<GateRun>;
  /** The check's command with its package scripts written out. */
  written(check: Check): Promise<string>;
  readonly rewriting: Promise<readonly [Control, Witness | undefined, string]>;
  on(check: Check, put: Files, signal: AbortSignal): Promise<GateRun>;
  onBase(check: Check): Promise<GateRun>;
  /** Another witness, with wrong values of its own. */
  another(): Promise<Witness | undefined>;
  /** The base commit with other files above it. */
  before(check: Check, put: Files, signal: AbortSignal): Promise<GateRun>;
}

function proveCheck(check: Check, hands: Hands, signal: AbortSignal): Promise<GateFacts> {
  switch (check.role) {
    case "acceptance":
      return provePromise(check, hands, signal);
    case "guard":
      return proveGuard(check, hands);
    case "part":
      return provePart(check, hands);
    default:
      return unreachable(check.role);
  }
}

/** Proven with all the runs there are when it landed: that it still holds is one run, and many parts stay affordable. */
async function provePart(check: Check, { head, written }: Hands): Promise<GateFacts> {
  const [after, command] = await Promise.all([head(check), written(check)]);
  const why = "not asked: what was before its part is in that part's own proof";
  const base: GateRun = { kind: "could-not-run", check: check.name, why, output: { stdout: "", stderr: "" } };
  const none = { control: undefined, witness: undefined, letThrough: [] };
  return { check, written: command, base, head: after, controlKind: "none", ...none };
}

async function proveGuard(check: Check, { head, onBase, written }: Hands): Promise<GateFacts> {
  const [after, base, command] = await Promise.all([head(check), onBase(check), written(check)]);
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
  const head = hands.head(check);
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
/** How often base is asked, with other wrong values each time. */
const usualRounds = 4;

/**
 * Tests of a witness run that failed with the mark. One that does so on base as well has a value in it that is equal to
 * others by right, and the change is not to blame: that is looked up only then.
 */
async function letThroughIn(
  run: GateRun,
  { check, seen, hands }: { readonly check: Check; readonly seen: Witness; readonly hands: Hands },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const marked = (of: GateRun, { mark }: Witness) =>
    testsOf(of)
      .filter(({ message }) => message.includes(mark))
      .map(({ id }) => id);
  const found = marked(run, seen);
  let usual = found;
  let witness: Witness | undefined = seen;
  // Wrong values are made by chance, and one may be what base happens to give: equal by right is only what always is.
  for (let round = 0; round < usualRounds && usual.length > 0 && witness !== undefined; round++) {
    const onBase: ReadonlySet<string> = new Set(
      marked(await hands.before(check, witness.put, signal), witness),
    );
    usual = usual.filter((id) => onBase.has(id));
    if (usual.length > 0) witness = await hands.another();
  }
  return found.filter((id) => !usual.includes(id)).slice(0, letThroughMax);
}
