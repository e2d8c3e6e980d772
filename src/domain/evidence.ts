/** The evidence page: what ran, before and after, what was decided on the way, and what nobody checked. */
import { type Attempt, countCut, cutWords, leftOutWords } from "./attempt.ts";
import type { Bead } from "./bead.ts";
import type { Spend } from "./budget.ts";
import { failedOf, type GateRun, passedOf } from "./gate.ts";
import type { Goal } from "./goal.ts";
import type { Commit } from "./id.ts";
import type { GateFacts, Proof, ProofFacts, Verdict } from "./verdict.ts";

export interface Delivered {
  readonly goal: Goal;
  readonly bead: Bead;
  readonly attempts: readonly Attempt[];
  readonly proof: Proof;
  readonly facts: ProofFacts;
  readonly branch: string;
  readonly commit: Commit;
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
  const { goal, proof, facts, branch, commit, attempts } = delivered;
  const lines = [
    `# Evidence for goal ${goal.id}`,
    "",
    ...fenced(goal.order.text),
    "",
    ...allowed(attempts),
    `**Verdict: ${proof.verdict}.** ${verdicts[proof.verdict]}${proof.verdict === "proven" ? controlWords(facts) : ""}`,
    "",
    `- branch \`${branch}\`, commit \`${commit}\`, tree \`${facts.tree}\`, base \`${facts.base}\``,
    `- isolation: ${proof.isolation}; acceptance by: ${proof.acceptance}`,
    `- tests run ${proof.testsRun}, passed ${proof.testsPassed}; FAIL_TO_PASS ${proof.failToPass}, PASS_TO_PASS ${proof.passToPass}`,
    ...proof.reasons.map((reason) => `- remark: ${inline(reason)}`),
    "",
    "## Gates",
    "",
    "| check | command | role | base | delivered | control | witness |",
    "|---|---|---|---|---|---|---|",
    ...facts.gates.map(gateRow),
    "",
    "Control: the delivered commit with the changed function bodies replaced by a raise; it must go red. Witness: the delivered commit with its tests made to fail; a report that stays green is forged, and an assertion that lets a wrong value through was gutted.",
    "",
    `Changed: ${facts.touched.map((path) => `\`${inline(path)}\``).join(", ") || "nothing"}.`,
    `The control replaced the bodies of: ${facts.replaced.length === 0 ? "nothing" : facts.replaced.map((name) => `\`${inline(name)}\``).join(", ")}.`,
    facts.restored.length === 0
      ? "No protected file was changed."
      : `Protected files restored from base before every run: ${facts.restored.map((path) => `\`${inline(path)}\``).join(", ")}.`,
    "",
    "## How it came about",
    "",
    ...attempts.flatMap(story),
    "",
    spent(goal.spend, countCut(attempts)),
    "",
    "## What this does not show",
    "",
    ...unshown(delivered),
    "",
    "Files beside this page: `statement.json` (signed, DSSE over an in-toto statement), `key.pem`, `evidence.json` (every run), `change.diff`.",
  ];
  return `${lines.join("\n")}\n`;
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

/** A count that holds estimates is no count; and where nothing was counted in USD, no price was known (or it is nothing). */
function spent({ requests, inputTokens, cachedInputTokens, outputTokens, usd }: Spend, cut: number): string {
  const tokens =
    cut === 0
      ? `${inputTokens} input tokens (${cachedInputTokens} cached), ${outputTokens} output tokens`
      : `at most ${inputTokens + outputTokens} tokens (${cutWords(cut)})`;
  const cost = usd > 0 ? `${usd.toFixed(4)} USD at configured prices` : "price unknown";
  return `Spent: ${requests} request${requests === 1 ? "" : "s"}, ${tokens}, ${cost}.`;
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
  return `| ${check.name} | \`${inline(check.command).replaceAll("|", "\\|")}\` | ${check.role} | ${short(base)} | ${short(head)} | ${without} | ${failing} |`;
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
    if (entry.kind === "left-out") lines.push(`- ${inline(leftOutWords(entry.paths))}`);
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
