/** Commands about the machine and the product itself: init, doctor, simulate, bench. */
import {
  type BenchRow,
  type BenchWish,
  type Finding,
  type House,
  type SimulateWish,
  type Terminal,
  UsageError,
} from "../house.ts";
import { exits } from "./exit.ts";
import { say } from "./paint.ts";
import { dollars, duration, grouped, oneLine, type Tone } from "./sentences.ts";
import { cut } from "./width.ts";

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
  else for (const finding of findings) tellFinding(finding, terminal);
  return findings.some(({ state }) => state === "bad" || state === "missing") ? exits.failed : exits.done;
}

const toneOfState: Readonly<Record<Finding["state"], Tone>> = {
  good: "good",
  note: "plain",
  missing: "bad",
  bad: "bad",
};

function tellFinding({ name, state, text, remedy }: Finding, terminal: Terminal): void {
  say(terminal, "out", { tone: toneOfState[state], text: `${state.padEnd(8)}${name}: ${oneLine(text)}` });
  // Not wrapped: it is there to be copied.
  if (remedy !== "") terminal.out(`        do: ${remedy}`);
}

export async function simulate(
  wish: SimulateWish,
  options: { readonly json?: boolean },
  house: House,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  let type = "simulator-ready";
  await house.simulate(
    wish,
    (lines) => {
      for (const line of options.json ? [JSON.stringify({ type, lines })] : lines) terminal.out(line);
      type = "simulator-ended";
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
  if (wish.countMax === 0) throw new UsageError("--count is 1 or more");
  const startedAt = house.clock.now();
  const seen: BenchRow[] = [];
  let folder = "";
  const draw = () => terminal.status(benchLine(seen, house.clock.now() - startedAt, terminal));
  const stop = new AbortController();
  const tick = async () => {
    while (!stop.signal.aborted) {
      draw();
      await house.clock.sleep(1_000, stop.signal).catch(() => undefined);
    }
  };
  const ticking = terminal.isLive && !options.json ? tick() : undefined;
  const row = (each: BenchRow) => {
    seen.push(each);
    terminal.out(options.json ? JSON.stringify({ type: "bench-task", ...each }) : rowWords(each));
  };
  const begun = (made: string) => {
    folder = made;
    terminal.err(`rows are kept in ${folder}`);
  };
  try {
    const rows = await house.bench(wish, { begun, row }, signal);
    stop.abort();
    terminal.status("");
    const wallMs = house.clock.now() - startedAt;
    if (options.json) terminal.out(JSON.stringify({ type: "bench-end", ...summaryOf(rows), wallMs }));
    else for (const line of summaryWords(rows)) terminal.out(line);
  } finally {
    stop.abort();
    void ticking;
    terminal.status("");
    if (signal.aborted && folder !== "")
      terminal.err(`go on with: rigs bench ${wish.file} --resume ${folder}`);
  }
  return signal.aborted ? exits.interrupted : exits.done;
}

function benchLine(rows: readonly BenchRow[], wallMs: number, terminal: Terminal): string {
  const { solved, falseProofs } = summaryOf(rows);
  const line = `${rows.length} tasks ended, ${solved} solved, ${falseProofs} false proofs · ${duration(wallMs)}`;
  return cut(line, Math.max(1, terminal.columns("err") - 1));
}

function summaryOf(rows: readonly BenchRow[]) {
  const sum = (of: (row: BenchRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const stages: Record<string, number> = {};
  for (const row of rows) if (row.isSolved) stages[row.stage] = (stages[row.stage] ?? 0) + 1;
  return {
    tasks: rows.length,
    delivered: rows.filter((row) => row.outcome === "delivered").length,
    solved: rows.filter((row) => row.isSolved).length,
    /** What a draft and one retry with its test output would have solved, had it stopped there: the plain baseline. */
    twoShot: rows.filter((row) => row.isSolved && row.revisions <= 2).length,
    falseProofs: rows.filter((row) => row.isFalseProof).length,
    requests: sum((row) => row.requests),
    tokens: sum((row) => row.tokens),
    usd: sum((row) => row.usd),
    stages,
  };
}

function summaryWords(rows: readonly BenchRow[]): readonly string[] {
  const { tasks, delivered, solved, twoShot, falseProofs, requests, tokens, usd, stages } = summaryOf(rows);
  const wallMs = rows.reduce((total, row) => total + row.wallMs, 0);
  const per = (total: number) => total / Math.max(1, tasks);
  const by = Object.entries(stages).map(([stage, count]) => `${stage} ${count}`);
  return [
    `solved ${solved} of ${tasks} (${twoShot} by a draft and one retry), delivered ${delivered}, false proofs ${falseProofs}`,
    `per task: ${per(requests).toFixed(2)} requests, ${grouped(Math.round(per(tokens)))} tokens${dollars(per(usd))}, ${duration(per(wallMs))}`,
    `solved by: ${by.join(", ") || "none"}`,
  ];
}

function rowWords(row: BenchRow): string {
  const mark = row.isFalseProof ? "FALSE PROOF" : row.isSolved ? "solved" : row.outcome;
  const requests = `${row.requests} request${row.requests === 1 ? "" : "s"}`;
  const spent = `${requests}  ${grouped(row.tokens)} tokens${dollars(row.usd).replace(",", " ")}`;
  const why = row.why === "" ? "" : `  ${oneLine(row.why)}`;
  return `${row.task}  ${mark}  ${row.verdict}  ${row.stage}  ${spent}  ${duration(row.wallMs)}${why}`;
}
