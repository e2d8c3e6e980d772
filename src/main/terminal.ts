import { stripVTControlCharacters } from "node:util";
import { widthOf } from "../faces/cli/width.ts";
import type { Side, Terminal } from "../faces/house.ts";

/** What a terminal needs of a stream: `process.stdout` and `process.stderr` are two. */
export type Stream = Pick<NodeJS.WriteStream, "write" | "on"> &
  Partial<Pick<NodeJS.WriteStream, "isTTY" | "columns" | "rows" | "hasColors">>;

export interface TerminalOptions {
  readonly out: Stream;
  readonly err: Stream;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** A reader went away (`rigs events | head`): whatever is written from now on is dropped. */
  closed(side: Side): void;
}

/** What the process itself needs of its terminal beside what commands do. */
export interface OwnTerminal extends Terminal {
  /** Writes the status away; resolves when all is written. */
  flush(): Promise<void>;
  /** See `onStop`. */
  stopWords(): string | undefined;
  /** Whether a result was written. */
  readonly hasSpoken: boolean;
}

/** Standard output and error; a status of a few lines at the foot of stderr where that is a terminal. */
export function openTerminal(options: TerminalOptions): OwnTerminal {
  const { variables } = options;
  const isLive = options.err.isTTY === true && variables.TERM !== "dumb" && (variables.CI ?? "") === "";
  let status = "";
  let stopWords = (): string | undefined => undefined;
  let hasSpoken = false;
  for (const side of ["out", "err"] as const) options[side].on("error", () => options.closed(side));

  const columns = (side: Side) =>
    options[side].isTTY === true ? options[side].columns || 80 : Number.POSITIVE_INFINITY;
  const write = (side: Side, line: string) => {
    const { before, after } = around();
    // One write where both go to the same stream, so that nothing flickers.
    if (side === "err") return void options.err.write(`${before}${line}\n${after}`);
    if (before !== "") options.err.write(before);
    options.out.write(`${line}\n`);
    if (after !== "") options.err.write(after);
  };
  const around = () => (status === "" ? { before: "", after: "" } : { before: erasure(), after: status });
  /** A terminal that became narrower has wrapped lines: all their rows go. */
  const erasure = () => {
    const width = (line: string) => widthOf(stripVTControlCharacters(line));
    const rows = status
      .split("\n")
      .reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns("err"))), 0);
    return `${rows > 1 ? `\u001b[${rows - 1}A` : ""}\r\u001b[J`;
  };

  return {
    isLive,
    hasColor: (side) => options[side].isTTY === true && options[side].hasColors?.({ ...variables }) === true,
    columns,
    rows: () => (options.err.isTTY === true ? options.err.rows || 24 : Number.POSITIVE_INFINITY),
    out(line) {
      hasSpoken = true;
      write("out", line);
    },
    err: (line) => write("err", line),
    status(text) {
      if (!isLive || text === status) return;
      const before = around().before;
      status = text;
      options.err.write(`${before}${text}`);
    },
    onStop(words) {
      stopWords = words;
    },
    stopWords: () => stopWords(),
    get hasSpoken() {
      return hasSpoken;
    },
    async flush() {
      if (status !== "") options.err.write(erasure());
      status = "";
      for (const stream of [options.out, options.err])
        await new Promise<void>((resolve) => {
          stream.write("", () => resolve());
        });
    },
  };
}
