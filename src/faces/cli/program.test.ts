import { describe, expect, test } from "vitest";
import { exits } from "./exit.ts";
import { openFakeHouse, openFakeTerminal, runOver } from "./house.case.ts";

const run = (...words: readonly string[]) => runOver(openFakeHouse(), words);

describe("words that are not understood", () => {
  const check = async (words: readonly string[], line: string) => {
    const { code, out, err } = await run(...words);
    expect({ code, out, err }).toEqual({ code: exits.usage, out: [], err: [line] });
  };

  test("a command, with the nearest or with where to look", async () => {
    await check(["goal", "lisp"], 'rigs goal: no command "lisp"; did you mean list?');
    await check(["frob"], 'rigs: no command "frob"; rigs --help shows what there is');
  });
  test("with --json the complaint is the one document, too", async () => {
    const { code, out, err } = await run("bead", "lisst", "--json");
    expect({ code, err }).toEqual({
      code: exits.usage,
      err: ['rigs bead: no command "lisst"; did you mean list?'],
    });
    expect(out.map((line) => JSON.parse(line))).toEqual([
      { error: 'rigs bead: no command "lisst"; did you mean list?' },
    ]);
    expect((await run("bead", "lisst", "--", "--json")).out, "a word like any other").toEqual([]);
  });
  test("an option", async () => {
    await check(
      ["goal", "execute", "x", "--chek", "y"],
      'rigs goal execute: no option "--chek"; did you mean --check?',
    );
    await check(
      ["status", "--zzzzz"],
      'rigs status: no option "--zzzzz"; rigs status --help shows what there is',
    );
  });
  test("a value that was forgotten, also where the next option stands in its place", async () => {
    await check(
      ["goal", "execute", "x", "--check"],
      "rigs goal execute: --check needs a value: --check <command>; rigs goal execute --help shows what there is",
    );
    await check(
      ["goal", "execute", "x", "--check", "--solo"],
      'rigs goal execute: --check needs a value, not "--solo"',
    );
  });
  test("numbers that are none, too small or too large", async () => {
    await check(
      ["goal", "execute", "x", "--budget-usd", "abc"],
      'rigs goal execute: --budget-usd is a number above 0, not "abc"',
    );
    await check(
      ["goal", "execute", "x", "--max-minutes", "-3"],
      'rigs goal execute: --max-minutes is a number above 0, not "-3"',
    );
    await check(
      ["goal", "execute", "x", "--budget-tokens", ""],
      'rigs goal execute: --budget-tokens is a number above 0, not ""',
    );
    await check(["events", "--from", "0"], 'rigs events: --from is a whole number from 1, not "0"');
    await check(["events", "--count", "1e3"], 'rigs events: --count is a whole number from 1, not "1e3"');
    await check(
      ["simulate", "--port", "99999"],
      'rigs simulate: --port is a whole number from 0 to 65535, not "99999"',
    );
    await check(
      ["bench", "f", "--workers", "65"],
      'rigs bench: --workers is a whole number from 1 to 64, not "65"',
    );
  });
  test("options of simulate that would say nothing", async () => {
    const refused = async (...words: readonly string[]) => (await run("simulate", ...words)).refused;
    const paper = "is about work on paper: add --report";
    expect(await refused("--beads", "300")).toBe(`--beads ${paper}`);
    expect(await refused("--check-seconds", "5")).toBe(`--check-seconds ${paper}`);
    const served = "is about what is served, and --report serves nothing: leave it out";
    expect(await refused("--report", "--port", "0")).toBe(`--port ${served}`);
    expect(await refused("--report", "--beads", "3", "--tasks", "f")).toBe(`--tasks ${served}`);
    expect(await refused("--seed", "3")).toBeUndefined();
  });
  test("a word that is one of a few", () =>
    check(
      ["goal", "execute", "x", "--strategy", "wild"],
      'rigs goal execute: --strategy is one of conservative, balanced, aggressive, not "wild"',
    ));
  test("a goal without quotes", () =>
    check(
      ["goal", "execute", "add", "a", "login"],
      'rigs goal execute: the goal is one text, put it in quotes: rigs goal execute "…"',
    ));
  test("something that is missing", () =>
    check(["bench"], "rigs bench: the FILE is missing; rigs bench --help shows what there is"));
  test("more words than fit: they are not repeated, one may be a key", async () => {
    const { err, out } = await run("provider", "add", "work", "sk-very-secret");
    expect(err).toEqual([
      "rigs provider add: more words than it takes; rigs provider add --help shows what there is",
    ]);
    expect(out).toEqual([]);
  });
  test("control characters of a word do not reach the terminal", async () => {
    const { err } = await run("goal", "\u001b[31mred");
    expect(err.join("")).not.toContain("\u001b");
  });
});

describe("help", () => {
  /** Every command with its help, found by walking the help itself. */
  async function helps(path: readonly string[] = []): Promise<ReadonlyMap<string, string>> {
    const { code, out } = await run(...path, "--help");
    expect(code).toBe(exits.done);
    const text = out.join("\n");
    const found = new Map([[path.join(" "), text]]);
    const [, commands = ""] = text.split(/^Commands:$/m);
    for (const [, name = ""] of (commands.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z]+)/gm))
      if (name !== "help") for (const [key, value] of await helps([...path, name])) found.set(key, value);
    return found;
  }

  test("every command of the contract is there and says what it does", async () => {
    const all = await helps();
    expect([...all.keys()].filter((key) => key !== "").sort()).toEqual([
      "bead",
      "bead cancel",
      "bead create",
      "bead list",
      "bead retry",
      "bead run",
      "bead show",
      "bench",
      "convoy",
      "convoy create",
      "convoy list",
      "convoy run",
      "convoy show",
      "doctor",
      "events",
      "foreman",
      "foreman run",
      "foreman start",
      "foreman status",
      "foreman stop",
      "gateway",
      "gateway token",
      "gateway token create",
      "gateway token list",
      "gateway token revoke",
      "goal",
      "goal answer",
      "goal cancel",
      "goal execute",
      "goal list",
      "goal plan",
      "goal resume",
      "goal rollback",
      "goal show",
      "init",
      "logs",
      "provider",
      "provider add",
      "provider list",
      "provider remove",
      "provider test",
      "simulate",
      "status",
      "tank",
      "tank list",
      "tank refresh",
      "tank status",
    ]);
    for (const [key, text] of all) {
      const isGroup = /^Commands:$/m.test(text);
      if (!isGroup) expect(text, key).toContain("--json");
      expect(text, key).not.toContain("default: [])");
      for (const line of text.split("\n")) expect(line.length, `${key}: ${line}`).toBeLessThanOrEqual(110);
    }
  });

  test("fits a narrow terminal", async () => {
    const terminal = openFakeTerminal({ columns: 60 });
    const { out } = await runOver(openFakeHouse(), ["goal", "execute", "--help"], { terminal });
    for (const line of out.join("\n").split("\n")) expect(line.length).toBeLessThanOrEqual(60);
  });

  test("a noun without a verb prints it on stderr, as a usage error", async () => {
    const { code, out, err } = await run("goal");
    expect(code).toBe(exits.usage);
    expect(out).toEqual([]);
    expect(err.join("\n")).toContain("Usage: rigs goal");
  });

  test("the version", async () => {
    expect(await run("--version")).toMatchObject({ code: exits.done, out: ["1.2.3"], err: [] });
  });
});

test("--home is known to the house wherever it stands", async () => {
  const homes: (string | undefined)[] = [];
  const { house } = openFakeHouse();
  const { runProgram } = await import("./program.ts");
  const entrance = {
    version: "1",
    terminal: openFakeTerminal(),
    signal: new AbortController().signal,
    house: async (home: string | undefined) => {
      homes.push(home);
      return house;
    },
  };
  await runProgram(["--home", "/a", "status"], entrance);
  await runProgram(["status", "--home", "/b"], entrance);
  await runProgram(["goal", "list"], entrance);
  expect(homes).toEqual(["/a", "/b", undefined]);
});
