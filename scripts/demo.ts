/**
 * The whole main job on a scripted model: no key, no server, no network. A small repository gets a new function; the
 * first try fails at run time, the second scores lower and is reverted, the third is proven. Everything it makes lies
 * in one folder, named at the end.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { placesOf } from "../src/main/places.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const rigs = join(top, "bin", "rigs.js");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "rigs-demo-")));
const repository = join(folder, "durations");
const home = join(folder, "home");
const settings = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Demo",
  GIT_AUTHOR_EMAIL: "demo@localhost",
  GIT_COMMITTER_NAME: "Demo",
  GIT_COMMITTER_EMAIL: "demo@localhost",
};
const environment = { ...process.env, ...settings, RIGS_HOME: home };

function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** Runs quietly; the demo ends with the words of what failed. */
function quietly(command: string, ...words: readonly string[]): string {
  const run = spawnSync(command, words, { cwd: repository, env: environment, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`${command} ${words.join(" ")} failed: ${run.stderr || run.stdout}`);
  return run.stdout.trim();
}

/** Runs a rigs command as a person would, output and all. */
async function show(...words: readonly string[]): Promise<number> {
  say(`$ rigs ${words.map((word) => (/[\s"]/.test(word) ? `'${word}'` : word)).join(" ")}`);
  const child = spawn(process.execPath, [rigs, ...words], {
    cwd: repository,
    env: environment,
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** What the evidence page says in two sentences; the rest of it is for reading. */
function verdictOf(page: string): readonly string[] {
  const lines = readFileSync(page, "utf8").split("\n");
  return lines.filter((line) => line.startsWith("**Verdict") || line.startsWith("The control replaced"));
}

async function main(): Promise<number> {
  cpSync(join(top, "demo", "repository"), repository, { recursive: true });
  quietly("git", "init", "--quiet", "--initial-branch=main");
  quietly("git", "add", ".");
  quietly("git", "commit", "--quiet", "--message", "Format durations");
  say("A repository with formatDuration and its tests, and tests for a parseDuration");
  say("that does not exist yet. The model is a script of three answers: the first fails");
  say("when it runs, the second is worse, the third is right. No key, no server and no");
  say("network are used; git, the jail, the tests and the proof are real.");
  say();
  const script = relative(repository, join(top, "demo", "script.json"));
  if ((await show("provider", "add", "demo", "--kind", "scripted", "--script", script)) !== 0) return 1;
  say();
  const goal =
    "Add parseDuration(text) to src/parse.js, the inverse of formatDuration. What is no duration is a RangeError.";
  const code = await show("goal", "execute", goal, "--check", "node --test test/parse.test.js");
  if (code !== 0) {
    sayWhatRemains();
    return code;
  }
  const branch = quietly("git", "branch", "--list", "rigs/*", "--format=%(refname:short)");
  const id = branch.replace("rigs/", "");
  const page = join(home, "evidence", id, "evidence.md");
  say();
  say(`$ git log --oneline --stat main..${branch}`);
  say(quietly("git", "log", "--oneline", "--stat", `main..${branch}`));
  say();
  say("From the evidence page:");
  for (const line of verdictOf(page)) say(`  ${line.replace(/[*`]/g, "")}`);
  say();
  say("Look further:");
  say(`  the change        git -C ${repository} diff main ${branch}`);
  say(`  the evidence      ${page}`);
  say(`  every answer      RIGS_HOME=${home} node ${rigs} bead show ${id}.1 --transcript`);
  say(`  on your own code  node ${rigs} init, then goal execute "…" --check "…" in a repository of yours`);
  say();
  sayWhatRemains();
  return 0;
}

/** As root, jails run as another user, below a folder that user can reach. */
function sayWhatRemains(): void {
  const { workRoot } = placesOf(home, process.getuid?.() === 0);
  const isInside = workRoot.startsWith(folder);
  say(
    `What the demo made: ${folder} (the repository, Rigs' home)${isInside ? "" : ` and, because you are root, ${workRoot}`}`,
  );
  say(`Remove all of it:   rm -rf ${isInside ? folder : `${folder} ${workRoot}`}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`the demo could not go on: ${(error as Error).message}\n`);
  sayWhatRemains();
  process.exitCode = 1;
}
