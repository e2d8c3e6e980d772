/**
 * A model that plays a transcript: the demo, golden tests, and bug reports that replay.
 *
 * Which answer: the first unspent one, in the file's order, whose `role` and `when` fit the question. An answer is spent when
 *   1. its text stands in the conversation as something the model said (each occurrence spends one answer), or
 *   2. this process has given it, or
 *   3. it is among `given`: the hashes of answers that the event log knows as settled for this provider.
 * Answers with the same `role` and `when` are played in order, so a spent one means that all such before it, faults
 * too, are spent: the newest answer in a conversation is enough, the older ones may be shortened. Rule 1 needs no memory
 * and rule 3 comes from the ground state, so a process that starts after a crash goes on at the right place, and a call
 * that was in flight gets the same answer again. Where several beads ask in parallel, give each its `when`; without, the
 * order of asking decides.
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
  spendShown(answers, spent, { shown: settings.given, nameOf: (text) => hashOf(text) });
  return {
    provider,
    name,
    price,
    ask: async (prompt, signal, onText) => {
      signal.throwIfAborted();
      const shown = prompt.messages.filter(({ from }) => from === "model").map(({ text }) => text);
      spendShown(answers, spent, { shown, nameOf: (text) => text });
      const index = answers.findIndex((answer, place) => !spent.has(place) && fits(answer, prompt));
      const answer = answers[index];
      if (answer === undefined) return exhausted(prompt, { count: answers.length, spent: spent.size });
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

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** What is known to have been said: each entry of `shown` is the name of one answer's text. */
interface Shown {
  readonly shown: readonly string[];
  readonly nameOf: (text: string) => string;
}

/** As many answers of a text are spent as were shown, no matter who spent them first. */
function spendShown(answers: readonly ScriptedAnswer[], spent: Set<number>, { shown, nameOf }: Shown): void {
  const names = answers.map((answer) => (answer.fault === undefined ? nameOf(answer.text) : undefined));
  const times = new Map<string, number>();
  for (const name of shown) times.set(name, (times.get(name) ?? 0) + 1);
  for (const [name, count] of times) {
    const places = names.flatMap((each, place) => (each === name ? [place] : []));
    const known = places.filter((place) => spent.has(place)).length;
    const next = places.filter((place) => !spent.has(place)).slice(0, Math.max(0, count - known));
    for (const place of next) spendUpTo(answers, spent, place);
  }
}

function spendUpTo(answers: readonly ScriptedAnswer[], spent: Set<number>, last: number): void {
  const key = keyOf(answers[last]);
  for (const [place, answer] of answers.slice(0, last + 1).entries())
    if (keyOf(answer) === key) spent.add(place);
}

function keyOf(answer: ScriptedAnswer | undefined): string {
  return JSON.stringify([answer?.role, answer?.when]);
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
    return {
      kind: "failed",
      fault: faultNow(fault, settings.now()),
      usage,
      headers: {},
      readings: [],
      wallMs: delayMs,
    };
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
      return "retryAfterMs" in fault
        ? { kind: "throttle", retryAt: now + fault.retryAfterMs, why: fault.why }
        : { kind: "throttle", retryAt: fault.retryAt, why: fault.why };
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

function exhausted(
  prompt: Prompt,
  { count, spent }: { readonly count: number; readonly spent: number },
): Reply {
  const why =
    spent === count
      ? `the script has no answer left (all ${count} are used up): add some to it`
      : `no answer of the script fits the question (${prompt.role}) that begins "${hintOf(questionOf(prompt))}"`;
  return {
    kind: "failed",
    fault: { kind: "request", why },
    usage: noUsage,
    headers: {},
    readings: [],
    wallMs: 0,
  };
}

/** Its first words, at most 60 characters. */
function hintOf(question: string): string {
  const words = question.replace(/\s+/g, " ").trim();
  if (words.length <= 60) return words;
  const head = words.slice(0, 60);
  return `${head.slice(0, head.includes(" ") ? head.lastIndexOf(" ") : 60)}…`;
}
