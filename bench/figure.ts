/**
 * How every bench says what it measured: ours beside a named baseline of the same run, and the goal.
 * Nothing here fails: a figure that misses its goal says so, because what a shared machine measures proves little.
 */
import { cpus, totalmem } from "node:os";

/** `baseline`: what a bare program needs for the same, where there is such a thing. */
export interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly unit:
    | "us"
    | "ms"
    | "s"
    | "MB"
    | "tokens"
    | "goals"
    | "calls"
    | "a job"
    | "of the bound"
    | "points"
    | "a second";
  readonly baseline: { readonly name: string; readonly value: number } | undefined;
  readonly goal: Goal;
}

/** `ratio`: ours by baseline. `none`: an absolute figure that no goal is set for. */
export type Goal =
  | { readonly kind: "ratio"; readonly max: number }
  | { readonly kind: "at-most"; readonly max: number }
  | { readonly kind: "at-least"; readonly min: number }
  | { readonly kind: "none" };

/** Prints one line: name, ours, baseline, ratio, goal, met or not. */
export function print(figure: Figure): void {
  const { name, ours, unit, baseline } = figure;
  const ratio = baseline === undefined ? "-" : (ours / baseline.value).toFixed(2);
  const beside = baseline === undefined ? "no baseline" : `${baseline.name} ${shown(baseline.value, unit)}`;
  const words = [name, shown(ours, unit), beside, `ratio ${ratio}`, goalOf(figure), verdictOf(figure)];
  process.stdout.write(`${words.join(" | ")}\n`);
}

/** Says which machine and Node the figures below are of. */
export function printMachine(): void {
  const memory = Math.round(totalmem() / 1024 ** 3);
  process.stdout.write(
    `# ${cpus().length} processors, ${memory} GB, Node ${process.versions.node}, ${process.platform}/${process.arch}\n`,
  );
}

/** The middle value: one slow round of a shared machine does not move it. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? 0;
}

export async function timed(work: () => Promise<unknown> | undefined): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function shown(value: number, unit: Figure["unit"]): string {
  if (unit === "a job" || unit === "of the bound") return `${value.toFixed(3)} ${unit}`;
  const isWhole = unit === "tokens" || unit === "goals" || unit === "calls" || value >= 100;
  return `${value.toFixed(isWhole ? 0 : 1)} ${unit}`;
}

function goalOf({ goal, unit }: Figure): string {
  if (goal.kind === "ratio") return `goal ratio <= ${goal.max}`;
  if (goal.kind === "at-most") return `goal <= ${goal.max} ${unit}`;
  return goal.kind === "at-least" ? `goal >= ${goal.min} ${unit}` : "no goal";
}

function verdictOf({ goal, ours, baseline }: Figure): string {
  if (goal.kind === "none" || (goal.kind === "ratio" && baseline === undefined)) return "-";
  const isMet =
    goal.kind === "ratio"
      ? ours <= goal.max * (baseline?.value ?? 0)
      : goal.kind === "at-most"
        ? ours <= goal.max
        : ours >= goal.min;
  return isMet ? "met" : "NOT met";
}
