/** How long a plan may take: from the tokens of its beads, what its checks took before, and who waits for whom. */
import { type Plan, type PlannedBead, placedBeads, waitsFor } from "./plan.ts";

/** From the least to the most; both 0 or more. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Something to do, after what it waits for. */
export interface Task {
  readonly name: string;
  readonly waitsFor: readonly string[];
  readonly ms: Range;
}

/** What is known before anything has begun. */
export interface Outlook {
  /** Tokens, read and written, that the model takes a second; more than 0. */
  readonly tokensPerSecond: number;
  /** What a command took on base, ms; those that nobody ran are not in it. */
  readonly checkMs: ReadonlyMap<string, number>;
  /** Commands that decide about the whole. */
  readonly checks: readonly string[];
  /** Beads worked on side by side, 1 or more. */
  readonly workersMax: number;
}

export interface Forecast {
  /** By the bead's name, ms. */
  readonly beads: ReadonlyMap<string, Range>;
  /** All of it, with the last proof of the whole, ms. */
  readonly all: Range;
}

/** Assumed of a model of which this home has no call: some 40 written a second, and six times as many read. */
export const tokensPerSecondUsual = 250;

/** A check runs in the loop and in the proof, in one round or in four. */
export const runsOfCheck: Range = { low: 2, high: 8 };

/** Pure. Waits for limits are not in it, and checks that nobody ran count as nothing. */
export function forecast(plan: Plan, outlook: Outlook): Forecast {
  const tasks = placedBeads(plan).map(
    ({ bead }): Task => ({ name: bead.name, waitsFor: waitsFor(bead), ms: timeOf(bead, outlook) }),
  );
  const none = { low: 0, high: 0 };
  const whole: Task = {
    // No bead can have this name.
    name: "",
    waitsFor: tasks.map(({ name }) => name),
    ms: timeOf({ tokens: none, checks: outlook.checks }, outlook),
  };
  return {
    beads: new Map(tasks.map(({ name, ms }) => [name, ms])),
    all: spanOf([...tasks, whole], outlook.workersMax),
  };
}

function timeOf(
  { tokens, checks }: Pick<PlannedBead, "tokens" | "checks">,
  { tokensPerSecond, checkMs }: Outlook,
): Range {
  const once = checks.reduce((sum, command) => sum + (checkMs.get(command) ?? 0), 0);
  const end = (side: keyof Range) => (tokens[side] / tokensPerSecond) * 1_000 + runsOfCheck[side] * once;
  return { low: end("low"), high: end("high") };
}

/**
 * How long tasks take with so many workers, none of whom is idle while something could begin: at the least the longest
 * chain, or all work shared out evenly; at the most that chain, with everything else shared out beside it (R. L. Graham,
 * "Bounds for certain multiprocessing anomalies", 1966). Laws in the test: more workers are never slower, and nothing
 * is faster than the longest chain. A circle counts as if it ended where it closes.
 */
export function spanOf(tasks: readonly Task[], workersMax: number): Range {
  const chain = longestChain(tasks);
  const sum = (side: keyof Range) => tasks.reduce((total, { ms }) => total + ms[side], 0);
  return {
    low: Math.max(chain("low"), sum("low") / workersMax),
    high: chain("high") + Math.max(0, sum("high") - chain("high")) / workersMax,
  };
}

function longestChain(tasks: readonly Task[]): (side: keyof Range) => number {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  return (side) => {
    const known = new Map<string, number>();
    const open = new Set<string>();
    const endOf = (name: string): number => {
      const task = byName.get(name);
      const before = known.get(name);
      if (before !== undefined || task === undefined || open.has(name)) return before ?? 0;
      open.add(name);
      const end = task.ms[side] + Math.max(0, ...task.waitsFor.map(endOf));
      open.delete(name);
      known.set(name, end);
      return end;
    };
    return Math.max(0, ...tasks.map(({ name }) => endOf(name)));
  };
}
