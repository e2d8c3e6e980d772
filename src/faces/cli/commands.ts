/** Every command by name, with its options and help. What a command does lies in the file of its noun. */
import type { Command } from "commander";
import { workersMost } from "../house.ts";
import {
  aboutGoal,
  aboutIsolation,
  aboutMeans,
  aboutProof,
  anyCount,
  budgetOptions,
  collect,
  given,
  keepRevisions,
  newBounds,
  positive,
  someCount,
  whole,
  workerCount,
} from "./options.ts";
import type { Desk } from "./program.ts";

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
  const resume = "go on with a goal that was interrupted or did not get there; tasks taken off stay off";
  newBounds(verb(goal, "resume <id>", resume)).action((id: string, options) =>
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

export function beadCommands(desk: Desk): void {
  const { noun, verb, run, terminal, signal } = desk;
  const bead = noun("bead", "one task: of a goal, or on its own until you run it");
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
  createBead(bead, desk);
  verb(bead, "run <id>", "work on one task now")
    .addHelpText(
      "after",
      `
A task of its own is worked on to its end. For a part of a tree its goal goes
on until that part is in, parked, cancelled or asks you something; then all
else is given back, and calls that are out are cut. Where a foreman works for
you, the goal goes on there. The exit code says what became of the task: 0 done
or in, 1 parked, 3 it asks, 4 out of budget or capacity, 130 cancelled.`,
    )
    .action((id: string, options) =>
      run(async (house) => (await import("./run.ts")).runBead(id, options, house, terminal, signal)),
    );
  budgetOptions(verb(bead, "retry <id>", "try a parked or cancelled task anew, and go on with its goal"))
    .addHelpText("after", "\nWith a new bound, what stopped for want of budget goes on where it was instead.")
    .action((id: string, options) =>
      run(async (house) => (await import("./tend.ts")).retryBead(id, options, house, terminal, signal)),
    );
  verb(bead, "cancel <id>", "take one task of a tree off, with what needs it, until bead retry").action(
    (id: string, options) =>
      run(async (house) => (await import("./tend.ts")).cancelBead(id, options, house, terminal)),
  );
}

/** Its options of an order are those of a goal that is one task. */
function createBead(bead: Command, { verb, run, terminal }: Desk): void {
  const command = verb(bead, "create <desc>", "record a task, to be run later; or add one to a goal")
    .addHelpText(
      "after",
      "\nWith --goal, only --owns, --check, --check-exit, --after and the bounds say more of it.",
    )
    .optionsGroup("The task:")
    .option("--goal <id>", "add it to this goal, which is a tree and has not ended", given)
    .option("--owns <path>", "a file, or folder/**, that it writes (may be repeated; default: any)", collect)
    .option("--after <bead>", "with --goal: a task whose work it needs (may be repeated)", collect)
    .option("--repo <dir>", "the repository (default: the one you are in)", given)
    .option("--include-dirty", "start from your files as they are, not from the last commit");
  aboutProof(command);
  aboutMeans(command).option("--keep-revisions", keepRevisions);
  aboutIsolation(command).action((text: string, options) =>
    run(async (house) =>
      (await import("./tend.ts")).createBead(text, { owns: [], after: [], ...options }, house, terminal),
    ),
  );
}

export function convoyCommands(desk: Desk): void {
  const { noun, verb, run, terminal, signal } = desk;
  const convoy = noun("convoy", "tasks that land together: the tree of a goal, or tasks you joined");
  createConvoy(convoy, desk);
  verb(convoy, "list", "goals that are trees, and how much of each is in").action((options) =>
    run(async (house) => (await import("./convoy.ts")).listConvoys(options, house, terminal)),
  );
  verb(convoy, "show <id>", "one tree: every task, its state and commit").action((id: string, options) =>
    run(async (house) => (await import("./convoy.ts")).showConvoy(id, options, house, terminal)),
  );
  newBounds(verb(convoy, "run <id>", "work on a convoy, or go on with it")).action((id: string, options) =>
    run(async (house) => (await import("./run.ts")).runConvoy(id, options, house, terminal, signal)),
  );
}

function createConvoy(convoy: Command, { verb, run, terminal }: Desk): void {
  const command = verb(convoy, "create <text>", "join 2 to 5 recorded tasks, so that they land as one branch")
    .addHelpText(
      "after",
      `
The tasks are worked on side by side, even in the same files, and put together
as they land; the whole is judged by the checks of all. It starts from your
newest commit. Each task is taken over: it no longer runs by itself.`,
    )
    .option("--bead <id>", "a task of bead create that nobody has run (repeat it)", collect)
    .option("--check <command>", "a test command that the whole must turn green too", collect)
    .option("--check-exit <command>", "a command that must exit 0 when all is together", collect)
    .option("--include-dirty", "start from your files as they are, not from the last commit");
  aboutMeans(command)
    .option("--workers <n>", "tasks worked on side by side", workerCount, 2)
    .option("--keep-revisions", keepRevisions)
    .action((text: string, options) =>
      run(async (house) =>
        (await import("./convoy.ts")).createConvoy(
          text,
          { bead: [], check: [], checkExit: [], provider: [], ...options },
          house,
          terminal,
        ),
      ),
    );
}

export function foremanCommands({ noun, verb, run, terminal, signal }: Desk): void {
  const foreman = noun(
    "foreman",
    "Rigs as a process of its own: goes on with open goals, works for all commands",
  );
  verb(foreman, "run", "be the foreman here, until Ctrl-C")
    .option(
      "--workers <n>",
      `tasks worked on at a time, over all goals (default: ${workersMost})`,
      workerCount,
    )
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
      "openai, anthropic, gemini, deepseek, ollama, triton, gguf, openai-compatible or scripted",
      given,
    )
    .option("--model <model>", "the model, as the provider spells it; the path of a gguf file", given)
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

export function tankCommands({ noun, verb, run, terminal, signal }: Desk): void {
  const tank = noun("tank", "what is left of each provider's limits");
  verb(tank, "list", "every provider: calls out, rates, windows, and what is closed").action((options) =>
    run(async (house) => (await import("./tank.ts")).listTanks(options, house, terminal)),
  );
  verb(
    tank,
    "status <name>",
    "one provider: where each figure comes from, and what a call would wait for",
  ).action((name: string, options) =>
    run(async (house) => (await import("./tank.ts")).showTank(name, options, house, terminal)),
  );
  verb(
    tank,
    "refresh [name]",
    "ask providers how they stand; what is closed until you mend it is tried again",
  )
    .option("--ask", "with one smallest call where nothing else tells; it is paid like any other")
    .action((name: string | undefined, options) =>
      run(async (house) => (await import("./tank.ts")).refreshTanks(name, options, house, terminal, signal)),
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

export function gatewayCommands(program: Command, { verb, run, terminal, signal }: Desk): void {
  const gateway = verb(
    program,
    "gateway",
    "serve all configured models to other programs, as OpenAI and Anthropic do",
  )
    .option("--port <n>", "port to listen on, 0 for any", whole(0, 65_535), 4_100)
    .option(
      "--host <address>",
      "address to listen on; anything but this machine's own needs a token first",
      given,
    )
    .option("--patience <seconds>", "how long a call waits for a place at most", whole(1, 3_600), 60)
    .addHelpText("after", gatewayHelp)
    .action((options) =>
      run(async (house) => (await import("./gateway.ts")).serveGateway(options, house, terminal, signal)),
    );
  // Their --json is one of gateway's as well, which takes it first.
  const all = (command: Command) => command.optsWithGlobals();
  const token = gateway.command("token").description("who may call the gateway");
  verb(token, "create <name>", "make a token; it is shown once")
    .option("--budget-usd <n>", "all its calls together cost no more", positive)
    .option("--budget-tokens <n>", "all its calls together take no more tokens, read and written", positive)
    .option("--rpm <n>", "requests a minute", someCount)
    .action((name: string, _options, command: Command) =>
      run(async (house) => (await import("./gateway.ts")).createToken(name, all(command), house, terminal)),
    );
  verb(token, "list", "tokens by name, their bounds and what they spent").action(
    (_options, command: Command) =>
      run(async (house) => (await import("./gateway.ts")).listTokens(all(command), house, terminal)),
  );
  verb(token, "revoke <name>", "a token is no longer good, from this moment").action(
    (name: string, _options, command: Command) =>
      run(async (house) => (await import("./gateway.ts")).revokeToken(name, all(command), house, terminal)),
  );
}

const gatewayHelp = `
The model of a request is a provider's name, a model as its provider spells it,
a tier (cheap, standard, strong), or auto. Clients of OpenAI take
http://127.0.0.1:4100/v1 as their base URL, Anthropic's http://127.0.0.1:4100;
the token is their key. It also does what rigs foreman run does.`;

const simulateHelp = `
Wires: /v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/MODEL:generateContent,
/api/chat and /api/generate (Ollama), /v2/models/MODEL/generate (Triton), and /metrics.
A scenario is JSON: {"models": {NAME: PROFILE}, "rules": [{"when", "times", "do"}], "accounts": [..]}.
A rule says, faults, cuts, breaks with an error after a 200, slows or hangs, of requests
by text, model, wire, key, number, time or part; an account counts as anthropic, openai,
gemini, concurrency or subscription do, tells it in that provider's headers (or lies), may
be lowered on the way and shared with a second client. src/edges/simulator/scenario.ts
describes every word.`;

export function measureCommands(program: Command, { verb, run, terminal, signal }: Desk): void {
  verb(
    program,
    "simulate",
    "serve simulated models on this machine, or play on paper what work would cost and take",
  )
    .option("--port <n>", "port on 127.0.0.1, 0 for any", whole(0, 65_535), 0)
    .option("--tasks <file>", "tasks whose solutions the models know (JSON Lines like HumanEval's)", given)
    .option("--scenario <file>", "scripted answers, faults, and accounts with limits", given)
    .option("--seed <n>", "the same seed gives the same mistakes", anyCount, 1)
    .option("--first-token-ms <n>", "wait before an answer begins (default: 0, of a report 1000)", anyCount)
    .option(
      "--tokens-per-second <n>",
      "speed of an answer, 0 for all at once (default: 0, of a report 60)",
      anyCount,
    )
    .optionsGroup("On paper:")
    .option(
      "--report",
      "serve nothing: say what the work below would cost and take on the configured accounts",
    )
    .option("--beads <n>", "tasks", whole(1, 5_000), 300)
    .option("--calls <n>", "calls a task, in the mean", whole(1, 50), 2)
    .option("--input <n>", "tokens of a prompt; half of all are smaller", whole(1, 1_000_000), 6_000)
    .option("--output <n>", "tokens of an answer; half of all are smaller", whole(1, 128_000), 900)
    .option("--workers <n>", "tasks worked on side by side", workerCount, 2)
    .option("--check-seconds <n>", "what runs after every call take", whole(0, 86_400), 5)
    .option("--provider <name>", "play this one too (default: all of the first one's tier)", collect)
    .addHelpText("after", simulateHelp)
    .action(({ json, report, ...wish }) =>
      run(async (house) =>
        report
          ? (await import("./rehearsal.ts")).rehearse(wish, { json }, house, terminal)
          : (await import("./machine.ts")).simulate(
              { tasks: undefined, scenario: undefined, firstTokenMs: 0, tokensPerSecond: 0, ...wish },
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
