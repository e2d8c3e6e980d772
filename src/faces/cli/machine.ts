/** Commands about the machine and the product itself: init, doctor, simulate, bench. */
import {
  type BenchRow,
  type BenchWish,
  type House,
  type SimulateWish,
  type Terminal,
  UsageError,
} from "../house.ts";
import { exits } from "./exit.ts";
import { paint } from "./paint.ts";
import { seconds } from "./sentences.ts";

export async function initialise(
  options: { readonly git?: boolean; readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const lines = await house.initialise({ git: options.git === true });
  if (options.json) terminal.out(JSON.stringify({ done: lines }));
  else for (const line of lines) terminal.out(line);
  return exits.done;
}

export async function examine(
  options: { readonly deep?: boolean; readonly json?: boolean },
  house: House,
  terminal: Terminal,
): Promise<number> {
  const findings = await house.doctor({ deep: options.deep === true });
  if (options.json) terminal.out(JSON.stringify(findings));
  else
    for (const { name, state, text, remedy } of findings) {
      const tone = state === "good" ? "good" : state === "missing" ? "warn" : "bad";
      terminal.out(paint({ tone, text: `${state.padEnd(8)}${name}: ${text}` }, terminal.hasColor));
      if (remedy !== "") terminal.out(`        do: ${remedy}`);
    }
  return findings.some((finding) => finding.state === "bad") ? exits.failed : exits.done;
}

export async function simulate(
  wish: SimulateWish,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  await house.simulate(
    wish,
    (lines) => {
      for (const line of options.json ? [JSON.stringify({ type: "simulator-ready", lines })] : lines)
        terminal.out(line);
    },
    signal,
  );
  return exits.done;
}

export async function runBench(
  wish: BenchWish,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  if (!(wish.workers >= 1 && wish.workers <= 64)) throw new UsageError("--workers is 1 to 64");
  const startedAt = house.clock.now();
  const rows = await house.bench(
    wish,
    (row) => terminal.out(options.json ? JSON.stringify({ type: "bench-task", ...row }) : rowWords(row)),
    signal,
  );
  const solved = rows.filter((row) => row.isSolved).length;
  const falseProofs = rows.filter((row) => row.isFalseProof).length;
  const delivered = rows.filter((row) => row.outcome === "delivered").length;
  // What one draft and one retry with its test output would have solved, had it stopped there: the plain baseline.
  const twoShot = rows.filter((row) => row.isSolved && row.revisions <= 2).length;
  const sum = (of: (row: BenchRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const stages = new Map<string, number>();
  for (const row of rows) if (row.isSolved) stages.set(row.stage, (stages.get(row.stage) ?? 0) + 1);
  if (options.json) {
    terminal.out(
      JSON.stringify({
        type: "bench-end",
        tasks: rows.length,
        delivered,
        solved,
        falseProofs,
        twoShot,
        requests: sum((row) => row.requests),
        tokens: sum((row) => row.tokens),
        usd: sum((row) => row.usd),
        stages: Object.fromEntries(stages),
        wallMs: house.clock.now() - startedAt,
      }),
    );
  } else {
    terminal.out(
      `solved ${solved} of ${rows.length} (${twoShot} of them by a draft and one retry), delivered ${delivered}, false proofs ${falseProofs}`,
    );
    terminal.out(
      `per task: ${(sum((row) => row.requests) / Math.max(1, rows.length)).toFixed(2)} requests, ${Math.round(sum((row) => row.tokens) / Math.max(1, rows.length))} tokens, $${(sum((row) => row.usd) / Math.max(1, rows.length)).toFixed(5)}, ${seconds(sum((row) => row.wallMs) / Math.max(1, rows.length))}`,
    );
    terminal.out(
      `solved by: ${[...stages].map(([stage, count]) => `${stage} ${count}`).join(", ") || "none"}`,
    );
  }
  return signal.aborted ? exits.interrupted : exits.done;
}

function rowWords(row: BenchRow): string {
  const mark = row.isFalseProof ? "FALSE PROOF" : row.isSolved ? "solved" : row.outcome;
  return `${row.task}  ${mark}  ${row.verdict}  ${row.stage}  ${row.requests} requests  ${row.tokens} tokens  $${row.usd.toFixed(5)}  ${seconds(row.wallMs)}`;
}
