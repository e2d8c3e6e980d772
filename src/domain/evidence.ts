/** The evidence page: what ran, before and after, what was decided on the way, and what nobody checked. */
import { type Attempt, clashWords, countCut, cutWords, leftOutWords, testsWords } from "./attempt.ts";
import { type Bead, titleOf } from "./bead.ts";
import { partsOf, type Spend } from "./budget.ts";
import { failedOf, type GateRun, passedOf } from "./gate.ts";
import type { Goal } from "./goal.ts";
import type { BeadId, Commit } from "./id.ts";
import { mutationScore } from "./sensitivity.ts";
import type { GateFacts, Proof, ProofFacts, Verdict } from "./verdict.ts";

export interface Delivered {
  readonly goal: Goal;
  readonly bead: Bead;
  readonly attempts: readonly Attempt[];
  /** Every bead of the goal, by number; the one above alone where it never became a tree. */
  readonly parts: readonly Part[];
  readonly proof: Proof;
  readonly facts: ProofFacts;
  readonly branch: string;
  readonly commit: Commit;
  /** Of the parts that are not in, those whose work the whole does: what they promised is green in it. */
  readonly doneByWhole: readonly BeadId[];
  /** Revisions that are in no history for what they brought, each with why. */
  readonly unkept: readonly string[];
}

/** One bead of a tree and what it took. */
export interface Part {
  readonly bead: Bead;
  readonly attempts: readonly Attempt[];
  readonly spend: PartSpend;
}

/** Settled calls; `tokens` counts input and output. */
export interface PartSpend {
  readonly requests: number;
  readonly tokens: number;
  readonly usd: number;
}

const verdicts: Readonly<Record<Verdict, string>> = {
  proven:
    "The acceptance checks were red on the base, and are green on the delivered commit in a clean checkout inside a jail.",
  "no-regression":
    "Nothing that was green on the base turned red. No acceptance was shown to change from red to green.",
  refuted: "Something that must hold does not.",
  "could-not-run": "A gate could not run, so nothing is known.",
  "unisolated-pass":
    "All checks passed, but outside a jail: the code that was judged could have influenced the judge.",
};

/** Markdown. Text from models and their programs stands only inside fences or backticks. */
export function renderEvidence(delivered: Delivered): string {
  const { goal, bead, proof, facts, branch, commit, attempts, parts } = delivered;
  const lines = [
    `# Evidence for goal ${goal.id}`,
    "",
    ...partialWords(delivered),
    ...fenced(goal.order.text),
    "",
    ...allowed(attempts),
    ...allowedParts(delivered),
    `**Verdict${bead.parent === undefined ? "" : ` of bead ${bead.id}`}: ${proof.verdict}.** ${verdicts[proof.verdict]}${proof.verdict === "proven" ? controlWords(facts) : ""}`,
    "",
    `- branch \`${branch}\`, commit \`${commit}\`, tree \`${facts.tree}\`, base \`${facts.base}\``,
    `- isolation: ${proof.isolation}; acceptance by: ${proof.acceptance}`,
    `- tests run ${proof.testsRun}, passed ${proof.testsPassed}; FAIL_TO_PASS ${proof.failToPass}, PASS_TO_PASS ${proof.passToPass}`,
    ...testsByModel(delivered),
    ...mutantWords(facts),
    ...proof.reasons.map((reason) => `- remark: ${inline(reason)}`),
    "",
    "## Gates",
    "",
    "| check | command | role | base | delivered | control | witness |",
    "|---|---|---|---|---|---|---|",
    ...facts.gates.map(gateRow),
    "",
    "Control: the delivered commit with the changed function bodies replaced by a raise; it must go red. Witness: the delivered commit with its tests made to fail; a report that stays green is forged, and an assertion that lets a wrong value through was gutted.",
    ...(facts.gates.some(({ check }) => check.role === "part")
      ? ["", "Part: what a part of the goal promised; its own proof has its base, control and witness."]
      : []),
    "",
    `Changed: ${facts.touched.map((path) => `\`${inline(path)}\``).join(", ") || "nothing"}.`,
    `The control replaced the bodies of: ${facts.replaced.length === 0 ? "nothing" : facts.replaced.map((name) => `\`${inline(name)}\``).join(", ")}.`,
    facts.restored.length === 0
      ? "No protected file was changed."
      : `Protected files restored from base before every run: ${facts.restored.map((path) => `\`${inline(path)}\``).join(", ")}.`,
    "",
    ...partsTable(delivered),
    "## How it came about",
    "",
    ...(parts.length > 1 ? parts.flatMap(partStory) : [...attempts.flatMap(story), ""]),
    ...delivered.unkept.map((line) => `- not kept in the branch's history: ${inline(line)}`),
    ...(delivered.unkept.length > 0 ? [""] : []),
    spent(goal.spend, countCut(attempts)),
    "",
    "## What this does not show",
    "",
    ...unshown(delivered),
    "",
    "Files beside this page: `statement.json` (signed, DSSE over an in-toto statement), `key.pem`, `evidence.json` (every run), `change.diff`" +
      (parts.length > 1 ? ", `statements/` (one a bead, over what it landed as)." : "."),
  ];
  return `${lines.join("\n")}\n`;
}

/** Whose the acceptance tests are, where a model wrote them: they come before the work, in a commit of their own. */
function testsByModel({ goal, attempts, parts }: Delivered): readonly string[] {
  if (goal.tests === undefined) return [];
  const trails = [...attempts, ...parts.flatMap((part) => part.attempts)].flatMap(({ trail }) => trail);
  const written = trails.find((entry) => entry.kind === "tests-written");
  if (written === undefined) return [];
  const files = written.files.map((path) => `\`${inline(path)}\``).join(", ");
  return [
    `- tests written by a model: ${files}, ${written.red} red and ${written.green} green before the change; they are commit \`${goal.tests}\`, the first of the branch and the base of everything below`,
  ];
}

/** The user's own yes stands first: the verdict does not cover what it allowed. */
function allowed(attempts: readonly Attempt[]): readonly string[] {
  return attempts
    .flatMap(({ trail }) => trail)
    .flatMap((entry) =>
      entry.kind === "consented"
        ? [
            `**Allowed by the user** at ${new Date(entry.at).toISOString()}, asked about \`${entry.commit}\`: \`${inline(entry.question)}\``,
            "",
          ]
        : [],
    );
}

function allowedParts({ goal: { partsWord: said }, commit }: Delivered): readonly string[] {
  if (said?.word !== "yes" || said.commit !== commit) return [];
  const { at, question } = said;
  return [
    `**Allowed by the user** at ${new Date(at).toISOString()}, asked about \`${commit}\`: \`${inline(question)}\``,
    "",
  ];
}

/** A count that holds estimates is no count; and where nothing was counted in USD, no price was known (or it is nothing). */
function spent({ requests, inputTokens, cachedInputTokens, outputTokens, usd }: Spend, cut: number): string {
  const tokens =
    cut === 0
      ? `${inputTokens} input tokens (${cachedInputTokens} cached), ${outputTokens} output tokens`
      : `at most ${inputTokens + outputTokens} tokens (${cutWords(cut)})`;
  const cost = usd > 0 ? `${usd.toFixed(4)} USD at list or configured prices` : "price unknown";
  return `Spent: ${requests} request${requests === 1 ? "" : "s"}, ${tokens}, ${cost}.`;
}

/** Heads the page where not everything that was wanted is on the branch: what is in, what is not and why. */
function partialWords({ bead, parts, doneByWhole }: Delivered): readonly string[] {
  const isIn = (part: Part) => part.bead.state.kind === "integrated";
  const isDone = (part: Part) => doneByWhole.includes(part.bead.id);
  const missing = parts.filter((part) => !isIn(part) && !isDone(part));
  if (parts.length <= 1 || parts.every(isIn)) return [];
  const whole =
    missing.length === 0
      ? "**The goal's own checks hold; what its parts promised is green in the whole.**"
      : "**The goal's own checks hold, without some of its parts.**";
  const said =
    bead.parent === undefined
      ? whole
      : "**This is a part of what was wanted.** The verdict below is that of the last bead that landed, not of the goal.";
  const named = (title: string, those: readonly Part[], wordsOf: (part: Part) => string) =>
    those.length === 0 ? [] : [title, "", ...those.map((part) => `- ${partName(part)}${wordsOf(part)}`), ""];
  const stopped = (part: Part) => `: ${standingOf(part.bead)}`;
  return [
    ...[said, ""],
    ...named("In:", parts.filter(isIn), () => ""),
    ...named("Done by the whole, not by themselves:", parts.filter(isDone), stopped),
    ...named("Not in:", missing, stopped),
  ];
}

function partName({ bead: { id, goal, parent, contract } }: Part): string {
  const what = parent === undefined ? "the whole" : `\`${inline(titleOf(contract))}\``;
  return `\`${id.slice(goal.length + 1)}\` ${what}`;
}

function standingOf({ state }: Bead): string {
  return state.kind === "parked" ? `parked: \`${inline(partsOf(state.reason).why)}\`` : state.kind;
}

/** A row for each bead of a tree. Tests are those of its own proof, on the head it was claimed at. */
function partsTable({ parts }: Delivered): readonly string[] {
  if (parts.length <= 1) return [];
  return [
    "## Beads",
    "",
    "| bead | what it is for | commit | verdict | tests | attempts | spent |",
    "|---|---|---|---|---|---|---|",
    ...parts.map(partRow),
    "",
  ];
}

function partRow(part: Part): string {
  const { bead, attempts, spend } = part;
  const { state } = bead;
  const proof = attempts.flatMap(({ trail }) => trail).findLast((entry) => entry.kind === "proved")?.proof;
  const landed = state.kind === "integrated" ? state : undefined;
  const [number = "", ...what] = partName(part).replaceAll("|", "\\|").split(" ");
  const tests = proof === undefined ? "-" : `${proof.testsPassed} of ${proof.testsRun}`;
  const usd = spend.usd > 0 ? `, ${spend.usd.toFixed(4)} USD` : "";
  const cells = [
    ...[number, what.join(" "), landed === undefined ? "-" : `\`${landed.commit.slice(0, 12)}\``],
    ...[landed?.verdict ?? standingOf(bead).replaceAll("|", "\\|"), tests, String(bead.attempts)],
    `${spend.requests} request${spend.requests === 1 ? "" : "s"}, ${spend.tokens} tokens${usd}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

function partStory(part: Part): readonly string[] {
  const told = part.attempts.flatMap(story);
  return [`### ${partName(part)}`, "", ...(told.length > 0 ? told : ["- never tried"]), ""];
}

/** Every survivor by name: each is something that no test asks for. */
function mutantWords(facts: ProofFacts): readonly string[] {
  if (facts.mutants.length === 0) return [];
  const { killed, run, survivors, unrun } = mutationScore(facts);
  const alive = survivors.map((name) => `\`${inline(name)}\``).join(", ");
  return [
    `- mutants (small faults put into the change): ${killed} of ${run} killed by the acceptance checks${unrun === 0 ? "" : `, ${unrun} not run`}${alive === "" ? "" : `; survived: ${alive}`}`,
  ];
}

/** Only what was seen: a check without a control run was compared on base and commit alone, and one without a witness believed. */
function controlWords({ gates }: ProofFacts): string {
  const promises = gates.filter((gate) => gate.check.role === "acceptance");
  const without = promises.filter((gate) => gate.control === undefined).map((gate) => gate.check.name);
  const unwitnessed = promises.filter((gate) => gate.witness === undefined).map((gate) => gate.check.name);
  const controlled =
    without.length === 0
      ? " They were seen to go red on a control."
      : ` No control could be run for ${without.join(", ")}: only base and the commit were compared there.`;
  if (unwitnessed.length === 0) return controlled;
  return `${controlled} No witness could be run for ${unwitnessed.join(", ")}: it was not seen to notice a failing test.`;
}

function gateRow({ check, base, head, control, witness }: GateFacts): string {
  const [without, failing] = [control, witness].map((run) => (run === undefined ? "-" : short(run)));
  const before = check.role === "part" ? "-" : short(base);
  return `| ${check.name} | \`${inline(check.command).replaceAll("|", "\\|")}\` | ${check.role} | ${before} | ${short(head)} | ${without} | ${failing} |`;
}

function short(run: GateRun): string {
  if (run.kind === "could-not-run") return "could not run";
  if (run.kind === "no-report") return "red, no report";
  return `${passedOf(run)} passed, ${failedOf(run)} failed (${run.runner})`;
}

function story(attempt: Attempt): readonly string[] {
  const lines: string[] = [];
  for (const entry of attempt.trail) {
    if (entry.kind === "revised")
      lines.push(
        `- ${entry.step} \`${entry.revision}\`: ${entry.evaluation.isGreen ? "green" : inline(entry.evaluation.headline)}`,
      );
    if (entry.kind === "reverted") lines.push(`- reverted \`${entry.from}\`: ${inline(entry.why)}`);
    if (entry.kind === "rejected") lines.push(`- answer not usable: ${entry.reason}`);
    if (entry.kind === "tests-written") lines.push(`- ${inline(testsWords(entry))}`);
    if (entry.kind === "left-out") lines.push(`- ${inline(leftOutWords(entry.paths))}`);
    if (entry.kind === "clash") lines.push(`- ${inline(clashWords(entry))}`);
    if (entry.kind === "unanswered")
      lines.push(
        `- no answer from ${inline(entry.provider)}: ${entry.fault === "lost" ? "the call was cut" : entry.fault}`,
      );
    if (entry.kind === "proved")
      lines.push(`- proof of \`${entry.commit.slice(0, 12)}\`: ${entry.proof.verdict}`);
    if (entry.kind === "consented") lines.push(`- the user allowed \`${entry.commit.slice(0, 12)}\``);
  }
  return lines;
}

function unshown({ proof, facts }: Delivered): readonly string[] {
  const lines = ["- The checks are as good as their tests: behaviour that no test asks for was not judged."];
  if (facts.gates.some((gate) => gate.controlKind === "base-only"))
    lines.push(
      "- The language of a changed file is not known to the control: only base and delivered commit were compared.",
    );
  if (facts.gates.some((gate) => gate.check.report.kind === "exit-code"))
    lines.push("- A check counted by its exit code alone counts as one test.");
  const programs = facts.gates.flatMap(({ check }) => (check.report.kind === "run" ? [check.report] : []));
  if (programs.some(({ probe }) => probe !== undefined))
    lines.push("- A program counts as one test: only what its probe asks was judged.");
  if (programs.some(({ probe }) => probe === undefined))
    lines.push(
      "- That the program starts and shows no uncaught error counts as one test; what it does was not judged.",
    );
  if (proof.acceptance === "none") lines.push("- Nobody gave an acceptance check.");
  if (proof.acceptance === "model")
    lines.push(
      "- A model said what acceptance is, from the goal's words alone: read its tests before you believe what they show.",
    );
  lines.push(
    "- A test process can be forged by the code it runs from inside a function; see the README's limits.",
  );
  return lines;
}

/** One line, no backticks: fit to stand between backticks or in a sentence. */
function inline(text: string): string {
  return text.replace(/[\r\n`]+/g, " ").slice(0, 300);
}

function fenced(text: string): readonly string[] {
  const longest = [...text.matchAll(/`{3,}/g)].reduce((most, [run]) => Math.max(most, run.length), 2);
  const fence = "`".repeat(longest + 1);
  return [`${fence}text`, text, fence];
}
