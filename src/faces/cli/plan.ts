/** `goal plan`: what a goal would become, shown and written to a file, with nothing begun. */
import { type Plan, type PlannedBead, placedBeads } from "../../domain/plan.ts";
import type { Price } from "../../ports/model.ts";
import { type House, type Terminal, UsageError } from "../house.ts";
import { type ExecuteOptions, orderFrom } from "./execute.ts";
import { exits } from "./exit.ts";
import { say } from "./paint.ts";
import { grouped, oneLine, spendWords } from "./sentences.ts";

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
  if (drawn !== undefined)
    say(terminal, "err", { tone: "dim", text: spendWords(drawn.spend, { isRunning: false, cut: 0 }) });
  if (drawn?.kind === "none") {
    say(terminal, "err", { tone: "bad", text: oneLine(drawn.why) });
    return exits.failed;
  }
  const plan = given ?? (drawn?.kind === "plan" ? drawn.plan : undefined);
  if (plan === undefined) throw new UsageError("there is no plan to show");
  const price = drawn?.kind === "plan" ? drawn.model.price : undefined;
  if (options.out !== undefined) await house.writePlan(options.out, plan, order.text);
  if (options.json) {
    const { kind, why } = mode;
    const beads = placedBeads(plan).map(({ bead }) => ({ name: bead.name, ...costOf([bead], price) }));
    const file = options.out ?? null;
    const spend = drawn?.spend ?? null;
    terminal.out(
      JSON.stringify({ mode: kind, why, plan, beads, all: costOf(all(plan), price), spend, file }),
    );
    return exits.done;
  }
  for (const line of planLines(plan, price)) terminal.out(line);
  if (options.out !== undefined) terminal.out(`work on it: rigs goal execute ... --plan ${options.out}`);
  return exits.done;
}

function all(plan: Plan): readonly PlannedBead[] {
  return placedBeads(plan).map(({ bead }) => bead);
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

function costWords({ tokens, usd }: Cost): string {
  const words = `${grouped(tokens.low)} to ${grouped(tokens.high)} tokens`;
  return usd === null ? words : `${words}, $${usd.low.toFixed(4)} to $${usd.high.toFixed(4)}`;
}

/** The tree as people read it: a task a paragraph, what lies below it further in. */
export function planLines(plan: Plan, price: Price | undefined): readonly string[] {
  const skeleton = Object.keys(plan.skeleton);
  const lines = skeleton.length === 0 ? [] : [`skeleton: ${oneLine(skeleton.join(", "))}`];
  for (const { bead, depth } of placedBeads(plan)) {
    const margin = "  ".repeat(depth - 1);
    const add = (title: string, values: readonly string[]) => {
      if (values.length > 0) lines.push(`${margin}  ${`${title}:`.padEnd(8)} ${oneLine(values.join(", "))}`);
    };
    lines.push(`${margin}${oneLine(bead.name)}: ${oneLine(bead.intent)}`);
    add("owns", bead.owns);
    add("needs", bead.dependsOn);
    for (const check of bead.checks) add("check", [check]);
    add("takes", [costWords(costOf([bead], price))]);
  }
  const beads = all(plan);
  const count = `${beads.length} task${beads.length === 1 ? "" : "s"}`;
  const unknown = price === undefined ? " (no price is known)" : "";
  return [...lines, `in all: ${count}, ${costWords(costOf(beads, price))}${unknown}`];
}
