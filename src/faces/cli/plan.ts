/** `goal plan`: what a goal would become, shown and written to a file, with nothing begun. */
import {
  type Forecast,
  forecast,
  type Range,
  runsOfCheck,
  tokensPerSecondUsual,
} from "../../domain/forecast.ts";
import type { Order } from "../../domain/goal.ts";
import { type Plan, type PlannedBead, placedBeads } from "../../domain/plan.ts";
import type { Price } from "../../ports/model.ts";
import type { Drawn } from "../../work/planning.ts";
import { type House, type PlanOutlook, type Terminal, UsageError } from "../house.ts";
import { exits } from "./exit.ts";
import { type ExecuteOptions, orderFrom } from "./order.ts";
import { say } from "./paint.ts";
import { duration, grouped, oneLine } from "./sentences.ts";
import { spendWords } from "./standing.ts";

export interface PlanOptions extends ExecuteOptions {
  readonly out?: string;
}

/** Asks the planner, or reads the plan that was given; prints the tree; writes it where `--out` says. */
export async function planGoal(
  text: string | undefined,
  options: PlanOptions,
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  if (options.out !== undefined) await house.canWritePlan(options.out);
  const { order, notes } = await orderFrom(text, options, house, signal);
  for (const note of notes) say(terminal, "err", { tone: "dim", text: oneLine(note) });
  const { mode } = order;
  if (mode.kind === "solo" && options.solo === true)
    throw new UsageError("--solo works without a plan: leave it out, or use goal execute --solo");
  const given = mode.kind === "fleet" ? mode.plan : undefined;
  const drawn = given === undefined ? await house.drawPlan(order, signal) : undefined;
  if (drawn !== undefined) {
    const calls = { isRunning: false, out: 0, cut: 0, unpriced: [] };
    say(terminal, "err", { tone: "dim", text: spendWords(drawn.spend, calls) });
  }
  if (drawn?.kind === "none") {
    tellNone(drawn, options.json === true, terminal);
    return exits.failed;
  }
  const plan = given ?? (drawn?.kind === "plan" ? drawn.plan : undefined);
  if (plan === undefined) throw new UsageError("there is no plan to show");
  const outlook = await house.outlook(order, drawn?.kind === "plan" ? drawn.model : undefined);
  const prospect = prospectOf(plan, order, outlook);
  if (options.out !== undefined) await house.writePlan(options.out, plan, order.text);
  if (options.json) {
    const { kind, why } = mode;
    const beads = placedBeads(plan).map(({ bead }) => ({
      name: bead.name,
      ...costOf([bead], prospect.price),
      ms: wholeMs(prospect.time.beads.get(bead.name)),
    }));
    const file = options.out ?? null;
    const spend = drawn?.spend ?? null;
    const { workersMax, assumes } = prospect;
    const whole = {
      ...costOf(all(plan), prospect.price),
      ms: wholeMs(prospect.time.all),
      workersMax,
      assumes,
    };
    terminal.out(JSON.stringify({ mode: kind, why, plan, beads, all: whole, spend, file }));
    return exits.done;
  }
  for (const text of planLines(plan, prospect)) say(terminal, "out", { tone: "plain", text });
  if (options.out !== undefined) terminal.out(`work on it: rigs goal execute ... --plan ${options.out}`);
  return exits.done;
}

/** Why there is no plan, and every fault of the last answer. */
function tellNone(
  { why, faults, spend }: Extract<Drawn, { readonly kind: "none" }>,
  json: boolean,
  terminal: Terminal,
): void {
  if (json) terminal.out(JSON.stringify({ error: oneLine(why), faults, spend }));
  say(terminal, "err", { tone: "bad", text: oneLine(why) });
  if (faults.length > 0) terminal.err("what was wrong with the last answer:");
  for (const fault of faults) say(terminal, "err", { tone: "plain", text: `  ${oneLine(fault)}` });
}

function all(plan: Plan): readonly PlannedBead[] {
  return placedBeads(plan).map(({ bead }) => bead);
}

/** What a plan would cost and how long it would take, and what that stands on. */
export interface Prospect {
  readonly price: Price | undefined;
  readonly time: Forecast;
  readonly workersMax: number;
  /** One line. */
  readonly assumes: string;
}

/** Pure. */
export function prospectOf(
  plan: Plan,
  { checks, workersMax }: Pick<Order, "checks" | "workersMax">,
  { price, tokensPerSecond, checkMs }: PlanOutlook,
): Prospect {
  const commands = checks.map(({ command }) => command);
  const pace = tokensPerSecond ?? tokensPerSecondUsual;
  const asked = new Set([...commands, ...all(plan).flatMap((bead) => bead.checks)]);
  const known = [...asked].filter((command) => checkMs.has(command)).length;
  const source =
    tokensPerSecond === undefined
      ? "no call of its model was answered here yet"
      : "as its model's calls here";
  return {
    ...{ price, workersMax },
    time: forecast(plan, { tokensPerSecond: pace, checkMs, checks: commands, workersMax }),
    assumes: `times assume ${grouped(Math.max(1, Math.round(pace)))} tokens a second, read and written (${source}), each check ${runsOfCheck.low} to ${runsOfCheck.high} times what it took before the change (${known} of ${asked.size} known here), and no wait for limits`,
  };
}

/** Whole milliseconds. */
function wholeMs(range: Range = { low: 0, high: 0 }): Range {
  return { low: Math.round(range.low), high: Math.round(range.high) };
}

interface Cost {
  readonly tokens: PlannedBead["tokens"];
  /** Between all tokens read and all written, USD; null where the price is not known. */
  readonly usd: PlannedBead["tokens"] | null;
}

function costOf(beads: readonly PlannedBead[], price: Price | undefined): Cost {
  const sum = (end: "low" | "high") => beads.reduce((total, { tokens }) => total + tokens[end], 0);
  const tokens = { low: sum("low"), high: sum("high") };
  if (price === undefined) return { tokens, usd: null };
  const { inputUsd, outputUsd } = price;
  const usd = {
    low: (tokens.low * Math.min(inputUsd, outputUsd)) / 1_000_000,
    high: (tokens.high * Math.max(inputUsd, outputUsd)) / 1_000_000,
  };
  return { tokens, usd };
}

function costWords({ tokens, usd }: Cost, time: Range = { low: 0, high: 0 }): string {
  const words = `${grouped(tokens.low)} to ${grouped(tokens.high)} tokens`;
  const span = `${duration(time.low)} to ${duration(time.high)}`;
  return usd === null
    ? `${words}, ${span}`
    : `${words}, $${usd.low.toFixed(4)} to $${usd.high.toFixed(4)}, ${span}`;
}

/** The tree as people read it: a task a paragraph, what lies below it further in. */
export function planLines(plan: Plan, { price, time, workersMax, assumes }: Prospect): readonly string[] {
  const skeleton = Object.keys(plan.skeleton);
  const lines = skeleton.length === 0 ? [] : [`skeleton: ${oneLine(skeleton.join(", "))}`];
  for (const { bead, depth } of placedBeads(plan)) {
    const margin = "  ".repeat(depth - 1);
    const add = (title: string, values: readonly string[]) => {
      if (values.length > 0) lines.push(`${margin}  ${`${title}:`.padEnd(8)} ${oneLine(values.join(", "))}`);
    };
    lines.push(`${margin}${oneLine(bead.name)}: ${oneLine(bead.intent)}`);
    add("owns", bead.owns);
    add("shares", bead.shares);
    add("needs", bead.dependsOn);
    for (const check of bead.checks) add("check", [check]);
    add("takes", [costWords(costOf([bead], price), time.beads.get(bead.name))]);
  }
  const beads = all(plan);
  const count = `${beads.length} task${beads.length === 1 ? "" : "s"}`;
  const unknown = price === undefined ? " (no price is known)" : "";
  const workers = `with ${workersMax} worker${workersMax === 1 ? "" : "s"}`;
  const whole = costWords(costOf(beads, price), time.all);
  return [...lines, `in all: ${count}, ${whole} ${workers}${unknown}`, assumes];
}
