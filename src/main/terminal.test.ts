import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import type { Side } from "../faces/house.ts";
import { openTerminal } from "./terminal.ts";

/** A stream that keeps what was written; `columns` makes it a terminal. */
class Paper extends EventEmitter {
  text = "";
  readonly isTTY: boolean;
  columns: number;
  readonly #depth: number;

  constructor(columns?: number, depth = 4) {
    super();
    this.isTTY = columns !== undefined;
    this.columns = columns ?? 0;
    this.#depth = depth;
  }

  write(text: string, done?: () => void): boolean {
    this.text += text;
    done?.();
    return true;
  }

  hasColors(variables?: object): boolean {
    return this.#depth >= 4 && !("NO_COLOR" in (variables ?? {}));
  }
}

function open(setting: {
  readonly out?: Paper;
  readonly err?: Paper;
  readonly variables?: Readonly<Record<string, string>>;
}) {
  const out = setting.out ?? new Paper();
  const err = setting.err ?? new Paper();
  const closed: Side[] = [];
  const variables = setting.variables ?? { TERM: "xterm" };
  // A Paper has what the terminal uses of a stream.
  const streams = { out, err } as unknown as Pick<Parameters<typeof openTerminal>[0], "out" | "err">;
  const terminal = openTerminal({ ...streams, variables, closed: (side) => closed.push(side) });
  return { terminal, out, err, closed };
}

/** What a terminal would show at the end: this small one knows the sequences that are written. */
function shownOf(text: string): readonly string[] {
  const lines = [""];
  let row = 0;
  for (const [piece] of text.matchAll(/\u001b\[J|\u001b\[(\d+)A|\r|\n|[^\u001b\r\n]+/g)) {
    const up = /\[(\d+)A/.exec(piece);
    if (up !== null) row = Math.max(0, row - Number(up[1]));
    else if (piece === "\n") lines[++row] ??= "";
    else if (piece === "\u001b[J") lines.splice(row, lines.length, "");
    else if (piece !== "\r") lines[row] += piece;
  }
  return lines;
}

describe("in a pipe", () => {
  test("lines as they are, no status, no colour, no width", async () => {
    const { terminal, out, err } = open({});
    terminal.status("working");
    terminal.out("result");
    terminal.err("note");
    await terminal.flush();
    expect({ out: out.text, err: err.text }).toEqual({ out: "result\n", err: "note\n" });
    expect(terminal.hasColor("out")).toBe(false);
    expect(terminal.columns("out")).toBe(Number.POSITIVE_INFINITY);
    expect(terminal.isLive).toBe(false);
  });
});

describe("on a terminal", () => {
  test("lines go above the status line, and nothing of it is left at the end", async () => {
    const { terminal, err } = open({ err: new Paper(80) });
    terminal.status("working 1");
    terminal.err("first");
    terminal.status("working 2");
    expect(shownOf(err.text)).toEqual(["first", "working 2"]);
    terminal.err("second");
    terminal.status("");
    await terminal.flush();
    expect(shownOf(err.text)).toEqual(["first", "second", ""]);
  });
  test("the same status twice is drawn once", () => {
    const { terminal, err } = open({ err: new Paper(80) });
    terminal.status("working");
    const before = err.text;
    terminal.status("working");
    expect(err.text).toBe(before);
  });
  test("a terminal that became narrower has wrapped the line: all its rows go", () => {
    const { terminal, err } = open({ err: new Paper(80) });
    terminal.err("kept");
    terminal.status("x".repeat(70));
    // What it shows after becoming 30 columns wide.
    err.text = `kept\n${"x".repeat(30)}\n${"x".repeat(30)}\n${"x".repeat(10)}`;
    err.columns = 30;
    terminal.status("short");
    expect(shownOf(err.text)).toEqual(["kept", "short"]);
  });
  test("a status of several lines goes as a whole, also where becoming narrower has wrapped it", () => {
    const { terminal, err } = open({ err: new Paper(80) });
    terminal.status("one\ntwo\n\u001b[32mthree\u001b[39m");
    terminal.err("kept");
    const three = "\u001b[32mthree\u001b[39m";
    expect(err.text.endsWith(`\u001b[2A\r\u001b[Jkept\none\ntwo\n${three}`)).toBe(true);
    terminal.status(`${"x".repeat(70)}\nshort`);
    expect(shownOf(err.text.replaceAll(/\u001b\[\d+m/g, ""))).toEqual(["kept", "x".repeat(70), "short"]);
    err.text = `kept\n${"x".repeat(30)}\n${"x".repeat(30)}\n${"x".repeat(10)}\nshort`;
    err.columns = 30;
    terminal.status("");
    expect(shownOf(err.text)).toEqual(["kept", ""]);
  });
  test("results on a piped stdout do not draw into it", () => {
    const { terminal, out, err } = open({ err: new Paper(80) });
    terminal.status("working");
    terminal.out("result");
    expect(out.text).toBe("result\n");
    expect(shownOf(err.text)).toEqual(["working"]);
  });
});

describe("what it can", () => {
  test("colour and width are each side's own", () => {
    const { terminal } = open({ out: new Paper(), err: new Paper(100) });
    expect([terminal.hasColor("out"), terminal.hasColor("err")]).toEqual([false, true]);
    expect([terminal.columns("out"), terminal.columns("err")]).toEqual([Number.POSITIVE_INFINITY, 100]);
  });
  test("a terminal of no width has 80 columns", () =>
    expect(open({ err: new Paper(0) }).terminal.columns("err")).toBe(80));
  test("NO_COLOR, TERM=dumb and CI", () => {
    const check = (variables: Record<string, string>, isLive: boolean, hasColor: boolean) => {
      const { terminal } = open({ err: new Paper(80), variables });
      expect({ isLive: terminal.isLive, hasColor: terminal.hasColor("err") }).toEqual({ isLive, hasColor });
    };
    check({ TERM: "xterm" }, true, true);
    check({ TERM: "xterm", NO_COLOR: "1" }, true, false);
    check({ TERM: "xterm", CI: "true" }, false, true);
    check({ TERM: "xterm", CI: "" }, true, true);
    expect(open({ err: new Paper(80, 1), variables: { TERM: "dumb" } }).terminal.isLive).toBe(false);
  });
});

test("a reader that went away is said, by side", () => {
  const { out, err, closed } = open({});
  out.emit("error", Object.assign(new Error("EPIPE"), { code: "EPIPE" }));
  err.emit("error", Object.assign(new Error("EIO"), { code: "EIO" }));
  expect(closed).toEqual(["out", "err"]);
});
