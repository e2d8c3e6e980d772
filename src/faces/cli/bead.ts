import type { Attempt, TrailEntry } from "../../domain/attempt.ts";
import { type BeadStateKind, beadStateKinds } from "../../domain/bead.ts";
import { parseBeadId, parseGoalId } from "../../domain/id.ts";
import { unreachable } from "../../kit/assert.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { beadLine, oneLine, stateWords } from "./sentences.ts";

export interface BeadListOptions {
  readonly goal?: string;
  readonly status?: string;
  readonly json?: boolean;
}

export async function listBeads(options: BeadListOptions, house: House, terminal: Terminal): Promise<number> {
  const state = options.status === undefined ? undefined : stateKind(options.status);
  const goal = options.goal === undefined ? undefined : parseGoalId(options.goal);
  if (options.goal !== undefined && goal === undefined)
    throw new UsageError(`"${options.goal}" is not a goal's id`);
  const reader = await house.reader();
  const filter = { ...(goal && { goal }), ...(state && { state }), countMax: 1000 };
  const beads = reader === undefined ? [] : await reader.view.beads(filter);
  await reader?.close();
  if (options.json) terminal.out(JSON.stringify(beads));
  else if (beads.length === 0) terminal.out("no beads match");
  else for (const bead of beads) terminal.out(beadLine(bead));
  return exits.done;
}

function stateKind(text: string): BeadStateKind {
  const kind = beadStateKinds.find((each) => each === text);
  if (kind === undefined)
    throw new UsageError(`--status is one of ${beadStateKinds.join(", ")}, not "${text}"`);
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
  const bead = id === undefined ? undefined : await reader?.view.bead(id);
  if (bead === undefined || reader === undefined) {
    await reader?.close();
    throw new UsageError(`there is no bead "${typed}"; rigs bead list shows all`);
  }
  const attempts = await reader.view.attempts(bead.id);
  if (options.json) terminal.out(JSON.stringify({ ...bead, attemptList: attempts }));
  else {
    terminal.out(`bead ${bead.id}: ${stateWords(bead.state)}`);
    terminal.out(`  wants:  ${oneLine(bead.contract.intent)}`);
    terminal.out(`  checks: ${bead.contract.checks.join(", ")}`);
    for (const attempt of attempts) {
      terminal.out(`  attempt ${attempt.id}: ${attempt.calls} calls, ${attempt.revisions} revisions`);
      for (const entry of attempt.trail) terminal.out(`    ${entryWords(entry)}`);
    }
    if (options.transcript) await showTranscript(attempts, reader, terminal);
    else if (attempts.length > 0) terminal.out(`  the answers: rigs bead show ${bead.id} --transcript`);
  }
  await reader.close();
  return exits.done;
}

async function showTranscript(
  attempts: readonly Attempt[],
  reader: NonNullable<Awaited<ReturnType<House["reader"]>>>,
  terminal: Terminal,
): Promise<void> {
  for (const attempt of attempts)
    for (const entry of attempt.trail) {
      if (entry.kind !== "answered") continue;
      const bytes = await reader.blobs.get(entry.answer);
      terminal.out(`--- ${entry.call} (${entry.step})`);
      terminal.out(
        bytes === undefined ? "(forgotten)" : new TextDecoder().decode(bytes).replace(/[^\P{Cc}\n\t]/gu, "·"),
      );
    }
}

function entryWords(entry: TrailEntry): string {
  switch (entry.kind) {
    case "answered":
      return `${entry.call} ${entry.step}: answered (${entry.finish})`;
    case "unanswered":
      return `${entry.call} ${entry.step}: no answer from ${entry.provider} (${entry.fault}): ${oneLine(entry.why)}`;
    case "rejected":
      return `${entry.call} not usable (${entry.reason}): ${oneLine(entry.detail)}`;
    case "asked-for-files":
      return `${entry.call} asked to read ${entry.paths.join(", ")}`;
    case "revised":
      return `${entry.revision} ${entry.commit.slice(0, 12)} ${entry.step}: ${oneLine(entry.evaluation.headline)} [${entry.files.join(", ")}]`;
    case "reverted":
      return `${entry.from} reverted: ${oneLine(entry.why)}`;
    case "proved":
      return `${entry.commit.slice(0, 12)} ${entry.proof.verdict}${entry.proof.reasons.map((reason) => `; ${oneLine(reason)}`).join("")}`;
    default:
      return unreachable(entry);
  }
}
