/** Commands about work, by name, with their options and help. What a command does lies in the file of its noun. */
import type { Command } from "commander";
import {
  aboutGoal,
  aboutIsolation,
  aboutMeans,
  aboutProof,
  budgetOptions,
  collect,
  given,
  keepRevisions,
  newBounds,
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
