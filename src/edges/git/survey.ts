import { RepositoryError } from "../../ports/repository.ts";
import { answer, type Git, type Setting } from "./command.ts";
import { isObjectName, shown, textOf } from "./path.ts";
import { plainPerson } from "./revision.ts";
import type { Source } from "./source.ts";
import { recordsOf } from "./tree.ts";

/** The user's own environment: where their git configuration is, and who they say they are. */
export type Surroundings = Readonly<Record<string, string | undefined>>;

export interface Status {
  /** Tracked files that differ from HEAD, staged or not. */
  readonly dirty: readonly string[];
  /** Neither tracked nor ignored. A repository in the repository ends with "/" and is never entered. */
  readonly untracked: readonly string[];
}

const driversMax = 500;

/** The commit HEAD stands at. Rejects with RepositoryError when there is none, or it cannot be read. */
export async function headOf(git: Git, source: Source): Promise<string> {
  const asked = await git.run({
    gitDir: source.gitDir,
    arguments: ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
  });
  const name = asked.stdout.toString("utf8").trim();
  if (asked.exitCode === 0 && isObjectName(name)) return name;
  throw new RepositoryError(await whyNoHead(git, source));
}

async function whyNoHead(git: Git, source: Source): Promise<string> {
  const branch = await git.run({ gitDir: source.gitDir, arguments: ["symbolic-ref", "--quiet", "HEAD"] });
  const name = branch.stdout.toString("utf8").trim();
  const value = await git.run({
    gitDir: source.gitDir,
    arguments: ["for-each-ref", "--count=1", "--format=%(objectname)", name],
  });
  if (branch.exitCode === 0 && value.exitCode === 0 && value.stdout.length === 0) {
    return `${shown(source.top)} has no commit yet: commit there first (git add -A && git commit), or run \`rigs init --git\``;
  }
  return `${shown(source.top)} is damaged, its HEAD leads to no commit: run \`git fsck\` there and mend what it says`;
}

/**
 * "Name <mail>" from the user's environment and configuration, global included; what is missing is "Rigs" and
 * "rigs@localhost", so that the commit says it. Reading configuration runs nothing.
 */
export async function authorOf(git: Git, gitDir: string, surroundings: Surroundings): Promise<string> {
  const name = surroundings.GIT_AUTHOR_NAME || (await userSetting(git, gitDir, surroundings, "user.name"));
  const mail = surroundings.GIT_AUTHOR_EMAIL || (await userSetting(git, gitDir, surroundings, "user.email"));
  const person = plainPerson({ name, mail });
  return `${person.name} <${person.mail}>`;
}

/** Empty when it is not set. */
export async function userSetting(
  git: Git,
  gitDir: string,
  surroundings: Surroundings,
  key: string,
): Promise<string> {
  const asked = await git.run({
    gitDir,
    arguments: ["config", ...(key.endsWith("File") ? ["--type=path"] : []), "--get", key],
    variables: {
      HOME: surroundings.HOME ?? "/nonexistent",
      XDG_CONFIG_HOME: surroundings.XDG_CONFIG_HOME,
      GIT_CONFIG_GLOBAL: surroundings.GIT_CONFIG_GLOBAL,
      GIT_CONFIG_NOSYSTEM: surroundings.GIT_CONFIG_NOSYSTEM,
    },
  });
  return asked.exitCode === 0 ? asked.stdout.toString("utf8").trim() : "";
}

/**
 * What differs from HEAD. Git compares a file whose times changed by its filters' output: every filter that the
 * repository names is emptied first, so none runs. The index is read, never refreshed.
 */
export async function statusOf(git: Git, source: Source, surroundings: Surroundings): Promise<Status> {
  const [ignores, filters] = await Promise.all([
    userSetting(git, source.gitDir, surroundings, "core.excludesFile"),
    emptiedFilters(git, source.gitDir),
  ]);
  const said = await answer(
    git,
    {
      gitDir: source.gitDir,
      workTree: source.top,
      arguments: [
        "--no-optional-locks",
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--ignored=no",
        "--no-renames",
        "--ignore-submodules=all",
        "--no-ahead-behind",
      ],
      // Only for the user's own list of ignored files below the home folder.
      variables: {
        HOME: surroundings.HOME ?? "/nonexistent",
        XDG_CONFIG_HOME: surroundings.XDG_CONFIG_HOME,
      },
      configuration: [...filters, ...(ignores === "" ? [] : [["core.excludesFile", ignores] as const])],
    },
    `compare ${shown(source.top)} with HEAD`,
    "run `git status` there and mend what it says",
  );
  return parseStatus(said);
}

/** The wire: `XY <path>`; git-status(1), "Short Format". */
function parseStatus(said: Buffer): Status {
  const dirty: string[] = [];
  const untracked: string[] = [];
  for (const record of recordsOf(said)) {
    const isUntracked = record.toString("latin1", 0, 2) === "??";
    (isUntracked ? untracked : dirty).push(textOf(record.subarray(3)));
  }
  return { dirty, untracked };
}

/** Settings that leave no filter of the repository's configuration with a command. */
export async function emptiedFilters(git: Git, gitDir: string): Promise<readonly Setting[]> {
  const asked = await git.run({
    gitDir,
    arguments: ["config", "-z", "--name-only", "--get-regexp", "^filter\\."],
  });
  const noneFound = 1;
  if (asked.exitCode === noneFound && asked.stdout.length === 0) return [];
  if (asked.exitCode !== 0 || asked.limit !== undefined) {
    throw new RepositoryError(
      `the configuration of ${shown(gitDir)} cannot be read: run \`git config --list\` and mend what it says`,
    );
  }
  const names = recordsOf(asked.stdout).map(textOf);
  const drivers = new Set(names.map((name) => name.slice("filter.".length, name.lastIndexOf("."))));
  // A name that is not UTF-8 cannot be given to git again, and would keep its command.
  if (drivers.size > driversMax || [...drivers].some((name) => !name.isWellFormed())) {
    throw new RepositoryError(
      `${shown(gitDir)} configures filters that cannot be switched off: remove them from its configuration`,
    );
  }
  return [...drivers].flatMap((name): readonly Setting[] => [
    [`filter.${name}.clean`, ""],
    [`filter.${name}.smudge`, ""],
    [`filter.${name}.process`, ""],
    [`filter.${name}.required`, "false"],
  ]);
}
