/**
 * A model that plays a transcript: the demo, golden tests, and bug reports that replay.
 *
 * Which answer: the first unspent one, in the file's order, whose `role` and `when` fit the question. An answer is spent when
 *   1. its text stands in the conversation as something the model said (each occurrence spends one answer), or
 *   2. this process has given it, or
 *   3. it is among `given`: the hashes of answers that the event log knows as settled for this provider.
 * Rule 1 needs no memory and rule 3 comes from the ground state, so a process that starts after a crash goes on at the
 * right place, and a call that was in flight is answered again with the same answer. A fault is spent as soon as a later
 * answer of the same `role` and `when` is, because it must have come before. Where several beads ask in parallel, give
 * each its `when`; without, the order of asking decides.
 */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { BlobHash } from "../../domain/id.ts";
import { type Fault, noUsage, type Reply, type Usage } from "../../domain/reply.ts";
import { unreachable } from "../../kit/assert.ts";
import type { Model, Price, Prompt } from "../../ports/model.ts";
import { roughSize } from "../tokens.ts";
import type { ScriptedAnswer, ScriptedFault, Transcript } from "./transcript.ts";

export interface ScriptedSettings {
  readonly provider: string;
  readonly name: string;
  readonly price: Price | undefined;
  readonly transcript: Transcript;
  /** SHA-256 of the UTF-8 text of every settled answer of this provider, in any order; one entry an answer. */
  readonly given: readonly BlobHash[];
  /** Milliseconds since the epoch, for `retryAfterMs` and `resetAfterMs`. */
  readonly now: () => number;
}

/** `wallMs` is the scripted delay, so that a replay is equal to the last digit. */
export function scriptedModel(settings: ScriptedSettings): Model {
  const { provider, name, price, transcript } = settings;
  const { answers } = transcript;
  const spent = new Set<number>();
  for (const hash of settings.given)
    spend(answers, spent, (answer) => isSaid(answer) && hashOf(answer.text) === hash);
  return {
    provider,
    name,
    price,
    ask: async (prompt, signal, onText) => {
      signal.throwIfAborted();
      spendConversation(answers, spent, prompt);
      const index = answers.findIndex((answer, place) => !spent.has(place) && fits(answer, prompt));
      const answer = answers[index];
      if (answer === undefined) return exhausted(prompt);
      spent.add(index);
      await pause(answer.delayMs, signal, () => spent.delete(index));
      return play(answer, prompt, settings, onText);
    },
  };
}

/** The newest message of the user, or "" for an empty conversation. */
function questionOf(prompt: Prompt): string {
  return prompt.messages.findLast(({ from }) => from === "user")?.text ?? "";
}

function fits({ when, role }: ScriptedAnswer, prompt: Prompt): boolean {
  const question = questionOf(prompt);
  return (role === undefined || role === prompt.role) && when.every((part) => question.includes(part));
}

function isSaid(answer: ScriptedAnswer): boolean {
  return answer.fault === undefined;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Spends the first unspent answer that `isIt`, and the faults that must have come before it. */
function spend(
  answers: readonly ScriptedAnswer[],
  spent: Set<number>,
  isIt: (answer: ScriptedAnswer) => boolean,
): void {
  const index = answers.findIndex((answer, place) => !spent.has(place) && isIt(answer));
  const found = answers[index];
  if (found === undefined) return;
  spent.add(index);
  const key = keyOf(found);
  for (const [place, answer] of answers.slice(0, index).entries())
    if (!isSaid(answer) && keyOf(answer) === key) spent.add(place);
}

function keyOf({ role, when }: ScriptedAnswer): string {
  return JSON.stringify([role, when]);
}

/** Rule 1: as many answers with this text are spent as the conversation shows, no matter which process gave them. */
function spendConversation(answers: readonly ScriptedAnswer[], spent: Set<number>, prompt: Prompt): void {
  const shown = new Map<string, number>();
  for (const { from, text } of prompt.messages)
    if (from === "model") shown.set(text, (shown.get(text) ?? 0) + 1);
  for (const [text, times] of shown) {
    const isIt = (answer: ScriptedAnswer) => isSaid(answer) && answer.text === text;
    const known = answers.filter((answer, place) => spent.has(place) && isIt(answer)).length;
    for (let count = known; count < times; count++) spend(answers, spent, isIt);
  }
}

/** An aborted answer was not given: `undo` puts it back before the rejection with the signal's reason. */
async function pause(delayMs: number, signal: AbortSignal, undo: () => void): Promise<void> {
  if (delayMs === 0) return;
  try {
    await wait(delayMs, undefined, { signal });
  } catch {
    undo();
    throw signal.reason;
  }
}

function play(
  answer: ScriptedAnswer,
  prompt: Prompt,
  settings: ScriptedSettings,
  onText: ((textSoFar: string) => void) | undefined,
): Reply {
  const { text, finish, fault, delayMs } = answer;
  if (fault !== undefined) {
    const usage = answer.usage ?? noUsage;
    return { kind: "failed", fault: faultNow(fault, settings.now()), usage, headers: {}, wallMs: delayMs };
  }
  if (onText !== undefined) for (const soFar of growing(text)) onText(soFar);
  return {
    kind: "said",
    text,
    finish,
    usage: answer.usage ?? usageOf(prompt, text),
    headers: {},
    wallMs: delayMs,
  };
}

/** The text in four steps, never cut inside a pair of surrogates. */
function growing(text: string): readonly string[] {
  const characters = [...text];
  const steps = [1, 2, 3, 4].map((quarter) => Math.ceil((characters.length * quarter) / 4));
  return [...new Set(steps)].filter((end) => end > 0).map((end) => characters.slice(0, end).join(""));
}

function usageOf(prompt: Prompt, text: string): Usage {
  const asked = [prompt.system, ...prompt.messages.map((message) => message.text)];
  const input = asked.reduce((sum, part) => sum + roughSize(part), 0);
  return { input, cachedInput: 0, output: roughSize(text) };
}

function faultNow(fault: ScriptedFault, now: number): Fault {
  switch (fault.kind) {
    case "throttle":
      return "retryAt" in fault
        ? fault
        : { kind: "throttle", retryAt: now + fault.retryAfterMs, why: fault.why };
    case "window":
      return "resetAfterMs" in fault
        ? { kind: "window", resetAt: now + fault.resetAfterMs, why: fault.why }
        : { kind: "window", resetAt: fault.resetAt, why: fault.why };
    case "capacity":
    case "billing":
    case "auth":
    case "request":
    case "too-large":
      return fault;
    default:
      return unreachable(fault);
  }
}

function exhausted(prompt: Prompt): Reply {
  const asked = questionOf(prompt).replace(/\s+/g, " ").slice(0, 200);
  const why = `the script has no answer left for this question (${prompt.role}): ${asked}`;
  return { kind: "failed", fault: { kind: "request", why }, usage: noUsage, headers: {}, wallMs: 0 };
}
