/** The command line as a whole: what every command shares, and how a word that is not understood is answered. */
import { Command, CommanderError } from "commander";
import type { House, Terminal } from "../house.ts";
import { beadCommands, convoyCommands, goalCommands } from "./commands.ts";
import { complaint } from "./complaint.ts";
import { exits } from "./exit.ts";
import {
  foremanCommands,
  gatewayCommands,
  machineCommands,
  measureCommands,
  providerCommands,
  tankCommands,
} from "./upkeep.ts";

/** What main gives: the house is opened only when a command runs, with `--home` known. */
export interface Entrance {
  readonly version: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  house(home: string | undefined): Promise<House>;
}

/** What a command needs to be made and to run. Actions are loaded when they run: `--help` loads none. */
export interface Desk {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** A word that only groups others: "goal". */
  noun(name: string, about: string): Command;
  /** A command that does something; `usage` as commander writes it. */
  verb(parent: Command, usage: string, about: string): Command;
  run(act: (house: House) => Promise<number>): Promise<void>;
}

/** Parses and runs. Resolves with the exit code; errors of commands are the caller's to print. */
export async function runProgram(words: readonly string[], entrance: Entrance): Promise<number> {
  let code: number = exits.done;
  let complained = "";
  const complain = (line: string) => {
    complained = line;
    entrance.terminal.err(line);
  };
  const settle = (result: number) => {
    code = result;
  };
  const program = build(entrance, settle, complain);
  try {
    await program.parseAsync(isBare(words) ? bare(words) : [...words], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (complained !== "" && wantsJson(words)) entrance.terminal.out(errorDocument(complained));
    return error.exitCode === 0 ? exits.done : exits.usage;
  }
}

/** Whether whoever typed this reads standard output as JSON. */
export function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? undefined : end).includes("--json");
}

/** The one document of a command that failed before it had a result; `line` as it is said to people. */
export function errorDocument(line: string): string {
  return JSON.stringify({ error: line.replace(/^rigs: /, "") });
}

/** What `rigs` alone does; nobody has to type it. */
const overview = "overview";

/** No command, and nothing that asks for something else. */
function isBare(words: readonly string[]): boolean {
  const [word, ...rest] = words;
  if (word === undefined) return true;
  if (word === "--home") return rest.length > 0 && isBare(rest.slice(1));
  return (word.startsWith("--home=") || word === "--debug" || word === "--json") && isBare(rest);
}

/** `--json` belongs to the command. */
function bare(words: readonly string[]): string[] {
  const json = words.filter((word) => word === "--json");
  return [...words.filter((word) => word !== "--json"), overview, ...json];
}

const examples = `
Begin:
  rigs init                       write ~/.rigs/config.toml from what this machine has
  rigs doctor                     see what is missing, and the command that mends it
  rigs goal execute "Add parse(text) to src/parse.js" --check "npm test"
                                  work on it until the check proves it; the result is a branch

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 needs an answer, 4 out of budget or capacity,
5 partly done, 130 interrupted or cancelled`;

function build(
  entrance: Entrance,
  settle: (code: number) => void,
  complain: (line: string) => void,
): Command {
  const { terminal, signal } = entrance;
  const program = new Command("rigs")
    .description("Turns a goal into working, executed, tested code, and proves it.")
    .version(entrance.version, "-V, --version", "print the version")
    .option("--home <dir>", "where Rigs keeps its state (default: $RIGS_HOME or ~/.rigs)")
    .option("--debug", "with an unexpected error, also print where it happened")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ minWidthToWrap: 20 })
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText("after", examples)
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      getOutHelpWidth: () => helpWidth(terminal.columns("out")),
      getErrHelpWidth: () => helpWidth(terminal.columns("err")),
    });
  const complains = (command: Command) =>
    command.configureOutput({ outputError: (text) => complain(complaint(text, pathOf(command))) });
  complains(program);
  const desk: Desk = {
    terminal,
    signal,
    noun: (name, about) => complains(program.command(name).description(about)),
    verb: (parent, usage, about) =>
      complains(parent.command(usage).description(about)).option(
        "--json",
        "results as JSON on standard output; everything else goes to standard error",
      ),
    run: async (act) => settle(await act(await entrance.house(program.opts<{ home?: string }>().home))),
  };
  program
    .command(overview, { hidden: true })
    .description("where things stand and what to do next")
    .option("--json", "as JSON")
    .action((options) =>
      desk.run(async (house) => (await import("./overview.ts")).showOverview(options, house, terminal)),
    );
  goalCommands(desk);
  beadCommands(desk);
  convoyCommands(desk);
  foremanCommands(desk);
  providerCommands(desk);
  tankCommands(desk);
  machineCommands(program, desk);
  gatewayCommands(program, desk);
  measureCommands(program, desk);
  return program;
}

/** The command as typed: "rigs goal execute". */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** Long lines are hard to read, whatever the terminal holds. */
function helpWidth(columns: number): number {
  return Math.min(110, Number.isFinite(columns) ? columns : 80);
}
