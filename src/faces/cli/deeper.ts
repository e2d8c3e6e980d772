/** One revision's change and one question's words, for `bead show --diff` and `--prompt`. */
import type { Attempt, TrailEntry } from "../../domain/attempt.ts";
import type { Bead } from "../../domain/bead.ts";
import type { Goal } from "../../domain/goal.ts";
import { type BlobHash, beadOf, type CallId } from "../../domain/id.ts";
import { printable } from "../../kit/bounded.ts";
import type { Reader } from "../../ports/store.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { paint } from "./paint.ts";
import { oneLine, type Tone } from "./sentences.ts";

export interface RevisionDiff {
  readonly revision: string;
  readonly commit: string;
  /** What it changed from: the revision before it, or what the work stood on. */
  readonly parent: string;
  readonly text: string;
}

type Revised = Extract<TrailEntry, { readonly kind: "revised" }>;

/**
 * The revision that a person named of these attempts: "r2", "a1/r2", "1.2/a1/r2" or whole; of several attempts of one
 * bead the newest. UsageError where there is none, or where several beads have one of that name.
 */
export function findRevision(typed: string, attempts: readonly Attempt[]): Revised {
  const revised = attempts.flatMap(({ trail }) => trail).filter((entry) => entry.kind === "revised");
  const found = revised.filter(({ revision }) => isNamed(revision, typed));
  const newest = found.at(-1);
  const beads = new Set(found.map(({ revision }) => beadOf(revision)));
  if (newest !== undefined && beads.size === 1) return newest;
  const shown = (newest === undefined ? revised : found).slice(-20);
  const names = shown.map(({ revision }) => revision.slice(revision.indexOf(".") + 1)).join(", ");
  const known = shown.length === 0 ? "none was made yet" : `there are ${names}`;
  throw new UsageError(
    newest === undefined
      ? `there is no revision "${oneLine(typed)}"; ${known}`
      : `several beads have a revision "${oneLine(typed)}"; ${known}`,
  );
}

/** The whole id, or its end from a bead's number, an attempt or the revision or call on. */
function isNamed(id: string, typed: string): boolean {
  if (id === typed) return true;
  if (!/^(((\d+\.)*\d+\/)?a\d+\/)?[rc]\d+$/.test(typed)) return false;
  return typed.includes(".") || /^\d+\//.test(typed)
    ? id.slice(id.indexOf(".") + 1) === typed
    : id.endsWith(`/${typed}`);
}

/** What a revision changed. UsageError where there is none of that name. */
export async function diffOf(
  typed: string,
  goal: Goal,
  attempts: readonly Attempt[],
  house: House,
): Promise<RevisionDiff> {
  const { revision, commit, parent } = findRevision(typed, attempts);
  return { revision, commit, parent, text: await house.diff(goal.order, { from: parent, to: commit }) };
}

export function tellDiff({ revision, commit, parent, text }: RevisionDiff, terminal: Terminal): void {
  terminal.out(`--- ${revision}: ${commit.slice(0, 12)}, changed from ${parent.slice(0, 12)}`);
  for (const line of printable(text).trimEnd().split("\n"))
    terminal.out(paint(line, toneOf(line), terminal.hasColor("out")));
}

function toneOf(line: string): Tone {
  if (line.startsWith("+") && !line.startsWith("+++")) return "good";
  if (line.startsWith("-") && !line.startsWith("---")) return "bad";
  return line.startsWith("@@") ? "dim" : "plain";
}

export interface CallPrompt {
  readonly call: CallId;
  readonly step: string;
  readonly provider: string;
  readonly model: string;
  /** Everything that was sent; null where it was forgotten. */
  readonly prompt: {
    readonly system: string;
    readonly messages: readonly { readonly from: string; readonly text: string }[];
  } | null;
}

/** What was asked in one call. UsageError where there is none of that name. */
export async function promptOf(
  typed: string,
  bead: Bead,
  attempts: readonly Attempt[],
  reader: Reader,
): Promise<CallPrompt> {
  let found: (Omit<CallPrompt, "prompt"> & { readonly kept: BlobHash }) | undefined;
  for (let from = 1; ; ) {
    const page = await reader.log.read(from, 1000, bead.goal);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type !== "call-reserved" || event.bead !== bead.id || !isNamed(event.call, typed)) continue;
      const { call, step, provider, model, prompt: kept } = event;
      found = { call, step, provider, model, kept };
    }
    if (page.length === 0) break;
  }
  if (found === undefined) {
    const calls = attempts.reduce((sum, attempt) => sum + attempt.calls, 0);
    throw new UsageError(
      `there is no call "${oneLine(typed)}" of bead ${bead.id}${calls === 0 ? ", which asked nobody yet" : ": c1, a2/c1 … as rigs bead show names them"}`,
    );
  }
  const { kept, ...call } = found;
  const bytes = await reader.blobs.get(kept);
  return { ...call, prompt: bytes === undefined ? null : JSON.parse(new TextDecoder().decode(bytes)) };
}

export function tellPrompt({ call, step, provider, model, prompt }: CallPrompt, terminal: Terminal): void {
  terminal.out(`--- ${call} (${step}) to ${provider} (${model})`);
  if (prompt === null) {
    terminal.out("(forgotten)");
    return;
  }
  const part = (name: string, text: string) => {
    terminal.out(`--- ${name}`);
    terminal.out(printable(text).trimEnd());
  };
  part("system", prompt.system);
  for (const { from, text } of prompt.messages) part(from, text);
}
