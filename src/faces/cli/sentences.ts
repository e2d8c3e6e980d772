/** Events as people read them: one line each, nothing a model wrote goes out unprinted. */
import type { Bead, BeadState } from "../../domain/bead.ts";
import type { Spend } from "../../domain/budget.ts";
import type { Event } from "../../domain/event.ts";
import type { Goal } from "../../domain/goal.ts";
import { unreachable } from "../../kit/assert.ts";
import { printable } from "../../kit/bounded.ts";

/** How loud a line is: green and red are results, dim is routine. */
export type Tone = "plain" | "good" | "bad" | "dim" | "warn";

export interface Sentence {
  readonly tone: Tone;
  readonly text: string;
}

/** What an event says to someone who watches; undefined for events that only keep books. */
export function sentenceOf(event: Event): Sentence | undefined {
  const sentence = raw(event);
  return sentence === undefined ? undefined : { ...sentence, text: oneLine(sentence.text) };
}

function raw(event: Event): Sentence | undefined {
  switch (event.type) {
    case "goal-created":
      return { tone: "plain", text: `goal ${event.goal}: ${event.order.text}` };
    case "goal-cancel-asked":
      return { tone: "warn", text: "cancelling" };
    case "goal-resumed":
      return { tone: "plain", text: `goal ${event.goal} goes on` };
    case "goal-ended":
      return undefined;
    case "environment-prepared":
      return {
        tone: "dim",
        text: `environment ${event.installed ? `installed in ${seconds(event.wallMs)}` : "ready"}${event.notes.length > 0 ? ` (${event.notes.join("; ")})` : ""}`,
      };
    case "base-surveyed":
      return { tone: "dim", text: `on base: ${event.results.map(baseWords).join("; ")}` };
    case "bead-created":
      return { tone: "dim", text: `bead ${event.bead} created` };
    case "bead-ready":
      return { tone: "dim", text: `bead ${event.bead} is ready: ${event.why}` };
    case "bead-claimed":
      return { tone: "dim", text: `bead ${event.bead} claimed by ${event.by}` };
    case "bead-released":
      return { tone: "warn", text: `bead ${event.bead} given back: ${event.why}` };
    case "bead-waiting":
      return { tone: "warn", text: `bead ${event.bead} waits until ${clockTime(event.until)}: ${event.why}` };
    case "call-reserved":
      return { tone: "dim", text: `${event.step}: asking ${event.provider} (${event.model})` };
    case "call-settled":
      return settledWords(event);
    case "answer-rejected":
      return { tone: "warn", text: `answer not usable (${event.reason}): ${event.detail}` };
    case "files-asked":
      return { tone: "dim", text: `it asks to read ${event.paths.join(", ")}` };
    case "revision-recorded": {
      const { isGreen, headline, score } = event.evaluation;
      const counts = `${score.testsPassed} of ${score.testsPassed + score.testsFailed} tests pass`;
      return isGreen
        ? { tone: "good", text: `revision ${event.revision}: green, ${counts}` }
        : { tone: "bad", text: `revision ${event.revision}: ${counts}; ${headline}` };
    }
    case "revision-reverted":
      return { tone: "warn", text: `revision ${event.from} reverted: ${event.why}` };
    case "proof-started":
      return { tone: "dim", text: `proving ${event.commit.slice(0, 12)} in a clean checkout` };
    case "proof-ended": {
      const { verdict, testsPassed, testsRun, failToPass, reasons } = event.proof;
      const remark = reasons[0] === undefined ? "" : `; ${reasons[0]}`;
      const text = `${verdict}: ${testsPassed} of ${testsRun} tests pass, ${failToPass} of them were red before${remark}`;
      return { tone: verdict === "proven" ? "good" : verdict === "refuted" ? "bad" : "warn", text };
    }
    case "bead-integrating":
      return undefined;
    case "bead-integrated":
      return { tone: "dim", text: `bead ${event.bead} integrated as ${event.commit.slice(0, 12)}` };
    case "bead-parked":
      return {
        tone: "bad",
        text: `bead ${event.bead} parked: ${event.reason}${event.best ? `; best revision ${event.best}` : ""}`,
      };
    case "bead-needs-answer":
      return { tone: "warn", text: `bead ${event.bead} needs an answer: ${event.question}` };
    case "bead-cancelled":
      return { tone: "warn", text: `bead ${event.bead} cancelled` };
    default:
      return unreachable(event);
  }
}

function settledWords(event: Extract<Event, { type: "call-settled" }>): Sentence {
  const { settled, usage, usd, wallMs } = event;
  const cost = `${usage.input} tokens in, ${usage.output} out${usd > 0 ? `, $${usd.toFixed(4)}` : ""}, ${seconds(wallMs)}`;
  if (settled.kind === "said") return { tone: "dim", text: `answered (${cost})` };
  if (settled.kind === "lost")
    return { tone: "warn", text: "the call was lost with its process; it is counted as paid" };
  return { tone: "warn", text: `no answer (${settled.fault.kind}): ${settled.fault.why}` };
}

function baseWords(result: Extract<Event, { type: "base-surveyed" }>["results"][number]): string {
  if (result.kind === "could-not-run") return `${result.check} could not run: ${result.why}`;
  return `${result.check} ${result.kind} (${result.why})`;
}

/** "claimed by p1@12, attempt …": where a bead stands, in words. */
export function stateWords(state: BeadState): string {
  switch (state.kind) {
    case "blocked":
      return "blocked by other beads";
    case "ready":
      return "ready";
    case "claimed":
      return `claimed by ${state.by}`;
    case "waiting":
      return `waiting until ${clockTime(state.until)}: ${oneLine(state.why)}`;
    case "needs-answer":
      return `needs an answer: ${oneLine(state.question)}`;
    case "proving":
      return `proving ${state.commit.slice(0, 12)}`;
    case "proven":
    case "integrating":
    case "integrated":
      return state.verdict === "proven" && state.kind === "proven"
        ? "proven"
        : `${state.kind} (${state.verdict})`;
    case "split":
      return "split";
    case "parked":
      return `parked: ${oneLine(state.reason)}`;
    case "cancelled":
      return "cancelled";
    default:
      return unreachable(state);
  }
}

/** The goal's own standing: its outcome, or how many beads are where. */
export function standing(goal: Goal): string {
  if (goal.end !== undefined) return goal.end.outcome;
  if (goal.cancelAsked) return "cancelling";
  const counts = Object.entries(goal.beads).map(([kind, count]) => `${count} ${kind}`);
  return counts.length === 0 ? "open" : `open: ${counts.join(", ")}`;
}

export function spendWords(spend: Spend): string {
  const usd = spend.usd > 0 ? `, $${spend.usd.toFixed(4)}` : "";
  return `${spend.requests} request${spend.requests === 1 ? "" : "s"}, ${spend.inputTokens} tokens in, ${spend.outputTokens} out${usd}`;
}

export function beadLine(bead: Bead): string {
  return `${bead.id}  ${stateWords(bead.state)}  ${oneLine(bead.contract.intent).slice(0, 60)}`;
}

export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

/** Local time of day, for waits: "14:05:30". */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** At most 400 characters on one line, control characters made visible. */
export function oneLine(text: string): string {
  const flat = printable(text.replace(/\s+/g, " ")).trim();
  return flat.length <= 400 ? flat : `${flat.slice(0, 399)}…`;
}
