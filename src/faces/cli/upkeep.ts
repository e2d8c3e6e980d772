/** Commands about what work is done with, by name: foreman, providers, tanks, gateway, this machine, measurements. */
import type { Command } from "commander";
import { workersMost } from "../house.ts";
import { anyCount, collect, given, positive, refuseTyped, someCount, whole, workerCount } from "./options.ts";
import type { Desk } from "./program.ts";

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
    "ask providers how they stand; what is closed until you mend it is tried with one short question, paid like any other",
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

/** Options of `simulate` that say nothing with `--report`, and nothing without. */
const servedOnly = ["port", "tasks", "scenario"];
const onPaperOnly = ["beads", "calls", "input", "output", "workers", "checkSeconds", "provider"];

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
    .action(({ json, report, ...wish }, command: Command) =>
      run(async (house) => {
        if (report) {
          refuseTyped(command, servedOnly, "what is served, and --report serves nothing: leave it out");
          return (await import("./rehearsal.ts")).rehearse(wish, { json }, house, terminal);
        }
        refuseTyped(command, onPaperOnly, "work on paper: add --report");
        return (await import("./machine.ts")).simulate(
          { tasks: undefined, scenario: undefined, firstTokenMs: 0, tokensPerSecond: 0, ...wish },
          { json },
          house,
          terminal,
          signal,
        );
      }),
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
