/**
 * The whole main job on a scripted model: no key, no server, no network. First one task on a small repository: a try fails
 * at run time, a worse one is reverted, the third is proven. Then a goal that becomes a plan of five, worked on by two at
 * a time: a run-time failure is mended, a red merge and a conflict come back and are mended, a revision is reverted. The
 * answers are picked by what is asked, so that the end is the same whoever is first. Everything lies in one folder, named at the end.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
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

/** What a command of the demo ended with, where that was not what the demo is about. */
class Stopped extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`a command ended with ${code}`);
    this.code = code;
  }
}

async function main(): Promise<void> {
  cpSync(join(top, "demo", "repository"), repository, { recursive: true });
  run("git", "init", "--quiet", "--initial-branch=main");
  commit("Format durations");
  say(`Two goals on a small repository. The model is a script of answers, some of
them wrong; git, the jail, the tests, the merges and the proofs are real. No
key, no server and no network are used. It takes less than a minute.`);
  await oneTask();
  await aTree();
  say();
  sayWhatRemains();
}

async function oneTask(): Promise<void> {
  head("1. One task");
  say(`The repository has formatDuration and its tests, and tests for a parseDuration
that does not exist yet. The first answer fails when it runs, the second is
worse, the third is right.
`);
  await show("provider", "add", "demo", "--kind", "scripted", "--script", script());
  say();
  const goal =
    "Add parseDuration(text) to src/parse.js, the inverse of formatDuration. What is no duration is a RangeError.";
  await show("goal", "execute", goal, "--check", "node --test test/parse.test.js");
  const branch = newestBranch();
  say();
  showGit("log", "--oneline", "--stat", `main..${branch}`);
  say();
  say("From the evidence page:");
  for (const line of verdictOf(branch)) say(`  ${line.replace(/[*`]/g, "")}`);
}

async function aTree(): Promise<void> {
  head("2. A goal that becomes a tree of tasks");
  say(`You like it and take it. Then you write down, as tests, what the repository
shall do next: read a timesheet, and report it by person and by project.
`);
  showGit("merge", "--quiet", "--ff-only", newestBranch());
  cpSync(join(top, "demo", "next"), repository, { recursive: true });
  commit("Say what a timesheet is");
  showGit("log", "--oneline");
  say("\nA planner is asked for a plan. It is a file: read it, edit it, throw it away.\n");
  const goal = "Read a timesheet and report it by person and by project.";
  const check = ["--check", "node --test test/timesheet.test.js"];
  await show("goal", "plan", goal, ...check, "--out", "../plan.yaml");
  say("\nYou edit it: the command and the usage may both write in README.md.\n");
  share(join(folder, "plan.yaml"), "src/timesheet.js", "src/usage.js");
  say(`
Two workers take it on. What to watch: the reader (1.3) fails when it runs, on
an empty line, and is mended. Both reports choose the letter p: each is right
alone, and git merges them without a conflict, but together a test goes red.
The one that comes second is sent back with that test and chooses again. The
command (1.4) gets worse once, and that is taken back. The command and the
usage (1.5) add to the same place of README.md: the second comes back with both
sides of the conflict and puts them together.
`);
  await show("goal", "execute", goal, "--plan", "../plan.yaml", "--workers", "2", ...check);
  const branch = newestBranch();
  const id = branch.replace("rigs/", "");
  say("\nOne commit for each task, on a branch of its own; yours was not touched:\n");
  showGit("log", "--oneline", "--reverse", "--stat", `main..${branch}`);
  say("\nBoth sections of the file that two tasks wrote in:\n");
  showGit("show", `${branch}:README.md`);
  say("\nA task that came back:\n");
  await show("bead", "show", `${id}.1.${returnedIn(branch)}`);
  const statements = readdirSync(join(home, "evidence", id, "statements")).sort();
  say(
    `\nSigned statements, one for each task and one for the whole, lie beside the\nevidence: ${statements.join(", ")}`,
  );
  head("Look further");
  say(`the change         git -C ${repository} diff main ${branch}`);
  say(`the evidence       ${pageOf(branch)}`);
  say(`every answer       RIGS_HOME=${home} node ${rigs} bead show ${id}.1.4 --transcript`);
  say(`the tree           RIGS_HOME=${home} node ${rigs} goal show ${id}`);
  say(`on your own code   node ${rigs} init, then goal execute "…" --check "…" in a repository of yours`);
}

/** What a person would type below what each of these tasks owns. */
function share(plan: string, ...owned: readonly string[]): void {
  let text = readFileSync(plan, "utf8");
  for (const path of owned) {
    const line = `      - ${path}\n`;
    if (!text.includes(line)) throw new Error(`the plan has no task that owns ${path}`);
    text = text.replace(line, `${line}    shares:\n      - README.md\n`);
    say(`+   shares: [README.md]      # below owns: [${path}]`);
  }
  writeFileSync(plan, text);
}

function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

function head(text: string): void {
  say(`\n${text}\n${"-".repeat(text.length)}`);
}

/** Runs quietly; the demo ends with the words of what failed. */
function run(command: string, ...words: readonly string[]): string {
  const ran = spawnSync(command, words, { cwd: repository, env: environment, encoding: "utf8" });
  if (ran.status !== 0) throw new Error(`${command} ${words.join(" ")} failed: ${ran.stderr || ran.stdout}`);
  return ran.stdout.trimEnd();
}

function commit(message: string): void {
  run("git", "add", ".");
  run("git", "commit", "--quiet", "--message", message);
}

/** Runs a git command that only tells, as a person would. */
function showGit(...words: readonly string[]): void {
  say(`$ git ${words.join(" ")}`);
  const told = run("git", ...words);
  if (told !== "") say(told);
}

/** Runs a rigs command as a person would, output and all. Throws Stopped when it does not end well. */
async function show(...words: readonly string[]): Promise<void> {
  say(`$ rigs ${words.map((word) => (/[\s"]/.test(word) ? `'${word}'` : word)).join(" ")}`);
  const child = spawn(process.execPath, [rigs, ...words], {
    cwd: repository,
    env: environment,
    stdio: "inherit",
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (ended) => resolve(ended ?? 1));
  });
  if (code !== 0) throw new Stopped(code);
}

function script(): string {
  return relative(repository, join(top, "demo", "script.json"));
}

/** The branch that was delivered and not taken yet. */
function newestBranch(): string {
  return run("git", "branch", "--list", "rigs/*", "--no-merged=main", "--format=%(refname:short)");
}

function pageOf(branch: string): string {
  return join(home, "evidence", branch.replace("rigs/", ""), "evidence.md");
}

/** What the evidence page says in two sentences; the rest of it is for reading. */
function verdictOf(branch: string): readonly string[] {
  const lines = readFileSync(pageOf(branch), "utf8").split("\n");
  return lines.filter((line) => line.startsWith("**Verdict") || line.startsWith("The control replaced"));
}

/** The number of the task that came back from the merge queue: the one that was tried again on what had landed. */
function returnedIn(branch: string): string {
  return /^- join `[^`]+\.1\.(\d)\/a2/m.exec(readFileSync(pageOf(branch), "utf8"))?.[1] ?? "2";
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
  await main();
} catch (error) {
  if (error instanceof Stopped) process.exitCode = error.code;
  else {
    process.stderr.write(`the demo could not go on: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
  sayWhatRemains();
}
