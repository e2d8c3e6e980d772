import {
  type Attempt,
  leftOutWords,
  plainHeadline,
  rejectedWords,
  type TrailEntry,
} from "../../domain/attempt.ts";
import { type Bead, type BeadStateKind, beadStateKinds } from "../../domain/bead.ts";
import { parseBeadId, parseGoalId } from "../../domain/id.ts";
import { unreachable } from "../../kit/assert.ts";
import { printable } from "../../kit/bounded.ts";
import type { Reader } from "../../ports/store.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { say } from "./paint.ts";
import { beadLine, oneLine, type Sentence, shortIds, stateWords } from "./sentences.ts";
import { cut } from "./width.ts";

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
  await reader?.close();
  if (options.json) terminal.out(JSON.stringify(beads));
  else if (beads.length === 0) terminal.out("no beads match");
  else for (const bead of beads) terminal.out(cut(beadLine(bead), terminal.columns("out")));
  if (beads.length === beadsMax)
    terminal.err(`these are the first ${beadsMax}; narrow them with --goal or --status`);
  return exits.done;
}

function stateKind(text: string): BeadStateKind {
  const kind = beadStateKinds.find((each) => each === text);
  if (kind === undefined)
    throw new UsageError(`--status is one of ${beadStateKinds.join(", ")}, not "${oneLine(text)}"`);
  return kind;
}

export async function showBead(
  typed: string,
  options: { readonly json?: boolean; readonly transcript?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const id = parseBeadId(typed);
  const reader = await house.reader();
  try {
    const bead = id === undefined ? undefined : await reader?.view.bead(id);
    if (bead === undefined || reader === undefined)
      throw new UsageError(`there is no bead "${oneLine(typed)}"; rigs bead list shows all`);
    const attempts = await reader.view.attempts(bead.id);
    const transcript = options.transcript ? await transcriptOf(attempts, reader) : undefined;
    if (options.json) terminal.out(JSON.stringify({ ...bead, attemptList: attempts, transcript }));
    else {
      describe(bead, attempts, terminal);
      for (const { call, step, text } of transcript ?? []) {
        terminal.out(`--- ${call} (${step})`);
        terminal.out(printable(text ?? "(forgotten)"));
      }
      if (transcript === undefined && attempts.length > 0)
        terminal.out(`  the answers: rigs bead show ${bead.id} --transcript`);
    }
    return exits.done;
  } finally {
    await reader?.close();
  }
}

function describe(bead: Bead, attempts: readonly Attempt[], terminal: Terminal): void {
  say(terminal, "out", {
    tone: "plain",
    text: `bead ${bead.id}: ${shortIds(stateWords(bead.state), bead.goal)}`,
  });
  say(terminal, "out", { tone: "plain", text: `  wants:  ${oneLine(bead.contract.intent)}` });
  terminal.out(`  checks: ${bead.contract.checks.join(", ") || "none"}`);
  for (const attempt of attempts) {
    terminal.out(
      `  attempt ${attempt.id}: ${counted(attempt.calls, "call")}, ${counted(attempt.revisions, "revision")}`,
    );
    for (const entry of attempt.trail) {
      const { tone, text } = entryWords(entry);
      say(terminal, "out", { tone, text: `    ${shortIds(text, bead.goal)}` });
    }
  }
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
    case "revised": {
      const { revision, commit, evaluation, files } = entry;
      const headline = oneLine(plainHeadline(evaluation));
      const text = `${revision} ${commit.slice(0, 12)}: ${headline} [${oneLine(files.join(", "))}]`;
      return { tone: evaluation.isGreen ? "good" : "bad", text };
    }
    case "reverted":
      return { tone: "warn", text: `${entry.from} reverted: ${oneLine(entry.why)}` };
    case "proved": {
      const { verdict, reasons } = entry.proof;
      const text = [`${entry.commit.slice(0, 12)} ${verdict}`, ...reasons.map(oneLine)].join("; ");
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
