/** Every command by name, with its options and help. What a command does lies in the file of its noun. */
import { type Command, InvalidArgumentError } from "commander";
import type { Desk } from "./program.ts";

/** Values in the order they were given, for an option that may be repeated. */
function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), given(value)];
}

/** The next option where a value should be: the value was forgotten. */
function given(value: string): string {
  if (value.startsWith("--")) throw new InvalidArgumentError("needs a value");
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError("is a number above 0");
  return value;
}

function whole(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= from && value <= to) return value;
    const bound = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `from ${from} to ${to}`;
    throw new InvalidArgumentError(`is a whole number ${bound}`);
  };
}

const anyCount = whole(0, Number.MAX_SAFE_INTEGER);
const someCount = whole(1, Number.MAX_SAFE_INTEGER);

function oneOf<Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((each) => each === text);
    if (word === undefined) throw new InvalidArgumentError(`is one of ${words.join(", ")}`);
    return word;
  };
}

/** What is said of a goal, to work on it or to plan it. */
function aboutGoal(command: Command): Command {
  return command
    .optionsGroup("The goal:")
    .option("--file <file>", "read the goal from a file, - for standard input", given)
    .option("--repo <dir>", "the repository (default: the one you are in)", given)
    .option("--include-dirty", "start from your files as they are, not from the last commit")
    .optionsGroup("Proof (each may be repeated):")
    .option("--check <command>", "a test command that must turn green; tests are counted", collect)
    .option("--check-exit <command>", "a command that must exit 0; it counts as one test", collect)
    .option("--check-run <command>", "a program that must start and answer --probe", given)
    .option("--probe <command>", "must succeed within 30 s while that program is up", given)
    .option("--protect <glob>", "files that the change may not touch", collect)
    .option("--allow-change <glob>", "protected files that it may, such as an existing test", collect)
    .optionsGroup("Means and bounds:")
    .option("--provider <name>", "whom to ask, in this order (default: all that are usable)", collect)
    .option("--budget-usd <n>", "ask nobody beyond this cost, where prices are known", positive)
    .option("--budget-tokens <n>", "ask nobody beyond this many tokens", positive)
    .option("--max-minutes <n>", "stop after this time, whatever is going on", positive)
    .option(
      "--strategy <name>",
      "conservative, balanced or aggressive",
      oneOf("conservative", "balanced", "aggressive"),
      "balanced",
    )
    .option("--plan <file>", "a tree of tasks to work on, written as YAML (see docs/plan.md)", given)
    .option("--workers <n>", "tasks of a plan worked on side by side", someCount, 2)
    .option("--solo", "one task, no planning (default: where one prompt holds the repository)")
    .option("--fleet", "a tree of tasks, which a planner is asked for")
    .option("--yes", "take the default answer to every question; never allows what only you may")
    .optionsGroup("Dependencies and isolation:")
    .option("--setup <command>", "prepares dependencies, once, without network (default: by lockfile)", given)
    .option("--allow-deps", "the change may alter dependency manifests and lockfiles")
    .option("--unsafe-no-sandbox", "run what the model wrote without a jail; nothing is proven then");
}

/** Options that may be repeated and were not given. */
const lists = { check: [], checkExit: [], protect: [], allowChange: [], provider: [] };

function execute(goal: Command, { verb, run, terminal, signal }: Desk): void {
  aboutGoal(
    verb(goal, "execute [text]", "work on a goal in a git repository; the result is a branch"),
  ).action((text: string | undefined, options) =>
    run(async (house) =>
      (await import("./execute.ts")).executeGoal(text, { ...lists, ...options }, house, terminal, signal),
    ),
  );
}

function plan(goal: Command, { verb, run, terminal, signal }: Desk): void {
  aboutGoal(verb(goal, "plan [text]", "ask for a tree of tasks and show it; nothing is worked on"))
    .optionsGroup("The plan:")
    .option("--out <file>", "write it to a new file, to be edited and given to goal execute --plan", given)
    .action((text: string | undefined, options) =>
      run(async (house) =>
        (await import("./plan.ts")).planGoal(text, { ...lists, ...options }, house, terminal, signal),
      ),
    );
}

export function goalCommands(desk: Desk): void {
  const { noun, verb, run, terminal, signal } = desk;
  const goal = noun("goal", "what you want, worked on until it is proven");
  execute(goal, desk);
  plan(goal, desk);
  verb(goal, "list", "all goals, newest first").action((options) =>
    run(async (house) => (await import("./goal.ts")).listGoals(options, house, terminal)),
  );
  verb(goal, "show <id>", "one goal: its checks, its tasks, how it ended").action((id: string, options) =>
    run(async (house) => (await import("./goal.ts")).showGoal(id, options, house, terminal)),
  );
  verb(goal, "resume <id>", "go on with a goal that was interrupted or did not get there")
    .option("--budget-usd <n>", "the new bound on its whole cost", positive)
    .option("--budget-tokens <n>", "the new bound on all its tokens", positive)
    .option("--max-minutes <n>", "the new bound on its time, from now on", positive)
    .action((id: string, options) =>
      run(async (house) => (await import("./execute.ts")).resumeGoal(id, options, house, terminal, signal)),
    );
  verb(goal, "answer <id> <yes|no>", "say whether what a goal asks about is what you want").action(
    (id: string, word: string, options) =>
      run(async (house) =>
        (await import("./execute.ts")).answerGoal({ id, word }, options, house, terminal, signal),
      ),
  );
  verb(goal, "rollback <id>", "make a branch of an earlier revision; nothing else moves")
    .requiredOption("--to <revision>", "r2, of a tree 1.2/a1/r2, as rigs bead show names it", given)
    .action((id: string, options) =>
      run(async (house) => (await import("./tend.ts")).rollBack(id, options, house, terminal)),
    );
  verb(goal, "cancel <id>", "stop a goal; goal resume takes it up again").action((id: string, options) =>
    run(async (house) => (await import("./goal.ts")).cancelGoal(id, options, house, terminal)),
  );
}

export function beadCommands({ noun, verb, run, terminal, signal }: Desk): void {
  const bead = noun("bead", "one task of a goal");
  verb(bead, "list", "tasks and where they stand")
    .option("--goal <id>", "those of one goal", given)
    .option("--status <state>", "those in one state: ready, claimed, waiting, parked, integrated …", given)
    .action((options) =>
      run(async (house) => (await import("./bead.ts")).listBeads(options, house, terminal)),
    );
  verb(bead, "show <id>", "one task: every question, revision and proof")
    .option("--transcript", "also every answer as the model gave it")
    .option("--diff <revision>", "what one revision changed: r2, or a1/r2", given)
    .option("--prompt <call>", "what was asked in one call: c3, or a1/c3", given)
    .action((id: string, options) =>
      run(async (house) => (await import("./bead.ts")).showBead(id, options, house, terminal)),
    );
  verb(bead, "create <goal>", "add a task to a goal that is a tree and has not ended")
    .requiredOption("--intent <text>", "what it is for", given)
    .requiredOption("--owns <path>", "a file, or folder/**, that it alone writes (may be repeated)", collect)
    .requiredOption("--check <command>", "a test command that decides about it (may be repeated)", collect)
    .option("--after <bead>", "a task whose work it needs (may be repeated)", collect)
    .action((id: string, options) =>
      run(async (house) =>
        (await import("./tend.ts")).createBead(id, { after: [], ...options }, house, terminal),
      ),
    );
  verb(bead, "retry <id>", "try a parked or cancelled task anew, and go on with its goal").action(
    (id: string, options) =>
      run(async (house) => (await import("./tend.ts")).retryBead(id, options, house, terminal, signal)),
  );
  verb(bead, "cancel <id>", "give one task of a tree up; what needs it is given up too").action(
    (id: string, options) =>
      run(async (house) => (await import("./tend.ts")).cancelBead(id, options, house, terminal)),
  );
}

export function convoyCommands({ noun, verb, run, terminal }: Desk): void {
  const convoy = noun("convoy", "tasks that land together: the tree of one goal");
  verb(convoy, "list", "goals that are trees, and how much of each is in").action((options) =>
    run(async (house) => (await import("./convoy.ts")).listConvoys(options, house, terminal)),
  );
  verb(convoy, "show <goal>", "one tree: every task, its state and commit").action((id: string, options) =>
    run(async (house) => (await import("./convoy.ts")).showConvoy(id, options, house, terminal)),
  );
}

export function foremanCommands({ noun, verb, run, terminal, signal }: Desk): void {
  const foreman = noun(
    "foreman",
    "Rigs as a process of its own: goes on with open goals, works for all commands",
  );
  verb(foreman, "run", "be the foreman here, until Ctrl-C")
    .option("--workers <n>", "tasks worked on at a time, over all goals (default: one a core)", someCount)
    .option(
      "--log <file>",
      "also write what it says to this file; at most 4 MiB with the older FILE.1",
      given,
    )
    .action((options) =>
      run(async (house) => (await import("./foreman.ts")).keepHome(options, house, terminal, signal)),
    );
  verb(foreman, "start", "the same in the background; what it says goes to foreman.log in the home").action(
    (options) =>
      run(async (house) => (await import("./foreman.ts")).startForeman(options, house, terminal, signal)),
  );
  verb(foreman, "stop", "ask it to give everything back and end").action((options) =>
    run(async (house) => (await import("./foreman.ts")).stopForeman(options, house, terminal, signal)),
  );
  verb(foreman, "status", "its process, since when, and what it works on").action((options) =>
    run(async (house) => (await import("./foreman.ts")).foremanStatus(options, house, terminal)),
  );
}

export function providerCommands({ noun, verb, run, terminal, signal }: Desk): void {
  const provider = noun("provider", "the models that work is sent to");
  verb(provider, "list", "configured providers and whether they can be used").action((options) =>
    run(async (house) => (await import("./provider.ts")).listProviders(options, house, terminal)),
  );
  verb(provider, "add <name>", "add a provider to config.toml")
    .option(
      "--kind <kind>",
      "openai, anthropic, gemini, deepseek, ollama, openai-compatible or scripted",
      given,
    )
    .option("--model <model>", "the model, as the provider spells it", given)
    .option("--base-url <url>", "the server, where it is not the kind's own", given)
    .option("--api-key-env <variable>", "the NAME of the variable that holds the key, never the key", given)
    .option("--tier <tier>", "cheap, standard or strong (default: standard)", given)
    .option("--script <file>", "the transcript that a scripted provider plays", given)
    .action((name: string, options) =>
      run(async (house) => (await import("./provider.ts")).addProvider(name, options, house, terminal)),
    );
  verb(provider, "test <name>", "ask the provider one tiny question").action((name: string, options) =>
    run(async (house) =>
      (await import("./provider.ts")).testProvider(name, options, house, terminal, signal),
    ),
  );
  verb(provider, "remove <name>", "remove a provider from config.toml").action((name: string, options) =>
    run(async (house) => (await import("./provider.ts")).removeProvider(name, options, house, terminal)),
  );
}

export function machineCommands(program: Command, { verb, run, terminal, signal }: Desk): void {
  verb(program, "status", "where everything stands").action((options) =>
    run(async (house) => (await import("./status.ts")).showStatus(options, house, terminal)),
  );
  verb(program, "logs", "what happened, in words; the newest at the end")
    .option("--goal <id>", "of one goal", given)
    .option("--count <n>", "begin with so many of the newest events", someCount, 100)
    .option("--follow", "go on as new ones come")
    .action((options) =>
      run(async (house) => (await import("./status.ts")).showLogs(options, house, terminal, signal)),
    );
  verb(program, "events", "everything that happened, in order")
    .option("--goal <id>", "of one goal", given)
    .option("--from <sequence>", "begin with this one", someCount, 1)
    .option("--count <n>", "at most so many (default: all)", someCount)
    .option("--follow", "go on as new ones come")
    .action((options) =>
      run(async (house) => (await import("./status.ts")).showEvents(options, house, terminal, signal)),
    );
  verb(program, "init", "write config.toml, with the keys and local models that this machine has")
    .option("--git", "also make this folder a git repository with a first commit")
    .action((options) =>
      run(async (house) => (await import("./machine.ts")).initialise(options, house, terminal)),
    );
  verb(
    program,
    "doctor",
    "say what is missing on this machine, and the command that mends it; exit code 1 until a goal can be worked on",
  )
    .option("--deep", "also compare the whole event log with what was derived from it")
    .action((options) =>
      run(async (house) => (await import("./machine.ts")).examine(options, house, terminal)),
    );
}

export function measureCommands(program: Command, { verb, run, terminal, signal }: Desk): void {
  verb(program, "simulate", "serve simulated models on this machine (OpenAI chat and Anthropic wires)")
    .option("--port <n>", "port on 127.0.0.1, 0 for any", whole(0, 65_535), 0)
    .option("--tasks <file>", "tasks whose solutions the models know (JSON Lines like HumanEval's)", given)
    .option("--scenario <file>", "scripted answers and faults", given)
    .option("--seed <n>", "the same seed gives the same mistakes", anyCount, 1)
    .option("--first-token-ms <n>", "wait before an answer begins", anyCount, 0)
    .option("--tokens-per-second <n>", "speed of an answer, 0 for all at once", anyCount, 0)
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
    "run the main job on every task of a file and judge the results independently",
  )
    .option("--provider <name>", "the provider to measure (default: the first usable)", given)
    .option("--count <n>", "only the first n tasks", someCount)
    .option("--workers <n>", "tasks at a time", whole(1, 64), 2)
    .option("--resume <folder>", "go on with an earlier run in this folder", given)
    .option("--keep", "keep the repositories that were made")
    .action((file: string, { json, count, ...wish }) =>
      run(async (house) =>
        (await import("./machine.ts")).runBench(
          { file, provider: undefined, resume: undefined, keep: false, countMax: count, ...wish },
          { json },
          house,
          terminal,
          signal,
        ),
      ),
    );
}
