import { afterEach, expect, test } from "vitest";
import { stopOnSignals } from "./stop.ts";

// Other files run in this process too: without a channel that holds it, it would end as soon as one only waits.
afterEach(() => process.channel?.ref());

/** Sends the signals at their moments (ms) and returns what came of it. */
function after(...signals: readonly (readonly [NodeJS.Signals, number])[]) {
  const stop = new AbortController();
  const said: string[] = [];
  const exits: number[] = [];
  let at = 0;
  const before = process.listenerCount("SIGINT");
  const terminal = { err: (line: string) => void said.push(line), status: () => undefined, stopWords };
  const detach = stopOnSignals(stop, terminal, { now: () => at, exit: (code) => void exits.push(code) });
  for (const [signal, moment] of signals) {
    at = moment;
    process.emit(signal, signal);
  }
  detach();
  expect(process.listenerCount("SIGINT"), "nothing is left behind").toBe(before);
  return { isStopping: stop.signal.aborted, said, exits };
}

let stopWords = (): string | undefined => undefined;

test("where nothing is worked on, it says what ends", () => {
  stopWords = () => "the watching ends";
  expect(after(["SIGINT", 0]).said).toEqual(["Ctrl-C: the watching ends (once more stops at once)"]);
  stopWords = () => undefined;
});

const once = "Ctrl-C: stopping cleanly (once more stops at once)";

test("the first signal stops cleanly; the same one passed on by a wrapper at that moment is no second", () => {
  const result = after(["SIGINT", 0], ["SIGINT", 40], ["SIGTERM", 90]);
  expect(result).toEqual({ isStopping: true, said: [once], exits: [] });
});

test("a second one stops at once, and says what is safe", () => {
  const { said, exits } = after(["SIGINT", 0], ["SIGINT", 400]);
  expect(exits).toEqual([130]);
  expect(said).toEqual([once, "stopped at once; what was kept before is safe, rigs status shows it"]);
});

test("a terminal that goes away and a plain kill stop cleanly too", () => {
  expect(after(["SIGHUP", 0]).said[0]).toMatch(/^SIGHUP: stopping cleanly/);
  expect(after(["SIGTERM", 0]).isStopping).toBe(true);
});
