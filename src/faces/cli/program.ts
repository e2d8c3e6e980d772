/** The command line: names, options, help. Every action lives in the file of its noun and is loaded when it runs. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { House, Terminal } from "../house.ts";
import { exits } from "./exit.ts";

/** What main gives: the house is opened only when a command runs, with `--home` known. */
export interface Entrance {
  readonly version: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  house(home: string | undefined): Promise<House>;
}

/** Parses and runs. Resolves with the exit code; errors of commands are the caller's to print. */
export async function runProgram(words: readonly string[], entrance: Entrance): Promise<number> {
  let code: number = exits.done;
  const program = build(entrance, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exits.done : exits.usage;
  }
}

type Act = (house: House) => Promise<number>;

function build(entrance: Entrance, settle: (code: number) => void): Command {
  const { terminal, signal } = entrance;
  const program = new Command("rigs")
    .description("Turns a goal into working, executed, tested code, and proves it.")
    .version(entrance.version, "-V, --version")
    .option("--home <dir>", "where Rigs keeps its state (default: $RIGS_HOME or ~/.rigs)")
    .option("--debug", "print stacks of unexpected errors")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    });
  const run = async (act: Act) =>
    settle(await act(await entrance.house(program.opts<{ home?: string }>().home)));
  const noun = (name: string, about: string) =>
    program.command(name).description(about).copyInheritedSettings(program);
  const verb = (parent: Command, usage: string, about: string) =>
    parent
      .command(usage)
      .description(about)
      .option("--json", "machine-readable output")
      .copyInheritedSettings(program);

  verb(program, "init", "write ~/.rigs/config.toml, find what is on this machine")
    .option("--git", "also make this folder a git repository with a first commit")
    .action((options) =>
      run(async (house) => (await import("./machine.ts")).initialise(options, house, terminal)),
    );
  verb(program, "doctor", "say what is missing on this machine, with the exact command that mends it")
    .option("--deep", "also compare the whole event log with what was derived from it")
    .action((options) =>
      run(async (house) => (await import("./machine.ts")).examine(options, house, terminal)),
    );

  const provider = noun("provider", "the models work is sent to");
  verb(provider, "list", "configured providers and whether they can be used").action((options) =>
    run(async (house) => (await import("./provider.ts")).listProviders(options, house, terminal)),
  );
  verb(provider, "add <name>", "add a provider to config.toml")
    .option("--kind <kind>", "openai, anthropic, openai-compatible or scripted (default: by name)")
    .option("--model <model>", "model id as the provider spells it")
    .option("--base-url <url>", "for servers of your own")
    .option("--api-key-env <variable>", "name of the variable that holds the key, never the key")
    .option("--tier <tier>", "cheap, standard or strong")
    .option("--script <file>", "transcript file of a scripted provider")
    .action((name: string, { json, ...settings }) =>
      run(async (house) =>
        (await import("./provider.ts")).addProvider(name, settings, { json }, house, terminal),
      ),
    );
  verb(provider, "test <name>", "ask the provider one tiny question").action((name: string, options) =>
    run(async (house) =>
      (await import("./provider.ts")).testProvider(name, options, house, terminal, signal),
    ),
  );
  verb(provider, "remove <name>", "remove a provider from config.toml").action((name: string, options) =>
    run(async (house) => (await import("./provider.ts")).removeProvider(name, options, house, terminal)),
  );

  const goal = noun("goal", "what you want, worked on until it is proven");
  verb(goal, "execute [text]", "work on a goal in a git repository and deliver a branch")
    .option("--file <file>", "read the goal from a file, - for standard input")
    .option("--repo <dir>", "the repository (default: here)")
    .option("--check <command>", "acceptance: a test command that must turn green (repeatable)", collect, [])
    .option(
      "--check-exit <command>",
      "acceptance by exit code alone, counts as one test (repeatable)",
      collect,
      [],
    )
    .option("--protect <glob>", "files no change may touch (repeatable)", collect, [])
    .option(
      "--allow-change <glob>",
      "protected files that may change, such as an existing test (repeatable)",
      collect,
      [],
    )
    .option("--allow-deps", "the change may alter dependency manifests and lockfiles")
    .option("--setup <command>", "run once to prepare dependencies, without network")
    .option("--provider <name>", "provider to ask, in order of preference (repeatable)", collect, [])
    .addOption(new Option("--solo", "one bead, no planning (the only way in this version)"))
    .option("--budget-usd <n>", "stop before this much is spent", positive)
    .option("--budget-tokens <n>", "stop before this many tokens are used", positive)
    .option("--max-minutes <n>", "stop after this time", positive)
    .option("--strategy <name>", "conservative, balanced or aggressive", "balanced")
    .option("--include-dirty", "work on your files as they are, not on the last commit")
    .option("--unsafe-no-sandbox", "run model-written code without a jail; nothing is proven then")
    .action((text: string | undefined, options) =>
      run(async (house) => (await import("./goal.ts")).executeGoal(text, options, house, terminal, signal)),
    );
  verb(goal, "list", "all goals, newest first").action((options) =>
    run(async (house) => (await import("./goal.ts")).listGoals(options, house, terminal)),
  );
  verb(goal, "show <id>", "one goal, its beads and its outcome").action((id: string, options) =>
    run(async (house) => (await import("./goal.ts")).showGoal(id, options, house, terminal)),
  );
  verb(goal, "resume <id>", "go on with a goal that was interrupted or did not get there").action(
    (id: string, options) =>
      run(async (house) => (await import("./goal.ts")).resumeGoal(id, options, house, terminal, signal)),
  );
  verb(goal, "cancel <id>", "stop a goal for good").action((id: string, options) =>
    run(async (house) => (await import("./goal.ts")).cancelGoal(id, options, house, terminal)),
  );

  const bead = noun("bead", "one task of a goal");
  verb(bead, "list", "beads and where they stand")
    .option("--goal <id>", "of one goal")
    .option("--status <state>", "in one state")
    .action((options) =>
      run(async (house) => (await import("./bead.ts")).listBeads(options, house, terminal)),
    );
  verb(bead, "show <id>", "one bead: every call, revision and proof")
    .option("--transcript", "also every answer as the model gave it")
    .action((id: string, options) =>
      run(async (house) => (await import("./bead.ts")).showBead(id, options, house, terminal)),
    );

  verb(program, "status", "where everything stands").action((options) =>
    run(async (house) => (await import("./status.ts")).showStatus(options, house, terminal)),
  );
  verb(program, "events", "the event log")
    .option("--goal <id>", "of one goal")
    .option("--from <sequence>", "first event", count, 1)
    .option("--count <n>", "at most so many", count, 1000)
    .option("--follow", "go on as events come")
    .action((options) =>
      run(async (house) => (await import("./status.ts")).showEvents(options, house, terminal, signal)),
    );
  verb(program, "simulate", "serve simulated models on this machine (OpenAI chat and Anthropic wires)")
    .option("--port <n>", "port on 127.0.0.1, 0 for any", count, 0)
    .option("--tasks <file>", "task set (HumanEval-shaped JSON Lines) whose solutions the models know")
    .option("--scenario <file>", "scripted answers and faults")
    .option("--seed <n>", "chance of the noise", count, 1)
    .option("--first-token-ms <n>", "delay before an answer starts", count, 0)
    .option("--tokens-per-second <n>", "speed of an answer, 0 for at once", count, 0)
    .action(({ json, ...wish }) =>
      run(async (house) =>
        (await import("./machine.ts")).simulate(
          { tasks: undefined, scenario: undefined, ...wish },
          { json },
          house,
          terminal,
          signal,
        ),
      ),
    );
  verb(
    program,
    "bench <file>",
    "run the main job on every task of a task set and judge the results independently",
  )
    .option("--provider <name>", "provider to measure (default: the first usable)")
    .option("--count <n>", "only the first n tasks", count)
    .option("--workers <n>", "tasks at a time", count, 2)
    .option("--resume <folder>", "go on with an earlier run in this folder")
    .option("--keep", "keep the repositories that were made")
    .action((file: string, { json, count: countMax, ...wish }) =>
      run(async (house) =>
        (await import("./machine.ts")).runBench(
          { file, provider: undefined, resume: undefined, keep: false, countMax, ...wish },
          { json },
          house,
          terminal,
          signal,
        ),
      ),
    );
  return program;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("a number above 0 is needed.");
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("a whole number from 0 is needed.");
  return value;
}
