/**
 * Whether the checks were seen to notice: on the control, on the witness, and where a model wrote the tests also on mutants,
 * because tests that somebody made for the occasion may ask for next to nothing.
 */
import { isGreen } from "./gate.ts";
import { names, type Remark, refutes, says, some, withholds } from "./remark.ts";
import { byId, type Case, casesOf } from "./tally.ts";
import type { GateFacts, Proof, ProofFacts } from "./verdict.ts";

/** Of the mutants that ran, the part that tests by a model must notice (EvalPlus, arxiv.org/abs/2305.01210: small suites pass what is wrong). */
const killedMin = 0.6;

/** Mutants that have to run before their part says anything: one is killed by whatever hits the one place it is in. */
const runMin = 3;
/** So many do where a change gives no more of them, and every test that tells was red on the control. */
const runMinOfFew = 2;

/**
 * Whether the gate was seen to notice, being green on the commit: red without the change's code (control), red with failing tests (witness).
 * That tests by a model ask for next to nothing is not the change's fault, which could not alter them: then nothing is proven.
 */
export function sensitivity(
  gate: GateFacts,
  failToPass: readonly Case[],
  acceptance: Proof["acceptance"],
): readonly Remark[] {
  const { check, control, controlKind, witness, letThrough } = gate;
  const remarks: Remark[] = [];
  if (witness !== undefined && isGreen(witness))
    remarks.push(
      refutes(
        `${check.name}: insensitive gate: still reported green when its tests were made to fail; its report cannot be believed`,
      ),
    );
  if (letThrough.length > 0)
    remarks.push(
      refutes(
        `${check.name}: ${names(letThrough)} passed over a wrong value: the change alters what its assertions do, or returns what equals everything`,
      ),
    );
  if (controlKind !== "bodies" || control === undefined) {
    const why =
      controlKind === "none"
        ? "the change holds no code that a control could replace"
        : "no control is made for this language";
    remarks.push(says(`${check.name}: ${why}; only base and the commit were compared`));
    return remarks;
  }
  const unseeing = (why: string) =>
    acceptance === "model" ? withholds(`the tests by a model notice too little: ${why}`) : refutes(why);
  const blind = `${check.name}: insensitive gate: stayed green with the changed code replaced by a raise`;
  if (control.kind === "could-not-run")
    remarks.push(withholds(`${check.name}: could not run on the control (${control.why})`));
  else if (failToPass.length === 0) {
    if (isGreen(control)) remarks.push(withholds(`${blind}; it was green on base too and proves nothing`));
  } else if (isGreen(control)) remarks.push(unseeing(`${blind}; it proves nothing`));
  else if (failToPass.every((each) => each.control === "passed"))
    remarks.push(
      unseeing(
        `${check.name}: insensitive gate: none of the tests that the change turned green went red with its code replaced by a raise`,
      ),
    );
  return remarks;
}

/**
 * A test that was made to fail and did not. Some may be none of the file's own (made elsewhere, loaded from there), so
 * this says no more than that nothing is proven.
 */
export function unmoved(
  { check, witness }: GateFacts,
  failToPass: readonly Case[],
  rewritten: ReadonlySet<string>,
): readonly Remark[] {
  if (witness === undefined || isGreen(witness)) return [];
  const seen = byId(witness);
  const green = failToPass.filter(
    ({ id, file }) => file !== undefined && rewritten.has(file) && seen.get(id)?.status === "passed",
  );
  return some(green, (tests) =>
    withholds(`${check.name}: made to fail and passed all the same, so they show nothing: ${tests}`),
  );
}

/** What tests by a model are worth: nothing is proven by them unless they notice most small faults. A person's are not asked. */
export function mutation(facts: ProofFacts, acceptance: Proof["acceptance"]): readonly Remark[] {
  const promises = facts.gates.filter(({ check }) => check.role === "acceptance");
  // A red check is graver than anything that is said here, and then no mutant runs.
  if (acceptance !== "model" || promises.length === 0 || !promises.every(({ head }) => isGreen(head)))
    return [];
  const { killed, run, survivors, unrun } = mutationScore(facts);
  if (run === 0)
    return [withholds(`nothing shows that the tests by a model notice faults: ${whyNone(facts)}`)];
  const counts = `${killed} of ${run} mutants${unrun === 0 ? "" : ` (${unrun} more were not run)`}`;
  const alive = survivors.length === 0 ? "" : `; survived: ${names(survivors)}`;
  if (killed < killedMin * run)
    return [withholds(`the tests by a model notice too little: ${counts} killed${alive}`)];
  const isFew = unrun === 0 && run >= runMinOfFew && promises.every(isHeld);
  return run >= runMin || isFew
    ? [says(`the tests by a model killed ${counts}${alive}`)]
    : [
        withholds(
          `too few small faults were put to the tests by a model: ${counts} killed${unrun === 0 ? "" : `; ${calmer}`}`,
        ),
      ];
}

/** Whether every test that was red before and passes now was red again on the control. */
function isHeld(gate: GateFacts): boolean {
  return casesOf(gate).every(
    ({ base, head, control }) =>
      head !== "passed" || base === "passed" || /^(?:failed|absent)$/.test(control),
  );
}

/** What is left to do where time was out: the runs were cut by what else the machine did, or are long. */
const calmer =
  "where the machine was busy, begin the goal again when it is not; else give a check of your own";

function whyNone({ mutants, gates }: ProofFacts): string {
  const [why] = mutants.flatMap((each) => (each.fate === "not-run" ? [each.why] : []));
  if (why !== undefined) return `none of ${mutants.length} mutants could be run (${why}): ${calmer}`;
  if (gates.some(({ controlKind }) => controlKind === "bodies"))
    return "no small fault could be put into the changed code";
  return gates.some(({ controlKind }) => controlKind === "base-only")
    ? "no mutants are made in the language of the change"
    : "the change holds no code that mutants could be made of";
}

/** How many mutants ran and were killed, and the names of those that were not. */
export function mutationScore({ mutants }: Pick<ProofFacts, "mutants">): {
  readonly killed: number;
  readonly run: number;
  readonly survivors: readonly string[];
  readonly unrun: number;
} {
  const count = (kind: string) => mutants.filter(({ fate }) => fate === kind).length;
  const survivors = mutants.filter(({ fate }) => fate === "survived").map(({ name }) => name);
  return {
    killed: count("killed"),
    run: count("killed") + survivors.length,
    survivors,
    unrun: count("not-run"),
  };
}
