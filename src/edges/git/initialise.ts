import { appendFile, lstat, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Commit } from "../../domain/id.ts";
import { RepositoryError } from "../../ports/repository.ts";
import { answer, type Command, openGit } from "./command.ts";
import { bytesOf, isPlainReference, shown, textOf } from "./path.ts";
import { personOf } from "./revision.ts";
import { locate, realFolder } from "./source.ts";
import { authorOf, emptiedFilters, type Surroundings, userSetting } from "./survey.ts";
import { recordsOf } from "./tree.ts";

/** What was made: the first commit, how many files are in it, and what was left out because it is generated or secret. */
export interface Initialised {
  readonly top: string;
  readonly head: Commit;
  readonly author: string;
  readonly files: number;
  readonly leftOut: readonly string[];
}

const filesMax = 50_000;
const mark = "# Left out by rigs init --git; edit as you like.";

/** Generated or secret by name. Kept out through `.git/info/exclude`, so that no file of the user's is written. */
const leftOut = [
  "node_modules/",
  ".venv/",
  "venv/",
  "__pycache__/",
  ".env",
  ".env.*",
  "*.pem",
  "*.key",
  "id_rsa",
  "id_ed25519",
] as const;

/**
 * Makes a repository with one commit of all files in `folder`, for `rigs init --git`; an existing one without a commit
 * gets its first. Rejects with RepositoryError inside a repository that has commits, and for more than 50,000 files.
 */
export async function initialiseRepository(
  folder: string,
  options: { readonly git?: string; readonly surroundings?: Surroundings } = {},
): Promise<Initialised> {
  const surroundings = options.surroundings ?? process.env;
  const git = openGit(options.git ?? "git", surroundings.PATH ?? "/usr/local/bin:/usr/bin:/bin");
  const top = await realFolder(folder);
  const gitDir = join(top, ".git");
  const must = async (command: Omit<Command, "gitDir">, what: string) =>
    answer(
      git,
      { gitDir, workTree: top, configuration: await emptiedFilters(git, gitDir), ...command },
      `${what} in ${shown(top)}`,
      "mend that and run `rigs init --git` again",
    );
  const place = await locate(top);
  if (place.kind === "none") {
    const branch = await userSetting(git, "/nonexistent", surroundings, "init.defaultBranch");
    const name = isPlainReference(branch) ? branch : "main";
    await answer(
      git,
      {
        gitDir: undefined,
        arguments: ["init", "--quiet", "--template=", `--initial-branch=${name}`, "--", top],
      },
      `make a repository in ${shown(top)}`,
      "check who owns the folder",
    );
  } else if (place.kind === "bare" || place.top !== top) {
    throw new RepositoryError(
      `${shown(top)} is inside the repository ${shown(place.gitDir)}: run rigs there`,
    );
  }
  const head = await git.run({ gitDir, arguments: ["rev-parse", "--verify", "--quiet", "HEAD"] });
  if (head.exitCode === 0)
    throw new RepositoryError(
      `${shown(top)} is a git repository with commits: run \`rigs goal execute\` there`,
    );
  await keepOut(gitDir);
  const files = await filesOf((argumentList) => must({ arguments: argumentList }, "list the files"));
  const input = Buffer.concat(files.flatMap((path) => [bytesOf(path), Buffer.from([0])]));
  await must({ arguments: ["update-index", "--add", "-z", "--stdin"], input }, "add the files");
  const tree = (await must({ arguments: ["write-tree"] }, "write the files")).toString("utf8").trim();
  const author = await authorOf(git, gitDir, surroundings);
  const { name, mail } = personOf(author);
  const variables = {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: mail,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: mail,
  };
  const said = await must({ arguments: ["commit-tree", "-m", "First commit", tree], variables }, "commit");
  const commit = said.toString("utf8").trim();
  await must(
    { arguments: ["update-ref", "-m", "rigs init", "HEAD", commit, ""], variables },
    "keep the commit",
  );
  return { top, head: commit as Commit, author, files: files.length, leftOut: await present(top) };
}

async function keepOut(gitDir: string): Promise<void> {
  const file = join(gitDir, "info", "exclude");
  const before = await readFile(file, "utf8").catch(() => "");
  if (before.includes(mark)) return;
  await mkdir(join(gitDir, "info"), { recursive: true });
  await appendFile(file, `${mark}\n${leftOut.join("\n")}\n`);
}

async function filesOf(
  list: (argumentList: readonly string[]) => Promise<Buffer>,
): Promise<readonly string[]> {
  const said = await list(["ls-files", "-z", "--others", "--cached", "--exclude-standard", "--deduplicate"]);
  // A repository in the folder is listed as "name/": it stays as it is.
  const files = recordsOf(said)
    .map(textOf)
    .filter((path) => !path.endsWith("/"));
  if (files.length <= filesMax) return files;
  throw new RepositoryError(
    `there are ${files.length} files, more than ${filesMax}: write a .gitignore first`,
  );
}

async function present(top: string): Promise<readonly string[]> {
  const names = leftOut.map((name) => name.replace(/\/$/, "")).filter((name) => !name.includes("*"));
  const found = await Promise.all(names.map((name) => lstat(join(top, name)).catch(() => undefined)));
  return names.filter((_, index) => found[index] !== undefined);
}
