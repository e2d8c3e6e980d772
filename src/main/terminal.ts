import type { Terminal } from "../faces/house.ts";

/** Standard output and error of this process; a status line at the foot of stderr where that is a terminal. */
export function openTerminal(): Terminal & { flush(): Promise<void> } {
  const { stdout, stderr } = process;
  // A reader that went away (`rigs events | head`) ends the output, not the program with a stack.
  stdout.on("error", () => process.exit(0));
  const isLive = stderr.isTTY === true && process.env.TERM !== "dumb" && process.env.CI === undefined;
  const hasColor = isLive && process.env.NO_COLOR === undefined;
  // Loaded when a status is drawn for the first time: most commands draw none and should start at once.
  let foot: ReturnType<typeof import("log-update")["createLogUpdate"]> | undefined;
  let loading: Promise<void> | undefined;
  let status = "";
  const load = async () => {
    foot = (await import("log-update")).createLogUpdate(stderr);
    if (status !== "") foot(status);
  };

  const above = (write: () => void) => {
    if (foot === undefined || status === "") return write();
    foot.clear();
    write();
    foot(status);
  };

  return {
    isLive,
    hasColor,
    columns: () => stderr.columns ?? 80,
    out: (line) => above(() => void stdout.write(`${line}\n`)),
    err: (line) => above(() => void stderr.write(`${line}\n`)),
    status(lines) {
      status = lines.join("\n");
      if (!isLive) return;
      if (foot === undefined) loading ??= load();
      else if (status === "") foot.clear();
      else foot(status);
    },
    async flush() {
      await loading;
      foot?.done();
      for (const stream of [stdout, stderr])
        await new Promise<void>((resolve) => {
          stream.write("", () => resolve());
        });
    },
  };
}
