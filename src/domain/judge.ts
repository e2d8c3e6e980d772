/**
 * From what the verifier saw to what it is worth. Pure, test by test.
 *
 * 1. Nothing is proven without a test that passed, and without one that was red on base and is green on the commit.
 * 2. A test that passed on base and does not pass on the commit refutes it, whether it failed, was skipped or vanished.
 * 3. A gate that stays green on its control or its witness is not believed, nor one whose assertions let a wrong value through.
 * 4. Tests by a model prove nothing unless they notice most small faults (mutants) of the change.
 * 5. A test that the change itself added is judged, but never counts as FAIL_TO_PASS.
 * 6. What is delivered is the tree that was judged: a commit with files that were put back before the runs stands for nothing.
 */
import { unreachable } from "../kit/assert.ts";
import type { GateRun } from "./gate.ts";
import { isGreen, passedOf, testsOf } from "./gate.ts";
import { contradictions, ownWord, uncounted } from "./hearsay.ts";
import { isTestFile } from "./protected.ts";
import {
  blocks,
  names,
  type Remark,
  refutes,
  says,
  sentences,
  some,
  type Weight,
  withholds,
} from "./remark.ts";
import { mutation, sensitivity, unmoved } from "./sensitivity.ts";
import { type Case, casesOf, countHead, isCollection, isExitCode, keyOf } from "./tally.ts";
import type { GateFacts, Isolation, Proof, ProofFacts, TestStory, Verdict } from "./verdict.ts";

export interface Judgement {
  readonly proof: Proof;
  readonly stories: readonly TestStory[];
}

interface GateJudgement {
  readonly remarks: readonly Remark[];
  readonly failToPass: readonly string[];
  readonly passToPass: readonly string[];
}

/**
 * Whether the change brought the test along. Without a file in the report nobody knows: then it did, unless the report is
 * of a kind that names no files and the change touches no tests.
 */
type IsOwn = (file: string | undefined, run: GateRun) => boolean;

/**
 * The verdict on a commit and the story of each test. `more`: what was found beside the runs. Never throws for what the
 * facts say.
 */
export function judge(
  facts: ProofFacts,
  acceptance: Proof["acceptance"],
  more: readonly Remark[] = [],
): Judgement {
  const touched = new Set(facts.touched);
  const touchesTests = facts.touched.some(isTestFile);
  const isOwn: IsOwn = (file, run) =>
    file === undefined ? touchesTests || !isForeign(run) : touched.has(file);
  const rewritten = new Set(facts.rewritten);
  const gates = facts.gates.map((gate) => judgeGate(gate, { isOwn, rewritten, acceptance }));
  const failToPass = new Set(gates.flatMap((gate) => gate.failToPass));
  // A test that two gates saw differently on base counts as what it brought, once.
  const passToPass = new Set(gates.flatMap((gate) => gate.passToPass).filter((key) => !failToPass.has(key)));
  const head = countHead(facts.gates);
  const remarks = [
    ...gates.flatMap((gate) => gate.remarks),
    ...overall(facts, acceptance, { passed: head.passed, failToPass: failToPass.size }),
    ...more,
  ];
  return {
    proof: {
      verdict: verdictOf(remarks, facts.isolation),
      acceptance,
      isolation: facts.isolation,
      testsRun: head.run,
      testsPassed: head.passed,
      failToPass: failToPass.size,
      passToPass: passToPass.size,
      reasons: sentences(remarks),
    },
    stories: storiesOf(facts),
  };
}

/** Each test of each check: before, on the commit and on the control. */
export function storiesOf({ gates }: ProofFacts): readonly TestStory[] {
  return gates.flatMap((gate) =>
    casesOf(gate).map(({ id, base, head, control }) => ({ check: gate.check.name, id, base, head, control })),
  );
}

function verdictOf(remarks: readonly Remark[], isolation: Isolation): Verdict {
  const has = (weight: Weight) => remarks.some((remark) => remark.weight === weight);
  if (has("blocks")) return "could-not-run";
  if (has("refutes")) return "refuted";
  if (isolation !== "bubblewrap") return "unisolated-pass";
  return has("withholds") ? "no-regression" : "proven";
}

function overall(
  facts: ProofFacts,
  acceptance: Proof["acceptance"],
  counts: { readonly passed: number; readonly failToPass: number },
): readonly Remark[] {
  const remarks: Remark[] = [];
  const promises = facts.gates.filter((gate) => gate.check.role === "acceptance");
  if (facts.gates.length === 0) remarks.push(withholds("there was no check to run"));
  else if (counts.passed === 0) {
    const isSilent = facts.gates.some((gate) => gate.head.kind === "could-not-run");
    remarks.push(isSilent ? blocks("no test ran at all") : refutes("no test passed on the commit"));
  }
  if (acceptance === "none" || promises.length === 0)
    remarks.push(withholds("nobody's acceptance checks stand behind this change"));
  else if (counts.failToPass === 0)
    remarks.push(withholds("no acceptance test was red before the change, so none shows what it brought"));
  remarks.push(...mutation(facts, acceptance));
  remarks.push(...facts.gates.flatMap((gate) => ownWord(gate, facts.touched)));
  remarks.push(...contradictions(facts.gates), ...uncounted(facts.gates));
  if (facts.isolation !== "bubblewrap") remarks.push(says("the checks ran outside a jail"));
  if (facts.restored.length > 0)
    remarks.push(
      refutes(
        `the commit has protected files that were judged as on base: ${names(facts.restored)}; leave them as base has them, or allow the change with --allow-change`,
      ),
    );
  return remarks;
}

function judgeGate(
  gate: GateFacts,
  {
    isOwn,
    rewritten,
    acceptance,
  }: {
    readonly isOwn: IsOwn;
    readonly rewritten: ReadonlySet<string>;
    readonly acceptance: Proof["acceptance"];
  },
): GateJudgement {
  const cases = casesOf(gate);
  const failToPass =
    gate.check.role === "acceptance" ? cases.filter((each) => isFailToPass(each, gate, isOwn)) : [];
  const passToPass = cases.filter((each) => each.base === "passed" && each.head === "passed");
  // What base saw pass says nothing of a test whose file was changed since.
  const rewoven = passToPass.filter((each) => each.file !== undefined && isOwn(each.file, gate.head));
  const remarksOn = () => {
    switch (gate.check.role) {
      case "acceptance":
        return [
          ...acceptanceRemarks(gate, cases, { failToPass, acceptance }),
          ...unmoved(gate, [...failToPass, ...rewoven], rewritten),
        ];
      case "guard":
        return guardRemarks(gate, cases, isOwn);
      case "part":
        return partRemarks(gate);
      default:
        return unreachable(gate.check.role);
    }
  };
  return {
    remarks: [...lost(gate, cases), ...remarksOn()],
    failToPass: failToPass.map((each) => keyOf(gate, gate.head, each)),
    passToPass: passToPass.map((each) => keyOf(gate, gate.head, each)),
  };
}

/** What a part promised has been proven with control and witness when it landed: here it only has to go on holding. */
function partRemarks({ head, check }: GateFacts): readonly Remark[] {
  if (head.kind === "could-not-run")
    return [blocks(`${check.name}: a part's check could not run: ${head.why}`)];
  return isGreen(head) ? [] : [refutes(`${check.name}: a part's check is broken: ${rednessOf(head)}`)];
}

/** PASS_TO_PASS that does not hold, for acceptance and guards alike. */
function lost(gate: GateFacts, cases: readonly Case[]): readonly Remark[] {
  const name = gate.check.name;
  const broken = cases.filter((each) => each.base === "passed" && each.head === "failed");
  const skipped = cases.filter((each) => each.base === "passed" && each.head === "skipped");
  const vanished = cases.filter((each) => each.base === "passed" && each.head === "absent");
  return [
    ...some(broken, (tests) => refutes(`${name}: passed before the change and fails now: ${tests}`)),
    ...some(skipped, (tests) => refutes(`${name}: passed before the change and is skipped now: ${tests}`)),
    ...some(vanished, (tests) => refutes(`${name}: passed before the change and has vanished: ${tests}`)),
  ];
}

function acceptanceRemarks(
  gate: GateFacts,
  cases: readonly Case[],
  {
    failToPass,
    acceptance,
  }: { readonly failToPass: readonly Case[]; readonly acceptance: Proof["acceptance"] },
): readonly Remark[] {
  const { head, base, check } = gate;
  if (head.kind === "could-not-run") return [blocks(`${check.name}: could not run: ${head.why}`)];
  const remarks: Remark[] = [];
  if (!isGreen(head)) remarks.push(refutes(`${check.name}: ${rednessOf(head)}`));
  const dropped = cases.filter((each) => each.base === "failed" && isGone(each) && !isCollection(each.id));
  remarks.push(
    ...some(dropped, (tests) =>
      refutes(`${check.name}: failed before the change and is skipped or gone now, not green: ${tests}`),
    ),
  );
  const muted = cases.filter(
    (each) => each.base === "absent" && each.head === "skipped" && each.control !== "skipped",
  );
  remarks.push(
    ...some(muted, (tests) => refutes(`${check.name}: skipped on the commit, not seen before: ${tests}`)),
  );
  const onHead = new Set(testsOf(head).map((each) => each.id));
  const unseen = idsOf(gate.control, gate.witness).filter((id) => !onHead.has(id));
  remarks.push(
    ...some(
      unseen.map((id) => ({ id })),
      (tests) => refutes(`${check.name}: runs on the control but not on the commit: ${tests}`),
    ),
  );
  if (base.kind === "could-not-run")
    remarks.push(says(`${check.name}: could not run on base (${base.why}); counted as red there`));
  if (isGreen(head)) remarks.push(...sensitivity(gate, failToPass, acceptance));
  return remarks;
}

/** Whether this reason of a proof says that the guard of this name was red before the change and still is. */
export function isStillRed(reason: string, guard: string): boolean {
  return reason.startsWith(`${guard}: red-on-base: `) && reason.includes("; still red: ");
}

function guardRemarks(gate: GateFacts, cases: readonly Case[], isOwn: IsOwn): readonly Remark[] {
  const { head, base, check } = gate;
  if (base.kind === "could-not-run" && head.kind === "could-not-run")
    return [says(`${check.name}: could not run, on base neither (${head.why}): it guards nothing`)];
  const remarks: Remark[] = [];
  if (!isGreen(base)) {
    const now = isGreen(head) ? "green now" : `still red: ${rednessOf(head)}`;
    remarks.push(says(`${check.name}: red-on-base: ${rednessOf(base)}; ${now}`));
  }
  const added = cases.filter(
    (each) => each.base === "absent" && each.head === "failed" && (isOwn(each.file, head) || isGreen(base)),
  );
  remarks.push(
    ...some(added, (tests) => refutes(`${check.name}: a test new with the change fails: ${tests}`)),
  );
  if (isGreen(base) && !isGreen(head))
    remarks.push(refutes(`${check.name}: was green on base: ${rednessOf(head)}`));
  return remarks;
}

/**
 * Red on base, green now. A test that base does not report counts as red there only when base could not load it, and
 * only when its file is the same on base: what the change brought along itself is no witness for the change.
 */
function isFailToPass(each: Case, gate: GateFacts, isOwn: IsOwn): boolean {
  if (each.head !== "passed" || isCollection(each.id)) return false;
  if (isExitCode(gate.head)) return each.base !== "passed";
  if (isOwn(each.file, gate.head)) return false;
  if (each.base === "failed") return true;
  return each.base === "absent" && isUnloaded(gate.base, each.file);
}

/** Whether the run says nothing at all about the tests of this file, being red: it could not be loaded. */
function isUnloaded(base: GateRun, file: string | undefined): boolean {
  if (base.kind !== "counted") return true;
  if (isGreen(base)) return false;
  return !base.tests.some((test) => test.file === file && !isCollection(test.id));
}

/** A report of somebody else's make, which need not name files. */
function isForeign(run: GateRun): boolean {
  return run.kind === "counted" && run.runner === "junit";
}

function isGone(each: Case): boolean {
  return each.head === "absent" || each.head === "skipped";
}

/** Why a run is not green, in words. */
function rednessOf(run: GateRun): string {
  if (run.kind === "could-not-run") return `could not run: ${run.why}`;
  if (run.limit !== undefined) return `stopped at the ${run.limit} limit`;
  if (run.kind === "no-report") return `left no readable report: ${run.why}`;
  const failed = run.tests.filter((test) => test.status === "failed");
  if (failed.length > 0)
    return `${failed.length} of ${run.tests.length} tests fail: ${names(failed.map((test) => test.id))}`;
  if (run.tests.length === 0) return "ran no test";
  if (passedOf(run) === 0) return "passed no test";
  return run.exitCode === undefined ? "was ended by a signal" : `ended with exit code ${run.exitCode}`;
}

/** Tests that the other runs of this gate know, but for files that could not be loaded. */
function idsOf(...runs: readonly (GateRun | undefined)[]): readonly string[] {
  const ids = runs.flatMap((run) => (run === undefined ? [] : testsOf(run).map((each) => each.id)));
  return [...new Set(ids)].filter((id) => !isCollection(id));
}
