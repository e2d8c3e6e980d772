import {
  type Attempt,
  clashWords,
  countCut,
  leftOutWords,
  plainHeadline,
  rejectedWords,
  type TrailEntry,
  testsWords,
} from "../../domain/attempt.ts";
import { type Bead, type BeadStateKind, beadStateKinds, isHeld } from "../../domain/bead.ts";
import { partsOf } from "../../domain/budget.ts";
import { mayMeet, opponentsOf, type Work } from "../../domain/conflict.ts";
import { type Goal, isDoneByWhole } from "../../domain/goal.ts";
import { type GoalId, parseBeadId, parseGoalId } from "../../domain/id.ts";
import { present, unreachable } from "../../kit/assert.ts";
import { printable } from "../../kit/bounded.ts";
import type { Reader } from "../../ports/store.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { unpricedIn } from "./cost.ts";
import { diffOf, promptOf, tellDiff, tellPrompt } from "./deeper.ts";
import { exits } from "./exit.ts";
import { beginCommand } from "./goal.ts";
import { say } from "./paint.ts";
import { insteadWords, oneLine, type Sentence, shortIds } from "./sentences.ts";
import { boundWords, doneByWhole, headOf, linesOf, spendWords, stateWords, whyOf } from "./standing.ts";
import { aboutBead, type Branched, branched, rowOf, wordsOf } from "./tree.ts";

export interface BeadListOptions {
  readonly goal?: string;
  readonly status?: string;
  readonly json?: boolean;
}

/** Beads listed at most; a person reads fewer, and a program asks by goal. */
const beadsMax = 10_000;

export async function listBeads(options: BeadListOptions, house: House, terminal: Terminal): Promise<number> {
  const state = options.status === undefined ? undefined : stateKind(options.status);
  const goal = options.goal === undefined ? undefined : parseGoalId(options.goal);
  if (options.goal !== undefined && goal === undefined)
    throw new UsageError(`"${options.goal}" is not a goal's id; rigs goal list shows all`);
  const reader = await house.reader();
  const filter = { ...(goal && { goal }), ...(state && { state }), countMax: beadsMax };
  const beads = (await reader?.view.beads(filter)) ?? [];
  const goals = goal === undefined ? ((await reader?.view.goals({ countMax: beadsMax })) ?? []) : [];
  await reader?.close();
  const inLine = linesOf(await house.atWork(), house.clock.now());
  const rows = inOrder(
    beads,
    goals.map(({ id }) => id),
  );
  if (options.json) terminal.out(JSON.stringify(rows.map(({ bead }) => bead)));
  else if (beads.length === 0) terminal.out("no beads match");
  else
    for (const { bead, depth } of rows) {
      const indent = "  ".repeat(goal === undefined ? 0 : depth);
      const row = { what: wordsOf(bead.contract), why: whyOf(bead.state) };
      terminal.out(
        rowOf(
          `${indent}${bead.id}  ${headOf(bead.state, inLine.get(bead.id))}`,
          row,
          terminal.columns("out"),
        ),
      );
    }
  if (beads.length === beadsMax)
    terminal.err(`these are the first ${beadsMax}; narrow them with --goal or --status`);
  return exits.done;
}

/** Newest goals first, in each the parts below their whole, by number. */
function inOrder(beads: readonly Bead[], newestFirst: readonly GoalId[]): readonly Branched<Bead>[] {
  const rank = new Map(newestFirst.map((id, index) => [id, index]));
  const rankOf = (id: GoalId) => rank.get(id) ?? newestFirst.length;
  const byGoal = [...Map.groupBy(beads, ({ goal }) => goal)];
  return byGoal
    .toSorted(([left], [right]) => rankOf(left) - rankOf(right))
    .flatMap(([, own]) => branched(own));
}

function stateKind(text: string): BeadStateKind {
  const kind = beadStateKinds.find((each) => each === text);
  if (kind === undefined)
    throw new UsageError(`--status is one of ${beadStateKinds.join(", ")}, not "${oneLine(text)}"`);
  return kind;
}

export interface BeadShowOptions {
  readonly json?: boolean;
  readonly transcript?: boolean;
  /** A revision, "r2", "a1/r2" or whole. */
  readonly diff?: string;
  /** A call, "c3", "a1/c3" or whole. */
  readonly prompt?: string;
}

export async function showBead(
  typed: string,
  options: BeadShowOptions,
  house: House,
  terminal: Terminal,
): Promise<number> {
  const reader = await house.reader();
  try {
    const bead = await findBead(typed, reader);
    if (reader === undefined) return exits.done;
    const goal = present(await reader.view.goal(bead.goal), "the goal of a bead exists");
    const attempts = await reader.view.attempts(bead.id);
    const transcript = options.transcript ? await transcriptOf(attempts, reader) : undefined;
    const diff = options.diff === undefined ? undefined : await diffOf(options.diff, goal, attempts, house);
    const prompt =
      options.prompt === undefined ? undefined : await promptOf(options.prompt, bead, attempts, reader);
    if (options.json) {
      terminal.out(JSON.stringify({ ...bead, attemptList: attempts, transcript, diff, prompt }));
      return exits.done;
    }
    if (diff !== undefined) tellDiff(diff, terminal);
    if (prompt !== undefined) tellPrompt(prompt, terminal);
    if (diff !== undefined || prompt !== undefined) return exits.done;
    const unpriced = await unpricedIn({ goal: goal.id, bead: bead.id }, house);
    const inLine = linesOf(await house.atWork(), house.clock.now()).get(bead.id);
    describe(bead, goal, { attempts, unpriced, inLine }, terminal);
    for (const line of await meetingLines({ bead, attempts }, reader)) terminal.out(line);
    for (const line of await moveLines(bead, reader))
      say(terminal, "out", { tone: "warn", text: `  moved:  ${line}` });
    for (const { call, step, text } of transcript ?? []) {
      terminal.out(`--- ${call} (${step})`);
      terminal.out(printable(text ?? "(forgotten)"));
    }
    if (transcript === undefined && attempts.length > 0)
      terminal.out(`  the answers: rigs bead show ${bead.id} --transcript`);
    for (const line of deeper(bead, attempts)) terminal.out(line);
    return exits.done;
  } finally {
    await reader?.close();
  }
}

/** The bead a person named. UsageError when there is none. */
export async function findBead(typed: string, reader: Reader | undefined): Promise<Bead> {
  const id = parseBeadId(typed);
  const bead = id === undefined ? undefined : await reader?.view.bead(id);
  if (bead === undefined)
    throw new UsageError(`there is no bead "${oneLine(typed)}"; rigs bead list shows all`);
  return bead;
}

/** Beads of the goal whose changes contradict its own, while it is still to land. */
async function meetingLines(own: Work, { view }: Reader): Promise<readonly string[]> {
  const { bead } = own;
  if (bead.parent === undefined || bead.state.kind === "integrated") return [];
  const beads = (await view.beads({ goal: bead.goal, countMax: 1_000 })).filter((each) =>
    mayMeet(bead, each),
  );
  const works = await Promise.all(
    beads.map(async (each) => ({ bead: each, attempts: await view.attempts(each.id) })),
  );
  return opponentsOf(own, works).map(
    ({ bead: other, paths }) =>
      `  meets:  bead ${other}, which changes the same lines: ${oneLine(paths.join(", "))}`,
  );
}

/** Calls named one by one. */
const movesMax = 10;

/** Calls that another provider than the first choice was asked, with why. */
async function moveLines({ id, goal }: Bead, { log }: Reader): Promise<readonly string[]> {
  const found: string[] = [];
  for (let from = 1; ; ) {
    const page = await log.read(from, 1_000, goal);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type !== "call-reserved" || event.bead !== id) continue;
      const instead = insteadWords(event);
      if (instead !== undefined) found.push(`${shortOf(event.call, id)} asked ${event.provider} ${instead}`);
    }
    if (page.length === 0) break;
  }
  const more = found.length - movesMax;
  return more > 0 ? [...found.slice(0, movesMax), `and ${more} more calls`] : found;
}

/** The commands that show what a revision changed and what was asked, with an example that works. */
function deeper({ id }: Bead, attempts: readonly Attempt[]): readonly string[] {
  const trail = attempts.flatMap((attempt) => attempt.trail);
  const revised = trail.findLast((entry) => entry.kind === "revised");
  const answered = trail.findLast((entry) => entry.kind === "answered");
  return [
    ...(revised === undefined
      ? []
      : [`  a change:    rigs bead show ${id} --diff ${shortOf(revised.revision, id)}`]),
    ...(answered === undefined
      ? []
      : [`  a question:  rigs bead show ${id} --prompt ${shortOf(answered.call, id)}`]),
  ];
}

function shortOf(id: string, bead: string): string {
  return id.slice(bead.length + 1).replace(/^a1\//, "");
}

function describe(
  bead: Bead,
  goal: Goal,
  {
    attempts,
    unpriced,
    inLine,
  }: {
    readonly attempts: readonly Attempt[];
    readonly unpriced: readonly string[];
    /** What its call stands in line for, where it does. */
    readonly inLine: string | undefined;
  },
  terminal: Terminal,
): void {
  say(terminal, "out", {
    tone: "plain",
    text: `bead ${bead.id}: ${isDoneByWhole(bead, goal.end) ? `${doneByWhole}; it was ` : ""}${shortIds(stateWords(bead.state, inLine), bead.goal)}`,
  });
  const { name, intent } = bead.contract;
  if (name !== undefined) terminal.out(`  name:   ${oneLine(name)}`);
  say(terminal, "out", { tone: "plain", text: `  wants:  ${oneLine(intent)}` });
  if (!bead.contract.owns.includes("**")) describeContract(bead, terminal);
  terminal.out(
    `  checks: ${bead.contract.checks.map((name) => checkWords(name, goal)).join(", ") || "none"}`,
  );
  const calls = { out: attempts.filter(({ open }) => open !== undefined).length, cut: countCut(attempts) };
  const isRunning = isHeld(bead.state);
  if (attempts.length > 0 || bead.contract.budget !== undefined)
    terminal.out(
      `  spent:  ${spendWords(bead.spend, { isRunning, unpriced, ...calls })}${boundWords(bead.contract.budget)}${belowWords(bead)}`,
    );
  if (goal.isUnbegun && goal.end === undefined) terminal.out(`  run it: ${beginCommand(goal)}`);
  const onward = bead.state.kind === "parked" ? partsOf(bead.state.reason).command : undefined;
  if (onward !== undefined && goal.end?.outcome !== "delivered") terminal.out(`  go on:  ${onward}`);
  for (const attempt of attempts) {
    const on = attempt.base === undefined ? "" : `, on ${attempt.base.slice(0, 12)}`;
    terminal.out(
      `  attempt ${attempt.id}: ${counted(attempt.calls, "call")}, ${counted(attempt.revisions, "revision")}${on}`,
    );
    for (const entry of attempt.trail) {
      const { tone, text } = entryWords(entry);
      say(terminal, "out", { tone, text: `    ${aboutBead(bead.id, shortIds(text, bead.goal))}` });
    }
  }
}

/** Whose calls count against its budget too. */
function belowWords({ contract, goal }: Bead): string {
  const below = contract.budget?.below ?? [];
  return below.length === 0 ? "" : ` together with ${below.map((id) => shortIds(id, goal)).join(", ")}`;
}

function checkWords(name: string, { checks }: Goal): string {
  const check = checks.find((each) => each.name === name);
  return check === undefined ? name : `${name} (${oneLine(check.command)})`;
}

/** What a part promises to the others. */
function describeContract({ contract, dependsOn }: Bead, terminal: Terminal): void {
  const line = (name: string, values: readonly string[]) => {
    if (values.length > 0)
      say(terminal, "out", {
        tone: "plain",
        text: `  ${name.padEnd(8)}${values.map((text) => oneLine(text)).join(", ")}`,
      });
  };
  line("owns:", contract.owns);
  line("reads:", contract.reads);
  line("after:", dependsOn);
  line("gives:", contract.exports);
  for (const behaviour of contract.behaviours) line("does:", [behaviour]);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

interface Answer {
  readonly call: string;
  readonly step: string;
  /** Null where the blob was forgotten. */
  readonly text: string | null;
}

async function transcriptOf(attempts: readonly Attempt[], reader: Reader): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const entry of attempts.flatMap(({ trail }) => trail)) {
    if (entry.kind !== "answered") continue;
    const bytes = await reader.blobs.get(entry.answer);
    const text = bytes === undefined ? null : new TextDecoder().decode(bytes);
    answers.push({ call: entry.call, step: entry.step, text });
  }
  return answers;
}

function entryWords(entry: TrailEntry): Sentence {
  switch (entry.kind) {
    case "answered":
      return { tone: "dim", text: `${entry.call} ${entry.step}: answered (${entry.finish})` };
    case "unanswered": {
      const { call, step, provider, fault, why } = entry;
      const said = `no answer from ${provider} (${fault}): ${oneLine(why)}`;
      const text = `${call} ${step}: ${fault === "lost" ? "the call was cut" : said}`;
      return { tone: "warn", text };
    }
    case "rejected":
      return {
        tone: "warn",
        text: `${entry.call} not usable: ${rejectedWords(entry.reason, oneLine(entry.detail))}`,
      };
    case "asked-for-files":
      return { tone: "dim", text: `${entry.call} asked to read ${oneLine(entry.paths.join(", "))}` };
    case "left-out":
      return { tone: "warn", text: `${entry.call} ${oneLine(leftOutWords(entry.paths))}` };
    case "tests-written":
      return { tone: "plain", text: `${entry.call} ${oneLine(testsWords(entry))}` };
    case "clash":
      return { tone: "warn", text: clashWords(entry) };
    case "revised": {
      const { revision, commit, evaluation, files } = entry;
      const headline = oneLine(plainHeadline(evaluation));
      const { testsPassed, testsFailed } = evaluation.score;
      const score = `${testsPassed}/${testsPassed + testsFailed} tests`;
      const text = `${revision} ${commit.slice(0, 12)}: ${score}, ${headline} [${oneLine(files.join(", "))}]`;
      return { tone: evaluation.isGreen ? "good" : "bad", text };
    }
    case "reverted":
      return { tone: "warn", text: `${entry.from} reverted: ${oneLine(entry.why)}` };
    case "proved": {
      const { verdict, reasons } = entry.proof;
      const text = [`${entry.commit.slice(0, 12)} ${verdict}`, ...reasons.map((text) => oneLine(text))].join(
        "; ",
      );
      return { tone: verdict === "proven" ? "good" : "warn", text };
    }
    case "consented": {
      const { commit, question } = entry;
      return { tone: "plain", text: `${commit.slice(0, 12)} allowed by you: ${oneLine(question)}` };
    }
    default:
      return unreachable(entry);
  }
}
