/** Options as the command line takes them: what a value may be, and the groups that several commands share. */
import { type Command, InvalidArgumentError } from "commander";
import type { Priority } from "../../domain/bead.ts";
import { UsageError, workersMost } from "../house.ts";

/** Values in the order they were given, for an option that may be repeated. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), given(value)];
}

/** The next option where a value should be: the value was forgotten. */
export function given(value: string): string {
  if (value.startsWith("--")) throw new InvalidArgumentError("needs a value");
  return value;
}

/** A number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError("is a number above 0");
  return value;
}

/** A whole number in these bounds, both included. */
export function whole(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= from && value <= to) return value;
    const bound = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `from ${from} to ${to}`;
    throw new InvalidArgumentError(`is a whole number ${bound}`);
  };
}

/** From 0, and from 1. */
export const anyCount = whole(0, Number.MAX_SAFE_INTEGER);
export const someCount = whole(1, Number.MAX_SAFE_INTEGER);
export const workerCount = whole(1, workersMost);

/** One of these words. */
export function oneOf<Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((each) => each === text);
    if (word === undefined) throw new InvalidArgumentError(`is one of ${words.join(", ")}`);
    return word;
  };
}

/** UsageError where one of these options was typed: "--beads is about …". */
export function refuseTyped(command: Command, names: readonly string[], about: string): void {
  const typed = command.options.find(
    (option) =>
      names.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (typed !== undefined) throw new UsageError(`${typed.long} is about ${about}`);
}

/** What is said of a goal, to work on it or to plan it. */
export function aboutGoal(command: Command): Command {
  command
    .optionsGroup("The goal:")
    .option("--file <file>", "read the goal from a file, - for standard input", given)
    .option("--repo <dir>", "the repository (default: the one you are in)", given)
    .option("--include-dirty", "start from your files as they are, not from the last commit");
  aboutProof(command);
  aboutMeans(command)
    .option(
      "--strategy <name>",
      "how windows are drawn: conservative, balanced or aggressive (default: the configuration's)",
      oneOf("conservative", "balanced", "aggressive"),
    )
    .option("--plan <file>", "a tree of tasks to work on, written as YAML (see docs/plan.md)", given)
    .option("--workers <n>", "tasks of a plan worked on side by side", workerCount, 2)
    .option("--solo", "one task, no planning (default: where one prompt holds the repository)")
    .option("--fleet", "a tree of tasks, which a planner is asked for")
    .option("--keep-revisions", keepRevisions)
    .option("--yes", "take the default answer to every question; never allows what only you may");
  return aboutIsolation(command);
}

/** What `--keep-revisions` does. */
export const keepRevisions = "the branch has every revision as a commit below the one that was proven";

/** What decides about the work. */
export function aboutProof(command: Command): Command {
  return command
    .optionsGroup("Proof (each may be repeated):")
    .option("--check <command>", "a test command that must turn green; tests are counted", collect)
    .option("--check-exit <command>", "a command that must exit 0; it counts as one test", collect)
    .option("--check-run <command>", "a program that must start and answer --probe", given)
    .option("--probe <command>", "must succeed within 30 s while that program is up", given)
    .option("--guards-only", "without a check: let no model write acceptance tests first")
    .option("--protect <glob>", "files that the change may not touch", collect)
    .option("--allow-change <glob>", "protected files that it may, such as an existing test", collect);
}

/** Whom to ask, and how much of it. */
export function aboutMeans(command: Command): Command {
  return command
    .optionsGroup("Means and bounds:")
    .option(
      "--provider <name>",
      "whom to ask, in this order of preference (default: all of the first's tier)",
      collect,
    )
    .option("--budget-usd <n>", "ask nobody beyond this cost, where prices are known", positive)
    .option("--budget-tokens <n>", "ask nobody beyond this many tokens", positive)
    .option("--max-minutes <n>", "stop after this time, whatever is going on", positive)
    .option(
      "--priority <word>",
      "low, usual, high or urgent beside other goals (default: usual)",
      priorityNamed,
    );
}

/** High draws what is below yellow of a window, urgent what is below red. */
const priorities: Readonly<Record<string, Priority>> = { low: 1, usual: 2, high: 3, urgent: 4 };

function priorityNamed(word: string): Priority {
  const found = Object.hasOwn(priorities, word) ? priorities[word] : undefined;
  if (found === undefined) throw new InvalidArgumentError(`is one of ${Object.keys(priorities).join(", ")}`);
  return found;
}

/** What the work may need and change beside its code, and where it runs. */
export function aboutIsolation(command: Command): Command {
  return command
    .optionsGroup("Dependencies and isolation:")
    .option("--setup <command>", "prepares dependencies, once, without network (default: by lockfile)", given)
    .option("--allow-deps", "the change may alter dependency manifests and lockfiles")
    .option("--unsafe-no-sandbox", "run what the model wrote without a jail; nothing is proven then");
}

/** New bounds of what is gone on with. */
export function newBounds(command: Command): Command {
  return budgetOptions(
    command.option("--workers <n>", "tasks of a tree worked on side by side from now on", workerCount),
  );
}

/** New bounds of a goal, or of one task. */
export function budgetOptions(command: Command): Command {
  return command
    .option("--budget-usd <n>", "the new bound on its whole cost", positive)
    .option("--budget-tokens <n>", "the new bound on all its tokens", positive)
    .option("--max-minutes <n>", "the new bound on its time, from now on", positive);
}
