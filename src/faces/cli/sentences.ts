/** Events as people read them: one line each, nothing a model wrote goes out unprinted. */
import {
  type Attempt,
  clashWords,
  leftOutWords,
  plainHeadline,
  rejectedWords,
  testsWords,
  whyNotDelivered,
} from "../../domain/attempt.ts";
import { type BudgetWish, partsOf } from "../../domain/budget.ts";
import { whyUnanswered } from "../../domain/decision.ts";
import type { Event } from "../../domain/event.ts";
import type { BaseResult } from "../../domain/gate.ts";
import { convoyIn, convoyOf, type GoalEnd } from "../../domain/goal.ts";
import type { AttemptId, BeadId, GoalId } from "../../domain/id.ts";
import type { Fault } from "../../domain/reply.ts";
import type { Proof } from "../../domain/verdict.ts";
import { unreachable } from "../../kit/assert.ts";
import { printable } from "../../kit/bounded.ts";

/** How loud a line is: green and red are results, dim is routine. */
export type Tone = "plain" | "good" | "bad" | "dim" | "warn";

export interface Sentence {
  readonly tone: Tone;
  readonly text: string;
}

/** What an event says. */
export function sentenceOf(event: Event): Sentence {
  const sentence = raw(event);
  return { ...sentence, text: oneLine(shortIds(sentence.text, event.goal)) };
}

/** Events that only keep books: the log names them, whoever watches is not told. */
export function isBookkeeping(event: Event): boolean {
  return event.type === "bead-integrating" || event.type === "bead-ready";
}

/** Steps whose beginning the status line shows already; what came of them is said in the next sentence. */
export function isRoutine(event: Event): boolean {
  return event.type === "call-reserved" || event.type === "bead-created" || event.type === "bead-claimed";
}

type AttemptEvent = Extract<Event, { readonly attempt: AttemptId }>;
type BeadEvent = Exclude<Extract<Event, { readonly bead: BeadId }>, AttemptEvent>;
type GoalEvent = Exclude<Event, { readonly bead: BeadId }>;

function raw(event: Event): Sentence {
  if ("attempt" in event) return attemptWords(event);
  return "bead" in event ? beadWords(event) : goalWords(event);
}

function goalWords(event: GoalEvent): Sentence {
  switch (event.type) {
    case "goal-created":
      return { tone: "plain", text: `goal ${event.goal}: ${event.order.text}` };
    case "goal-cancel-asked":
      return { tone: "warn", text: "cancelling" };
    case "goal-resumed":
      return { tone: "plain", text: `goal ${event.goal} goes on` };
    case "goal-ended":
      return endWords(event.end);
    case "parts-answered":
      return { tone: "plain", text: `${event.word}, to: ${event.question}` };
    case "environment-prepared": {
      const state = event.installed ? `installed in ${duration(event.wallMs)}` : "ready";
      return { tone: "dim", text: `environment ${state}${inBrackets(event.notes.join("; "))}` };
    }
    case "base-surveyed":
      return {
        tone: "dim",
        text: `before the change: ${event.results.map(baseWords).join("; ") || "nothing to run"}`,
      };
    case "verifier-lost":
      return { tone: "dim", text: `${event.why}; another one did its run again` };
    case "budget-changed":
      return {
        tone: "plain",
        text: `the budget is now ${budgetWords(event.budget)}${fromNow(event.budget)}`,
      };
    case "tests-rewritten":
      return {
        tone: "warn",
        text: "the tests that a model wrote were lost with Rigs' clone and are written again",
      };
    case "checks-added":
      return {
        tone: "dim",
        text: `checks added: ${event.checks.map(({ command }) => oneLine(command)).join(", ")}`,
      };
    case "head-lost":
      return { tone: "warn", text: event.why };
    default:
      return unreachable(event);
  }
}

/** Where a bead stands. */
function beadWords(event: BeadEvent): Sentence {
  switch (event.type) {
    case "bead-created":
      return { tone: "dim", text: `bead ${event.bead} created` };
    case "bead-ready":
      return { tone: "dim", text: `bead ${event.bead} is ready: ${event.why}` };
    case "bead-resumed":
      return { tone: "dim", text: `bead ${event.bead} is ready: ${event.why}` };
    case "bead-released":
      return { tone: "warn", text: `bead ${event.bead} stopped: ${event.why}` };
    case "bead-waiting":
      return { tone: "warn", text: `waiting until ${moment(event.until, event.at)}: ${event.why}` };
    case "bead-held-back":
      return { tone: "dim", text: `bead ${event.bead} waits: ${event.why}` };
    case "bead-budget-changed": {
      const text = `the budget of bead ${event.bead} is now ${budgetWords(event.budget)}${fromNow(event.budget)}`;
      return { tone: "plain", text };
    }
    case "bead-integrating":
      return { tone: "dim", text: `bead ${event.bead} is being integrated` };
    case "bead-integrated":
      return { tone: "dim", text: `bead ${event.bead} integrated as ${event.commit.slice(0, 12)}` };
    case "bead-parked":
      return { tone: "bad", text: `bead ${event.bead} parked: ${partsOf(event.reason).why}` };
    case "bead-split":
      return { tone: "plain", text: `bead ${event.bead} becomes a tree of smaller ones` };
    case "bead-returned":
      return { tone: "warn", text: `bead ${event.bead} comes back from the merge queue: ${event.why}` };
    case "bead-blocked":
      return { tone: "dim", text: `bead ${event.bead} waits: ${event.why}` };
    case "bead-needs-answer":
      return { tone: "warn", text: `bead ${event.bead} needs an answer: ${event.question}` };
    case "bead-cancelled":
      return { tone: "warn", text: `bead ${event.bead} ${takenWords(event.why) ?? "cancelled"}` };
    default:
      return unreachable(event);
  }
}

/** What its worker does. */
function attemptWords(event: AttemptEvent): Sentence {
  switch (event.type) {
    case "bead-claimed":
      return { tone: "dim", text: `bead ${event.bead} claimed by ${event.by}` };
    case "call-reserved": {
      const asking = `${event.step}: asking ${event.provider} (${event.model})`;
      const instead = insteadWords(event);
      return instead === undefined
        ? { tone: "dim", text: asking }
        : { tone: "warn", text: `${asking} ${instead}` };
    }
    case "call-settled":
      return settledWords(event);
    case "answer-rejected":
      return { tone: "warn", text: `not usable: ${rejectedWords(event.reason, event.detail)}` };
    case "files-asked":
      return { tone: "dim", text: `it asks to read ${event.paths.join(", ")}` };
    case "tests-written":
      return { tone: "plain", text: testsWords(event) };
    case "conflict-seen":
      return { tone: "warn", text: `bead ${event.bead} ${clashWords(event)}` };
    case "edits-left-out":
      return { tone: "warn", text: leftOutWords(event.paths) };
    case "revision-recorded":
      return revisedWords(event);
    case "revision-reverted":
      return { tone: "warn", text: `${event.from} reverted: ${event.why}` };
    case "proof-started":
      return { tone: "dim", text: `proving ${event.commit.slice(0, 12)} in a clean checkout` };
    case "proof-ended":
      return proofWords(event.proof);
    case "bead-consented":
      return { tone: "plain", text: `you allowed ${event.commit.slice(0, 12)}: ${event.question}` };
    default:
      return unreachable(event);
  }
}

function endWords(end: GoalEnd): Sentence {
  const { outcome, reason } = end;
  const tone = outcome === "delivered" ? "good" : outcome === "failed" ? "bad" : "warn";
  const why = convoyOf(end) === undefined ? (whyUnanswered(end) ?? reason) : undefined;
  return { tone, text: `${outcomeWords(end)}${why === undefined ? "" : `: ${why}`}` };
}

/** "is in convoy k7m2q9xd"; undefined where nobody joined it. */
function takenWords(why: string): string | undefined {
  const convoy = convoyIn(why);
  return convoy === undefined ? undefined : `is in convoy ${convoy}`;
}

/** The outcome as people read it: without an answer no budget is out, and what lands with others was not cancelled. */
export function outcomeWords(end: GoalEnd): string {
  const convoy = convoyOf(end);
  if (convoy !== undefined) return `in convoy ${convoy}`;
  return whyUnanswered(end) === undefined ? end.outcome : "no provider could answer";
}

/** Why the goal ended so: what its best revision lacks comes before what stopped the work. */
export function becauseOf(end: GoalEnd, attempts: readonly Attempt[]): string | undefined {
  if (end.reason === undefined) return undefined;
  return fullReason(end, whyUnanswered(end) ?? partsOf(end.reason).why, attempts);
}

/** The same around any wording of the end's reason. */
export function fullReason(end: GoalEnd, why: string, attempts: readonly Attempt[]): string {
  const isStuck = end.outcome === "failed" || end.outcome === "out-of-budget";
  return isStuck && !end.isInputFault ? whyNotDelivered(why, attempts) : why;
}

/** "instead of claude: 5-hour window at 91 %"; undefined where the first choice was asked. Logs of older versions do not say. */
export function insteadWords({
  provider,
  insteadOf,
}: Partial<Pick<Extract<Event, { type: "call-reserved" }>, "insteadOf" | "provider">>): string | undefined {
  if (insteadOf === undefined) return undefined;
  return `instead of ${insteadOf.provider}: ${insteadWhy(insteadOf.why, provider ?? "the other")}`;
}

/** Why `asked` was asked and not who comes first; what a tank calls by one word is said in some. */
export function insteadWhy(why: string, asked: string): string {
  switch (why) {
    case "requests":
    case "tokens":
    case "input tokens":
    case "output tokens":
      return `no ${why} were left then`;
    case "a free slot":
      return "all its places were taken";
    case "it remembers what came before":
      return `${asked} remembers what came before`;
    case "the other suits it better now":
      return `${asked} suited the call better`;
    default:
      return oneLine(why);
  }
}

function settledWords(event: Extract<Event, { type: "call-settled" }>): Sentence {
  const { settled, usage, usd, wallMs } = event;
  if (settled.kind === "lost")
    return {
      tone: "warn",
      text: "the call was cut; it counts at its estimate, because it may have been paid",
    };
  if (settled.kind === "failed")
    return { tone: "warn", text: `no answer: ${faultWords(settled.fault, event.at)}; ${settled.fault.why}` };
  const tokens = `${grouped(usage.input)} tokens in, ${grouped(usage.output)} out`;
  return { tone: "dim", text: `answered (${tokens}${dollars(usd)}, ${duration(wallMs)})` };
}

/** What kind of failure it is: vendors' own words often say it in one nobody knows. */
function faultWords(fault: Fault, now: number): string {
  const again = (at: number | undefined) =>
    at === undefined ? "" : `, to be asked again at ${moment(at, now)}`;
  switch (fault.kind) {
    case "throttle":
      return `too many requests or tokens at once${again(fault.retryAt)}`;
    case "window":
      return `what the account may take is used up${again(fault.resetAt)}`;
    case "capacity":
      return "it cannot answer now";
    case "billing":
      return "the account is not paid for";
    case "auth":
      return fault.isOfUse ? "the key may not be used for this" : "the key is refused";
    case "request":
      return "the question is refused";
    case "too-large":
      return "the question is too long";
    default:
      return unreachable(fault);
  }
}

function revisedWords(event: Extract<Event, { type: "revision-recorded" }>): Sentence {
  const { isGreen, score } = event.evaluation;
  const counts = `${score.testsPassed} of ${score.testsPassed + score.testsFailed} tests pass`;
  if (isGreen) return { tone: "good", text: `${event.revision}: ${counts}` };
  return { tone: "bad", text: `${event.revision}: ${counts}; ${plainHeadline(event.evaluation)}` };
}

function proofWords(proof: Proof): Sentence {
  const { verdict, reasons } = proof;
  const tone = verdict === "proven" ? "good" : verdict === "refuted" ? "bad" : "warn";
  // What a proof leaves to be said stands on the evidence page: beside "proven" it reads as a failure.
  const remark = verdict === "proven" || reasons[0] === undefined ? "" : `; ${reasons[0]}`;
  return { tone, text: `${verdict}: ${turnWords(proof)}${remark}` };
}

/** "5 tests turned green, 2 stayed green": what changed, which counts of all tests would hide; and whose they are where they are no person's. */
export function turnWords({ failToPass, passToPass, acceptance }: Proof): string {
  const whose = acceptance === "model" ? " (acceptance: model)" : "";
  return `${failToPass} test${failToPass === 1 ? "" : "s"} turned green, ${passToPass} stayed green${whose}`;
}

function baseWords(result: BaseResult): string {
  if (result.kind === "could-not-run") return `${result.check} could not run`;
  return `${result.check} ${result.kind} (${result.why})`;
}

/** "k7m2q9xd.1/a1/r3" is "r3": the goal is known where its events are read, and the first bead and attempt go without saying. */
export function shortIds(text: string, goal: GoalId): string {
  return text.replaceAll(`${goal}.1/a1/`, "").replaceAll(new RegExp(`${goal}\\.(?=[\\d.]+/)`, "g"), "");
}

/** "30,000 tokens, 2 USD": the bounds that there are. */
/** "24,000 tokens, 0.5 USD, 3 minutes". */
export function budgetWords({ tokensMax, usdMax, wallMsMax }: BudgetWish): string {
  return [
    tokensMax === undefined ? "" : `${grouped(tokensMax)} tokens`,
    usdMax === undefined ? "" : `${usdMax} USD`,
    wallMsMax === undefined ? "" : minuteWords(wallMsMax / 60_000),
  ]
    .filter((bound) => bound !== "")
    .join(", ");
}

function fromNow({ wallMsMax }: BudgetWish): string {
  return wallMsMax === undefined ? "" : " from now";
}

function minuteWords(minutes: number): string {
  return `${Math.round(minutes * 100) / 100} minute${minutes === 1 ? "" : "s"}`;
}

/** ", $0.0123"; empty for nothing, which is also what an unknown price gives. */
export function dollars(usd: number): string {
  return usd > 0 ? `, $${usd.toFixed(4)}` : "";
}

function inBrackets(text: string): string {
  return text === "" ? "" : ` (${text})`;
}

/** 12345 is "12,345". */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A span of time: "4.2 s", "42 s", "3 min 05 s", "2 h 07 min". */
export function duration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const two = (count: number) => String(count).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

/** Local time of day, for waits: "14:05:30". */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** A moment ahead as people plan with it: the time of day, with the date where it is not today's: "14:05:30", "Mon 23 Nov 14:05". */
export function moment(at: number, now: number): string {
  if (Math.abs(at - now) < 20 * 3_600_000) return clockTime(at);
  const day = new Date(at).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" });
  return `${day.replace(",", "")} ${clockTime(at).slice(0, 5)}`;
}

/** The first line of a goal's text, for lists. */
export function firstLine(text: string): string {
  return oneLine(text.trimStart().split("\n", 1)[0] ?? "");
}

/** Characters of why a goal ended: a tree's names its parts. */
export const becauseMax = 8_000;

/** Characters of a question that is to be answered: nobody says yes to what was cut off. */
export const questionMax = 20_000;

/** At most `charactersMax` on one line, control characters made visible. */
export function oneLine(text: string, charactersMax = 400): string {
  const flat = printable(text.replace(/\s+/g, " ")).trim();
  return flat.length <= charactersMax ? flat : `${flat.slice(0, charactersMax - 1)}…`;
}
